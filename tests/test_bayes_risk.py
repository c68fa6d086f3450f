"""Minimum Bayes risk: the expectation, its order, and what it is for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import UsageError
from nlp.core.search.bayes_risk import choose


def overlap(candidate: str, reference: str) -> float:
    """Not symmetric, so that the order of the arguments shows."""
    return len(set(candidate) & set(reference)) / (len(set(reference)) or 1)


@given(st.lists(st.tuples(st.text("abc", max_size=4), st.floats(0.01, 10)), max_size=8))
def test_it_is_the_expectation(pairs):
    texts, weights = [text for text, _ in pairs], [weight for _, weight in pairs]
    ranked = choose(texts, weights, overlap)
    assert sorted(number for number, _ in ranked) == list(range(len(texts)))
    for number, utility in ranked:
        expected = sum(
            weight * overlap(texts[number], text)
            for text, weight in zip(texts, weights, strict=True)
        ) / sum(weights)
        assert math.isclose(utility, expected, abs_tol=1e-12)
    assert ranked == sorted(ranked, key=lambda pair: (-pair[1], pair[0]))


def test_equal_texts_are_compared_once():
    calls = []

    def count(candidate: str, reference: str) -> float:
        calls.append((candidate, reference))
        return float(candidate == reference)

    assert choose(["a", "b", "a"], utility=count) == [(0, 2 / 3), (2, 2 / 3), (1, 1 / 3)]
    assert len(calls) == 4
    assert choose(["a", "b"], [0, 2], lambda one, other: one == other) == [(1, 1.0), (0, 0.0)]


def test_by_chrf_the_text_that_agrees_with_the_others_is_best():
    texts = [
        "Something else entirely happened here.",
        "A man is riding a brown horse on the beach.",
        "A man rides a brown horse at the beach.",
        "A man is riding a horse on a beach.",
    ]
    ranked = choose(texts)
    assert ranked[0][0] == 1
    assert ranked[-1][0] == 0
    assert choose([texts[0]]) == [(0, 100.0)]
    # Weights can turn it round.
    assert choose(texts, [9, 1, 1, 1])[0][0] == 0


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ([1], "1 weights for 2 texts"),
        ([1, -1], "negative"),
        ([1, math.nan], "no number"),
        ([0, 0], "all weights are 0"),
    ],
    ids=str,
)
def test_wrong_weights_are_refused(weights, complaint):
    with pytest.raises(UsageError, match=complaint):
        choose(["a", "b"], weights, overlap)


def test_nothing_to_choose_from():
    assert choose([], utility=overlap) == []
