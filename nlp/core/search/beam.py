"""Search: the best texts that a model gives each of its sources.

    log p(y | x) of every beginning kept ──► one more token on each ──► the best `size` of them all
               ▲                                                                │
               └───────────── state[rows]: reordered, never recomputed ◄────────┘

Beam search (Graves 2012; Sutskever et al. 2014) with the penalties of Wu et al. (2016) and the
patience of Kasai et al. (2022). Greedy search is a beam of one; sampling answers in the same shape.

    from nlp.core.search.beam import Beam, Prompted, search
    prompted = Prompted(model, [tokenizer.encode("Once upon a")])
    best = search(prompted, Beam(4), start_id=prompted.start_id, stop_id=0, max_tokens=50)[0][0]

At a step the beam's candidates are ranked by log-probability alone, for all are of one length. A
stop symbol among the best `size` of them ends its text; the beam goes on with the best `size` of
the others. A source that is done is dropped from the batch, and costs nothing from then on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.decoding import evaluation_mode
from nlp.core.search.conditioned import Conditioned, Prompted
from nlp.core.search.constraints import Constraints
from nlp.core.search.hypotheses import Hypothesis, Step
from nlp.core.search.samples import Samples
from nlp.core.search.unfinished import Task, Unfinished
from nlp.core.strategies import Beam, Greedy, Sampling

__all__ = ["Beam", "Conditioned", "Constraints", "Hypothesis", "Prompted", "search"]

CHUNK = 64  # numbers of a row whose maximum is taken together


@torch.inference_mode()
def search(
    model: Conditioned,
    strategy: Beam | Greedy | Sampling,
    *,
    start_id: int | Sequence[int],
    stop_id: int,
    max_tokens: int | Sequence[int],
    n_best: int = 1,
    constraints: Constraints | None = None,
    seed: int = 0,
) -> list[list[Hypothesis]]:
    """For each source of the model its `n_best` best texts, best first.

    A text ends at `stop_id`, or is cut where `max_tokens` (for all, or for each source) are
    written, the stop symbol counted; texts that were cut come behind those that ended. There may
    be fewer than `n_best` where the vocabulary or the constraints do not give as many.

    `Beam` ranks texts by its score. `Greedy` and `Sampling` rank by log-probability. `Sampling`
    draws `n_best` texts for each source, the i-th (from 0, before ranking) with `seed` + i: a
    sample depends on its source and its seed only, not on the batch. Dropout is off throughout.

    Raises UsageError for token ids the model does not know, counts below 1, more than one text
    asked of `Greedy` or more than its size of a `Beam`, constraints that do not fit, a coverage
    penalty where there is no attention, and a model that gives NaN.
    """
    sources = model.sources
    limits = _limits(max_tokens, sources)
    starts = [start_id] * sources if isinstance(start_id, int) else list(start_id)
    if len(starts) != sources:
        raise UsageError(f"start_id has {len(starts)} ids for {sources} sources; expected one each")
    for name, token in (*(("start_id", token) for token in starts), ("stop_id", stop_id)):
        if not 0 <= token < model.vocabulary_size:
            raise UsageError(
                f"{name} is {token}, but the model knows 0 to {model.vocabulary_size - 1}"
            )
    most = n_best if isinstance(strategy, Sampling) else getattr(strategy, "size", 1)
    if not 1 <= n_best <= most:
        raise UsageError(
            f"n_best is {n_best}; expected a whole number from 1 on"
            + (f", and at most {most} with {strategy}" if n_best > most else "")
        )
    if isinstance(strategy, Sampling) and strategy.repetition_penalty != 1:
        # It is defined on logits, of which a search knows the log-probabilities only.
        raise UsageError("a search has no repetition penalty: forbid runs that repeat instead")
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed is {seed}; expected a whole number from 0 to 2**63 - 1")
    constraints = constraints or Constraints()
    constraints.check(sources, model.vocabulary_size, stop_id)
    if not sources:
        return []
    task = Task(starts, stop_id, limits, n_best, constraints)
    writing: Samples | _Beams
    with evaluation_mode(cast(Any, model)):
        if isinstance(strategy, Sampling):
            writing = Samples(model, task, strategy, seed)
        else:
            greedy = Beam(1, length_penalty=0)
            writing = _Beams(model, task, strategy if isinstance(strategy, Beam) else greedy)
        while len(writing.alive):
            writing.advance()
    return writing.lattice.hypotheses()


def _limits(max_tokens: int | Sequence[int], sources: int) -> np.ndarray:
    limits = np.array([max_tokens] * sources if np.ndim(max_tokens) == 0 else max_tokens)
    if len(limits) != sources:
        raise UsageError(
            f"max_tokens has {len(limits)} numbers for {sources} sources; expected one for each"
        )
    if sources and limits.min() < 1:
        raise UsageError(f"max_tokens is {limits.min()}; expected a whole number of at least 1")
    return limits


def _largest(table: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`table.topk(count)`, on a CPU twice as fast or more where rows are long: the largest numbers
    stand in the chunks with the largest maxima."""
    main = table.shape[1] // CHUNK * CHUNK
    if main <= count * CHUNK:
        values, ids = table.topk(count)
        return values, ids
    chunks = table[:, :main].unflatten(1, (-1, CHUNK))
    chunk = chunks.amax(-1).topk(count).indices.unsqueeze(-1)  # [rows, count, 1]
    inside = chunks.gather(1, chunk.expand(-1, -1, CHUNK)).flatten(1)
    values, place = torch.cat([inside, table[:, main:]], 1).topk(count)
    begin = chunk.squeeze(-1).gather(1, (place // CHUNK).clamp(max=count - 1)) * CHUNK
    ids = torch.where(place < count * CHUNK, begin + place % CHUNK, place + main - count * CHUNK)
    return values, ids


class _Beams(Unfinished):
    def __init__(self, model: Conditioned, task: Task, beam: Beam) -> None:
        super().__init__(model, task, beam.size)
        self.beam = beam
        self.enough = max(task.n_best, beam.size * beam.patience)
        # Log-probabilities of the beginnings, [alive, size]; at first there is but one of each.
        self.totals = torch.full((model.sources, beam.size), -math.inf, device=self.device)
        self.totals[:, 0] = 0
        self.coverage: Tensor | None = None  # attention so far, [rows, source positions]

    def advance(self) -> None:
        """One more token on every beginning."""
        size, table = self.width, self.read()
        ends = table[:, self.stop_id].view(-1, size).clone()
        attention = self.model.attention(self.state)
        if self.beam.coverage_penalty:
            self.coverage = self._covered(attention)
        self.rules.apply(table)
        stops = self.totals + table[:, self.stop_id].view(-1, size)
        table[:, self.stop_id] = -math.inf

        values, tokens = _largest(table, min(size, table.shape[1]))  # of each row
        totals = (self.totals.view(-1, 1) + values).view(len(self.alive), -1)
        best, place = totals.topk(size)  # of each source
        token = tokens.view(totals.shape).gather(1, place)
        parents = place.div(values.shape[1], rounding_mode="floor")
        own = values.view(totals.shape).gather(1, place)
        # A stop symbol counts where it is among the best of all candidates.
        least = torch.cat([best, stops], 1).topk(size).values[:, -1:]
        stops = stops.masked_fill(stops < least, -math.inf)

        self.lattice.steps.append(Step(self.alive, parents, token, own, ends, attention))
        done = self._note(stops, best, parents)
        kept = self.go_on(token, parents, done)
        self.totals = best if kept is None else best[kept]
        if self.coverage is not None and len(self.alive):
            self.coverage = self._of(self.coverage, parents, kept)

    def _note(self, stops: Tensor, best: Tensor, parents: Tensor) -> np.ndarray:
        """Notes the texts that ended, and those that are cut; which sources are done, `[alive]`."""
        size, limits = self.width, self.limits[self.alive]
        columns, cut = [stops, best], limits <= self.time
        if self.coverage is not None:
            logs = self._log_coverage(self.coverage)
            columns += [logs, logs.gather(1, parents)]
        told = self.told(torch.cat(columns, 1)).astype(np.float64)  # the step's one transfer
        scores = told[:, : 2 * size] / self.beam.divisor(self.time)
        if self.coverage is not None:
            scores += self.beam.coverage_penalty * told[:, 2 * size :]
        scores[~cut, size:] = -math.inf  # only what is cut is a text
        for number, place in zip(*np.nonzero(scores > -math.inf), strict=True):
            self.lattice.finish(
                self.alive[number], place % size, scores[number, place], ended=bool(place < size)
            )
        # The best that the best beginning can come to: nothing more lost, at the kindest length.
        kindest = np.maximum(self.beam.divisor(self.time + 1), self.beam.divisor(limits))
        hopeless = told[:, size] / kindest <= self.lattice.worst[self.alive]
        return cut | hopeless | (self.lattice.ended[self.alive] >= self.enough)

    def _covered(self, attention: Tensor | None) -> Tensor:
        if attention is None:
            raise UsageError(
                "a coverage penalty needs a model with attention; "
                "this one has none: leave out coverage_penalty"
            )
        if self.coverage is None:
            return attention.float()
        return self.coverage[:, : attention.shape[1]] + attention.float()

    def _log_coverage(self, coverage: Tensor) -> Tensor:
        """The sum over source positions of log(min(attention, 1)), `[alive, size]`."""
        logs = coverage.clamp(torch.finfo(torch.float32).tiny, 1).log()
        logs = logs.view(len(self.alive), self.width, -1)
        mask = self.model.source_mask
        return (logs if mask is None else logs.where(mask.unsqueeze(1), 0)).sum(-1)

    def _of(self, coverage: Tensor, parents: Tensor, kept: Tensor | None) -> Tensor:
        coverage = coverage.view(len(parents), self.width, -1)
        index = parents.unsqueeze(-1).expand(-1, -1, coverage.shape[-1])
        coverage = coverage.gather(1, index)
        return (coverage if kept is None else coverage[kept]).flatten(0, 1)
