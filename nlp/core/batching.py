"""Ids to batches: sentences of about the same length, and the windows of a language model.

`Buckets` puts sentences of like length side by side, so that little of a batch is padding.
`Windows` cuts one long text into `batch_size` streams of equal length, read side by side; a batch
is the next `window` positions of each, and its targets are the same positions one further on. So a
row goes on where the same row of the batch before ended, and a recurrent state can be carried over
(truncated back-propagation through time, Williams and Peng 1990).

    text     a b c d e f g h i j k l m
    streams  a b c d e f      window 3:  (a b c), (d e f)
             g h i j k l                 (g h i), (j k l)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError


class Window(NamedTuple):
    """A batch of a language model."""

    inputs: Tensor  # [batch, time] int64
    targets: Tensor  # [batch, time] int64: the inputs' followers


class Windows:
    """The batches of one split, an epoch at a time.

    Every epoch starts at another place of the text, so that the cuts between windows and between
    streams move. `epoch(n)` is a function of the seed and n alone.

    Args:
        ids: `[tokens]`, in memory or memory-mapped.
        batch_size: streams read side by side.
        window: positions in a batch, the length of truncated back-propagation.
        seed: draws where each epoch starts; None starts all at the first token.
        start_id: takes the place of the first input of each stream: a text begins here, as when
            the model scores or writes one. The targets are untouched.
    """

    def __init__(
        self,
        ids: np.ndarray,
        batch_size: int,
        window: int,
        *,
        seed: int | None = None,
        start_id: int | None = None,
    ) -> None:
        if len(ids) < window + 1:
            raise UsageError(
                f"the text is {len(ids):,} tokens long and a window takes {window + 1:,}: "
                "give more text or a shorter --window"
            )
        self.ids, self.window, self.seed, self.start_id = ids, window, seed, start_id
        # A short text fills fewer streams rather than none.
        self.batch_size = min(batch_size, (len(ids) - 1) // window)
        shift = 0 if seed is None else min(window, len(ids) - 1 - self.batch_size * window)
        self.largest_shift = shift
        self.stream = (len(ids) - 1 - shift) // self.batch_size  # targets in a stream

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self.stream // self.window)

    def epoch(self, number: int, skip: int = 0) -> Iterator[Window]:
        """The batches of an epoch, without its first `skip`."""
        shift = 0
        if self.seed is not None:
            draw = np.random.default_rng((self.seed, number))
            shift = int(draw.integers(self.largest_shift + 1))
        starts = shift + self.stream * np.arange(self.batch_size)
        for begin in range(skip * self.window, self.stream, self.window):
            end = min(begin + self.window, self.stream)
            rows = np.stack([self.ids[start + begin : start + end + 1] for start in starts])
            tokens = torch.from_numpy(rows.astype(np.int64))
            inputs, targets = tokens[:, :-1], tokens[:, 1:]
            if begin == 0 and self.start_id is not None:
                inputs = inputs.clone()
                inputs[:, 0] = self.start_id
            yield Window(inputs, targets)


class Buckets:
    """The batches of separate sequences, an epoch at a time.

    In each epoch the sequences are shuffled, sorted by length with some chance left in the order,
    cut into batches, and these shuffled again. `epoch(n)` is a function of the seed and n alone.

    Args:
        lengths: of the sequences, in positions; of pairs both, and then the second decides among
            those whose first are the same.
        batch_size: sequences of a batch, at most.
        collate: makes a batch of the numbers of its sequences.
        limit: positions of a batch with its padding, at most; one longer sequence is a batch.
        area: of pairs, also the products of both lengths, which is what attention takes.
        seed: of the shuffling; None keeps to the order of the lengths.
    """

    def __init__(
        self,
        lengths: Sequence[int] | Sequence[tuple[int, int]],
        batch_size: int,
        collate: Callable[[list[int]], Any],
        *,
        limit: int = 1 << 14,
        area: int = 1 << 19,
        seed: int | None = None,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size, self.collate, self.seed = batch_size, collate, seed
        self.limit, self.area = limit, area
        self._count = len(self._cut(0))

    def __len__(self) -> int:
        """Batches of the first epoch; a shuffled one may have one or two more or less."""
        return self._count

    def epoch(self, number: int, skip: int = 0) -> Iterator[Any]:
        """The batches of an epoch, without its first `skip`."""
        for rows in self._cut(number)[skip:]:
            yield self.collate(rows)

    def _cut(self, number: int) -> list[list[int]]:
        draw = None if self.seed is None else np.random.default_rng((self.seed, number))
        alone = self.lengths.ndim == 1
        # A tenth more or less does not fill the batch with padding; of pairs, both count.
        most = 0.1 if alone else 0.03
        chance = 1.0 if draw is None else draw.uniform(1 - most, 1 + most, len(self.lengths))
        sizes = self.lengths[:, None].tolist() if alone else self.lengths.tolist()
        batches: list[list[int]] = []
        longest: list[int] = []
        if not alone:
            first, second = self.lengths.T
            order = np.lexsort((second * chance, np.rint(first * chance)))
        else:
            order = np.argsort(self.lengths * chance, kind="stable")
        for row in order:
            own = sizes[row]
            full = not batches or len(batches[-1]) == self.batch_size
            if not full:
                longest = [max(pair) for pair in zip(longest, own, strict=True)]
                count = len(batches[-1]) + 1
                full = count * max(longest) > self.limit
                full |= len(own) > 1 and count * math.prod(longest) > self.area
            if full:
                batches.append([])
                longest = own
            batches[-1].append(int(row))
        if draw is not None:
            draw.shuffle(batches)
        return batches


def of_like_length(
    lengths: Sequence[int] | Sequence[tuple[int, int]], batch_size: int
) -> Iterator[list[int]]:
    """The numbers of sequences that are best read together, a batch after the other."""
    return Buckets(lengths, batch_size, lambda rows: rows).epoch(0)


def token_frequencies(ids: np.ndarray, vocabulary_size: int) -> Tensor:
    """How often each token occurs in `ids` `[tokens]`: `[vocabulary_size]` float64."""
    counts = np.zeros(vocabulary_size)
    for begin in range(0, len(ids), 1 << 20):  # a memory-mapped text stays on the disk
        counts += np.bincount(ids[begin : begin + (1 << 20)], minlength=vocabulary_size)
    return torch.from_numpy(counts)
