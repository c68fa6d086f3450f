"""How good a face encoder is, on people that it was not trained on.

verification   are these two pictures of the same person? over all pairs: ROC-AUC, the equal error
               rate, the share of same pairs accepted where so few different ones are (TAR at FAR)
recognition    whose face is it, where one picture of each person is known? rank-1: how often the
               nearest is right, the mean of several draws of the known pictures
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from corpora.errors import UsageError, check_positive
from corpora.identities import Portrait, read_identities
from nlp.core.events import Event, Remark
from nlp.core.training import Measured
from vision.calibration import all_pairs, roc
from vision.faces.losses import mean_distance
from vision.faces.mining import same_and_other, squared_distances
from vision.faces.model import FaceEncoder

RESULT_COLUMNS = ("ROC-AUC", "EER", "TAR at FAR 1%", "rank-1")
DRAWS = 5
MOST = 400  # pictures of the validation part that are looked at each time


@dataclass(frozen=True)
class FaceScores:
    """Shares are 0 to 1."""

    people: int
    pictures: int
    same_pairs: int
    different_pairs: int
    auc: float
    eer: float
    tar: float  # at a false-accept rate of 1 %
    rank1: float  # one known picture of each person
    rank1_draws: tuple[float, ...]
    pictures_per_second: float | None = None  # files in, vectors out


def result_row(scores: FaceScores) -> tuple[float, ...]:
    """The row of a table with `RESULT_COLUMNS`."""
    return scores.auc, scores.eer, scores.tar, scores.rank1


def score_vectors(
    vectors: np.ndarray, people: Sequence[Hashable], *, draws: int = DRAWS, seed: int = 0
) -> FaceScores:
    """The scores of vectors `[pictures, d]`, near ones being alike, of these people.

    Raises:
        UsageError: nobody has two pictures, or there is one person only.
    """
    check_positive(draws=draws)
    pairs = all_pairs(vectors, people)
    curve = roc(pairs)
    ranks = tuple(one_shot(vectors, people, draws=draws, seed=seed))
    same = int(pairs.same.sum())
    return FaceScores(
        people=len(set(people)),
        pictures=len(people),
        same_pairs=same,
        different_pairs=len(pairs.same) - same,
        auc=curve.auc,
        eer=curve.equal_error.far,
        tar=curve.at(0.01).tar,
        rank1=float(np.mean(ranks)),
        rank1_draws=ranks,
    )


def one_shot(
    vectors: np.ndarray, people: Sequence[Hashable], *, draws: int = DRAWS, seed: int = 0
) -> list[float]:
    """Of each draw of one known picture for each person, the share of all other pictures whose
    nearest known one is of the same person. Who has one picture only is known, and never asked."""
    known = {person: number for number, person in enumerate(dict.fromkeys(people))}
    whose = np.array([known[person] for person in people])
    chance = np.random.default_rng(seed)
    shares = []
    for _ in range(draws):
        gallery = np.array(
            [chance.choice(np.flatnonzero(whose == person)) for person in range(len(known))]
        )
        queries = np.setdiff1d(np.arange(len(whose)), gallery)
        known_vectors = vectors[gallery]
        nearest = np.array(  # one by one: a cube of thousands of both would not fit
            [np.linalg.norm(known_vectors - vectors[query], axis=1).argmin() for query in queries]
        )
        shares.append(float((nearest == whose[queries]).mean()))
    return shares


def measure(vectors: torch.Tensor, people: torch.Tensor, margin: float) -> Measured:
    """ROC-AUC, rank-1, the distance of different people and the mean triplet cost of unit vectors
    `[pictures, d]` and the numbers of their people."""
    cost = mean_triplet_cost(vectors, people, margin)
    scores = score_vectors(vectors.numpy(), people.tolist())
    metrics = {
        "ROC-AUC": scores.auc,
        "rank-1": scores.rank1,
        "distance": mean_distance(vectors, people),
    }
    # Of looks that are equally good, that with the lower loss is kept.
    return Measured(cost, metrics, scores.auc - 1e-3 * cost)


def mean_triplet_cost(vectors: torch.Tensor, people: torch.Tensor, margin: float) -> float:
    """The mean of max(0, d(a, p) - d(a, n) + margin) over all triplets there are."""
    distances = squared_distances(vectors)
    same, other = same_and_other(people)
    total, count = 0.0, 0
    for row in range(len(people)):  # a cube of all of them would not fit
        costs = distances[row][same[row]][:, None] - distances[row][other[row]] + margin
        total += float(costs.relu().sum())
        count += costs.numel()
    return total / max(1, count)


def evaluate(
    model: FaceEncoder | str | Path,
    identities: str | Path,
    images: str | Path | None = None,
    *,
    split: str | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> FaceScores:
    """A face encoder on people that it has not seen: verification of all pairs, and one-shot
    recognition.

    Args:
        model: an encoder, or its folder.
        identities, images, split, reading: what `corpora.identities.read_identities` takes.
        draws: of the one known picture of each person.
        report: hears what was left out of the data.

    Raises:
        UsageError: the data cannot be read, or no person of it has two pictures.
    """
    if not isinstance(model, FaceEncoder):
        model = FaceEncoder.from_pretrained(model)
    corpus = read_identities(identities, split=split, images=images, **reading)
    for text in corpus.remarks:
        report(Remark(text))
    return score_portraits(model, corpus.items, draws=draws, seed=seed, report=report)


def score_portraits(
    model: FaceEncoder,
    portraits: Sequence[Portrait],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    report: Callable[[Event], None] = lambda event: None,
) -> FaceScores:
    """As `evaluate`, of portraits that have been read; those without a readable picture are told
    and left out."""
    refused: list[Any] = []
    start = time.perf_counter()
    vectors = model.encode(
        [one.image for one in portraits],
        landmarks=[one.landmarks for one in portraits] if model.config.align else None,
        refused=refused.append,
    )
    seconds = time.perf_counter() - start
    for one in refused:
        report(Remark(f"left out: {one.reason}"))
    bad = {id(one.image) for one in refused}
    people = [one.person for one in portraits if id(one.image) not in bad]
    if not people:
        raise UsageError("no picture of a face can be read: there is nothing to score")
    scores = score_vectors(vectors, people, draws=draws, seed=seed)
    return FaceScores(**{**scores.__dict__, "pictures_per_second": len(people) / seconds})
