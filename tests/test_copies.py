"""Source words that stand where a translation cannot be read, or not be trusted."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.core.tokens.word_splitter import words_of
from nlp.core.translation.alignment import Place
from nlp.core.translation.copies import UNKNOWN, Copies, Copy, place_copies

NUMBERS = re.compile(r"\d.*")


def copies(written: str, source: str, *, looked: str = "", **options: object) -> Copies:
    """Copies into pieces parted by |; `looked` has for each the number of a source word, - for
    none."""
    parts = written.split("|")
    ends = np.cumsum([len(part) for part in parts]).tolist()
    places = [
        (end - len(part.lstrip()), end) for part, end in zip(parts, ends, strict=True)
    ]  # as a tokenizer's, without the space before them
    words = source.split()
    weights = np.zeros((len(parts), len(words)), np.float32)
    for row, word in enumerate(looked):
        if word != "-":
            weights[row] = 0.2 / len(words)
            weights[row, int(word)] += 0.8
    found = place_copies("".join(parts), places, weights, words, **options)  # type: ignore[arg-type]
    check(found, places, words)
    return found


def check(found: Copies, places: list[Place], words: list[str]) -> None:
    """What holds of all: copies stand where they say, in pieces that are those there were."""
    assert list(itertools.chain(*found.groups)) == list(range(len(places)))
    for copy in found.copied:
        assert found.text[copy.start : copy.end] == words[copy.source_word]
        holders = [
            place for place in found.places if place[0] <= copy.start and copy.end <= place[1]
        ]
        assert holders, (found, copy)
    assert len(found.places) == len(found.groups)
    assert all(0 <= start <= end <= len(found.text) for start, end in found.places)


def test_broken_bytes_become_the_word_they_looked_at() -> None:
    found = copies("Frau| \ufffd|\ufffd|.", "Ms Ĺŷñĥ", looked="0111")
    assert found.text == "Frau Ĺŷñĥ."
    assert found.copied == [Copy(5, 9, 1, "\ufffd\ufffd")]
    assert found.groups == [[0], [1, 2], [3]]
    assert found.places == [(0, 4), (5, 9), (9, 10)]


@pytest.mark.parametrize(
    ("written", "looked", "text"),
    [
        ("ca|f|\ufffd|.", "1111", "café."),  # the rest of its word looked there, too
        ("Cafe|-|\ufffd", "001", "Cafe-café"),  # another part of it did not
        ("the|f|\ufffd", "011", "thecafé"),
        ("\ufffd|\ufffd", "01", "thecafé"),  # two in a row
        ("„|\ufffd|“", "111", "„café“"),  # signs are no part of a word
        ("\ufffd.| \ufffd", "11", "café. café"),  # a piece may hold a sign
        ("\ufffd| b", "-1", "\ufffd b"),  # nothing was looked at
        ("a| b", "01", "a b"),
    ],
)
def test_what_of_a_word_is_replaced(written: str, looked: str, text: str) -> None:
    assert copies(written, "the café", looked=looked).text == text
    assert copies(written, "the café", looked=looked, unknown=False).copied == []


def test_two_copies_in_one_piece_keep_its_attention() -> None:
    """Bytes of both may be one piece; then both words have what it looked at."""
    weights = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    places = [(0, 1), (0, 2), (1, 2)]
    found = place_copies("\ufffd\ufffd", places, np.array([[2, 0], [0, 1], [0, 2]]), ["one", "two"])
    assert (found.text, found.groups, found.places) == ("onetwo", [[0, 1, 2]], [(0, 6)])
    found = place_copies("\ufffd\ufffd", [(0, 1), (1, 1), (1, 2)], weights, ["one", "two"])
    assert (found.groups, found.places) == ([[0, 1], [2]], [(0, 3), (3, 6)])


@pytest.mark.parametrize(
    ("written", "looked", "text"),
    [
        ("Nummer| 4|1| läuft", "0112", "Nummer 4711 läuft"),
        ("Nummer| 4|1|.", "0001", "Nummer 41."),  # looked at no number
        ("Nummer| 4711", "02", "Nummer 4711"),  # the source has it
        ("vier| 4x1", "11", "vier 4711"),
        ("4|\ufffd", "11", "4711"),  # copied once
    ],
)
def test_words_that_match_are_those_of_the_source(written: str, looked: str, text: str) -> None:
    assert copies(written, "Number 4711 runs 8", looked=looked, like=NUMBERS).text == text


def test_what_was_forced_stays() -> None:
    for written in ("4|1| \ufffd| 9| 9", "4|1\ufffd| \ufffd| 9| 9"):
        found = copies(written, "7 8", looked="01111", like=NUMBERS, kept=3)
        assert found.text == written[:-6].replace("|", "") + " 8 8"


def test_nothing_to_copy_from() -> None:
    assert place_copies("\ufffd", [(0, 1)], np.zeros((1, 0)), [], like=NUMBERS).text == "\ufffd"
    assert place_copies("", [], np.zeros((0, 1)), ["x"], like=NUMBERS).text == ""


PARTS = [
    "a",
    "é",
    " a",
    "\ufffd",
    " \ufffd",
    "f\ufffd",
    "\ufffd\ufffd",
    "\ufffd.",
    " 4",
    "7",
    "中",
    "",
]


@given(
    st.lists(st.tuples(st.sampled_from(PARTS), st.integers(-1, 2)), min_size=1, max_size=9),
    st.integers(0, 3),
    st.booleans(),
)
def test_all_that_was_not_copied_stands(
    parts: list[tuple[str, int]], kept: int, numbers: bool
) -> None:
    written = "|".join(part for part, _ in parts)
    looked = "".join("-" if word < 0 else str(word) for _, word in parts)
    kept = min(kept, len(parts))
    like = NUMBERS if numbers else None
    found = copies(written, "x 99 zz", looked=looked, like=like, kept=kept)
    text, back, at = "".join(part for part, _ in parts), [], 0
    for copy in found.copied:  # undone, it is what the model wrote
        back += [found.text[at : copy.start], copy.written]
        at = copy.end
    assert "".join([*back, found.text[at:]]) == text
    assert found.text.startswith("".join(part for part, _ in parts[:kept]))
    if not kept and "-" not in looked:
        assert UNKNOWN not in found.text
    for start, end in words_of(found.text):  # each word has a piece that it had before
        assert any(own[0] < end and own[1] > start for own in found.places)
