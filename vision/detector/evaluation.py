"""How good a detector is: on the validation part during training, on a test part after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from corpora.detections import Annotated, read_detections
from nlp.core.device import Precision
from nlp.core.events import Event, Remark
from nlp.core.training import Measured
from vision.average_precision import DetectionScores, score_detections
from vision.detecting import detect
from vision.detector.losses import Parts
from vision.detector.model import Detector
from vision.found import Detected
from vision.images import load_many

RESULT_COLUMNS = ("mAP@0.5", "mAP@0.5:0.95", "AR@100")
AT_ONCE = 16  # pictures
UNSURE = 0.005  # from which score on boxes count: a curve needs those that are hardly sure
OVERLAP = 0.6  # of boxes of a class, above which the less sure one is left out


def result_row(scores: DetectionScores) -> tuple[float, ...]:
    """The row of a table with `RESULT_COLUMNS`."""
    return scores.ap50, scores.ap, scores.ar[100]


def measure(model: Detector, items: Sequence[Annotated]) -> Measured:
    """The loss and its parts, and the mean average precision, on some pictures."""
    parts = mean_parts(model, items)
    config = model.config
    loss = config.box_weight * float(parts.box) + config.object_weight * float(parts.objectness)
    loss += config.class_weight * float(parts.classes)
    scores = score_items(model, items, precision="auto")
    metrics = {name: float(part) for name, part in parts._asdict().items()}
    metrics |= {"mAP@0.5": scores.ap50, "mAP@0.5:0.95": scores.ap}
    # Of looks that are equally good, that with the better boxes is kept. No number is none.
    score = scores.ap50 + 0.1 * scores.ap
    return Measured(loss, metrics, score if score == score else 0.0)


@torch.no_grad()
def mean_parts(model: Detector, items: Sequence[Annotated]) -> Parts:
    """The parts of the loss, the mean over pictures of their batches'."""
    model.eval()
    number = {label: number for number, label in enumerate(model.config.labels)}
    total = torch.zeros(len(Parts._fields))
    pictures = load_many((item.image for item in items), model.preparation)
    for begin in range(0, len(items), AT_ONCE):
        part = items[begin : begin + AT_ONCE]
        loaded = [next(pictures) for _ in part]
        true = [[box for box in one.boxes if not box.difficult and not box.crowd] for one in part]
        boxes = [
            place.placement.to_square([box[1:5] for box in own]).reshape(-1, 4)
            for place, own in zip(loaded, true, strict=True)
        ]
        labels = [[number[box.label] for box in own] for own in true]
        batch = model.batch(torch.stack([one.pixels for one in loaded]), boxes, labels)
        parts = model.parts(batch.to(model.device))
        total += torch.stack([*parts]).float().cpu() * len(part)
    return Parts(*(total / max(len(items), 1)))


def evaluate(
    model: Detector | str | Path,
    data: str | Path,
    images: str | Path | None = None,
    *,
    split: str | None = None,
    batch_size: int = AT_ONCE,
    precision: Precision = "float32",
    report: Callable[[Event], None] = lambda event: None,
) -> DetectionScores:
    """A detector on pictures whose boxes are known: average precision and recall.

    Args:
        model: a detector, or its folder.
        data, images, split: what `corpora.detections.read_detections` takes.
        batch_size, precision: see `vision.detecting.detect`.
        report: hears what was left out of the data.

    Raises:
        UsageError: the data cannot be read, or a picture of it cannot; it has boxes of classes
            that the model does not know.
    """
    if not isinstance(model, Detector):
        model = Detector.from_pretrained(model)
    corpus = read_detections(data, images=images, split=split, labels=model.config.labels)
    for text in corpus.remarks:
        report(Remark(text))
    return score_items(model, corpus.items, batch_size=batch_size, precision=precision)


def score_items(model: Detector, items: Sequence[Annotated], **options: Any) -> DetectionScores:
    """As `evaluate`, of pictures that have been read; the options are those of `detect`."""
    found = find_all(model, items, **options)
    labels, true = model.config.labels, [item.boxes for item in items]
    return score_detections([one.boxes for one in found], true, labels)


def find_all(model: Detector, items: Sequence[Annotated], **options: Any) -> list[Detected]:
    """Everything that a detector finds in them, though it may be hardly sure."""
    images = (item.image for item in items)
    return [*detect(model, images, **{"threshold": UNSURE, "iou": OVERLAP, **options})]
