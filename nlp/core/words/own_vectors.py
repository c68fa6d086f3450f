"""Word vectors out of the very texts that a model is then trained on.

Few texts teach a model little about a rare word, but that word's neighbours in them tell what it is
like: where vectors begin at skip-gram's (Mikolov et al. 2013), and not at random, rare words stand
near the common ones that are used alike, and learn with them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nlp.core.words.word_counts import WordCounts, Written
from nlp.core.words.word_engines import Config, Tables, Task, train_gensim
from nlp.core.words.word_vectors import WordVectors


def own_vectors(
    sentences: Iterable[Sequence[str]],
    size: int,
    *,
    epochs: int,
    min_count: int = 1,
    learning_rate: float = 0.05,
    seed: int = 0,
) -> WordVectors:
    """Vectors `[words, size]` of the words that occur `min_count` times, in small letters.

    The same words and seed give the same vectors, so one core trains them: a million words a second
    and epoch, about.

    Args:
        sentences: words without white space in them.
    """
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "words.txt"
        written = 0
        with text.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            for sentence in sentences:
                small = [word.lower() for word in sentence]
                counted.update(small)
                written += bool(small)
                file.write(" ".join(small) + "\n" if small else "")
        vocabulary = WordCounts.of(counted, min_count=min_count)
        draw, words = np.random.default_rng(seed), len(vocabulary.words)
        tables = Tables(
            (draw.random((words, size), dtype=np.float32) - 0.5) / size,
            np.zeros((words, size), np.float32),
        )
        task = Task(
            Config(size=size),
            Written(text, counted, written),
            vocabulary,
            learning_rate=learning_rate,
            epochs=epochs,
            workers=1,
            seed=seed,
        )
        train_gensim(task, tables, lambda tables: None, tree=None)
    return WordVectors(vocabulary.words, tables.vectors, vocabulary.counts)
