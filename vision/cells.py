"""Where in a picture the cells of a feature map lie.

A convolution of stride 2 that pads its 3 (or 7) by 3 pixels begins at the first pixel, as those of
all residual networks do: the first cell sees most of what is around the picture's very corner, and
all others follow a stride apart. A pooling of 2 by 2, as VGG's, takes the middle of its pixels:

    pixels of the square    0       8       16      24
    residual network     └── 1 ──┘└── 2 ──┘└── 3 ──┘         middles at 0.5, 8.5, 16.5
    VGG                     └── 1 ──┘└── 2 ──┘└── 3 ──┘      middles at 4, 12, 20

To draw the first as if they were the second puts all half a cell too far to the right and down.
"""

from __future__ import annotations

from vision.backbone import VGG, Backbone
from vision.look import Region
from vision.picture_preparation import Placement


def region_of(backbone: Backbone, grid: tuple[int, int], placement: Placement) -> Region:
    """Where the grid of a feature map lies in a picture, as shares of its sides.

    Args:
        grid: rows and columns of it.
        placement: of the picture in the square that the backbone has read.
    """
    stride, (rows, columns) = backbone.stride, grid
    middle = stride / 2 if isinstance(backbone, VGG) else 0.5  # of the first cell
    start = middle - stride / 2
    box = [start, start, start + columns * stride, start + rows * stride]
    left, top, right, bottom = placement.to_picture(box).tolist()
    width, height = placement.width, placement.height
    return left / width, top / height, right / width, bottom / height
