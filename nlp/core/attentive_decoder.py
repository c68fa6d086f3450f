"""The decoder that looks at something: tokens in, and at each a memory to read from.

    token ──► embedding ──► lower layer ──query──► attention ◄── memory (an encoder's states)
                  │             │                      │
                  │             ├──────────┬─ context ◄─┤
                  │             │          ▼           │
                  │             └───► upper layers     │
                  │                        │           │
                  └──────► tanh(W [upper; context; embedding]) ──► logits

The lower layer does not wait for what was read, so with the true tokens given, all steps of
training are a few products of whole sentences: the lower layer, attention of all its states, the
upper layers, the softmax. The upper layers know what was read before (Wu et al. 2016 attend with
their bottom layer, too). With `input_feeding` (Luong, Pham and Manning 2015) or `coverage`, each
step needs the one before it, and training goes step by step.

What is read may pass a gate (Xu et al. 2015, section 4.2.1): c_t = sigmoid(w . h_t + b) sum_i a_ti
state_i, one number a step, with which a decoder says how much this word owes to the memory at all.

Without attention it is the decoder of Sutskever, Vinyals and Le (2014): all that it knows of the
source is the state in which it begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_positive
from nlp.core.attention import Attention, AttentionKind, Keys
from nlp.core.encoder import Memory
from nlp.core.linear import linear
from nlp.core.losses import Workspace, linear_cross_entropy
from nlp.core.recurrent import CellKind, Recurrent, State, dropout, keep_mask


class Read(NamedTuple):
    """What a decoder made of whole sentences."""

    hidden: Tensor  # [batch, time, features], what the output layer reads
    weights: Tensor | None  # [batch, time, positions] of the attention, where there is one


def new_embedding(entries: int, size: int) -> nn.Parameter:
    """A table of random vectors about as long as 1. Shorter ones, in a small table whose rows are
    the output layer's too, make all logits alike, and attention hardly begins to learn."""
    bound = math.sqrt(3 / size)
    return nn.Parameter(torch.empty(entries, size).uniform_(-bound, bound))


class AttentiveDecoder(nn.Module):
    """Embedding, recurrent layers, attention and softmax layer.

    Args:
        vocabulary_size, embedding_size: tokens, and features of a token's vector.
        hidden_size, layers, cell: of the recurrent layers.
        memory_size, summary_size: features of the encoder's states and of its summary.
        attention: its kind, or None for none.
        input_feeding: what the output layer read is also the next step's input.
        coverage: see `nlp.core.attention.Attention`.
        gate: what attention has read is scaled by a number from 0 to 1, which the lower layer's
            output decides.
        tied: the output layer's weights are the embedding's (Press and Wolf 2017).
        layer_norm: normalises what each recurrent part puts out (Ba, Kiros and Hinton 2016).
        input_dropout, dropout, output_dropout: on the embedded tokens, between the layers and
            on what the output layer reads; one mask a row for all its positions.
        word_dropout: probability of hiding a token's vector.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        layers: int,
        cell: CellKind,
        *,
        memory_size: int,
        summary_size: int,
        attention: AttentionKind | None = "general",
        input_feeding: bool = False,
        coverage: bool = False,
        gate: bool = False,
        tied: bool = True,
        layer_norm: bool = False,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        output_dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_positive(hidden_size=hidden_size, layers=layers)
        if attention is None and (input_feeding or coverage or gate):
            raise UsageError("input feeding, coverage and gate belong to attention: name its kind")
        self.vocabulary_size, self.tied = vocabulary_size, tied
        self.input_dropout, self.dropout = input_dropout, dropout
        self.output_dropout, self.word_dropout = output_dropout, word_dropout
        self.embedding = new_embedding(vocabulary_size, embedding_size)
        size = embedding_size if tied else hidden_size  # of what the output layer reads
        read = 0 if attention is None else memory_size
        self.attention = (
            None
            if attention is None
            else Attention(attention, hidden_size, memory_size, coverage=coverage)
        )
        self.gate = nn.Linear(hidden_size, 1) if gate else None
        if self.gate is not None:
            # Open, as good as not there: half open at first, what is read is learned far later.
            nn.init.constant_(self.gate.bias, 3.0)
        self.feeds = size if input_feeding else 0
        self.covers = coverage
        self.lower = Recurrent(
            cell,
            embedding_size + self.feeds,
            hidden_size,
            1 if read else layers,
            dropout=dropout,
            locked_dropout=True,
        )
        self.upper = (
            Recurrent(
                cell,
                hidden_size + read,
                hidden_size,
                layers - 1,
                dropout=dropout,
                locked_dropout=True,
            )
            if read and layers > 1
            else None
        )
        norms = 1 if self.upper is None else 2
        self.norms = nn.ModuleList(
            nn.LayerNorm(hidden_size) if layer_norm else nn.Identity() for _ in range(norms)
        )
        self.combine = nn.Linear(hidden_size + read + embedding_size, size)
        self.parts = [part.shape[1] for part in self._zero(1)]
        self.bridge = nn.Linear(summary_size, sum(self.parts))
        if attention is None:
            # All that it knows of the source comes this way: it begins by handing it over.
            for part in self.bridge.weight.detach().split(self.parts):
                if part.shape[0] == part.shape[1]:
                    part.add_(torch.eye(len(part)), alpha=3)
        self.output_bias = nn.Parameter(torch.zeros(vocabulary_size))
        if not tied:
            weight = torch.empty(vocabulary_size, size)
            self.output_weight = nn.Parameter(nn.init.uniform_(weight, -0.1, 0.1))
        self._workspace = Workspace()

    def _zero(self, rows: int) -> State:
        upper = () if self.upper is None else self.upper.start(rows)
        return (*self.lower.start(rows), *upper)

    @torch.no_grad()
    def begin_at(self, frequencies: Tensor) -> None:
        """Sets the output bias to the unigram model of these counts `[vocabulary_size]`."""
        smoothed = frequencies.to(self.output_bias) + 1
        self.output_bias.copy_((smoothed / smoothed.sum()).log())

    @property
    def in_parallel(self) -> bool:
        """Whether training reads all steps of a sentence at once."""
        return not (self.feeds or self.covers)

    def keys(self, memory: Memory) -> Keys:
        """A memory, made ready to be asked; without attention only its mask counts."""
        if self.attention is None:
            return Keys(memory.mask, memory.mask, memory.mask)
        return self.attention.keys(memory.states, memory.mask)

    def start(self, memory: Memory) -> State:
        """The state before the first token.

        Tensors `[batch, ...]`: of the layers, then with input feeding what was read last, with
        coverage the sum of weights, and with attention the weights of the last step.
        """
        begun = self.bridge(memory.summary).tanh().split(self.parts, dim=1)
        nothing = [memory.summary.new_zeros(len(memory.mask), self.feeds)] if self.feeds else []
        unread = torch.zeros_like(memory.mask, dtype=begun[0].dtype)
        weights = [] if self.attention is None else [unread] * (1 + self.covers)
        return (*begun, *nothing, *weights)

    def forward(self, ids: Tensor, memory: Memory, sources: Tensor | None = None) -> Read:
        """Reads `ids` `[batch, time]`, the first of which is the start symbol.

        Args:
            sources: `[batch]`, the row of the memory that each row looks at, where several texts
                belong to one; None: each to its own.
        """
        vectors = F.embedding(ids, self.embedding)
        if self.training and self.word_dropout:
            vectors = vectors * keep_mask(vectors, (*ids.shape, 1), self.word_dropout)
        vectors = dropout(vectors, self.input_dropout, self.training, locked=True)
        keys, state = self.keys(memory), self.start(memory)
        if sources is not None:
            keys, state = keys.rows(sources), tuple(part[sources] for part in state)
        if self.in_parallel:
            hidden, weights = self._at_once(vectors, state, keys)
        else:
            hidden, weights = self._one_by_one(vectors, state, keys)
        return Read(dropout(hidden, self.output_dropout, self.training, locked=True), weights)

    def _at_once(self, vectors: Tensor, state: State, keys: Keys) -> tuple[Tensor, Tensor | None]:
        count = len(self.lower.start(1))
        outputs, _ = self.lower(vectors, state[:count], mask=None)
        outputs, weights = self.norms[0](outputs), None
        parts = [vectors]
        if self.attention is not None:
            context, weights = self.attention(outputs, keys)
            context = self.gated(context, outputs)
            parts.append(context)
            if self.upper is not None:
                outputs = dropout(outputs, self.dropout, self.training, locked=True)
                begun = state[count : len(self.parts)]
                outputs, _ = self.upper(torch.cat([outputs, context], 2), begun, mask=None)
                outputs = self.norms[1](outputs)
        return self.combine(torch.cat([outputs, *reversed(parts)], 2)).tanh(), weights

    def _one_by_one(self, vectors: Tensor, state: State, keys: Keys) -> tuple[Tensor, Tensor]:
        masks: list[Tensor] = []  # of the dropout between layers, the same at all steps
        if self.training and self.dropout and self.upper is not None:
            shape = (len(vectors), self.lower.output_size)
            gaps = range(self.upper.layers)
            masks = [keep_mask(vectors, shape, self.dropout) for _ in gaps]
        hidden, weights = [], []
        for vector in vectors.unbind(1):
            read, state = self.advance(vector, state, keys, masks)
            hidden.append(read)
            weights.append(state[-1])
        return torch.stack(hidden, 1), torch.stack(weights, 1)

    def advance(
        self, vector: Tensor, state: State, keys: Keys, masks: Sequence[Tensor] = ()
    ) -> tuple[Tensor, State]:
        """One step: vectors of tokens `[rows, embedding_size]` to what the output layer reads
        `[rows, features]`; the rows of a state are those of `keys`, each as often as the others."""
        count, layers = len(self.lower.start(1)), len(self.parts)
        fed = [state[layers]] if self.feeds else []
        outputs, low = self.lower.step(torch.cat([vector, *fed], 1), state[:count])
        outputs, parts, high = self.norms[0](outputs), [vector], state[count:layers]
        looked: State = ()
        if self.attention is not None:
            width = len(vector) // len(keys.mask)  # rows that ask the same memory
            covered = state[layers + len(fed)] if self.covers else None
            context, weights = self.attention(
                outputs.unflatten(0, (-1, width)),
                keys,
                None if covered is None else covered.unflatten(0, (-1, width)),
            )
            context, weights = self.gated(context.flatten(0, 1), outputs), weights.flatten(0, 1)
            looked = (weights,) if covered is None else (covered + weights, weights)
            parts.append(context)
            if self.upper is not None:
                below = outputs * masks[0] if masks else outputs
                outputs, high = self.upper.step(torch.cat([below, context], 1), high, masks[1:])
                outputs = self.norms[1](outputs)
        read = self.combine(torch.cat([outputs, *reversed(parts)], 1)).tanh()
        return read, (*low, *high, *((read,) if self.feeds else ()), *looked)

    def gated(self, context: Tensor, queries: Tensor) -> Tensor:
        """What attention has read `[..., memory_size]`, as much of it as the gate lets through to
        where `queries` `[..., hidden_size]` asked."""
        return context if self.gate is None else self.gate(queries).sigmoid() * context

    def step(self, token: Tensor, state: State, keys: Keys) -> tuple[Tensor, State]:
        """One token a row, as in evaluation: `[rows]` to logits `[rows, vocabulary_size]` and the
        next state."""
        hidden, state = self.advance(F.embedding(token, self.embedding), state, keys)
        return self.logits(hidden), state

    def logits(self, hidden: Tensor) -> Tensor:
        """`[..., features]` to unnormalised log probabilities `[..., vocabulary_size]`."""
        return linear(hidden, self._output_weight(), self.output_bias)

    def loss(self, hidden: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Mean cross entropy in nats of `targets` `[positions]` where `hidden` `[positions,
        features]` was read."""
        return linear_cross_entropy(
            hidden,
            self._output_weight(),
            self.output_bias,
            targets,
            label_smoothing=label_smoothing,
            workspace=self._workspace,
        )

    def _output_weight(self) -> Tensor:
        return self.embedding if self.tied else self.output_weight


class Reading:
    """A decoder before a memory of several sources: what `nlp.core.search.beam.search` searches."""

    def __init__(self, decoder: AttentiveDecoder, keys: Keys, begun: State) -> None:
        self.decoder, self.keys, self.begun = decoder, keys, begun

    @classmethod
    def of(cls, decoder: AttentiveDecoder, memory: Memory) -> Reading:
        """Of the memory of an encoder."""
        return cls(decoder, decoder.keys(memory), decoder.start(memory))

    @property
    def sources(self) -> int:
        return len(self.keys.mask)

    @property
    def source_mask(self) -> Tensor:
        """`[sources, positions]`, True for a real position."""
        return self.keys.mask

    @property
    def vocabulary_size(self) -> int:
        return self.decoder.vocabulary_size

    @property
    def device(self) -> torch.device:
        return self.keys.mask.device

    def start(self, width: int) -> State:
        """The state before the first token, `width` rows of each source side by side."""
        return tuple(part.repeat_interleave(width, 0) for part in self.begun)

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """`[rows]` to logits `[rows, vocabulary_size]` and the next state."""
        return self.decoder.step(token, state, self.keys)

    def keep(self, sources: Tensor) -> Reading:
        """Only these sources from now on."""
        begun = tuple(part[sources] for part in self.begun)
        return Reading(self.decoder, self.keys.rows(sources), begun)

    def attention(self, state: State) -> Tensor | None:
        """`[rows, positions]` of the step that gave `state`; None without attention."""
        return None if self.decoder.attention is None else state[-1]
