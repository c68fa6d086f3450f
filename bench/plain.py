"""The peer of the language-model benchmarks: what one writes with torch.nn in forty lines."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlainLSTM(nn.Module):
    """nn.Embedding, nn.LSTM and nn.Linear, in float32."""

    def __init__(
        self, vocabulary_size: int, hidden_size: int, layers: int, *, tied: bool, dropout: float = 0
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, hidden_size)
        self.lstm = nn.LSTM(hidden_size, hidden_size, layers, batch_first=True, dropout=dropout)
        self.output = nn.Linear(hidden_size, vocabulary_size)
        self.dropout = nn.Dropout(dropout)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.uniform_(self.output.weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(
        self, ids: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        outputs, state = self.lstm(self.dropout(self.embedding(ids)), state)
        return self.output(self.dropout(outputs)), state

    def loss(
        self, inputs: Tensor, targets: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        logits, (hidden, cell) = self(inputs, state)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return loss, (hidden.detach(), cell.detach())


@torch.no_grad()
def copy_weights(plain: PlainLSTM, cells: Iterator[nn.Module], embedding: Tensor) -> None:
    """Gives a plain model the weights of one of ours, so that both start at the same place."""
    plain.embedding.weight.copy_(embedding)
    for layer, cell in enumerate(cells):
        for theirs, ours in (
            ("weight_ih", "input_weight"),
            ("weight_hh", "recurrent_weight"),
            ("bias_ih", "input_bias"),
            ("bias_hh", "recurrent_bias"),
        ):
            getattr(plain.lstm, f"{theirs}_l{layer}").copy_(getattr(cell, ours))


@torch.inference_mode()
def sample_loop(model: PlainLSTM, tokens: int, temperature: float) -> list[int]:
    """One token after the other, with the state carried."""
    token, state, written = torch.zeros(1, 1, dtype=torch.long), None, []
    for _ in range(tokens):
        logits, state = model(token, state)
        probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
        token = torch.multinomial(probabilities, 1)
        written.append(token.item())
    return written
