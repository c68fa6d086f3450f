"""Which triplets of a batch are learned from: an anchor, a face of the same person, one of another.

    anchor a ────d(a, p)──── positive p, the same person
        └───────────d(a, n)──────────── negative n, another one      wanted: d(a, n) > d(a, p) + m

Distances are squared, as in FaceNet (Schroff, Kalenichenko and Philbin 2015): between unit vectors
they are 2 - 2 cos, from 0 to 4.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from corpora.errors import UsageError

Mining = Literal["random", "hard", "semi-hard", "batch-all"]


def squared_distances(vectors: Tensor, others: Tensor | None = None) -> Tensor:
    """Between all unit vectors `[n, d]` and `[m, d]`, or among the first: `[n, m]`, 0 to 4."""
    others = vectors if others is None else others
    with torch.autocast(vectors.device.type, enabled=False):  # bfloat16 knows no small distances
        return (2 - 2 * vectors @ others.T).clamp_min(0)


def same_and_other(people: Tensor) -> tuple[Tensor, Tensor]:
    """Of people's numbers `[n]`, bool `[n, n]`: two faces of one person, and of two people."""
    same = people[:, None] == people
    return same & ~torch.eye(len(people), dtype=torch.bool, device=people.device), ~same


def mine(
    distances: Tensor, people: Tensor, mining: Mining, margin: float, generator: torch.Generator
) -> Tensor:
    """Anchor, positive and negative of the chosen triplets, `[triplets, 3]`; there may be none.

    batch-all  every triplet of the batch (Hermans, Beyer and Leibe 2017)
    random     for each pair of one person any face of another
    hard       for each face the farthest of its person and the nearest of another ("batch hard",
               the same)
    semi-hard  for each pair of one person the nearest of the faces that are farther than the
               positive, but by less than the margin: d(a, p) < d(a, n) < d(a, p) + margin
               (Schroff et al. 2015, equation 4); pairs that have no such face are left out

    Args:
        distances: squared, `[n, n]`.
        people: a number for each face's person, `[n]`.
        generator: draws the random ones, on the CPU.
    """
    if mining not in get_args(Mining):
        raise UsageError(f"mining {mining!r} is unknown: expected {', '.join(get_args(Mining))}")
    distances = distances.detach()
    same, other = same_and_other(people)
    if mining == "batch-all":
        return (same[:, :, None] & other[:, None, :]).nonzero()
    if mining == "hard":
        anchors = (same.any(1) & other.any(1)).nonzero()[:, 0]
        farthest = distances.masked_fill(~same, -1).argmax(1)
        nearest = distances.masked_fill(~other, torch.inf).argmin(1)
        return torch.stack([anchors, farthest[anchors], nearest[anchors]], 1)
    anchors, positives = (same & other.any(1)[:, None]).nonzero().unbind(1)
    if mining == "random":
        draws = torch.rand(len(anchors), len(people), generator=generator).to(distances.device)
        negatives = draws.masked_fill(~other[anchors], -1).argmax(1)
        return torch.stack([anchors, positives, negatives], 1)
    nearer, farther = distances[anchors, positives][:, None], distances[anchors]
    within = other[anchors] & (nearer < farther) & (farther < nearer + margin)
    negatives = farther.masked_fill(~within, torch.inf).argmin(1)
    found = within.any(1)
    return torch.stack([anchors, positives, negatives], 1)[found]
