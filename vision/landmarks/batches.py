"""The pictures and points that a landmarker learns from, and what is changed of both together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import log, pi
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpora.errors import UsageError, check_probability
from corpora.identities import Portrait
from vision.augment import Augmentation
from vision.images import Placement, Preparation, read
from vision.landmarks.model import LandmarkBatch

THREADS = 4


class Pointed(NamedTuple):
    """Pictures as squares, with their points."""

    squares: Tensor  # [pictures, 3, size, size] uint8
    points: Tensor  # [pictures, n, 2]: x, y in pixels of the square
    present: Tensor  # [pictures, n] bool; a point that the square cuts off is not
    placements: list[Placement]
    remarks: list[str]  # what was left out

    def __len__(self) -> int:
        return len(self.squares)


def read_pointed(items: Sequence[Portrait], preparation: Preparation, part: str) -> Pointed:
    """Reads the pictures of portraits into memory, `3 * size ** 2` bytes each.

    Raises:
        UsageError: none of them can be read.
    """

    def one(item: Portrait) -> tuple[Tensor, Placement] | UsageError:
        try:
            return preparation.square(read(item.image))
        except UsageError as error:
            return error

    squares, points, placements, bad = [], [], [], []
    with ThreadPoolExecutor(THREADS) as pool:
        for item, found in zip(items, pool.map(one, items), strict=True):
            if isinstance(found, UsageError):
                bad.append(str(found))
                continue
            known = [(np.nan, np.nan) if point is None else point for point in item.landmarks]
            squares.append(found[0])
            points.append(torch.from_numpy(found[1].to_square(known)).float())
            placements.append(found[1])
    remarks = []
    if bad:
        told = "; ".join(bad[:3]) + ("; ..." if len(bad) > 3 else "")
        remarks.append(f"{part} pictures that cannot be read, left out: {len(bad):,} ({told})")
    if not squares:
        raise UsageError(f"no picture of the {part} part is left" + "".join(remarks))
    where = torch.stack(points)
    inside = ((where >= 0) & (where <= preparation.size)).all(2)  # not a number is not inside
    if cut := int((~inside & ~where.isnan().any(2)).sum()):
        remarks.append(f"{part} points outside of what is seen of their picture, unseen: {cut:,}")
    return Pointed(torch.stack(squares), where.nan_to_num(), inside, placements, remarks)


@dataclass(frozen=True)
class Change:
    """How far pictures are changed, their points with them; as it stands, not at all.

    Args:
        flip: half of them are mirrored; the points change their sides by `mirror`.
        rotation: at most so many degrees either way.
        scale: enlarged or made smaller, at most by the factor 1 + scale.
        shift: at most this share of the sides either way.
        jitter: of brightness, contrast and saturation, see `vision.augment.Augmentation`.
        hide: the share of pictures in which a rectangle is painted over; points in it are not seen.
        mirror: see `vision.landmarks.model.mirrored`.
    """

    flip: bool = False
    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    jitter: float = 0.0
    hide: float = 0.0
    mirror: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_probability(scale=self.scale, shift=self.shift, jitter=self.jitter, hide=self.hide)
        if not 0 <= self.rotation <= 180:
            raise UsageError(f"rotation is {self.rotation}: expected 0 to 180 degrees")

    def __call__(
        self, squares: Tensor, points: Tensor, present: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Changed squares, uint8, points and which are seen, shaped as they came."""
        count, size = len(squares), squares.shape[3]
        draws = torch.rand(count, 11, generator=generator)
        squares, points, present = self._moved(squares, points, present, draws)
        squares = Augmentation(jitter=self.jitter)(squares, generator)
        inside = ((points >= 0) & (points <= size)).all(2)
        hidden = torch.zeros_like(present)
        for row in (draws[:, 5] < self.hide).nonzero()[:, 0].tolist():
            side = (0.15 + 0.35 * draws[row, 6:8]) * size
            start = draws[row, 8:10] * (size - side)
            (left, top), (right, bottom) = start.long().tolist(), (start + side).long().tolist()
            colour = torch.randint(256, (3, 1, 1), generator=generator, dtype=torch.uint8)
            squares[row, :, top:bottom, left:right] = colour
            x, y = points[row].unbind(1)
            hidden[row] = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        return squares, points, present & inside & ~hidden

    def _moved(
        self, squares: Tensor, points: Tensor, present: Tensor, draws: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        if not (self.flip or self.rotation or self.scale or self.shift):
            return squares.clone(), points, present
        size = squares.shape[3]
        flipped = draws[:, 0] < 0.5 * self.flip
        angle = self.rotation * pi / 180 * (2 * draws[:, 1] - 1)
        grown = torch.exp(log(1 + self.scale) * (2 * draws[:, 2] - 1))
        shift = 2 * self.shift * (2 * draws[:, 3:5] - 1)
        sign = torch.where(flipped, -1.0, 1.0)
        cosine, sine = grown * angle.cos(), grown * angle.sin()
        # Where each place goes, from -1 to 1; pictures are read the other way round.
        matrix = torch.stack(
            [torch.stack([sign * cosine, -sine], 1), torch.stack([sign * sine, cosine], 1)], 1
        )
        back = torch.linalg.inv(matrix)
        start = -back @ shift[:, :, None]
        grid = F.affine_grid(torch.cat([back, start], 2), list(squares.shape), align_corners=False)
        moved = F.grid_sample(squares.float(), grid, padding_mode="border", align_corners=False)
        centred = points * 2 / size - 1
        points = (centred @ matrix.transpose(1, 2) + shift[:, None] + 1) * size / 2
        if self.flip:
            order = torch.tensor(self.mirror)
            points = torch.where(flipped[:, None, None], points[:, order], points)
            present = torch.where(flipped[:, None], present[:, order], present)
        return moved.round_().clamp_(0, 255).byte(), points, present


class LandmarkBatches:
    """The batches of an epoch: each picture once, in an order of the seed and the epoch."""

    def __init__(
        self,
        pointed: Pointed,
        preparation: Preparation,
        change: Change,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.pointed, self.preparation, self.change = pointed, preparation, change
        self.batch_size, self.seed = batch_size, seed

    def __len__(self) -> int:
        return -(-len(self.pointed) // self.batch_size)

    def epoch(self, number: int, skip: int = 0) -> Iterator[LandmarkBatch]:
        """The batches of an epoch, without its first `skip`."""
        order = np.random.default_rng((self.seed, number)).permutation(len(self.pointed))
        for place in range(skip, len(self)):
            rows = torch.from_numpy(order[place * self.batch_size : (place + 1) * self.batch_size])
            # From torch's own generator, so that a resumed run draws the same.
            chance = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
            own = self.pointed
            squares, points, present = self.change(
                own.squares[rows], own.points[rows], own.present[rows], chance
            )
            yield LandmarkBatch(self.preparation.normalize(squares), points, present)
