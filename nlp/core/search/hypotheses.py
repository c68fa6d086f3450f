"""The texts of a search, rebuilt at its end from back pointers.

While a search runs it notes, for every step and every place of a beam, which place it came from,
by which token, and how probable that was. Nothing is copied when a beam is reordered; the few
hypotheses that are wanted are traced back at the end, all of them at once.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Hypothesis:
    """One text that a search found.

    ids                the tokens, without the stop symbol
    log_probabilities  the model's own log-probability of each, in nats, before any penalty and
                       constraint
    end                that of the stop symbol; None where max_tokens cut the text
    score              what hypotheses are ranked by: penalties included
    attention          `[len(ids), source positions]`, float32 on the CPU; None where the model
                       has none
    """

    ids: list[int]
    log_probabilities: list[float]
    end: float | None
    score: float
    attention: Tensor | None = field(compare=False)


class Step(NamedTuple):
    """One step of all sources alive, `[alive, width]` each."""

    alive: np.ndarray  # their numbers, [alive]
    parents: Tensor  # the place each new place came from
    tokens: Tensor
    log_probabilities: Tensor
    ends: Tensor  # log-probability of the stop symbol at each old place
    attention: Tensor | None  # of each old place, [alive * width, source positions]


class Found(NamedTuple):
    """A finished text; one compares as smaller that is worse."""

    ended: bool  # by the stop symbol: these are all better than those cut by max_tokens
    score: float
    order: int  # minus the number of texts found before: of equals, the first is better
    step: int  # counted from 1; the step of the stop symbol, or the last one
    place: int  # the old place at that step where the text ended, the new one where it was cut


class Lattice:
    """Every step of a search, and the `n_best` best texts of each source found so far."""

    def __init__(self, sources: int, width: int, n_best: int) -> None:
        self.width, self.n_best = width, n_best
        self.steps: list[Step] = []
        self.best: list[list[Found]] = [[] for _ in range(sources)]  # heaps: the worst is first
        self.ended = np.zeros(sources, dtype=np.int64)  # how many texts of each have ended
        self.worst = np.full(sources, -math.inf)  # the score that a text must exceed to be wanted
        self._order = 0

    def finish(self, source: int, place: int, score: float, *, ended: bool) -> None:
        """A text of `source` is complete at the latest step."""
        self._order += 1
        best = self.best[source]
        found = Found(ended, float(score), -self._order, len(self.steps), place)
        (heapq.heappush if len(best) < self.n_best else heapq.heappushpop)(best, found)
        self.ended[source] += ended
        if len(best) == self.n_best:
            self.worst[source] = best[0].score

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Of each source its best texts, best first."""
        ranked = [sorted(best, reverse=True) for best in self.best]
        wanted = [found for best in ranked for found in best]
        if not wanted:
            return [[] for _ in ranked]
        sources = np.repeat(np.arange(len(ranked)), [len(best) for best in ranked])
        texts = iter(self._trace(wanted, sources))
        return [[next(texts) for _ in best] for best in ranked]

    def _trace(self, wanted: list[Found], sources: np.ndarray) -> list[Hypothesis]:
        tokens, parents = self._column("tokens"), self._column("parents")
        scores, ends = self._column("log_probabilities"), self._column("ends")
        starts = np.cumsum([0, *(step.parents.numel() for step in self.steps)])
        ended = np.array([found.ended for found in wanted])
        place = np.array([found.place for found in wanted])
        steps = np.array([found.step for found in wanted])
        lengths = steps - ended

        ids = np.zeros((len(wanted), len(self.steps)), dtype=np.int64)
        log_probabilities = np.zeros((len(wanted), len(self.steps)))
        end = np.zeros(len(wanted))
        attention = self._room(len(wanted), lengths.max())
        for number in range(len(self.steps), 0, -1):
            step, start = self.steps[number - 1], starts[number - 1]
            row = np.searchsorted(step.alive, sources) * self.width  # `alive` ascends
            stopped = np.flatnonzero(ended & (steps == number))
            end[stopped] = ends[start + row[stopped] + place[stopped]]
            on = np.flatnonzero(lengths >= number)
            here = start + row[on] + place[on]
            ids[on, number - 1] = tokens[here]
            log_probabilities[on, number - 1] = scores[here]
            place[on] = parents[here]
            if attention is not None and step.attention is not None and len(on):
                rows = torch.from_numpy(row[on] + place[on]).to(step.attention.device)
                weights = step.attention[rows].float().cpu()
                attention[torch.from_numpy(on), number - 1, : weights.shape[1]] = weights
        return [
            Hypothesis(
                ids[i, :length].tolist(),
                log_probabilities[i, :length].tolist(),
                float(end[i]) if found.ended else None,
                found.score,
                None if attention is None else attention[i, :length].clone(),
            )
            for i, (found, length) in enumerate(zip(wanted, lengths, strict=True))
        ]

    def _column(self, name: str) -> np.ndarray:
        parts: list[Tensor] = [getattr(step, name).flatten() for step in self.steps]
        return torch.cat(parts).cpu().numpy()

    def _room(self, texts: int, time: int) -> Tensor | None:
        """Where their attention goes: as wide as the widest step, for `keep` may drop padding."""
        widths = [step.attention.shape[1] for step in self.steps if step.attention is not None]
        return torch.zeros(texts, time, max(widths)) if widths else None
