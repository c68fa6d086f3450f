"""What a text must begin with and what it may not hold, while it is being written.

    search(model, Beam(5), ..., constraints=Constraints(no_repeat=4, forbidden=[[17], [3, 9]]))

A constraint takes tokens away, it never changes how probable the others are: the log-probabilities
of a constrained text are the model's own. Where nothing at all is left, the text ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corpora.errors import UsageError


@dataclass(frozen=True)
class Constraints:
    """Rules for the texts of a search; a text is its tokens, without the start symbol.

    prefixes    the first ids of every text of each source, one sequence for each source; they
                stand above the other rules, which hold behind them (but see what stands in them)
    forbidden   token sequences that may not occur; with the stop symbol at its end, one forbids
                the text to end so
    no_repeat   no sequence of this many tokens occurs twice in a text; 0 for no such rule
                (Paulus, Xiong and Socher 2018)
    min_tokens  the text does not stop before this many

    Raises UsageError for a negative count and an empty forbidden sequence.
    """

    prefixes: Sequence[Sequence[int]] | None = None
    forbidden: Sequence[Sequence[int]] = ()
    no_repeat: int = 0
    min_tokens: int = 0

    def __post_init__(self) -> None:
        for name in ("no_repeat", "min_tokens"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; expected at least 0")
        if any(not len(sequence) for sequence in self.forbidden):
            raise UsageError("a forbidden sequence is empty; expected at least one token in each")

    def check(self, sources: int, vocabulary_size: int, stop_id: int) -> None:
        """Raises UsageError where they do not fit the model or the number of sources."""
        prefixes = self.prefixes or ()
        if self.prefixes is not None and len(self.prefixes) != sources:
            raise UsageError(
                f"{len(self.prefixes)} prefixes were given for {sources} sources; "
                "expected one for each (an empty one where nothing is forced)"
            )
        for sequence in (*prefixes, *self.forbidden):
            for token in sequence:
                if not 0 <= token < vocabulary_size:
                    raise UsageError(
                        f"a prefix or forbidden sequence holds token {token}, but the model knows "
                        f"0 to {vocabulary_size - 1}"
                    )
        if any(stop_id in prefix for prefix in prefixes):
            raise UsageError(f"a prefix holds the stop symbol, {stop_id}; it can only be the end")


class Rules:
    """`Constraints` at work on the rows of one search."""

    def __init__(
        self,
        constraints: Constraints,
        *,
        stop_id: int,
        sources: int,
        width: int,
        device: torch.device,
    ) -> None:
        self.constraints, self.stop_id, self.width, self.length = constraints, stop_id, width, 0
        # By length, [sequences, length].
        self.forbidden = {
            size: torch.tensor(
                [list(some) for some in constraints.forbidden if len(some) == size], device=device
            )
            for size in sorted({len(sequence) for sequence in constraints.forbidden})
        }
        self.singles = self.forbidden.pop(1, torch.empty(0, dtype=torch.long)).flatten().to(device)
        self.forced: Tensor | None = None  # [sources, longest prefix], -1 behind each one's end
        prefixes = constraints.prefixes or ()
        if longest := max(map(len, prefixes), default=0):
            padded = [[*prefix, *[-1] * (longest - len(prefix))] for prefix in prefixes]
            self.forced = torch.tensor(padded, device=device)
        self.active = self.forced is not None or bool(
            constraints.forbidden or constraints.no_repeat or constraints.min_tokens
        )
        self.history: Tensor | None = None  # what each row has written, [rows, time]
        if self.forbidden or constraints.no_repeat:
            self.history = torch.empty(sources * width, 0, dtype=torch.long, device=device)

    def apply(self, log_probabilities: Tensor) -> None:
        """Takes away, in place, what each row may not write next: `[rows, vocabulary_size]`."""
        if not self.active:
            return
        table, stop = log_probabilities, self.stop_id
        end = table[:, stop].clone()
        forced = None
        if self.forced is not None and self.length < self.forced.shape[1]:
            forced = self.forced[:, self.length].repeat_interleave(self.width).unsqueeze(1)
            wanted = table.gather(1, forced.clamp(min=0))
        if len(self.singles):
            table.index_fill_(1, self.singles, -math.inf)
        if self.length < self.constraints.min_tokens:
            table[:, stop] = -math.inf
        if self.history is not None:
            self._forbid(table, self.history)
            self._forbid_repeats(table, self.history)
        if forced is not None:
            table.masked_fill_(forced >= 0, -math.inf)
            kept = table.gather(1, forced.clamp(min=0))
            table.scatter_(1, forced.clamp(min=0), torch.where(forced >= 0, wanted, kept))
        dead = table.amax(1) == -math.inf
        table[:, stop] = torch.where(dead, end, table[:, stop])

    def keep(self, rows: Tensor | None, token: Tensor, sources: Tensor | None) -> None:
        """Goes on with these rows (None: all as they were), each one `token` longer, and these
        sources."""
        if not self.active:
            return
        self.length += 1
        if self.history is not None:
            history = self.history if rows is None else self.history[rows]
            self.history = torch.cat([history, token.unsqueeze(1)], 1)
        if self.forced is not None and sources is not None:
            self.forced = self.forced[sources]

    def _forbid(self, table: Tensor, history: Tensor) -> None:
        for size, sequences in self.forbidden.items():
            if self.length < size - 1:
                continue
            tail = history[:, self.length - size + 1 :]
            match = (tail.unsqueeze(1) == sequences[:, :-1]).all(-1)  # [rows, sequences]
            row, number = match.nonzero(as_tuple=True)
            table[row, sequences[number, -1]] = -math.inf

    def _forbid_repeats(self, table: Tensor, history: Tensor) -> None:
        size = self.constraints.no_repeat
        if not size or self.length < size:
            return
        windows = history.unfold(1, size, 1)  # [rows, windows, size]
        tail = history[:, self.length - size + 1 :].unsqueeze(1)
        row, number = (windows[..., :-1] == tail).all(-1).nonzero(as_tuple=True)
        table[row, windows[row, number, -1]] = -math.inf
