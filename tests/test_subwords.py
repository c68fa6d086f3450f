"""Subwords: the n-grams, their hashes and the vectors of unknown words, against gensim's."""

from __future__ import annotations

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes
from hypothesis import given
from hypothesis import strategies as st

from nlp.core.words.subwords import Subwords

any_word = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(any_word, st.integers(1, 4), st.integers(0, 4), st.integers(1, 5000))
def test_ids_are_gensims(word: str, min_n: int, longer: int, buckets: int) -> None:
    max_n = min_n + longer
    ours = Subwords(np.zeros((buckets, 1), np.float32), min_n, max_n).ids(word)
    ngrams = compute_ngrams_bytes(word, min_n, max_n)
    assert ours == [ft_hash_bytes(ngram) % buckets for ngram in ngrams]


def test_hash_has_the_signs_of_fasttext() -> None:
    # Plain FNV-1a of the same bytes: the two part where a byte is above 127.
    def fnv(text: str) -> int:
        digest = 2166136261
        for byte in text.encode():
            digest = (digest ^ byte) * 16777619 % 2**32
        return digest

    rows = Subwords(np.zeros((2**20, 1), np.float32), 3, 3)
    assert rows.ids("a") == [fnv("<a>") % 2**20]
    assert rows.ids("é") != [fnv("<é>") % 2**20]


@pytest.fixture(scope="module")
def trained() -> FastText:
    lines = [["the", "cat", "sat"], ["där", "står", "en", "hund"], ["the", "dog", "barked"]] * 5
    return FastText(lines, vector_size=8, min_count=1, bucket=500, min_n=2, max_n=5, workers=1)


@pytest.mark.parametrize("word", ["doggy", "hundar", "ståltråd", "猫", "x", "", "unbelievably"])
def test_vector_of_an_unknown_word_is_gensims(trained: FastText, word: str) -> None:
    ours = Subwords(trained.wv.vectors_ngrams, 2, 5).vector(word)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, trained.wv.get_vector(word), rtol=1e-5, atol=1e-8)


def test_too_short_for_an_ngram_is_zeros() -> None:
    rows = Subwords(np.ones((10, 4), np.float32), 5, 6)
    assert rows.ids("ab") == []
    assert rows.vector("ab").tolist() == [0, 0, 0, 0]
