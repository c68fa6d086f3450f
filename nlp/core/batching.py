"""Ids to batches: the windows of a language model over one long text.

The text is cut into `batch_size` streams of equal length, read side by side; a batch is the next
`window` positions of each, and its targets are the same positions one further on. So a row goes on
where the same row of the batch before ended, and a recurrent state can be carried over
(truncated back-propagation through time, Williams and Peng 1990).

    text     a b c d e f g h i j k l m
    streams  a b c d e f      window 3:  (a b c), (d e f)
             g h i j k l                 (g h i), (j k l)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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


def token_frequencies(ids: np.ndarray, vocabulary_size: int) -> Tensor:
    """How often each token occurs in `ids` `[tokens]`: `[vocabulary_size]` float64."""
    counts = np.zeros(vocabulary_size)
    for begin in range(0, len(ids), 1 << 20):  # a memory-mapped text stays on the disk
        counts += np.bincount(ids[begin : begin + (1 << 20)], minlength=vocabulary_size)
    return torch.from_numpy(counts)
