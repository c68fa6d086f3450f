"""Attention: which positions of a memory a query reads, and how much of each.

    scores   e_i = score(query, state_i)       one number for each position of the memory
    weights  a   = softmax(e)                  exactly zero where there is only padding
    context  c   = sum_i a_i state_i           what is read

    additive  v . tanh(W q + U h)        Bahdanau, Cho and Bengio (2015)
    concat    v . tanh(W [q; h])         Luong, Pham and Manning (2015), and below
    general   q . W h
    dot       q . h

Many queries are answered at once: those of all steps while training, those of all rows of a beam
while translating. What depends on the memory alone, `U h` or `W h`, is computed once for it.

    >>> attention = Attention("general", query_size=4, memory_size=6)
    >>> memory = attention.keys(torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
    >>> context, weights = attention(torch.randn(2, 3, 4), memory)
    >>> context.shape, weights.shape
    (torch.Size([2, 3, 6]), torch.Size([2, 3, 5]))
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from corpora.errors import UsageError, check_choice

AttentionKind = Literal["additive", "concat", "general", "dot"]


class Keys(NamedTuple):
    """A memory, made ready to be asked."""

    keys: Tensor  # [batch, positions, size], what scores are computed from
    states: Tensor  # [batch, positions, memory_size], what is read
    mask: Tensor  # [batch, positions] bool, True for a real position

    def rows(self, rows: Tensor) -> Keys:
        """Those of some rows of the batch."""
        return Keys(*(part[rows] for part in self))


class Attention(nn.Module):
    """Attention over the states of an encoder.

    Args:
        kind: how a query is held against a state, see above.
        query_size, memory_size: features of each; `dot` needs them equal.
        size: units of the layer between, of `additive` and `concat`; None takes `query_size`.
        coverage: a position's score also depends on how much of it has been read before (Tu et al.
            2016, in the form of See, Liu and Manning 2017).
    """

    def __init__(
        self,
        kind: AttentionKind,
        query_size: int,
        memory_size: int,
        size: int | None = None,
        *,
        coverage: bool = False,
    ) -> None:
        super().__init__()
        check_choice("attention", kind, AttentionKind)
        if kind == "dot" and query_size != memory_size:
            raise UsageError(
                f"dot attention multiplies queries of {query_size} features with states of "
                f"{memory_size}: make them equal, or take another --attention"
            )
        self.kind, self.query_size, self.memory_size = kind, query_size, memory_size
        self.layered = kind in ("additive", "concat")  # has a layer between
        size = size or query_size
        if kind == "additive":
            self.query = nn.Linear(query_size, size)
            self.memory = nn.Linear(memory_size, size, bias=False)
        elif kind == "concat":
            self.both = nn.Linear(query_size + memory_size, size, bias=False)
        elif kind == "general":
            self.memory = nn.Linear(memory_size, query_size, bias=False)
        if self.layered:
            self.vector = nn.Parameter(torch.empty(size).uniform_(-1, 1) / math.sqrt(size))
        self.coverage = nn.Parameter(torch.zeros(size if self.layered else 1)) if coverage else None

    def keys(self, states: Tensor, mask: Tensor) -> Keys:
        """A memory `[batch, positions, memory_size]`, each of whose rows has a real position."""
        if self.kind == "dot":
            return Keys(states, states, mask)
        if self.kind == "concat":
            return Keys(states @ self.both.weight[:, self.query_size :].t(), states, mask)
        return Keys(self.memory(states), states, mask)

    def forward(
        self, queries: Tensor, memory: Keys, covered: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Reads a memory.

        Args:
            queries: `[batch, queries, query_size]`.
            covered: `[batch, queries, positions]`, the sum of earlier weights, for `coverage`.

        Returns:
            contexts `[batch, queries, memory_size]` and weights `[batch, queries, positions]`,
            which sum to one and are zero at padding.
        """
        scores = self.scores(queries, memory, covered)
        weights = scores.masked_fill(~memory.mask[:, None], -torch.inf).softmax(2)
        return weights.to(memory.states.dtype) @ memory.states, weights

    def scores(self, queries: Tensor, memory: Keys, covered: Tensor | None = None) -> Tensor:
        """`[batch, queries, positions]`, padding included."""
        if not self.layered:
            scores = queries @ memory.keys.transpose(1, 2)
            if covered is not None and self.coverage is not None:
                scores = scores + self.coverage * covered
            return scores
        if self.kind == "additive":
            asked = self.query(queries)
        else:
            asked = queries @ self.both.weight[:, : self.query_size].t()
        layer = asked[:, :, None] + memory.keys[:, None]  # [batch, queries, positions, size]
        if covered is not None and self.coverage is not None:
            layer = layer + covered[..., None] * self.coverage
        return layer.tanh() @ self.vector
