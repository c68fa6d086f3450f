"""How a word is looked up among the vectors of a file."""

from __future__ import annotations

import numpy as np
import pytest

from nlp.core.alphabet import Alphabet, spellings
from nlp.core.words.word_vectors import WordVectors

KNOWN = ("Paris", "paris", "so", "good", "harbour", "photography", "1", "0000", "jones")


@pytest.fixture
def alphabet() -> Alphabet:
    vectors = WordVectors(list(KNOWN), np.eye(len(KNOWN), dtype=np.float32))
    return Alphabet.build(["x"], vectors=vectors)[0]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("Paris", "Paris"),
        ("PARIS", "paris"),
        ("#Photography", "photography"),
        ("sooooo", "so"),
        ("gooood", "good"),
        ("Pearl-Harbour", "harbour"),
        ("'good'", "good"),
        ("1984", "0000"),
        ("1", "1"),
        ("@jones", None),
        ("https://jones", None),
        ("zebra", None),
        ("-", None),
    ],
)
def test_spellings_that_are_tried(alphabet: Alphabet, word: str, found: str | None) -> None:
    numbers = alphabet.numbers([[word]], 1)
    expected = 0 if found is None else KNOWN.index(found) + 1
    assert numbers.given.tolist() == [expected]
    assert alphabet.coverage([word]) == (found is not None)


def test_a_word_is_tried_as_it_stands_first() -> None:
    assert list(spellings("iPhone"))[:2] == ["iPhone", "iphone"]
