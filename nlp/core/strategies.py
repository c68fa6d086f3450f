"""How the next token is chosen: strategies are values, and every decoder takes any of them.

    weights, ids = Sampling(top_k=50).candidates(logits)    what may be drawn, and how probable
    token, log_probability = strategy.choose(logits, None, uniform)

`logits` are `[rows, vocabulary_size]`, one row per text being written. Log-probabilities are the
model's own: before temperature, truncation and penalty, in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError

Choice = tuple[Tensor, Tensor]  # token [rows], log-probability [rows]


@dataclass(frozen=True)
class Greedy:
    """The most probable token each time; the smallest id where several are equally probable."""

    repetition_penalty: ClassVar[float] = 1.0

    def choose(self, logits: Tensor, penalties: Tensor | None, uniform: Tensor) -> Choice:
        token = logits.argmax(-1)
        return token, _log_probability(logits, token)


@dataclass(frozen=True)
class Sampling:
    """Draw the token from the model's distribution, reshaped in this order:

    repetition_penalty  above 1 makes every token already read or written less likely: its logit
                        is divided by the penalty where positive, multiplied where negative
                        (CTRL, Keskar et al. 2019, section 4.1, in the form that is safe for
                        negative logits); 1 changes nothing
    temperature         divides the logits; below 1 is bolder, above 1 is wilder, 0 is greedy
    top_k               only the k most probable tokens: exactly k, also where some are tied
    top_p               only the smallest set of most probable tokens whose probability reaches
                        top_p (Holtzman et al. 2020); always at least one
    min_p               only tokens at least min_p times as probable as the best one
                        (Nguyen et al. 2024)

    Each truncation sees the distribution that the one before it left, renormalised.

    Raises UsageError for a value outside its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise UsageError(
                f"temperature is {self.temperature}; expected a number of at least 0 "
                "(0 always takes the most probable token, 1 is the model's own distribution)"
            )
        if self.top_k is not None and not (isinstance(self.top_k, int) and self.top_k >= 1):
            raise UsageError(
                f"top_k is {self.top_k}; expected a whole number of at least 1, "
                "or leave it out to keep every token"
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}; expected more than 0 and at most 1")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise UsageError(f"min_p is {self.min_p}; expected a number from 0 to 1")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise UsageError(
                f"repetition_penalty is {self.repetition_penalty}; expected a number above 0 "
                "(1 changes nothing, 1.2 is usual)"
            )

    def candidates(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """The tokens that may be drawn, after temperature and truncation (not the penalty).

        Returns weights `[rows, m]`, proportional to the probabilities and 0 where a token is
        excluded, and their ids `[rows, m]`, or None where column j is simply token j.
        """
        if self.temperature == 0:
            best = logits.argmax(-1, keepdim=True)
            return torch.ones_like(best, dtype=logits.dtype), best
        if self.temperature != 1:
            # The maximum is taken off first, for a tiny temperature would overflow to inf - inf.
            logits = (logits - logits.amax(-1, keepdim=True)) / max(self.temperature, 1e-6)
        ids = None
        if self.top_k == 1:  # argmax, so that ties go to the same token as greedy
            ids = logits.argmax(-1, keepdim=True)
            logits = logits.gather(-1, ids)
        elif self.top_k is not None and self.top_k < logits.shape[-1]:
            logits, ids = logits.topk(self.top_k)
        weights = torch.softmax(logits, -1)
        if self.top_p is not None and self.top_p < 1:
            weights = _nucleus(weights, self.top_p)
        if self.min_p:
            floor = weights.amax(-1, keepdim=True) * self.min_p
            weights = weights.masked_fill(weights < floor, 0)
        return weights, ids

    def choose(self, logits: Tensor, penalties: Tensor | None, uniform: Tensor) -> Choice:
        """One token per row of `logits` `[rows, vocabulary]`, and its log-probability.

        `penalties` `[rows, vocabulary]` holds each token's penalty, `uniform` `[rows, 1]` a random
        number from 2^-53 to 1.
        """
        weights, ids = self.candidates(logits if penalties is None else _tame(logits, penalties))
        # Inverse of the cumulative distribution: one random number a row. `multinomial` draws one
        # for every token of the vocabulary, which takes ten times as long on a CPU.
        cumulative = weights.cumsum(-1, dtype=exact(weights.device))
        # The first place that reaches the target; an excluded token adds nothing, so never one.
        # (NaN is reached nowhere: the clamp keeps it from being an invalid index on a GPU.)
        place = torch.searchsorted(cumulative, uniform * cumulative[:, -1:])
        place.clamp_(max=weights.shape[-1] - 1)
        token = place if ids is None else ids.gather(-1, place)
        if self == PLAIN:  # the weights already are the model's own probabilities
            return token.squeeze(-1), weights.gather(-1, token).log().squeeze(-1)
        return token.squeeze(-1), _log_probability(logits, token.squeeze(-1))


@dataclass(frozen=True)
class Beam:
    """The `size` best beginnings are kept at each step (for `nlp.core.search.beam.search`).

    A text Y of n tokens, its stop symbol among them, is ranked by (Wu et al. 2016, section 7)

        log p(Y) / ((5 + n) / 6) ^ length_penalty
            + coverage_penalty * sum over source positions of log(min(attention to it in all, 1))

    size              of the beam; 1 with a length penalty of 0 is greedy
    length_penalty    0 ranks by log-probability, which prefers short texts; larger, longer ones
    coverage_penalty  above 0 prefers texts that attend to all of the source
    patience          a source is done when size * patience texts have ended (Kasai et al. 2022);
                      math.inf: when none that goes on could be better than those

    Raises UsageError for a value outside its range.
    """

    size: int = 5
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    patience: float = 1.0

    def __post_init__(self) -> None:
        if not (isinstance(self.size, int) and self.size >= 1):
            raise UsageError(f"size of the beam is {self.size}; expected a whole number from 1 on")
        if not math.isfinite(self.length_penalty):
            raise UsageError(f"length_penalty is {self.length_penalty}; expected a number")
        if not (math.isfinite(self.coverage_penalty) and self.coverage_penalty >= 0):
            raise UsageError(
                f"coverage_penalty is {self.coverage_penalty}; expected a number of at least 0"
            )
        if not self.patience > 0:
            raise UsageError(f"patience is {self.patience}; expected more than 0 (1 is usual)")

    def divisor(self, lengths: np.ndarray | float) -> np.ndarray:
        """What log-probabilities of texts of these lengths in tokens are divided by."""
        return np.asarray(((5 + lengths) / 6) ** self.length_penalty)


Strategy = Greedy | Sampling  # of one token after the other
PLAIN = Sampling()


def exact(device: torch.device) -> torch.dtype:
    """The type of sums over a vocabulary: float64, so that the rarest token gets its share too.

    Also, float32 sums differ from run to run on CUDA by enough to change a choice. MPS has no
    float64.
    """
    return torch.float32 if device.type == "mps" else torch.float64


def _log_probability(logits: Tensor, token: Tensor) -> Tensor:
    return torch.log_softmax(logits, -1).gather(-1, token.unsqueeze(-1)).squeeze(-1)


def _tame(logits: Tensor, penalties: Tensor) -> Tensor:
    return torch.where(logits > 0, logits / penalties, logits * penalties)


def _nucleus(weights: Tensor, p: float) -> Tensor:
    """The weights with 0 outside the smallest set of largest ones that is `p` of their sum."""
    ascending = _ascending(weights)
    mass = ascending.cumsum(-1, dtype=exact(weights.device))  # of a token and all less probable
    # A token goes where what is more probable than it reaches p already.
    gone = torch.searchsorted(mass, mass[:, -1:] - p * mass[:, -1:], right=True)
    gone.clamp_(max=weights.shape[-1] - 1)  # NaN again
    least = ascending.gather(-1, gone)
    kept = weights >= least
    if bool(((gone > 0) & (ascending.gather(-1, (gone - 1).clamp_(min=0)) == least)).any()):
        tied = weights == least  # some of these go: the later ones
        surplus = kept.sum(-1, keepdim=True) - (weights.shape[-1] - gone)
        kept &= ~tied | (tied.cumsum(-1) <= tied.sum(-1, keepdim=True) - surplus)
    return weights.masked_fill(~kept, 0)


def _ascending(weights: Tensor) -> Tensor:
    if weights.device.type == "cpu":  # numpy's sort of values alone is 30 times as fast as torch's
        return torch.from_numpy(np.sort(weights.detach().numpy(), axis=-1))
    return weights.sort(-1).values
