"""Two engines that train the same word vectors: gensim on CPUs, tensors on GPUs.

Both start from the same tables, read the same file of words, and call back after each epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from corpora.errors import UsageError, check_choice, check_positive
from corpora.writing import replacing
from nlp.core.words.word2vec import (
    Algorithm,
    Objective,
    Tree,
    Word2Vec,
    random_device,
    windows,
    without_empty_lines,
)
from nlp.core.words.word_counts import Splitting, WordCounts, Written, encode, lines

LAST_RATE = 1e-4  # the learning rate falls to this along a line, where it begins higher
# Positions read at once at most, by the kind of device; of a small text fewer, for an epoch should
# have some hundred steps.
POSITIONS = {"cpu": 1 << 11, "cuda": 1 << 12}
STEPS, FEWEST = 500, 128
ONLY_GENSIM = "subwords are trained by the engine gensim only: leave --engine out"


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


@dataclass
class Tables:
    """What is trained, float32; engines change it in place."""

    vectors: np.ndarray  # [words, size]: what words mean when they are read
    output: np.ndarray  # [words, size], or [words - 1, size] of the tree's inner nodes: when told
    ngrams: np.ndarray | None = None  # [buckets, size]
    own: np.ndarray | None = None  # [words, size]: with n-grams, what is a word's alone


@dataclass(frozen=True)
class Task:
    """What to train on, and how."""

    config: Config
    text: Written  # the file of words
    vocabulary: WordCounts
    learning_rate: float
    epochs: int
    workers: int
    seed: int

    @property
    def known_words(self) -> int:
        """Words of the file with a vector, each occurrence; `vocabulary` may count more texts."""
        return sum(self.text.counted[word] for word in self.vocabulary.words)

    @property
    def last_rate(self) -> float:
        """What the learning rate ends at."""
        return min(LAST_RATE, self.learning_rate)


def join_phrases(text: Written, *, min_count: int, threshold: float) -> Written:
    """Rewrites a file of words with words that go together joined ("new_york"), and counts anew
    (Mikolov et al. 2013b, section 4)."""
    from gensim.models.phrases import Phrases

    phrases = Phrases(lines(text.path), min_count=min_count, threshold=threshold).freeze()
    counted: Counter[str] = Counter()
    written = 0
    with replacing(text.path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines(text.path):
            joined = phrases[line]
            counted.update(joined)
            file.write(" ".join(joined) + "\n")
            written += 1
    return Written(text.path, counted, written)


OnEpoch = Callable[[Tables], None]


def train_gensim(task: Task, tables: Tables, on_epoch: OnEpoch, *, tree: Tree | None) -> None:
    """On the CPU, by gensim's own compiled loops, without a lock among `workers` threads."""
    from gensim.models import FastText, Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    config, text = task.config, task.text

    class AfterEpoch(CallbackAny2Vec):
        def on_epoch_end(self, model: Any) -> None:
            if tables.ngrams is not None:
                model.wv.adjust_vectors()
                tables.vectors = model.wv.vectors
            on_epoch(tables)

    settings: dict[str, Any] = {
        "vector_size": config.size,
        "alpha": task.learning_rate,
        "min_alpha": task.last_rate,
        "window": config.window,
        "min_count": 1,
        "sample": config.subsample,
        "seed": task.seed,
        "workers": task.workers,
        "sg": int(config.algorithm == "skip-gram"),
        "hs": int(tree is not None),
        "negative": config.negatives if tree is None else 0,
        "epochs": task.epochs,
        "sorted_vocab": 0,  # it is sorted
    }
    words = dict(zip(task.vocabulary.words, task.vocabulary.counts.tolist(), strict=True))
    if tables.ngrams is None:
        model = Word2Vec(**settings)
        model.build_vocab_from_freq(words, corpus_count=text.lines)
        model.wv.vectors = tables.vectors
    else:
        ngrams = {"min_n": config.min_n, "max_n": config.max_n, "bucket": config.buckets}
        model = FastText(**settings, **ngrams)
        model.build_vocab_from_freq(words, corpus_count=text.lines)
        model.wv.vectors_vocab, model.wv.vectors_ngrams = tables.own, tables.ngrams
    if tree is None:
        model.syn1neg = tables.output
    else:
        model.syn1 = tables.output
        # Ours: where counts are equal there are several trees, and the loss must know which.
        depths = tree.real.sum(1).int().tolist()
        for number, depth in enumerate(depths):
            model.wv.set_vecattr(number, "code", tree.codes[number, :depth].numpy().astype("u1"))
            model.wv.set_vecattr(number, "point", tree.nodes[number, :depth].numpy().astype("u4"))
    model.train(
        corpus_file=str(text.path),
        total_examples=text.lines,
        total_words=text.counted.total(),
        epochs=task.epochs,
        callbacks=[AfterEpoch()],
    )


def train_torch(
    task: Task, tables: Tables, on_epoch: OnEpoch, *, device: torch.device, tree: Tree | None
) -> None:
    """On any device, in batches; see `nlp.core.words.word2vec`.

    The corpus is read as ids, some million at once, so it may be larger than the memory. On one
    CPU the same seed gives the same vectors; a GPU adds in no fixed order.
    """
    if tables.ngrams is not None:
        raise UsageError(ONLY_GENSIM)
    config, drawn_on = task.config, random_device(device)
    generator = torch.Generator(drawn_on).manual_seed(task.seed)
    vectors = torch.from_numpy(tables.vectors).to(device)  # on the CPU, the same memory
    output = torch.from_numpy(tables.output).to(device)
    model = Word2Vec(
        vectors,
        output,
        algorithm=config.algorithm,
        draw=torch.from_numpy(task.vocabulary.counts**0.75).to(drawn_on),
        negatives=config.negatives,
        tree=None if tree is None else Tree(*(part.to(device) for part in tree)),
        generator=generator,
    )
    # A row more, for the breaks between lines, which BREAK = -1 names: they are always kept.
    keep = torch.from_numpy(np.append(task.vocabulary.keep_probability(config.subsample), 1))
    keep = keep.float().to(device)
    index = {word: number for number, word in enumerate(task.vocabulary.words)}
    known_words, done = task.known_words, 0
    total = task.epochs * known_words
    most = POSITIONS.get(device.type, POSITIONS["cuda"])
    positions = min(most, max(FEWEST, known_words // STEPS))
    for _ in range(task.epochs):
        for piece in encode(task.text.path, index):
            ids = torch.from_numpy(piece).to(device)
            words = int((ids >= 0).sum())
            drawn = torch.rand(ids.shape, generator=generator, device=drawn_on).to(device)
            kept = without_empty_lines(ids[drawn < keep[ids]])
            batches = kept.split(positions) if len(kept) else ()
            for number, batch in enumerate(batches):
                fraction = min(1, (done + words * number / len(batches)) / total)
                rate = task.learning_rate + fraction * (task.last_rate - task.learning_rate)
                model.step(windows(batch, config.window, generator), rate)
            done += words
        if device.type != "cpu":
            tables.vectors, tables.output = vectors.cpu().numpy(), output.cpu().numpy()
        on_epoch(tables)
