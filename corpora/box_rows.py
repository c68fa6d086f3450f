"""What the forms of boxed pictures are read into, before pictures are found and boxes checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import UsageError

_NAMED = 5  # of the places of one kind of mistake

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class BoxRow(NamedTuple):
    """A box as its source has it, which may lie anywhere."""

    label: str
    edges: Edges
    where: str
    difficult: bool = False
    crowd: bool = False


class PictureRow(NamedTuple):
    """A picture, and some or all of its boxes."""

    names: tuple[str, ...]
    """What the picture's file may be called, best first; () where `image` is the picture."""
    image: Any
    boxes: list[BoxRow]
    where: str
    id: str
    split: str
    beside: Path
    """The folder that the names are of, or that of the file that tells them."""
    width: int | None = None
    height: int | None = None
    """As the source says, which may be wrong."""
    relative: bool = False
    """Whether edges are shares of the picture's sides, and not pixels."""


class Form(NamedTuple):
    """A source that is read row by row."""

    rows: Iterable[PictureRow]
    labels: Sequence[str] | None = None
    """The classes in the order of the source; None where it has no list of them."""
    category_ids: Mapping[str, int] | None = None
    """The numbers that COCO's files give them; None in other forms."""
    found: bool = False
    """Whether the pictures' folder was looked for by the form, so that names are to be taken as
    they are."""


@dataclass
class Places:
    """What was left out or changed, with every place where."""

    held: dict[str, list[str]] = field(default_factory=dict)

    def note(self, what: str, where: str) -> None:
        """Adds a place."""
        self.held.setdefault(what, []).append(where)

    def remarks(self) -> list[str]:
        """A line of each kind, such as "boxes of no size, left out: 2 (a.xml, object 1; ...)"."""
        return [
            f"{what}: {len(places):,} ({'; '.join(places[:_NAMED])}"
            f"{'; ...' if len(places) > _NAMED else ''})"
            for what, places in self.held.items()
        ]


def four(values: Any, where: str, expected: str) -> Edges:
    """Four finite numbers out of texts or numbers. `UsageError` for anything else."""
    try:
        first, second, third, fourth = map(float, values)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {values!r:.60}; expected {expected}") from None
    if not all(map(math.isfinite, (first, second, third, fourth))):
        raise UsageError(f"{where}: {values!r:.60}; expected {expected}, finite ones")
    return first, second, third, fourth


def from_sides(box: Edges) -> Edges:
    """Edges of a box that is told by left, top, width and height."""
    left, top, width, height = box
    return left, top, left + width, top + height


def in_order(paths: Iterable[Path]) -> Iterator[Path]:
    """Paths by name, with s2 before s10."""

    def key(path: Path) -> list[tuple[int, str]]:
        parts: list[tuple[int, str]] = []
        digits = ""
        for sign in f"{path.as_posix()}\0":
            if sign.isdecimal():
                digits += sign
                continue
            if digits:
                parts.append((int(digits), ""))
                digits = ""
            parts.append((-1, sign))
        return parts

    return iter(sorted(paths, key=key))
