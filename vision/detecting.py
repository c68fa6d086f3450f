"""Detection: pictures in, their boxes out in the same order, in the pixels of each picture.

Pictures are read ahead in threads, many at a time are looked at as one batch; which pictures share
a batch changes nothing. Each detector only tells its candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError, check_positive
from nlp.core.device import Precision, choose_precision
from vision.found import Detected, Found
from vision.images import Picture, Preparation, Refused, load_many
from vision.suppression import suppress_batch


class Candidates(NamedTuple):
    """Places of a batch of pictures."""

    boxes: Tensor  # [pictures, places, 4] left, top, right, bottom in pixels of the square
    scores: Tensor  # [pictures, places] 0 to 1
    labels: Tensor  # [pictures, places] number of the likeliest class


class Model(Protocol):
    """What this needs of a detector."""

    @property
    def config(self) -> Any: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def preparation(self) -> Preparation: ...
    def eval(self) -> Any: ...
    def candidates(self, pixels: Tensor) -> Candidates: ...


def detect(
    model: Model,
    images: Iterable[Any],
    *,
    threshold: float = 0.25,
    iou: float = 0.5,
    most: int = 300,
    batch_size: int = 16,
    precision: Precision = "float32",
    threads: int = 4,
    refused: Callable[[Refused], None] | None = None,
) -> Iterator[Detected]:
    """What is in each picture.

    Args:
        images: what `vision.images.read` takes each of: paths, files' bytes, pixels, scenes.
        threshold: boxes less sure than that are left out, before anything else.
        iou: of two boxes of a class that overlap more, the less sure one is left out.
        most: boxes of a picture, the surest.
        precision: what matrices are multiplied in. In bfloat16, where the device has it (auto
            finds out), the last digits may depend on which pictures are in a batch.
        threads: that read pictures ahead.
        refused: hears of each picture that cannot be read, which is then left out; None: the
            first one is an error.

    Raises:
        UsageError: a count below 1, a share that is none, or a picture that cannot be read.
    """
    check_positive(most=most, batch_size=batch_size, threads=threads)
    for name, share in (("threshold", threshold), ("iou", iou)):
        if not 0 <= share <= 1:
            raise UsageError(f"{name} is {share}: expected 0 to 1")
    dtype = choose_precision(precision, model.device)
    model.eval()
    pictures = load_many(images, model.preparation, threads=threads, refused=refused)
    while batch := list(islice(pictures, batch_size)):
        pixels = torch.stack([picture.pixels for picture in batch]).to(model.device)
        with torch.inference_mode():
            with torch.autocast(pixels.device.type, dtype=dtype, enabled=dtype != torch.float32):
                places = model.candidates(pixels)
            kept = suppress_batch(
                *(part.unbind() for part in places), iou=iou, threshold=threshold, most=most
            )
        for row, (picture, own) in enumerate(zip(batch, kept, strict=True)):
            yield _told(picture, model.config.labels, *(part[row][own].cpu() for part in places))


def _told(
    picture: Picture, names: Sequence[str], boxes: Tensor, scores: Tensor, labels: Tensor
) -> Detected:
    place = picture.placement
    inside = np.clip(place.to_picture(boxes.numpy()), 0, [place.width, place.height] * 2)
    rows = zip(labels.tolist(), scores.tolist(), inside.tolist(), strict=True)
    # What lies in the bars beside the picture has nothing left.
    found = tuple(
        Found(names[label], score, *box)
        for label, score, box in rows
        if box[0] < box[2] and box[1] < box[3]
    )
    return Detected(picture.image, place.width, place.height, found)
