"""How good a detector is: average precision as COCO defines it (Lin et al. 2014).

Of each class, the boxes found in all pictures are gone through from the surest to the least sure.
One is right if it overlaps a true box of its class, that no surer one has taken, by an IoU of at
least a threshold. That gives a precision for each recall:

    precision 1 ┬──────╮              AP: the mean of the precision at the recalls 0, 0.01, ... 1,
                │      ╰──╮           where each has the best precision of it or any higher one;
                │         ╰─────╮     mAP: the mean of the classes that have a true box;
              0 ┴───────────────┴─    AP 0.5:0.95: the mean of the IoUs 0.5, 0.55, ... 0.95;
                0       recall  1     AR: the mean of the highest recall that these reach.

True boxes that are `crowd` or `difficult` are not looked for, and what is found there is not
wrong: they are ignored. A crowd takes any number of finds, each by the share of itself that is
inside; a difficult box one, as any box (that PASCAL VOC lets it take more is the difference).

All numbers equal those of pycocotools, which is no dependency: it has no ignored boxes but crowds,
speaks in files of COCO's form, and is slower. Sizes are those of the boxes, for there are no
outlines here: with those of COCO's own files, its numbers for small, medium and large differ.

    scores = score_detections([one.boxes for one in model.detect(paths)], truth, labels)
    print(scores.ap50, scores.per_class["apple"].ap, scores.curves["apple"].best_f1)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import NamedTuple, Protocol

import numpy as np

from corpora.errors import UsageError

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = (1, 10, 100)  # boxes of a picture and class that count, the surest of them
# Square pixels; the bounds belong to both.
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2)} | {
    "large": (96.0**2, 1e10)
}


class Place(Protocol):
    """A box with its class, in pixels."""

    @property
    def label(self) -> str: ...
    @property
    def left(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def right(self) -> float: ...
    @property
    def bottom(self) -> float: ...


class FoundPlace(Place, Protocol):
    """A box that was found."""

    @property
    def score(self) -> float: ...


class TruePlace(Place, Protocol):
    """A box that is there."""

    @property
    def difficult(self) -> bool: ...
    @property
    def crowd(self) -> bool: ...


@dataclass(frozen=True, eq=False)
class Curve:
    """Of one class at an IoU of 0.5, after each box that was found, the surest first."""

    recall: np.ndarray  # [found]
    precision: np.ndarray  # [found], as it is: not yet the best of any higher recall
    score: np.ndarray  # [found]

    @property
    def best_f1(self) -> tuple[float, float]:
        """The highest F1, and the score from which on boxes are kept for it; 0 and 1 without
        boxes."""
        if not len(self.score):
            return 0.0, 1.0
        total = self.recall + self.precision
        f1 = 2 * self.recall * self.precision / np.where(total > 0, total, 1)
        best = int(f1.argmax())
        return float(f1[best]), float(self.score[best])


class ClassScores(NamedTuple):
    """Of one class; NaN where it has no true box."""

    ap: float  # mean of the IoUs 0.5 to 0.95
    ap50: float
    ap75: float
    ar: float  # with 100 boxes a picture
    truth: int  # true boxes, without those that are ignored
    found: int  # boxes found, without those that are ignored, at an IoU of 0.5


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """0 to 1, the mean of the classes that have true boxes; NaN where none has."""

    ap: float  # mean of the IoUs 0.5 to 0.95
    ap50: float
    ap75: float
    ap_sizes: Mapping[str, float]  # "small", "medium", "large", see SIZES
    ar: Mapping[int, float]  # with at most 1, 10, 100 boxes of a picture and class
    ar_sizes: Mapping[str, float]
    per_class: Mapping[str, ClassScores]
    curves: Mapping[str, Curve]
    precision: np.ndarray
    """[ious, recalls, classes, sizes, most], -1 where a class has no true box, as of pycocotools"""
    recall: np.ndarray  # [ious, classes, sizes, most], likewise
    pictures: int

    @property
    def summary(self) -> tuple[float, ...]:
        """The twelve numbers that pycocotools prints, in its order."""
        sizes, most = self.ap_sizes.values(), self.ar.values()
        return self.ap, self.ap50, self.ap75, *sizes, *most, *self.ar_sizes.values()


class _Matched(NamedTuple):
    """A class in one picture."""

    scores: np.ndarray  # [found], falling
    right: np.ndarray  # [ious, sizes, found] bool: took a true box
    ignored: np.ndarray  # [ious, sizes, found] bool
    wanted: np.ndarray  # [sizes] true boxes


def score_detections(
    found: Sequence[Sequence[FoundPlace]],
    truth: Sequence[Sequence[TruePlace]],
    labels: Sequence[str],
) -> DetectionScores:
    """Scores of what was found in some pictures against what is there.

    Boxes that are equally sure are taken in the order in which they come.

    Args:
        found: of each picture, in any order.
        truth: of the same pictures.
        labels: the classes; a class without a true box does not count.

    Raises:
        UsageError: not the same number of pictures, a class that is not among `labels`, or a box
            or score that is no number.
    """
    if len(found) != len(truth):
        raise UsageError(
            f"boxes found in {len(found):,} pictures and true boxes of {len(truth):,}: expected "
            "those of the same pictures"
        )
    numbers = {label: number for number, label in enumerate(labels)}
    matched: list[list[_Matched]] = [[] for _ in labels]
    for picture, (own, there) in enumerate(zip(found, truth, strict=True)):
        for label, (finds, boxes) in _by_class(own, there).items():
            if label not in numbers:
                raise UsageError(
                    f"picture {picture}: a box is called {label!r}; the classes are "
                    f"{', '.join(labels)}"
                )
            matched[numbers[label]].append(_match(finds, boxes, picture))
    shape = (len(IOUS), len(RECALLS), len(labels), len(SIZES), len(MOST))
    precision = np.full(shape, -1.0)
    recall = np.full((shape[0], *shape[2:]), -1.0)
    curves, counts = {}, {}
    for number, label in enumerate(labels):
        wanted = sum((one.wanted for one in matched[number]), np.zeros(len(SIZES), np.int64))
        counts[label], curve = int(wanted[0]), Curve(*np.zeros((3, 0)))
        for last, most in enumerate(MOST):
            for size in map(int, np.flatnonzero(wanted)):
                right, wrong, scores = _ranked(matched[number], size, most)
                reached = right / wanted[size]
                exact = right / (right + wrong + np.spacing(1))
                recall[:, number, size, last] = reached[:, -1] if len(scores) else 0
                precision[:, :, number, size, last] = _at_recalls(reached, exact)
                if size == 0 and most == MOST[-1]:
                    curve = _curve(reached[0], exact[0], right[0] + wrong[0], scores)
        curves[label] = curve
    return _summed(precision, recall, curves, counts, len(found))


def overlaps(found: np.ndarray, truth: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """The IoU of each box `[n, 4]` with each box `[m, 4]`: `[n, m]`; with a crowd the share of the
    first that lies in it. 0 where neither has an area."""
    corner = np.maximum(found[:, None, :2], truth[None, :, :2])
    other = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    common = np.clip(other - corner, 0, None).prod(-1)
    own, theirs = ((part[:, 2:] - part[:, :2]).prod(-1) for part in (found, truth))
    union = own[:, None] + theirs - common
    if crowd is not None:
        union = np.where(crowd, own[:, None], union)
    shares: np.ndarray = np.divide(common, union, out=np.zeros_like(common), where=common > 0)
    return shares


def corners(boxes: Sequence[Place]) -> np.ndarray:
    """Left, top, right and bottom of some boxes: `[boxes, 4]`."""
    sides = [(box.left, box.top, box.right, box.bottom) for box in boxes]
    return np.array(sides, np.float64).reshape(-1, 4)


def _by_class(
    found: Sequence[FoundPlace], truth: Sequence[TruePlace]
) -> dict[str, tuple[list[FoundPlace], list[TruePlace]]]:
    groups: dict[str, tuple[list[FoundPlace], list[TruePlace]]] = {}
    for find in found:
        groups.setdefault(find.label, ([], []))[0].append(find)
    for box in truth:
        groups.setdefault(box.label, ([], []))[1].append(box)
    return groups


def _match(found: Sequence[FoundPlace], truth: Sequence[TruePlace], picture: int) -> _Matched:
    """Each find takes the true box that it overlaps most, for all IoUs and sizes at once."""
    scores = np.array([find.score for find in found], np.float64)
    places, boxes = corners(found), corners(truth)
    if not all(np.isfinite(part).all() for part in (scores, places, boxes)):
        raise UsageError(f"picture {picture}: a box or a score is no number")
    order = np.argsort(-scores, kind="stable")[: MOST[-1]]
    scores, places = scores[order], places[order]
    crowd = np.array([box.crowd for box in truth], bool)
    left_out = crowd | np.array([box.difficult for box in truth], bool)
    ignorable = left_out | _outside(boxes)  # [sizes, truth]
    shape = (len(IOUS), len(SIZES), len(scores))
    right, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    shares = overlaps(places, boxes, crowd)
    free = np.ones((*shape[:2], len(truth)), bool)
    near = shares.max(1, initial=0) >= IOUS[0]  # the others take nothing
    for number in np.flatnonzero(near):
        share = shares[number]
        possible = free & (share >= IOUS[:, None, None])
        better = possible & ~ignorable  # ignored ones only where there is no other
        pool = np.where(better.any(-1, keepdims=True), better, possible)
        # Of those that overlap alike the last, as pycocotools has it.
        taken = len(truth) - 1 - np.where(pool, share, -1)[..., ::-1].argmax(-1)
        right[..., number] = took = pool.any(-1)
        ignored[..., number] = took & np.take_along_axis(
            np.broadcast_to(ignorable, free.shape), taken[..., None], -1
        ).squeeze(-1)
        levels, sizes = np.nonzero(took)
        free[levels, sizes, taken[levels, sizes]] = crowd[taken[levels, sizes]]
    ignored |= ~right & _outside(places)
    return _Matched(scores, right, ignored, (~ignorable).sum(-1))


def _outside(boxes: np.ndarray) -> np.ndarray:
    """Which boxes are not of each size: `[sizes, boxes]`."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    bounds = np.array(list(SIZES.values()))
    return (area < bounds[:, :1]) | (area > bounds[:, 1:])


def _ranked(
    matched: Sequence[_Matched], size: int, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many of a class were right and wrong so far, `[ious, found]`, and the scores `[found]`,
    of all pictures, the surest first."""
    scores = np.concatenate([one.scores[:most] for one in matched])
    order = np.argsort(-scores, kind="stable")
    right, ignored = (
        np.concatenate([part[:, size, :most] for part in parts], 1)[:, order]
        for parts in ([one.right for one in matched], [one.ignored for one in matched])
    )
    counts = [np.cumsum(part & ~ignored, 1, dtype=float) for part in (right, ~right)]
    return counts[0], counts[1], scores[order]


def _at_recalls(reached: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The best precision at each of RECALLS or above it, `[ious, recalls]`."""
    best = np.maximum.accumulate(exact[:, ::-1], 1)[:, ::-1]
    best = np.pad(best, ((0, 0), (0, 1)))  # beyond the highest recall: 0
    places = [np.searchsorted(row, RECALLS, side="left") for row in reached]
    return np.take_along_axis(best, np.array(places), 1)


def _curve(
    recall: np.ndarray, precision: np.ndarray, counted: np.ndarray, scores: np.ndarray
) -> Curve:
    """Without the finds that are ignored, behind which nothing has changed."""
    new = np.diff(counted, prepend=0) > 0
    return Curve(recall[new], precision[new], scores[new])


def _summed(
    precision: np.ndarray,
    recall: np.ndarray,
    curves: Mapping[str, Curve],
    counts: Mapping[str, int],
    pictures: int,
) -> DetectionScores:
    whole, sizes = precision[..., 0, -1], list(SIZES)[1:]
    half, three_quarters = 0, 5  # places of the IoUs 0.5 and 0.75
    per_class = {
        label: ClassScores(
            _mean(whole[:, :, number]),
            _mean(whole[half, :, number]),
            _mean(whole[three_quarters, :, number]),
            _mean(recall[:, number, 0, -1]),
            counts[label],
            len(curves[label].score),
        )
        for number, label in enumerate(curves)
    }
    return DetectionScores(
        _mean(whole),
        _mean(whole[half]),
        _mean(whole[three_quarters]),
        {size: _mean(precision[..., place, -1]) for place, size in enumerate(sizes, 1)},
        {most: _mean(recall[..., 0, place]) for place, most in enumerate(MOST)},
        {size: _mean(recall[:, :, place, -1]) for place, size in enumerate(sizes, 1)},
        per_class,
        curves,
        precision,
        recall,
        pictures,
    )


def _mean(parts: np.ndarray) -> float:
    there = parts[parts > -1]
    return float(there.mean()) if there.size else nan
