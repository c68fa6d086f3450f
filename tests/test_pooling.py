"""Pooling against loops over the words, and what padding must not do."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.encoder import Encoder, Memory
from nlp.core.pooling import Pool, Pooling

FEATURES = 6
KINDS = get_args(Pooling)


def memory(lengths: list[int], seed: int = 0, time: int | None = None) -> Memory:
    """States as an encoder leaves them: zero at padding."""
    chance = torch.Generator().manual_seed(seed)
    mask = torch.arange(time or max(lengths)) < torch.tensor(lengths)[:, None]
    rows = [torch.randn(length, FEATURES, generator=chance) - 2 for length in lengths]
    states = torch.zeros(*mask.shape, FEATURES)
    for row, own in enumerate(rows):
        states[row, : len(own)] = own
    return Memory(states, torch.randn(len(lengths), FEATURES, generator=chance), mask)


def pool(kind: str) -> Pool:
    torch.manual_seed(1)
    return Pool(kind, FEATURES)  # type: ignore[arg-type]


def by_hand(layer: Pool, states: Tensor, summary: Tensor) -> tuple[Tensor, Tensor | None]:
    """One sequence without padding, `[time, features]`, by the definitions."""
    if layer.kind == "last":
        return summary, None
    if layer.kind == "max":
        return torch.stack([max(column) for column in states.T]), None
    if layer.kind == "mean":
        weights = torch.full((len(states),), 1 / len(states))
    else:
        hidden, bias = layer.hidden.weight, layer.hidden.bias
        scores = [
            math.exp(layer.query.weight[0] @ torch.tanh(hidden @ state + bias)) for state in states
        ]
        weights = torch.tensor(scores) / sum(scores)
    mean = sum(weight * state for weight, state in zip(weights, states, strict=True))
    return torch.as_tensor(mean), weights


@pytest.mark.parametrize("kind", KINDS)
@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_a_batch_is_pooled_as_its_sequences_are(kind: str, lengths: list[int], seed: int) -> None:
    layer, batch = pool(kind), memory(lengths, seed)
    with torch.no_grad():
        vector, weights = layer(batch)
        for row, length in enumerate(lengths):
            expected, own = by_hand(layer, batch.states[row, :length], batch.summary[row])
            torch.testing.assert_close(vector[row], expected, atol=1e-5, rtol=1e-5)
            if own is None:
                assert weights is None
            else:
                torch.testing.assert_close(weights[row, :length], own, atol=1e-5, rtol=1e-5)
                assert (weights[row, length:] == 0).all()  # exactly
                assert weights[row].sum().item() == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_says_nothing_whatever_stands_there(kind: str) -> None:
    layer = pool(kind)
    short, long = memory([4, 2, 1]), memory([4, 2, 1], time=9)
    with torch.no_grad():
        expected = layer(short).vector
        torch.testing.assert_close(layer(long).vector, expected)
        dirty = long.states.masked_fill(~long.mask[..., None], 1e4)
        torch.testing.assert_close(layer(long._replace(states=dirty)).vector, expected)


@pytest.mark.parametrize("kind", ["max", "mean", "attention"])
def test_no_gradient_reaches_padding(kind: str) -> None:
    batch = memory([3, 1])
    states = batch.states.clone().requires_grad_()
    pool(kind)(batch._replace(states=states)).vector.square().sum().backward()
    assert states.grad is not None
    assert (states.grad[~batch.mask] == 0).all()
    assert (states.grad[batch.mask] != 0).any(1).any()


def test_the_last_state_is_where_both_directions_ended() -> None:
    torch.manual_seed(2)
    encoder = Encoder("gru", 3, 4)
    memory = encoder(torch.randn(2, 5, 3), torch.arange(5) < torch.tensor([[5], [3]]))
    vector, _ = Pool("last", encoder.features)(memory)
    torch.testing.assert_close(vector[1, :4], memory.states[1, 2, :4])  # forward: the third word
    torch.testing.assert_close(vector[1, 4:], memory.states[1, 0, 4:])  # backward: the first


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(UsageError, match="pooling 'sum' is unknown: expected last, max, mean or"):
        pool("sum")
