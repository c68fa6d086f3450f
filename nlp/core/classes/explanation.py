"""What a classifier answers with, and the words that carried its decision.

attention   how much of the pooled vector is each word's; 0 to 1, a text's sum to 1
gradient    gradient times input (Shrikumar et al. 2016): how far, to first order, the log-odds of
            a label fall when a word's vector shrinks to nothing; nats, above 0 where it speaks for
            the label and below where it speaks against it

Both tell of the model and not of the world; attention tells what was looked at and not what it was
taken for (Jain and Wallace 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

ExplanationKind = Literal["attention", "gradient"]


@dataclass(frozen=True)
class ClassifiedText:
    """A text as it was given, its labels, and how much each of its words mattered to one."""

    text: str
    labels: tuple[str, ...]  # that it gets; of a model of several labels also none or many
    probabilities: Mapping[str, float]  # of every label
    words: tuple[tuple[int, int], ...]  # character ranges
    explained: str | None = None  # the label that the weights are of, where any were asked for
    weights: tuple[float, ...] = ()  # of each word

    def weighted(self) -> Iterator[tuple[tuple[int, int], float, float]]:
        """The range of each word that has a weight, the weight, and how strong it is beside the
        strongest of the text, 0 to 1."""
        most = max(map(abs, self.weights), default=0.0)
        for place, weight in zip(self.words, self.weights, strict=False):
            yield place, weight, abs(weight) / most if most else 0.0


def gradient_times_input(
    vectors: Tensor,
    mask: Tensor,
    label: Tensor,
    log_odds: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """What each word adds to the log-odds of its text's label, `[batch, time]`, in nats.

    Args:
        vectors, mask: of words, `[batch, time, features]` and `[batch, time]`.
        label: one of each text, `[batch]`.
        log_odds: of vectors and mask, `[batch, labels]`.
    """
    vectors = vectors.detach().requires_grad_()
    # cuDNN keeps what the way back needs in training only, when words are dropped too.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        odds = log_odds(vectors, mask).gather(1, label[:, None])
        (gradient,) = torch.autograd.grad(odds.sum(), vectors)  # rows are independent
    return (gradient * vectors.detach()).sum(2)
