"""How good word vectors are: analogies answered, and agreement with what people find similar.

    Athens Greece Oslo ...     right if the nearest word to Greece - Athens + Oslo is Norway
    tiger cat 7.35             right if pairs that people call similar have large cosines

Both count the words they could not ask about: a score without its coverage says little.

    from nlp.core.words.word_evaluation import analogies, pairs
    scores = analogies(vectors)
    print(scores.total.accuracy, scores.total.coverage)
    print(pairs(vectors, "wordsim353").spearman)
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from corpora.errors import UsageError, check_choice, check_positive
from nlp.core.words.word_vectors import AnalogyMethod, WordVectors, three_cos_mul

__all__ = ["BUNDLED", "AnalogyScores", "PairScores", "Section", "analogies", "pairs"]

# Test sets that come with gensim.
BUNDLED = {
    "questions-words": "questions-words.txt",  # Mikolov et al. 2013a
    "wordsim353": "wordsim353.tsv",  # Finkelstein et al. 2002
    "simlex999": "simlex999.txt",  # Hill, Reichart & Korhonen 2015
}
_COSINES = 1 << 24  # computed at once: 64 MB


class Section(NamedTuple):
    """Analogies of one kind."""

    name: str
    correct: int
    asked: int  # all four words are known
    questions: int  # in the file

    @property
    def accuracy(self) -> float:
        """Correct answers of those asked, 0 to 1; NaN where none was asked."""
        return self.correct / self.asked if self.asked else math.nan

    @property
    def coverage(self) -> float:
        """Questions asked of those in the file, 0 to 1."""
        return self.asked / self.questions if self.questions else math.nan


class AnalogyScores(NamedTuple):
    """Analogies by section, in the order of the file."""

    sections: list[Section]

    @property
    def semantic(self) -> Section:
        """All sections but the syntactic ones."""
        return self._sum("semantic", lambda name: not name.startswith("gram"))

    @property
    def syntactic(self) -> Section:
        """The sections whose names begin with "gram", as in Mikolov's questions."""
        return self._sum("syntactic", lambda name: name.startswith("gram"))

    @property
    def total(self) -> Section:
        """All sections."""
        return self._sum("total", lambda name: True)

    def _sum(self, name: str, chosen: Callable[[str], bool]) -> Section:
        parts = [part for part in self.sections if chosen(part.name)]
        return Section(
            name,
            sum(part.correct for part in parts),
            sum(part.asked for part in parts),
            sum(part.questions for part in parts),
        )


class PairScores(NamedTuple):
    """How cosines and people's judgements of pairs of words agree."""

    pearson: float  # correlation of the values, -1 to 1; NaN where all cosines are the same
    spearman: float  # correlation of the ranks
    used: int  # pairs of known words
    pairs: int  # in the file

    @property
    def coverage(self) -> float:
        """Pairs used of those in the file, 0 to 1."""
        return self.used / self.pairs


def analogies(
    vectors: WordVectors,
    path: str | Path = "questions-words",
    *,
    restrict: int | None = 30_000,
    method: AnalogyMethod = "3CosAdd",
) -> AnalogyScores:
    """Answers "a is to b as c is to d" of a file, as word2vec's own compute-accuracy does.

    Only the first `restrict` words are known (all, if None). Words are the same if they are in
    capital letters (A to Z only; other letters stay), and the first of them is taken. The answer is
    the best of all rows but those three, also where it is another writing of one of the three
    words: where gensim passes over such answers to the next one, the original counts a mistake.
    A question with an unknown word is not asked.

    Args:
        path: a name in `BUNDLED` or a file: four words on a line, sections begin with ": name".

    Raises:
        UsageError: the file is missing or has a bad line, or none of its questions can be asked.
    """
    check_choice("method", method, AnalogyMethod)
    if restrict is not None:
        check_positive(restrict=restrict)
    file = _locate(path)
    words = [_capitals(word) for word in vectors.words[:restrict]]
    index = _first_rows(words)
    first = np.array([index[word] for word in words])  # [words]: the first row of the same word
    names, sections, questions = [], [], []
    for number, line in _lines(file):
        if line.startswith(":"):
            names.append(line[1:].strip())
            continue
        fields = line.split()
        if len(fields) != 4 or not names:
            expected = "four words" if names else 'a section, ": name", before the first question'
            raise UsageError(f"{file}, line {number}: expected {expected}, found {line.strip()!r}")
        sections.append(len(names) - 1)
        questions.append([index.get(_capitals(word), -1) for word in fields])
    rows, section = np.array(questions).reshape(-1, 4), np.array(sections, int)
    known = (rows >= 0).all(1)
    if not known.any():
        raise UsageError(
            f"none of the {len(rows)} questions of {file} can be asked: their words are not among "
            f"the {len(words)} known ones; take other questions or a larger restrict"
        )
    correct = np.zeros(len(rows), bool)
    answers = _answers(vectors.unit[:restrict], rows[known, :3], method)
    # An answer is one of the rows, or -1; `first` tells which writings are the same word.
    correct[known] = (answers >= 0) & (first[answers] == rows[known, 3])

    counted = [
        np.bincount(section[chosen], minlength=len(names)).tolist()
        for chosen in (correct, known, slice(None))
    ]
    return AnalogyScores([Section(*part) for part in zip(names, *counted, strict=True)])


def _answers(unit: np.ndarray, questions: np.ndarray, method: AnalogyMethod) -> np.ndarray:
    """The best row for each of `questions` `[questions, 3]`; -1 where no score is above 0."""
    best = np.empty(len(questions), np.int64)
    step = max(1, _COSINES // len(unit) // (1 if method == "3CosAdd" else 3))
    for start in range(0, len(questions), step):
        batch = questions[start : start + step]
        a, b, c = unit[batch.T]  # [batch, size] each
        if method == "3CosAdd":
            scores = (b - a + c) @ unit.T  # [batch, words]
        else:
            scores = three_cos_mul(a @ unit.T, b @ unit.T, c @ unit.T)
        places = np.arange(len(batch))
        scores[places[:, None], batch] = -np.inf
        found = scores.argmax(1)
        best[start : start + step] = np.where(scores[places, found] > 0, found, -1)
    return best


def pairs(
    vectors: WordVectors, path: str | Path = "wordsim353", *, restrict: int | None = None
) -> PairScores:
    """Correlates the cosines of pairs of words with people's judgements, as gensim does.

    Only the first `restrict` words are known (all, if None); words are the same if they are in
    capital letters, and the first of them is taken. A pair with an unknown word is left out.

    Args:
        path: a name in `BUNDLED` or a file: two words and a number on a line, between them tabs,
            commas or spaces; more columns, a line of column names and lines after "#" are passed
            over.

    Raises:
        UsageError: the file is missing or has a bad line, or fewer than two pairs are known.
    """
    from scipy import stats

    if restrict is not None:
        check_positive(restrict=restrict)
    file = _locate(path)
    index = _first_rows([word.upper() for word in vectors.words[:restrict]])
    judged = list(_judgements(file))
    rows = np.array([[index.get(word.upper(), -1) for word in pair[:2]] for pair in judged])
    known = (rows.reshape(-1, 2) >= 0).all(1)
    if known.sum() < 2:
        raise UsageError(
            f"{known.sum()} of the {len(judged)} pairs of {file} have both words among the "
            f"{len(index)} known ones: expected two at least"
        )
    left, right = vectors.unit[rows[known].T]  # [pairs, size] each
    cosines = np.einsum("ij,ij->i", left, right)
    people = np.array([pair[2] for pair in judged])[known]
    pearson, spearman = stats.pearsonr(people, cosines), stats.spearmanr(people, cosines)
    return PairScores(
        float(pearson.statistic), float(spearman.statistic), int(known.sum()), len(judged)
    )


def _judgements(file: Path) -> Iterator[tuple[str, str, float]]:
    found = False
    for number, line in _lines(file):
        separator = next((mark for mark in "\t," if mark in line), None)
        fields = [field.strip() for field in line.split(separator)]
        try:
            left, right, judgement = fields[0], fields[1], float(fields[2])
        except (IndexError, ValueError) as error:
            if not found and len(fields) >= 3:  # the names of the columns
                found = True
                continue
            raise UsageError(
                f"{file}, line {number}: expected two words and a number, found {line.strip()!r}"
            ) from error
        found = True
        yield left, right, judgement


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that say something, and their numbers."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            for number, line in enumerate(opened, 1):
                if line.strip() and not line.startswith("#"):
                    yield number, line
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 ({error.reason}): save it as UTF-8") from error


def _locate(path: str | Path) -> Path:
    """A file, or one of those that come with gensim, which need not be imported for that."""
    if str(path) not in BUNDLED:
        file = Path(path).expanduser()
        if not file.is_file():
            raise UsageError(f"there is no file {file}: expected one, or {', '.join(BUNDLED)}")
        return file
    gensim = importlib.util.find_spec("gensim")
    for folder in (gensim and gensim.submodule_search_locations) or ():
        file = Path(folder) / "test" / "test_data" / BUNDLED[str(path)]
        if file.is_file():
            return file
    raise UsageError(f"{path} comes with gensim, which is not installed: pip install gensim")


def _first_rows(words: list[str]) -> dict[str, int]:
    """Where each word is found first."""
    return {word: row for row, word in reversed(list(enumerate(words)))}


def _capitals(word: str) -> str:
    """The capital letters of compute-accuracy, which knows those of ASCII only."""
    return word.upper() if word.isascii() else word.encode().upper().decode()
