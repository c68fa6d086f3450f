"""The model of a detector: a backbone, a neck that joins its scales, a head for each of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_choice, check_positive
from nlp.core import checkpoint
from nlp.core.device import choose_device
from nlp.core.recipe import Loss
from vision.anchors import Choice, Grid, assign, decode
from vision.backbone import Basic, ResNet, build
from vision.detecting import Candidates, detect
from vision.detector.losses import Owned, Parts, detection_loss
from vision.found import Detected
from vision.images import Preparation

KIND = "detector"
STRIDES = (8, 16, 32)  # pixels of a cell's side, scale by scale
COARSEST = STRIDES[-1]
PRIOR = 0.01  # of the places, how many hold something before anything is learned
BackboneName = Literal["small", "base", "resnet18"]
Anchors = tuple[tuple[tuple[float, float], ...], ...]


class _Sizes(NamedTuple):
    """Of a backbone that is trained from scratch."""

    widths: tuple[int, ...]  # of the stages, each of which halves the map
    blocks: tuple[int, ...]


_SIZES = {
    "small": _Sizes((32, 64, 128, 256), (1, 1, 2, 2)),
    "base": _Sizes((48, 96, 192, 384), (1, 2, 2, 2)),
}


@dataclass(frozen=True)
class Config:
    """What a detector is built from."""

    labels: tuple[str, ...]  # the classes, by their numbers
    anchors: Anchors  # for each scale, widths and heights in pixels of the square
    preparation: Preparation = field(default_factory=lambda: Preparation(320, "pad"))
    backbone: BackboneName = "small"  # small and base from scratch, resnet18 with weights
    features: int = 96  # of the neck's maps
    box_weight: float = 3.0  # what the parts of the loss count, see `detection_loss`
    object_weight: float = 1.0
    class_weight: float = 1.0
    judge_overlap: bool = True  # objectness tells how well the box fits; else that there is one
    owners: Choice = "several"  # that a box has: the best, or all that fit, neighbours too

    def __post_init__(self) -> None:
        check_choice("backbone", self.backbone, BackboneName)
        check_choice("owners", self.owners, Choice)
        check_positive(features=self.features)
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise UsageError(f"labels are {list(self.labels)}: expected one or more, each once")
        if len(self.anchors) != len(STRIDES) or len({len(own) for own in self.anchors}) != 1:
            raise UsageError(
                f"anchors of {len(self.anchors)} scales: expected {len(STRIDES)} with as many each"
            )
        if self.preparation.size % COARSEST:
            raise UsageError(
                f"size is {self.preparation.size}: expected a multiple of {COARSEST} pixels"
            )
        for name in ("box_weight", "object_weight", "class_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}: expected 0 or more")

    @classmethod
    def of(cls, known: dict[str, Any]) -> Config:
        """From what `dataclasses.asdict` made of it."""
        anchors = tuple(tuple((w, h) for w, h in own) for own in known["anchors"])
        preparation = Preparation(**known["preparation"])
        labels = tuple(known["labels"])
        return cls(**{**known, "labels": labels, "anchors": anchors, "preparation": preparation})


class DetectionBatch(NamedTuple):
    """Pictures, and the boxes of all of them one after the other."""

    pixels: Tensor  # [pictures, 3, height, width] float32, prepared; sides multiples of 32
    boxes: Tensor  # [boxes, 4] left, top, right, bottom in pixels of the square
    labels: Tensor  # [boxes] int64
    picture: Tensor  # [boxes] int64: the number of the picture that each is in

    def to(self, device: torch.device) -> DetectionBatch:
        return DetectionBatch(*(part.to(device) for part in self))


class Joined(nn.Sequential):
    """A convolution of 3 x 3, batch norm, a rectifier."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )


class Detector(nn.Module):
    """Says for each cell of three grids and each anchor whether its object is there, where, what.

    What the coarse map knows is handed down to the finer ones (Lin et al. 2017).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.backbone, channels = _backbone(config.backbone)
        width, outputs = config.features, len(config.anchors[0]) * (5 + len(config.labels))
        self.lateral = nn.ModuleList(nn.Conv2d(own, width, 1) for own in channels)
        self.joined = nn.ModuleList(Joined(width, width) for _ in STRIDES)
        self.hidden = nn.ModuleList(Joined(width, width) for _ in STRIDES)
        self.output = nn.ModuleList(nn.Conv2d(width, outputs, 1) for _ in STRIDES)
        for part in [*self.lateral, *self.joined.modules(), *self.hidden.modules(), *self.output]:
            if isinstance(part, nn.Conv2d):
                small = part.out_channels == outputs and part in self.output
                nn.init.normal_(part.weight, std=0.01) if small else nn.init.kaiming_normal_(
                    part.weight, mode="fan_out", nonlinearity="relu"
                )
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
                part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():  # nearly all places hold nothing (Lin et al. 2017b, section 4.1)
            for part in self.output:
                assert isinstance(part, nn.Conv2d)
                assert part.bias is not None
                part.bias.view(-1, 5 + len(config.labels))[:, 0] = -math.log((1 - PRIOR) / PRIOR)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def preparation(self) -> Preparation:
        """How a picture is made ready."""
        return self.config.preparation

    def batch(
        self, pixels: Tensor, boxes: Sequence[Any], labels: Sequence[Sequence[int]]
    ) -> DetectionBatch:
        """Prepared pictures, and of each its boxes `[n, 4]` in pixels of the square and their
        classes' numbers."""
        counts = [len(own) for own in labels]
        flat = [torch.as_tensor(own, dtype=torch.float32).reshape(-1, 4) for own in boxes]
        return DetectionBatch(
            pixels,
            torch.cat([*flat, torch.zeros(0, 4)]),
            torch.tensor([label for own in labels for label in own], dtype=torch.int64),
            torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Pictures `[pictures, 3, height, width]` to `[pictures, places, 5 + classes]`: logits of
        objectness, four numbers of the box, logits of the classes.

        The places are those of `places`: scale by scale, row by row, cell by cell, anchor by
        anchor.
        """
        if pixels.shape[2] % COARSEST or pixels.shape[3] % COARSEST:
            raise UsageError(
                f"pictures of {pixels.shape[2]} x {pixels.shape[3]} pixels: expected sides that "
                f"are multiples of {COARSEST}"
            )
        maps = _maps(self.backbone, pixels)
        rows, above = [], None
        for scale in reversed(range(len(STRIDES))):
            own: Tensor = self.lateral[scale](maps[scale])
            if above is not None:
                own = own + F.interpolate(above, size=own.shape[2:], mode="nearest")
            above = self.joined[scale](own)
            found = self.output[scale](self.hidden[scale](above))
            # channels last: the anchors of a cell lie beside each other already
            rows.append(found.permute(0, 2, 3, 1).reshape(len(pixels), -1, self.width))
        return torch.cat(rows[::-1], 1)

    @property
    def width(self) -> int:
        """Numbers that are said of a place."""
        return 5 + len(self.config.labels)

    def boxes(self, found: Tensor, height: int, width: int) -> Tensor:
        """The boxes `[pictures, places, 4]`, in pixels of the square, of what `forward` says of
        pictures of such sides."""
        cells, anchors, strides = (
            part.to(found.device) for part in _places(self.config.anchors, height, width)
        )
        return decode(found[..., 1:5].float(), cells, anchors, strides)

    def candidates(self, pixels: Tensor) -> Candidates:
        """All places of each picture."""
        found = self(pixels).float()
        chances, labels = found[..., 5:].sigmoid().max(-1)
        scores = found[..., 0].sigmoid() * chances
        return Candidates(self.boxes(found, *pixels.shape[2:]), scores, labels)

    def parts(self, batch: DetectionBatch) -> Parts:
        """The parts of the loss of a batch, not weighted."""
        found = self(batch.pixels).float()
        grids, anchors = _grids(*batch.pixels.shape[2:]), torch.tensor(self.config.anchors)
        several = self.config.owners == "several"
        owned = assign(
            batch.boxes,
            grids,
            anchors.to(found.device),
            pictures=batch.picture,
            choice=self.config.owners,
            neighbours=several,
        )
        # The number of an owner's place, in the order of `forward`.
        columns = torch.tensor([grid.columns for grid in grids], device=found.device)
        cells = [grid.rows * grid.columns for grid in grids]
        before = torch.tensor([sum(cells[:n]) for n in range(len(cells))], device=found.device)
        cell = before[owned.scale] + owned.row * columns[owned.scale] + owned.column
        place = cell * anchors.shape[1] + owned.anchor
        own_anchors = anchors.to(found.device)[owned.scale, owned.anchor]
        raw = found[owned.picture, place, 1:5]
        boxes = decode(raw, owned.cell, own_anchors, owned.stride)
        target = Owned(owned.picture, place, batch.boxes[owned.box], batch.labels[owned.box])
        return detection_loss(found, boxes, target, judge_overlap=self.config.judge_overlap)

    def loss(self, batch: DetectionBatch, carry: None = None) -> Loss:
        """The weighted sum of the parts, by pictures."""
        config, parts = self.config, self.parts(batch)
        mean = config.box_weight * parts.box + config.object_weight * parts.objectness
        return Loss(mean + config.class_weight * parts.classes, len(batch.pixels))

    def detect(self, images: Iterable[Any], **options: Any) -> Iterator[Detected]:
        """What is in each picture; the options are those of `vision.detecting.detect`."""
        return detect(self, images, **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json` and `model.safetensors`."""
        self.save_config(Path(folder))
        checkpoint.save_weights(self, Path(folder))

    def save_config(self, folder: Path) -> None:
        """Writes what is known before any training."""
        checkpoint.save_config(folder, KIND, asdict(self.config), None)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Detector:
        """The detector in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, f"train-{KIND}")
        config, _ = checkpoint.read_model_config(folder, KIND, Config.of)
        model = cls(config)
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()


def _grids(height: int, width: int) -> list[Grid]:
    return [Grid(height // stride, width // stride, stride) for stride in STRIDES]


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # whoever asks first, gradients may go through what is kept
def _places(anchors: Anchors, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of all places of a picture the cell `[places, 2]`, the anchor `[places, 2]` and the stride
    `[places, 1]`."""
    cells, sizes, strides = [], [], []
    for grid, own in zip(_grids(height, width), anchors, strict=True):
        count = grid.rows * grid.columns
        cells.append(grid.cells.reshape(-1, 2).repeat_interleave(len(own), 0))
        sizes.append(torch.tensor(own).repeat(count, 1))
        strides.append(torch.full((count * len(own), 1), grid.stride))
    return torch.cat(cells), torch.cat(sizes), torch.cat(strides)


def _backbone(name: BackboneName) -> tuple[ResNet, tuple[int, ...]]:
    """A backbone whose last three stages have the strides 8, 16 and 32, and their channels."""
    if name == "resnet18":
        network = build("resnet18")
        assert isinstance(network, ResNet)
        return network, (128, 256, 512)
    widths, blocks = _SIZES[name]
    stages = [(width, count, 2) for width, count in zip(widths, blocks, strict=True)]
    return ResNet(Basic, stages, stem=widths[0] // 2, kernel=3, pool=False), widths[-3:]


def _maps(backbone: ResNet, pixels: Tensor) -> list[Tensor]:
    """What leaves the last three stages."""
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    features = backbone.maxpool(backbone.bn1(backbone.conv1(pixels)).relu_())
    maps = []
    for name in backbone.stages:
        features = backbone.get_submodule(name)(features)
        maps.append(features)
    return maps[-3:]
