"""The words and characters that a model knows, and words as numbers.

    "Hermione reads"  ──►  words [412, 9]   letters [[5, 3, ...], ...]   shapes [7, 0]

What a model reads of a word is made of these numbers in nlp.core.word_features.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError
from corpora.writing import write_text
from nlp.core.lexicon import Lexicon
from nlp.core.words.word_vectors import WordVectors

FILE = "lexicon.json"  # in a model's folder
LONGEST = 32  # characters of a word that are read: the first and the last half
# First fitting, in this order; what fits none is 0.
SHAPES = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"@\w.*",
        r"#\w.*",
        r"(https?:|www\.).*",
        r"[\d.,:%$€£+-]*\d[\d.,:%$€£+-]*",
        r"[^\W\d_]*\d.*",
        r"\W+",
    )
)
CASES = ("islower", "isupper", "istitle")
SHAPE_COUNT = 1 + len(SHAPES) + len(CASES) + 2


@functools.lru_cache(maxsize=1 << 16)
def shape_of(word: str) -> int:
    """The shape of a word as a number below `SHAPE_COUNT`: small letters, capitals, a capital at
    the beginning or inside, digits, signs, a @handle, a #tag, an address."""
    for number, pattern in enumerate(SHAPES, 1):
        if pattern.fullmatch(word):
            return number
    if len(word) > 1:
        for number, case in enumerate(CASES, 1 + len(SHAPES)):
            if getattr(word, case)():
                return number
    elif word.isupper():
        return SHAPE_COUNT - 1
    return SHAPE_COUNT - 2 if word[:1].isupper() else 0


def spellings(word: str) -> Iterator[str]:
    """A word as it may be spelled where it has a vector, the likeliest first: as it is, in small
    letters, without the sign of a #tag, without drawn out letters ("sooo"), without signs at its
    ends, the last part of a compound, its digits as zeros. A @handle or an address is only
    itself."""
    yield word
    small = word.lower()
    yield small
    if SHAPES[0].fullmatch(word) or SHAPES[2].fullmatch(word):
        return
    bare = small.lstrip("#")
    yield bare
    yield re.sub(r"(.)\1{2,}", r"\1\1", bare)
    yield re.sub(r"(.)\1{2,}", r"\1", bare)
    yield re.sub(r"^\W+|\W+$", "", bare)
    yield from reversed(re.split(r"[-/_]", bare))
    yield re.sub(r"\d", "0", bare)


class Words(NamedTuple):
    """A batch of words as numbers; `types` are its different words."""

    words: Tensor  # [types] of the learned vectors
    given: Tensor  # [types] of the vectors from a file
    shapes: Tensor  # [types]
    letters: Tensor  # [types, characters], 0 is none
    place: Tensor  # [batch, time] of each word among the types; 0 at padding


@dataclass(frozen=True)
class Alphabet:
    """The words and characters that a model knows by number."""

    words: Lexicon
    given: Lexicon
    characters: Lexicon  # 1 and above; the model adds 1, for 0 is none

    @classmethod
    def build(
        cls,
        occurring: Sequence[str],
        min_count: int = 1,
        vectors: WordVectors | None = None,
        *,
        frozen: bool = True,
    ) -> tuple[Alphabet, int]:
        """Of the words of the training text, each as often as it occurs, and of vectors from a
        file, none of which, if `frozen`, learn on.

        Returns:
            the alphabet, and how many rows of the vectors learn on: those of words of the training
            text, which then come first, and that of an unknown word.
        """
        small = [word.lower() for word in occurring]
        entries, trained = list[str](vectors.words if vectors else ()), 0
        if vectors is not None and not frozen:
            forms = dict.fromkeys(itertools.chain.from_iterable(zip(occurring, small, strict=True)))
            first = [form for form in forms if form in vectors.index]
            among = set(first)
            entries = first + [word for word in entries if word not in among]
            trained = len(first) + 1
        characters = Lexicon.build(itertools.chain.from_iterable(occurring), min_count=2)
        return cls(Lexicon.build(small, min_count), Lexicon(entries), characters), trained

    def sizes(self) -> dict[str, int]:
        """How many numbers there are of each kind."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}

    def save(self, folder: Path) -> None:
        """Replaces the lexicon in a model's folder."""
        known = {field.name: getattr(self, field.name).entries for field in fields(self)}
        write_text(folder / FILE, json.dumps(known, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Alphabet:
        """The lexicon of a model's folder. `UsageError` where it is missing or damaged."""
        path = folder / FILE
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{field.name: Lexicon(known[field.name]) for field in fields(cls)})
        except FileNotFoundError as error:
            raise UsageError(f"{path} is missing: copy the folder again, or train anew") from error
        except (TypeError, ValueError, KeyError) as error:
            raise UsageError(f"{path} is damaged: copy it again, or train anew") from error

    def check_same(self, folder: Path) -> None:
        """`UsageError` where a run that is gone on with began with another lexicon."""
        if (folder / FILE).is_file() and Alphabet.load(folder).words.entries != self.words.entries:
            raise UsageError(f"the data is not what the run in {folder} began with: start anew")

    def coverage(self, occurring: Sequence[str]) -> float:
        """The share of words, 0 to 1, that have a vector from a file."""
        found = sum(self._given(word) > 0 for word in occurring)
        return found / max(len(occurring), 1)

    def _given(self, word: str) -> int:
        """The number of a word's vector from a file; 0 where it has none."""
        known = self.given.index
        if not known:
            return 0
        return next((known[form] for form in spellings(word) if form in known), 0)

    def numbers(self, sentences: Sequence[Sequence[str]], time: int) -> Words:
        """Sentences, padded to `time` words."""
        types: dict[str, int] = {}
        place = np.zeros((len(sentences), time), np.int64)
        for row, sentence in enumerate(sentences):
            place[row, : len(sentence)] = [types.setdefault(word, len(types)) for word in sentence]
        return Words(*self._types(list(types)), torch.from_numpy(place))

    def _types(self, types: Sequence[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        small = [word.lower() for word in types]
        found = [self._given(word) for word in types]
        cut = [w if len(w) <= LONGEST else w[: LONGEST // 2] + w[-LONGEST // 2 :] for w in types]
        letters = np.zeros((len(types), max(map(len, cut), default=1)), np.int64)
        for row, word in enumerate(cut):
            letters[row, : len(word)] = self.characters.ids(word)
            letters[row, : len(word)] += 1
        return (
            torch.tensor(self.words.ids(small), dtype=torch.int64),
            torch.tensor(found, dtype=torch.int64),
            torch.tensor([shape_of(word) for word in types], dtype=torch.int64),
            torch.from_numpy(letters),
        )
