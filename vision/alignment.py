"""Pictures turned, moved and enlarged so that given points of them come to lie where others do.

    points of a face ──► similarity ──► warp      eyes, nose and mouth are where `FACE` has them,
    [n, 2]               [2, 3]         uint8     whichever way the head was held

    >>> from corpora.generated_faces import draw, portraits
    >>> scene = next(portraits())
    >>> align(draw(scene), scene.landmarks, size=112).shape
    (112, 112, 3)

Coordinates are x, y in pixels from the upper left corner: the first pixel's middle is at 0.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from corpora.errors import UsageError, check_positive

Floats = npt.NDArray[np.float64]
Points = Any  # an array [n, 2], or a list of x and y in which None is a point that is not seen
# Eyes, tip of the nose, corners of the mouth (left first, as it is seen), as shares of the square.
FACE = ((0.34, 0.42), (0.66, 0.42), (0.5, 0.6), (0.37, 0.78), (0.63, 0.78))


def similarity(source: Points, target: Points) -> Floats:
    """The turn, enlargement and move `[2, 3]` that brings points nearest to others: a column vector
    (x, y, 1) times this is where x, y goes.

    The sum of squared distances is the least that any such map leaves, reflections not allowed
    (Umeyama 1991). In the plane, with points as complex numbers, that map is w = a z + b, and its
    a = sum conj(z - mean z) (w - mean w) / sum |z - mean z|^2.

    Args:
        source, target: `[n, 2]`; a point that is None or not a number in either does not count.

    Raises:
        UsageError: fewer than two points are left, or all of them are one.
    """
    known, wanted = _points(source), _points(target)
    if known.shape != wanted.shape:
        raise UsageError(f"{len(known)} points are to go where {len(wanted)} are: expected as many")
    counted = np.isfinite(known).all(1) & np.isfinite(wanted).all(1)
    z, w = (part[counted] @ (1, 1j) for part in (known, wanted))
    if len(z) < 2:
        raise UsageError(f"{len(z)} points are seen: a turn and a size are known of 2 or more")
    middles = z.mean(), w.mean()
    z, w = z - middles[0], w - middles[1]
    spread = float((np.abs(z) ** 2).sum())
    if spread <= 1e-12 * max(1.0, abs(middles[0])) ** 2:
        raise UsageError("all points are in one place: a turn and a size are known of 2 or more")
    a = (z.conj() @ w) / spread
    b = middles[1] - a * middles[0]
    return np.array([(a.real, -a.imag, b.real), (a.imag, a.real, b.imag)])


def inverse(matrix: npt.ArrayLike) -> Floats:
    """The way back `[2, 3]` of a map `[2, 3]`."""
    matrix = np.asarray(matrix, dtype=np.float64)
    back = np.linalg.inv(matrix[:, :2])
    return np.concatenate([back, -back @ matrix[:, 2:]], axis=1)


def moved(matrix: npt.ArrayLike, points: Points) -> Floats:
    """Where a map `[2, 3]` brings points `[n, 2]`; one that is None stays not a number."""
    matrix = np.asarray(matrix, dtype=np.float64)
    result: Floats = _points(points) @ matrix[:, :2].T + matrix[:, 2]
    return result


def warp(pixels: npt.NDArray[np.uint8], matrix: npt.ArrayLike, size: int) -> npt.NDArray[np.uint8]:
    """A picture under a map, as a square.

    What is made smaller is averaged first, so that fine patterns do not make coarse ones; beyond
    the picture's edge it goes on as at the edge.

    Args:
        pixels: uint8 `[height, width, 3]`.
        matrix: `[2, 3]` from the picture's pixels to the square's, as of `similarity`.
        size: side of the square.

    Returns:
        uint8 `[size, size, 3]`.
    """
    check_positive(size=size)
    matrix = np.asarray(matrix, dtype=np.float64)
    picture = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    shrink = min(int(1 / scale) if scale > 0 else 1, *pixels.shape[:2])
    if shrink > 1:
        picture = F.avg_pool2d(picture, shrink, ceil_mode=True)
    height, width = picture.shape[2:]
    y, x = np.mgrid[:size, :size] + 0.5
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    from_where = moved(inverse(matrix), places) / max(shrink, 1)
    grid = from_where * (2 / width, 2 / height) - 1  # -1 and 1 are the picture's edges
    found = F.grid_sample(
        picture,
        torch.from_numpy(grid).float().view(1, size, size, 2),
        padding_mode="border",
        align_corners=False,
    )
    result: npt.NDArray[np.uint8] = found[0].round().byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(result)


def align(
    pixels: npt.NDArray[np.uint8],
    points: Points,
    *,
    size: int = 112,
    template: npt.ArrayLike = FACE,
    margin: float = 0.0,
) -> npt.NDArray[np.uint8]:
    """A picture as a square in which its points lie as nearly as they can where a template has
    them.

    Args:
        pixels: uint8 `[height, width, 3]`.
        points: `[n, 2]` in the picture's pixels, None for those that are not seen; 2 are enough.
        size: side of the square.
        template: `[n, 2]` as shares of the square.
        margin: how much more is seen on every side, as a share of it.

    Returns:
        uint8 `[size, size, 3]`.

    Raises:
        UsageError: fewer than two points are seen.
    """
    wanted = (_points(template) + margin) / (1 + 2 * margin) * size
    return warp(pixels, similarity(points, wanted), size)


def _points(points: Points) -> Floats:
    """Points as `[n, 2]`, with None as not a number."""
    if not isinstance(points, np.ndarray):
        points = [(np.nan, np.nan) if one is None else one for one in points]
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)
