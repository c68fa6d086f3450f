"""Samples of a search: texts drawn from the model, in the shape of those that a beam finds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nlp.core.search.conditioned import Conditioned
from nlp.core.search.hypotheses import Step
from nlp.core.search.unfinished import Task, Unfinished
from nlp.core.strategies import Sampling, exact


class Samples(Unfinished):
    def __init__(self, model: Conditioned, task: Task, strategy: Sampling, seed: int) -> None:
        n_best = task.n_best
        super().__init__(model, task, n_best)
        self.strategy = strategy
        self.ended = np.zeros((model.sources, n_best), dtype=bool)
        self.totals = np.zeros((model.sources, n_best))
        # A sample has a generator of its own, on the CPU, so that it depends on its seed alone.
        self.generators = [torch.Generator().manual_seed(seed + i) for i in range(n_best)]

    def advance(self) -> None:
        """One more token on every sample, those of a source that have ended among them."""
        table, attention = self.read(), self.model.attention(self.state)
        ends = table[:, self.stop_id].clone()
        self.rules.apply(table)
        token, _ = self.strategy.choose(table, None, self._uniform())
        # What is still in the table is as it was; the stop symbol may be the last resort.
        own = table.gather(1, token.unsqueeze(1)).squeeze(1)
        shape = (len(self.alive), self.width)
        token, own = token.view(shape), own.view(shape)
        self.lattice.steps.append(
            Step(
                self.alive,
                torch.arange(self.width, device=self.device).expand(shape),
                token,
                own,
                ends.view(shape),
                attention,
            )
        )
        self.go_on(token, None, self._note(token, own))

    def _note(self, token: Tensor, own: Tensor) -> np.ndarray:
        told = self.told(torch.stack([(token == self.stop_id).to(own), own]))
        stopped, alive = told[0] > 0, self.alive
        cut = self.limits[alive] <= self.time
        open_ = ~self.ended[alive]
        self.totals[alive] += np.where(open_, told[1], 0)
        for number, place in zip(*np.nonzero(open_ & (stopped | cut[:, None])), strict=True):
            self.lattice.finish(
                alive[number],
                place,
                self.totals[alive[number], place],
                ended=bool(stopped[number, place]),
            )
        self.ended[alive] |= stopped
        return cut | self.ended[alive].all(1)

    def _uniform(self) -> Tensor:
        """A number from 2^-53 to 1 for each row; the same for the i-th sample of each source."""
        drawn = [1 - torch.rand(1, generator=g, dtype=torch.float64) for g in self.generators]
        column = torch.cat(drawn).to(exact(self.device)).to(self.device)
        return column.repeat(len(self.alive)).unsqueeze(1)
