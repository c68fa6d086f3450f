"""Pictures put together to others, with their boxes: more of them to learn from.

    ┌──────┬─────────┐   Each part of the canvas shows a window of a picture: mirrored or turned,
    │  1   │    2    │   larger or smaller than it would be alone. With four parts it is a mosaic
    │      │         │   (Bochkovskiy, Wang and Liao 2020), with one a crop, or a smaller picture
    ├──────┼─────────┤   on plain ground.
    │  3   │    4    │
    └──────┴─────────┘

What is drawn depends on the generator that is handed in alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from corpora.errors import UsageError, check_probability
from vision.picture_reading import pillow

SEEN = 0.3  # of a box's area: less of it is not told from the ground
LEAST = 2.0  # pixels of a box's sides
MIDDLE = 0.3  # of the canvas, at least, on each side of where four pictures meet


class Example(NamedTuple):
    """A picture with its boxes."""

    pixels: np.ndarray  # uint8 [height, width, 3]
    boxes: np.ndarray  # [boxes, 4] left, top, right, bottom in its pixels
    labels: np.ndarray  # [boxes] int64


@dataclass(frozen=True)
class Changes:
    """How far pictures are changed; as it stands, not at all.

    Args:
        flip: half of them are mirrored, left to right.
        turn: a quarter, a half or three quarters of a turn, each as likely as none; for pictures
            that have no up, as of microscopes and maps.
        zoom: they are shown 1 - zoom to 1 + zoom times as large, 0 to below 1.
        mosaic: the share of canvases that four of them share.
    """

    flip: bool = False
    turn: bool = False
    zoom: float = 0.0
    mosaic: float = 0.0

    def __post_init__(self) -> None:
        check_probability(zoom=self.zoom)
        if not 0 <= self.mosaic <= 1:
            raise UsageError(f"mosaic is {self.mosaic}: expected 0 to 1")


def compose(
    examples: Sequence[Example],
    size: int,
    changes: Changes,
    chance: np.random.Generator,
    ground: Sequence[int] = (124, 116, 104),
) -> Example:
    """One canvas of `size` by `size` pixels of one picture, or of four.

    A box that a part's edge cuts is cut too, and left out where too little of it is seen. Alone
    and unchanged a picture lies in the middle, as `Preparation` would place it.
    """
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = np.asarray(ground)
    regions: list[tuple[int, int, int, int]] = [(0, 0, size, size)]
    if len(examples) == 4:
        across, down = (int(size * chance.uniform(MIDDLE, 1 - MIDDLE)) for _ in range(2))
        lefts, tops = ((0, across), (across, size)), ((0, down), (down, size))
        regions = [(left, top, right, bottom) for top, bottom in tops for left, right in lefts]
    boxes, labels = [np.zeros((0, 4))], [np.zeros(0, np.int64)]
    for example, region in zip(examples, regions, strict=True):
        example = turned(
            example,
            mirrored=changes.flip and chance.random() < 0.5,
            quarters=int(chance.integers(4)) if changes.turn else 0,
        )
        height, width = example.pixels.shape[:2]
        scale = size / max(height, width)
        if changes.zoom:
            scale *= chance.uniform(1 - changes.zoom, 1 + changes.zoom)
        free = not changes.zoom and len(examples) == 1
        corner = _corner(region, (width * scale, height * scale), None if free else chance)
        seen = paste(canvas, example, region, scale, corner)
        boxes.append(seen.boxes)
        labels.append(seen.labels)
    return Example(canvas, np.concatenate(boxes), np.concatenate(labels))


def turned(example: Example, *, mirrored: bool, quarters: int) -> Example:
    """An example, mirrored left to right, then turned left by quarters."""
    pixels, boxes = example.pixels, example.boxes
    if mirrored:
        pixels, width = pixels[:, ::-1], pixels.shape[1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    for _ in range(quarters % 4):  # x, y becomes y, width - x
        pixels, width = np.rot90(pixels), pixels.shape[1]
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], 1)
    return Example(pixels, boxes, example.labels)


def _corner(
    region: tuple[int, int, int, int],
    sides: tuple[float, float],
    chance: np.random.Generator | None,
) -> tuple[float, float]:
    """Where on the canvas a picture's corner comes: anywhere such that it fills the region, or
    lies in it, whichever it can; in the middle without chance."""
    corner = []
    for place in (0, 1):
        room = region[place + 2] - region[place] - sides[place]
        share = 0.5 if chance is None else chance.random()
        corner.append(region[place] + (room * share if chance is not None else room // 2))
    return corner[0], corner[1]


def paste(
    canvas: np.ndarray,
    example: Example,
    region: tuple[int, int, int, int],
    scale: float,
    corner: tuple[float, float],
) -> Example:
    """Draws a picture into a region of a canvas, `scale` times as large, its upper left corner at
    `corner`; what of its boxes is seen, in pixels of the canvas."""
    height, width = example.pixels.shape[:2]
    far = corner[0] + width * scale, corner[1] + height * scale
    left, top = (max(region[n], round(corner[n])) for n in (0, 1))
    right, bottom = (min(region[n + 2], round(far[n])) for n in (0, 1))
    if left >= right or top >= bottom:
        return Example(canvas, np.zeros((0, 4)), np.zeros(0, np.int64))
    window = (np.array([left, top, right, bottom]) - [*corner, *corner]) / scale
    window = window.clip(0, [width, height, width, height])
    library = pillow()
    # Only the window is copied, with what the scaling reads around it.
    around = 2 + int(2 / min(scale, 1))
    first = np.floor(window[:2]).astype(int) - around
    first = first.clip(0)
    last = np.ceil(window[2:]).astype(int) + around
    part = np.ascontiguousarray(example.pixels[first[1] : last[1], first[0] : last[0]])
    canvas[top:bottom, left:right] = library.fromarray(part).resize(
        (right - left, bottom - top),
        library.Resampling.BILINEAR,
        box=tuple((window - np.tile(first, 2)).tolist()),
    )
    whole = example.boxes * scale + np.array([*corner, *corner])
    cut = whole.clip([left, top, left, top], [right, bottom, right, bottom])
    sides, full = cut[:, 2:] - cut[:, :2], whole[:, 2:] - whole[:, :2]
    kept = (sides.prod(1) >= SEEN * full.prod(1)) & (sides.min(1, initial=np.inf) >= LEAST)
    return Example(canvas, cut[kept], example.labels[kept])
