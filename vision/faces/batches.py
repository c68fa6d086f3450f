"""The training batches of a face encoder: some pictures each of some people, changed a little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import torch

from vision.augment import Augmentation
from vision.faces.model import FaceBatch, FaceEncoder
from vision.images import Squares


class FaceBatches:
    """The batches of an epoch: each picture once, those of one person in groups.

    Triplets need two faces of a person in a batch, and several people. So pictures come in groups
    of `pictures_per_person` of one person; a group that would be short is filled up with more of
    the same person's pictures. Who has fewer than that is there with some of them twice or more,
    each time changed differently. The groups of a person are spread over the epoch.

    Args:
        model: whose batches they are.
        squares: the pictures to train on.
        people: the number of each one's person.
        people_per_batch: groups of a batch.
        margin_steps: batches over which arcface's margin grows from 0 to what it is.
        seed: of the order; how pictures are changed is drawn from torch's own generator, so that a
            resumed run draws the same.
    """

    def __init__(
        self,
        model: FaceEncoder,
        squares: Squares,
        people: Sequence[int],
        augmentation: Augmentation,
        *,
        people_per_batch: int,
        pictures_per_person: int,
        margin_steps: int,
        seed: int,
    ) -> None:
        self.model, self.squares, self.augmentation = model, squares, augmentation
        self.people = np.asarray(people)
        self.own = [np.flatnonzero(self.people == one) for one in np.unique(self.people)]
        self.each, self.seed = pictures_per_person, seed
        self.margin_steps = margin_steps
        groups = sum(ceil(len(own) / self.each) for own in self.own)
        self.groups = min(people_per_batch, groups)
        self._count = ceil(groups / self.groups)

    def __len__(self) -> int:
        return self._count

    def order(self, number: int) -> list[list[int]]:
        """The batches of an epoch, as numbers of pictures."""
        chance = np.random.default_rng((self.seed, number))
        groups: list[tuple[float, list[int]]] = []
        for own in self.own:
            many = ceil(len(own) / self.each)
            filled = np.resize(chance.permutation(own), (many, self.each)).tolist()
            keys = (np.arange(many) + chance.random(many)) / many
            groups += zip(keys.tolist(), filled, strict=True)
        ordered = [group for _, group in sorted(groups)]
        missing = self._count * self.groups - len(ordered)
        ordered += ordered[:missing]  # all batches are of one size
        return [
            [place for group in ordered[start : start + self.groups] for place in group]
            for start in range(0, len(ordered), self.groups)
        ]

    def epoch(self, number: int, skip: int = 0) -> Iterator[FaceBatch]:
        """The batches of an epoch, without its first `skip`."""
        order = self.order(number)[skip:]
        squares = self.squares.batches(order)
        for done, (places, pixels) in enumerate(zip(order, squares, strict=True), start=skip):
            chance = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
            changed = self.squares.preparation.normalize(self.augmentation(pixels, chance))
            passed = number * len(self) + done
            warmth = min(1.0, passed / self.margin_steps) if self.margin_steps else 1.0
            yield self.model.batch(changed, self.people[places].tolist(), warmth)
