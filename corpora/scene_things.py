"""What a generated scene is made of: things, what is said of them, and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
SIZES = ("small", "large")
TEXTURES = ("plain", "striped", "dotted")
NUMBERS = ("no", "one", "two", "three", "four")
RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
# What training on `held_out=False` never shows, though it shows every colour and every shape.
HELD_OUT = (
    ("red", "star"),
    ("orange", "square"),
    ("yellow", "cross"),
    ("green", "triangle"),
    ("blue", "ring"),
    ("purple", "circle"),
)
CLEAR = 0.04  # of the picture's side: the space from which on a relation is stated


class Description(NamedTuple):
    """What is said of a thing, apart from its place; None of what is not said."""

    size: str | None = None
    texture: str | None = None
    colour: str | None = None
    shape: str | None = None

    def fits(self, thing: Thing) -> bool:
        """Whether all that is said is true of the thing."""
        return all(said in (None, is_) for said, is_ in zip(self, thing.description, strict=True))

    def text(self, number: int = 1, article: str = "a") -> str:
        """Such as "a red circle", "two small squares" or, without a shape, "three blue things".

        `article` is "a", "the" or "": more than one get their number for "a", and are many
        whatever the article.
        """
        words = [word for word in self[:3] if word]
        noun = self.shape or "thing"
        words.append(noun if number == 1 else plural(noun))
        if article == "a":
            article = NUMBERS[number] if number > 1 else "an" if words[0][0] in "aeiou" else "a"
        return " ".join([article, *words] if article else words)


@dataclass(frozen=True)
class Thing:
    """One shape in a picture. `box` is (left, top, right, bottom) in pixels, tight around it."""

    shape: str
    colour: str
    size: str
    texture: str
    box: tuple[float, float, float, float]

    @property
    def description(self) -> Description:
        return Description(self.size, self.texture, self.colour, self.shape)


@dataclass(frozen=True)
class Question:
    """A question about a scene and its one answer; `kind` is "count", "colour", "shape",
    "existence", "relation" or "comparison".
    """

    question: str
    answer: str
    kind: str


@dataclass(frozen=True)
class Scene:
    """A picture that is not drawn yet, `width` by `height` pixels, with all that is true of it.

    `seed` makes it again, its background too. Its captions are no two alike, and so its questions.
    """

    seed: int
    width: int
    height: int
    things: tuple[Thing, ...]
    captions: tuple[str, ...]
    questions: tuple[Question, ...]


def plural(noun: str) -> str:
    """Several of them: "circles", "crosses"."""
    return noun + ("es" if noun.endswith("s") else "s")


def space(relation: str, first: Sequence[Thing], second: Sequence[Thing]) -> float:
    """Pixels between the nearest edges of two groups, in the direction of the relation.

    The relation holds from 0 on: a line can be drawn that has `first` on its one side and `second`
    on the other. Of a thing up left of another, "left of" and "above" are both true.
    """
    if relation in ("right of", "below"):
        first, second = second, first
    side = 0 if relation in ("left of", "right of") else 1
    return min(thing.box[side] for thing in second) - max(thing.box[side + 2] for thing in first)


def groups_of(things: Sequence[Thing]) -> list[list[Thing]]:
    """Things of one description together, the groups from left to right by their middles."""
    groups: dict[Description, list[Thing]] = {}
    for thing in things:
        groups.setdefault(thing.description, []).append(thing)
    return sorted(
        groups.values(),
        key=lambda group: sum(one.box[0] + one.box[2] for one in group) / len(group),
    )
