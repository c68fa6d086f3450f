"""How good short answers are: words in common, and exactly the same.

Answers are compared as the scripts of SQuAD (Rajpurkar et al. 2016) and CoQA (Reddy et al. 2019)
do: in lower case, without ASCII punctuation and the words a, an and the.

    f1("the red bicycle", "a bicycle")          # 0.667
    conversation_scores(["no", "she did not"], "no")
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


class AnswerScores(NamedTuple):
    """Shares, 0 to 1."""

    f1: float
    exact: float


def normalized(answer: str) -> str:
    """The words that are compared, parted by one space."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact(expected: str, answered: str) -> float:
    """1 where both are the same words, else 0."""
    return float(normalized(expected) == normalized(answered))


def f1(expected: str, answered: str) -> float:
    """The harmonic mean of the shares of words that one has of the other, each word as often as it
    is there; where one has no word, 1 if the other has none either."""
    words, written = normalized(expected).split(), normalized(answered).split()
    if not words or not written:
        return float(words == written)
    both = (Counter(words) & Counter(written)).total()
    return 2 * both / (len(words) + len(written))


def conversation_scores(expected: Sequence[str], answered: str) -> AnswerScores:
    """One answer beside those of several people, as CoQA's script: the best of all but one of
    them, averaged over who is left out, so that a model is judged as a person would be."""

    def mean(score: Callable[[str, str], float]) -> float:
        own = [score(text, answered) for text in expected]
        if len(own) == 1:
            return own[0]
        rest = (max(own[:place] + own[place + 1 :]) for place in range(len(own)))
        return sum(rest) / len(own)

    return AnswerScores(mean(f1), mean(exact))
