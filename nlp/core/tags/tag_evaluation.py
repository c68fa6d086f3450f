"""How good a tagger is, and how far its confidence is to be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpora.schemes import Span
from nlp.core.tags.calibration import expected_calibration_error
from nlp.core.tags.entity_scores import (
    Confusion,
    EntityScores,
    Mistake,
    confusion,
    score_entities,
    worst_errors,
)
from nlp.core.tags.finding import Found

RESULT_COLUMNS = ("precision", "recall", "F1", "entities", "found")


@dataclass(frozen=True)
class TagEvaluation:
    """A tagger on annotated sentences."""

    scores: EntityScores
    ece: float  # expected calibration error of the confidences, 10 bins of equal width
    confidences: tuple[float, ...]  # of all predicted entities
    correct: tuple[bool, ...]
    confusion: Confusion
    worst: tuple[Mistake, ...]
    sentences: int
    words: int
    words_per_second: float

    def rows(self) -> Mapping[str, Sequence[float]]:
        """By label, all, and their mean: precision, recall, F1, entities there and found."""
        named = {**self.scores.by_label, "all": self.scores.micro, "mean": self.scores.macro}
        return {
            name: (s.precision, s.recall, s.f1, s.gold, s.predicted) for name, s in named.items()
        }


def judge(
    sentences: Sequence[Sequence[str]],
    where: Sequence[str],
    gold: Sequence[Sequence[Span]],
    gold_confidences: Sequence[Sequence[float]],
    found: Sequence[Sequence[Found]],
    seconds: float,
) -> TagEvaluation:
    """Holds what was found in sentences of words against what is there."""
    predicted = [[entity.span for entity in own] for own in found]
    confidences, correct = answers(gold, found)
    words = sum(map(len, sentences))
    return TagEvaluation(
        score_entities(gold, predicted),
        expected_calibration_error(confidences, correct),
        tuple(confidences),
        tuple(correct),
        confusion(gold, predicted),
        tuple(worst_errors(gold, found, gold_confidences, sentences, where)),
        len(sentences),
        words,
        words / max(seconds, 1e-9),
    )


def answers(
    gold: Sequence[Sequence[Span]], found: Sequence[Sequence[Found]]
) -> tuple[list[float], list[bool]]:
    """The confidence of each entity found, and whether it is right."""
    pairs = [
        (entity.confidence, entity.span in wanted)
        for wanted, own in zip(map(set, gold), found, strict=True)
        for entity in own
    ]
    return [confidence for confidence, _ in pairs], [right for _, right in pairs]
