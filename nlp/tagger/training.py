"""Training a tagger on annotated text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from corpora.annotated_splits import divide
from corpora.errors import check_positive
from corpora.reader import Source
from corpora.tagged import Sentence
from nlp.core import checkpoint
from nlp.core.batching import Buckets, of_like_length
from nlp.core.contextual import Reader
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run import Run, check_training, config_of
from nlp.core.tags.calibration import draw_reliability, reliability
from nlp.core.tags.tag_evaluation import RESULT_COLUMNS, TagEvaluation
from nlp.core.training import Outcome, fit
from nlp.core.word_features import KnownWords, Spelling
from nlp.tagger.evaluation import evaluate_sentences, measure, read_sentences
from nlp.tagger.model import KIND, Config, Tagger, TaggerBatch

RELIABILITY = "reliability.png"
SAMPLE = "generated-people"
READING = ("format", "separator", "word_column", "tag_column", "scheme", "encoding_errors")


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Tagger
    outcome: Outcome
    test: TagEvaluation | None  # on the test part


def train(
    data: Source | None = None,
    *,
    output: str | Path = "tagger",
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    format: str = "auto",
    separator: str | None = None,
    word_column: int | None = None,
    tag_column: int | None = None,
    scheme: str = "auto",
    encoding_errors: str = "strict",
    embedding: str | Path | None = None,
    freeze_embedding: bool = True,
    language_models: Sequence[str | Path] = (),
    word_size: int = 50,
    min_count: int = 1,
    spelling: Spelling = "both",
    character_size: int = 50,
    shape_size: int = 16,
    cell: CellKind = "lstm",
    layers: int = 1,
    hidden_size: int = 200,
    bidirectional: bool = True,
    crf: bool = True,
    word_dropout: float = 0.5,
    input_dropout: float = 0.25,
    dropout: float = 0.3,
    output_dropout: float = 0.25,
    epochs: float = 20,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 16,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 3e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 100,
    weight_decay: float = 0.01,
    clip_norm: float = 5.0,
    accumulate: int = 1,
    evaluate_every: int | None = None,
    patience: int | None = None,
    plot: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Trains a tagger on annotated text and leaves it in the folder `output`.

    The model that finds the entities of the validation part best is kept, by F1.

    Args:
        data, format ... encoding_errors: what to read, see `corpora.tagged.read_tagged`; None is
            the bundled generated sample.
        validation, test: fractions of the data, or sources of their own; a test of 0 is none.
        embedding: word vectors, a file or folder that `nlp.core.words.vector_formats.load` reads,
            beside those that are learned.
        freeze_embedding: leave them as they are; else those of the training text's words learn on.
        language_models: folders of language models of characters, whose states at each word are
            read too; best one of each direction, see `nlp.language_model.train`.
        word_size, min_count: of the learned vectors, for words that occur so often; a size of 0 is
            none. The other sizes and dropouts are `Config`'s.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
        plot: draws the loss curves and the reliability of confidences into the folder, which
            takes the `plots` extra.
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
    check_training(arguments)
    config_of(Config, arguments, labels=("any",), words=1, characters=1)
    check_positive(min_count=arguments["min_count"])


def _run(run: Run) -> Trained:
    arguments, reading = run.arguments, run.pick(READING)
    source = SAMPLE if arguments["data"] is None else arguments["data"]
    parts = divide(
        source,
        arguments["validation"],
        arguments["test"],
        read=lambda place, split: read_sentences(place, split, reading),
        groups=_documents,
    )
    counted = parts.counted("sentences", "entities", lambda sentence: len(sentence.spans))
    run.tell(*dict.fromkeys(parts.remarks), counted)
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        model = _build(parts.train, run)
    if run.resumed:
        model.alphabet.check_same(run.path)
    model.save_words(run.path)
    checkpoint.save_config(run.path, KIND, asdict(model.config), None)
    run.place(model, "a tagger")
    batches = _batches(model, parts.train, arguments["batch_size"], arguments["seed"])
    held_out = _batches(model, parts.validation, 32, None)
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=run.path,
        evaluate=lambda: measure(model, held_out),
        report=run.report,
        resume=run.goes_on,
    )
    result = None
    if outcome.ended != "interrupted":
        model.calibrate(parts.validation)
        checkpoint.save_weights(model, run.path)
        if parts.test:
            result = evaluate_sentences(model, parts.test)
    if arguments["plot"] and result is not None:
        rows = reliability(result.confidences, result.correct)
        draw_reliability(run.path / RELIABILITY, rows)
    run.finish(
        title="Tagger",
        about=(
            f"Finds {', '.join(model.config.labels)}. {checkpoint.parameter_count(model):,} "
            f"parameters, trained with Unrolled on {source} ({counted}) for "
            f"{outcome.step:,} steps."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else result.rows(),
    )
    return Trained(model, outcome, result)


def _documents(sentences: Sequence[Sentence]) -> list[int]:
    """The number of each sentence's document."""
    numbers = itertools.accumulate(int(sentence.begins_document) for sentence in sentences)
    return [max(0, number - 1) for number in numbers]


def _build(train_part: Sequence[Sentence], run: Run) -> Tagger:
    """An untrained tagger for these sentences."""
    labels = tuple(sorted({span.label for s in train_part for span in s.spans}))
    occurring = [word for sentence in train_part for word in sentence.words]
    known = KnownWords.of(run.arguments, occurring)
    readers = [Reader.of_folder(folder) for folder in run.arguments["language_models"]]
    configs = tuple(reader.config for reader in readers)
    counts = {**known.sizes(), "labels": labels, "readers": configs}
    config = config_of(Config, run.arguments, **counts)
    model = Tagger(config, known.alphabet, readers)
    if told := known.fill(model.features, occurring):
        run.tell(told)
    return model


def _batches(
    model: Tagger, sentences: Sequence[Sentence], batch_size: int, seed: int | None
) -> Buckets:
    """Batches of sentences; what the language models make of them is found out only once."""
    context: dict[int, Tensor] = {}
    if model.readers:
        for rows in of_like_length([len(s.words) for s in sentences], 32):
            states = model.context([sentences[row].words for row in rows]).half().cpu()
            for row, state in zip(rows, states, strict=True):
                context[row] = state[: len(sentences[row].words)].clone()

    def collate(rows: list[int]) -> TaggerBatch:
        known = [context[row] for row in rows] if context else None
        return model.batch(
            [sentences[row].words for row in rows],
            [sentences[row].spans for row in rows],
            nn.utils.rnn.pad_sequence(known, batch_first=True) if known else None,
        )

    return Buckets([len(s.words) for s in sentences], batch_size, collate, seed=seed)
