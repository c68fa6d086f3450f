"""From scores of tags to entities and the confidence in each.

A span's confidence is the probability of its tags, summed over all readings of the rest of the
sentence. Every span above a floor is a candidate; the surest that do not overlap are the entities.
From a threshold of 0.5 on, no two candidates can overlap; a lower one finds more. Which threshold
gives the best F1 is measured on held-out text: it is about half that F1 (Lipton, Elkan and
Naryanaswamy 2014), so that the best single reading of a sentence, which is what Viterbi finds,
leaves out too much where entities are hard to find.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from corpora.schemes import Span
from nlp.core.crf import LinearChainCRF, Marginals

FLOOR = 0.01  # candidates less sure than this are not even second choices


class Found(NamedTuple):
    """An entity among the words of a sentence."""

    span: Span
    confidence: float  # marginal probability that all its words have its tags
    rank: int = 0  # 0 is an entity; 1 a second choice, less sure than the threshold or than another


class Ends(NamedTuple):
    """The numbers of each label's tags in IOBES, in which the ends of entities show: so the
    probability of its tags is that of the entity, neither longer nor shorter."""

    labels: tuple[str, ...]
    begin: Tensor  # [labels]
    inside: Tensor
    end: Tensor
    single: Tensor

    @classmethod
    def of(cls, tags: Sequence[str]) -> Ends:
        labels = tuple(sorted({tag[2:] for tag in tags if tag != "O"}))
        number = {tag: place for place, tag in enumerate(tags)}
        numbers = ([number[f"{role}-{label}"] for label in labels] for role in "BIES")
        return cls(labels, *(torch.tensor(row) for row in numbers))


@torch.no_grad()
def candidates(
    crf: LinearChainCRF,
    tags: Sequence[str],
    emissions: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
    floor: float = FLOOR,
) -> list[list[Found]]:
    """Every span of each sentence of a batch that is surer than `floor`, the surest first.

    Args:
        tags: their names, in IOBES.
        emissions, mask: `[batch, time, tags]` and `[batch, time]`.
    """
    marginals = crf.marginals(emissions, mask, temperature)
    labels, *numbers = Ends.of(tags)
    begin, inside, end, single = (row.to(emissions.device) for row in numbers)
    found: list[list[Found]] = [[] for _ in range(len(mask))]

    def take(chances: Tensor, length: int) -> None:
        """`chances` `[batch, time, labels]` of entities of so many words from a position on."""
        real = mask[:, length - 1 :, None] & (chances > floor)
        rows = torch.nonzero(real)
        for (row, start, label), chance in zip(rows.tolist(), chances[real].tolist(), strict=True):
            span = Span(start, start + length, labels[label])
            found[row].append(Found(span, min(1.0, chance)))

    take(marginals.unary[..., single], 1)
    if mask.shape[1] > 1:
        follow = marginals.sums.following
        closing = {tag: follow(before, end) for tag, before in (("B", begin), ("I", inside))}
        going = {tag: follow(before, inside) for tag, before in (("B", begin), ("I", inside))}
        opened, tag = marginals.unary[:, :-1][..., begin], "B"  # entities as far as they have come
        for length in range(2, mask.shape[1] + 1):
            take(opened * closing[tag][:, length - 2 :], length)
            opened = (opened * going[tag][:, length - 2 :])[:, :-1]
            tag = "I"
            if not opened.numel() or not bool((opened > floor).any()):
                break
    return [sorted(own, key=lambda one: (-one.confidence, one.span)) for own in found]


def choose(own: Sequence[Found], threshold: float, *, second_choices: bool = False) -> list[Found]:
    """The entities among a sentence's candidates, surest first, in the order of their places."""
    chosen: list[Found] = []
    taken: set[int] = set()  # words
    for one in own:
        words = range(one.span.start, one.span.end)
        if one.confidence >= threshold and taken.isdisjoint(words):
            taken.update(words)
            chosen.append(one)
        elif second_choices:
            chosen.append(one._replace(rank=1))
    return sorted(chosen)


def best_threshold(gold: Sequence[Sequence[Span]], found: Sequence[Sequence[Found]]) -> float:
    """The threshold at which the entities chosen among candidates have the best F1."""
    wanted = sum(map(len, gold))
    best, at = -1.0, 0.5
    for step in range(2, 60):
        threshold = step / 60
        predicted = correct = 0
        for right, own in zip(gold, found, strict=True):
            spans = {one.span for one in choose(own, threshold)}
            predicted += len(spans)
            correct += len(spans & set(right))
        f1 = 2 * correct / max(1, predicted + wanted)
        if f1 > best + 1e-9:
            best, at = f1, threshold
    return at


def probabilities(
    marginals: Marginals, paths: Tensor, spans: Sequence[Sequence[Span]]
) -> list[list[float]]:
    """How probable the tags are that paths `[batch, time]` have within each of their spans."""
    if not any(spans):
        return [[] for _ in spans]
    first = marginals.unary.gather(2, paths[..., None]).squeeze(2).tolist()
    steps = marginals.spans(paths).tolist()
    return [
        [min(1.0, begin[s.start] * math.prod(inner[s.start + 1 : s.end])) for s in own]
        for begin, inner, own in zip(first, steps, spans, strict=True)
    ]
