"""Attention against its equations, worked out by hand and in plain loops."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.attention import Attention, AttentionKind

KINDS = get_args(AttentionKind)


def test_dot_attention_by_hand() -> None:
    attention = Attention("dot", 2, 2)
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    memory = attention.keys(states, torch.tensor([[True, True, False]]))
    context, weights = attention(torch.tensor([[[math.log(3.0), 0.0]]]), memory)
    # Scores log 3 and 0: weights 3/4 and 1/4, and none for the padding.
    torch.testing.assert_close(weights, torch.tensor([[[0.75, 0.25, 0.0]]]))
    torch.testing.assert_close(context, torch.tensor([[[0.75, 0.25]]]))
    assert weights[0, 0, 2] == 0


def test_additive_attention_by_hand() -> None:
    attention = Attention("additive", 1, 1, size=1)
    with torch.no_grad():
        attention.query.weight.fill_(2.0)
        attention.query.bias.fill_(0.5)
        attention.memory.weight.fill_(-1.0)
        attention.vector.fill_(3.0)
    states = torch.tensor([[[0.5], [1.0]]])
    scores = attention.scores(torch.tensor([[[0.25]]]), attention.keys(states, states[..., 0] > 0))
    expected = [3 * math.tanh(2 * 0.25 + 0.5 - 0.5), 3 * math.tanh(2 * 0.25 + 0.5 - 1.0)]
    torch.testing.assert_close(scores[0, 0], torch.tensor(expected))


def slow_score(attention: Attention, query: Tensor, state: Tensor, covered: Tensor) -> Tensor:
    """One score, as the papers write it."""
    extra = 0.0 if attention.coverage is None else attention.coverage * covered
    if attention.kind == "dot":
        return query.dot(state) + extra
    if attention.kind == "general":
        return query.dot(attention.memory.weight.mv(state)) + extra
    if attention.kind == "concat":
        inner = attention.both.weight.mv(torch.cat([query, state]))
    else:
        inner = attention.query(query) + attention.memory(state)
    return attention.vector.dot(torch.tanh(inner + extra))


@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from(KINDS),
    batch=st.integers(1, 3),
    queries=st.integers(1, 4),
    positions=st.integers(1, 5),
    coverage=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_kind_equals_its_equation(
    kind: AttentionKind, batch: int, queries: int, positions: int, coverage: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    attention = Attention(kind, 6, 6, coverage=coverage).double()
    if attention.coverage is not None:
        torch.nn.init.normal_(attention.coverage)
    states = torch.randn(batch, positions, 6, dtype=torch.float64)
    asked = torch.randn(batch, queries, 6, dtype=torch.float64)
    covered = torch.rand(batch, queries, positions, dtype=torch.float64)
    lengths = torch.randint(1, positions + 1, (batch,))
    mask = torch.arange(positions) < lengths[:, None]
    context, weights = attention(asked, attention.keys(states, mask), covered)
    for row in range(batch):
        length = int(lengths[row])
        for query in range(queries):
            scores = torch.stack(
                [
                    slow_score(
                        attention, asked[row, query], states[row, place], covered[row, query, place]
                    ).reshape(())
                    for place in range(length)
                ]
            )
            expected = scores.softmax(0)
            torch.testing.assert_close(weights[row, query, :length], expected)
            read = (expected[:, None] * states[row, :length]).sum(0)
            torch.testing.assert_close(context[row, query], read)
    assert (weights.masked_select(~mask[:, None].expand_as(weights)) == 0).all()
    torch.testing.assert_close(weights.sum(2), torch.ones(batch, queries, dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: AttentionKind) -> None:
    torch.manual_seed(0)
    attention = Attention(kind, 4, 4).double()
    states = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    asked = torch.randn(2, 2, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, False, False]])

    def read(asked: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        return attention(asked, attention.keys(states, mask))

    assert torch.autograd.gradcheck(read, (asked, states))


def test_dot_attention_needs_equal_sizes() -> None:
    with pytest.raises(UsageError, match="4 features with states of 6"):
        Attention("dot", 4, 6)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="expected additive"):
        Attention("cosine", 4, 4)  # type: ignore[arg-type]
