"""Is a confidence what it says? Of all answers given at 0.8, eight in ten ought to be right.

    accuracy                             a bin of answers of like confidence is one point;
      1 │            ·  ╱                below the diagonal: too sure, above: too modest
        │         · ╱ ●                  expected calibration error = mean distance from the
        │       ╱ ●                      diagonal, each bin weighted by its answers
      0 └────────────── 1 confidence

Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks". One number, the
temperature, divides all scores of a model before they become probabilities: it makes every answer
less sure (above 1) or surer (below 1) and, in a softmax, leaves the best answer the best.

    >>> round(expected_calibration_error([0.9, 0.6, 0.6], [True, True, False]), 3)
    0.1
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from corpora.writing import replacing
from nlp.core.curves import require

BINS = 10
LOWEST, HIGHEST = 0.05, 20.0  # temperature


class ReliabilityBin(NamedTuple):
    """Answers whose confidence is in (low, high], or is low in the first bin."""

    low: float
    high: float
    confidence: float  # mean
    accuracy: float  # fraction of them that is right
    answers: int


def reliability(
    confidences: Sequence[float] | np.ndarray,
    correct: Sequence[bool] | np.ndarray,
    *,
    bins: int = BINS,
    equal_mass: bool = False,
) -> list[ReliabilityBin]:
    """Confidence against accuracy, bin by bin; a bin without answers is left out.

    Args:
        confidences: of 0 to 1, `[answers]`.
        correct: which of them are right, `[answers]`.
        equal_mass: bins of equal width where False, of (nearly) equally many answers where True
            (Nixon et al. 2019). Answers of the same confidence are never torn apart.
    """
    sure, right = _arrays(confidences, correct)
    edges = np.linspace(0, 1, bins + 1)
    if equal_mass and len(sure):
        inner = np.quantile(sure, edges[1:-1], method="inverted_cdf")
        edges = np.unique([0, *inner, 1])
    rows = np.clip(np.searchsorted(edges, sure) - 1, 0, len(edges) - 2)  # 0 is in the first
    return [
        ReliabilityBin(
            *(float(edges[row]), float(edges[row + 1])),
            *(float(sure[rows == row].mean()), float(right[rows == row].mean())),
            int((rows == row).sum()),
        )
        for row in np.unique(rows)
    ]


def expected_calibration_error(
    confidences: Sequence[float] | np.ndarray,
    correct: Sequence[bool] | np.ndarray,
    *,
    bins: int = BINS,
    equal_mass: bool = False,
) -> float:
    """Mean distance of accuracy from confidence, of 0 to 1; 0 where there are no answers."""
    return gap(reliability(confidences, correct, bins=bins, equal_mass=equal_mass))


def gap(rows: Sequence[ReliabilityBin]) -> float:
    """The expected calibration error of a reliability table."""
    total = sum(row.answers for row in rows)
    return sum(row.answers * abs(row.accuracy - row.confidence) for row in rows) / max(total, 1)


def brier_score(
    confidences: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray
) -> float:
    """Mean squared distance of confidence from 1 where right and 0 where wrong (Brier 1950).

    Unlike the calibration error it also asks that confidence tells right from wrong: 0.25 is what
    a constant 0.5 gets. 0 where there are no answers.
    """
    sure, right = _arrays(confidences, correct)
    return float(np.square(sure - right).mean()) if len(sure) else 0.0


def fit_temperature(log_likelihood: Callable[[float], float]) -> float:
    """The temperature under which held-out answers are likeliest, from 0.05 to 20.

    Args:
        log_likelihood: of the true answers, with all scores divided by the temperature it is
            given. For a softmax or a conditional random field it has a single peak, because it is
            concave in 1 / temperature.
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log_temperature: -log_likelihood(math.exp(log_temperature)),
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    # No data to fit to, or scores that are all equal: leave the model as it is.
    return math.exp(found.x) if -found.fun > log_likelihood(1.0) else 1.0


def draw_reliability(
    path: Path,
    rows: Sequence[ReliabilityBin],
    *,
    uncalibrated: Sequence[ReliabilityBin] = (),
    title: str = "Reliability",
) -> None:
    """Draws accuracy against confidence, and how many answers there are, as a PNG picture.

    Args:
        uncalibrated: the table before the temperature, drawn as a line beside it.

    Raises:
        UsageError: the extra is not installed, or `path` cannot be written.
    """
    require()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.set(title=title, ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    below.set(xlabel="confidence", ylabel="answers")
    above.plot((0, 1), (0, 1), "--", color="#888888", linewidth=1, label="perfect")
    lows = [row.low for row in rows]
    look = {"width": [row.high - row.low for row in rows], "align": "edge", "edgecolor": "white"}
    above.bar(lows, [row.accuracy for row in rows], color="#9ecae9", **look)
    below.bar(lows, [row.answers for row in rows], color="#9ecae9", **look)
    name = "calibrated" if uncalibrated else "model"
    series = (("uncalibrated", "s-", "#e45756", uncalibrated), (name, "o-", "#4c78a8", rows))
    for name, marker, colour, table in series:
        if table:
            points = [row.confidence for row in table], [row.accuracy for row in table]
            label = f"{name}: error {gap(table):.3f}, {sum(row.answers for row in table):,} answers"
            above.plot(*points, marker, color=colour, label=label, markersize=4, linewidth=1.2)
    above.legend(loc="upper left", fontsize="small")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=150)


def _arrays(
    confidences: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sure, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    if sure.shape != right.shape or sure.ndim != 1:
        raise ValueError(f"{sure.shape} confidences of {right.shape} answers: expected one each")
    return sure, right
