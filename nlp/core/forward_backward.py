"""The sum over all paths of a linear chain, from both ends (Baum-Welch's forward-backward).

    a[t, j] = e[t, j] + log sum_i exp(a[t-1, i] + T[i, j])       all beginnings that end in j at t
    g[t, i] = e[t, i] + log sum_j exp(T[i, j] + g[t+1, j])       all ends that begin with i at t

The second is the first on the row read backward with T turned round, so both walk side by side as
one batch. A step is a product with the matrix exp(T) and one with exp(e), in float64, scaled back
to a sum of 1 every few steps (`Scaled`). Scores too far apart for that, and devices without
float64, take the same steps in log space (`Logarithmic`).
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nlp.core.recurrent import reverse

REACH = 600.0  # nats from the largest number to the smallest that float64 holds, and some to spare
LOWEST = 1e30  # nats; no score is below its negative
SPARE = 1e-300  # below every number that counts; keeps 0 / 0 from being none


class Sums(Protocol):
    """Both sums of a batch, and what follows from them."""

    @property
    def log_partition(self) -> Tensor:
        """log Z, `[batch]` nats."""

    def unary(self) -> Tensor:
        """P(tag at a position), `[batch, time, tags]`; anything at padding."""

    def pairs(self, mask: Tensor) -> Tensor:
        """P(tag, next tag), summed over the real positions: `[batch, tags, tags]`."""

    def following(self, before: Tensor, after: Tensor) -> Tensor:
        """P(tag `after` | tag `before` at the position before), from the second position on.

        Both are numbers of tags, `[batch, time - 1, n]` or of a shape that spreads to it; so is
        what returns.
        """


def forward_backward(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    *,
    both: bool = True,
) -> Sums:
    """Walks a batch.

    Args:
        emissions: `[batch, time, tags]` nats; what padding holds does not matter.
        start, transitions, end: `[tags]`, `[tags, tags]` (from, to), `[tags]`; minus infinity
            where impossible.
        mask: `[batch, time]` bool, each row real from its first position to its length.
        both: also from the end; without it there is log Z and nothing else.
    """
    lengths = mask.sum(1)
    emissions = emissions.masked_fill(~mask[..., None], 0)
    emissions, *others = (widened(part) for part in (emissions, start, transitions, end))
    potentials = Potentials(*others)
    # Impossible steps may part the sums at one position by those of three.
    apart = 3 * (_range(emissions) + sum(_range(part) for part in potentials))
    if emissions.dtype == torch.float64 and apart < REACH:
        every = max(1, int((REACH - apart) // (apart / 3 + math.log(len(start)) + 1)))
        return Scaled(emissions, potentials, lengths, every, both)
    return Logarithmic(emissions, potentials, lengths, both)


def widened(scores: Tensor) -> Tensor:
    """In float64, as far as the device has it: sums over long sequences lose their last digits."""
    return scores if scores.device.type == "mps" else scores.double()


class Potentials(NamedTuple):
    """The scores of a chain beside its emissions, in nats."""

    start: Tensor
    transitions: Tensor
    end: Tensor


def _range(scores: Tensor) -> float:
    """Nats between the highest and the lowest score that is possible."""
    possible = scores[scores > -torch.inf]
    return float(possible.max() - possible.min()) if len(possible) else 0.0


def _two_ways(scores: Tensor, lengths: Tensor, both: bool) -> Tensor:
    """`[batch, time, tags]` to `[time, ways, batch, tags]`: as read forward and backward."""
    ways = [scores, reverse(scores, lengths.cpu())] if both else [scores]
    return torch.stack(ways).permute(2, 0, 1, 3).contiguous()


def _turned_back(walked: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The two ways of `[time, ways, batch, tags]`, both `[batch, time, tags]` in reading order."""
    forward, backward = walked.permute(1, 2, 0, 3)
    return forward, reverse(backward, lengths.cpu())


class Scaled:
    """The sums as numbers, each position's up to a factor."""

    def __init__(
        self, emissions: Tensor, potentials: Potentials, lengths: Tensor, every: int, both: bool
    ) -> None:
        start, transitions, end = potentials
        steepest = transitions.amax()
        self.matrix = (transitions - steepest).exp()
        self.begin = start.softmax(0)
        highest = emissions.amax(2, keepdim=True)
        factors = _two_ways((emissions - highest).exp(), lengths, both)
        ends = [self.begin, end.softmax(0)][: len(factors[0])]
        ways = [self.matrix, self.matrix.T][: len(ends)]
        walked = torch.empty_like(factors)
        torch.mul(torch.stack(ends)[:, None], factors[0], out=walked[0])
        scale = _walk(walked, torch.stack(ways), factors, every)
        # Everything that was taken out goes into log Z again.
        rows = torch.arange(len(lengths), device=lengths.device)
        last = walked[lengths - 1, 0, rows] * end.softmax(0)
        taken = scale.cumsum(0)[lengths - 1, rows] + highest.squeeze(2).sum(1)
        edges = start.logsumexp(0) + end.logsumexp(0)
        self.log_partition = last.sum(1).log() + taken + edges + steepest * (lengths - 1)
        if both:
            self.forward, self.backward = _turned_back(walked, lengths)

    def _arriving(self) -> Tensor:
        """What comes to each position from all before: `[batch, time, tags]`."""
        first = self.begin.expand(len(self.forward), 1, -1)
        return torch.cat([first, self.forward[:, :-1] @ self.matrix], dim=1)

    def unary(self) -> Tensor:
        joint = self._arriving() * self.backward
        return joint / (joint.sum(2, keepdim=True) + SPARE)

    def pairs(self, mask: Tensor) -> Tensor:
        whole = (self._arriving() * self.backward).sum(2, keepdim=True)[:, 1:] + SPARE
        after = (self.backward[:, 1:] / whole).masked_fill(~mask[:, 1:, None], 0)
        return self.matrix * (self.forward[:, :-1].transpose(1, 2) @ after)

    def following(self, before: Tensor, after: Tensor) -> Tensor:
        coming = self.backward[:, 1:]
        leaving = _at(coming @ self.matrix.T, before)
        return self.matrix[before, after] * _at(coming, after) / (leaving + SPARE)


def _walk(walked: Tensor, matrices: Tensor, factors: Tensor, every: int) -> Tensor:
    """Fills `walked` `[time, ways, batch, tags]` from its first position; returns the logarithms
    of what was divided by at each, of the first way: `[time, batch]`."""
    scale = walked.new_zeros(len(walked), walked.shape[2])
    positions, by = walked.unbind(), factors.unbind()
    for place in range(1, len(positions)):
        here = positions[place]
        torch.bmm(positions[place - 1], matrices, out=here)
        here.mul_(by[place])
        if place % every == 0:
            total = here.sum(2, keepdim=True)
            here.div_(total)
            scale[place] = total[0, :, 0].log()
    return scale


class Logarithmic:
    """The sums as logarithms."""

    def __init__(
        self, emissions: Tensor, potentials: Potentials, lengths: Tensor, both: bool
    ) -> None:
        self.potentials = potentials
        start, transitions, end = potentials
        scores = _two_ways(emissions, lengths, both)
        ends = torch.stack([start, end][: len(scores[0])])[:, None]
        ways = torch.stack([transitions, transitions.T][: len(ends)])[:, None]
        walked = [ends + scores[0]]
        for here in scores[1:]:
            walked.append((walked[-1][..., None] + ways).logsumexp(2) + here)
        whole = torch.stack(walked)
        rows = torch.arange(len(lengths), device=lengths.device)
        self.log_partition = (whole[lengths - 1, 0, rows] + end).logsumexp(1)
        if both:
            self.forward, self.backward = _turned_back(whole, lengths)

    def unary(self) -> Tensor:
        first = self.potentials.start.expand(len(self.forward), 1, -1)
        steps = self.forward[:, :-1, :, None] + self.potentials.transitions
        return (torch.cat([first, steps.logsumexp(2)], dim=1) + self.backward).softmax(2)

    def pairs(self, mask: Tensor) -> Tensor:
        total = self.forward.new_zeros(len(mask), *self.potentials.transitions.shape)
        for place in range(1, mask.shape[1]):  # one at a time: [batch, time, tags, tags] is large
            joint = self.forward[:, place - 1, :, None] + self.potentials.transitions
            joint = (joint + self.backward[:, place, None]).flatten(1).softmax(1)
            total += joint.view_as(total).masked_fill(~mask[:, place, None, None], 0)
        return total

    def following(self, before: Tensor, after: Tensor) -> Tensor:
        transitions, coming = self.potentials.transitions, self.backward[:, 1:]
        leaving = (coming[:, :, None] + transitions).logsumexp(3)
        after_all = _at(leaving, before).clamp(min=-LOWEST)  # nothing follows what is impossible
        return (transitions[before, after] + _at(coming, after) - after_all).exp()


def _at(scores: Tensor, tags: Tensor) -> Tensor:
    """`[batch, time, tags]` at `[batch, time, n]`, or at what spreads to it."""
    return scores.gather(2, tags.expand(*scores.shape[:2], -1))
