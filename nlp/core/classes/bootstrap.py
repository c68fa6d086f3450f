"""How far scores would differ on another test set (Efron and Tibshirani 1993, ch. 13).

A test set drawn from this one with replacement is how often it has each text, and all scores here
are functions of such counts: that is a hundred times as fast as to call scikit-learn on each of a
thousand drawn sets.

    values = [score(counts) for counts in resampled(len(texts), resamples=1000, seed=0)]
    low, high = middle(values)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

SCORES = ("accuracy", "macro_f1", "micro_f1", "roc_auc", "pr_auc")
ENDS = (2.5, 97.5)  # per cent


def resampled(size: int, *, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `size` examples is in sets drawn with replacement: `[size]` a set."""
    draw = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(draw.integers(size, size=size), minlength=size)


def middle(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Where the middle 95 % of them lie. NaN are left out; NaN where there is nothing else."""
    found = np.asarray(values, dtype=float)
    known = found[~np.isnan(found)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, ENDS).tolist()
    return low, high


def ranges(
    gold: np.ndarray,
    chosen: np.ndarray,
    probabilities: np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Where the middle 95 % of each of `SCORES` lie; NaN for an area that no label has.

    gold, chosen, probabilities: `[texts, labels]`, the first two bool.
    """
    correct = (gold == chosen).all(1)
    rankings = [Ranking(*pair) for pair in zip(gold.T, probabilities.T, strict=True)]

    def scores() -> Iterator[tuple[float, ...]]:
        for counts in resampled(len(gold), resamples=resamples, seed=seed):
            areas = [ranking.areas(counts) for ranking in rankings]
            means = (mean(column) for column in zip(*areas, strict=True))
            yield correct @ counts / len(gold), *f1(gold, chosen, counts), *means

    drawn = np.array(list(scores())).T  # [5, resamples]
    return {name: middle(values) for name, values in zip(SCORES, drawn, strict=True)}


def f1(
    gold: np.ndarray, chosen: np.ndarray, counts: np.ndarray | None = None
) -> tuple[float, float]:
    """Macro and micro F1 of decisions `[texts, labels]`, each text counted so often.

    The macro mean is over labels that are there or chosen; 0 where there are none.
    """
    counts = np.ones(len(gold)) if counts is None else counts
    both, either = counts @ (gold & chosen), counts @ gold + counts @ chosen
    own = (2 * both / np.maximum(either, 1))[either > 0]
    return float(own.mean()) if len(own) else 0.0, float(2 * both.sum() / max(either.sum(), 1))


def mean(values: Sequence[float]) -> float:
    """Of those that are numbers; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


class Ranking:
    """Texts by how probable a label is, the most probable first, those of the same together."""

    def __init__(self, gold: np.ndarray, probabilities: np.ndarray) -> None:
        self.order = np.argsort(-probabilities, kind="stable")
        self.gold = gold[self.order]
        ranked = probabilities[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))

    def areas(self, counts: np.ndarray) -> tuple[float, float]:
        """Area under the ROC curve and average precision; NaN where all texts have the label, or
        none."""
        counts = counts[self.order]
        alike = np.add.reduceat(counts, self.starts)  # texts of the same probability
        having = np.add.reduceat(counts * self.gold, self.starts)  # and those with the label
        seen, true = alike.cumsum(), having.cumsum()
        with_it, without = true[-1], seen[-1] - true[-1]
        if not with_it or not without:
            return math.nan, math.nan
        below = without - (seen - true) + (alike - having) / 2
        precision = true / np.maximum(seen, 1)
        return float(having @ below / (with_it * without)), float(having @ precision / with_it)
