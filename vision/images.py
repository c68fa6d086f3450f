"""Pictures: files and folders of them in, squares of pixels out, many at a time.

    photo.jpg ─► read ─► uint8 [height, width, 3] ─► Preparation ─► float32 [3, size, size]
                                                         └► Placement: the way back

    >>> preparation = Preparation(size=224)
    >>> pixels = np.zeros((480, 640, 3), np.uint8)
    >>> preparation(pixels).shape
    torch.Size([3, 224, 224])
    >>> preparation.placement(480, 640).to_picture([0, 0, 224, 224])  # what of it is seen
    array([ 80.,   0., 560., 480.])

Decoding and scaling leave Python's lock, so that threads read ahead of what uses the pictures.
"""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError, check_positive
from corpora.pictures import SUFFIXES
from vision.picture_preparation import Placement, Preparation
from vision.picture_reading import MOST_PIXELS, name_of, pillow, read

__all__ = [
    "MOST_PIXELS",
    "Picture",
    "Placement",
    "Preparation",
    "Refused",
    "Squares",
    "files",
    "left_out",
    "load_many",
    "name_of",
    "pillow",
    "read",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 16  # pictures that each thread may be ahead of their use


class Picture(NamedTuple):
    """A picture that is ready."""

    image: Any  # as it was given
    pixels: Tensor  # [3, size, size] float32, normalized
    placement: Placement


class Refused(NamedTuple):
    """A picture that cannot be read."""

    image: Any  # as it was given
    reason: str  # one line that names it


def left_out(refused: Sequence[Refused], count: int, part: str) -> str:
    """What there is to tell of those of `count` pictures that are left out of a part of the data.

    Raises:
        UsageError: no picture is left.
    """
    told = "; ".join(one.reason for one in refused[:3]) + ("; ..." if len(refused) > 3 else "")
    remark = f"{part} pictures that cannot be read, left out: {len(refused):,} ({told})"
    if len(refused) == count:
        raise UsageError(f"no picture is left: {remark}")
    return remark


def files(source: str | Path | Iterable[str | Path]) -> list[Path]:
    """The pictures of a folder and its subfolders by their names, those that a pattern such as
    "photos/*.jpg" matches, a file as it is; of several of these one after the other.

    In folders a picture is what is named like one; hidden files are none.

    Raises:
        UsageError: there is no such file, or no picture in the folder.
    """
    if not isinstance(source, str | os.PathLike):
        return [path for one in source for path in files(one)]
    path = Path(source).expanduser()
    if path.is_dir():
        inside = sorted(place.relative_to(path) for place in path.rglob("*"))
        hidden = (any(part.startswith(".") for part in place.parts) for place in inside)
        found = [
            path / place
            for place, is_hidden in zip(inside, hidden, strict=True)
            if place.suffix.lower() in SUFFIXES and not is_hidden and (path / place).is_file()
        ]
        if not found:
            raise UsageError(
                f"{name_of(path)} holds no picture: expected files named {', '.join(SUFFIXES)}"
            )
        return found
    if not path.exists() and glob.has_magic(str(path)):
        matching = map(Path, sorted(glob.glob(str(path), recursive=True)))
        if found := [one for one in matching if one.is_file()]:
            return found
        raise UsageError(f"{name_of(path)}: no file matches this pattern")
    if not path.exists():
        raise UsageError(f"{name_of(path)}: there is no such file or folder")
    return [path]


def load_many(
    images: Iterable[Any],
    preparation: Preparation,
    *,
    threads: int = 4,
    most_pixels: int = MOST_PIXELS,
    refused: Callable[[Refused], None] | None = None,
) -> Iterator[Picture]:
    """Prepared pictures in the order of `images`, read ahead in threads.

    Args:
        images: what `read` takes each of.
        refused: hears of each picture that cannot be read, which is then left out; None: the first
            one is an error.

    Raises:
        UsageError: a picture cannot be read and nobody hears of it.
    """
    check_positive(threads=threads)

    def square(image: Any) -> tuple[Tensor, Placement]:
        return preparation.square(read(image, most_pixels=most_pixels))

    for image, future in _ahead(square, images, threads):
        try:
            pixels, placement = future.result()
        except UsageError as error:
            if refused is None:
                raise
            refused(Refused(image, str(error)))
        else:
            yield Picture(image, preparation.normalize(pixels), placement)


class Squares:
    """The pictures of a training set as squares, each kept once it was read, as far as they fit.

    Args:
        images: what `read` takes each of.
        most_bytes: that are kept in memory; what does not fit is read anew each time. A picture
            takes `3 * size ** 2` bytes.
    """

    def __init__(
        self,
        images: Sequence[Any],
        preparation: Preparation,
        *,
        threads: int = 4,
        most_bytes: int = 2 << 30,
        most_pixels: int = MOST_PIXELS,
    ) -> None:
        check_positive(threads=threads)
        self.images, self.preparation = images, preparation
        self.threads, self.most_pixels = threads, most_pixels
        size = preparation.size
        kept = min(len(images), most_bytes // (3 * size**2))
        self._kept = torch.empty(kept, 3, size, size, dtype=torch.uint8)
        self._known = np.zeros(kept, bool)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Sequence[int]) -> Tensor:
        """The pictures with these numbers, uint8 `[rows, 3, size, size]`.

        Raises:
            UsageError: one of them cannot be read.
        """
        return next(self.batches([rows]))

    def batches(self, batches: Iterable[Sequence[int]]) -> Iterator[Tensor]:
        """As `squares[rows]` of each, the next of them read ahead."""
        with ThreadPoolExecutor(self.threads) as pool:
            pending: deque[tuple[Sequence[int], dict[int, Future[Tensor]]]] = deque()
            for batch in batches:
                rows = list(map(int, batch))
                unknown = {row for row in rows if row >= len(self._known) or not self._known[row]}
                pending.append((rows, {row: pool.submit(self._one, row) for row in unknown}))
                if len(pending) > 1:
                    yield self._batch(*pending.popleft())
            while pending:
                yield self._batch(*pending.popleft())

    def _batch(self, rows: Sequence[int], coming: Mapping[int, Future[Tensor]]) -> Tensor:
        if not coming:
            return self._kept[torch.as_tensor(rows)]
        return torch.stack(
            [coming[row].result() if row in coming else self._kept[row] for row in rows]
        )

    def check(self) -> list[Refused]:
        """Reads all once, and tells which cannot be read."""
        refused = []
        for row, future in _ahead(self._one, range(len(self)), self.threads):
            try:
                future.result()
            except UsageError as error:
                refused.append(Refused(self.images[row], str(error)))
        return refused

    def _one(self, row: int) -> Tensor:
        if row < len(self._known) and self._known[row]:
            return self._kept[row]
        image = read(self.images[row], most_pixels=self.most_pixels)
        square, _ = self.preparation.square(image)
        if row < len(self._known):
            self._kept[row] = square
            self._known[row] = True
        return square


def _ahead(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Each item and what becomes of it, in order, at most some pictures ahead."""
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                pending.append((item, pool.submit(work, item)))
                if len(pending) > threads * AHEAD:
                    yield pending.popleft()
            while pending:
                yield pending.popleft()
        finally:
            for _, future in pending:
                future.cancel()
