"""The decoder: tokens in, the next token's distribution out, a recurrent state in between.

    token ──► embedding ──► recurrent core ──► output ──► logits over the vocabulary
                              ▲        │
                              └ state ◄┘

`forward` reads many positions at once, `step` reads one and costs what one costs; in evaluation
they are equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nlp.core.device import cpu_has_float16
from nlp.core.linear import linear
from nlp.core.losses import Workspace, linear_cross_entropy
from nlp.core.recurrent import CellKind, Recurrent, State, dropout, keep_mask

HALF_FROM = 1 << 22  # weights of an output layer that outgrows the processor's caches


class Decoder(nn.Module):
    """Embedding, recurrent core and softmax layer.

    Args:
        vocabulary_size: tokens.
        embedding_size: features of a token's vector.
        hidden_size, layers, cell: of the recurrent core.
        tied: the output layer's weights are the embedding's (Press and Wolf 2017; Inan, Khosravi
            and Socher 2017); the last layer then has `embedding_size` units.
        embedding_dropout: probability of dropping a token wherever it occurs in the batch.
        input_dropout, dropout, output_dropout: on the embedded tokens, between layers, on the last
            layer's outputs.
        locked_dropout: the latter three draw one mask per row for all positions.
        weight_drop: on the recurrent weights.
        one_hot: a token is read as a row of zeros with a single 1, without an embedding; not tied.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        layers: int,
        cell: CellKind,
        *,
        tied: bool,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        output_dropout: float = 0.0,
        locked_dropout: bool = True,
        weight_drop: float = 0.0,
        one_hot: bool = False,
    ) -> None:
        super().__init__()
        self.vocabulary_size, self.tied, self.one_hot = vocabulary_size, tied, one_hot
        self.cell = cell
        self.embedding_dropout, self.input_dropout = embedding_dropout, input_dropout
        self.output_dropout, self.locked_dropout = output_dropout, locked_dropout
        self.recurrent = Recurrent(
            cell,
            vocabulary_size if one_hot else embedding_size,
            hidden_size,
            layers,
            dropout=dropout,
            locked_dropout=locked_dropout,
            weight_drop=weight_drop,
            output_size=embedding_size if tied else None,
        )
        self.output_bias = nn.Parameter(torch.zeros(vocabulary_size))
        if not one_hot:
            embedding = torch.empty(vocabulary_size, embedding_size)
            self.embedding = nn.Parameter(nn.init.uniform_(embedding, -0.1, 0.1))
        if not tied:
            weight = torch.empty(vocabulary_size, self.recurrent.output_size)
            self.output_weight = nn.Parameter(nn.init.uniform_(weight, -0.1, 0.1))
        self._workspace = Workspace()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Decoder:
        """The decoder that a language model's configuration describes."""
        names = inspect.signature(cls).parameters
        return cls(**{name: value for name, value in config.items() if name in names})

    @torch.no_grad()
    def begin_at(self, frequencies: Tensor) -> None:
        """Sets the output bias so that, before any training, the model is about the unigram model
        of these token counts `[vocabulary_size]`.

        Otherwise it spends its first hundreds of steps learning them, and bends every vector of a
        tied embedding towards frequent or rare on the way.
        """
        smoothed = frequencies.to(self.output_bias) + 1
        self.output_bias.copy_((smoothed / smoothed.sum()).log())

    @property
    def device(self) -> torch.device:
        return self.output_bias.device

    def start(self, batch_size: int) -> State:
        """The state before the first token: a tuple of tensors `[batch, hidden_size]`."""
        return self.recurrent.start(batch_size)

    def embed(self, ids: Tensor, *, sparse: bool = False) -> Tensor:
        """Vectors of `ids` `[...]`: `[..., embedding_size]`.

        With `sparse` the table's gradient is a sparse one, as long as nothing else adds to it.
        """
        vectors = self._read(ids, sparse=sparse)
        if self.training and self.embedding_dropout:
            kept = keep_mask(vectors, (self.vocabulary_size, 1), self.embedding_dropout)
            vectors = vectors * kept[ids]
        return vectors

    def _read(self, ids: Tensor, *, sparse: bool = False) -> Tensor:
        if self.one_hot:
            return F.one_hot(ids, self.vocabulary_size).to(self.output_bias)
        return F.embedding(ids, self.embedding, sparse=sparse)

    def hidden(
        self, ids: Tensor, state: State | None = None, *, sparse: bool = False
    ) -> tuple[Tensor, State]:
        """What the output layer reads at each position of `ids` `[batch, time]`:
        `[batch, time, features]`, and the state after the last."""
        locked = self.locked_dropout
        vectors = self.embed(ids, sparse=sparse)
        vectors = dropout(vectors, self.input_dropout, self.training, locked=locked)
        outputs, state = self.recurrent(vectors, state, mask=None)
        return dropout(outputs, self.output_dropout, self.training, locked=locked), state

    def logits(self, hidden: Tensor) -> Tensor:
        """`[..., features]` to unnormalised log probabilities `[..., vocabulary_size]`."""
        return linear(hidden, self._output_weight(), self.output_bias)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits `[batch, time, vocabulary_size]` of each position's follower, and the state."""
        hidden, state = self.hidden(ids, state)
        return self.logits(hidden), state

    def read(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """As `forward`, the logits of the last position only: `[batch, vocabulary_size]`."""
        hidden, state = self.hidden(ids, state)
        return self.logits(hidden[:, -1]), state

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """One token a row, as in evaluation: `[batch]` to logits `[batch, vocabulary_size]` and the
        next state."""
        outputs, state = self.recurrent.step(self._read(token), state)
        return self.logits(outputs), state

    def fast_step(self) -> Callable[[Tensor, State], tuple[Tensor, State]]:
        """A `step` for writing one row on a CPU, from the weights as they are now.

        At one row the time goes into reading the output layer's weights from memory, so a large
        layer is copied to float16, half as long: logits then are some 0.004 off.
        """
        weight = self._output_weight().detach()
        on_cpu = weight.device.type == "cpu"
        # Nothing bounds the outputs of a relu: they may be too large for float16.
        bounded = self.cell != "relu-rnn"
        if not (on_cpu and bounded and weight.numel() >= HALF_FROM and cpu_has_float16()):
            return self.step
        half = weight.half()

        def step(token: Tensor, state: State) -> tuple[Tensor, State]:
            outputs, state = self.recurrent.step(self._read(token), state)
            return F.linear(outputs.half(), half).float() + self.output_bias, state

        return step

    def loss(
        self, ids: Tensor, targets: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """Mean cross entropy in nats of `targets` given `ids`, both `[batch, time]`, and the state
        at the end."""
        # The gradient of a lookup has few rows. As a sparse one it is added in place to that of the
        # tied output layer; a dense one would be a second array of the table's size.
        sparse = self.tied and ids.device.type == "cpu"
        hidden, state = self.hidden(ids, state, sparse=sparse)
        mean = linear_cross_entropy(
            hidden.flatten(0, -2),
            self._output_weight(),
            self.output_bias,
            targets.flatten(),
            workspace=self._workspace,
        )
        return mean, state

    def _output_weight(self) -> Tensor:
        return self.embedding if self.tied else self.output_weight
