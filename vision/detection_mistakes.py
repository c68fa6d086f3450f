"""What a detector did wrong in a picture, by kinds (Bolya et al. 2020, "TIDE").

    wrong class     it is there, under another name
    badly placed    something of this class is near: an IoU of 0.1 or more, but below the threshold
    double          found once more, by a surer box
    false           nothing is there
    missed          nothing was found here, not even badly

What lies on boxes that are ignored, `crowd` or `difficult`, is no mistake, nor is it to miss them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from vision.average_precision import FoundPlace, TruePlace, corners, overlaps

Kind = Literal["missed", "wrong class", "badly placed", "double", "false"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NEAR = 0.1  # IoU below which a find has nothing to do with a box


class Mistake(NamedTuple):
    """One thing that is wrong."""

    kind: Kind
    found: FoundPlace | None  # None of what was missed
    truth: TruePlace | None  # None of what is false
    overlap: float  # their IoU

    @property
    def cost(self) -> float:
        """How bad it is: how sure the model was, and 1 of what it missed."""
        return 1.0 if self.found is None else self.found.score


class Judged(NamedTuple):
    """A picture's finds."""

    right: tuple[tuple[FoundPlace, TruePlace], ...]
    mistakes: tuple[Mistake, ...]  # the worst first
    ignored: tuple[FoundPlace, ...]

    @property
    def cost(self) -> float:
        """Of all mistakes."""
        return sum(one.cost for one in self.mistakes)


def judge(
    found: Sequence[FoundPlace],
    truth: Sequence[TruePlace],
    *,
    threshold: float = 0.25,
    iou: float = 0.5,
) -> Judged:
    """What is right and what is wrong among the boxes that were found in a picture.

    As average precision has it, surer finds choose first, each the box of its class that it
    overlaps most. What then is left is held against the boxes that nobody took.

    Args:
        threshold: finds less sure than that are left out.
        iou: that a find and its box have at least.
    """
    finds = sorted((one for one in found if one.score >= threshold), key=lambda one: -one.score)
    crowd = np.array([box.crowd for box in truth], bool)
    free = ~(crowd | np.array([box.difficult for box in truth], bool))
    ignored = ~free
    shares = overlaps(corners(finds), corners(truth), crowd)
    same = np.array([[one.label == box.label for box in truth] for one in finds], bool).reshape(
        shares.shape
    )
    right, beside, left = [], [], []
    for row, find in enumerate(finds):
        own = np.where(same[row] & free, shares[row], -1)
        if own.max(initial=-1) >= iou:
            taken = int(own.argmax())
            free[taken] = False
            right.append((find, truth[taken]))
        elif (same[row] & ignored & (shares[row] >= iou)).any():
            beside.append(find)
        else:
            left.append(row)
    mistakes = []
    taken_well = ~free & ~ignored
    for row in left:
        kind, place = _kind(shares[row], same[row], free, taken_well, iou)
        explained = None if place is None else truth[place]
        share = 0.0 if place is None else float(shares[row, place])
        mistakes.append(Mistake(kind, finds[row], explained, share))
        if place is not None:
            free[place] = False
    mistakes += [
        Mistake("missed", None, truth[place], 0.0) for place in map(int, np.flatnonzero(free))
    ]
    mistakes.sort(key=lambda one: -one.cost)
    return Judged(tuple(right), tuple(mistakes), tuple(beside))


def count(judged: Iterable[Judged]) -> dict[Kind, int]:
    """How often each kind of mistake was made."""
    counts = Counter(one.kind for picture in judged for one in picture.mistakes)
    return {kind: counts[kind] for kind in KINDS}


def worst(judged: Sequence[Judged], most: int) -> list[int]:
    """The numbers of the pictures with the most mistakes, weighed by how sure they were, the worst
    first; those without any are none of them."""
    wrong = [number for number, one in enumerate(judged) if one.mistakes]
    return sorted(wrong, key=lambda number: -judged[number].cost)[:most]


def _kind(
    shares: np.ndarray, same: np.ndarray, free: np.ndarray, taken: np.ndarray, iou: float
) -> tuple[Kind, int | None]:
    """What is wrong with a find, and the box that it was meant for."""
    cases: list[tuple[Kind, np.ndarray, float]] = [
        ("wrong class", ~same & free, iou),
        ("badly placed", same & free, NEAR),
        ("double", same & taken, iou),
    ]
    for kind, possible, least in cases:
        own = np.where(possible, shares, -1)
        if own.max(initial=-1) >= least:
            return kind, int(own.argmax())
    return "false", None
