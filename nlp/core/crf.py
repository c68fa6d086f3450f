"""Linear-chain conditional random field: the probability of a whole sequence of tags.

    emissions   e1      e2      e3            score(y) = start[y1] + e1[y1]
                 │       │       │                     + T[y1, y2] + e2[y2] + ... + end[yn]
    tags        y1 ─T──► y2 ─T──► y3           P(y) = exp(score(y)) / Z,  Z = sum over all y'

Lafferty, McCallum and Pereira (2001); over a recurrent network, Lample et al. (2016). Everything
here is one of two walks along the sequence: the best path (Viterbi, also the n best), or the sum
over all paths from both ends (forward-backward).

    >>> crf = LinearChainCRF(5)
    >>> emissions, mask = torch.randn(2, 7, 5), torch.ones(2, 7, dtype=torch.bool)
    >>> paths, scores = crf.viterbi(emissions, mask)
    >>> crf.marginals(emissions, mask).unary.sum(-1)     # 1 at every position

The sum over all paths does not go through autograd, whose graph of a few small tensors for each
position costs more than the arithmetic. The gradient of log Z is known: it is the marginals.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nlp.core.forward_backward import Sums, forward_backward, widened


class Allowed(NamedTuple):
    """Which sequences there are, as bools: what may begin one `[tags]`, stand side by side
    `[tags, tags]` (from, to), and end one `[tags]`."""

    start: Tensor
    transitions: Tensor
    end: Tensor


class Marginals(NamedTuple):
    """What a sequence's tags are, summed over all paths."""

    log_partition: Tensor  # [batch] nats
    unary: Tensor  # [batch, time, tags] P(tag at a position); zero at padding
    sums: Sums

    def spans(self, paths: Tensor) -> Tensor:
        """Of paths `[batch, time]`, P(tag | the tag before it), `[batch, time]`; the first has 1.

        So the probability that all of positions s to e have the path's tags, whatever stands
        around them, is `unary` of the first tag times these of the tags behind it.
        """
        first = torch.ones_like(self.unary[:, :1, 0])
        steps = self.sums.following(paths[:, :-1, None], paths[:, 1:, None]).squeeze(2)
        return torch.cat([first, steps.to(first.dtype)], dim=1)


class LinearChainCRF(nn.Module):
    """Scores of neighbouring tags, and what follows from them and from emissions.

    In all methods emissions are `[batch, time, tags]` in nats, and `mask` `[batch, time]` is True
    where a row is real: from its first position to its length, of 1 or more.

    Args:
        tags: how many there are.
        allowed: which sequences are possible; the others have no probability. None allows all.
        learned: without it all transitions score 0 and stay so: with all sequences allowed, this
            is a softmax at each position.
    """

    forbidden_start: Tensor
    forbidden_transitions: Tensor
    forbidden_end: Tensor

    def __init__(self, tags: int, *, allowed: Allowed | None = None, learned: bool = True) -> None:
        super().__init__()
        self.tags = tags
        if allowed is None:
            allowed = Allowed(
                *(torch.ones(s, dtype=torch.bool) for s in (tags, (tags, tags), tags))
            )
        self.start = nn.Parameter(torch.zeros(tags), requires_grad=learned)
        self.transitions = nn.Parameter(torch.zeros(tags, tags), requires_grad=learned)
        self.end = nn.Parameter(torch.zeros(tags), requires_grad=learned)
        for name, mask in allowed._asdict().items():
            self.register_buffer(f"forbidden_{name}", ~mask, persistent=False)

    def potentials(self, temperature: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of beginning with a tag `[tags]`, of two side by side `[tags, tags]`, and of
        ending with one `[tags]`; minus infinity where that is impossible."""
        infinity = -torch.inf
        return (
            (self.start / temperature).masked_fill(self.forbidden_start, infinity),
            (self.transitions / temperature).masked_fill(self.forbidden_transitions, infinity),
            (self.end / temperature).masked_fill(self.forbidden_end, infinity),
        )

    def log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """log Z in nats, `[batch]`, with gradient."""
        return _LogPartition.apply(emissions, *self.potentials(), mask)

    def score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Unnormalised log probability of `tags` `[batch, time]`: `[batch]`."""
        start, transitions, end = self.potentials()
        real = emissions.gather(2, tags.unsqueeze(2)).squeeze(2).masked_fill(~mask, 0).sum(1)
        steps = transitions[tags[:, :-1], tags[:, 1:]].masked_fill(~mask[:, 1:], 0).sum(1)
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1)
        return start[tags[:, 0]] + real + steps + end[last]

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Mean nats per position of the right `tags` `[batch, time]`; what padding holds of them
        does not matter."""
        tags = tags.masked_fill(~mask, 0)
        nats = self.log_partition(emissions, mask) - self.score(emissions, tags, mask)
        return nats.sum() / mask.sum()

    @torch.no_grad()
    def marginals(self, emissions: Tensor, mask: Tensor, temperature: float = 1.0) -> Marginals:
        """The probability of each tag at each position. A `temperature` above 1 makes them less
        sure, and leaves the order of whole paths as it is."""
        sums = forward_backward(emissions / temperature, *self.potentials(temperature), mask)
        unary = sums.unary().masked_fill(~mask[..., None], 0)
        return Marginals(sums.log_partition, unary, sums)

    def viterbi(self, emissions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The best path of each row `[batch, time]`, 0 at padding, and its score `[batch]`."""
        paths, scores = self.n_best(emissions, mask, 1)
        return paths[:, 0], scores[:, 0]

    @torch.no_grad()
    def n_best(self, emissions: Tensor, mask: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The n best paths of each row, best first: `[batch, n, time]` and scores `[batch, n]`.

        Where a row has fewer than n possible paths, the scores behind them are minus infinity.
        """
        emissions, start, transitions, end = map(widened, (emissions, *self.potentials()))
        # The n best ways to each tag, [batch, n, tags], and whence each took its last step, as
        # rank * tags + tag. Ways that are not there score minus infinity.
        best = F.pad((start + emissions[:, 0]).unsqueeze(1), (0, 0, 0, n - 1), value=-torch.inf)
        stay = torch.arange(n * self.tags, device=best.device).view(1, n, self.tags)
        came_from: list[Tensor] = []
        for position in range(1, emissions.shape[1]):
            ways = best.unsqueeze(3) + transitions  # [batch, n, from, to]
            step, place = _top(ways.flatten(1, 2), n)
            going = mask[:, position, None, None]
            best = torch.where(going, step + emissions[:, position, None], best)
            came_from.append(torch.where(going, place, stay).flatten(1))
        scores, place = _top((best + end).flatten(1), n)
        path = [place]
        for whence in reversed(came_from):
            path.append(whence.gather(1, path[-1]))
        paths = torch.stack(path[::-1], dim=2) % self.tags
        return paths.masked_fill(~mask[:, None], 0), scores


def _top(ways: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The n largest along dimension 1, largest first, and where they stand."""
    if n == 1:
        return ways.max(dim=1, keepdim=True)  # several times as fast as topk
    return ways.topk(n, dim=1)


class _LogPartition(torch.autograd.Function):
    """log Z, whose gradient is the marginals."""

    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, start: Tensor, transitions: Tensor, end: Tensor, mask: Tensor
    ) -> Tensor:
        both = any(ctx.needs_input_grad)
        sums = forward_backward(emissions, start, transitions, end, mask, both=both)
        if both:
            unary = sums.unary().masked_fill(~mask[..., None], 0)
            last = (mask.sum(1) - 1)[:, None, None].expand(-1, 1, emissions.shape[2])
            last_unary = unary.gather(1, last).squeeze(1)
            parts = (unary, unary[:, 0], sums.pairs(mask), last_unary)
            ctx.save_for_backward(*(part.to(emissions.dtype) for part in parts))
        return sums.log_partition.to(emissions.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        unary, first, pairs, last = ctx.saved_tensors
        (given,) = gradients
        return (
            unary * given[:, None, None],
            given @ first,
            (given @ pairs.flatten(1)).view_as(pairs[0]),
            given @ last,
            None,
        )
