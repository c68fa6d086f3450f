"""A sliding-window detector: a window's classifier, run over a pyramid of the picture.

    square ─► scaled so that things of 18 px fill a window ─► backbone ─► 4 x 4 ─► classes
           ─► scaled so that things of 24 px do            ─► the same              + background
           ─► ...

A fully connected layer on the features of a window is a convolution over the map of a picture, so
that all windows are looked at in one go, at steps of the backbone's stride.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
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
from vision.boxes import iou
from vision.detecting import Candidates, detect
from vision.found import Detected
from vision.images import Preparation

KIND = "sliding-window"
CELLS = 4  # rows and columns of the map that a window is
GOOD, BAD = 0.5, 0.4  # IoU from which on a window shows a thing, and below which it does not
_HARD = 3  # background windows for each that shows something: those most like something
_IGNORED = -1


@dataclass(frozen=True)
class WindowConfig:
    """What a sliding-window detector is made of."""

    labels: tuple[str, ...]
    sides: tuple[float, ...]
    """Pixels of the square that a window is wide and high, one for each level of the pyramid."""
    backbone: BackboneName = "small"
    hidden_size: int = 256
    dropout: float = 0.1
    preparation: Preparation = field(default_factory=lambda: Preparation(resize="pad"))

    def __post_init__(self) -> None:
        for name in ("labels", "sides"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not getattr(self, name):
                raise UsageError(f"there are no {name}: expected at least one")
        check_positive(hidden_size=self.hidden_size)
        check_probability(dropout=self.dropout)
        if not all(0 < side <= self.preparation.size for side in self.sides):
            raise UsageError(
                f"sides of windows are {list(self.sides)}: expected above 0 to the square's "
                f"{self.preparation.size}"
            )

    @classmethod
    def of(cls, known: dict[str, Any]) -> WindowConfig:
        """From what `dataclasses.asdict` made of it."""
        return cls(**{**known, "preparation": Preparation(**known["preparation"])})


class WindowBatch(NamedTuple):
    """Pictures, and what their windows show."""

    pixels: Tensor  # [pictures, 3, size, size] float32, prepared
    classes: Tensor  # [pictures, windows]: 0 for background, 1 ... n, -1 for hard to say

    def to(self, device: torch.device) -> WindowBatch:
        return WindowBatch(*(part.to(device) for part in self))


def window_classes(windows: Tensor, boxes: Tensor, labels: Sequence[int]) -> Tensor:
    """What each of the windows `[windows, 4]` shows of the boxes `[n, 4]`: `[windows]`, 0 for
    background, 1 + the class of the box, -1 between the two.

    The window that a box overlaps most shows it, even if none does well, for long boxes fit none.
    """
    if not len(boxes):
        return torch.zeros(len(windows), dtype=torch.int64)
    shares = iou(windows, boxes)
    share, nearest = shares.max(1)
    numbers = torch.tensor(list(labels)) + 1
    classes = torch.where(share >= GOOD, numbers[nearest], _IGNORED)
    classes[share < BAD] = 0
    most, window = shares.max(0)
    classes[window[most > 0]] = numbers[most > 0]
    return classes


class SlidingWindow(nn.Module):
    """A backbone, and a classifier of its windows."""

    def __init__(self, config: WindowConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build(config.backbone)
        self.hidden = nn.Conv2d(self.backbone.features, config.hidden_size, CELLS)
        self.output = nn.Conv2d(config.hidden_size, 1 + len(config.labels), 1)

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

    @property
    def windows(self) -> Tensor:
        """`[windows, 4]`: left, top, right, bottom in pixels of the square, in `forward`'s order:
        level by level, row by row."""
        config = self.config
        return _windows(config.preparation.size, config.sides, self.backbone.stride)

    def batch(
        self, pixels: Tensor, boxes: Sequence[Tensor], labels: Sequence[Sequence[int]]
    ) -> WindowBatch:
        """Prepared pictures, and of each its boxes `[n, 4]` in pixels of the square and their
        classes' numbers."""
        windows = self.windows
        classes = [
            window_classes(windows, own.float(), numbers)
            for own, numbers in zip(boxes, labels, strict=True)
        ]
        return WindowBatch(pixels, torch.stack(classes))

    def forward(self, pixels: Tensor) -> Tensor:
        """`[pictures, windows, 1 + classes]`: logits of background and the classes."""
        rows = []
        for side in self.config.sides:
            level = _level(pixels.shape[-1], side, self.backbone.stride)
            # from far away each pixel is the mean of those that it covers
            scaled = F.interpolate(
                pixels, (level, level), mode="bilinear", align_corners=False, antialias=True
            )
            hidden = self.hidden(self.backbone(scaled)).relu()
            hidden = F.dropout(hidden, self.config.dropout, self.training)
            rows.append(self.output(hidden).flatten(2).transpose(1, 2))
        return torch.cat(rows, 1)

    def loss(self, batch: WindowBatch, carry: None = None) -> Loss:
        """Mean nats of the windows that show something, and of three times as many of background,
        those that are most taken for something (Shrivastava, Gupta and Girshick 2016); of one
        batch, there are at least four of these for each picture."""
        logits, classes = self(batch.pixels).float().flatten(0, 1), batch.classes.flatten()
        nats = F.cross_entropy(logits, classes, ignore_index=_IGNORED, reduction="none")
        good, background = nats[classes > 0], nats[classes == 0]
        many = max(_HARD * len(good), 4 * len(batch.pixels))
        hard = background.topk(min(many, len(background))).values
        total = good.sum() + hard.sum()
        return Loss(total / max(1, len(good) + len(hard)), max(1, len(good) + len(hard)))

    def candidates(self, pixels: Tensor) -> Candidates:
        """All windows of each picture."""
        scores, labels = self(pixels).float().softmax(-1)[..., 1:].max(-1)
        boxes = self.windows.to(pixels.device).expand(len(pixels), -1, -1)
        return Candidates(boxes, scores, labels)

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
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> SlidingWindow:
        """The detector in a folder, or in a repository of the Hugging Face Hub.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, "vision.localizer.train")
        config, _ = checkpoint.read_model_config(folder, KIND, WindowConfig.of)
        model = cls(config)
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()


def _level(size: int, side: float, stride: int) -> int:
    """Pixels of a level's side, at which windows of the square have CELLS cells: whole cells."""
    return max(CELLS, round(size / side * CELLS)) * stride


@lru_cache(maxsize=16)
def _windows(size: int, sides: tuple[float, ...], stride: int) -> Tensor:
    boxes = []
    for side in sides:
        cells = _level(size, side, stride) // stride
        pixels = size / cells  # of the square, for each cell
        first = torch.arange(cells - CELLS + 1)
        top, left = torch.meshgrid(first, first, indexing="ij")
        corner = torch.stack([left, top], -1).reshape(-1, 2)
        boxes.append(torch.cat([corner, corner + CELLS], 1) * pixels)
    return torch.cat(boxes)
