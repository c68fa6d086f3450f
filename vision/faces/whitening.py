"""The last layer of a face encoder fitted anew: by how a person's own pictures differ.

Trained by the people of the training set, the last layer keeps what tells these apart. Strangers
differ in other ways. So it may keep all ways in which faces differ instead (the principal
components of the features), each divided by how much pictures of one person differ along it: what
light and pose change counts little, whatever it is that tells two people apart counts much.
That is within-class covariance normalization (Hatch, Kajarekar and Stolcke 2006) of eigenfaces of
learned features. It suits a few dozen people: where hundreds have taught it, the trained layer
knows strangers better.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from corpora.errors import check_positive
from vision.augment import Augmentation
from vision.faces.model import FaceEncoder
from vision.images import Squares

COPIES = 10  # of each picture, each changed differently
SHRINKAGE = 0.15  # the share of the covariance that is alike in all directions
MOST_NUMBERS = 1 << 28  # features that are kept at once, 1 GiB
AT_ONCE = 64  # pictures


@torch.no_grad()
def whiten(
    model: FaceEncoder,
    squares: Squares,
    people: Sequence[int],
    augmentation: Augmentation,
    *,
    seed: int = 0,
) -> int:
    """Replaces the last layer of a trained model, and tells of how many pictures it was fitted.

    What it reads is no longer scaled, for the fit does that; where the encoder looks at a face and
    its mirror image, it is fitted to the means of both.

    Arcface's centres are of the layer that was there before.

    Args:
        squares, people: the pictures that it was trained on, and the number of each one's person.
        augmentation: how they are changed; pictures of which a person has no second one say at
            least what that changes.
        seed: of the changes.
    """
    features = model.output.in_features
    most = max(2, MOST_NUMBERS // features)
    rows = sorted(range(len(people)), key=lambda row: people[row])[:most]  # whole people
    rows = (rows * COPIES)[:most]
    chance = torch.Generator().manual_seed(seed)
    seen = torch.empty(len(rows), features)
    model.eval()
    model.before.reset_parameters()  # how much a feature varies tells what it is worth
    parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
    for number, pixels in enumerate(squares.batches(parts)):
        changed = model.preparation.normalize(augmentation(pixels, chance)).to(model.device)
        found = model.before(model.features(changed))
        if model.config.mirrored:
            found = (found + model.before(model.features(changed.flip(3)))) / 2
        start = number * AT_ONCE
        seen[start : start + len(changed)] = found.float().cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, projection = within_person_whitening(
            seen, torch.tensor(people)[rows], model.config.embedding_size
        )
    model.output.weight.copy_(projection)
    model.after.reset_parameters()
    assert model.after.running_mean is not None  # a new one has some
    model.after.running_mean.copy_(projection @ mean)
    return len(rows)


def within_person_whitening(
    vectors: Tensor, people: Tensor, size: int, shrinkage: float = SHRINKAGE
) -> tuple[Tensor, Tensor]:
    """The mean of vectors `[n, d]` and a projection `[size, d]` to their first `size` principal
    components, turned and scaled so that one person's vectors differ alike in all directions.

    Vectors that span fewer leave rows of 0 at the end.

    Args:
        people: the number of each one's person, `[n]`.
        shrinkage: the share of the persons' covariance that its mean over all directions replaces:
            directions in which few pictures happen not to differ would count without bounds.
    """
    check_positive(size=size, shrinkage=shrinkage)
    mean = vectors.mean(0)
    centred = vectors - mean
    rank = min(size, len(vectors) - 1, vectors.shape[1])
    more = min(rank + 20, *centred.shape)  # else the last directions are found badly
    directions = torch.svd_lowrank(centred, more, niter=3)[2][:, :rank]
    parts = (centred @ directions).double()
    _, numbers, counts = people.unique(return_inverse=True, return_counts=True)
    own = torch.zeros(len(counts), rank, dtype=parts.dtype).index_add_(0, numbers, parts)
    within = parts - (own / counts[:, None])[numbers]
    covariance = within.T @ within / len(within)
    alike = covariance.diagonal().mean() + 1e-6 * parts.square().mean() + 1e-12
    covariance = (1 - shrinkage) * covariance + shrinkage * alike * torch.eye(rank).double()
    spread, turn = torch.linalg.eigh(covariance)
    projection = torch.zeros(size, vectors.shape[1])
    projection[:rank] = ((turn / spread.sqrt()).T @ directions.T.double()).float()
    return mean, projection
