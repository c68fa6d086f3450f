"""What a face encoder learns by: triplets, or a softmax over the people with a margin.

    triplet   max(0, d(a, p) - d(a, n) + m)                           Schroff et al. (2015)
    arcface   -log softmax of s cos(theta), for the true person       Deng, Guo, Xue and
              of s cos(theta + m)                                     Zafeiriou (2019)

The first needs no list of people and asks only for an order of distances; the second compares each
face with all people at once, and learns faster where each has several pictures.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.faces.mining import Mining, mine, same_and_other, squared_distances

Objective = Literal["triplet", "arcface"]
COLLAPSED = 1e-3  # squared distance between people below which all faces are as good as one point


class TripletLoss(NamedTuple):
    """The triplets of a batch."""

    mean: Tensor  # [], with gradient: over the triplets that cost something
    triplets: int  # that were looked at
    active: float  # share of them that cost something


def triplet_loss(
    vectors: Tensor,
    people: Tensor,
    *,
    mining: Mining = "semi-hard",
    margin: float = 0.2,
    generator: torch.Generator | None = None,
) -> TripletLoss:
    """The triplet loss of unit vectors `[n, d]` of the people with these numbers `[n]`.

    The mean is over the triplets that cost something: those that are satisfied would only shrink
    the step, the more of them there are (Hermans et al. 2017). Without any it is 0.
    """
    distances = squared_distances(vectors)
    chance = torch.Generator().manual_seed(0) if generator is None else generator
    anchors, positives, negatives = mine(distances, people, mining, margin, chance).unbind(1)
    costs = (distances[anchors, positives] - distances[anchors, negatives] + margin).relu()
    active = int((costs > 0).sum())
    return TripletLoss(costs.sum() / max(1, active), len(costs), active / max(1, len(costs)))


def margin_logits(
    vectors: Tensor, centres: Tensor, people: Tensor, *, scale: float, margin: float
) -> Tensor:
    """The logits `[n, people]` of ArcFace.

    The angle to the own person's centre counts as larger by the margin. Where it would exceed half
    a turn, behind which its cosine rises again, the line that goes on falling takes its place, as
    in the authors' code.

    Args:
        vectors: unit vectors `[n, d]`.
        centres: `[people, d]`, of any length.
        people: the number of each vector's person.
        scale: what cosines are multiplied by.
        margin: in radians.
    """
    with torch.autocast(vectors.device.type, enabled=False):  # small angles need all digits
        cosines = vectors @ F.normalize(centres).T
    own = cosines.gather(1, people[:, None]).clamp(-1, 1)
    # away from where the square root's slope is infinite
    sines = (1 - own.square()).clamp_min(1e-7).sqrt()
    turned = own * math.cos(margin) - sines * math.sin(margin)
    beyond = own - margin * math.sin(math.pi - margin)
    within = own > math.cos(math.pi - margin)
    return scale * cosines.scatter(1, people[:, None], torch.where(within, turned, beyond))


def margin_softmax(
    vectors: Tensor, centres: Tensor, people: Tensor, *, scale: float = 16.0, margin: float = 0.3
) -> Tensor:
    """The mean nats of ArcFace; see `margin_logits`."""
    logits = margin_logits(vectors, centres, people, scale=scale, margin=margin)
    return F.cross_entropy(logits.float(), people)


def mean_distance(vectors: Tensor, people: Tensor) -> float:
    """The mean squared distance between faces of different people; 2 of vectors without order."""
    _, other = same_and_other(people)
    return float(squared_distances(vectors)[other].mean()) if other.any() else math.nan


def collapse(
    vectors: Tensor, people: Tensor, margin: float, objective: Objective = "triplet"
) -> str | None:
    """One line that explains a collapse to a single point, None where there is none.

    An encoder that maps every face to the same point makes all distances 0: each triplet costs
    exactly the margin, and its gradient is 0, so that training never leaves that place. Hard mining
    from the first step on leads there (Schroff et al. 2015, section 3.2).
    """
    distance = mean_distance(vectors.detach().float(), people)
    if not distance < COLLAPSED:
        return None
    found = (
        f"all faces are encoded as one point (mean squared distance of different people "
        f"{distance:.1g}): "
    )
    if objective == "arcface":
        return found + (
            "the margin softmax cannot tell them apart; lower the learning rate or the margin, or "
            "let the margin grow for longer"
        )
    return found + (
        f"every triplet costs the margin {margin:g} and teaches nothing any more; mine semi-hard "
        "or random triplets instead of hard ones, lower the learning rate, or train with arcface "
        "first"
    )
