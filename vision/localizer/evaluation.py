"""How good a simple detector is: as `vision.detector` is judged, on the same data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from corpora.detections import Annotated, Box, read_detections
from nlp.core.events import Event, Remark
from nlp.core.training import Measured
from vision.average_precision import DetectionScores, score_detections
from vision.images import load_many
from vision.localizer.model import Localizer
from vision.localizer.windows import SlidingWindow

RESULT_COLUMNS = ("mAP@0.5", "mAP@0.5:0.95", "AR@100")
AT_ONCE = 32  # pictures
UNSURE = 0.01  # from which score on boxes count: a curve needs those that are hardly sure


def result_row(scores: DetectionScores) -> tuple[float, ...]:
    """The row of a table with `RESULT_COLUMNS`."""
    return scores.ap50, scores.ap, scores.ar[100]


def learned(boxes: Sequence[Box]) -> list[Box]:
    """Those that are trained on."""
    return [box for box in boxes if not box.difficult and not box.crowd]


def measure(model: Localizer | SlidingWindow, items: Sequence[Annotated]) -> Measured:
    """The loss and the mean average precision on some pictures."""
    loss, scores = mean_loss(model, items), score_items(model, items)
    metrics = {"mAP@0.5": scores.ap50, "mAP@0.5:0.95": scores.ap}
    score = scores.ap50 + 0.1 * scores.ap
    # Of looks that are equally good, that with the lower loss is kept; no number is none.
    return Measured(loss, metrics, (score if score == score else 0.0) - 1e-4 * loss)


@torch.no_grad()
def mean_loss(model: Localizer | SlidingWindow, items: Sequence[Annotated]) -> float:
    """Of some pictures, the mean of their batches'."""
    model.eval()
    numbers = {label: number for number, label in enumerate(model.labels)}
    total = 0.0
    pictures = load_many((item.image for item in items), model.preparation)
    for begin in range(0, len(items), AT_ONCE):
        true = [learned(item.boxes) for item in items[begin : begin + AT_ONCE]]
        loaded = [next(pictures) for _ in true]
        boxes = [
            torch.from_numpy(one.placement.to_square([box[1:5] for box in own]).reshape(-1, 4))
            for one, own in zip(loaded, true, strict=True)
        ]
        labels = [[numbers[box.label] for box in own] for own in true]
        batch = model.batch(torch.stack([one.pixels for one in loaded]), boxes, labels)
        total += float(model.loss(batch.to(model.device)).mean) * len(true)  # type: ignore[arg-type]
    return total / max(len(items), 1)


def evaluate(
    model: Localizer | SlidingWindow,
    data: str | Path,
    images: str | Path | None = None,
    *,
    split: str | None = None,
    report: Callable[[Event], None] = lambda event: None,
) -> DetectionScores:
    """A simple detector on pictures whose boxes are known: average precision and recall.

    Args:
        data, images, split: what `corpora.detections.read_detections` takes.
        report: hears what was left out of the data.

    Raises:
        UsageError: the data cannot be read, or a picture of it cannot.
    """
    corpus = read_detections(data, images=images, split=split, labels=model.labels)
    for text in corpus.remarks:
        report(Remark(text))
    return score_items(model, corpus.items)


def score_items(
    model: Localizer | SlidingWindow, items: Sequence[Annotated], **options: Any
) -> DetectionScores:
    """As `evaluate`, of pictures that have been read; the options are those of `detect`."""
    images = (item.image for item in items)
    found = model.detect(images, **{"threshold": UNSURE, **options})
    return score_detections(
        [one.boxes for one in found], [item.boxes for item in items], model.labels
    )
