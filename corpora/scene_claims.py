"""What a caption claims of a generated scene, and whether it is true.

    a small red circle left of two blue squares
    └──── mention ───┘ relation └── mention ──┘

A caption is read by the grammar that captions are written by, so that what a model writes is
judged by its meaning: any true caption is right, however it puts it.

    caption  = ["there is" | "there are"] (mention relation mention | list)
    list     = mention | mention {"," mention} "and" mention
    mention  = number {size | texture | colour} shape          each at most once, in any order
    number   = "a" | "an" | "one" | "two" | "three" | "four"
    relation = ["to the"] "left of" | ["to the"] "right of" | "above" | "below"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from corpora.scene_things import (
    COLOURS,
    NUMBERS,
    RELATIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    Description,
    Scene,
    Thing,
    plural,
    space,
)

_NUMBERS = {"a": 1, "an": 1} | {word: number for number, word in enumerate(NUMBERS) if number}
_WORDS = (
    {word: ("size", word) for word in SIZES}
    | {word: ("texture", word) for word in TEXTURES}
    | {word: ("colour", word) for word in COLOURS}
)
_NOUNS = {name: (name, False) for name in SHAPES} | {plural(name): (name, True) for name in SHAPES}
_RELATIONS = {relation: relation for relation in RELATIONS} | {
    f"to the {relation}": relation for relation in ("left of", "right of")
}


@dataclass(frozen=True)
class Mention:
    """Things that a caption names: `number` of those that the description fits.

    `words` are its words in the caption, counted from 0 in `text.split()`.
    """

    number: int
    description: Description
    words: range

    def things(self, scene: Scene) -> tuple[Thing, ...]:
        """All that the description fits, though they be more or fewer than its number."""
        return tuple(filter(self.description.fits, scene.things))


@dataclass(frozen=True)
class Verdict:
    """How a caption's claims stand to a scene.

    `stated` and `correct` count claims by their kind: "count", "shape", "colour", "size",
    "texture", "relation". `wrong` tells the false ones, and `named` is how many of the scene's
    things the caption rightly names: what a model leaves out is no error, but should be known.
    """

    stated: Counter[str]
    correct: Counter[str]
    wrong: tuple[str, ...]
    named: int

    @property
    def right(self) -> bool:
        """Whether every claim is true."""
        return not self.wrong


@dataclass(frozen=True)
class Claims:
    """What a caption says: what there is, and how the first stands to the second, or None."""

    mentions: tuple[Mention, ...]
    relation: str | None

    def hold(self, scene: Scene) -> Verdict:
        """Judges every claim.

        "a red circle" is right where exactly one thing is red and a circle; mentions are of
        different things; a relation is right where it holds between the things that are meant
        (`corpora.scene_things.space` is 0 or more). Of a mention that fits nothing, those words
        are wrong that leave the most of it right.
        """
        stated, correct = Counter[str](), Counter[str]()
        wrong: list[str] = []
        meant: dict[int, list[Thing]] = {}
        free = list(scene.things)
        named = 0
        exact = [len(mention.things(scene)) == mention.number for mention in self.mentions]
        # Those that fit choose first, so that a wrong one does not take their things from them.
        for place in sorted(range(len(exact)), key=lambda place: not exact[place]):
            mention = self.mentions[place]
            said = [name for name, word in mention.description._asdict().items() if word]
            kept, meant[place] = _nearest(mention, said, scene, free)
            free = [thing for thing in free if thing not in meant[place]]
            stated.update(["count", *said])
            correct.update(kept)
            false = [name for name in ("count", *said) if name not in kept]
            if false:
                text = mention.description.text(mention.number)
                wrong.append(f"{', '.join(false)} of {text!r}")
            else:
                named += mention.number
        if self.relation:
            stated["relation"] += 1
            pair = meant[0], meant[1]
            if all(pair) and space(self.relation, *pair) >= 0:
                correct["relation"] += 1
            else:
                wrong.append(f"relation {self.relation!r}")
        return Verdict(stated, correct, tuple(wrong), named)


def _nearest(
    mention: Mention, said: Sequence[str], scene: Scene, free: Sequence[Thing]
) -> tuple[list[str], list[Thing]]:
    """Which claims of a mention to keep as right, and the things that it then means."""
    best: tuple[list[str], list[Thing]] = ([], [])
    said = said[::-1]  # shape and colour first: who is wrong in both means something else
    for size in range(len(said), -1, -1):
        for kept in combinations(said, size):
            unsaid = dict.fromkeys(set(said) - set(kept))
            description = mention.description._replace(**unsaid)
            fitting = [thing for thing in free if description.fits(thing)]
            counted = sum(map(description.fits, scene.things)) == len(fitting) == mention.number
            claims = [*(["count"] if counted else []), *kept]
            if fitting and len(claims) > len(best[0]):
                best = claims, fitting
    return best


def read_caption(text: str) -> Claims | None:
    """The claims of a caption; None where it is none of the grammar's.

    Capitals and a full stop at the end do not matter. Number and noun must agree.
    """
    words: list[str] = []
    places: list[int] = []  # of the words in the text, where a comma may hang on one
    for place, token in enumerate(text.lower().rstrip(" .").split()):
        parts = [token.removesuffix(","), ","] if token.endswith(",") else [token]
        words += filter(None, parts)
        places += [place] * (len(words) - len(places))
    at = start = 2 if words[:2] in (["there", "is"], ["there", "are"]) else 0
    mentions: list[Mention] = []
    joints: list[str] = []
    while True:
        found = _mention(words, at)
        if found is None:
            return None
        number, description, end = found
        mentions.append(Mention(number, description, range(places[at], places[end - 1] + 1)))
        if end == len(words):
            break
        joint = _joint(words[end:])
        joints.append(_RELATIONS.get(joint, joint))
        at = end + len(joint.split())
    if start and (words[1] == "is") != (mentions[0].number == 1):
        return None
    if len(joints) == 1 and joints[0] in RELATIONS:
        return Claims(tuple(mentions), joints[0])
    if joints and joints != [","] * (len(joints) - 1) + ["and"]:
        return None
    return Claims(tuple(mentions), None)


def _mention(words: Sequence[str], start: int) -> tuple[int, Description, int] | None:
    """Number and description of the mention that begins at a word, and where it ends."""
    number = _NUMBERS.get(words[start]) if start < len(words) else None
    if number is None:
        return None
    said: dict[str, str] = {}
    for at in range(start + 1, len(words)):
        if words[at] in _NOUNS:
            shape, many = _NOUNS[words[at]]
            agreed = many == (number > 1)
            return (number, Description(shape=shape, **said), at + 1) if agreed else None
        what, word = _WORDS.get(words[at], ("", ""))
        if not what or what in said:
            return None
        said[what] = word
    return None


def _joint(words: Sequence[str]) -> str:
    """What the words begin with that can stand between two mentions; else their first."""
    for joint in _RELATIONS:
        if list(words[: len(joint.split())]) == joint.split():
            return joint
    return words[0]


def mentioned(text: str, scene: Scene) -> list[tuple[range, tuple[Thing, ...]]]:
    """The words of a caption, in `text.split()`, that name things, and the things they name.

    Empty where the caption is none of the grammar's; a mention that is not right of the scene is
    left out, for what it means is not known.

        >>> mentioned("a red circle left of two blue squares", scene)  # doctest: +SKIP
        [(range(0, 3), (Thing(...),)), (range(5, 8), (Thing(...), Thing(...)))]
    """
    claims = read_caption(text)
    found = [(mention, mention.things(scene)) for mention in claims.mentions] if claims else []
    return [(mention.words, things) for mention, things in found if len(things) == mention.number]
