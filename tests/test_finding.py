"""Entities and their confidence, against the enumeration of all readings of a sentence."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.schemes import Span, is_allowed, tag_set, to_spans
from nlp.core.crf import Allowed, LinearChainCRF
from nlp.core.tags.finding import Found, best_threshold, candidates, choose

TAGS = tag_set(["A", "B"], "IOBES")


def iobes_crf(seed: int) -> LinearChainCRF:
    ends = [[is_allowed(None, tag, "IOBES"), is_allowed(tag, None, "IOBES")] for tag in TAGS]
    edges = torch.tensor(ends)
    inner = torch.tensor([[is_allowed(a, b, "IOBES") for b in TAGS] for a in TAGS])
    crf = LinearChainCRF(len(TAGS), allowed=Allowed(edges[:, 0], inner, edges[:, 1])).double()
    draw = torch.Generator().manual_seed(seed)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, generator=draw)
    return crf


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    lengths=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    floor=st.sampled_from([0.0001, 0.05, 0.3]),
)
def test_candidates_are_all_spans_with_their_probability(
    seed: int, lengths: list[int], floor: float
) -> None:
    crf, time = iobes_crf(seed), max(lengths)
    draw = torch.Generator().manual_seed(seed)
    emissions = 2 * torch.randn(len(lengths), time, len(TAGS), generator=draw, dtype=torch.float64)
    mask = torch.arange(time) < torch.tensor(lengths)[:, None]
    found = candidates(crf, TAGS, emissions, mask, floor=floor)
    start, transitions, end = (part.detach() for part in crf.potentials())
    for row, length in enumerate(lengths):
        scores, spans = [], []
        for path in itertools.product(range(len(TAGS)), repeat=length):
            score = start[path[0]] + end[path[-1]]
            score = score + sum(emissions[row, place, tag] for place, tag in enumerate(path))
            score = score + sum(transitions[pair] for pair in itertools.pairwise(path))
            scores.append(score)
            spans.append(to_spans([TAGS[tag] for tag in path], "IOBES") if score > -1e300 else [])
        chances = torch.stack(scores).softmax(0).tolist()
        expected: dict[Span, float] = {}
        for chance, own in zip(chances, spans, strict=True):
            for span in own:
                expected[span] = expected.get(span, 0.0) + chance
        told = {one.span: one.confidence for one in found[row]}
        assert told == pytest.approx({s: c for s, c in expected.items() if c > floor})
        assert [one.confidence for one in found[row]] == sorted(told.values(), reverse=True)


def test_choice_takes_the_surest_that_do_not_overlap() -> None:
    own = [
        Found(Span(0, 2, "A"), 0.6),
        Found(Span(1, 3, "A"), 0.35),
        Found(Span(3, 4, "B"), 0.3),
        Found(Span(0, 1, "B"), 0.1),
    ]
    assert [one.span for one in choose(own, 0.5)] == [Span(0, 2, "A")]
    assert [one.span for one in choose(own, 0.2)] == [Span(0, 2, "A"), Span(3, 4, "B")]
    every = choose(own, 0.5, second_choices=True)
    assert [(one.span.start, one.rank) for one in every] == [(0, 1), (0, 0), (1, 1), (3, 1)]


def test_best_threshold_is_that_of_the_best_f1() -> None:
    sure = [Found(Span(0, 1, "A"), 0.9), Found(Span(2, 3, "A"), 0.4), Found(Span(4, 5, "A"), 0.1)]
    gold = [[Span(0, 1, "A"), Span(2, 3, "A")]]
    assert 0.1 < best_threshold(gold, [sure]) <= 0.4
    assert 0.4 < best_threshold([[Span(0, 1, "A")]], [sure]) <= 0.9
