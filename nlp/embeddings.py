"""Word embeddings: a vector for each word, near those of words used alike.

    the  quick  brown  fox  jumps  over        brown ─► quick, fox        king - man + woman
                 ▲ reads, and tells its neighbours                             ≈ queen

Word2Vec (Mikolov et al. 2013a, 2013b): skip-gram reads a word and tells each of its neighbours,
cbow reads the mean of the neighbours and tells the word; with subwords a word is the mean of its
own vector and those of its n-grams (fastText, Bojanowski et al. 2017).

    from nlp.embeddings import train_embeddings

    trained = train_embeddings("books/", output="vectors", size=100)
    print(trained.vectors.nearest("king"))
    print(trained.vectors.analogy("man", "king", "woman"))

gensim trains on CPUs, tensors train on GPUs (`engine`); the vectors are the same kind of thing.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from corpora.errors import UsageError, check_choice, check_positive, writing_to
from corpora.reader import Source, read
from corpora.wikipedia import LICENCE
from nlp.core.checkpoint import WEIGHTS
from nlp.core.device import choose_device
from nlp.core.events import Epoch, Event, Remark
from nlp.core.model_card import write_card
from nlp.core.run import Run, config_of
from nlp.core.training_state import FOLDER
from nlp.core.words import vector_formats
from nlp.core.words.word2vec import Algorithm, Objective, huffman_tree
from nlp.core.words.word_counts import Splitting, WordCounts, Written, excerpts, write_words
from nlp.core.words.word_engines import (
    ONLY_GENSIM,
    Config,
    Tables,
    Task,
    join_phrases,
    train_gensim,
    train_torch,
)
from nlp.core.words.word_loss import SampledLoss
from nlp.core.words.word_vectors import WordVectors

SAMPLE = "wikipedia-sample"
READING = ("text_column", "document", "encoding_errors")
LEARNING_RATES: dict[Algorithm, float] = {"skip-gram": 0.025, "cbow": 0.05}
# Word by word, small texts must be read more often: at 5 epochs the bundled sample gives noise.
ENOUGH_WORDS, FEWEST_EPOCHS, MOST_EPOCHS = 15_000_000, 5, 50

Engine = Literal["auto", "gensim", "torch"]


class TrainedEmbeddings(NamedTuple):
    """What `train_embeddings` leaves behind."""

    vectors: WordVectors
    losses: list[float]  # before training and after each epoch: mean nats per prediction, of a
    # fixed sample of the training text; NaN where no two known words stand on one line
    seconds: float  # of reading, counting and training
    words_per_second: float  # raw words times epochs, in those seconds


def train_embeddings(
    corpus: Source | None = None,
    *,
    output: str | Path = "embeddings",
    start: str | Path | None = None,
    algorithm: Algorithm = "skip-gram",
    objective: Objective = "negative-sampling",
    size: int = 100,
    window: int = 5,
    negatives: int = 5,
    subsample: float = 1e-3,
    min_count: int = 5,
    max_vocabulary: int | None = None,
    phrases: bool = False,
    phrase_threshold: float = 10.0,
    subwords: bool = False,
    min_n: int = 3,
    max_n: int = 6,
    buckets: int = 200_000,
    splitting: Splitting = "words",
    lowercase: bool = True,
    text_column: str = "text",
    document: str = "file",
    encoding_errors: str = "strict",
    epochs: int | None = None,
    learning_rate: float | None = None,
    engine: Engine = "auto",
    device: str = "auto",
    workers: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> TrainedEmbeddings:
    """Trains word vectors on a corpus and leaves them in the folder `output`.

    Args:
        corpus, text_column, document, encoding_errors: what to read, see `corpora.read`; a corpus
            of None is the bundled Wikipedia sample.
        start: a folder of embeddings to go on from, with this text and its new words; the settings
            of `Config` are that folder's, and others are refused. Its words all stay. A Huffman
            tree is grown anew: its nodes start at 0.
        algorithm ... buckets, splitting, lowercase: see `nlp.core.words.word_engines.Config`.
        min_count, max_vocabulary: a word gets a vector when it occurs as often, and is among the
            so many most frequent.
        phrases: join words that go together ("new_york") if their score is above
            `phrase_threshold`.
        epochs: None takes as many as make about 15 million words, from 5 to 50.
        learning_rate: at the start, falling along a line; None takes 0.025 for skip-gram and 0.05
            for cbow.
        engine: auto takes torch on a CUDA GPU and gensim elsewhere.
        workers: threads of gensim; None takes one for each core that this process may use. One
            worker always gives the same vectors for the same seed, several do not.
        overwrite: embeddings in `output` are moved to `output` + ".previous".
        report: hears what happens: remarks and an `Epoch` after each epoch.

    Raises:
        UsageError: an argument or the text cannot be used; what the folder held is still there.
        KeyboardInterrupt: the vectors of the last whole epoch are in the folder, if there was one.
    """
    run = Run.of(train_embeddings, locals())
    arguments = run.arguments
    before = None if start is None else _Before.load(start, arguments)
    config = before.config if before else config_of(Config, arguments)
    arguments |= asdict(config)
    check_positive(min_count=min_count, phrase_threshold=phrase_threshold)
    for name in ("epochs", "max_vocabulary", "learning_rate", "workers"):
        if arguments[name] is not None:
            check_positive(**{name: arguments[name]})
    if not 0 <= seed < 1 << 32:
        raise UsageError(f"seed is {seed}: expected 0 or more, and below 2^32")
    check_choice("engine", engine, Engine)
    where = choose_device(device)
    if engine == "auto":
        on_gpu = where.type == "cuda" and not config.subwords
        arguments["engine"] = "torch" if on_gpu else "gensim"
    elif engine == "torch" and config.subwords:
        raise UsageError(ONLY_GENSIM)
    text = run.path / FOLDER / "words.txt"
    with run.started():
        try:
            return _run(run.path, text, arguments, config, before, where, report)
        except KeyboardInterrupt:
            if not (run.path / WEIGHTS).exists():
                run.tell(f"interrupted before the first epoch was done: {output} is as it was")
            raise
        finally:
            text.unlink(missing_ok=True)


class _Before(NamedTuple):
    """Embeddings to go on from."""

    config: Config
    vectors: WordVectors
    arrays: Mapping[str, np.ndarray]

    @classmethod
    def load(cls, start: str | Path, arguments: Mapping[str, Any]) -> _Before:
        """Refuses arguments that are neither left out nor what the folder was trained with."""
        vectors, settings, arrays = vector_formats.load_folder(start)
        try:
            config = Config(**settings)
        except (TypeError, ValueError) as error:
            raise UsageError(f"the config.json of {start} is damaged: {error}") from error
        if "output" not in arrays:
            raise UsageError(
                f"{start} holds finished vectors only: training cannot go on from them"
            )
        words, size = len(vectors), config.size
        hierarchical = config.objective == "hierarchical-softmax"
        shapes = {"vectors": (words, size), "output": (words - hierarchical, size)}
        if config.subwords:
            shapes |= {"own": (words, size), "ngrams": (config.buckets, size)}
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise UsageError(f"the weights of {start} do not fit its config.json: copy it again")
        parameters = inspect.signature(train_embeddings).parameters
        for name, known in asdict(config).items():
            value = arguments[name]
            if value not in (parameters[name].default, known):
                raise UsageError(
                    f"{name} is {value} here and {known} in {start}: training goes on with its "
                    "settings, so leave it out"
                )
        return cls(config, vectors, arrays)


def _run(
    folder: Path,
    text: Path,
    arguments: Mapping[str, Any],
    config: Config,
    before: _Before | None,
    device: torch.device,
    report: Callable[[Event], None],
) -> TrainedEmbeddings:
    begin = perf_counter()
    corpus = SAMPLE if arguments["corpus"] is None else arguments["corpus"]
    licence = f" {LICENCE}" if corpus == SAMPLE else ""
    if arguments["corpus"] is None:
        report(Remark(f"no corpus named: training on the bundled {SAMPLE}.{licence}"))
    task = _task(_written(corpus, text, arguments, config), arguments, config, before)
    engine, words = arguments["engine"], task.text.counted.total()
    where = device if engine == "torch" else f"{task.workers} threads"
    report(
        Remark(
            f"{words:,} words, {len(task.vocabulary.words):,} of them distinct and kept; "
            f"{engine} trains on {where}, {task.epochs} epoch{'s' * (task.epochs > 1)}"
        )
    )
    losses: list[float] = []

    def describe(end: str = "") -> None:
        told = "not measured: no two known words stand on one line of it"
        if not math.isnan(losses[0]):
            told = f"{', '.join(f'{loss:.4f}' for loss in losses)} nats"
        write_card(
            folder,
            title="Word embeddings",
            about=(
                f"{len(task.vocabulary.words):,} word vectors of {config.size} features, trained "
                f"with Unrolled on {corpus} ({words:,} words){end}. Mean loss per prediction, on a "
                "fixed sample of the training text, before and after each epoch: "
                f"{told}.{licence}"
            ),
            columns=(),
            results={},
            arguments={**arguments, "epochs": task.epochs},
        )

    try:
        _train(task, before, folder, device if engine == "torch" else None, losses, report)
    except KeyboardInterrupt:
        if len(losses) > 1:
            end = f"interrupted after epoch {len(losses) - 1} of {task.epochs}"
            describe(f", {end}")
            report(Remark(f"{end}, whose vectors are in {folder}: --start goes on from them"))
        raise
    describe()
    seconds = perf_counter() - begin
    speed = words * task.epochs / seconds
    return TrainedEmbeddings(vector_formats.load(folder), losses, seconds, speed)


def _written(corpus: Source, path: Path, arguments: Mapping[str, Any], config: Config) -> Written:
    """The corpus as a file of words."""
    passages = read(corpus, **{name: arguments[name] for name in READING})
    with writing_to(path):
        text = write_words(passages, path, splitting=config.splitting, lowercase=config.lowercase)
    if arguments["phrases"]:
        threshold = arguments["phrase_threshold"]
        return join_phrases(text, min_count=arguments["min_count"], threshold=threshold)
    return text


def _task(
    text: Written, arguments: Mapping[str, Any], config: Config, before: _Before | None
) -> Task:
    epochs, rate = arguments["epochs"], arguments["learning_rate"]
    if epochs is None:
        enough = math.ceil(ENOUGH_WORDS / max(1, text.counted.total()))
        epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, enough))
    return Task(
        config=config,
        text=text,
        vocabulary=_vocabulary(text, arguments, before),
        learning_rate=LEARNING_RATES[config.algorithm] if rate is None else rate,
        epochs=epochs,
        workers=arguments["workers"] or _usable_cores(),
        seed=arguments["seed"],
    )


def _usable_cores() -> int:
    """Cores that this process may use: a container or a batch system may give it fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _vocabulary(text: Written, arguments: Mapping[str, Any], before: _Before | None) -> WordCounts:
    """The words to train, with those that were trained before."""
    min_count, most = arguments["min_count"], arguments["max_vocabulary"]
    if before is None:
        vocabulary = WordCounts.of(text.counted, min_count=min_count, max_vocabulary=most)
    else:
        known = before.vectors
        assert known.counts is not None
        everything = dict(zip(known.words, known.counts.tolist(), strict=True))
        new = {word: n for word, n in text.counted.items() if word not in everything}
        room = len(new) if most is None else max(0, most - len(everything))
        often = sorted((-n, word) for word, n in new.items() if n >= min_count)[:room]
        for word in (*everything, *(word for _, word in often)):
            everything[word] = everything.get(word, 0) + text.counted[word]
        vocabulary = WordCounts.of(everything, min_count=0)
    if len(vocabulary.words) < 2:
        raise UsageError(
            f"{vocabulary.words[0]!r} is the only word kept, and vectors take two: give more text, "
            "a smaller --min-count or a larger --max-vocabulary"
        )
    return vocabulary


def _train(
    task: Task,
    before: _Before | None,
    folder: Path,
    device: torch.device | None,
    losses: list[float],
    report: Callable[[Event], None],
) -> None:
    """Fills a folder, anew after each epoch; `losses` grows when that is done. On a device by
    tensors, else by gensim."""
    config, vocabulary = task.config, task.vocabulary
    tables = _tables(task, before)
    hierarchical = config.objective == "hierarchical-softmax"
    tree = huffman_tree(vocabulary.counts) if hierarchical else None
    index = {word: number for number, word in enumerate(vocabulary.words)}
    texts = excerpts(task.text.path, task.seed)
    loss = SampledLoss(texts, vocabulary, index, config=config, tree=tree, seed=task.seed)
    if not len(loss):
        report(
            Remark("no two known words stand on one line of the sample: the loss is not measured")
        )
    losses.append(loss.measure(tables.vectors, tables.output))
    words, begin = task.text.counted.total(), perf_counter()

    def on_epoch(tables: Tables) -> None:
        measured = loss.measure(tables.vectors, tables.output)
        arrays = {field.name: getattr(tables, field.name) for field in fields(Tables)}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        vector_formats.save_folder(folder, asdict(config), *vocabulary, arrays)
        losses.append(measured)
        number, seconds = len(losses) - 1, perf_counter() - begin
        report(Epoch(number, task.epochs, measured, number * words / seconds))

    if device is None:
        train_gensim(task, tables, on_epoch, tree=tree)
    else:
        train_torch(task, tables, on_epoch, device=device, tree=tree)


def _tables(task: Task, before: _Before | None) -> Tables:
    """Small random vectors and outputs of 0, as the authors' program begins; or where it ended."""
    draw = np.random.default_rng(task.seed)
    config, words = task.config, len(task.vocabulary.words)
    hierarchical = config.objective == "hierarchical-softmax"

    def small(rows: int) -> np.ndarray:
        return (draw.random((rows, config.size), dtype=np.float32) - 0.5) / config.size

    tables = Tables(small(words), np.zeros((words - hierarchical, config.size), np.float32))
    if config.subwords:
        tables.own, tables.ngrams = tables.vectors, small(config.buckets)
        tables.vectors = tables.own.copy()
    if before is None:
        return tables
    index = {word: number for number, word in enumerate(task.vocabulary.words)}
    rows = [index[word] for word in before.vectors.words]
    tables.vectors[rows] = before.arrays["vectors"]
    if not hierarchical:
        tables.output[rows] = before.arrays["output"]
    if config.subwords:
        assert tables.own is not None
        tables.own[rows] = before.arrays["own"]
        tables.ngrams = before.arrays["ngrams"].copy()
    return tables
