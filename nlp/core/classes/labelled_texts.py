"""Labelled texts as a classifier takes them: words, and rows of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from corpora.errors import UsageError, check_positive
from corpora.labelled import read_labelled
from corpora.reader import Source
from nlp.core.tokens.word_splitter import words_of

NOTHING = "\0"  # the one word, an unknown one, of a text without words


class Text(NamedTuple):
    """A text with its labels."""

    words: list[str]  # one or more
    labels: tuple[str, ...]
    text: str
    where: str  # "reviews.csv, line 12"


def read_texts(
    source: Source, split: str | None, reading: Mapping[str, Any]
) -> tuple[list[Text], list[str]]:
    """The texts of a source and what there is to tell about them."""
    corpus = read_labelled(source, split=split, **reading)
    texts = [
        Text(cut(text, words_of(text)), labels, text, where)
        for text, labels, where in corpus.examples
    ]
    empty = sum(text.words == [NOTHING] for text in texts)
    return texts, [*corpus.remarks, *([f"{empty:,} texts without words"] if empty else [])]


def cut(text: str, places: Sequence[tuple[int, int]]) -> list[str]:
    """A text as words, of which a text without any has one that nobody knows."""
    return [text[start:end] for start, end in places] or [NOTHING]


def same_texts(texts: Sequence[Text]) -> list[int]:
    """A number for each text, from 0, the same for equal ones."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(text.text, len(numbers)) for text in texts]


def find_labels(
    parts: Sequence[Sequence[Text]], multi_label: bool | None, report: Callable[[str], None]
) -> tuple[tuple[str, ...], bool]:
    """The labels of all parts, of which the first is that of training, and whether a text may have
    several of them, or none; `multi_label` says so or, if None, the texts do."""
    texts = [text for part in parts for text in part]
    several = next((text for text in texts if len(text.labels) != 1), None)
    if several is not None and multi_label is False:
        raise _not_one(several)
    labels = {label for text in texts for label in text.labels}
    if untaught := labels - {label for text in parts[0] for label in text.labels}:
        told = listed(sorted(untaught))
        report(f"no training text has these labels, so they cannot be learned: {told}")
    return tuple(sorted(labels)), several is not None if multi_label is None else multi_label


def has_labels(texts: Sequence[Text], labels: Sequence[str], multi_label: bool) -> np.ndarray:
    """Which labels texts have, `[texts, labels]` bool. `UsageError` for one that cannot be."""
    number = {label: number for number, label in enumerate(labels)}
    gold = np.zeros((len(texts), len(labels)), bool)
    for row, text in enumerate(texts):
        for label in text.labels:
            if label not in number:
                raise UsageError(
                    f"{text.where}: the label {label!r} is not one of the model's: {listed(labels)}"
                )
            gold[row, number[label]] = True
        if not multi_label and len(text.labels) != 1:
            raise _not_one(text)
    return gold


def _not_one(text: Text) -> UsageError:
    found = f"the labels {listed(text.labels)}" if text.labels else "no label"
    return UsageError(
        f"{text.where}: {found}, where one label was expected; train with --multi-label for texts "
        "that have several labels, or none"
    )


def named_weights(class_weights: str | Mapping[str, float]) -> dict[str, float] | None:
    """The weights in `LABEL=WEIGHT,...`; None where it says `none` or `balanced`."""
    if class_weights in ("none", "balanced"):
        return None
    try:
        if isinstance(class_weights, str):
            pairs = (part.rpartition("=") for part in class_weights.split(","))
            given = {label.strip(): float(weight) for label, _, weight in pairs}
        else:
            given = {str(label): float(weight) for label, weight in class_weights.items()}
    except ValueError:
        given = {}
    if not given or "" in given:
        raise UsageError(
            f"class_weights is {class_weights!r}: expected none, balanced or LABEL=WEIGHT,..."
        )
    check_positive(**{f"the weight of {label}": weight for label, weight in given.items()})
    return given


def label_weights(
    class_weights: str | Mapping[str, float],
    labels: Sequence[str],
    gold: np.ndarray,
    multi_label: bool,
) -> np.ndarray:
    """What having each label counts in training, `[labels]`; `gold` `[texts, labels]` balances."""
    given = named_weights(class_weights)
    if given is not None:
        if unknown := given.keys() - set(labels):
            raise UsageError(
                f"class_weights names {listed(sorted(unknown))}, which no text has: the labels are "
                f"{listed(labels)}"
            )
        return np.array([given.get(label, 1.0) for label in labels])
    counts = gold.sum(0)
    if class_weights == "none":
        return np.ones(len(labels))
    if multi_label:
        weights = (len(gold) - counts) / np.maximum(counts, 1)
    else:  # as scikit-learn has it
        weights = len(gold) / ((counts > 0).sum() * np.maximum(counts, 1))
    return np.where((counts > 0) & (weights > 0), weights, 1.0)


def listed(labels: Iterable[str], most: int = 12) -> str:
    """The first labels, and how many more there are."""
    names = list(labels)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
