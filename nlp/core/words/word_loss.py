"""The loss of word vectors by its definition, on a fixed sample of a corpus.

What trainers add up while the weights still change depends on the number of workers and on how
they round; this depends on the weights alone, so epochs, engines and settings can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nlp.core.words.word2vec import Tree
from nlp.core.words.word_counts import WordCounts
from nlp.core.words.word_engines import Config

PREDICTIONS = 50_000  # in the sample, at most
_ROWS = 4096  # of them at once


class SampledLoss:
    """Mean nats per prediction: -log s(u_o.v) - sum of log s(-u_k.v), or of the turns of a tree.

    A prediction is a pair of words for skip-gram, and a word from its neighbours' mean for cbow.

    Args:
        texts: stretches of the file of words.
        config: as in training; which words are left out, how wide each window is and which words
            are drawn is fixed by `seed`.
        tree: in place of drawn words.
    """

    def __init__(
        self,
        texts: Iterable[str],
        vocabulary: WordCounts,
        index: Mapping[str, int],
        *,
        config: Config,
        tree: Tree | None,
        seed: int,
    ) -> None:
        draw = np.random.default_rng((seed, 3))
        keep = vocabulary.keep_probability(config.subsample)
        read: list[list[int]] = []
        told: list[int] = []
        for line in (line for text in texts for line in text.split("\n")):
            ids = [index[word] for word in line.split() if word in index]
            ids = [number for number in ids if draw.random() < keep[number]]
            for place, word in enumerate(ids):
                reach = int(draw.integers(1, config.window + 1))
                others = ids[max(0, place - reach) : place] + ids[place + 1 : place + 1 + reach]
                if config.algorithm == "skip-gram":
                    read += [[word]] * len(others)
                    told += others
                elif others:
                    read.append(others)
                    told.append(word)
        if len(told) > PREDICTIONS:
            chosen = draw.choice(len(told), PREDICTIONS, replace=False)
            read, told = [read[number] for number in chosen], [told[number] for number in chosen]
        longest = max(map(len, read), default=1)
        self.read = np.zeros((len(read), longest), np.int64)
        self.share = np.zeros((len(read), longest), np.float32)  # of each word in the mean
        for row, words in enumerate(read):
            self.read[row, : len(words)], self.share[row, : len(words)] = words, 1 / len(words)
        self.told = np.array(told, np.int64)
        self.tree = None if tree is None else tuple(part.numpy() for part in tree)
        weights = np.cumsum(vocabulary.counts**0.75)
        uniform = draw.random((len(told), config.negatives)) * weights[-1]
        self.drawn = np.searchsorted(weights, uniform)

    def __len__(self) -> int:
        return len(self.told)

    def measure(self, vectors: np.ndarray, output: np.ndarray) -> float:
        """Of vectors `[words, size]` and output vectors `[words, size]` (or of inner nodes); NaN
        where the sample holds no prediction."""
        total = 0.0
        for begin in range(0, len(self), _ROWS):
            rows = slice(begin, begin + _ROWS)
            means = np.einsum("rw,rwd->rd", self.share[rows], vectors[self.read[rows]])
            told = self.told[rows]
            if self.tree is not None:
                nodes, codes, real = (part[told] for part in self.tree)
                scores = np.einsum("rd,rnd->rn", means, output[nodes])
                total += float((_softplus((2 * codes - 1) * scores) * real).sum())
            else:
                total += float(_softplus(-np.einsum("rd,rd->r", means, output[told])).sum())
                scores = np.einsum("rd,rkd->rk", means, output[self.drawn[rows]])
                total += float(_softplus(scores).sum())
        return total / len(self) if len(self) else float("nan")


def _softplus(values: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)) = -log s(-x), in float64."""
    return np.logaddexp(0, values.astype(np.float64))
