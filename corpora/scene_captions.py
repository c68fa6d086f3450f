"""Captions of generated scenes."""

from __future__ import annotations

import random
from collections.abc import Sequence

from corpora.scene_things import (
    CLEAR,
    RELATIONS,
    Description,
    Thing,
    groups_of,
    space,
)

MOST_WORDS = 12  # of a caption; four things in a row need one or two more
_COUNT = 5  # captions of a scene
_SIZE, _TEXTURE = 0.5, 0.4  # how often they are said without need


def captions(things: Sequence[Thing], side: int, chance: random.Random) -> tuple[str, ...]:
    """Several true captions, no two alike. A picture with a single sort of thing has fewest."""
    groups = groups_of(things)
    clear = _clear(groups, side)
    written: dict[str, None] = {}
    for _ in range(12 * _COUNT):
        if len(written) == _COUNT:
            break
        if clear and chance.random() < (0.75 if len(groups) == 2 else 0.5):
            relation, first, second = chance.choice(clear)
            named, joint = [first, second], f" {relation} "
        else:
            named, joint = groups, " and "
        phrases = [_described(group, things, chance) for group in named]
        text = _joined(phrases, joint)
        if chance.random() < 0.25:
            text = f"there {'is' if len(named[0]) == 1 else 'are'} {text}"
        if len(text.split()) > MOST_WORDS:
            text = _joined([needed(group, things).text(len(group)) for group in named], joint)
        written[text] = None
    return tuple(written)


def _joined(phrases: Sequence[str], joint: str) -> str:
    *before, last = phrases
    return joint.join([", ".join(before), last]) if before else last


def _clear(groups: Sequence[list[Thing]], side: int) -> list[tuple[str, list[Thing], list[Thing]]]:
    """The relations between two groups that nobody would doubt."""
    return [
        (relation, first, second)
        for relation in RELATIONS
        for first in groups
        for second in groups
        if first is not second and space(relation, first, second) >= CLEAR * side
    ]


def needed(group: Sequence[Thing], things: Sequence[Thing]) -> Description:
    """What to say to mean this group and no other thing: shape and colour, and more if needed."""
    size, texture, colour, shape = group[0].description
    for description in (
        Description(None, None, colour, shape),
        Description(size, None, colour, shape),
        Description(None, texture, colour, shape),
    ):
        if count(description, things) == len(group):
            return description
    return group[0].description


def _described(group: Sequence[Thing], things: Sequence[Thing], chance: random.Random) -> str:
    description = needed(group, things)
    if chance.random() < _SIZE:
        description = description._replace(size=group[0].size)
    if chance.random() < _TEXTURE / (1 + (group[0].texture == "plain")):
        description = description._replace(texture=group[0].texture)
    return description.text(len(group))


def count(description: Description, things: Sequence[Thing]) -> int:
    """How many things the description is true of."""
    return sum(map(description.fits, things))
