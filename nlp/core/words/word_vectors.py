"""Word vectors and what is asked of them.

    king ──────► queen        nearest("king")                    what stands close by
      ▲            ▲          analogy("man", "king", "woman")    man is to king as woman is to ...
      │            │          odd_one_out(["cat", "dog", "car"]) what does not belong
     man ──────► woman        similarity("cat", "dog")           the cosine of two vectors

Close means a small angle: every answer is made of cosines.

    from nlp.core.words.vector_formats import load
    vectors = load("glove.6B.50d.txt")
    for word, similarity in vectors.analogy("man", "king", "woman"):
        print(f"{similarity:.2f}  {word}")
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from corpora.errors import UsageError, check_choice, check_positive
from nlp.core.words.subwords import Subwords

__all__ = ["AnalogyMethod", "Neighbour", "WordVectors", "three_cos_mul"]

AnalogyMethod = Literal["3CosAdd", "3CosMul"]

_SPELLED = 100_000  # words searched for a similar spelling: the most frequent ones


class Neighbour(NamedTuple):
    """A word and how similar it is: a cosine, or for 3CosMul its quotient of cosines."""

    word: str
    similarity: float


class WordVectors:
    """A vector for each word; it is not changed once made.

    words      the vocabulary, each word once; most frequent first where the counts are known
    matrix     `[words, size]` float32; with subwords, a row already holds its n-grams' share
    counts     `[words]` int64, how often each occurred; None where the file does not tell
    subwords   the n-grams that unknown words are built of; None where there are none
    """

    def __init__(
        self,
        words: Sequence[str],
        matrix: np.ndarray,
        counts: np.ndarray | None = None,
        subwords: Subwords | None = None,
    ) -> None:
        self.words = list(words)
        self.matrix = np.ascontiguousarray(matrix, np.float32)
        self.counts = None if counts is None else np.asarray(counts, np.int64)
        self.subwords = subwords
        self.index = {word: row for row, word in enumerate(self.words)}
        if self.matrix.ndim != 2 or len(self.matrix) != len(self.words):
            raise UsageError(
                f"{len(self.words)} words and a matrix of shape {self.matrix.shape}: "
                "expected one row for each word"
            )
        if len(self.index) < len(self.words):
            twice = next(word for row, word in enumerate(self.words) if self.index[word] != row)
            raise UsageError(f"the word {twice!r} is there twice: expected each word once")
        if self.counts is not None and len(self.counts) != len(self.words):
            raise UsageError(f"{len(self.words)} words and {len(self.counts)} counts of them")
        if subwords is not None and subwords.matrix.shape[1] != self.size:
            raise UsageError(
                f"vectors of {self.size} numbers and n-grams of {subwords.matrix.shape[1]}: "
                "expected the same size"
            )

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return self.matrix.shape[1]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> np.ndarray:
        """The vector of a word, `[size]`; an unknown one is built from its n-grams, if there are.

        Raises:
            UsageError: the word is unknown and has no n-gram.
        """
        row = self.index.get(word)
        if row is not None:
            return self.matrix[row]
        if self.subwords is not None:
            if self.subwords.ids(word):
                return self.subwords.vector(word)
            raise UsageError(
                f"the word {word!r} is not among the {len(self)} known ones, and too short to be "
                f"built of n-grams of {self.subwords.min_n} characters or more"
            )
        near = difflib.get_close_matches(word, self.words[:_SPELLED], cutoff=0.7)
        spelled = f"similar ones are {', '.join(near)}" if near else "nor is any spelled like it"
        raise UsageError(f"the word {word!r} is not among the {len(self)} known ones; {spelled}")

    @cached_property
    def unit(self) -> np.ndarray:
        """The rows at length 1, `[words, size]`, so that products are cosines; zeros stay."""
        lengths = np.sqrt(np.einsum("ij,ij->i", self.matrix, self.matrix))[:, None]
        return self.matrix / np.where(lengths > 0, lengths, 1)

    def nearest(
        self,
        query: str | np.ndarray,
        top: int = 10,
        *,
        exclude: Collection[str] = (),
        approximate: bool = False,
    ) -> list[Neighbour]:
        """The words with the largest cosine to a word or a vector `[size]`, best first.

        A word is not its own neighbour. `approximate` walks a graph (HNSW, Malkov & Yashunin 2018)
        and may miss one in thirty; building the graph, at the first such call, takes as long as
        some ten thousand exact searches, so it is for very many of them.

        Raises:
            UsageError: the word is unknown, or the extra for approximate search is not installed.
        """
        check_positive(top=top)
        out = {self.index[word] for word in exclude if word in self.index}
        if isinstance(query, str):
            out |= {self.index[query]} if query in self.index else set()
            query = self[query]
        direction = _unit(query)
        if not approximate:
            return self._best(self.unit @ direction, top, out)
        found = self._graph.search(direction, min(top + len(out), len(self)))
        rows = [int(row) for row in found.keys if int(row) not in out][:top]
        # Its distances are of rounded vectors: the cosines of the few found are told exactly.
        answers = [Neighbour(self.words[row], float(self.unit[row] @ direction)) for row in rows]
        return sorted(answers, key=lambda answer: -answer.similarity)

    def analogy(
        self, a: str, b: str, c: str, top: int = 10, *, method: AnalogyMethod = "3CosAdd"
    ) -> list[Neighbour]:
        """ "a is to b as c is to ...": man, king, woman; the three words are no answers.

        3CosAdd takes the words closest to b - a + c (Mikolov, Yih & Zweig 2013); 3CosMul those with
        the largest cos(b) cos(c) / cos(a), which no single large cosine decides (Levy & Goldberg
        2014, equation 4).

        Raises:
            UsageError: a word is unknown.
        """
        check_positive(top=top)
        check_choice("method", method, AnalogyMethod)
        units = np.stack([_unit(self[word]) for word in (a, b, c)])  # [3, size]
        out = {self.index[word] for word in (a, b, c) if word in self.index}
        if method == "3CosAdd":
            return self._best(self.unit @ _unit(units[1] - units[0] + units[2]), top, out)
        to_a, to_b, to_c = units @ self.unit.T  # [words] each
        return self._best(three_cos_mul(to_a, to_b, to_c), top, out)

    def similarity(self, a: str, b: str) -> float:
        """The cosine of two words' vectors, -1 to 1; 0 where one of them is all zeros."""
        return float(_unit(self[a]) @ _unit(self[b]))

    def odd_one_out(self, words: Sequence[str]) -> str:
        """The word furthest from the mean of them all, each of them at length 1."""
        if len(words) < 2:
            raise UsageError(f"{len(words)} words: expected at least two to find the odd one among")
        units = np.stack([_unit(self[word]) for word in words])
        return words[int((units @ units.mean(0)).argmin())]

    def _best(self, scores: np.ndarray, top: int, out: set[int]) -> list[Neighbour]:
        """The `top` words with the highest of `scores`, `[words]`, but those in the rows `out`."""
        count = min(top + len(out), len(scores))
        if count < len(scores):
            rows = np.argpartition(-scores, count - 1)[:count]
        else:
            rows = np.arange(count)
        rows = rows[np.lexsort((rows, -scores[rows]))]
        answers = [Neighbour(self.words[row], float(scores[row])) for row in rows if row not in out]
        return answers[:top]

    @cached_property
    def _graph(self) -> Any:
        """The index for approximate search."""
        try:
            from usearch.index import Index
        except ImportError as error:
            raise UsageError(
                "approximate search needs usearch, which is not installed: "
                "pip install 'unrolled[search]'"
            ) from error
        index = Index(ndim=self.size, metric="ip", dtype="f16", expansion_search=128)
        index.add(np.arange(len(self)), self.unit)
        return index


def three_cos_mul(to_a: np.ndarray, to_b: np.ndarray, to_c: np.ndarray) -> np.ndarray:
    """How well each word, by its cosines to a, b and c, answers "a is to b as c is to ..."."""
    # Cosines are moved to 0 .. 1, so that a product of two negative ones is no good answer, and
    # nothing is divided by 0 (Levy & Goldberg 2014, footnote 7).
    return (1 + to_b) * (1 + to_c) / 4 / ((1 + to_a) / 2 + 1e-6)


def _unit(vector: np.ndarray) -> np.ndarray:
    """A vector at length 1; zeros stay zeros."""
    length = np.sqrt(vector @ vector)
    return vector / length if length > 0 else vector
