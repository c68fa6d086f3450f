"""How long a run has taken, and what it did between two reports."""

from __future__ import annotations

import time

from torch import Tensor

from nlp.core.training_state import Counters


class Clock:
    """Counts a run's seconds, over all its parts."""

    def __init__(self, counters: Counters) -> None:
        self.counters, self.last = counters, time.perf_counter()

    def tick(self) -> None:
        now = time.perf_counter()
        self.counters.seconds += now - self.last
        self.last = now


class LogWindow:
    """Sums over the steps between two reports; on a GPU they stay there until asked for."""

    def __init__(self, total: float = 0.0, count: float = 0, seconds: float = 0.0) -> None:
        self.begin = time.perf_counter() - seconds
        self.total: Tensor | float = total
        self.count = count

    def add(self, mean: Tensor, count: int) -> None:
        self.total = self.total + mean.detach().float() * count
        self.count += count

    def mean(self) -> float:
        return float(self.total) / self.count

    def seconds(self) -> float:
        return time.perf_counter() - self.begin
