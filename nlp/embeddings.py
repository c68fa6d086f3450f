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

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from corpora.errors import UsageError, check_choice, check_positive, writing_to
from corpora.reader import Source, read
from corpora.wikipedia import LICENCE
from nlp.core import checkpoint
from nlp.core.device import choose_device
from nlp.core.events import Epoch, Event, Remark
from nlp.core.model_card import write_card
from nlp.core.run_folder import RunFolder
from nlp.core.training_state import FOLDER
from nlp.core.words import vector_formats
from nlp.core.words.word2vec import Algorithm, Objective, huffman_tree
from nlp.core.words.word_counts import Splitting, WordCounts, excerpts, write_words
from nlp.core.words.word_engines import Tables, Task, join_phrases, train_gensim, train_torch
from nlp.core.words.word_loss import SampledLoss
from nlp.core.words.word_vectors import WordVectors

KIND = "embeddings"
SAMPLE = "wikipedia-sample"
READING = ("text_column", "document", "encoding_errors")
LEARNING_RATES: dict[Algorithm, float] = {"skip-gram": 0.025, "cbow": 0.05}

Engine = Literal["auto", "gensim", "torch"]


@dataclass(frozen=True)
class Config:
    """What word vectors are trained with."""

    algorithm: Algorithm = "skip-gram"
    objective: Objective = "negative-sampling"
    size: int = 100  # features of a vector
    window: int = 5  # words on either side at most; each position draws its own from 1
    negatives: int = 5  # words drawn for each told one
    subsample: float = 1e-3  # share of the text above which a word is left out at times
    splitting: Splitting = "words"  # as word characters, or at white space
    lowercase: bool = True
    subwords: bool = False  # also vectors of n-grams, so that unknown words have one
    min_n: int = 3  # characters of the shortest n-gram, with < and > around the word
    max_n: int = 6
    buckets: int = 200_000  # vectors of n-grams; two n-grams may share one

    def __post_init__(self) -> None:
        check_choice("algorithm", self.algorithm, Algorithm)
        check_choice("objective", self.objective, Objective)
        check_choice("splitting", self.splitting, Splitting)
        names = ("size", "window", "negatives", "min_n", "buckets")
        check_positive(**{name: getattr(self, name) for name in names})
        if not 0 <= self.subsample < 1:
            raise UsageError(f"subsample is {self.subsample}: expected 0 to below 1")
        if self.max_n < self.min_n:
            raise UsageError(f"max_n is {self.max_n}: expected min_n, {self.min_n}, or more")


class TrainedEmbeddings(NamedTuple):
    """What `train_embeddings` leaves behind."""

    vectors: WordVectors
    losses: list[float]  # before training and after each epoch: mean nats per prediction
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
    epochs: int = 5,
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
            of `Config` are that folder's. A Huffman tree is grown anew: its nodes start at 0.
        algorithm ... buckets, splitting, lowercase: see `Config`.
        min_count, max_vocabulary: a word gets a vector when it occurs as often, and is among the
            so many most frequent.
        phrases: join words that go together ("new_york") if their score is above
            `phrase_threshold`.
        learning_rate: at the start, falling along a line; None takes 0.025 for skip-gram and 0.05
            for cbow.
        engine: auto takes torch on a CUDA GPU and gensim elsewhere.
        workers: threads of gensim; None takes one for each core. One worker always gives the same
            vectors for the same seed, several do not.
        overwrite: embeddings in `output` are moved to `output` + ".previous".
        report: hears what happens: remarks and an `Epoch` after each epoch.

    Raises:
        UsageError: an argument or the text cannot be used; what the folder held is still there.
    """
    arguments = dict(locals())
    for name in ("overwrite", "report"):
        del arguments[name]
    before = None if start is None else _Before.load(start)
    config = before.config if before else _config(arguments)
    check_positive(min_count=min_count, epochs=epochs, phrase_threshold=phrase_threshold)
    for name in ("max_vocabulary", "learning_rate", "workers"):
        if arguments[name] is not None:
            check_positive(**{name: arguments[name]})
    check_choice("engine", engine, Engine)
    where = choose_device(device)
    if engine == "auto":
        on_gpu = where.type == "cuda" and not config.subwords
        arguments["engine"] = "torch" if on_gpu else "gensim"
    folder = RunFolder(output)
    folder.create(arguments, overwrite=overwrite)
    try:
        return _run(folder.path, arguments, config, before, where, report)
    except (Exception, KeyboardInterrupt):
        folder.discard_unstarted()
        raise


class _Before(NamedTuple):
    """Embeddings to go on from."""

    config: Config
    vectors: WordVectors
    tensors: Mapping[str, torch.Tensor]

    @classmethod
    def load(cls, folder: str | Path) -> _Before:
        path = checkpoint.locate(folder)
        settings, _ = checkpoint.read_config(path, KIND)
        tensors, _ = checkpoint.read_tensors(path / checkpoint.WEIGHTS)
        vectors = vector_formats.load(path)
        if "output" not in tensors or vectors.counts is None:
            raise UsageError(f"{path} holds finished vectors only: training cannot go on from them")
        return cls(Config(**settings), vectors, tensors)


def _run(
    folder: Path,
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
    path = folder / FOLDER / "words.txt"
    passages = read(corpus, **{name: arguments[name] for name in READING})
    with writing_to(path):
        counted = write_words(
            passages, path, splitting=config.splitting, lowercase=config.lowercase
        )
    if arguments["phrases"]:
        threshold = arguments["phrase_threshold"]
        counted = join_phrases(path, min_count=arguments["min_count"], threshold=threshold)
    raw_words, lines = sum(counted.values()), _line_count(path)
    vocabulary = _vocabulary(counted, arguments, before)
    index = {word: number for number, word in enumerate(vocabulary.words)}
    seed = arguments["seed"]
    tables = _tables(vocabulary, config, before, seed)
    hierarchical = config.objective == "hierarchical-softmax"
    tree = huffman_tree(vocabulary.counts) if hierarchical else None
    loss = SampledLoss(
        excerpts(path, seed),
        vocabulary,
        index,
        algorithm=config.algorithm,
        window=config.window,
        negatives=config.negatives,
        subsample=config.subsample,
        tree=tree,
        seed=seed,
    )
    engine, rate = arguments["engine"], arguments["learning_rate"]
    task = Task(
        path=path,
        lines=lines,
        raw_words=raw_words,
        vocabulary=vocabulary,
        algorithm=config.algorithm,
        objective=config.objective,
        window=config.window,
        negatives=config.negatives,
        subsample=config.subsample,
        learning_rate=LEARNING_RATES[config.algorithm] if rate is None else rate,
        epochs=arguments["epochs"],
        ngram_lengths=(config.min_n, config.max_n),
        workers=arguments["workers"] or os.cpu_count() or 1,
        seed=seed,
    )
    report(
        Remark(
            f"{raw_words:,} words, {len(vocabulary.words):,} of them distinct and kept; "
            f"{engine} trains on {device if engine == 'torch' else f'{task.workers} cores'}"
        )
    )
    checkpoint.save_config(folder, KIND, asdict(config), None)
    vector_formats.write_counts(folder, vocabulary.words, vocabulary.counts)
    losses = [loss.measure(tables.vectors, tables.output)]
    trained_from = perf_counter()

    def on_epoch(tables: Tables) -> None:
        losses.append(loss.measure(tables.vectors, tables.output))
        _save(folder, tables)
        number, seconds = len(losses) - 1, perf_counter() - trained_from
        report(Epoch(number, task.epochs, losses[-1], number * raw_words / seconds))

    if engine == "gensim":
        train_gensim(task, tables, on_epoch, tree=tree)
    else:
        train_torch(task, tables, on_epoch, device=device, tree=tree)
    path.unlink()
    seconds = perf_counter() - begin
    write_card(
        folder,
        title="Word embeddings",
        about=(
            f"{len(vocabulary.words):,} word vectors of {config.size} features, trained with "
            f"Unrolled on {corpus} ({raw_words:,} words). Mean loss per prediction, before and "
            f"after each epoch: {', '.join(f'{value:.4f}' for value in losses)} nats.{licence}"
        ),
        columns=(),
        results={},
        arguments=arguments,
    )
    speed = raw_words * task.epochs / seconds
    return TrainedEmbeddings(vector_formats.load(folder), losses, seconds, speed)


def _config(arguments: Mapping[str, Any]) -> Config:
    return Config(**{field.name: arguments[field.name] for field in fields(Config)})


def _line_count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _vocabulary(
    counted: Counter[str], arguments: Mapping[str, Any], before: _Before | None
) -> WordCounts:
    """The words to train, with those that were trained before."""
    limits = {name: arguments[name] for name in ("min_count", "max_vocabulary")}
    if before is None:
        return WordCounts.of(counted, **limits)
    known = before.vectors
    assert known.counts is not None
    old = dict(zip(known.words, known.counts.tolist(), strict=True))
    new = {word: count for word, count in counted.items() if count >= limits["min_count"]}
    everything = {word: old.get(word, 0) + counted[word] for word in old.keys() | new.keys()}
    return WordCounts.of(everything, min_count=1)


def _tables(vocabulary: WordCounts, config: Config, before: _Before | None, seed: int) -> Tables:
    """Small random vectors and outputs of 0, as the authors' program begins; or where it ended."""
    draw = np.random.default_rng(seed)
    words, size = len(vocabulary.words), config.size
    hierarchical = config.objective == "hierarchical-softmax"

    def small(rows: int) -> np.ndarray:
        return (draw.random((rows, size), dtype=np.float32) - 0.5) / size

    tables = Tables(small(words), np.zeros((words - hierarchical, size), np.float32))
    if config.subwords:
        tables.own, tables.ngrams = tables.vectors, small(config.buckets)
        tables.vectors = tables.own.copy()
    if before is None:
        return tables
    index = {word: number for number, word in enumerate(vocabulary.words)}
    rows = [index[word] for word in before.vectors.words]
    tables.vectors[rows] = before.tensors["vectors"].numpy()
    if not hierarchical:
        tables.output[rows] = before.tensors["output"].numpy()
    if config.subwords:
        assert tables.own is not None
        tables.own[rows] = before.tensors["own"].numpy()
        tables.ngrams = before.tensors["ngrams"].numpy()
    return tables


def _save(folder: Path, tables: Tables) -> None:
    """Replaces the weights of a folder of embeddings."""
    arrays = {field.name: getattr(tables, field.name) for field in fields(Tables)}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}
    checkpoint.write_tensors(folder / checkpoint.WEIGHTS, tensors, {"format": checkpoint.FORMAT})
