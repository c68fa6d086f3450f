"""A backbone that begins with what needs no learning: in which directions a face's edges run.

    pixels [batch, 3, 64, 64] ─► histograms of gradients [batch, 27, 16, 16] ─► convolutions that
                                                        are trained ─► features [batch, 64, 16, 16]

Two pictures of one person differ in their light and by some pixels in where things are. Histograms
of gradients over soft cells (Dalal and Triggs 2005) hardly do: light cancels where each is divided
by the strength around it, and what moves stays in its cell. Trained on a few dozen people a network
that begins with pixels has not seen enough to find that out. Colours are not looked at.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError
from vision.backbone import Basic

CELL = 4  # pixels
DIRECTIONS = 18  # of a full turn; light to dark and dark to light are two
_SHARP, _SOFT = 0.7, 0.7 * CELL  # deviations in pixels: before gradients are taken, and of a cell
_WEAK = 0.07  # a strength of gradients that is noise, in deviations of pixels


def histograms(pixels: Tensor) -> Tensor:
    """How strong gradients of each direction are around each cell, `[batch, 27, rows, columns]`.

    First those of `DIRECTIONS`, then half as many in which opposite ones are one (Felzenszwalb et
    al. 2010), all divided by the strength of the 3 x 3 cells around, of which the root is taken.

    Args:
        pixels: `[batch, channels, height, width]`, prepared.
    """
    grey = _blurred(pixels.float().mean(1, keepdim=True), _SHARP)
    wide = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) / 2
    down = (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) / 2
    strength = (across.square() + down.square()).sqrt()
    # A gradient counts for the two directions that it lies between.
    turned = torch.atan2(down, across) * (DIRECTIONS / (2 * math.pi)) % DIRECTIONS
    apart = (turned - torch.arange(DIRECTIONS).to(turned)[:, None, None]).abs()
    shares = (1 - torch.minimum(apart, DIRECTIONS - apart)).clamp_min(0)
    cells = _blurred(strength * shares, _SOFT, CELL)
    cells = torch.cat([cells, cells[:, : DIRECTIONS // 2] + cells[:, DIRECTIONS // 2 :]], 1)
    energy = cells[:, :DIRECTIONS].square().sum(1, keepdim=True)
    around = F.avg_pool2d(energy, 3, 1, 1, count_include_pad=False).sqrt()
    return (cells / (around + _WEAK)).clamp_min(0).sqrt()


class Gradients(nn.Module):
    """`histograms`, and three convolutions of 3 x 3 on them."""

    features, stride = 64, CELL

    def __init__(self) -> None:
        super().__init__()
        channels = DIRECTIONS + DIRECTIONS // 2
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, self.features, 3, padding=1, bias=False),
            nn.BatchNorm2d(self.features),
            nn.ReLU(inplace=True),
            Basic(self.features, self.features, 1),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """`[batch, features, rows, columns]` of `pixels` `[batch, 3, height, width]`."""
        if pixels.dim() != 4 or min(pixels.shape[2:]) < CELL:
            raise UsageError(
                f"pixels of shape {list(pixels.shape)}: expected [batch, 3, height, width], sides "
                f"of at least {CELL}"
            )
        with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False):
            seen = histograms(pixels)
        features: Tensor = self.layers(seen.contiguous(memory_format=torch.channels_last))
        return features


def _blurred(maps: Tensor, deviation: float, stride: int = 1) -> Tensor:
    """Means weighed by a bell, at each pixel, or in the middle of each square of `stride`."""
    reach = math.ceil(2.5 * deviation)
    places = torch.arange(-reach, reach + 1, device=maps.device)
    bell = torch.exp(-0.5 * (places / deviation).square())
    bell = (bell / bell.sum()).expand(maps.shape[1], 1, 1, -1)
    begin = stride // 2
    maps = F.pad(maps, (reach, reach, reach, reach), mode="replicate")[..., begin:, begin:]
    maps = F.conv2d(maps, bell.transpose(2, 3), stride=(stride, 1), groups=len(bell))
    return F.conv2d(maps, bell, stride=(1, stride), groups=len(bell))
