"""Pictures of coloured shapes, with captions and questions: "generated-scenes".

    a small red circle left of two blue squares           what colour are the squares?  blue
    is the red circle above the blue squares?  no        how many things are there?   3

A sample to learn to write about pictures, to answer questions and to find things, and to test
that. Every picture is 1 to 4 things of a shape, a colour, a size and a texture, which do not
overlap, on a plain, graded or noisy ground; all that is true of it is known, so that what a model
writes is judged by its meaning (`read_caption`), and where it looks by the things' boxes
(`mentioned`). Six pairs of colour and shape can be held out of training, to see whether a model
puts together what it has only seen apart.

    >>> scene = next(scenes(seed=1))
    >>> all(read_caption(caption).hold(scene).right for caption in scene.captions)
    True
    >>> draw(scene).shape
    (96, 96, 3)

To flip or turn such a picture makes its captions false, and a change of hue does too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from corpora.errors import UsageError
from corpora.scene_captions import captions
from corpora.scene_claims import Claims, Mention, Verdict, mentioned, read_caption
from corpora.scene_drawing import draw
from corpora.scene_questions import questions
from corpora.scene_things import (
    CLEAR,
    COLOURS,
    HELD_OUT,
    RELATIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    Description,
    Question,
    Scene,
    Thing,
)

__all__ = [
    "COLOURS",
    "COUNT",
    "HELD_OUT",
    "NAME",
    "SHAPES",
    "SIZES",
    "TEXTURES",
    "Claims",
    "Description",
    "Mention",
    "Question",
    "Scene",
    "Thing",
    "Verdict",
    "draw",
    "mentioned",
    "read_caption",
    "scene",
    "scenes",
]

NAME = "generated-scenes"
COUNT = 10_000  # scenes of the sample
LEAST = 48  # pixels of a picture's side: below, stripes and dots are not seen
# Sides of things as shares of the picture's: 17 to 20 and 28 to 30 pixels of 96.
_SIDES = {"small": (0.177, 0.208), "large": (0.29, 0.313)}
_MARGIN, _BETWEEN = 0.015, 0.02  # of the picture's side, around it and around a thing
_GROUPS = (1, 2, 3, 4)  # of things that are alike
_SHARES = (20, 50, 20, 10)  # of the pictures
_NUMBERS = {1: ((1,), (2,), (3,), (4,)), 3: ((1, 1, 1), (1, 1, 2)), 4: ((1, 1, 1, 1),)} | {
    2: ((1, 1), (1, 1), (1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (3, 1))
}


class _Area(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


def scenes(
    seed: int = 0, count: int = COUNT, *, size: int = 96, held_out: bool | None = None
) -> Iterator[Scene]:
    """Scenes of `size` by `size` pixels, the same of the same seed: a smaller count gives the
    first of them.

    With `held_out` False none has a thing of the colours and shapes of `HELD_OUT`; with True each
    has at least one; with None it is left to chance.

    Raises:
        UsageError: for a size below 48.
    """
    chance = random.Random(f"{NAME} {seed}")
    for _ in range(count):
        yield scene(chance.getrandbits(48), size=size, held_out=held_out)


def scene(seed: int, *, size: int = 96, held_out: bool | None = None) -> Scene:
    """The one scene of this seed. At another size it is the same, larger or smaller."""
    if size < LEAST:
        raise UsageError(f"size is {size}: expected at least {LEAST} pixels")
    chance = random.Random(f"{NAME}, one {seed} {held_out}")
    things: list[Thing] = []
    while not things:
        described = _described(chance, held_out)
        for _ in range(10):
            things = things or _placed(described, chance)
    chance.shuffle(things)  # their order tells nothing
    scaled = tuple(
        Thing(one.shape, one.colour, one.size, one.texture, _scaled(one.box, size))
        for one in things
    )
    said, asked = captions(scaled, size, chance), questions(scaled, size, chance)
    return Scene(seed, size, size, scaled, said, asked)


def _scaled(box: Sequence[float], size: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = (edge * size for edge in box)
    return left, top, right, bottom


def _described(chance: random.Random, held_out: bool | None) -> list[list[Description]]:
    """What is in the picture, in groups of things that are alike."""
    pairs = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    if held_out is False:
        pairs = [pair for pair in pairs if pair not in HELD_OUT]
    number = chance.choices(_GROUPS, _SHARES)[0]
    told = [chance.choice(HELD_OUT if held_out else pairs)]
    kinds = [_one(chance, *told[0])]
    alike = chance.random() if number == 2 else 1.0  # such pairs teach to look at every word
    while len(kinds) < number:
        colour, shape = chance.choice(pairs)
        if alike < 0.25:
            colour = told[0][0]
        if 0.15 <= alike < 0.4:
            shape = told[0][1]
        kind = _one(chance, colour, shape)
        # But for those alike on purpose, colour and shape tell things apart.
        if kind in kinds or (colour, shape) not in pairs:
            continue
        if ((colour, shape) in told) == (0.15 <= alike < 0.25):
            told.append((colour, shape))
            kinds.append(kind)
    chance.shuffle(kinds)
    numbers = list(chance.choice(_NUMBERS[number]))
    chance.shuffle(numbers)
    return [[kind] * times for kind, times in zip(kinds, numbers, strict=True)]


def _one(chance: random.Random, colour: str, shape: str) -> Description:
    return Description(chance.choice(SIZES), chance.choice(TEXTURES), colour, shape)


def _placed(described: Sequence[Sequence[Description]], chance: random.Random) -> list[Thing]:
    """Things in a picture from 0 to 1 that do not overlap; none where no place was found.

    Of two groups each has its side of the picture, so that something can be said of them.
    """
    whole = _Area(_MARGIN, _MARGIN, 1 - _MARGIN, 1 - _MARGIN)
    areas = [whole] * len(described)
    if len(described) == 2:
        relation = chance.choice(list(RELATIONS))
        cut = chance.uniform(0.2, 0.8 - CLEAR)
        across = relation in ("left of", "right of")
        before = whole._replace(right=cut) if across else whole._replace(bottom=cut)
        after = whole._replace(left=cut + CLEAR) if across else whole._replace(top=cut + CLEAR)
        areas = [before, after] if relation in ("left of", "above") else [after, before]
    things: list[Thing] = []
    for group, area in zip(described, areas, strict=True):
        for kind in group:
            thing = _somewhere(kind, area, things, chance)
            if thing is None:
                return []
            things.append(thing)
    return things


def _somewhere(
    kind: Description, area: _Area, things: Sequence[Thing], chance: random.Random
) -> Thing | None:
    size, texture, colour, shape = (said or "" for said in kind)
    side = chance.uniform(*_SIDES[size])
    room = area.right - area.left - side, area.bottom - area.top - side
    if min(room) < 0:
        return None
    for _ in range(30):
        left, top = area.left + room[0] * chance.random(), area.top + room[1] * chance.random()
        box = (left, top, left + side, top + side)
        if all(_apart(box, thing.box) for thing in things):
            return Thing(shape, colour, size, texture, box)
    return None


def _apart(one: Sequence[float], other: Sequence[float]) -> bool:
    return any(
        first[place + 2] + _BETWEEN <= second[place]
        for first, second in ((one, other), (other, one))
        for place in (0, 1)
    )
