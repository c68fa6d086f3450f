"""The model that finds landmarks: a backbone, and what each cell of its map says of each point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from math import log
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_choice, check_positive
from nlp.core import checkpoint
from nlp.core.device import choose_device
from nlp.core.recipe import Loss
from vision.backbone import build
from vision.images import Preparation, Refused, load_many

KIND = "landmarks"
Distance = Literal["wing", "l1"]
# Of the wing loss, in hundredths of the square's side: the paper's 10 and 2 pixels of 256, about.
_WIDTH, _CURVE = 4.0, 0.8


@dataclass(frozen=True)
class Config:
    """What a landmarker is built from."""

    points: tuple[str, ...]  # what they are called
    backbone: str = "small"  # see `vision.backbone.build`
    preparation: Preparation = field(default_factory=lambda: Preparation(96, resize="pad"))
    hidden_size: int = 128  # features of a cell that its points are read from
    distance: Distance = "wing"  # what is learned of the distance between found and true
    presence_weight: float = 1.0  # of the loss of what is seen, next to that of where
    cell_weight: float = 0.3  # of the loss of which cell holds a point

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(self.points))  # a list, where it comes from JSON
        if not self.points or len(set(self.points)) < len(self.points):
            raise UsageError(f"points are {list(self.points)}: expected one or more, all different")
        check_positive(hidden_size=self.hidden_size)
        for name in ("presence_weight", "cell_weight"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} is {getattr(self, name)}: expected 0 or more")
        check_choice("distance", self.distance, Distance)

    @classmethod
    def of(cls, known: dict[str, Any]) -> Config:
        """From what `dataclasses.asdict` made of it."""
        return cls(**{**known, "preparation": Preparation(**known["preparation"])})


class LandmarkBatch(NamedTuple):
    """Pictures and where the points are in them."""

    pixels: Tensor  # [pictures, 3, size, size] float32, prepared
    points: Tensor  # [pictures, n, 2]: x, y in pixels of the square; anything where not present
    present: Tensor  # [pictures, n] bool

    def to(self, device: torch.device) -> LandmarkBatch:
        return LandmarkBatch(*(part.to(device) for part in self))


class Landmarks(NamedTuple):
    """What was found in a picture."""

    image: Any  # as it was given
    points: np.ndarray  # [n, 2] float64: x, y in the picture's own pixels
    presence: np.ndarray  # [n]: how likely each is seen, 0 to 1
    width: int  # of the picture
    height: int

    def seen(self, threshold: float = 0.5) -> list[tuple[float, float] | None]:
        """The points, with None for those that are likelier hidden, as `vision.alignment` takes
        them."""
        return [
            (float(x), float(y)) if chance >= threshold else None
            for (x, y), chance in zip(self.points, self.presence, strict=True)
        ]


def wing(distances: Tensor, width: float = _WIDTH, curve: float = _CURVE) -> Tensor:
    """The wing loss of Feng et al. (2018), equation 5: a logarithm of distances below `width`, and
    beyond it the distance, less what makes both meet; `curve` is the paper's epsilon."""
    size = distances.abs()
    meeting = width - width * log(1 + width / curve)
    return torch.where(size < width, width * torch.log1p(size / curve), size - meeting)


class Landmarker(nn.Module):
    """Finds the same points in every picture."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.backbone = build(config.backbone)  # type: ignore[arg-type]
        self.around = nn.Sequential(
            nn.Conv2d(self.backbone.features, config.hidden_size, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.hidden_size),
            nn.ReLU(inplace=True),
        )
        # Of each point: how likely a cell holds it, x and y from the cell's middle, whether it is
        # seen.
        self.output = nn.Conv2d(config.hidden_size, 4 * len(config.points), 1)
        # What hides a point is seen in all of the picture, and in no cell of its own.
        self.overall = nn.Linear(config.hidden_size, len(config.points))
        nn.init.normal_(self.output.weight, std=0.01)  # it begins in the middle of the picture
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    @property
    def preparation(self) -> Preparation:
        """How a picture is made ready."""
        return self.config.preparation

    def batch(self, pixels: Tensor, points: Tensor, present: Tensor) -> LandmarkBatch:
        """Prepared pictures and their points in pixels of the square."""
        return LandmarkBatch(pixels, points.float(), present)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Of prepared pictures `[pictures, 3, size, size]` the points `[pictures, n, 2]` in pixels
        of the square, and logits of being seen `[pictures, n]`."""
        points, seen, _ = self._told(pixels)
        return points, seen

    def _told(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, and the logits of each point's cells `[pictures, n, cells]`."""
        features = self.around(self.backbone(pixels))
        told, overall = self.output(features).float(), self.overall(features.mean((2, 3))).float()
        rows, columns = told.shape[2:]
        # [4, pictures, n, cells]
        likely, across, down, seen = told.view(len(told), 4, -1, rows * columns).unbind(1)
        weights = likely.softmax(-1)
        y, x = torch.meshgrid(
            torch.arange(rows, device=told.device) + 0.5,
            torch.arange(columns, device=told.device) + 0.5,
            indexing="ij",
        )
        stride = self.backbone.stride
        places = torch.stack([across + x.flatten(), down + y.flatten()], -1) * stride
        return (weights[..., None] * places).sum(2), overall + (weights * seen).sum(2), likely

    def loss(self, batch: LandmarkBatch, carry: None = None) -> Loss:
        """The mean distance of points that are there, the cross-entropy of the cells that hold them
        and of which are there, in nats; its targets are the pictures."""
        points, seen, likely = self._told(batch.pixels)
        present = batch.present
        hundredths = 100 / self.preparation.size
        away = (points - batch.points)[present] * hundredths
        each = wing(away) if self.config.distance == "wing" else away.abs()
        where = each.sum() / max(1, each.numel()) / _WIDTH
        whether = F.binary_cross_entropy_with_logits(seen, present.float())
        # The mean alone hardly says which cells to look at: all may learn the same average place.
        cells = F.cross_entropy(
            likely[present], self._cells(batch.points[present]), reduction="sum"
        )
        cells = self.config.cell_weight * cells / max(1, int(present.sum()))
        return Loss(where + cells + self.config.presence_weight * whether, len(present))

    def _cells(self, points: Tensor) -> Tensor:
        """The numbers of the cells that hold points `[points, 2]`."""
        rows, columns = self.backbone.grid(self.preparation.size, self.preparation.size)
        across, down = (points / self.backbone.stride).long().unbind(1)
        return down.clamp(0, rows - 1) * columns + across.clamp(0, columns - 1)

    @torch.inference_mode()
    def locate(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward` of prepared pictures, with chances in place of logits, on the CPU."""
        was_training = self.training
        self.eval()
        points, seen = self(pixels.to(self.device))
        self.train(was_training)
        return points.cpu(), seen.sigmoid().cpu()

    def find(
        self,
        images: Iterable[Any],
        *,
        batch_size: int = 64,
        threads: int = 4,
        refused: Callable[[Refused], None] | None = None,
    ) -> Iterator[Landmarks]:
        """The points of each picture, in its own pixels.

        Args:
            images: what `vision.images.read` takes each of: paths, files' bytes, pixels.
            refused: hears of each picture that cannot be read, which is then left out; None: the
                first one is an error.

        Raises:
            UsageError: a picture cannot be read and nobody hears of it.
        """
        check_positive(batch_size=batch_size, threads=threads)
        pictures = load_many(images, self.preparation, threads=threads, refused=refused)
        while batch := list(islice(pictures, batch_size)):
            points, presence = self.locate(torch.stack([picture.pixels for picture in batch]))
            for picture, own, seen in zip(batch, points.numpy(), presence.numpy(), strict=True):
                place = picture.placement
                where = place.to_picture(own)
                yield Landmarks(picture.image, where, seen, place.width, place.height)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json` and `model.safetensors`."""
        folder = Path(folder)
        self.save_config(folder)
        checkpoint.save_weights(self, folder)

    def save_config(self, folder: Path) -> None:
        """Writes what is known before any training."""
        checkpoint.save_config(folder, KIND, asdict(self.config), None)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Landmarker:
        """The landmarker in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, "vision.landmarks.train")
        config, _ = checkpoint.read_model_config(folder, KIND, Config.of)
        model = cls(config)
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()


def mirrored(names: Sequence[str]) -> list[int]:
    """Of each point the number of the one that takes its place in a mirror, itself where its name
    has no side.

    Raises:
        UsageError: a point on the left without one on the right, or the other way round.
    """
    swapped = [
        name.replace("left", "\0").replace("right", "left").replace("\0", "right") for name in names
    ]
    for name, other in zip(names, swapped, strict=True):
        if other not in names:
            raise UsageError(
                f"in a mirror the point {name!r} is one {other!r}, and there is none; add it, or "
                "train without flips"
            )
    return [list(names).index(other) for other in swapped]
