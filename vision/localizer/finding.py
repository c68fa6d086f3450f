"""Pictures in, what a simple detector finds in them out, in the same order and in their pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from corpora.errors import check_positive, check_probability
from vision.found import Detected, Found
from vision.images import Picture, Preparation, Refused, load_many
from vision.suppression import suppress


class Candidates(NamedTuple):
    """Places of a batch of pictures."""

    boxes: Tensor  # [pictures, places, 4] left, top, right, bottom in pixels of the square
    scores: Tensor  # [pictures, places] 0 to 1
    labels: Tensor  # [pictures, places] number of the likeliest class


class Model(Protocol):
    """What this needs of a detector."""

    @property
    def labels(self) -> tuple[str, ...]: ...
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
    iou: float = 0.3,
    most: int = 300,
    batch_size: int = 32,
    threads: int = 4,
    refused: Callable[[Refused], None] | None = None,
) -> Iterator[Detected]:
    """What is in each picture.

    Args:
        images: what `vision.images.read` takes each of.
        threshold: boxes less sure than that are left out, before anything else.
        iou: of two boxes of a class that overlap more, the less sure one is left out.
        most: boxes of a picture, the surest.
        threads: that read pictures ahead.
        refused: hears of each picture that cannot be read, which is then left out; None: the first
            one is an error.

    Raises:
        UsageError: a count below 1, a share that is none, or a picture that cannot be read.
    """
    check_positive(most=most, batch_size=batch_size, threads=threads)
    check_probability(threshold=threshold, iou=iou)
    model.eval()
    pictures = load_many(images, model.preparation, threads=threads, refused=refused)
    while batch := list(islice(pictures, batch_size)):
        pixels = torch.stack([picture.pixels for picture in batch]).to(model.device)
        with torch.inference_mode():
            boxes, scores, labels = model.candidates(pixels)
            for row, picture in enumerate(batch):
                sure = scores[row] > threshold
                own = boxes[row][sure], scores[row][sure], labels[row][sure]
                kept = suppress(*own, iou=iou, most=most)
                yield _told(picture, model.labels, *(part[kept].cpu() for part in own))


def _told(
    picture: Picture, names: tuple[str, ...], boxes: Tensor, scores: Tensor, labels: Tensor
) -> Detected:
    place = picture.placement
    inside = np.clip(place.to_picture(boxes.double().numpy()), 0, [place.width, place.height] * 2)
    rows = zip(labels.tolist(), scores.tolist(), inside.tolist(), strict=True)
    # What lies in the bars beside the picture has nothing left.
    found = tuple(
        Found(names[label], score, *box)
        for label, score, box in rows
        if box[0] < box[2] and box[1] < box[3]
    )
    return Detected(picture.image, place.width, place.height, found)
