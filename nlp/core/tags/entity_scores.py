"""How good found entities are: precision, recall and F1, what is taken for what, the worst errors.

    gold         [PER Teddy Roosevelt] was in [LOC New York]        1 of 2 predicted is right,
    predicted    [PER Teddy] Roosevelt was in [LOC New York]        1 of 2 gold is found

An entity is right where its first word, its last word and its label are (Tjong Kim Sang and De
Meulder 2003), as counted by `conlleval`, the script of CoNLL, and by `seqeval`.

    >>> gold = [[Span(0, 2, "PER"), Span(4, 6, "LOC")]]
    >>> score_entities(gold, [[Span(0, 1, "PER"), Span(4, 6, "LOC")]]).micro.f1
    0.5
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from corpora.schemes import Span
from nlp.core.tags.finding import Found

NONE = "none"  # the row of what was invented, the column of what was missed

Labels = tuple[str | None, str | None]  # gold, predicted
Kind = Literal["invented", "missed", "wrong label", "wrong boundary"]


@dataclass(frozen=True)
class Scores:
    """Fractions of 0 to 1, not percent; 0 where there is nothing to divide by. The rest counts."""

    precision: float
    recall: float
    f1: float
    predicted: int
    gold: int
    correct: int


@dataclass(frozen=True)
class EntityScores:
    """Scores of all entities together, by label, and the unweighted mean over these labels.

    A label is listed where it is in the gold or in the predicted entities.
    """

    micro: Scores
    macro: Scores
    by_label: dict[str, Scores]


def score_entities(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]
) -> EntityScores:
    """Compares the entities of each sentence; one that is given twice counts once."""
    in_gold, in_predicted, in_both = Counter[str](), Counter[str](), Counter[str]()
    for wanted, found in zip(gold, predicted, strict=True):
        in_gold.update(span.label for span in set(wanted))
        in_predicted.update(span.label for span in set(found))
        in_both.update(span.label for span in set(wanted) & set(found))
    by_label = {
        label: _scores(in_both[label], in_predicted[label], in_gold[label])
        for label in sorted(in_gold | in_predicted)
    }
    micro = _scores(in_both.total(), in_predicted.total(), in_gold.total())
    of = by_label.values()
    labels = max(len(by_label), 1)
    macro = Scores(
        sum(scores.precision for scores in of) / labels,
        sum(scores.recall for scores in of) / labels,
        sum(scores.f1 for scores in of) / labels,
        *(micro.predicted, micro.gold, micro.correct),
    )
    return EntityScores(micro, macro, by_label)


def _scores(correct: int, predicted: int, gold: int) -> Scores:
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return Scores(precision, recall, f1, predicted, gold, correct)


@dataclass(frozen=True)
class Confusion:
    """What was taken for what. `labels` name rows (gold) and columns (predicted); the last is none.

    Every gold entity stands once in a row and every predicted one once in a column: of `same`,
    where both cover the same words or there is no other (the diagonal is right, the column none
    was missed, the row none was invented), or else of `overlapping`, the boundary errors.
    """

    labels: tuple[str, ...]
    same: tuple[tuple[int, ...], ...]
    overlapping: tuple[tuple[int, ...], ...]


def confusion(gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Confusion:
    """Counts the pairs of gold and predicted labels."""
    same, overlapping = Counter[Labels](), Counter[Labels]()
    for wanted, found in zip(gold, predicted, strict=True):
        for one, other in _pairs(wanted, found):
            counts = overlapping if one and other and one[:2] != other[:2] else same
            counts[one.label if one else None, other.label if other else None] += 1
    labels = sorted({label for pair in (*same, *overlapping) for label in pair if label})
    keys = (*labels, None)  # and not the name, which a label could bear

    def table(counts: Mapping[Labels, int]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(counts[row, column] for column in keys) for row in keys)

    return Confusion((*labels, NONE), table(same), table(overlapping))


def _pairs(
    gold: Sequence[Span], predicted: Sequence[Span]
) -> Iterator[tuple[Span | None, Span | None]]:
    """Every gold and every predicted entity of a sentence once, beside its like if it has one.

    First those that are equal find each other, then those of the same words, then those that share
    most words, the same label before another.
    """
    wanted, found = set(gold), set(predicted)
    for span in wanted & found:
        yield span, span
    wanted, found = wanted - found, found - wanted
    at = defaultdict(list)  # by word, so that a sentence of thousands of entities is no square
    for span in found:
        for word in range(span.start, span.end):
            at[word].append(span)
    shared = Counter(
        (one, other)
        for one in wanted
        for word in range(one.start, one.end)
        for other in at.get(word, ())
    )

    def likeness(pair: tuple[Span, Span]) -> tuple[bool, int, bool, Span, Span]:
        one, other = pair
        return one[:2] != other[:2], -shared[pair], one.label != other.label, one, other

    for one, other in sorted(shared, key=likeness):
        if one in wanted and other in found:
            wanted.remove(one)
            found.remove(other)
            yield one, other
    yield from ((span, None) for span in wanted)
    yield from ((None, span) for span in found)


@dataclass(frozen=True)
class Mistake:
    """One wrong entity in its context. Texts are words joined by spaces, "" where there is none."""

    kind: Kind
    confidence: float  # how sure the model was of it, 0 to 1
    gold: Span | None
    predicted: Span | None
    gold_text: str
    predicted_text: str
    before: str  # some words before both
    text: str  # the words that both cover together
    after: str
    where: str


def worst_errors(
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Found]],
    gold_confidences: Sequence[Sequence[float]],
    words: Sequence[Sequence[str]],
    where: Sequence[str],
    *,
    n: int = 50,
    context: int = 6,
) -> list[Mistake]:
    """The `n` errors the model was most sure of, the surest first.

    Args:
        gold_confidences: the probability that the model gave each gold entity. One that was missed
            without anything predicted in its place is as sure an error as its complement.
        where: each sentence's file and line.
        context: words on either side.
    """
    mistakes: list[tuple[float, int, Span | None, Span | None]] = []
    rows = zip(gold, predicted, gold_confidences, strict=True)
    for sentence, (wanted, entities, probabilities) in enumerate(rows):
        sureness = dict(zip(wanted, probabilities, strict=True))
        confidences = {entity.span: entity.confidence for entity in entities}
        for one, other in _pairs(wanted, tuple(confidences)):
            if other and one != other:
                mistakes.append((confidences[other], sentence, one, other))
            elif one and other is None:
                mistakes.append((1 - sureness[one], sentence, one, other))

    def order(mistake: tuple[float, int, Span | None, Span | None]) -> tuple[float, int, Span]:
        confidence, sentence, one, other = mistake
        return -confidence, sentence, other or one or Span(0, 0, "")

    return [
        _mistake(confidence, one, other, words[sentence], where[sentence], context)
        for confidence, sentence, one, other in heapq.nsmallest(n, mistakes, key=order)
    ]


def _mistake(
    confidence: float,
    gold: Span | None,
    predicted: Span | None,
    words: Sequence[str],
    where: str,
    context: int,
) -> Mistake:
    kind: Kind
    if gold is None:
        kind = "invented"
    elif predicted is None:
        kind = "missed"
    else:
        kind = "wrong label" if gold[:2] == predicted[:2] else "wrong boundary"
    spans = [span for span in (gold, predicted) if span]
    start, end = min(span.start for span in spans), max(span.end for span in spans)

    def text(start: int, end: int) -> str:
        return " ".join(words[max(start, 0) : end])

    return Mistake(
        *(kind, confidence, gold, predicted),
        gold_text=text(gold.start, gold.end) if gold else "",
        predicted_text=text(predicted.start, predicted.end) if predicted else "",
        before=text(start - context, start),
        text=text(start, end),
        after=text(end, end + context),
        where=where,
    )
