"""ROUGE beside its definition, written out slowly."""

from __future__ import annotations

import itertools
import re
import sys
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from nlp.core import rouge as module
from nlp.core.rouge import NAMES, rouge

pytest.importorskip("rouge_score")

Words = Sequence[str]


def words_of(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.lower())


def f1(hits: float, of_summary: int, of_reference: int) -> float:
    return 200 * hits / (of_summary + of_reference) if hits else 0.0


def by_grams(summary: Words, reference: Words, size: int) -> float:
    """Every n-gram of the reference that the summary has too; each may be used up once."""
    left = [tuple(summary[at : at + size]) for at in range(len(summary) - size + 1)]
    grams = [tuple(reference[at : at + size]) for at in range(len(reference) - size + 1)]
    count, hits = len(left), 0
    for gram in grams:
        if gram in left:
            left.remove(gram)
            hits += 1
    return f1(hits, count, len(grams))


def longest(summary: Words, reference: Words) -> int:
    """All subsequences of the reference, the longest first."""
    for length in range(len(reference), 0, -1):
        for places in itertools.combinations(range(len(reference)), length):
            rest = iter(summary)
            if all(reference[place] in rest for place in places):
                return length
    return 0


@settings(max_examples=60)
@given(*[st.lists(st.sampled_from("abcd"), max_size=7) for _ in range(2)])
def test_scores_are_those_of_the_definition(summary: list[str], reference: list[str]) -> None:
    scores = rouge([" ".join(summary)], [" ".join(reference)], stem=False)
    for size in (1, 2):
        assert scores[f"ROUGE-{size}"] == pytest.approx([by_grams(summary, reference, size)])
    expected = f1(longest(summary, reference), len(summary), len(reference))
    assert scores["ROUGE-L"] == pytest.approx([expected])
    assert scores["ROUGE-Lsum"] == pytest.approx([expected])  # of one sentence


def test_rouge_lsum_takes_the_union_over_sentences() -> None:
    """The example of Lin 2004, section 3.2: the union is w1 w2 w3 w5 of w1 w2 w3 w4 w5."""
    summary, reference = ["w1 w3 w8 w9 w5", "w1 w2 w6 w7 w8"], ["w1 w2 w3 w4 w5"]
    scores = rouge([summary], [reference])
    assert scores["ROUGE-Lsum"] == pytest.approx([f1(4, 10, 5)])
    assert scores["ROUGE-L"] == pytest.approx([f1(3, 10, 5)])  # w1 w3 w5


def test_only_rouge_lsum_sees_where_sentences_end() -> None:
    apart, together = rouge([["c d", "a b"]], ["a b c d"]), rouge(["c d a b"], ["a b c d"])
    for name in NAMES:
        assert (apart[name] == together[name]) == (name != "ROUGE-Lsum")
    assert (apart["ROUGE-Lsum"], together["ROUGE-Lsum"]) == ([100], [50])


def test_a_line_break_in_a_sentence_ends_none() -> None:
    assert rouge([["a b\nc d"]], ["c d a b"]) == rouge(["a b c d"], ["c d a b"])


def test_case_marks_and_endings_do_not_count() -> None:
    assert rouge(["Cats, RUNNING!"], ["the cat runs"])["ROUGE-1"] == pytest.approx([80])
    assert rouge(["Cats, RUNNING!"], ["the cat runs"], stem=False)["ROUGE-1"] == [0]
    text = "Nine cats' whiskers; 3.5 ran-off."
    grams = Counter(words_of(text))
    assert grams.total() == 7
    assert rouge([text], [" ".join(grams)], stem=False)["ROUGE-1"] == pytest.approx([100])


def test_texts_without_words_score_nothing() -> None:
    for summary, reference in (("", "a b"), ("a b", ""), ("", ""), ("…", "…"), ([], ["a"])):
        assert all(values == [0] for values in rouge([summary], [reference]).values())
    assert rouge([], []) == {name: [] for name in NAMES}


def test_what_cannot_be_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="2 summaries and 1 references"):
        rouge(["a", "b"], ["a"])
    monkeypatch.setitem(sys.modules, "rouge_score", None)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'unrolled\[eval\]'"):
        rouge(["a"], ["a"])
