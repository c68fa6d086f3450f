"""Faces turned and enlarged so that their eyes, nose and mouth lie where a template has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from corpora.errors import UsageError
from corpora.identities import Portrait
from vision.alignment import FACE, align
from vision.images import Refused, read

Landmarks = Sequence[tuple[float, float] | None]


def aligned(
    images: Iterable[Any],
    landmarks: Iterable[Landmarks],
    size: int,
    refused: Callable[[Refused], None] | None = None,
) -> Iterator[np.ndarray]:
    """Pictures as squares of `size`, uint8, in which the eyes, nose and mouth lie where `FACE` has
    them.

    Args:
        images: what `vision.images.read` takes each of.
        landmarks: of each the points of `corpora.generated_faces.LANDMARKS` in its pixels, None for
            one that is not seen; two are enough.
        refused: hears of each picture that cannot be read or turned, which is then left out; None:
            the first one is an error.

    Raises:
        UsageError: a picture cannot be read or turned and nobody hears of it.
    """
    for image, points in zip(images, landmarks, strict=True):
        try:
            if len(points) != len(FACE):
                raise UsageError(
                    f"{len(points)} points of a face: expected {len(FACE)} to align it"
                )
            yield align(read(image), points, size=size)
        except UsageError as error:
            if refused is None:
                raise
            refused(Refused(image, str(error)))


def aligned_portraits(
    portraits: Sequence[Portrait], size: int
) -> tuple[list[Portrait], list[Refused]]:
    """The portraits with such squares as their pictures, and those of which none can be made."""
    kept: list[Portrait] = []
    refused: list[Refused] = []
    for one in portraits:
        squares = aligned([one.image], [one.landmarks], size, refused.append)
        kept += (one._replace(image=square) for square in squares)
    return kept, refused
