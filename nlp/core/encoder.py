"""The encoder: a sequence of vectors in, memory out.

    vectors   x1 ──► x2 ──► x3          states   [h1→ h1←] [h2→ h2←] [h3→ h3←]
    forward   h1→ ─► h2→ ─► h3→         summary  [h3→ h1←]
    backward  h1← ◄─ h2← ◄─ h3←

Whatever reads a sequence as a whole, a tagger, a classifier, a translator's first half, reads it
through this (Schuster and Paliwal 1997 for both directions).
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from nlp.core.recurrent import CellKind, Recurrent, dropout


class Memory(NamedTuple):
    """What an encoder made of a batch of sequences."""

    states: Tensor  # [batch, time, features], zero at padding
    summary: Tensor  # [batch, features]: where each direction ended
    mask: Tensor  # [batch, time] bool, True for a real position


class Encoder(nn.Module):
    """A recurrent core between two dropouts.

    Args:
        cell, input_size, hidden_size, layers, bidirectional: of the core; states have
            `features = hidden_size`, twice that where it reads in both directions.
        input_dropout, dropout, output_dropout: probabilities, on the vectors, between layers and
            on the states; each draws one mask per row for all positions.
    """

    def __init__(
        self,
        cell: CellKind,
        input_size: int,
        hidden_size: int,
        layers: int = 1,
        *,
        bidirectional: bool = True,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.recurrent = Recurrent(
            cell,
            input_size,
            hidden_size,
            layers,
            bidirectional=bidirectional,
            dropout=dropout,
            locked_dropout=True,
        )
        self.input_dropout, self.output_dropout = input_dropout, output_dropout

    @property
    def features(self) -> int:
        return self.recurrent.output_size

    def forward(self, vectors: Tensor, mask: Tensor) -> Memory:
        """Reads `vectors` `[batch, time, input_size]` where `mask` `[batch, time]` is True."""
        vectors = dropout(vectors, self.input_dropout, self.training, locked=True)
        states, summary = self.recurrent.read(vectors, mask=mask)
        states = dropout(states, self.output_dropout, self.training, locked=True)
        return Memory(states, summary, mask)
