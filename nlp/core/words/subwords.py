"""Vectors for words that were never seen: the character n-grams of fastText.

    where   ──►  <wh whe her ere re> <whe wher here ere> <wher where here> <where where>
                 one row of the matrix each; their mean is the vector

The n-grams are not stored: each is hashed to one of some million rows, and what shares a row shares
a vector (Bojanowski et al. 2017, section 3.2). The hash is the one of the authors' program, so rows
learned by fastText or gensim are found again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Subwords"]

_OFFSET, _PRIME, _MASK = 2166136261, 16777619, 0xFFFFFFFF  # of FNV-1a with 32 bits


@dataclass(frozen=True)
class Subwords:
    """The rows of hashed n-grams.

    matrix   `[buckets, size]` float32
    min_n    characters of the shortest n-gram, the word's bounds "<" and ">" among them
    max_n    characters of the longest
    """

    matrix: np.ndarray
    min_n: int = 3
    max_n: int = 6

    def ids(self, word: str) -> list[int]:
        """The row of each n-gram of a word, by where it begins and then by its length."""
        return ngram_ids(word, self.min_n, self.max_n, len(self.matrix))

    def vector(self, word: str) -> np.ndarray:
        """The mean of the rows of a word's n-grams, `[size]`; zeros where it is too short."""
        ids = self.ids(word)
        if not ids:
            return np.zeros(self.matrix.shape[1], np.float32)
        return self.matrix[ids].mean(0, dtype=np.float32)


def ngram_ids(word: str, min_n: int, max_n: int, buckets: int) -> list[int]:
    """The hash modulo `buckets` of each n-gram of "<word>"; a bound alone is none."""
    characters = [
        # fastText reads a byte as a signed number, so one above 127 sets the upper bits as well.
        [byte if byte < 128 else byte | 0xFFFFFF00 for byte in character.encode(errors="replace")]
        for character in f"<{word}>"
    ]
    length = len(characters)
    ids = []
    for start in range(length):
        digest = _OFFSET
        for end in range(start, min(start + max_n, length)):
            for byte in characters[end]:
                digest = (digest ^ byte) * _PRIME & _MASK
            count = end - start + 1
            if count >= min_n and not (count == 1 and start in (0, length - 1)):
                ids.append(digest % buckets)
    return ids
