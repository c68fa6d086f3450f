"""The image encoder: pixels in, memory out, the same that a sequence's encoder gives.

    pixels [3, 96, 96] ──► backbone ──► feature map [features, 6, 6]
                                              │   read row by row
    positions   f1  f2  f3 ... f36  ◄─────────┘
             +  p1  p2  p3 ... p36    where each is, so that left and right can be told apart
             ──► two layers ──►  states s1 ... s36, summary = their mean

Whatever asks a picture, a captioner's decoder or a question, asks it through this. A position's
place goes in before a nonlinear layer: even the mean of all states knows what stood where.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor, nn

from corpora.errors import check_positive
from nlp.core.encoder import Memory
from vision.backbone import build
from vision.backbone import freeze as freeze_backbone

Grid = tuple[int, int]  # rows and columns of a feature map
WAVES = 4  # of each coordinate; the shortest is half a picture long


def places(grid: Grid, device: torch.device | None = None) -> Tensor:
    """Where the cells of a grid are, `[rows * columns, 4 * WAVES]`: sines and cosines of how far
    down and how far to the right each cell's middle is. Pictures of any size are told alike."""
    steps = (torch.arange(count, device=device).add(0.5) / count for count in grid)
    down, right = torch.meshgrid(*steps, indexing="ij")
    waves = torch.stack([down, right], 2).flatten(0, 1)[..., None] * pi
    angles = (waves * torch.arange(1, WAVES + 1, device=device)).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], 1)


class ImageEncoder(nn.Module):
    """A convolutional backbone, and what makes a memory of its feature map.

    Args:
        backbone: its name, see `vision.backbone.build`.
        features: of each state.
        freeze: see `vision.backbone.freeze`.
    """

    def __init__(self, backbone: str, features: int, *, freeze: bool = False) -> None:
        super().__init__()
        check_positive(features=features)
        self.features = features
        self.backbone = build(backbone)  # type: ignore[arg-type]
        if freeze:
            freeze_backbone(self.backbone)
        self.seen = nn.Linear(self.backbone.features, features)
        self.place = nn.Linear(4 * WAVES, features, bias=False)
        self.output = nn.Sequential(
            nn.ReLU(), nn.Linear(features, features), nn.LayerNorm(features)
        )

    def forward(self, pixels: Tensor) -> tuple[Memory, Grid]:
        """Reads prepared pictures `[batch, 3, height, width]`.

        Returns:
            the memory, of states `[batch, rows * columns, features]`, and the grid: the cell in
            row r and column c of the picture is position `r * columns + c`.
        """
        seen = self.backbone(pixels)  # [batch, backbone's features, rows, columns]
        rows, columns = seen.shape[2:]
        cells = seen.flatten(2).transpose(1, 2)
        where = self.place(places((rows, columns), pixels.device))
        states = self.output(self.seen(cells) + where)
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return Memory(states, states.mean(1), mask), (rows, columns)

    def grid(self, size: int) -> Grid:
        """Rows and columns of what a picture of `size` by `size` pixels becomes."""
        return self.backbone.grid(size, size)
