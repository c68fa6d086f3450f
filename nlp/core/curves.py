"""A picture of a run: training and validation loss over its steps."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from corpora.errors import UsageError
from corpora.writing import replacing
from nlp.core.training_state import METRICS, read_metrics

PICTURE = "curves.png"


def require() -> None:
    """Raises a UsageError where the extra is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("plots need matplotlib: install it with pip install 'unrolled[plots]'")


def draw(folder: Path) -> Path:
    """Draws the metrics log of a model folder into `curves.png` beside it; returns its path."""
    require()
    from matplotlib.figure import Figure

    rows = read_metrics(folder / METRICS)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss (nats per target)")
    for key, name, look in (
        ("train_loss", "training", "-"),
        ("validation_loss", "validation", "o-"),
    ):
        points = [(row["step"], row[key]) for row in rows if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), look, label=name, markersize=4, linewidth=1.2)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    path = folder / PICTURE
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=150)
    return path
