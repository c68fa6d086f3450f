"""What people answer about a picture, as classes, and when an answer counts as right.

    "A red one.", "red", "Red", ...   ──►   red 9, dark red 1   ──►   targets, say 0.9 red

Several people may have answered a question, ten of them in VQA (Antol et al. 2015), and not all the
same. A model learns to give each answer the share of the people who gave it; its answer is as right
as others agree with it:

    accuracy = min(1, people who gave the answer / 3)   mean over leaving out each person once

Where a question has one answer only, that is 1 for the same answer and 0 for any other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from corpora.errors import UsageError

NEEDED = 3  # others who say so make an answer right
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WRITTEN = {**{name: str(number) for number, name in enumerate(NUMBERS)}, "none": "0"}
_ARTICLES = ("a", "an", "the")
_JOINED = re.compile(r"['’]|(?<=\d),(?=\d)|(?<!\d)\.|\.(?!\d)")
_PARTING = re.compile(r"[^\w\s.%$€£&*+-]|_")


def normalized(answer: str) -> str:
    """An answer as it is compared: in small letters, without articles and signs, numbers in digits.

    As in VQA's evaluation, but that apostrophes are left out everywhere, where it puts in some that
    are missing.

    >>> normalized("The Two  dogs, I don't know.")
    '2 dogs i dont know'
    """
    words = _PARTING.sub(" ", _JOINED.sub("", answer.lower())).split()
    kept = [_WRITTEN.get(word, word) for word in words if word not in _ARTICLES]
    return " ".join(kept or words)  # "a" is an answer where letters are asked for


def accuracy(answer: str, given: Sequence[str]) -> float:
    """How right an answer is, 0 to 1, where people have `given` theirs; all of them normalized."""
    people, same = len(given), given.count(answer)
    if not people:
        raise ValueError("nobody has answered")
    if people == 1:
        return float(same)
    needed = min(NEEDED, people - 1)
    left_out = same * min(1.0, (same - 1) / needed), (people - same) * min(1.0, same / needed)
    return sum(left_out) / people


def classes_of(given: Iterable[Sequence[str]], most: int, min_count: int = 1) -> tuple[str, ...]:
    """The answers to tell apart: the `most` frequent of those that so many questions have, then by
    spelling.

    Raises:
        UsageError: fewer than two are left.
    """
    counts = Counter(answer for answers in given for answer in set(answers) if answer)
    kept = [answer for answer, count in counts.items() if count >= min_count]
    chosen = tuple(sorted(kept, key=lambda answer: (-counts[answer], answer))[:most])
    if len(chosen) < 2:
        raise UsageError(
            f"of the {len(counts):,} different answers {len(chosen)} may be learned: give more "
            "data, a lower --min-answers or a higher --most-answers"
        )
    return chosen


class CommonAnswers:
    """Answers without a look at the picture: what a question that begins alike has most often as
    its answer (the prior of a question's type, Antol et al. 2015). What a model must beat."""

    LONGEST = 4  # words of a beginning

    def __init__(self, questions: Iterable[Sequence[str]], given: Iterable[Sequence[str]]) -> None:
        counts: dict[tuple[str, ...], Counter[str]] = {}
        for words, answers in zip(questions, given, strict=True):
            small = tuple(word.lower() for word in words[: self.LONGEST])
            for end in range(len(small) + 1):
                counts.setdefault(small[:end], Counter()).update(answers)
        self.known = {start: _commonest(count) for start, count in counts.items() if count}

    def answer(self, words: Sequence[str]) -> tuple[str, float]:
        """That of the longest beginning that is known, and the share that it has there."""
        small = tuple(word.lower() for word in words[: self.LONGEST])
        starts = (small[:end] for end in range(len(small), -1, -1))
        return next((self.known[start] for start in starts if start in self.known), ("", 0.0))


def _commonest(count: Counter[str]) -> tuple[str, float]:
    answer = min(count, key=lambda answer: (-count[answer], answer))
    return answer, count[answer] / count.total()
