"""What the tests of search share: a tiny random translator, and searches of it in plain Python."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nlp.core.search.beam import Beam, Constraints, Hypothesis, search

STOP = 1


class Toy:
    """A random recurrent decoder with attention: what it says depends on the source and on all
    that was said before. Sources are of unlike lengths, and `keep` drops what is padding then."""

    device = torch.device("cpu")

    def __init__(self, seed: int, lengths: Sequence[int], vocabulary_size: int = 4) -> None:
        random = torch.Generator().manual_seed(seed)
        self.vocabulary_size = vocabulary_size
        self.memory = torch.randn(len(lengths), max(lengths), 6, generator=random)
        self.source_mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
        self.embedding = torch.randn(vocabulary_size, 6, generator=random)
        self.recurrent = torch.randn(12, 6, generator=random) / 2
        self.output = torch.randn(12, vocabulary_size, generator=random)
        self.bias = torch.zeros(vocabulary_size)
        self.rows: list[int] = []  # how many were read at each step

    @property
    def sources(self) -> int:
        return len(self.memory)

    def start(self, width: int) -> tuple[Tensor, ...]:
        rows = self.sources * width
        return torch.zeros(rows, 6), torch.zeros(rows, self.memory.shape[1])

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.rows.append(len(token))
        memory, mask = (
            part.repeat_interleave(len(token) // self.sources, 0)
            for part in (self.memory, self.source_mask)
        )
        scores = (memory @ state[0].unsqueeze(-1)).squeeze(-1).masked_fill(~mask, -math.inf)
        weights = scores.softmax(-1)
        context = (weights.unsqueeze(1) @ memory).squeeze(1)
        hidden = torch.tanh(
            torch.cat([state[0], context], 1) @ self.recurrent + self.embedding[token]
        )
        return torch.cat([hidden, context], 1) @ self.output + self.bias, (hidden, weights)

    def keep(self, sources: Tensor) -> Toy:
        kept = Toy.__new__(Toy)
        kept.__dict__.update(self.__dict__)
        kept.source_mask = self.source_mask[sources]
        longest = int(kept.source_mask.sum(1).max())
        kept.source_mask = kept.source_mask[:, :longest]
        kept.memory = self.memory[sources, :longest]
        return kept

    def attention(self, state: tuple[Tensor, ...]) -> Tensor:
        return state[1]


class Text(NamedTuple):
    """What a search in plain Python found."""

    ended: bool
    score: float
    ids: tuple[int, ...]


class Plain:
    """One source of a toy, as plain Python numbers."""

    def __init__(self, toy: Toy, source: int) -> None:
        self.toy = toy.keep(torch.tensor([source]))
        self.known: dict[tuple[int, ...], tuple[list[float], list[float]]] = {}
        self.states = {(): self.toy.start(1)}

    def after(self, ids: tuple[int, ...]) -> tuple[list[float], list[float]]:
        """Log-probabilities of what follows, and the attention of that step."""
        if ids not in self.known:
            token = torch.tensor([ids[-1] if ids else 0])
            logits, state = self.toy.step(token, self.states[ids])
            for token_id in range(self.toy.vocabulary_size):
                self.states[(*ids, token_id)] = state
            self.known[ids] = logits[0].log_softmax(-1).tolist(), state[1][0].tolist()
        return self.known[ids]

    def log_probabilities(self, ids: Sequence[int]) -> list[float]:
        return [self.after(tuple(ids[:i]))[0][token] for i, token in enumerate(ids)]

    def text(self, ids: tuple[int, ...], beam: Beam) -> Text:
        """The score as Wu et al. (2016) write it; `ids` with the stop symbol where there is one."""
        score = sum(self.log_probabilities(ids)) / ((5 + len(ids)) / 6) ** beam.length_penalty
        if beam.coverage_penalty:
            attention = [self.after(ids[:i])[1] for i in range(len(ids))]
            score += beam.coverage_penalty * sum(
                math.log(min(sum(column), 1)) for column in zip(*attention, strict=True)
            )
        ended = ids[-1:] == (STOP,)
        return Text(ended, score, ids[:-1] if ended else ids)

    def exhaustive(self, beam: Beam, limit: int, allowed: Callable[..., bool]) -> list[Text]:
        """Every text there is, best first."""
        whole = []
        for length in range(1, limit + 1):
            for ids in itertools.product(range(self.toy.vocabulary_size), repeat=length):
                over = ids[-1] == STOP or length == limit
                if over and STOP not in ids[:-1]:
                    prefixes = [(ids[:i], ids[i]) for i in range(length)]
                    if all(allowed(*prefix) for prefix in prefixes):
                        whole.append(self.text(ids, beam))
        return sorted(whole, reverse=True)

    def beam(self, beam: Beam, limit: int, n_best: int, allowed: Callable[..., bool]) -> list[Text]:
        """Beam search as it is written in the papers, without any short cut."""
        live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        found: list[Text] = []
        for _ in range(limit):
            candidates = []
            for total, ids in live:
                scores = self.after(ids)[0]
                tokens = [v for v in range(len(scores)) if allowed(ids, v)] or [STOP]
                candidates += [(total + scores[token], (*ids, token)) for token in tokens]
            candidates.sort(reverse=True)
            found += [self.text(ids, beam) for _, ids in candidates[: beam.size] if ids[-1] == STOP]
            live = [(total, ids) for total, ids in candidates if ids[-1] != STOP][: beam.size]
            if len(found) >= max(n_best, beam.size * beam.patience):
                break
        else:
            found += [self.text(ids, beam) for _, ids in live]
        return sorted(found, reverse=True)[:n_best]


def anything(ids: tuple[int, ...], token: int) -> bool:
    return True


def obeys(constraints: Constraints, source: int) -> Callable[..., bool]:
    """The rules, once more and one token at a time."""
    prefix = tuple(constraints.prefixes[source]) if constraints.prefixes else ()

    def allowed(ids: tuple[int, ...], token: int) -> bool:
        if len(ids) < len(prefix):
            return token == prefix[len(ids)]
        text, n = (*ids, token), constraints.no_repeat
        ngrams = [text[i : i + n] for i in range(len(text) - n + 1)]
        return not (
            (token == STOP and len(ids) < constraints.min_tokens)
            or any(text[-len(bad) :] == tuple(bad) for bad in constraints.forbidden)
            or (n and ngrams and ngrams[-1] in ngrams[:-1])
        )

    return allowed


def same(found: Sequence[Hypothesis], expected: Sequence[Text], plain: Plain) -> None:
    """The search found these texts, and what it says of them is true."""
    assert [tuple(one.ids) for one in found] == [text.ids for text in expected]
    for one, text in zip(found, expected, strict=True):
        assert math.isclose(one.score, text.score, rel_tol=1e-4, abs_tol=1e-5)
        assert (one.end is not None) == text.ended
        whole = [*one.log_probabilities, *([] if one.end is None else [one.end])]
        ids = (*text.ids, STOP) if text.ended else text.ids
        torch.testing.assert_close(whole, plain.log_probabilities(ids), rtol=1e-4, atol=1e-5)
        rows = [plain.after(text.ids[:i])[1] for i in range(len(text.ids))]
        width = len(plain.after(())[1])
        expected_rows = torch.tensor(rows).view(-1, width)
        torch.testing.assert_close(one.attention[:, :width], expected_rows)
        assert not one.attention[:, width:].any()  # padding


def found(toy: Toy, strategy, limits, **options) -> list[list[Hypothesis]]:
    return search(toy, strategy, start_id=0, stop_id=STOP, max_tokens=limits, **options)
