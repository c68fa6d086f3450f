"""Two engines that train the same word vectors: gensim on CPUs, tensors on GPUs.

Both start from the same tables, read the same file of words, and call back after each epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from corpora.errors import UsageError
from corpora.writing import replacing
from nlp.core.words.word2vec import Algorithm, Objective, Tree, Word2Vec, windows
from nlp.core.words.word_counts import WordCounts, encode, lines

LAST_RATE = 1e-4  # the learning rate falls to this along a line
# Positions read at once at most, by the kind of device; of a small text fewer, for an epoch should
# have some hundred steps.
POSITIONS = {"cpu": 1 << 11, "cuda": 1 << 12}
STEPS, FEWEST = 500, 128


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

    path: Path  # the file of words
    lines: int
    raw_words: int  # in it, also those without a vector
    vocabulary: WordCounts
    algorithm: Algorithm
    objective: Objective
    window: int  # words on either side at most
    negatives: int  # words drawn for each told one
    subsample: float  # words more frequent than this are left out at times; 0 for never
    learning_rate: float
    epochs: int
    ngram_lengths: tuple[int, int]
    workers: int
    seed: int


def join_phrases(path: Path, *, min_count: int, threshold: float) -> Counter[str]:
    """Rewrites a file of words with words that go together joined ("new_york"), and counts anew
    (Mikolov et al. 2013b, section 4)."""
    from gensim.models.phrases import Phrases

    phrases = Phrases(lines(path), min_count=min_count, threshold=threshold).freeze()
    counted: Counter[str] = Counter()
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines(path):
            joined = phrases[line]
            counted.update(joined)
            file.write(" ".join(joined) + "\n")
    return counted


OnEpoch = Callable[[Tables], None]


def train_gensim(task: Task, tables: Tables, on_epoch: OnEpoch, *, tree: Tree | None) -> None:
    """On the CPU, by gensim's own compiled loops, without a lock among `workers` threads."""
    from gensim.models import FastText, Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class AfterEpoch(CallbackAny2Vec):
        def on_epoch_end(self, model: Any) -> None:
            if tables.ngrams is not None:
                model.wv.adjust_vectors()
                tables.vectors = model.wv.vectors
            on_epoch(tables)

    settings: dict[str, Any] = {
        "vector_size": tables.vectors.shape[1],
        "alpha": task.learning_rate,
        "min_alpha": LAST_RATE,
        "window": task.window,
        "min_count": 1,
        "sample": task.subsample,
        "seed": task.seed,
        "workers": task.workers,
        "sg": int(task.algorithm == "skip-gram"),
        "hs": int(tree is not None),
        "negative": task.negatives if tree is None else 0,
        "epochs": task.epochs,
        "sorted_vocab": 0,  # it is sorted
    }
    words = dict(zip(task.vocabulary.words, task.vocabulary.counts.tolist(), strict=True))
    if tables.ngrams is None:
        model = Word2Vec(**settings)
        model.build_vocab_from_freq(words, corpus_count=task.lines)
        model.wv.vectors = tables.vectors
    else:
        shortest, longest = task.ngram_lengths
        model = FastText(**settings, min_n=shortest, max_n=longest, bucket=len(tables.ngrams))
        model.build_vocab_from_freq(words, corpus_count=task.lines)
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
        corpus_file=str(task.path),
        total_examples=task.lines,
        total_words=task.raw_words,
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
        raise UsageError("subwords are trained by the engine gensim only: leave --engine out")
    generator = torch.Generator(device).manual_seed(task.seed)
    vectors = torch.from_numpy(tables.vectors).to(device)  # on the CPU, the same memory
    output = torch.from_numpy(tables.output).to(device)
    model = Word2Vec(
        vectors,
        output,
        algorithm=task.algorithm,
        draw=torch.from_numpy(task.vocabulary.counts**0.75).to(device),
        negatives=task.negatives,
        tree=None if tree is None else Tree(*(part.to(device) for part in tree)),
        generator=generator,
    )
    # A row more, for the breaks between lines, which BREAK = -1 names: they are always kept.
    keep = torch.from_numpy(np.append(task.vocabulary.keep_probability(task.subsample), 1))
    keep = keep.float().to(device)
    index = {word: number for number, word in enumerate(task.vocabulary.words)}
    total, done = task.epochs * int(task.vocabulary.counts.sum()), 0
    most = POSITIONS.get(device.type, POSITIONS["cuda"])
    positions = min(most, max(FEWEST, total // task.epochs // STEPS))
    for _ in range(task.epochs):
        for piece in encode(task.path, index):
            ids = torch.from_numpy(piece).to(device)
            words = int((ids >= 0).sum())
            kept = torch.rand(ids.shape, generator=generator, device=device) < keep[ids]
            batches = ids[kept].split(positions)
            for number, batch in enumerate(batches):
                fraction = (done + words * number / len(batches)) / total
                rate = task.learning_rate + fraction * (LAST_RATE - task.learning_rate)
                model.step(windows(batch, task.window, generator), rate)
            done += words
        if device.type != "cpu":
            tables.vectors, tables.output = vectors.cpu().numpy(), output.cpu().numpy()
        on_epoch(tables)
