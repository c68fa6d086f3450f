"""Generated scenes: what is said of them is true of them, what is not is found out, and the
picture shows it.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import scenes as module
from corpora.errors import UsageError
from corpora.scene_drawing import RGB
from corpora.scene_things import CLEAR, RELATIONS, plural, space
from corpora.scenes import (
    COLOURS,
    HELD_OUT,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
    Thing,
    draw,
    mentioned,
    read_caption,
    scene,
    scenes,
)

SEEDS = st.integers(0, 2**48 - 1)
NUMBERS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4}


@pytest.fixture(scope="module")
def sample() -> list[Scene]:
    return list(scenes(0, 1000))


def thing(text: str, left: float, top: float) -> Thing:
    size, texture, colour, shape = text.split()
    side = 18 if size == "small" else 28
    return Thing(shape, colour, size, texture, (left, top, left + side, top + side))


# A small red circle and a large one; two blue squares below and right of both.
KNOWN = Scene(
    0,
    96,
    96,
    (
        thing("small plain red circle", 2, 2),
        thing("large striped red circle", 25, 4),
        thing("small dotted blue square", 60, 40),
        thing("small dotted blue square", 70, 70),
    ),
    (),
    (),
)


def is_true(caption: str, of: Scene) -> bool:
    """Judges a caption by its words alone, with no grammar."""
    text = re.sub(r"^there (is|are) ", "", caption)
    phrases = re.split(r", | and | left of | right of | above | below ", text)
    singular = {plural(shape): shape for shape in SHAPES}
    groups: list[list[Thing]] = []
    for number, *words in map(str.split, phrases):
        wanted = {singular.get(word, word) for word in words}
        group = [one for one in of.things if wanted <= set(one.description)]
        if len(group) != NUMBERS[number]:
            return False
        groups.append(group)
    if len({id(one) for group in groups for one in group}) != sum(map(len, groups)):
        return False
    for first in groups[0]:
        for second in groups[-1]:
            (a, b, c, d), (e, f, g, h) = first.box, second.box
            holds = {"left of": c <= e, "right of": g <= a, "above": d <= f, "below": h <= b}
            if any(relation in text and not true for relation, true in holds.items()):
                return False
    return True


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from((48, 96, 131)), st.sampled_from((False, True, None)))
def test_what_is_said_of_a_scene_is_true(seed: int, size: int, held_out: bool | None) -> None:
    one = scene(seed, size=size, held_out=held_out)
    assert one == scene(seed, size=size, held_out=held_out)
    assert 1 <= len(one.things) <= 4
    for number, this in enumerate(one.things):
        left, top, right, bottom = this.box
        assert 0 <= left < right <= size
        assert 0 <= top < bottom <= size
        least = 28 if this.size == "large" else 14
        assert min(right - left, bottom - top) > (least - 1) * size / 96
        for other in one.things[:number]:
            assert max(space(relation, [this], [other]) for relation in RELATIONS) > 0
    rare = [(this.colour, this.shape) in HELD_OUT for this in one.things]
    assert held_out is None or any(rare) == held_out
    assert len(set(one.captions)) == len(one.captions) >= 4
    for caption in one.captions:
        claims = read_caption(caption)
        assert claims is not None
        verdict = claims.hold(one)
        assert verdict.right
        assert verdict.stated == verdict.correct
        assert verdict.named == sum(mention.number for mention in claims.mentions)
        assert is_true(caption, one)
        assert len(caption.split()) <= 14
        if claims.relation:
            groups = [mention.things(one) for mention in claims.mentions]
            assert space(claims.relation, *groups) >= CLEAR * size


@settings(max_examples=300, deadline=None)
@given(SEEDS, st.randoms(use_true_random=False))
def test_a_caption_is_judged_as_its_words_are_true(seed: int, chance: random.Random) -> None:
    """Captions with words exchanged: mostly false, now and then true, and known which."""
    one = scene(seed)
    text = chance.choice(one.captions)
    same = [SIZES, TEXTURES, COLOURS, SHAPES, [plural(shape) for shape in SHAPES]]
    same += [["left of", "right of", "above", "below"], ["two", "three", "four"]]
    for _ in range(chance.choice((1, 1, 2))):
        found = re.findall("|".join(rf"\b{word}\b" for words in same for word in words), text)
        if not found:
            continue
        word = chance.choice(found)
        words = next(words for words in same if word in words)
        text = re.sub(rf"\b{word}\b", chance.choice(words), text, count=1)
    claims = read_caption(text)
    assert claims is not None
    verdict = claims.hold(one)
    assert verdict.right == is_true(text, one)
    assert verdict.right == (verdict.stated == verdict.correct)
    assert all(0 <= verdict.correct[kind] <= verdict.stated[kind] for kind in verdict.stated)


def test_captions_of_other_scenes_are_mostly_false(sample: list[Scene]) -> None:
    right = 0
    for one, other in pairwise(sample[:600]):
        for caption in one.captions:
            claims = read_caption(caption)
            assert claims is not None
            assert claims.hold(other).right == is_true(caption, other)
            right += claims.hold(other).right
    assert right < 10


@pytest.mark.parametrize(
    ("caption", "wrong", "named"),
    [
        ("a small red circle left of two blue squares", (), 3),
        ("two small dotted blue squares below a large striped red circle", (), 3),
        ("two red circles above two blue squares", (), 4),
        ("a small red circle to the left of a large circle", (), 2),
        ("a small red circle, a striped red circle and two squares", (), 4),
        # Two are red circles, so that "a red circle" says too much or too little.
        ("a red circle", ("count of 'a red circle'",), 0),
        ("three blue squares", ("count of 'three blue squares'",), 0),
        ("two green squares", ("colour of 'two green squares'",), 0),
        ("two large blue squares", ("size of 'two large blue squares'",), 0),
        ("a dotted red ring", ("count, texture, shape of 'a dotted red ring'",), 0),
        ("two blue squares left of two red circles", ("relation 'left of'",), 4),
        (
            "a large pink circle above two blue stars",
            ("colour of 'a large pink circle'", "shape of 'two blue stars'"),
            0,
        ),
        ("a small red circle and a small red circle", ("count, size of 'a small red circle'",), 1),
    ],
)
def test_what_is_wrong_is_told(caption: str, wrong: tuple[str, ...], named: int) -> None:
    claims = read_caption(caption)
    assert claims is not None
    verdict = claims.hold(KNOWN)
    assert verdict.wrong == wrong
    assert verdict.named == named
    assert verdict.right == (not wrong)


def test_claims_are_counted_by_kind() -> None:
    claims = read_caption("a small pink circle right of two blue squares")
    assert claims is not None
    verdict = claims.hold(KNOWN)
    assert verdict.stated == {"count": 2, "size": 1, "colour": 2, "shape": 2, "relation": 1}
    assert +verdict.correct == {"count": 2, "size": 1, "colour": 1, "shape": 2}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "there is",
        "a",
        "a red",
        "red circle",
        "a red circle left of",
        "a red circle left a blue square",
        "a red circle and",
        "two red circle",
        "a red circles",
        "a red blue circle",
        "there are a red circle",
        "there is two red circles",
        "a red circle a blue square",
        "a red circle, a blue square",
        "a red circle and a blue square and a star",
        "a red circle left of a blue square and a star",
        "a red circle above a blue square above a star",
        "a red circle , and a star",
        "a red dog",
        "five red circles",
    ],
)
def test_what_is_no_caption_has_no_claims(text: str) -> None:
    assert read_caption(text) is None
    assert mentioned(text, KNOWN) == []


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        (
            "A small red circle left of two blue squares.",
            ["A small red circle", "two blue squares."],
        ),
        ("a small circle, a large circle and two squares", None),
        ("there is a small circle , a large circle and two squares .", None),
    ],
)
def test_the_words_that_name_things_are_found(text: str, phrases: list[str] | None) -> None:
    found = mentioned(text, KNOWN)
    words = text.split()
    expected = phrases or ["a small circle", "a large circle", "two squares"]
    said = [" ".join(words[place] for place in places) for places, _ in found]
    assert [phrase.strip(",") for phrase in said] == expected
    assert [one for _, things in found for one in things] in (
        [*KNOWN.things],
        [KNOWN.things[0], *KNOWN.things[2:]],
    )


def test_what_is_not_there_is_not_pointed_at() -> None:
    found = mentioned("a green star above two blue squares", KNOWN)
    assert found == [(range(4, 7), KNOWN.things[2:])]


def test_the_same_seed_gives_the_same_scenes() -> None:
    few = list(scenes(3, 5))
    assert few == list(scenes(3, 8))[:5]
    assert few != list(scenes(4, 5))
    assert list(scenes(3, 0)) == []
    assert [scene(one.seed) for one in few] == few
    for one in few:
        assert np.array_equal(draw(one), draw(scene(one.seed)))
    assert few[2].captions[0] == "a pink square left of a pink ring"


def test_a_larger_picture_is_the_same_scene() -> None:
    for one in scenes(1, 12):
        larger = scene(one.seed, size=192)
        assert (larger.captions, larger.questions) == (one.captions, one.questions)
        boxes = [np.array([this.box for this in both.things]) for both in (one, larger)]
        np.testing.assert_allclose(boxes[0] * 2, boxes[1])
        assert draw(larger).shape == (192, 192, 3)
    with pytest.raises(UsageError, match="size is 40: expected at least 48 pixels"):
        next(scenes(size=40))


def test_every_sort_of_scene_occurs(sample: list[Scene]) -> None:
    assert len({one.seed for one in sample}) == len(sample)
    numbers = Counter(len(one.things) for one in sample)
    assert min(numbers[number] for number in (1, 2, 3, 4)) > 40
    pairs = Counter((this.colour, this.shape) for one in sample for this in one.things)
    assert min(pairs[colour, shape] for colour in COLOURS for shape in SHAPES) > 20
    seen = {
        (this.colour, this.shape) for one in scenes(0, 800, held_out=False) for this in one.things
    }
    assert len(seen) == len(COLOURS) * len(SHAPES) - len(HELD_OUT)
    # Some can only be told apart by size or texture.
    alike = [one for one in sample if len({d[2:] for d in map(tuple, descriptions(one))}) == 1]
    assert sum(len(set(descriptions(one))) == 2 for one in alike) > 25


def descriptions(one: Scene) -> list[tuple[str | None, ...]]:
    return [tuple(this.description) for this in one.things]


def test_the_picture_shows_each_thing_in_its_box() -> None:
    """Things of a scene differ from its ground within their boxes, and reach all four sides."""
    for one in scenes(7, 120):
        picture = draw(one).astype(int)
        assert picture.shape == (96, 96, 3)
        bare = draw(Scene(one.seed, 96, 96, (), (), ())).astype(int)
        differs = (picture != bare).any(axis=2)
        for this in one.things:
            left, top, right, bottom = this.box
            inside = differs[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
            rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
            assert abs(rows[0] + int(top) - top) <= 1.01
            assert abs(rows[-1] + 1 + int(top) - bottom) <= 1.01
            assert abs(columns[0] + int(left) - left) <= 1.01
            assert abs(columns[-1] + 1 + int(left) - right) <= 1.01
            differs[int(top) : int(bottom) + 1, int(left) : int(right) + 1] = False
            if this.texture == "plain" and this.shape in ("circle", "square", "cross"):
                middle = picture[int((top + bottom) / 2), int((left + right) / 2)]
                assert np.abs(middle - RGB[this.colour]).max() <= 11
        assert not differs.any()


def test_edges_are_drawn_smoothly() -> None:
    things = (thing("large plain red circle", 30.5, 30.5),)
    picture = draw(Scene(1, 96, 96, things, (), ())).astype(float)
    bare = draw(Scene(1, 96, 96, (), (), ())).astype(float)
    full = picture[44, 44] - bare[44, 44]
    share = (picture - bare) @ full / (full @ full)
    covered = share[28:62, 28:62].sum()  # the area, were ground and circle of one colour each
    assert covered == pytest.approx(np.pi * 14**2, rel=0.04)
    assert ((share > 0.1) & (share < 0.9)).sum() > 30


def test_questions_have_their_true_answers(sample: list[Scene]) -> None:
    names = {plural(shape): shape for shape in SHAPES} | {"things": "", "thing": ""}

    def meant(text: str, of: Scene) -> list[Thing]:
        words = {names.get(word, word) for word in text.split()} - {"", "the", "a", "an"}
        return [one for one in of.things if words <= set(one.description)]

    def answer(question: str, of: Scene) -> str:
        text = question.removesuffix("?")
        if found := re.fullmatch(r"how many (.*) are there", text):
            return str(len(meant(found[1], of)))
        if found := re.fullmatch(r"what (colour|shape) (?:is|are) (.*)", text):
            answers = {getattr(one, found[1]) for one in meant(found[2], of)}
            assert len(answers) == 1
            return answers.pop()
        if found := re.fullmatch(r"is there (.*)", text):
            return "yes" if meant(found[1], of) else "no"
        if found := re.fullmatch(r"are there more (.*) than (.*)", text):
            more, less = (len(meant(one, of)) for one in found.groups())
            return "yes" if more > less else "no"
        if found := re.fullmatch(r"is (.*) larger than (.*)", text):
            ((one,), (other,)) = (meant(text, of) for text in found.groups())
            return "yes" if (one.size, other.size) == ("large", "small") else "no"
        found = re.fullmatch(r"(?:is|are) (the .*) (left of|right of|above|below) (the .*)", text)
        assert found
        first, second = meant(found[1], of), meant(found[3], of)
        assert first
        assert second
        return "yes" if space(found[2], first, second) >= 0 else "no"

    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for one in sample:
        assert len({asked.question for asked in one.questions}) == len(one.questions) >= 4
        for asked in one.questions:
            assert asked.answer == answer(asked.question, one)
            answers[asked.kind][asked.answer] += 1
    for kind in ("existence", "relation", "comparison"):
        assert set(answers[kind]) == {"yes", "no"}
        assert 0.35 < answers[kind]["yes"] / answers[kind].total() < 0.65
    assert set(answers["colour"]) == set(COLOURS)
    assert set(answers["shape"]) == set(SHAPES)
    assert set(answers["count"]) == set("01234")


def test_without_pillow_one_line_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r"needs Pillow: install it with .*'unrolled\[vision\]'"):
        draw(next(scenes(0, 1)))


def test_the_public_names_are_there() -> None:
    assert set(module.__all__) <= set(vars(module))
