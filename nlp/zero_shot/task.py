"""What a zero-shot task answers: scores with their ranges, and every example beside them.

A score's range is where the middle 95 % of it lie when the examples are drawn anew with replacement
(Efron and Tibshirani 1993, ch. 13). Shares (accuracy, F1, ROUGE, exact match) are per cent, as in
the paper: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".

    accuracy = mean_estimate([True, False, True], scale=100)      # Estimate(66.7, 0.0, 100.0)
    perplexity = ratio_estimate(nats, words, np.exp)              # exp(sum of nats / sum of words)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from corpora.errors import UsageError
from nlp.core.classes.bootstrap import middle, resampled
from nlp.core.events import Event, Remark

Report = Callable[[Event], None]
SIZES = ("117M", "345M", "762M", "1542M")  # of the paper's four models
RESAMPLES = 1000
TOLD_EVERY = 10.0  # seconds


def silent(event: Event) -> None:
    """A `report` that tells nobody."""


class Watch:
    """Tells how far a task is, and no more often than every ten seconds."""

    def __init__(self, task: str, examples: int, report: Report) -> None:
        self.task, self.examples, self.report = task, examples, report
        self.last = time.monotonic()

    def tell(self, done: int) -> None:
        """`done` of the examples are scored."""
        if done < self.examples and time.monotonic() - self.last >= TOLD_EVERY:
            self.last = time.monotonic()
            self.report(Remark(f"{self.task}: {done:,} of {self.examples:,} examples"))


class Estimate(NamedTuple):
    """A score, and where the middle 95 % of resampled sets of examples have it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class TaskResult:
    """One task with one model; `dataclasses.asdict` of it is JSON.

    task      its name in `nlp.zero_shot.TASKS`
    protocol  in words: what the model is given, what is counted as right
    source    where the examples come from: "our own examples", a data set's name, a file
    examples  how many were scored
    metrics   the model's scores by their names, the main one first
    rows      the same scores of baselines, or by other protocols, to stand in the same table
    details   every example: "input", "expected", "answered" and what else it was judged by
    paper     what Radford et al. report: size to metric to value, in the same names and units
    remarks   what was skipped, cut or changed, counted
    """

    task: str
    protocol: str
    source: str
    examples: int
    metrics: dict[str, Estimate]
    rows: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    details: list[dict[str, Any]] = field(default_factory=list)
    paper: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def estimate(
    statistic: Callable[[np.ndarray], float],
    examples: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A score that is a function of how often each example counts, `[examples]`.

    Raises UsageError where there is no example. A drawn set whose score is NaN is left out.
    """
    if not examples:
        raise UsageError("no examples: expected one or more to score")
    value = float(statistic(np.ones(examples)))
    drawn = resampled(examples, resamples=resamples, seed=seed)
    return Estimate(value, *middle([statistic(counts) for counts in drawn]))


def mean_estimate(
    values: Sequence[float], *, scale: float = 1.0, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The mean over examples, times `scale`: 100 makes per cent of shares."""
    return ratio_estimate(
        values,
        [1.0] * len(values),
        lambda mean: scale * mean,
        resamples=resamples,
        seed=seed,
    )


def ratio_estimate(
    amounts: Sequence[float],
    units: Sequence[float],
    change: Callable[[float], float] = float,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """`change` of the sum of amounts by the sum of units, where each example has one of both."""
    top, bottom = np.asarray(amounts, dtype=float), np.asarray(units, dtype=float)

    def statistic(counts: np.ndarray) -> float:
        below = float(counts @ bottom)
        return float(change(float(counts @ top) / below)) if below else math.nan

    return estimate(statistic, len(top), resamples=resamples, seed=seed)
