"""The nearest people to a vector, among a few or a million.

    vectors of pictures  ─►  cosines  ─►  the best of each person  ─►  the nearest people

Exact: a product of matrices, in blocks that fit; everybody is looked at. Approximate: a graph is
walked (HNSW, Malkov & Yashunin 2018); the distances of those it finds are told exactly, but it may
miss somebody, and it has to be built first, which takes as long as thousands of exact searches: for
services that answer very many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from corpora.errors import UsageError

_PRODUCT = 1 << 24  # cosines that are held at once
_ROUNDED = 4  # more people whose distances are told exactly
_MORE = 4  # pictures that are asked of the graph for each person wanted
_EXPANSION = 256  # candidates of the graph's walk, while building and searching


class Search:
    """Finds people by unit vectors; it is not changed once made.

    Args:
        vectors: float32 `[pictures, size]`, each of length 1.
        people: `[pictures]`, the number of each one's person; each number from 0 to the highest is
            there.
        approximate: walk a graph, which takes the extra `search`.

    Raises:
        UsageError: the extra is not installed.
    """

    def __init__(
        self, vectors: np.ndarray, people: np.ndarray, *, approximate: bool = False
    ) -> None:
        order = np.argsort(people, kind="stable")
        self.people = people[order]
        # Mostly they are in order, and a copy of a million is large.
        in_order = bool((order == np.arange(len(order))).all())
        self.vectors = vectors if in_order else vectors[order]
        self.starts = np.flatnonzero(np.diff(self.people, prepend=-1))  # of each person
        self.ends = np.append(self.starts[1:], len(order))
        self._graph = self._built() if approximate else None

    def nearest(self, queries: np.ndarray, top: int) -> Iterator[list[tuple[int, float]]]:
        """Of each query of `[queries, size]` the numbers of the nearest people and their Euclidean
        distances, the nearest first, at most `top`."""
        if self._graph is not None:
            for query in queries:
                yield self._walked(query, top)
            return
        count = max(1, _PRODUCT // len(self.vectors))
        singles = len(self.starts) == len(self.vectors)  # one picture of each person
        for start in range(0, len(queries), count):
            block = queries[start : start + count]
            cosines = block @ self.vectors.T  # [block, pictures]
            if not singles:
                cosines = np.maximum.reduceat(cosines, self.starts, axis=1)  # [block, people]
            for query, row in zip(block, cosines, strict=True):
                # Some more than wanted, for cosines near 1 are rounded.
                yield self._told(query, _largest(row, top + _ROUNDED))[:top]

    def _told(self, query: np.ndarray, people: np.ndarray) -> list[tuple[int, float]]:
        """People and their distances, the nearest first; those of the vectors themselves: a cosine
        near 1 has lost the digits that a small distance is made of."""
        found = []
        for person in people.tolist():
            own = self.vectors[self.starts[person] : self.ends[person]]
            found.append((float(np.linalg.norm(own - query, axis=1).min()), person))
        return [(person, distance) for distance, person in sorted(found)]

    def _walked(self, query: np.ndarray, top: int) -> list[tuple[int, float]]:
        """As exact, of pictures that the graph finds; more are asked for until they are of enough
        people."""
        assert self._graph is not None
        wanted, asked = min(top, len(self.starts)), min(top * _MORE, len(self.vectors))
        while True:
            found = self._graph.search(query, asked).keys.astype(np.int64)
            people = np.unique(self.people[found])
            if len(people) >= wanted or asked == len(self.vectors):
                return self._told(query, people)[:top]
            asked = min(4 * asked, len(self.vectors))

    def _built(self) -> Any:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise UsageError(
                "approximate search needs usearch, which is not installed: "
                "pip install 'unrolled[search]'"
            ) from error
        index = Index(
            ndim=self.vectors.shape[1],
            metric="ip",
            dtype="f16",
            expansion_add=_EXPANSION,
            expansion_search=_EXPANSION,
        )
        index.add(np.arange(len(self.vectors)), self.vectors)
        return index


def _largest(scores: np.ndarray, top: int) -> np.ndarray:
    """The places of the largest scores, `[top]` or fewer, in any order."""
    if top >= len(scores):
        return np.arange(len(scores))
    return np.argpartition(-scores, top - 1)[:top]
