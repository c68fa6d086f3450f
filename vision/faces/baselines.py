"""What a face encoder is held against: the pixels themselves, and eigenfaces.

Both know nothing of people: they say how far one comes without learning what tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from corpora.errors import UsageError, check_positive
from vision.images import Preparation, load_many

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Eigenfaces:
    """The directions in which pictures of faces differ most (Turk and Pentland 1991).

        >>> eigenfaces = Eigenfaces(known_pixels, components=100)
        >>> eigenfaces.encode(pixels).shape
        (90, 100)

    Args:
        pixels: of pictures, `[pictures, pixels]`, at least two.
        components: directions; at most one less than there are pictures.
    """

    def __init__(self, pixels: np.ndarray, components: int = 100) -> None:
        check_positive(components=components)
        if pixels.ndim != 2 or len(pixels) < 2:
            raise UsageError(
                f"eigenfaces of pixels of shape {list(pixels.shape)}: expected two pictures or more"
            )
        self.mean = pixels.mean(0)
        _, _, directions = np.linalg.svd(pixels - self.mean, full_matrices=False)
        self.directions = directions[: min(components, len(pixels) - 1)]

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Of pictures `[pictures, pixels]` their parts along each direction."""
        return (pixels - self.mean) @ self.directions.T


def raw_pixels(images: Iterable[Any], preparation: Preparation) -> np.ndarray:
    """The grey values of pictures, `[pictures, size * size]` float32 0 to 1."""
    mean, std = (
        np.array(part, np.float32)[:, None, None] for part in (preparation.mean, preparation.std)
    )
    return np.stack(
        [
            np.tensordot(_GREY, picture.pixels.numpy() * std + mean, 1).ravel()
            for picture in load_many(images, preparation)
        ]
    )
