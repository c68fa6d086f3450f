"""Words: what word vectors are learned from.

    The cat sat.            the cat sat          the 2   cat 1   sat 1   dog's 1   bone 1
    "The dog's" bone   ──►  the dog's bone   ──►                               ──►  ids
       text                 a file of words      counts

Counting and training both read the file, so memory does not grow with the corpus.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from corpora.errors import UsageError
from corpora.passage import Passage

Splitting = Literal["words", "white-space"]

BREAK = -1  # between the ids of two lines
# An apostrophe inside a word belongs to it ("don't", "l’eau"); a line break stays.
_WORD = re.compile(r"\w+(?:['’]\w+)*|\n")
# White space but for the space and the line break. Few texts hold any: looking for each takes a
# third of the time that a pattern takes.
_BLANKS = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and c not in " \n")
_MOST_DISTINCT = 20_000_000  # words counted at once; the rarest are forgotten beyond that
_BLOCK = 1 << 22  # characters of the file of words read at once


class WordCounts(NamedTuple):
    """A vocabulary: distinct words, most frequent first, and how often each occurs."""

    words: list[str]
    counts: np.ndarray  # [words] int64

    @classmethod
    def of(
        cls, counted: Mapping[str, int], *, min_count: int, max_vocabulary: int | None = None
    ) -> WordCounts:
        """The words that occur `min_count` times or more; of these the `max_vocabulary` first."""
        kept = [(word, count) for word, count in counted.items() if count >= min_count]
        if not kept:
            most = max(counted.values(), default=0)
            raise UsageError(
                f"no word occurs {min_count} times (the most frequent occurs {most} times): "
                "give more text or a smaller --min-count"
            )
        kept.sort(key=lambda pair: (-pair[1], pair[0]))
        kept = kept[:max_vocabulary]
        return cls([word for word, _ in kept], np.array([count for _, count in kept], np.int64))

    def keep_probability(self, subsample: float) -> np.ndarray:
        """How likely an occurrence of each word is to be read, `[words]`: frequent words tell
        little (Mikolov et al. 2013b, section 2.3, in the form of the authors' program)."""
        if not subsample:
            return np.ones(len(self.words))
        excess = self.counts / (subsample * self.counts.sum())
        return np.minimum(1, (np.sqrt(excess) + 1) / excess)


class Written(NamedTuple):
    """A file of words, and what is in it."""

    path: Path
    counted: Counter[str]  # how often each distinct word occurs
    lines: int


def clean(text: str, *, splitting: Splitting = "words", lowercase: bool = True) -> str:
    """The text with spaces between words and line breaks between lines, and nothing else."""
    text = text.lower() if lowercase else text
    if splitting == "words":
        return " ".join(_WORD.findall(text))
    for blank in _BLANKS:
        if blank in text:
            text = text.replace(blank, " ")
    return text


def write_words(
    passages: Iterable[Passage], path: Path, *, splitting: Splitting, lowercase: bool
) -> Written:
    """Writes a corpus as words, a line for a line, and counts them."""
    counted: Counter[str] = Counter()
    lines = 0
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for text, ends_document in passages:
            words = clean(text, splitting=splitting, lowercase=lowercase)
            file.write(words)
            file.write("\n" if ends_document else " ")
            lines += words.count("\n") + ends_document
            counted.update(words.split())
            if len(counted) > _MOST_DISTINCT:
                counted = _without_rarest(counted)
    return Written(path, counted, lines)


def _without_rarest(counted: Counter[str]) -> Counter[str]:
    """What occurs more often than half of the words do."""
    limit = sorted(counted.values())[len(counted) // 2]
    return Counter({word: count for word, count in counted.items() if count > limit})


def lines(path: Path) -> Iterator[list[str]]:
    """The lines of a file of words."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if words := line.split():
                yield words


def encode(path: Path, index: Mapping[str, int]) -> Iterator[np.ndarray]:
    """A file of words as ids, `[tokens]` int32 in pieces of some million; words without an id are
    left out, and `BREAK` stands between lines."""
    known = {**index, "\n": BREAK}
    with path.open(encoding="utf-8", newline="\n") as file:
        while block := file.read(_BLOCK):
            block += file.readline()
            found = block.replace("\n", " \n ").split(" ")
            yield np.fromiter((known[word] for word in found if word in known), np.int32)


def excerpts(path: Path, seed: int, *, places: int = 32, size: int = 8192) -> list[str]:
    """Whole lines, or parts of long ones, from random places of a file of words."""
    length = path.stat().st_size
    found = []
    with path.open("rb") as file:
        for start in sorted(np.random.default_rng(seed).integers(length, size=places).tolist()):
            begin = max(0, min(start, length - size))
            file.seek(begin)
            text = file.read(size)
            if begin:  # it may begin inside a word, and end inside one
                text = text.partition(b" ")[2]
            if begin + size < length:
                text = text.rpartition(b" ")[0]
            found.append(text.decode("utf-8", errors="ignore"))
    return list(dict.fromkeys(found))
