"""The texts that a search is writing: what a beam and samples have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.recurrent import State
from nlp.core.search.conditioned import Conditioned
from nlp.core.search.constraints import Constraints, Rules
from nlp.core.search.hypotheses import Lattice


class Task(NamedTuple):
    """What is asked of a search."""

    start_ids: Sequence[int]  # of each source
    stop_id: int
    limits: np.ndarray  # of tokens, the stop symbol counted, [sources]
    n_best: int
    constraints: Constraints


class Unfinished:
    """The sources that are not done, and the `width` texts being written for each."""

    state: State
    token: Tensor

    def __init__(self, model: Conditioned, task: Task, width: int) -> None:
        self.model, self.width = model, width
        self.stop_id, self.limits = task.stop_id, task.limits
        self.alive = np.arange(model.sources)  # their numbers
        self.device = model.device
        self.rules = Rules(
            task.constraints,
            stop_id=task.stop_id,
            sources=model.sources,
            width=width,
            device=self.device,
        )
        self.lattice = Lattice(model.sources, width, task.n_best)
        self.time = 0
        self.state = model.start(width)
        self.table = torch.empty(
            model.sources * width, model.vocabulary_size, dtype=torch.float32, device=self.device
        )
        starts = torch.tensor(task.start_ids, device=self.device)
        self.token = starts.repeat_interleave(width)

    def read(self) -> Tensor:
        """The model reads the last tokens: log-probabilities `[rows, vocabulary_size]`, in a tensor
        that may be written in until the next call."""
        self.time += 1
        logits, self.state = self.model.step(self.token, self.state)
        # On a CPU half the time of `logsumexp`, and a quarter in memory that is there already.
        table = self.table[: len(logits)]
        return torch.log_softmax(logits, -1, dtype=torch.float32, out=table)

    def go_on(self, token: Tensor, parents: Tensor | None, done: np.ndarray) -> Tensor | None:
        """Takes the next tokens `[alive, width]`, written behind the places `parents` (None: each
        its own), and drops the sources that are done. Returns the places of those that stay."""
        kept = None
        if done.any():
            stay = np.flatnonzero(~done)
            self.alive = self.alive[stay]
            if not len(stay):
                return None
            kept = torch.from_numpy(stay).to(self.device)
            self.model = self.model.keep(kept)
        rows = None
        if self.width == 1:
            parents = None  # each its own, and a state may be large
        if parents is not None or kept is not None:
            first = torch.arange(0, token.numel(), self.width, device=self.device).unsqueeze(1)
            if parents is None:
                parents = torch.arange(self.width, device=self.device).expand_as(token)
            rows = first + parents
            rows = (rows if kept is None else rows[kept]).flatten()
            self.state = tuple(part[rows] for part in self.state)
        self.token = (token if kept is None else token[kept]).flatten()
        self.rules.keep(rows, self.token, kept)
        return kept

    @staticmethod
    def told(numbers: Tensor) -> np.ndarray:
        """Numbers of a step, for the host to decide by. Raises UsageError where one is NaN."""
        told = numbers.cpu().numpy()
        if np.isnan(told).any():
            raise UsageError(
                "the model's output is not a number (NaN), so there is nothing to choose from; "
                "its training has failed: train again with a smaller learning rate"
            )
        return told
