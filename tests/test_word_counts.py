"""Words of a text, their counts and ids."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import UsageError
from corpora.passage import Passage
from nlp.core.words.word_counts import (
    BREAK,
    WordCounts,
    clean,
    encode,
    excerpts,
    lines,
    write_words,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat, 'sat'--on the mat.", "the cat sat on the mat"),
        ("don't, the dogs' bone; l’eau ''q''", "don't the dogs bone l’eau q"),
        ("Zürich 3.14 naïve_x", "zürich 3 14 naïve_x"),
        ("'", ""),
        ("rock 'n' roll", "rock n roll"),
    ],
)
def test_what_a_word_is(text: str, expected: str) -> None:
    assert clean(text).split() == expected.split()


def test_white_space_alone_can_part_words() -> None:
    text = "New\u2003York ,\tU.S. \r\n\x0b @-@"
    assert clean(text, splitting="white-space", lowercase=False) == "New York , U.S.  \n  @-@"


@given(st.text(alphabet=st.sampled_from("aB'’ .\n_é5-")))
def test_no_letter_and_no_line_is_lost(text: str) -> None:
    found = clean(text)
    assert re.sub(r"\W", "", found) == re.sub(r"\W", "", text.lower())
    assert found.count("\n") == text.count("\n")
    assert not re.search(r"[^\w'’ \n]|(?<!\w)['’]|['’](?!\w)", found)
    assert clean(found).split() == found.split()


def write(tmp_path: Path, *texts: str, **options: object) -> tuple[Path, Counter[str]]:
    path = tmp_path / "words.txt"
    passages = [Passage(text, ends) for text, ends in zip(texts, [True] * len(texts), strict=True)]
    settings = {"splitting": "words", "lowercase": True, **options}
    written = write_words(passages, path, **settings)  # type: ignore[arg-type]
    assert (written.path, written.lines) == (path, path.read_text(encoding="utf-8").count("\n"))
    return path, written.counted


def test_a_line_stays_a_line_and_a_document_ends_one(tmp_path: Path) -> None:
    path, counted = write(tmp_path, "One two.\nThree", "two")
    assert list(lines(path)) == [["one", "two"], ["three"], ["two"]]
    assert counted == {"one": 1, "two": 2, "three": 1}


def test_passages_of_one_document_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    passages = [Passage("the quick", False), Passage(" fox", True)]
    write_words(passages, path, splitting="words", lowercase=True)
    assert list(lines(path)) == [["the", "quick", "fox"]]


def test_vocabulary_is_by_frequency_and_cut(tmp_path: Path) -> None:
    counted = Counter({"b": 3, "a": 3, "c": 5, "rare": 1})
    found = WordCounts.of(counted, min_count=2)
    assert (found.words, found.counts.tolist()) == (["c", "a", "b"], [5, 3, 3])
    assert WordCounts.of(counted, min_count=1, max_vocabulary=2).words == ["c", "a"]
    with pytest.raises(UsageError, match=r"no word occurs 9 times .*occurs 5 times"):
        WordCounts.of(counted, min_count=9)


def test_keep_probability_is_gensims() -> None:
    gensim = pytest.importorskip("gensim.models")
    counts = {f"w{number}": 1 + 5000 // (number + 1) for number in range(200)}
    model = gensim.Word2Vec(min_count=1, sample=1e-3, sorted_vocab=0)
    model.build_vocab_from_freq(counts)
    theirs = [model.wv.get_vecattr(word, "sample_int") / (2**32 - 1) for word in counts]
    ours = WordCounts.of(counts, min_count=1)
    found = dict(zip(ours.words, ours.keep_probability(1e-3), strict=True))
    np.testing.assert_allclose([found[word] for word in counts], theirs, atol=1e-6)
    assert ours.keep_probability(0).tolist() == [1] * 200


def test_ids_with_breaks_and_without_unknown_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlp.core.words.word_counts._BLOCK", 7)
    path, _ = write(tmp_path, "a b x a\nb\n\nunknown a")
    ids = np.concatenate(list(encode(path, {"a": 0, "b": 1})))
    assert ids.dtype == np.int32
    assert ids.tolist() == [0, 1, 0, BREAK, 1, BREAK, BREAK, 0, BREAK]


def test_excerpts_hold_whole_words_of_the_text(tmp_path: Path) -> None:
    words = [f"wörd{number}" for number in range(5000)]
    path, _ = write(tmp_path, " ".join(words))
    found = excerpts(path, seed=0, places=5, size=300)
    assert len(found) == 5
    assert all(set(text.split()) <= set(words) for text in found)
    assert excerpts(path, seed=0, places=5, size=300) == found
    short, _ = write(tmp_path, "just this")
    assert excerpts(short, seed=0) == ["just this\n"]
