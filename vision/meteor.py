r"""METEOR 1.5: words aligned by form, stem, synonym and paraphrase (Denkowski and Lavie 2014).

    F  =  P R / (alpha P + (1 - alpha) R)        score  =  F (1 - gamma (chunks / matches) ^ beta)

P and R are weighed shares of the words of caption and reference that the alignment has, chunks its
runs of words in one order. English, with the parameters of its "rank" task and `-norm`, as COCO's
script calls it; the best reference counts, and of several captions the sum of what was counted.

This is the program in Python, without Java. Its tables, 70 MB of synonyms and paraphrases, are read
from where pip puts them with pycocoevalcap, of which nothing else is used; stems are NLTK's.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from vision.meteor_alignment import MODULES, Match, align

SIGNATURE = "meteor:1.5.en.norm"
WEIGHTS = (1.0, 0.6, 0.8, 0.6)  # of matches by form, stem, synonym and paraphrase
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75  # delta: of words that are not function words
LONGEST = 8  # words of a paraphrase that is looked for

_LETTER, _SIGN = r"[^\W\d_]", r"[^\w\s.'`,-]|_"
_ENDINGS = (
    *(("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")),
    *(("men", "man"), ("ies", "y"), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", "")),
    *(("ing", "e"), ("ing", ""), ("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
)


def statistics(
    written: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> tuple[np.ndarray | None, str]:
    """What METEOR counts in captions, `[captions, 5 + 4 * MODULES]`, or None and why not.

    Of the references of a caption that with the best score counts. Sums of rows are counts of
    several captions; `score` makes scores of rows and of sums.
    """
    folder, why = _folder()
    if folder is None:
        return None, why
    own = [normalized(words) for words in written]
    theirs = [[normalized(words) for words in texts] for texts in references]
    tables = Tables(folder, chain(own, chain.from_iterable(theirs)))
    rows = []
    for caption, texts in zip(own, theirs, strict=True):
        found = [tables.count(caption, reference) for reference in texts]
        rows.append(max(found, key=score))  # the first of the best
    return np.array(rows), ""


def score(row: np.ndarray) -> float:
    """0 to 100."""
    own, theirs, own_function, their_function, chunks = row[:5]
    # [caption or reference, content or function words, module]
    matches = row[5:].reshape(2, 2, MODULES)
    weighed = matches @ np.array(WEIGHTS) @ np.array([DELTA, 1 - DELTA])
    if not all(weighed):
        return 0.0
    precision = weighed[0] / (DELTA * (own - own_function) + (1 - DELTA) * own_function)
    recall = weighed[1] / (DELTA * (theirs - their_function) + (1 - DELTA) * their_function)
    mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
    fragmented = chunks / (matches.sum() / 2)
    return float(100 * max(0.0, mean * (1 - GAMMA * fragmented**BETA)))


def normalized(words: Sequence[str]) -> tuple[str, ...]:
    """Words in lower case as METEOR cuts them: at hyphens and apostrophes, "u.s." as "us"."""
    text = f" {' '.join(words)} "
    text = re.sub(_SIGN, r" \g<0> ", text)
    text = re.sub(r"(?<!\d),|,(?!\d)", " , ", text)
    text = re.sub(r"([^\W_]|\.)-([^\W_])", r"\1 \2", text.replace("`", "'"))
    text = re.sub(rf"(?!{_LETTER})(.)'(?!{_LETTER})(.)", r"\1 ' \2", text)
    text = re.sub(rf"(?!{_LETTER}|\d)(.)'({_LETTER})", r"\1 ' \2", text)
    text = re.sub(rf"({_LETTER})'(?!{_LETTER})(.)", r"\1 ' \2", text)
    text = re.sub(rf"({_LETTER})'({_LETTER})", r"\1 '\2", text)
    text = re.sub(r"(\d)'(s)", r"\1 '\2", text)
    return tuple(chain.from_iterable(_points(text.split())))


def _points(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A point at the end of a word is a word, but amidst a sentence, and of "a.m." none."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if len(word) < 2 or not word.endswith("."):
            yield (word,)
        elif "." in word[:-1] and re.search(_LETTER, word):
            yield (word.replace(".", ""),)
        elif re.match("[a-z]", following):
            yield (word,)
        else:
            yield (word[:-1], ".")


def _folder() -> tuple[Path | None, str]:
    """Where the tables are, or why they cannot be used."""
    need = "METEOR needs its tables and stems: install pycocoevalcap and nltk"
    found = importlib.util.find_spec("pycocoevalcap")
    if found is None or importlib.util.find_spec("nltk") is None:
        return None, need
    for place in found.submodule_search_locations or ():
        folder = Path(place) / "meteor"
        if (folder / "meteor-1.5.jar").is_file() and (folder / "data").is_dir():
            return folder, ""
    return None, f"{need} (pycocoevalcap is there without meteor-1.5.jar)"


class Tables:
    """Function words, stems, synonyms and paraphrases, those of them that some texts need."""

    def __init__(self, folder: Path, texts: Iterable[Sequence[str]]) -> None:
        from nltk.stem.snowball import EnglishStemmer

        with zipfile.ZipFile(folder / "meteor-1.5.jar") as jar:
            self.function_words = frozenset(_lines(jar, "function/english.words"))
            synsets = _lines(jar, "synonym/english.synsets")
            known = {word: frozenset(sets.split()) for word, sets in _paired(synsets)}
            bases: dict[str, list[str]] = defaultdict(list)
            for base, forms in _paired(_lines(jar, "synonym/english.exceptions")):
                for word in forms.split():
                    bases[word].append(base)
        sequences = set(map(tuple, texts))
        words = set(chain.from_iterable(sequences))
        stemmer = EnglishStemmer()
        self._stems = {word: stemmer.stem(word) for word in words}
        none: frozenset[str] = frozenset()
        self._senses = {
            word: known.get(word, none).union(
                *(known.get(base, none) for base in bases.get(word) or [_base(word, known)])
            )
            for word in words
        }
        grams = {
            text[start:end]
            for text in sequences
            for start in range(len(text))
            for end in range(start + 1, min(start + LONGEST, len(text)) + 1)
        }
        self._paraphrases = _paraphrases(folder / "data" / "paraphrase-en.gz", grams)

    def count(self, own: tuple[str, ...], theirs: tuple[str, ...]) -> np.ndarray:
        """The statistics of a caption and one reference."""
        chosen, chunks = align(own, theirs, self.matches(own, theirs))
        function = [[word in self.function_words for word in text] for text in (own, theirs)]
        row = np.zeros(5 + 4 * MODULES)
        row[:5] = len(own), len(theirs), sum(function[0]), sum(function[1]), chunks
        matches = row[5:].reshape(2, 2, MODULES)  # a view
        for match in chosen:
            for place in range(match.own, match.own + match.own_length):
                matches[0, int(function[0][place]), match.module] += 1
            for place in range(match.start, match.start + match.length):
                matches[1, int(function[1][place]), match.module] += 1
        if chunks == 1 and list(matches.sum((1, 2))) == [len(own), len(theirs)]:
            row[4] = 0  # a caption that is all matched in order is not in pieces
        return row

    def matches(self, own: tuple[str, ...], theirs: tuple[str, ...]) -> Iterator[Match]:
        """All that may be aligned, module by module."""
        pairs = [(i, j) for i in range(len(theirs)) for j in range(len(own))]
        for i, j in pairs:
            if theirs[i] == own[j]:
                yield Match(0, i, 1, j, 1)
        if own == theirs:
            return
        others = [(i, j) for i, j in pairs if theirs[i] != own[j]]
        for i, j in others:
            if self._stems[theirs[i]] == self._stems[own[j]]:
                yield Match(1, i, 1, j, 1)
        for i, j in others:
            if not self._senses[theirs[i]].isdisjoint(self._senses[own[j]]):
                yield Match(2, i, 1, j, 1)
        for start, length, place, count in self._rephrased(theirs, own):
            yield Match(3, start, length, place, count)
        for start, length, place, count in self._rephrased(own, theirs):
            yield Match(3, place, count, start, length)

    def _rephrased(
        self, first: tuple[str, ...], second: tuple[str, ...]
    ) -> Iterator[tuple[int, int, int, int]]:
        """Place and length of a phrase of the first, and of a paraphrase of it in the second."""
        for start in range(len(first)):
            for end in range(start + 1, min(start + LONGEST, len(first)) + 1):
                for other in self._paraphrases.get(first[start:end], ()):
                    for place in range(len(second) - len(other) + 1):
                        if second[place : place + len(other)] == other:
                            yield start, end - start, place, len(other)


def _base(word: str, known: Any) -> str:
    """What WordNet would look a form up by; "" for nothing."""
    if word.endswith("ss") or len(word) <= 2:
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and (base := word.removesuffix(ending) + instead) in known:
            return base
    return ""


def _lines(jar: zipfile.ZipFile, name: str) -> list[str]:
    return jar.read(name).decode("utf-8").splitlines()


def _paired(lines: list[str]) -> Iterator[tuple[str, str]]:
    return zip(lines[::2], lines[1::2], strict=False)


def _paraphrases(
    path: Path, grams: set[tuple[str, ...]]
) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """The paraphrases of phrases, where both are among `grams`."""
    phrases = {" ".join(gram) for gram in grams}
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    with gzip.open(path) as packed, io.TextIOWrapper(packed, encoding="utf-8") as lines:
        for _ in lines:  # the probability, which the score does not use
            phrase, other = next(lines).rstrip("\n"), next(lines).rstrip("\n")
            if phrase in phrases and other in phrases:
                found[tuple(phrase.split())].append(tuple(other.split()))
    return found
