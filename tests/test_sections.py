"""Sections of a long text: all of it, each part fits, and sentences stay whole where they can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import BYTES

from nlp.core.sections import sections
from nlp.core.summary import HINT, Settings
from nlp.core.tokenizer import Tokenizer

TEXT = "One two. Two ones, naïve threes! 三 of them? “Four,” he said.\n\nFive is 5.5. And so on.\n"
WORDS = Tokenizer.train([TEXT * 3], vocabulary_size=290)
PLAIN = Settings()


@pytest.mark.parametrize("tokenizer", [BYTES, WORDS])
@given(
    text=st.lists(st.sampled_from([*TEXT.split(" "), "x" * 30, "😀😀"]), max_size=40).map(" ".join),
    room=st.integers(4, 60),
)
def test_sections_hold_all_of_a_text_and_fit(tokenizer, text: str, room: int):
    room += len(tokenizer.encode(HINT))
    parts = sections(tokenizer, text, room, PLAIN)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part == part.strip() != "" for part in parts)
    assert all(len(tokenizer.encode(part + HINT)) <= room for part in parts)
    end = 0  # each stands in the text as it is, behind the one before
    for part in parts:
        end = text.index(part, end) + len(part)


def test_sections_are_whole_sentences_of_about_equal_length():
    sentence = "This is one. "
    parts = sections(BYTES, sentence * 25, 100 + len(HINT), PLAIN)
    assert {part.replace("This is one.", "").strip() for part in parts} == {""}
    counts = [part.count("one") for part in parts]
    assert sum(counts) == 25
    assert len(counts) == 4  # as few as can be: 7 sentences fit
    assert max(counts) - min(counts) <= 1


def test_what_fits_is_one_section():
    assert sections(BYTES, " a b. c ", 6 + len(HINT), PLAIN) == ["a b. c"]
    assert sections(BYTES, "a b. c", None, PLAIN) == ["a b. c"]
    assert sections(BYTES, " \n", 20, PLAIN) == []


def test_a_character_too_large_for_the_room_is_not_looped_over():
    assert sections(BYTES, "😀😀", len(HINT) + 2, PLAIN) == ["😀", "😀"]
