"""The image encoder: pixels in, memory out, the same that a sequence's encoder gives.

    pixels [3, 96, 96] ──► backbone ──► feature map [features, 6, 6]
                                              │   read row by row
    positions   f1  f2  f3 ... f36  ◄─────────┘
             +  p1  p2  p3 ... p36    where each is, so that left and right can be told apart
             ──► two layers ──►  as often as asked: look at each other
             ──►  states s1 ... s36, summary = their mean

Whatever asks a picture, a captioner's decoder or a question, asks it through this. A position's
place goes in before a nonlinear layer: even the mean of all states knows what stood where.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_positive
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


class Context(nn.Module):
    """Cells that look at each other: what each is, next to what all the others are.

        s_i + V sum_j w_ij v_j / sqrt(n),  of n cells
        w_ij = clamp(q_i . k_j / sqrt(d) + b, 0, 1)      in half of the heads
        w_ij = clamp(2 cos(k_i, k_j) - 1 + b, 0, 1)      in the others: how alike two cells are

    The weights of a cell do not add up to 1, as with the rectifier of Wortsman, Lee, Gilmer and
    Kornblith (2023, "Replacing softmax with ReLU in Vision Transformers"). What softmax reads of
    two equal things is what it reads of one; a sum tells how many there are. What is not alike
    enough weighs nothing, and nothing more than 1: unbounded weights made training explode.
    That queries ask for what is equal to the cell itself has to be learned, and takes longer than
    all else of counting; likeness needs no learning (Shechtman and Irani 2007, self-similarity).

    Args:
        features: of a cell.
        heads: that look for different things, each with `features / 2 / heads` of them.
    """

    def __init__(self, features: int, heads: int = 4) -> None:
        super().__init__()
        if heads % 2 or features % (2 * heads):
            raise UsageError(
                f"features are {features}, heads {heads}: expected an even number of heads, and "
                f"features a multiple of {2 * heads}"
            )
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(features) for _ in range(2))
        self.asked = nn.Linear(features, 5 * features // 4)  # values, keys, half as many queries
        self.bias = nn.Parameter(torch.zeros(heads, 1, 1))
        self.told = nn.Linear(features // 2, features)
        self.hidden, self.output = nn.Linear(features, features), nn.Linear(features, features)
        for last in (self.told, self.output):  # it begins as if it were not there
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, states: Tensor) -> Tensor:
        """`[batch, cells, features]` of such."""
        batch, cells, _ = states.shape
        half = self.heads // 2
        parts = self.asked(self.norms[0](states)).view(batch, cells, 5 * half, -1).transpose(1, 2)
        values, alike, keys, queries = parts.split([self.heads, half, half, half], dim=1)
        alike = F.normalize(alike.float(), dim=3)
        likeness = 2 * (alike @ alike.mT) - 1
        scores = torch.cat([likeness, queries @ keys.mT * keys.shape[3] ** -0.5], 1)
        read = (scores + self.bias).clamp(0, 1) @ values * cells**-0.5  # [batch, heads, cells, ...]
        states = states + self.told(read.transpose(1, 2).flatten(2))
        return states + self.output(self.hidden(self.norms[1](states)).relu())


class ImageEncoder(nn.Module):
    """A convolutional backbone, and what makes a memory of its feature map.

    Args:
        backbone: its name, see `vision.backbone.build`.
        features: of each state.
        freeze: see `vision.backbone.freeze`.
        context: how many times the cells look at each other, see `Context`.
    """

    def __init__(
        self, backbone: str, features: int, *, freeze: bool = False, context: int = 0
    ) -> None:
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
        self.context = nn.Sequential(*(Context(features) for _ in range(context)))

    def forward(self, pixels: Tensor) -> tuple[Memory, Grid]:
        """Reads prepared pictures `[batch, 3, height, width]`.

        Returns:
            the memory, of states `[batch, rows * columns, features]`, and the grid: the cell in
            row r and column c of the picture is position `r * columns + c`.
        """
        cells, grid = self.look(pixels)
        return self.place_in(cells, grid), grid

    def look(self, pixels: Tensor) -> tuple[Tensor, Grid]:
        """What the backbone sees in each cell, `[batch, rows * columns, backbone's features]`, of
        no place yet; and the grid."""
        seen = self.backbone(pixels)  # [batch, backbone's features, rows, columns]
        return seen.flatten(2).transpose(1, 2), tuple(seen.shape[2:])

    def place_in(self, cells: Tensor, grid: Grid) -> Memory:
        """The memory of what was seen in the cells of a grid."""
        where = self.place(places(grid, cells.device))
        states = self.context(self.output(self.seen(cells) + where))
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return Memory(states, states.mean(1), mask)

    def grid(self, size: int) -> Grid:
        """Rows and columns of what a picture of `size` by `size` pixels becomes."""
        return self.backbone.grid(size, size)
