"""The training batches of a captioner: pictures changed a little, some captions of each, and behind
a given epoch captions that the model draws itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from corpora.captions import Captioned
from nlp.core.batching import Buckets
from vision.augment import Augmentation
from vision.caption_words import words_of
from vision.captioner.model import CaptionBatch, Captioner
from vision.captioner.self_critical import self_critical_batch
from vision.cider import Cider
from vision.images import Squares

ROOM = 1.5  # times the longest true caption: how long a drawn one may be


class CaptionBatches:
    """The batches of an epoch: each picture once, with some of its captions.

    Args:
        model: whose captions are spelled, and drawn.
        items: pictures with their captions.
        squares, rows: the same pictures' pixels, and their numbers there.
        augmentation: how pictures are changed.
        batch_size: pictures of a batch.
        captions_per_image: of each picture, drawn anew each epoch; 0 is all.
        critical_from: the epoch from which on captions are drawn from the model; None: never.
        seed: of the order; what else is left to chance is drawn from torch's own generator, so
            that a resumed run draws the same.
    """

    def __init__(
        self,
        model: Captioner,
        items: Sequence[Captioned],
        squares: Squares,
        rows: Sequence[int],
        augmentation: Augmentation,
        *,
        batch_size: int,
        captions_per_image: int,
        critical_from: float | None,
        seed: int,
    ) -> None:
        self.model, self.items, self.squares, self.rows = model, items, squares, rows
        self.augmentation, self.count = augmentation, captions_per_image
        self.critical_from = critical_from
        texts = [text for item in items for text in item.captions]
        spelled = iter(model.texts.encode(texts, target=True))
        self.captions = [[next(spelled) for _ in item.captions] for item in items]
        lengths = [max(map(len, own)) for own in self.captions]
        self.longest = max(lengths)
        most = max(map(len, self.captions)) if not self.count else self.count
        limit = batch_size * most * (self.longest + 1)  # whatever the captions, as many pictures
        self.buckets: Buckets = Buckets(
            lengths, batch_size, lambda numbers: numbers, limit=limit, seed=seed
        )
        self.concepts = (
            None
            if model.concepts is None
            else torch.stack([model.concepts.targets(item.captions) for item in items])
        )
        self._cider: Cider | None = None

    def __len__(self) -> int:
        return len(self.buckets)

    def pieces(self) -> list[np.ndarray]:
        """The ids of all captions, and their ends."""
        rows = [np.asarray(caption) for own in self.captions for caption in own]
        return [*rows, np.full(len(rows), self.model.start_id)]

    def epoch(self, number: int, skip: int = 0) -> Iterator[CaptionBatch]:
        """The batches of an epoch, without its first `skip`."""
        critical = self.critical_from is not None and number >= self.critical_from
        batches = list(self.buckets.epoch(number, skip))
        places = [[self.rows[place] for place in numbers] for numbers in batches]
        for numbers, squares in zip(batches, self.squares.batches(places), strict=True):
            chance = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
            pixels = self.squares.preparation.normalize(self.augmentation(squares, chance))
            yield self._judged(pixels, numbers) if critical else self._true(pixels, numbers)

    def _true(self, pixels: Tensor, numbers: Sequence[int]) -> CaptionBatch:
        chosen: list[list[int]] = []
        owners: list[int] = []
        for row, number in enumerate(numbers):
            own = self.captions[number]
            if self.count and self.count < len(own):
                own = [own[place] for place in torch.randperm(len(own))[: self.count].tolist()]
            chosen += own
            owners += [row] * len(own)
        concepts = None if self.concepts is None else self.concepts[torch.tensor(numbers)]
        return self.model.batch(pixels, chosen, owners, concepts=concepts)

    def _judged(self, pixels: Tensor, numbers: Sequence[int]) -> CaptionBatch:
        if self._cider is None:
            # With the end as a word: else captions that stop amidst a phrase cost nothing.
            self._cider = Cider(
                [item.captions for item in self.items], words=lambda text: [*words_of(text), "\n"]
            )
        return self_critical_batch(
            self.model,
            pixels,
            numbers,
            self._cider,
            draws=self.count or 5,
            max_length=int(ROOM * self.longest) + 1,
        )
