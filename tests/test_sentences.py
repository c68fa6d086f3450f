"""Sentences: what ends one, what does not, and that nothing is lost between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.core.sentences import places, split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t ", []),
        ("No mark at all", ["No mark at all"]),
        ("Dr. Smith slept for 3.5 hours. Did he?", ["Dr. Smith slept for 3.5 hours.", "Did he?"]),
        ("The U.S. team won! J. K. Rowling saw it.", 2),
        ('"Why?" she asked. He knew.', ['"Why?" she asked.', "He knew."]),
        ("  A line\nthat goes on. The next.\n", ["A line\nthat goes on.", "The next."]),
        ("A heading\n\nA text.", ["A heading", "A text."]),
        ("One.\r\n\r\nTwo.", ["One.", "Two."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("¿Qué? ¡Sí! Vale.", ["¿Qué?", "¡Sí!", "Vale."]),
        ("He read. “Not closed. Yes", ["He read.", "“Not closed.", "Yes"]),
        ('He read. "Not closed. Yes', ["He read.", '"Not closed.', "Yes"]),
        ('" He read . " He said .', ['" He read . "', "He said ."]),
        ("What is this?! It is it... and more.", 2),
        ("x" * 100_000, ["x" * 100_000]),
    ],
)
def test_sentences(text: str, expected: list[str] | int):
    found = split(text)
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_a_language_knows_its_own_abbreviations():
    text = "Er kam am 3. Mai. Das ist z. B. gut."
    assert split(text, "de") == ["Er kam am 3. Mai.", "Das ist z. B. gut."]
    assert len(split(text, "en")) > 2
    assert split("Mr. Hill came. He left.", "no such language") == ["Mr. Hill came.", "He left."]


def test_half_of_a_pair_of_surrogates_takes_its_place():
    assert split("a\ud800. Bé.") == ["a\ud800.", "Bé."]


@given(
    st.text(max_size=60) | st.text("aB1 .!?\n\"'()-。…,\u00a0\u2028é字😀\u0301", max_size=60),
    st.sampled_from(["en", "de", "ja", "ar", "xx"]),
)
def test_places_hold_all_that_is_visible_in_order(text: str, language: str):
    found = places(text, language)
    end = 0
    for start, stop in found:
        assert not text[end:start].strip()
        assert start < stop
        assert text[start:stop] == text[start:stop].strip()
        end = stop
    assert not text[end:].strip()
