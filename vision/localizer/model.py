"""Classification with localization: one picture, one thing.

    features ─► grid of 8 x 8 ─► hidden ─► p          is there anything
                                           bx by      its middle   } shares of the square's sides
                                           bw bh      its size     }
                                           c1 ... cn  what it is

A row of labels is [p, bx, by, bw, bh, c1, ..., cn]; where p is 0, nobody asks for the rest:

    loss = BCE(p) + 1 if p: box_weight * |box - true box| (smooth) + cross entropy(c)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_positive, check_probability
from nlp.core import checkpoint
from nlp.core.device import choose_device
from nlp.core.recipe import Loss
from vision.backbone import BackboneName, build
from vision.boxes import area, clip, convert
from vision.detecting import Candidates, detect
from vision.found import Detected
from vision.images import Preparation

KIND = "localizer"
_CELLS = 8  # rows and columns of the grid that the features are pooled to
_NARROW = 32  # features of each of its cells


@dataclass(frozen=True)
class Config:
    """What a localizer is made of."""

    labels: tuple[str, ...]
    backbone: BackboneName = "small"
    hidden_size: int = 256
    dropout: float = 0.1
    box_weight: float = 5.0
    preparation: Preparation = field(default_factory=lambda: Preparation(resize="pad"))

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        if not self.labels:
            raise UsageError("there are no labels: a localizer needs a class to look for")
        check_positive(hidden_size=self.hidden_size, box_weight=self.box_weight)
        check_probability(dropout=self.dropout)

    @classmethod
    def of(cls, known: dict[str, Any]) -> Config:
        """From what `dataclasses.asdict` made of it."""
        return cls(**{**known, "preparation": Preparation(**known["preparation"])})


class LocalizerBatch(NamedTuple):
    """Pictures, and what is to be said of each."""

    pixels: Tensor  # [pictures, 3, size, size] float32, prepared
    rows: Tensor  # [pictures, 5 + classes] float32: [p, bx, by, bw, bh, c1, ..., cn]

    def to(self, device: torch.device) -> LocalizerBatch:
        return LocalizerBatch(*(part.to(device) for part in self))


def label_row(boxes: Tensor, labels: Sequence[int], classes: int, size: float) -> Tensor:
    """[p, bx, by, bw, bh, c1, ..., cn] of the largest of some boxes, as far as they are in the
    square, which may be cut out of the picture; zeros without one.

    Args:
        boxes: `[n, 4]` left, top, right, bottom in pixels of a square with sides of `size`.
    """
    row = torch.zeros(5 + classes)
    boxes = clip(boxes.float(), size, size)
    areas = area(boxes)
    if not areas.any():
        return row
    largest = int(areas.argmax())
    row[0] = row[5 + labels[largest]] = 1
    row[1:5] = convert(boxes[largest], "xyxy", "cxcywh") / size
    return row


class Localizer(nn.Module):
    """A backbone, and two layers that see all of its map."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.backbone = build(config.backbone)
        self.narrow = nn.Conv2d(self.backbone.features, _NARROW, 1)
        self.hidden = nn.Linear(_NARROW * _CELLS**2, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, 5 + len(config.labels))

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes."""
        return self.config.labels

    @property
    def preparation(self) -> Preparation:
        """How a picture is made ready."""
        return self.config.preparation

    def batch(
        self, pixels: Tensor, boxes: Sequence[Tensor], labels: Sequence[Sequence[int]]
    ) -> LocalizerBatch:
        """Prepared pictures, and of each its boxes `[n, 4]` in pixels of the square and their
        classes' numbers. Of several boxes the largest is the one to tell."""
        size, classes = pixels.shape[-1], len(self.labels)
        rows = [
            label_row(own, numbers, classes, size)
            for own, numbers in zip(boxes, labels, strict=True)
        ]
        return LocalizerBatch(pixels, torch.stack(rows))

    def forward(self, pixels: Tensor) -> Tensor:
        """`[pictures, 5 + classes]`: a logit of p, the box's middle and size as shares of the
        square, logits of the classes."""
        grid = F.adaptive_avg_pool2d(self.narrow(self.backbone(pixels)).relu(), _CELLS)
        hidden = self.hidden(grid.flatten(1)).relu()
        found: Tensor = self.output(F.dropout(hidden, self.config.dropout, self.training))
        return torch.cat([found[:, :1], found[:, 1:5].sigmoid(), found[:, 5:]], 1)

    def loss(self, batch: LocalizerBatch, carry: None = None) -> Loss:
        """The mean over pictures of what is above."""
        found, rows = self(batch.pixels).float(), batch.rows
        there = rows[:, 0] > 0
        total = F.binary_cross_entropy_with_logits(found[:, 0], rows[:, 0], reduction="sum")
        apart = F.smooth_l1_loss(found[there, 1:5], rows[there, 1:5], reduction="sum", beta=0.05)
        wrong = F.cross_entropy(found[there, 5:], rows[there, 5:].argmax(-1), reduction="sum")
        total = total + self.config.box_weight * apart + wrong
        return Loss(total / len(rows), len(rows))

    def candidates(self, pixels: Tensor) -> Candidates:
        """The one place of each picture."""
        found = self(pixels).float()
        chances, labels = found[:, 5:].softmax(-1).max(-1, keepdim=True)
        boxes = convert(found[:, None, 1:5], "cxcywh", "xyxy") * pixels.shape[-1]
        return Candidates(boxes, found[:, :1].sigmoid() * chances, labels)

    def detect(
        self, images: Iterable[Any], *, iou: float = 0.3, **options: Any
    ) -> Iterator[Detected]:
        """What is in each picture; the options are those of `vision.detecting.detect`."""
        return detect(self, images, iou=iou, **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json` and `model.safetensors`."""
        self.save_config(Path(folder))
        checkpoint.save_weights(self, Path(folder))

    def save_config(self, folder: Path) -> None:
        """Writes what is known before any training."""
        checkpoint.save_config(folder, KIND, asdict(self.config), None)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Localizer:
        """The localizer in a folder, or in a repository of the Hugging Face Hub.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, "vision.localizer.train")
        config, _ = checkpoint.read_model_config(folder, KIND, Config.of)
        model = cls(config)
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()
