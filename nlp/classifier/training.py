"""Training a classifier on labelled texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from corpora.annotated_splits import Parts, divide
from corpora.errors import UsageError, check_positive
from corpora.reader import Source
from nlp.classifier.evaluation import evaluate_texts, measure
from nlp.classifier.model import KIND, ClassBatch, Classifier, Config
from nlp.core import checkpoint
from nlp.core.batching import Buckets
from nlp.core.classes.bag_of_words import BagOfWords
from nlp.core.classes.class_scores import SUMMARY_COLUMNS, ClassEvaluation, require
from nlp.core.classes.labelled_texts import (
    Text,
    find_labels,
    has_labels,
    label_weights,
    listed,
    named_weights,
    read_texts,
    same_texts,
)
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.pooling import Pooling
from nlp.core.recipe import Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run import Run, check_training, config_of
from nlp.core.training import Outcome, fit
from nlp.core.word_features import KnownWords, Spelling
from nlp.core.words.own_vectors import own_vectors

EPOCHS, LEAST_STEPS = 6, 300  # unless told otherwise
READING = ("text_column", "label_column", "separator", "encoding_errors")


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Classifier
    outcome: Outcome
    test: ClassEvaluation | None  # on the test part
    baseline: ClassEvaluation | None  # of the same words in any order

    def results(self) -> dict[str, ClassEvaluation]:
        """Both, by name, where they are."""
        pairs = {"this model": self.test, "bag of words": self.baseline}
        return {name: found for name, found in pairs.items() if found is not None}


def train(
    data: Source | None = None,
    *,
    output: str | Path = "classifier",
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    text_column: str = "text",
    label_column: str = "label",
    separator: str | None = None,
    encoding_errors: str = "strict",
    multi_label: bool | None = None,
    class_weights: str | Mapping[str, float] = "none",
    embedding: str | Path | None = None,
    freeze_embedding: bool = True,
    word_size: int = 100,
    word_epochs: int = 15,
    min_count: int = 1,
    spelling: Spelling = "none",
    character_size: int = 50,
    shape_size: int = 0,
    cell: CellKind = "lstm",
    layers: int = 1,
    hidden_size: int = 100,
    bidirectional: bool = True,
    pooling: Pooling = "max",
    word_dropout: float = 0.3,
    input_dropout: float = 0.5,
    dropout: float = 0.3,
    output_dropout: float = 0.5,
    epochs: float | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 50,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 2e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 50,
    weight_decay: float = 0.01,
    clip_norm: float = 1.0,
    accumulate: int = 1,
    evaluate_every: int | None = None,
    patience: int | None = None,
    baseline: bool = True,
    plot: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Trains a classifier on labelled texts and leaves it in the folder `output`.

    The model that is best on the validation part is kept: by accuracy, in which labels count as
    they are weighted; where a text may have several labels by micro F1, or macro F1 if they are
    weighted. Equal texts are never divided among the parts.

    Args:
        data, text_column ... encoding_errors: what to read, see `corpora.labelled.read_labelled`;
            only a run that is resumed knows its data.
        validation, test: fractions of the data, or sources of their own; a test of 0 is none.
        multi_label: a text may have several labels, or none; None finds out.
        class_weights: what a text of each label counts in training: none, that is the same;
            balanced, so that each label counts the same; or LABEL=WEIGHT,... where labels that are
            not named weigh 1. Of several labels, what having one counts against not having it.
        embedding: word vectors, a file or folder that `nlp.core.words.vector_formats.load` reads,
            beside those that are learned.
        freeze_embedding: leave them as they are; else those of the training text's words learn on.
        word_size, min_count: of the learned vectors, for words that occur so often; a size of 0 is
            none. The other sizes and dropouts are `Config`'s.
        word_epochs: of skip-gram over the training text, at whose vectors the learned ones begin;
            0 begins at random.
        epochs, steps, minutes: how long to train; epochs of None are 6, and with little data as
            many as 300 steps take. `steps` and `minutes` replace `epochs`; of the two, what ends
            first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
        baseline: also measure logistic regression on the words in any order.
        plot: draws the loss curves into the folder, which takes the `plots` extra.
        resume: goes on with the run in `output`; give no other argument.
        overwrite: a model in `output` is moved to `output` + ".previous".
        report: hears what happens, see `nlp.core.events.Event`.

    Raises:
        UsageError: an argument or the data cannot be used; what the folder held is still there.
        Diverged: the loss exploded; the best model so far is kept.
    """
    run = Run.of(train, locals())
    if not run.resumed:
        _check(run.arguments)
    with run.started():
        return _run(run)


def _check(arguments: Mapping[str, Any]) -> None:
    if arguments["data"] is None:
        raise UsageError("no labelled texts are named: give a table, a folder or LABEL=FILE ...")
    check_training({**arguments, "epochs": _epochs(arguments, 1)})
    config_of(Config, arguments, labels=("one", "other"), words=1)
    check_positive(min_count=arguments["min_count"])
    if arguments["word_epochs"] < 0:
        raise UsageError(f"word_epochs is {arguments['word_epochs']}: expected 0 or more")
    named_weights(arguments["class_weights"])
    if arguments["test"] != 0:
        require()


def _epochs(arguments: Mapping[str, Any], batches: int) -> float:
    given: float | None = arguments["epochs"]
    return max(EPOCHS, LEAST_STEPS / batches) if given is None else given


def _run(run: Run) -> Trained:
    arguments, reading = run.arguments, run.pick(READING)
    source = arguments["data"]
    parts = divide(
        source,
        arguments["validation"],
        arguments["test"],
        read=lambda place, split: read_texts(place, split, reading),
        groups=same_texts,
    )
    counted = parts.counted("texts", "words", lambda text: len(text.words))
    run.tell(*dict.fromkeys(parts.remarks), counted)
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        model = _build(parts, run)
    if run.resumed:
        model.alphabet.check_same(run.path)
    model.alphabet.save(run.path)
    checkpoint.save_config(run.path, KIND, asdict(model.config), None)
    run.place(model, "a classifier")
    batches = _batches(model, parts.train, arguments["batch_size"], arguments["seed"])
    held_out = _batches(model, parts.validation, 64, None)
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of({**arguments, "epochs": _epochs(arguments, len(batches))}, len(batches)),
        folder=run.path,
        evaluate=lambda: measure(model, held_out),
        report=run.report,
        resume=run.goes_on,
    )
    test = baseline = None
    if outcome.ended != "interrupted":
        model.calibrate(parts.validation)
        checkpoint.save_weights(model, run.path)
        if parts.test:
            test = evaluate_texts(model, parts.test)
        if parts.test and arguments["baseline"]:
            bag = BagOfWords(
                model.config.labels,
                multi_label=model.config.multi_label,
                balanced=arguments["class_weights"] == "balanced",
            )
            baseline = bag.fit(parts.train, parts.validation).measure(parts.test)
    trained = Trained(model, outcome, test, baseline)
    run.finish(
        title="Classifier",
        about=(
            f"Tells apart {listed(model.config.labels)}. {checkpoint.parameter_count(model):,} "
            f"parameters, trained with Unrolled on {source} ({counted}) for "
            f"{outcome.step:,} steps. The range of the accuracy is that of the middle 95 % of "
            "bootstrap samples of the test part."
        ),
        columns=SUMMARY_COLUMNS,
        results={name: found.summary() for name, found in trained.results().items()},
    )
    return trained


def _build(parts: Parts[Text], run: Run) -> Classifier:
    """A classifier for these texts that has not begun to learn, or whose weights are elsewhere."""
    arguments = run.arguments
    labels, multi_label = find_labels(parts[:3], arguments["multi_label"], run.tell)
    occurring = [word for text in parts.train for word in text.words]
    known = KnownWords.of(arguments, occurring)
    counts = {**known.sizes(), "labels": labels, "multi_label": multi_label}
    model = Classifier(config_of(Config, arguments, **counts), known.alphabet)
    if told := known.fill(model.features, occurring):
        run.tell(told)
    if arguments["word_epochs"] and model.features.words is not None and not run.goes_on:
        run.tell("learning word vectors to begin with from the training text")
        vectors = own_vectors(
            [text.words for text in parts.train],
            arguments["word_size"],
            epochs=arguments["word_epochs"],
            min_count=arguments["min_count"],
            seed=arguments["seed"],
        )
        model.features.begin_at(vectors, known.alphabet.words.entries)
    gold = has_labels(parts.train, labels, multi_label)
    weights = label_weights(arguments["class_weights"], labels, gold, multi_label)
    model.label_weights.copy_(torch.from_numpy(weights))
    return model


def _batches(
    model: Classifier, texts: Sequence[Text], batch_size: int, seed: int | None
) -> Buckets:
    def collate(rows: list[int]) -> ClassBatch:
        return model.batch([texts[row].words for row in rows], [texts[row].labels for row in rows])

    return Buckets([len(text.words) for text in texts], batch_size, collate, seed=seed)
