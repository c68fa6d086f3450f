"""How good answers are: on the validation part during training, on a test part after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from corpora.image_questions import read_questions
from corpora.reader import Source
from nlp.core.events import Event, Remark
from nlp.core.tags.calibration import expected_calibration_error
from nlp.core.training import Measured
from vision.question_answering.answers import accuracy
from vision.question_answering.model import Answerer, nats
from vision.question_answering.questions import Asked, Asking, QuestionBatches

SUMMARY_COLUMNS = ("accuracy", "from", "to", "commonest", "ECE", "questions")
KIND_COLUMNS = ("accuracy", "commonest", "questions")
WORST = 50  # mistakes that are kept
AT_ONCE = 256  # questions that are read together
RESAMPLES, MIDDLE = 1000, (2.5, 97.5)  # of the pictures; per cent


class KindScores(NamedTuple):
    """Questions of one kind."""

    accuracy: float
    commonest: float
    questions: int


class Mistake(NamedTuple):
    """A question with an answer that nobody gave."""

    question: str
    where: str
    answers: tuple[str, ...]  # that people gave, the most frequent first
    found: str
    confidence: float  # 0 to 1


@dataclass(frozen=True)
class AnswerScores:
    """Answers to questions about pictures, held against those of people."""

    accuracy: float  # mean of `vision.question_answering.answers.accuracy`
    range: tuple[float, float]  # the middle 95 % over test sets of other such pictures
    commonest: float  # the share of answers that most people gave, or as many as any other
    ece: float  # expected calibration error of the confidences against that
    by_kind: Mapping[str, KindScores]
    confidences: tuple[float, ...]
    correct: tuple[bool, ...]  # whether it is the commonest
    worst: tuple[Mistake, ...]  # the surest first
    out_of_reach: int  # questions none of whose answers the model knows
    pictures: int
    questions: int
    questions_per_second: float

    def summary(self) -> tuple[float, ...]:
        """In one row, as `SUMMARY_COLUMNS` says."""
        return self.accuracy, *self.range, self.commonest, self.ece, self.questions


def measure(model: Answerer, batches: QuestionBatches) -> Measured:
    """Loss and accuracy on the validation part."""
    total, right = 0.0, 0.0
    for batch, questions in batches.with_questions():
        batch = batch.to(model.device)
        logits = model(batch).logits.float()
        total += float(nats(logits, batch.answers).sum())
        for own, row in zip(questions, logits.argmax(1).tolist(), strict=True):
            right += accuracy(model.config.answers[row], own.answers)
    count = len(batches.asking.questions)
    loss, score = total / count, right / count
    # Of looks that are equally good, that with the lower loss is kept.
    return Measured(loss, {"accuracy": score}, score - 1e-6 * loss)


def evaluate(
    model: Answerer | str | Path,
    questions: Source,
    annotations: str | Path | None = None,
    *,
    split: str | None = None,
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> AnswerScores:
    """A model on questions about pictures: accuracy and its range, by kind, calibration, the
    surest mistakes.

    Args:
        model: a model, or its folder.
        questions, annotations, split, reading: what `corpora.image_questions.read_questions` takes.
        report: hears what was left out of the data.

    Raises:
        UsageError: no question has both an answer and a picture that can be read; what reading
            raises.
    """
    if not isinstance(model, Answerer):
        model = Answerer.from_pretrained(model)
    corpus = read_questions(questions, annotations, split=split, **reading)
    asking = Asking(corpus.items, model.config.preparation)
    for text in (*corpus.remarks, *asking.remarks):
        report(Remark(text))
    return evaluate_questions(model, asking)


@torch.no_grad()
def evaluate_questions(model: Answerer, asking: Asking) -> AnswerScores:
    """As `evaluate`, of questions that have been read."""
    model.eval()
    began = time.perf_counter()
    found, sure, asked = [], [], []
    for batch, questions in QuestionBatches(model, asking, AT_ONCE).with_questions():
        probabilities = model.probabilities(model(batch.to(model.device)).logits)
        best = probabilities.max(1)
        found += [model.config.answers[row] for row in best.indices.tolist()]
        sure += best.values.tolist()
        asked += questions
    seconds = time.perf_counter() - began
    reached = sum(any(one in model.number for one in own.answers) for own in asked)
    return score_answers(asked, found, sure, out_of_reach=len(asked) - reached, seconds=seconds)


def score_answers(
    questions: Sequence[Asked],
    found: Sequence[str],
    confidences: Sequence[float],
    *,
    out_of_reach: int = 0,
    seconds: float = 0.0,
) -> AnswerScores:
    """Holds the answers that were found to questions against those that people gave."""
    pairs = list(zip(questions, found, strict=True))
    right = np.array([accuracy(answer, own.answers) for own, answer in pairs])
    common = np.array([_is_commonest(answer, own.answers) for own, answer in pairs])
    kinds = np.array([own.kind for own in questions])
    pictures = np.unique([own.picture for own in questions], return_inverse=True)[1]
    by_kind = {
        kind: KindScores(
            float(right[kinds == kind].mean()),
            float(common[kinds == kind].mean()),
            int((kinds == kind).sum()),
        )
        for kind in sorted(set(kinds.tolist()))
    }
    wrong = np.flatnonzero([answer not in own.answers for own, answer in pairs])
    surest = wrong[np.argsort(-np.asarray(confidences)[wrong], kind="stable")][:WORST]
    return AnswerScores(
        accuracy=float(right.mean()),
        range=_range(right, pictures),
        commonest=float(common.mean()),
        ece=expected_calibration_error(confidences, common),
        by_kind=by_kind,
        confidences=tuple(map(float, confidences)),
        correct=tuple(common.tolist()),
        worst=tuple(_mistake(questions[row], found[row], confidences[row]) for row in surest),
        out_of_reach=out_of_reach,
        pictures=int(pictures.max()) + 1,
        questions=len(questions),
        questions_per_second=len(questions) / max(seconds, 1e-9),
    )


def _is_commonest(answer: str, given: Sequence[str]) -> bool:
    return given.count(answer) == max(map(given.count, given))


def _mistake(asked: Asked, found: str, confidence: float) -> Mistake:
    given = sorted(set(asked.answers), key=lambda answer: (-asked.answers.count(answer), answer))
    return Mistake(asked.question, asked.where, tuple(given), found, float(confidence))


def _range(right: np.ndarray, pictures: np.ndarray) -> tuple[float, float]:
    """Pictures are drawn, and not questions: those about one picture are right or wrong together
    (bootstrap of clusters, Davison and Hinkley 1997, section 3.8)."""
    draw = np.random.default_rng(0)
    own, count = np.bincount(pictures, right), np.bincount(pictures)
    drawn = draw.multinomial(len(count), np.full(len(count), 1 / len(count)), size=RESAMPLES)
    low, high = np.percentile((drawn @ own) / (drawn @ count), MIDDLE)
    return float(low), float(high)
