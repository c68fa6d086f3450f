"""The training batches of a detector: pictures changed and put together, their boxes with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from corpora.detections import Annotated
from corpora.errors import UsageError
from vision.augment import Augmentation
from vision.detector.model import COARSEST, DetectionBatch, Detector
from vision.detector.mosaic import Changes, Example, compose
from vision.images import Preparation, Refused, pillow, read

LARGER = 2  # times the square's side: more pixels than that are never needed
AHEAD = 3  # batches


class Examples:
    """Pictures with their boxes, each kept once it was read, as far as they fit.

    Crowds and boxes that are marked difficult are not learned from.

    Args:
        items: what was read of the data.
        labels: the classes.
        size: side of the squares that are made of them; larger pictures are kept at twice that.
        most_bytes: that are kept in memory; what does not fit is read anew each time.
    """

    def __init__(
        self,
        items: Sequence[Annotated],
        labels: Sequence[str],
        size: int,
        *,
        most_bytes: int = 2 << 30,
    ) -> None:
        self.items, self.size, self.left_bytes = items, size, most_bytes
        numbers = {label: number for number, label in enumerate(labels)}
        self.kept: dict[int, np.ndarray] = {}
        self.learned = [
            [box for box in item.boxes if not box.difficult and not box.crowd] for item in items
        ]
        self.labels = [
            np.array([numbers[box.label] for box in own], np.int64) for own in self.learned
        ]
        self.scales = [1.0] * len(items)

    @property
    def left_out(self) -> int:
        """Boxes that are not learned from."""
        return sum(len(item.boxes) for item in self.items) - sum(map(len, self.learned))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Example:
        """A picture and its boxes, in its pixels.

        Raises:
            UsageError: it cannot be read.
        """
        pixels = self.kept.get(row)
        if pixels is None:
            pixels = self._read(row)
            if pixels.nbytes <= self.left_bytes:
                self.left_bytes -= pixels.nbytes
                self.kept[row] = pixels
        boxes = np.array([box[1:5] for box in self.learned[row]], np.float64).reshape(-1, 4)
        return Example(pixels, boxes * self.scales[row], self.labels[row])

    def check(self, threads: int = 4) -> list[Refused]:
        """Reads all once, and tells which cannot be read."""
        refused = []
        with ThreadPoolExecutor(threads) as pool:
            for row, error in enumerate(pool.map(self._tried, range(len(self)))):
                if error is not None:
                    refused.append(Refused(self.items[row].image, str(error)))
        return refused

    def keep(self, rows: Sequence[int]) -> None:
        """Forgets all but these, which are numbered anew."""
        self.kept = {place: self.kept[row] for place, row in enumerate(rows) if row in self.kept}
        for name in ("items", "learned", "labels", "scales"):
            whole = getattr(self, name)
            setattr(self, name, [whole[row] for row in rows])

    def sizes(self) -> np.ndarray:
        """Widths and heights of all boxes `[boxes, 2]`, in pixels of the squares."""
        found = [np.zeros((0, 2))]
        for item, own in zip(self.items, self.learned, strict=True):
            boxes = np.array([box[1:5] for box in own], np.float64).reshape(-1, 4)
            scale = self.size / max(item.width, item.height)
            found.append((boxes[:, 2:] - boxes[:, :2]) * scale)
        return np.concatenate(found)

    def _tried(self, row: int) -> UsageError | None:
        try:
            self[row]
        except UsageError as error:
            return error
        return None

    def _read(self, row: int) -> np.ndarray:
        pixels = read(self.items[row].image)
        height, width = pixels.shape[:2]
        scale = min(1.0, LARGER * self.size / max(height, width))
        if scale < 1:
            library = pillow()
            sides = max(1, round(width * scale)), max(1, round(height * scale))
            image = library.fromarray(pixels).resize(sides, library.Resampling.BILINEAR)
            pixels = np.asarray(image)
        self.scales[row] = scale
        return pixels


class DetectionBatches:
    """The batches of an epoch: each picture once, alone or with three others.

    What is left to chance depends on the seed, the epoch and the place in it alone, so that a
    resumed run sees the same.

    Args:
        model: for which they are made.
        examples: the pictures.
        changes, jitter: how they are changed, see `vision.detector.mosaic.Changes`, and
            `vision.augment.Augmentation`.
        batch_size: pictures of a batch.
        multi_scale: the squares' sides are 1 - multi_scale to 1 + multi_scale times the model's
            size, the same in a batch.
        plain_from: the share of the run from which on there are no mosaics.
        progress: how much of the run is done when an epoch's part, 0 to 1, is; see `epoch`.
        seed: of all that is drawn.
    """

    def __init__(
        self,
        model: Detector,
        examples: Examples,
        changes: Changes,
        *,
        jitter: float,
        batch_size: int,
        multi_scale: float,
        plain_from: float,
        progress: Callable[[float], float],
        seed: int,
        threads: int = 2,
    ) -> None:
        self.model, self.examples, self.changes = model, examples, changes
        self.augmentation = Augmentation(jitter=jitter)
        self.batch_size, self.plain_from, self.progress = batch_size, plain_from, progress
        self.seed, self.threads = seed, threads
        self.preparation: Preparation = model.preparation
        size = self.preparation.size
        reach = int(multi_scale * size // COARSEST)
        self.sizes = [size + COARSEST * n for n in range(-reach, reach + 1)]
        self.ground = np.rint(np.array(self.preparation.mean) * 255).astype(np.uint8)

    def __len__(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    def epoch(self, number: int, skip: int = 0) -> Iterator[DetectionBatch]:
        """The batches of an epoch, without its first `skip`, made ahead in threads."""
        order = np.random.default_rng((self.seed, number)).permutation(len(self.examples))
        with ThreadPoolExecutor(self.threads) as pool:
            pending: deque[tuple[int, list[Future[Example]]]] = deque()
            for place in range(skip, len(self)):
                pending.append((place, self._begun(pool, number, place, order)))
                if len(pending) > AHEAD:
                    yield self._ready(number, *pending.popleft())
            while pending:
                yield self._ready(number, *pending.popleft())

    def _begun(
        self, pool: ThreadPoolExecutor, number: int, place: int, order: np.ndarray
    ) -> list[Future[Example]]:
        chance = np.random.default_rng((self.seed, number, place))
        size = int(chance.choice(self.sizes))
        plain = self.progress(number + place / len(self)) >= self.plain_from
        rows = order[place * self.batch_size : (place + 1) * self.batch_size]
        if len(rows) == 1:  # batch norm takes no single cell of a single picture
            size = max(size, 2 * COARSEST)
        begun = []
        for row, own in zip(rows.tolist(), chance.spawn(len(rows)), strict=True):
            begun.append(pool.submit(self._composed, row, size, plain, own))
        return begun

    def _composed(self, row: int, size: int, plain: bool, chance: np.random.Generator) -> Example:
        rows = [row]
        if chance.random() < self.changes.mosaic and not plain:
            rows += chance.integers(len(self.examples), size=3).tolist()
        examples = [self.examples[one] for one in rows]
        return compose(examples, size, self.changes, chance, self.ground.tolist())

    def _ready(self, number: int, place: int, begun: Sequence[Future[Example]]) -> DetectionBatch:
        made = [future.result() for future in begun]
        squares = torch.from_numpy(np.stack([one.pixels for one in made]))
        squares = squares.permute(0, 3, 1, 2)
        seed = int(np.random.default_rng((self.seed, number, place, 1)).integers(1 << 62))
        changed = self.augmentation(squares.contiguous(), torch.Generator().manual_seed(seed))
        pixels: Tensor = self.preparation.normalize(changed)
        return self.model.batch(
            pixels, [one.boxes for one in made], [one.labels.tolist() for one in made]
        )
