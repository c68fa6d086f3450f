"""Training, validation and test part of pictures that may say themselves where they belong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from corpora.annotated_splits import Parts, divide
from corpora.errors import UsageError
from corpora.pictures import split_named
from corpora.reader import Source
from corpora.scenes import COUNT, NAME, Scene, scenes

HELD_OUT = "held_out"


class Item(Protocol):
    """What has a picture, the picture's name, and the name of a part, "" for none."""

    @property
    def image(self) -> Any: ...
    @property
    def id(self) -> str: ...
    @property
    def split(self) -> str: ...


T = TypeVar("T", bound=Item)


def of_split(items: Iterable[T], split: str | None, source: str) -> list[T]:
    """The items of one part, or all. `UsageError` where there is no such part."""
    read = list(items)
    if split is None:
        return read
    wanted = split_named(split)
    kept = [item for item in read if item.split == wanted]
    if not kept:
        known = ", ".join(sorted({item.split for item in read} - {""})) or "none, they are in one"
        raise UsageError(f"{source}: no split {split!r}; its parts are: {known}")
    return kept


def divided(
    source: Source,
    validation: float | Source,
    test: float | Source,
    read: Callable[[Source], tuple[list[T], list[str]]],
) -> Parts[T]:
    """The parts that the source has itself, and fractions of its training part for the others.

    Raises:
        UsageError: fractions that leave nothing, an empty part, and what `read` raises.
    """
    items, remarks = read(source)
    held: dict[str, list[T]] = {}
    for item in items:
        held.setdefault(item.split, []).append(item)
    given: dict[str, list[T]] = {"train": items}
    if "train" in held:
        given = {name: held.pop(name) for name in ("train", "validation", "test") if name in held}
        remarks += [
            f"pictures of the part {name or 'without a name'}, left out: {len(part):,}"
            for name, part in held.items()
        ]
    places: dict[str, Any] = {}
    for name, wanted in (("validation", validation), ("test", test)):
        places[name] = name
        if not isinstance(wanted, int | float):
            given[name], told = read(wanted)
            remarks += told
        elif name not in given or not wanted:  # 0 asks for none
            places[name] = wanted
    parts = divide(
        "train",
        places["validation"],
        places["test"],
        read=lambda place, _: (given[str(place)], []),
        groups=_same_picture,
    )
    return parts._replace(remarks=[*remarks, *parts.remarks])


def _same_picture(items: Sequence[Item]) -> list[int]:
    """The number of each item's picture: one that several questions ask about is not divided."""
    numbers: dict[object, int] = {}
    keys = [item.image if isinstance(item.image, Path | Scene) else item.id for item in items]
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def is_generated(name: str) -> bool:
    """Whether a source names the scenes that the project draws, with or without their number."""
    return name.partition(":")[0] == NAME and not os.path.exists(name)


def generated(name: str, split: str | None) -> Iterator[tuple[str, int, Scene]]:
    """The part, number and scene of each of "generated-scenes[:COUNT[:PIXELS]]".

    COUNT is of the training part; a twentieth of it, at most 500, is there to validate, a tenth, at
    most 1000, to test, and as many are in the part "held_out": only these show colours of shapes
    that no other part has.

    Raises:
        UsageError: a number that is none.
    """
    numbers = name.split(":")[1:]
    if len(numbers) > 2 or not all(re.fullmatch(r"[1-9]\d{0,7}", number) for number in numbers):
        raise UsageError(
            f"{name}: expected {NAME}, {NAME}:COUNT or {NAME}:COUNT:PIXELS in whole numbers"
        )
    count, size = [*map(int, numbers), *(COUNT, 96)[len(numbers) :]]
    tenth = max(1, min(1000, count // 10))
    sizes = {"train": count, "validation": (tenth + 1) // 2, "test": tenth, HELD_OUT: tenth}
    wanted = None if split is None else split_named(split)
    for seed, (part, many) in enumerate(sizes.items()):
        if wanted == part or (wanted is None and part != HELD_OUT):
            drawn = scenes(seed, many, size=size, held_out=part == HELD_OUT)
            yield from ((part, number, scene) for number, scene in enumerate(drawn, start=1))
