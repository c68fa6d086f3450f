"""How good a classifier is: on the validation part during training, on a test part after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corpora.reader import Source
from nlp.classifier.model import Classifier
from nlp.core.batching import Buckets
from nlp.core.classes.bootstrap import f1
from nlp.core.classes.class_scores import ClassEvaluation, evaluate_classes, require
from nlp.core.classes.labelled_texts import Text, read_texts
from nlp.core.events import Event, Remark
from nlp.core.training import Measured


def measure(model: Classifier, batches: Buckets) -> Measured:
    """Loss, accuracy and F1 on the validation part."""
    total, golds, founds = 0.0, [], []
    for batch in batches.epoch(0):
        batch = batch.to(model.device)
        logits = model(batch).float()
        total += float(model.nats(logits, batch.labels, model.label_weights).sum())
        golds.append(batch.labels.cpu().numpy() > 0)
        founds.append(model.probabilities(logits).cpu().numpy())
    gold, chosen = np.concatenate(golds), model.choose(np.concatenate(founds))
    correct, weights = (gold == chosen).all(1), model.label_weights.cpu().numpy()
    macro, micro = f1(gold, chosen)
    if model.config.multi_label:
        loss, score = total / len(gold), micro if (weights == 1).all() else macro
    else:
        counts = gold @ weights
        loss, score = total / float(counts.sum()), float(correct @ counts / counts.sum())
    # Of looks that are equally good, that with the lower loss is kept.
    metrics = {"accuracy": float(correct.mean()), "macro_F1": macro}
    return Measured(loss, metrics, score - 1e-6 * loss)


def evaluate(
    model: Classifier | str | Path,
    data: Source,
    *,
    split: str | None = None,
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> ClassEvaluation:
    """A classifier on labelled texts: scores and their ranges, calibration, the worst errors.

    Args:
        model: a classifier, or its folder.
        data, split, reading: what `corpora.labelled.read_labelled` takes.
        report: hears what was left out or repaired of the data.

    Raises:
        UsageError: a text has a label that the model does not know, or scikit-learn is missing.
    """
    if not isinstance(model, Classifier):
        model = Classifier.from_pretrained(model)
    require()
    texts, remarks = read_texts(data, split, reading)
    for text in remarks:
        report(Remark(text))
    return evaluate_texts(model, texts)


def evaluate_texts(model: Classifier, texts: Sequence[Text]) -> ClassEvaluation:
    """As `evaluate`, of texts that have been read."""
    began = time.perf_counter()
    logits, _ = model.read_all([text.words for text in texts])
    found = model.probabilities(logits).numpy()
    seconds = time.perf_counter() - began
    config = model.config
    return evaluate_classes(
        texts, config.labels, found, multi_label=config.multi_label, seconds=seconds
    )
