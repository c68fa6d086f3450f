"""Several translators as one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


class Together:
    """Several models before the same sources: the mean of their probabilities.

    A state is those of all, one after the other.

    Args:
        alike: of each, whether it reads the sources in the same positions as the first.
    """

    def __init__(self, readings: Sequence[Any], alike: Sequence[bool]) -> None:
        self.readings, self.alike = list(readings), alike
        first = self.readings[0]
        self.sources, self.device = first.sources, first.device
        self.vocabulary_size = first.vocabulary_size
        self.source_mask = first.source_mask
        self._parts: list[int] = []

    def start(self, width: int) -> tuple[torch.Tensor, ...]:
        states = [reading.start(width) for reading in self.readings]
        self._parts = [len(state) for state in states]
        return tuple(itertools.chain(*states))

    def _split(self, state: tuple[torch.Tensor, ...]) -> list[tuple[torch.Tensor, ...]]:
        ends = list(itertools.accumulate(self._parts))
        return [state[end - own : end] for end, own in zip(ends, self._parts, strict=True)]

    def step(
        self, token: torch.Tensor, state: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        answers = [
            reading.step(token, own)
            for reading, own in zip(self.readings, self._split(state), strict=True)
        ]
        chances = torch.stack([logits.float().log_softmax(1) for logits, _ in answers])
        mean = chances.logsumexp(0) - np.log(len(answers))
        return mean, tuple(itertools.chain(*(own for _, own in answers)))

    def keep(self, sources: torch.Tensor) -> Together:
        kept = Together([reading.keep(sources) for reading in self.readings], self.alike)
        kept._parts = self._parts
        return kept

    def attention(self, state: tuple[torch.Tensor, ...]) -> torch.Tensor | None:
        """The mean of those models' that have one and read the sources as the first does."""
        weights = [
            reading.attention(own)
            for reading, own, alike in zip(
                self.readings, self._split(state), self.alike, strict=True
            )
            if alike
        ]
        known = [one for one in weights if one is not None]
        return torch.stack(known).mean(0) if known else None
