"""The network of GPT-2: blocks of attention and a feed-forward layer over all that was read.

    ids ─► token + position ─►[ x + attention(norm(x)) ─► x + feed(norm(x)) ]─► norm ─► logits
                                  ▲  x layers                                     tied
                                  └ cache: keys and values of what was read

    attention:  softmax(Q K^T / sqrt(head size)) V, of each head, over this and earlier positions
    feed:       W2 gelu(W1 x + b1) + b2

Radford et al. (2019), section 2.3: normalisation moved to the front of each block and one more
behind the last, weights of layers that add to the residual path begun smaller by 1/sqrt(2 layers).
It is a decoder with the contract of the recurrent one: `start`, `step`, `forward`, `loss`.

Position vectors are learned, so there are `context` of them and no more. Where a text goes on
longer, the state slides: it forgets the older half and reads the later half anew, from position 0.
That happens at places that do not depend on how many tokens are read at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_positive, check_probability
from nlp.core.device import cpu_has_float16
from nlp.core.kv_cache import STEP, Cache
from nlp.core.linear import Linear, linear
from nlp.core.losses import Workspace, linear_cross_entropy
from nlp.core.weight_only import WeightOnly, replaced

HALF_FROM = 1 << 22  # weights that outgrow the processor's caches
State = tuple[Cache]


@dataclass(frozen=True)
class Config:
    """What the network is built from; the defaults are GPT-2's smallest. Dropouts are
    probabilities."""

    vocabulary_size: int  # tokens
    context: int = 1024  # tokens that it looks at, at most
    layers: int = 12
    heads: int = 12  # of attention in each layer; they divide the hidden size
    hidden_size: int = 768  # features of a position
    inner_size: int | None = None  # units of a feed-forward layer; None: 4 x hidden_size
    layer_norm_epsilon: float = 1e-5
    embedding_dropout: float = 0.1  # features of the embedded tokens
    attention_dropout: float = 0.1  # weights of attention
    residual_dropout: float = 0.1  # what a block adds

    def __post_init__(self) -> None:
        sizes = ("vocabulary_size", "context", "layers", "heads", "hidden_size")
        check_positive(**{name: getattr(self, name) for name in sizes})
        dropouts = ("embedding_dropout", "attention_dropout", "residual_dropout")
        check_probability(**{name: getattr(self, name) for name in dropouts})
        if self.hidden_size % self.heads:
            raise UsageError(
                f"{self.heads} heads do not divide a hidden size of {self.hidden_size}: "
                "choose a multiple of them"
            )

    @property
    def head_size(self) -> int:
        """Features that a head compares."""
        return self.hidden_size // self.heads


class Attention(nn.Module):
    """Each position looks at itself and what was before it, in several heads."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads, self.dropout = config.heads, config.attention_dropout
        self.input = Linear(size, 3 * size)  # queries, keys, values
        self.output = Linear(size, size)

    def forward(self, x: Tensor, layer: int, cache: Cache | None, visible: Tensor | None) -> Tensor:
        """`[batch, time, hidden_size]` to the same shape; `cache` takes the keys and values."""
        batch, time, size = x.shape
        heads = self.input(x).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()  # [batch, heads, time, head_size] each
        if cache is not None:
            key, value = cache.write(layer, key, value)
        seen = F.scaled_dot_product_attention(
            query.to(key.dtype),
            key,
            value,
            attn_mask=visible,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=visible is None and time > 1,
        )
        return self.output(seen.transpose(1, 2).reshape(batch, time, size).to(x.dtype))


class FeedForward(nn.Module):
    """Two layers on each position by itself."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        inner = config.inner_size or 4 * config.hidden_size
        self.expand = Linear(config.hidden_size, inner)
        self.contract = Linear(inner, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.gelu(self.expand(x), approximate="tanh"))


class Block(nn.Module):
    """Attention and feed-forward, each added to what it reads."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size, epsilon = config.hidden_size, config.layer_norm_epsilon
        self.attention_norm = nn.LayerNorm(size, epsilon)
        self.attention = Attention(config)
        self.feed_norm = nn.LayerNorm(size, epsilon)
        self.feed = FeedForward(config)
        self.dropout = nn.Dropout(config.residual_dropout)

    def forward(self, x: Tensor, layer: int, cache: Cache | None, visible: Tensor | None) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), layer, cache, visible))
        return x + self.dropout(self.feed(self.feed_norm(x)))


class Transformer(nn.Module):
    """Token and position vectors, blocks, and the softmax layer, tied to the token vectors."""

    token_embedding: nn.Parameter | None

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.vocabulary_size = config, config.vocabulary_size
        size = config.hidden_size
        self.token_embedding = nn.Parameter(torch.empty(config.vocabulary_size, size))
        self.position_embedding = nn.Parameter(torch.empty(config.context, size))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(size, config.layer_norm_epsilon)
        self.head: WeightOnly | None = None  # instead of the token vectors, once they are packed
        self._workspace = Workspace()
        self._begin()

    @torch.no_grad()
    def _begin(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        added = 0.02 / math.sqrt(2 * self.config.layers)
        for name, weight in self.named_parameters():
            if name.endswith(("attention.output.weight", "feed.contract.weight")):
                nn.init.normal_(weight, std=added)
        nn.init.normal_(self.token_embedding, std=0.02)  # type: ignore[arg-type]
        nn.init.normal_(self.position_embedding, std=0.01)

    @property
    def device(self) -> torch.device:
        return self.position_embedding.device

    def start(self, batch_size: int) -> State:
        """The state before the first token."""
        config = self.config
        return (
            Cache.empty(
                batch_size,
                config.layers,
                config.heads,
                config.head_size,
                like=self.position_embedding,
                capacity=min(config.context, STEP),
            ),
        )

    def hidden(self, ids: Tensor, cache: Cache | None = None, *, sparse: bool = False) -> Tensor:
        """What the output layer reads at each position of `ids` `[batch, time]`:
        `[batch, time, hidden_size]`; `cache` is one that `ids` were put in last."""
        time = ids.shape[1]
        visible = None
        if cache is None:
            positions = torch.arange(time, device=ids.device)
        else:
            positions, visible = cache.positions(time), cache.visible(time)
        x = self._embed(ids, sparse=sparse) + F.embedding(positions, self.position_embedding)
        x = F.dropout(x, self.config.embedding_dropout, self.training)
        for layer, block in enumerate(self.blocks):
            x = block(x, layer, cache, visible)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """`[..., hidden_size]` to unnormalised log probabilities `[..., vocabulary_size]`."""
        if self.token_embedding is None:
            assert self.head is not None
            return self.head(hidden)
        return linear(hidden, self.token_embedding) if self.head is None else self.head(hidden)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits `[batch, time, vocabulary_size]` of each position's follower, and the state."""
        hidden, state = self._read(ids, self.start(len(ids)) if state is None else state)
        return self.logits(hidden), state

    def read(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """As `forward`, the logits of the last position only: `[batch, vocabulary_size]`."""
        hidden, state = self._read(ids, state)
        return self.logits(hidden[:, -1]), state

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """`[batch]` to logits `[batch, vocabulary_size]` and the next state."""
        return self.read(token.unsqueeze(1), state)

    def fast_step(self) -> Callable[[Tensor, State], tuple[Tensor, State]]:
        """A `step` for writing one row on a CPU, from the weights as they are now.

        At one row the time goes into reading the weights from memory, so they are copied to
        float16, half as long; what is added up stays float32.
        """
        on_cpu = self.position_embedding.device.type == "cpu"
        size = sum(tensor.numel() for tensor in (*self.parameters(), *self.buffers()))
        is_wide = self.head is None or self.head.kind == "bfloat16"  # which is slower to multiply
        if not (on_cpu and is_wide and size >= HALF_FROM and cpu_has_float16()):
            return self.step
        return replaced(self, "float16").step

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross entropy in nats of `targets` given `ids`, both `[batch, time]`."""
        if ids.shape[1] > self.config.context:
            raise UsageError(
                f"a window of {ids.shape[1]} tokens does not fit a context of {self.config.context}"
            )
        # A sparse gradient of the lookup is added in place to that of the tied output layer.
        if self.token_embedding is None:
            raise UsageError("packed weights do not learn: load the model in float32")
        hidden = self.hidden(ids, sparse=ids.device.type == "cpu")
        return linear_cross_entropy(
            hidden.flatten(0, -2),
            self.token_embedding,
            None,
            targets.flatten(),
            workspace=self._workspace,
        )

    def _embed(self, ids: Tensor, *, sparse: bool) -> Tensor:
        if self.token_embedding is None:
            assert self.head is not None
            return self.head.rows(ids).to(self.position_embedding.dtype)
        return F.embedding(ids, self.token_embedding, sparse=sparse)

    def _read(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        (cache,), context = state, self.config.context
        parts = []
        while True:
            if cache.longest >= context:
                cache = self._slid(cache)
            room = context - cache.longest
            now, ids = ids[:, :room], ids[:, room:]
            cache = cache.extended(now, context)
            parts.append(self.hidden(now, cache))
            if not ids.shape[1]:
                return torch.cat(parts, 1) if len(parts) > 1 else parts[0], (cache,)

    def _slid(self, cache: Cache) -> Cache:
        """The state of having read, of each text that is as long as the context, its later half
        only; whether shorter ones stand beside it changes nothing."""
        if cache.padding is not None:
            full = cache.length - cache.padding >= self.config.context
            whole, others = full.nonzero()[:, 0], (~full).nonzero()[:, 0]
            parts = [self._slid(cache[whole].trimmed())]
            parts += [cache[others].trimmed()] if len(others) else []
            return Cache.joined(parts)[torch.cat([whole, others]).argsort()]
        (fresh,), kept = self.start(len(cache)), self.config.context // 2
        if not kept:
            return fresh
        ids = cache.ids[:, -kept:]
        fresh = fresh.extended(ids, self.config.context)
        self.hidden(ids, fresh)
        return fresh
