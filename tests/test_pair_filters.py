"""Filters of pairs: what is kept is as asked for, and all else is counted."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_files import EN_DE, PAIRS, complaint, texts, write

from corpora.pair_filters import length
from corpora.pairs import Filters, read_pairs


def test_words_are_counted() -> None:
    assert length("") == length(" \u3000") == 0
    assert length("two  words\u00a0now") == 3
    assert length("Rindfleischetikettierungsüberwachungsaufgabe") == 1
    assert length("吾輩は猫である。") == 4  # seven characters that are no sign
    assert length("我 用 空格") == 3
    assert length("สวัสดีครับ") == 5


def test_filters(tmp_path: Path) -> None:
    rows = [
        *(("a b", "c"), ("a b", "c"), ("a b", "d"), ("a " * 9, "b"), ("a " * 10, "b")),
        *(("b", "a " * 10), ("a " * 21, "b " * 21), ("", ""), (" ", "a")),
    ]
    file = write(tmp_path, ".jsonl", rows)
    corpus = read_pairs(file, **EN_DE, filters=Filters(max_length=20, drop_duplicates=True))
    assert texts(corpus) == [rows[0], rows[2], rows[3]]
    ratio = "pairs of which one side is more than 9 times as long as the other left out"
    assert corpus.remarks == [
        f"pairs that are there already left out: 1 ({file}, line 2)",
        f"{ratio}: 2 (first: {file}, line 5)",
        f"pairs of more than 20 words left out: 1 ({file}, line 7)",
        f"pairs with an empty source and target left out: 1 ({file}, line 8)",
        f"pairs with an empty source left out: 1 ({file}, line 9)",
    ]
    everything = read_pairs(file, **EN_DE, filters=Filters(max_length=10**9, max_ratio=1e9))
    assert texts(everything) == rows[:7]
    told = complaint(file, **EN_DE, filters=Filters(max_length=1, max_ratio=1))
    assert "none of its 9 pairs is left (pairs of more than 1 words left out: 7" in told
    assert "looser filters" in told
    assert "max_length is 0" in complaint(file, **EN_DE, filters=Filters(max_length=0))
    assert "max_ratio is nan" in complaint(file, filters=Filters(max_ratio=float("nan")))


@given(st.lists(st.tuples(*[st.text("a b", max_size=12)] * 2), max_size=20), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_every_pair_is_kept_or_counted(tmp_path_factory, rows, most) -> None:
    rows = [("b", "a"), *rows]
    file = write(tmp_path_factory.mktemp("filters"), ".jsonl", rows)
    filters = Filters(max_length=most, max_ratio=2, drop_duplicates=True)
    corpus = read_pairs(file, **EN_DE, filters=filters)
    counts = [int(re.search(r"left out: (\d+)", remark)[1]) for remark in corpus.remarks]  # type: ignore[index]
    assert len(corpus.pairs) + sum(counts) == len(rows)
    expected = [
        (source, target)
        for source, target in dict.fromkeys(rows)
        if 0 < len(source.split()) <= most
        and 0 < len(target.split()) <= most
        and 0.5 <= len(source.split()) / len(target.split()) <= 2
    ]
    assert texts(corpus) == expected


def test_languages(tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    rows = [
        ("The children are playing in the garden.", "Die Kinder spielen im Garten."),
        ("The children are playing in the garden.", "The children are playing in the garden."),
        ("Les enfants jouent dans le jardin.", "Die Kinder spielen im Garten."),
        ("Ok.", "Ok."),
    ]
    file = write(tmp_path, ".jsonl", rows)
    corpus = read_pairs(file, **EN_DE, filters=Filters(languages=("en-US", "de")))
    assert texts(corpus) == [rows[0], rows[3]]
    assert corpus.remarks == [
        f"pairs of which the target is in another language left out: 1 ({file}, line 2)",
        f"pairs of which the source is in another language left out: 1 ({file}, line 3)",
    ]
    assert "language 'tlh' is not among" in complaint(
        file, filters=Filters(languages=("en", "tlh"))
    )


def test_languages_without_the_extra(tmp_path: Path, monkeypatch) -> None:
    file = write(tmp_path, ".jsonl", PAIRS)
    imported = builtins.__import__

    def without(name: str, *rest: object):
        if name.startswith("py3langid"):
            raise ImportError(name)
        return imported(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    assert "unrolled[languages]" in complaint(file, filters=Filters(languages=("en", "de")))
    assert "expected two" in complaint(file, filters=Filters(languages=("en",)))  # type: ignore[arg-type]
