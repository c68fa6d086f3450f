r"""CIDEr-D: how much a caption says what people say of the picture (Vedantam et al. 2015).

    CIDEr-D_n  =  10/m  sum_j  exp(-(l - l_j)^2 / 2 sigma^2)  min(g_n, r_nj) . r_nj / |g_n| |r_nj|

where g_n and r_nj are the n-grams of the caption and of reference j, each counted and weighed by
how few pictures have it in their references, l the lengths, sigma 6, and the minimum is taken
n-gram by n-gram. The score is the mean over n from 1 to 4: 0 to 10, as COCO's script has it.

    cider = Cider([["a red circle"], ["a blue square", "a square"]])
    cider(["a red circle", "a circle"], [0, 1])         # of texts, and the picture that each is of

The weights are those of the references that it was made with and are counted once, so that it is a
reward for self-critical training too (Rennie et al. 2017).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from sys import intern

from corpora.errors import UsageError
from vision.caption_words import words_of

ORDER = 4  # words of the longest n-gram
SIGMA = 6.0  # words
Gram = tuple[str, ...]


def grams_of(words: Sequence[str]) -> Counter[Gram]:
    """How often each n-gram of 1 to 4 words is there."""
    return Counter(
        chain.from_iterable(
            zip(*(words[start:] for start in range(order)), strict=False)
            for order in range(1, ORDER + 1)
        )
    )


class Cider:
    """CIDEr-D beside the references of some pictures, which give the n-grams their weights.

    Args:
        references: of each picture, at least one.
        words: what cuts a text into words.

    Raises:
        UsageError: a picture without a reference.
    """

    def __init__(
        self,
        references: Sequence[Sequence[str]],
        *,
        words: Callable[[str], list[str]] = words_of,
    ) -> None:
        self._words = words
        # Words, not n-grams, which for all captions of COCO would be gigabytes.
        self._references = [[list(map(intern, words(text))) for text in own] for own in references]
        if not all(self._references):
            number = next(number for number, own in enumerate(self._references) if not own)
            raise UsageError(
                f"picture {number + 1} has no reference caption; expected at least one"
            )
        found: Counter[Gram] = Counter()
        for own in self._references:
            found.update(set(chain.from_iterable(map(grams_of, own))))
        most = math.log(max(1, len(references)))
        # What one picture has weighs as much as what none has, and need not be remembered.
        self._weights = {gram: most - math.log(n) for gram, n in found.items() if n > 1}
        self._unseen = most

    def __call__(self, texts: Sequence[str], pictures: Sequence[int]) -> list[float]:
        """The score of each text, 0 to 10, as a caption of the picture with that number."""
        return [
            self.of_grams(grams_of(self._words(text)), number)
            for text, number in zip(texts, pictures, strict=True)
        ]

    def of_grams(self, grams: Counter[Gram], picture: int) -> float:
        """The score of a caption by its n-grams."""
        own = self._weighed(grams)
        norms = _norms(own)
        references = list(map(grams_of, self._references[picture]))
        # What script and paper call the length is the number of pairs of words.
        length = _length(grams)
        total = 0.0
        for reference in references:
            theirs = self._weighed(reference)
            products = [0.0] * ORDER
            for gram, weight in own.items():
                if gram in theirs:
                    products[len(gram) - 1] += min(weight, theirs[gram]) * theirs[gram]
            closeness = math.exp(-((length - _length(reference)) ** 2) / (2 * SIGMA**2))
            total += closeness * sum(
                product / (mine * norm)
                for product, mine, norm in zip(products, norms, _norms(theirs), strict=True)
                if mine and norm
            )
        return 10 * total / ORDER / len(references)

    def _weighed(self, grams: Counter[Gram]) -> dict[Gram, float]:
        weights, unseen = self._weights, self._unseen
        return {gram: count * weights.get(gram, unseen) for gram, count in grams.items()}


def _norms(weighed: dict[Gram, float]) -> list[float]:
    squares = [0.0] * ORDER
    for gram, weight in weighed.items():
        squares[len(gram) - 1] += weight * weight
    return [math.sqrt(square) for square in squares]


def _length(grams: Counter[Gram]) -> int:
    return sum(count for gram, count in grams.items() if len(gram) == 2)
