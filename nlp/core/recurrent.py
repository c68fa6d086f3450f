"""The one recurrent core: one function applied along a sequence.

              h0 ──► f ──► f ──► f ──► h3        state_t = f(input_t, state_{t-1})
                     ▲     ▲     ▲
                    x1    x2    x3

Elman network (Elman 1990) with tanh, or with relu, identity recurrent weights and zero bias (Le,
Jaitly and Hinton 2015); gated recurrent unit (Cho et al. 2014); long short-term memory (Hochreiter
and Schmidhuber 1997). The equations are those of `torch.nn.RNN`, `GRU` and `LSTM`, and so are the
shapes of the parameters and the order of the gates.

    >>> core = Recurrent("lstm", input_size=8, hidden_size=16, layers=2)
    >>> outputs, state = core(torch.randn(4, 10, 8), mask=None)
    >>> outputs.shape, [tuple(part.shape) for part in state]
    (torch.Size([4, 10, 16]), [(4, 16), (4, 16), (4, 16), (4, 16)])

State has one form whatever the cell: a tuple of tensors `[batch, hidden_size]`, layer after layer,
forward before backward direction, and for an LSTM the hidden part before the cell part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import check_choice, check_positive
from nlp.core.device import compute_dtype

CellKind = Literal["lstm", "gru", "rnn", "relu-rnn"]
State = tuple[Tensor, ...]

GATES = {"lstm": 4, "gru": 3, "rnn": 1, "relu-rnn": 1}
# The functions under torch.nn.LSTM and its kin: they take the weights as arguments, so that these
# may have been dropped or cast, and run on oneDNN and cuDNN where those are faster.
SEQUENCE: dict[str, Callable[..., Any]] = {
    "lstm": torch._VF.lstm,
    "gru": torch._VF.gru,
    "rnn": torch._VF.rnn_tanh,
    "relu-rnn": torch._VF.rnn_relu,
}
STEP: dict[str, Callable[..., Any]] = {
    "lstm": torch._VF.lstm_cell,
    "gru": torch._VF.gru_cell,
    "rnn": torch._VF.rnn_tanh_cell,
    "relu-rnn": torch._VF.rnn_relu_cell,
}


class Cell(nn.Module):
    """One layer in one direction."""

    def __init__(
        self, kind: CellKind, input_size: int, hidden_size: int, weight_drop: float
    ) -> None:
        super().__init__()
        self.kind, self.hidden_size, self.weight_drop = kind, hidden_size, weight_drop
        rows = GATES[kind] * hidden_size
        self.input_weight = nn.Parameter(torch.empty(rows, input_size))
        self.recurrent_weight = nn.Parameter(torch.empty(rows, hidden_size))
        self.input_bias = nn.Parameter(torch.empty(rows))
        self.recurrent_bias = nn.Parameter(torch.empty(rows))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if self.kind == "lstm":
            # Forget gates begin open (Jozefowicz, Zaremba and Sutskever 2015).
            nn.init.ones_(self.input_bias[self.hidden_size : 2 * self.hidden_size])
        if self.kind == "relu-rnn":
            nn.init.eye_(self.recurrent_weight)
            nn.init.zeros_(self.input_bias)
            nn.init.zeros_(self.recurrent_bias)

    @property
    def parts(self) -> int:
        """How many tensors one layer's state holds."""
        return 2 if self.kind == "lstm" else 1

    def weights(self) -> list[Tensor]:
        """The four parameters; while training, some recurrent connections are cut for the whole
        sequence ("weight drop", Merity, Keskar and Socher 2018)."""
        recurrent: Tensor = self.recurrent_weight
        if self.weight_drop and self.training:
            recurrent = recurrent * keep_mask(recurrent, recurrent.shape, self.weight_drop)
        return [self.input_weight, recurrent, self.input_bias, self.recurrent_bias]

    def forward(self, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        """Outputs `[batch, time, hidden_size]` and the state after each row's last real position.

        With `lengths` (on the CPU, `[batch]`, longest row first) the positions behind a row's
        length are neither computed nor read; their outputs are zero.
        """
        dtype = compute_dtype(inputs)
        weights = [weight.to(dtype) for weight in self.weights()]
        inputs, state = inputs.to(dtype), tuple(part.to(dtype) for part in state)
        if lengths is None:
            return self._run(inputs, state, weights)
        return self._run_lengths(inputs, state, weights, lengths.tolist())

    def _run(self, inputs: Tensor, state: State, weights: list[Tensor]) -> tuple[Tensor, State]:
        hidden = [part.unsqueeze(0).contiguous() for part in state]
        start = hidden if self.kind == "lstm" else hidden[0]
        outputs, *end = SEQUENCE[self.kind](
            inputs.contiguous(), start, weights, True, 1, 0.0, self.training, False, True
        )
        return outputs, tuple(part.squeeze(0) for part in end)

    def _run_lengths(
        self, inputs: Tensor, state: State, weights: list[Tensor], lengths: list[int]
    ) -> tuple[Tensor, State]:
        """The rows are longest first, so what is real between two distinct lengths is a dense
        rectangle: each is one call, and nothing is computed on padding."""
        time = inputs.shape[1]
        columns: list[Tensor] = []
        ended: list[State] = []  # states of the rows that have ended, shortest first
        begin = 0
        for end in sorted(set(lengths)):
            if end == 0:
                rows = sum(length > 0 for length in lengths)
            else:
                rows = sum(length >= end for length in lengths)
                outputs, state = self._run(
                    inputs[:rows, begin:end], tuple(part[:rows] for part in state), weights
                )
                columns.append(F.pad(outputs, (0, 0, 0, 0, 0, len(lengths) - rows)))
                begin = end
                rows = sum(length > end for length in lengths)
            ended.append(tuple(part[rows:] for part in state))
            state = tuple(part[:rows] for part in state)
        padding = inputs.new_zeros(len(lengths), time - begin, self.hidden_size)
        final = tuple(torch.cat(parts) for parts in zip(*reversed(ended), strict=True))
        return torch.cat([*columns, padding], dim=1), final

    def step(self, inputs: Tensor, state: State) -> State:
        """One position: inputs `[batch, input_size]`; the new hidden part comes first."""
        start = state if self.kind == "lstm" else state[0]
        end = STEP[self.kind](
            inputs,
            start,
            self.input_weight,
            self.recurrent_weight,
            self.input_bias,
            self.recurrent_bias,
        )
        return end if self.kind == "lstm" else (end,)


class Recurrent(nn.Module):
    """Layers of cells, in one direction or both.

    Args:
        kind: `lstm`, `gru`, `rnn` (tanh) or `relu-rnn` (identity initialisation, zero bias).
        input_size, hidden_size: features of an input; units of each layer and direction.
        layers: layers above each other.
        bidirectional: a second set of cells reads each row from its last real position to its
            first; outputs are the two side by side, `[batch, time, 2 * hidden_size]`.
        dropout: probability of dropping a feature between layers, while training.
        locked_dropout: one dropout mask for all positions of a row (Gal and Ghahramani 2016),
            instead of a new one at each.
        weight_drop: probability of cutting a recurrent connection for a whole sequence.
        output_size: units of the last layer, where that differs (tied weights).
    """

    def __init__(
        self,
        kind: CellKind,
        input_size: int,
        hidden_size: int,
        layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        locked_dropout: bool = False,
        weight_drop: float = 0.0,
        output_size: int | None = None,
    ) -> None:
        super().__init__()
        check_choice("kind", kind, CellKind)
        check_positive(input_size=input_size, hidden_size=hidden_size, layers=layers)
        directions = 2 if bidirectional else 1
        sizes = [hidden_size] * (layers - 1) + [output_size or hidden_size]
        cells = []
        for layer, size in enumerate(sizes):
            features = input_size if layer == 0 else sizes[layer - 1] * directions
            cells += [Cell(kind, features, size, weight_drop) for _ in range(directions)]
        self.cells = nn.ModuleList(cells)
        self.directions, self.layers = directions, layers
        self.output_size = sizes[-1] * directions
        self.dropout, self.locked_dropout = dropout, locked_dropout

    def start(self, batch_size: int) -> State:
        """The state before anything was read: zeros."""
        return tuple(
            cell.input_bias.new_zeros(batch_size, cell.hidden_size)
            for cell in self._cells()
            for _ in range(cell.parts)
        )

    def forward(
        self, inputs: Tensor, state: State | None = None, *, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """Reads a batch of sequences.

        Args:
            inputs: `[batch, time, input_size]`.
            state: where to go on from; None starts anew.
            mask: `[batch, time]`, True for a real position; each row is real from its first
                position to its length. None states that every position is real.

        Returns:
            outputs `[batch, time, output_size]`, zero at padding, and the state after each row's
            last real position.
        """
        state = self.start(inputs.shape[0]) if state is None else state
        if mask is None or bool(mask.all()):
            return self._layers(inputs, state, None)
        lengths, order = _lengths(mask).sort(descending=True, stable=True)
        order = order.to(inputs.device)
        back = order.argsort()
        outputs, state = self._layers(inputs[order], tuple(p[order] for p in state), lengths)
        return outputs[back], tuple(part[back] for part in state)

    def _layers(self, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        parts = self._cells()[0].parts
        ended: list[Tensor] = []
        for layer in range(self.layers):
            if layer:
                inputs = dropout(inputs, self.dropout, self.training, locked=self.locked_dropout)
            outputs = []
            for direction in range(self.directions):
                number = layer * self.directions + direction
                cell, begin = self._cells()[number], state[number * parts : (number + 1) * parts]
                read = reverse(inputs, lengths) if direction else inputs
                written, end = cell(read, begin, lengths)
                outputs.append(reverse(written, lengths) if direction else written)
                ended += end
            inputs = outputs[0] if self.directions == 1 else torch.cat(outputs, dim=-1)
        return inputs, tuple(ended)

    def read(self, inputs: Tensor, *, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Whole sequences from nothing, for what needs no state afterwards.

        Padding is computed too and then taken away, which in a batch of rows of about the same
        length costs less than leaving it out.

        Returns:
            outputs `[batch, time, output_size]`, zero at padding, as `forward` has them, and what
            each direction of the last layer ended with, side by side: `[batch, output_size]`.
        """
        lengths = _lengths(mask)
        inside = None if bool(mask.all()) else lengths
        state = self.start(len(inputs))
        parts = self._cells()[0].parts
        last = (lengths - 1).to(inputs.device)[:, None, None]
        ends: list[Tensor] = []
        for layer in range(self.layers):
            if layer:
                inputs = dropout(inputs, self.dropout, self.training, locked=self.locked_dropout)
            outputs, ends = [], []
            for direction in range(self.directions):
                number = layer * self.directions + direction
                given = reverse(inputs, inside) if direction else inputs
                begin = state[number * parts : (number + 1) * parts]
                written, _ = self._cells()[number](given, begin, None)
                ends.append(written.gather(1, last.expand(-1, 1, written.shape[2])).squeeze(1))
                outputs.append(reverse(written, inside) if direction else written)
            inputs = outputs[0] if self.directions == 1 else torch.cat(outputs, dim=-1)
        return inputs.masked_fill(~mask[..., None], 0), torch.cat(ends, dim=1)

    def step(
        self, inputs: Tensor, state: State, masks: Sequence[Tensor] = ()
    ) -> tuple[Tensor, State]:
        """One position, equal to `forward` in evaluation on a sequence of one, but without its
        set-up costs; nothing is dropped but by `masks` `[batch, hidden_size]`, one for each layer
        but the first.

        inputs `[batch, input_size]`, outputs `[batch, output_size]`; one direction only.
        """
        if self.directions == 2:
            raise ValueError("a bidirectional network reads whole sequences: it has no step")
        parts = self._cells()[0].parts
        ended: State = ()
        for layer, cell in enumerate(self._cells()):
            if layer and masks:
                inputs = inputs * masks[layer - 1]
            end = cell.step(inputs, state[layer * parts : (layer + 1) * parts])
            ended += end
            inputs = end[0]
        return inputs, ended

    def _cells(self) -> list[Cell]:
        return list(self.cells)  # type: ignore[arg-type]


def _lengths(mask: Tensor) -> Tensor:
    """How long each row of a mask is, on the CPU; `ValueError` where one has a gap."""
    lengths = mask.sum(dim=1).cpu()
    if not torch.equal(mask.cpu(), torch.arange(mask.shape[1]) < lengths[:, None]):
        raise ValueError("mask has a gap: each row must be real from its start to its length")
    return lengths


def reverse(inputs: Tensor, lengths: Tensor | None) -> Tensor:
    """Each row back to front within its length; padding stays where it is. `[batch, time, ...]`"""
    if lengths is None:
        return inputs.flip(1)
    positions = torch.arange(inputs.shape[1])
    turned = torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)
    rows = torch.arange(inputs.shape[0], device=inputs.device)[:, None]
    return inputs[rows, turned.to(inputs.device)]


def dropout(inputs: Tensor, probability: float, training: bool, *, locked: bool) -> Tensor:
    """Dropout on `[batch, time, features]`; locked draws one mask per row for all its positions."""
    if not training or not probability:
        return inputs
    if not locked:
        return F.dropout(inputs, probability)
    return inputs * keep_mask(inputs, (inputs.shape[0], 1, inputs.shape[2]), probability)


def keep_mask(like: Tensor, shape: Sequence[int], probability: float) -> Tensor:
    """What dropout multiplies with: 0 with `probability`, else 1 / (1 - probability)."""
    if like.device.type != "cpu":
        return F.dropout(like.new_ones(shape), probability)
    # A CPU draws one Bernoulli number at a time. Four 16-bit numbers out of each 64-bit one take a
    # seventh of that, and 1/65536 is fine enough.
    count, limit = math.prod(shape), min(round(probability * 65536), 65535)
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(1 << 63), None)
    kept = drawn.view(torch.int16)[:count].view(*shape) >= limit - 32768
    return kept.to(like.dtype).mul_(65536 / (65536 - limit))
