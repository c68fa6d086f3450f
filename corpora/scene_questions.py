"""Questions about generated scenes, each with one answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from corpora.scene_captions import count, needed
from corpora.scene_things import (
    CLEAR,
    COLOURS,
    RELATIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    Description,
    Question,
    Thing,
    groups_of,
    space,
)


def questions(things: Sequence[Thing], side: int, chance: random.Random) -> tuple[Question, ...]:
    """One or two of every kind that can be asked of these things, no two alike."""
    asked: dict[str, Question] = {}
    for kind, ask in _ASKING.items():
        for _ in range(chance.choice((1, 2))):
            for _ in range(8):  # not everything drawn can be asked, or is new
                found = ask(things, side, chance)
                if found and found[0] not in asked:
                    asked[found[0]] = Question(*found, kind)
                    break
    return tuple(asked.values())


_Asked = tuple[str, str] | None


def _ask_count(things: Sequence[Thing], side: int, chance: random.Random) -> _Asked:
    colour, shape = chance.choice(COLOURS), chance.choice(SHAPES)
    if chance.random() < 0.8:  # else, mostly, there is none
        thing = chance.choice(things)
        colour, shape = thing.colour, thing.shape
    description = chance.choice(
        (
            Description(colour=colour, shape=shape),
            Description(shape=shape),
            Description(colour=colour),
            Description(),
        )
    )
    text = description.text(2, article="")
    return f"how many {text} are there?", str(count(description, things))


def _ask_colour(things: Sequence[Thing], side: int, chance: random.Random) -> _Asked:
    return _ask_which("colour", things, chance)


def _ask_shape(things: Sequence[Thing], side: int, chance: random.Random) -> _Asked:
    return _ask_which("shape", things, chance)


def _ask_which(what: str, things: Sequence[Thing], chance: random.Random) -> _Asked:
    """Colour or shape of what is described without it, where all of that are alike in it."""
    description = chance.choice(things).description
    size, texture, colour, shape = description._replace(**{what: None})
    description = chance.choice(
        (
            Description(colour=colour, shape=shape),
            Description(size, None, colour, shape),
            Description(None, texture, colour, shape),
        )
    )
    meant = [thing for thing in things if description.fits(thing)]
    answers = {getattr(thing, what) for thing in meant}
    if len(answers) != 1:
        return None
    be = "is" if len(meant) == 1 else "are"
    return f"what {what} {be} {description.text(len(meant), article='the')}?", answers.pop()


def _ask_existence(things: Sequence[Thing], side: int, chance: random.Random) -> _Asked:
    """Of a thing there is, or one that differs from it in one respect."""
    description = chance.choice(things).description
    if chance.random() < 0.5:
        choices = {"size": SIZES, "texture": TEXTURES, "colour": COLOURS, "shape": SHAPES}
        what = chance.choice(("size", "texture", "colour", "colour", "shape", "shape"))
        description = description._replace(**{what: chance.choice(choices[what])})
    else:
        what = None
    for unsaid in ("size", "texture"):
        if unsaid != what and chance.random() < 0.6:
            description = description._replace(**{unsaid: None})
    return f"is there {description.text()}?", _yes(count(description, things) > 0)


def _ask_relation(things: Sequence[Thing], side: int, chance: random.Random) -> _Asked:
    groups = groups_of(things)
    if len(groups) < 2:
        return None
    first, second = chance.sample(groups, 2)
    between = {relation: space(relation, first, second) for relation in RELATIONS}
    true = chance.random() < 0.5
    told = [one for one in RELATIONS if (between[one] >= 0) == true]
    told = [one for one in told if abs(between[one]) >= CLEAR * side]  # else it is hard to tell
    if not told:
        return None
    relation = chance.choice(told)
    be = "is" if len(first) == 1 else "are"
    one, other = (needed(group, things).text(len(group), "the") for group in (first, second))
    return f"{be} {one} {relation} {other}?", _yes(true)


def _ask_comparison(things: Sequence[Thing], side: int, chance: random.Random) -> _Asked:
    """Of two numbers, or of two sizes."""
    if chance.random() < 0.5:
        what = chance.choice(("colour", "shape"))
        there = sorted({getattr(thing, what) for thing in things})
        other = chance.choice(COLOURS if what == "colour" else SHAPES)
        pair = [chance.choice(there), other]
        chance.shuffle(pair)
        if pair[0] == pair[1]:
            return None
        more, less = (Description(**{what: name}) for name in pair)
        text = f"are there more {more.text(2, '')} than {less.text(2, '')}?"
        return text, _yes(count(more, things) > count(less, things))
    single = [group for group in groups_of(things) if len(group) == 1]
    if len(single) < 2:
        return None
    first, second = chance.sample(single, 2)
    # Where its size must be said to mean a thing, the answer would stand in the question.
    texts = [needed(group, things) for group in (first, second)]
    if any(description.size for description in texts):
        return None
    one, other = (description.text(1, "the") for description in texts)
    return f"is {one} larger than {other}?", _yes((first[0].size, second[0].size) == SIZES[::-1])


def _yes(true: bool) -> str:
    return "yes" if true else "no"


_ASKING: dict[str, Callable[[Sequence[Thing], int, random.Random], _Asked]] = {
    "count": _ask_count,
    "colour": _ask_colour,
    "shape": _ask_shape,
    "existence": _ask_existence,
    "relation": _ask_relation,
    "comparison": _ask_comparison,
}
