"""How good a classifier is, and how far its scores and its confidence are to be believed.

    accuracy    texts that get exactly their labels
    macro F1    mean of the labels' F1: each label counts the same
    micro F1    F1 of all decisions together; where a text has one label, the accuracy
    ROC-AUC     how likely a text with a label is ranked above one without, mean of the labels
    PR-AUC      average precision along that ranking, mean of the labels

The scores are scikit-learn's; the ranges beside them hold the middle 95 % of bootstrap samples.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from corpora.errors import UsageError
from nlp.core.classes import bootstrap
from nlp.core.classes.labelled_texts import Text, has_labels
from nlp.core.tags.calibration import expected_calibration_error

RESULT_COLUMNS = ("precision", "recall", "F1", "ROC-AUC", "PR-AUC", "texts", "found")
SUMMARY_COLUMNS = ("accuracy", "from", "to", "macro F1", "micro F1", "ROC-AUC", "PR-AUC", "ECE")
WORST = 50  # mistakes that are kept


class LabelScores(NamedTuple):
    """One label against all others; an area is NaN where all texts have the label, or none."""

    precision: float
    recall: float
    f1: float
    roc_auc: float
    pr_auc: float
    texts: int  # that have it
    found: int  # that get it


class Mistake(NamedTuple):
    """A text that gets wrong labels."""

    text: str
    where: str
    labels: tuple[str, ...]
    found: tuple[str, ...]
    confidence: float  # in what it gets, 0 to 1


@dataclass(frozen=True)
class ClassEvaluation:
    """A classifier on labelled texts."""

    accuracy: float
    macro_f1: float  # over the labels that are there or were found
    micro_f1: float
    roc_auc: float  # NaN, as the next, where no label divides the texts
    pr_auc: float
    ranges: Mapping[str, tuple[float, float]]  # of these five by their names
    by_label: Mapping[str, LabelScores]
    ece: float  # expected calibration error of the confidences, 10 bins of equal width
    confidences: tuple[float, ...]  # of each text's label; of every decision, where it has several
    correct: tuple[bool, ...]
    confusion: tuple[tuple[int, ...], ...]  # true label by found one; () where there are several
    worst: tuple[Mistake, ...]  # the surest first
    texts: int
    words: int
    words_per_second: float

    def rows(self) -> Mapping[str, Sequence[float | None]]:
        """By label, all decisions together, and the labels' mean, as `RESULT_COLUMNS` says."""
        labels = list(self.by_label.values())
        texts, found = (sum(label[column] for label in labels) for column in (5, 6))
        right = sum(label.recall * label.texts for label in labels)
        together = right / max(found, 1), right / max(texts, 1), self.micro_f1, None, None
        seen = [label for label in labels if label.texts or label.found]
        means = (sum(label[column] for label in seen) / max(len(seen), 1) for column in (0, 1))
        areas = self.roc_auc, self.pr_auc
        return {
            **self.by_label,
            "all": (*together, int(texts), int(found)),
            "mean": (*means, self.macro_f1, *areas, None, None),
        }

    def summary(self) -> tuple[float, ...]:
        """In one row, as `SUMMARY_COLUMNS` says."""
        scores = (self.macro_f1, self.micro_f1, self.roc_auc, self.pr_auc)
        return (self.accuracy, *self.ranges["accuracy"], *scores, self.ece)


def require() -> Any:
    """`sklearn.metrics`. `UsageError` where the extra is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError(
            "scores of classes need scikit-learn: install it with pip install 'unrolled[eval]'"
        )
    import sklearn.metrics

    return sklearn.metrics


def choose(probabilities: np.ndarray, multi_label: bool) -> np.ndarray:
    """Which labels texts get, `[texts, labels]` bool: those above a half, or the likeliest one."""
    if multi_label:
        return probabilities > 0.5
    return np.arange(probabilities.shape[1]) == probabilities.argmax(1)[:, None]


def evaluate_classes(
    texts: Sequence[Text],
    labels: Sequence[str],
    probabilities: np.ndarray,
    *,
    multi_label: bool,
    seconds: float,
    resamples: int = 1000,
) -> ClassEvaluation:
    """Holds the probabilities of labels `[texts, labels]` against those that texts have.

    Args:
        seconds: in which they were found.
        resamples: of the bootstrap, which has a fixed seed, so that two models are measured on the
            same test sets.

    Raises:
        UsageError: a text has another label, or scikit-learn is not installed.
    """
    metrics = require()
    gold, chosen = has_labels(texts, labels, multi_label), choose(probabilities, multi_label)
    divided = [0 < count < len(texts) for count in gold.sum(0)]

    def areas(measure: Callable[[np.ndarray, np.ndarray], float]) -> list[float]:
        return [
            float(measure(gold[:, label], probabilities[:, label])) if divides else math.nan
            for label, divides in enumerate(divided)
        ]

    roc, pr = areas(metrics.roc_auc_score), areas(metrics.average_precision_score)
    precision, recall, f1, counts = metrics.precision_recall_fscore_support(
        gold, chosen, average=None, zero_division=0
    )
    columns = (precision, recall, f1, roc, pr, counts, chosen.sum(0))
    by_label = [
        LabelScores(*map(float, row[:5]), *map(int, row[5:]))  # type: ignore[arg-type]
        for row in zip(*columns, strict=True)
    ]
    macro, micro = bootstrap.f1(gold, chosen)
    sure = np.maximum(probabilities, 1 - probabilities) if multi_label else probabilities.max(1)
    right = gold == chosen if multi_label else (gold == chosen).all(1)
    words = sum(len(text.words) for text in texts)
    return ClassEvaluation(
        accuracy=float(metrics.accuracy_score(gold, chosen)),
        macro_f1=macro,
        micro_f1=micro,
        roc_auc=bootstrap.mean(roc),
        pr_auc=bootstrap.mean(pr),
        ranges=bootstrap.ranges(gold, chosen, probabilities, resamples=resamples),
        by_label=dict(zip(labels, by_label, strict=True)),
        ece=expected_calibration_error(sure.ravel(), right.ravel()),
        confidences=tuple(sure.ravel().tolist()),
        correct=tuple(right.ravel().tolist()),
        confusion=()
        if multi_label
        else tuple(map(tuple, (gold.T.astype(int) @ chosen.astype(int)).tolist())),
        worst=_worst(texts, labels, chosen, gold, sure.reshape(len(texts), -1).min(1)),
        texts=len(texts),
        words=words,
        words_per_second=words / max(seconds, 1e-9),
    )


def _worst(
    texts: Sequence[Text],
    labels: Sequence[str],
    chosen: np.ndarray,
    gold: np.ndarray,
    sure: np.ndarray,
) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero((gold != chosen).any(1))
    return tuple(
        Mistake(
            texts[row].text,
            texts[row].where,
            texts[row].labels,
            tuple(label for label, has in zip(labels, chosen[row], strict=True) if has),
            float(sure[row]),
        )
        for row in wrong[np.argsort(-sure[wrong], kind="stable")][:WORST]
    )
