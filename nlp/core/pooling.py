"""Pooling: the states of a sequence of any length as one vector.

    last        where each direction ended           what the whole sequence led to
    max         the largest of each feature          was there something, anywhere?
    mean        the mean                             how much of it was there?
    attention   a mean with learned weights          and where?

The attention is that of Yang et al. (2016), section 2.2: a vector asks each state, after one tanh
layer, how much it matters.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from corpora.errors import check_choice
from nlp.core.encoder import Memory

Pooling = Literal["last", "max", "mean", "attention"]


class Pooled(NamedTuple):
    """A batch of sequences, each as one vector."""

    vector: Tensor  # [batch, features]
    weights: Tensor | None  # [batch, time] of a mean: a row sums to 1, and is 0 at padding


class Pool(nn.Module):
    """Pools the states of an encoder, which have so many features."""

    def __init__(self, kind: Pooling, features: int) -> None:
        super().__init__()
        check_choice("pooling", kind, Pooling)
        self.kind = kind
        if kind == "attention":
            self.hidden = nn.Linear(features, features)
            self.query = nn.Linear(features, 1, bias=False)

    def forward(self, memory: Memory) -> Pooled:
        states, summary, mask = memory
        if self.kind == "last":
            return Pooled(summary, None)
        if self.kind == "max":
            return Pooled(states.masked_fill(~mask[..., None], -torch.inf).amax(1), None)
        if self.kind == "mean":
            weights = mask / mask.sum(1, keepdim=True)
        else:
            scores = self.query(torch.tanh(self.hidden(states))).squeeze(2)
            weights = scores.masked_fill(~mask, -torch.inf).softmax(1)
        return Pooled((weights.to(states.dtype)[:, None] @ states).squeeze(1), weights)
