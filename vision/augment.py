"""Changes to pictures that leave what they show: more of them to learn from.

All pictures of a batch are turned, cut and moved in one step, each by its own draw, and read once:
what was done is one affine map, whose pixels are interpolated from the picture's (a picture that
goes on beyond its edge goes on as in a mirror).

    >>> augmentation = Augmentation(flip=True, crop=0.6, jitter=0.3)
    >>> augmentation(torch.zeros(8, 3, 96, 96, dtype=torch.uint8), torch.Generator()).shape
    torch.Size([8, 3, 96, 96])
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

from corpora.errors import UsageError, check_probability

_GREY = (0.299, 0.587, 0.114)  # how bright red, green and blue are (ITU-R BT.601)


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are changed; as it stands, not at all.

    Args:
        flip: half of them are mirrored, left to right.
        crop: a square of at least this share of the picture's area is cut out and enlarged to the
            whole, above 0 to 1.
        jitter: brightness, contrast and saturation are each multiplied by 1 - jitter to
            1 + jitter, 0 to below 1. Hues stay, for texts name them.
        rotation: at most so many degrees either way.
        shift: at most this share of the sides either way, 0 to below 1.
    """

    flip: bool = False
    crop: float = 1.0
    jitter: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        check_probability(jitter=self.jitter, shift=self.shift)
        if not 0 < self.crop <= 1:
            raise UsageError(f"crop is {self.crop}: expected above 0 to 1")
        if not 0 <= self.rotation <= 180:
            raise UsageError(f"rotation is {self.rotation}: expected 0 to 180 degrees")

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Changed pictures, uint8 `[batch, 3, height, width]` or `[3, height, width]` as they came.

        Augment before normalizing: the colours' limits are those of uint8.
        """
        if pixels.dtype != torch.uint8 or pixels.dim() not in (3, 4) or pixels.shape[-3] != 3:
            raise UsageError(
                f"pictures to augment are {pixels.dtype} of shape {list(pixels.shape)}: expected "
                "uint8 [batch, 3, height, width], before they are normalized"
            )
        if self == Augmentation():
            return pixels
        batch = pixels.float() if pixels.dim() == 4 else pixels[None].float()
        # As many draws whatever is asked for: to leave one change out leaves the others as they are
        draws = torch.rand(len(batch), 10, generator=generator).to(pixels.device)
        batch = self._coloured(self._moved(batch, draws[:, :7]), draws[:, 7:])
        return batch.round_().clamp_(0, 255).to(torch.uint8).view_as(pixels)

    def _moved(self, batch: Tensor, draws: Tensor) -> Tensor:
        if not self.flip and self.crop == 1 and not self.rotation and not self.shift:
            return batch
        height, width = batch.shape[2:]
        mirrored = torch.where(draws[:, 0] < 0.5 * self.flip, -1.0, 1.0)
        side = (self.crop + (1 - self.crop) * draws[:, 1]).sqrt()
        # What is cut out lies anywhere inside; coordinates go from -1 to 1.
        middle = (1 - side)[:, None] * (2 * draws[:, 2:4] - 1)
        middle = middle + 2 * self.shift * (2 * draws[:, 4:6] - 1)
        angle = self.rotation * pi / 180 * (2 * draws[:, 6] - 1)
        cosine, sine = side * angle.cos(), side * angle.sin()
        # Where each pixel comes from. Pictures need not be square: turns are made in pixels.
        maps = torch.stack(
            [
                torch.stack([mirrored * cosine, -sine * height / width, middle[:, 0]], 1),
                torch.stack([mirrored * sine * width / height, cosine, middle[:, 1]], 1),
            ],
            1,
        )
        grid = F.affine_grid(maps, list(batch.shape), align_corners=False)
        return F.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)

    def _coloured(self, batch: Tensor, draws: Tensor) -> Tensor:
        if not self.jitter:
            return batch
        factors = 1 + self.jitter * (2 * draws - 1)
        brightness, contrast, saturation = (part[:, None, None, None] for part in factors.unbind(1))
        grey = torch.tensor(_GREY).to(batch)[:, None, None]
        batch = batch * brightness
        mean = (batch * grey).sum((1, 2, 3), keepdim=True) / (batch.shape[2] * batch.shape[3])
        batch = mean + contrast * (batch - mean)
        light = (batch * grey).sum(1, keepdim=True)
        return light + saturation * (batch - light)
