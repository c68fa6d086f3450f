"""What a word is to a model that reads words: vectors of the word, of its spelling, of its shape.

    word     "Hermione"   ──► learned vector ─┐
                          ──► vector from a file, small letters where it has no other ─┤
    letters   H e r m ... ──► CNN (Ma and Hovy 2016), LSTM (Lample et al. 2016) ───────┼─► vector
    shape     "Xx"        ──► learned vector ──────────────────────────────────────────┘

A word that was not in the training text still has its letters, its shape, and maybe its vector
from a file.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError
from nlp.core.alphabet import SHAPE_COUNT, Alphabet, Words
from nlp.core.recurrent import Recurrent
from nlp.core.words import vector_formats
from nlp.core.words.word_vectors import WordVectors

Spelling = Literal["cnn", "lstm", "both", "none"]
# Alphabet and Words are nlp.core.alphabet's.
SCALE = 0.4  # root mean square of vectors from a file, as networks like their inputs


class WordFeatures(nn.Module):
    """Vectors of words.

    Args:
        words, word_size: learned vectors; a size of 0 is none.
        given, given_size: vectors from a file, of which the first `trained` learn on.
        characters, character_size, spelling: how letters are read; `character_size` outputs of
            each of the kinds.
        shape_size: of the shape's vector; 0 is none.
        word_dropout: probability of making a word an unknown one, wherever it stands in the batch,
            to its learned vector.
    """

    def __init__(
        self,
        *,
        words: int,
        word_size: int,
        given: int,
        given_size: int,
        trained: int,
        characters: int,
        character_size: int,
        spelling: Spelling,
        shape_size: int,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        self.words = nn.Embedding(words, word_size) if word_size else None
        self.shapes = nn.Embedding(SHAPE_COUNT, shape_size) if shape_size else None
        self.given = Given(given, given_size, trained) if given_size else None
        for table in (self.words, self.shapes):
            if table is not None:
                nn.init.uniform_(table.weight, -0.1, 0.1)
        kinds = {"both": ("cnn", "lstm"), "none": ()}.get(spelling, (spelling,))
        self.characters = nn.Embedding(characters + 1, 32, padding_idx=0) if kinds else None
        self.convolution = nn.Conv1d(32, character_size, 3, padding=1) if "cnn" in kinds else None
        self.reader = (
            Recurrent("lstm", 32, character_size // 2, bidirectional=True)
            if "lstm" in kinds
            else None
        )
        spelled = {"cnn": character_size, "lstm": 2 * (character_size // 2)}
        self.size = word_size + shape_size + given_size + sum(spelled[kind] for kind in kinds)
        if not self.size:
            raise UsageError(
                "nothing of a word is read: give a word_size above 0, a spelling or an embedding"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> WordFeatures:
        """As a model's configuration says."""
        return cls(**{name: settings[name] for name in inspect.signature(cls).parameters})

    @torch.no_grad()
    def begin_at(self, vectors: WordVectors, entries: Sequence[str]) -> None:
        """Puts vectors into the learned rows, which are `entries` from 1 on."""
        assert self.words is not None
        nn.init.zeros_(self.words.weight)
        rows = [row for row, entry in enumerate(entries, 1) if entry in vectors.index]
        known = [entries[row - 1] for row in rows]
        self.words.weight[rows] = scaled(vectors, known, 0.1)

    def forward(self, batch: Words) -> Tensor:
        """`[batch, time, size]`; anything at padding."""
        return F.embedding(batch.place, self.types(batch))

    def types(self, batch: Words) -> Tensor:
        """Vectors of the batch's different words, `[types, size]`."""
        parts = []
        if self.words is not None:
            words = batch.words
            if self.training and self.word_dropout:
                kept = torch.rand(words.shape, device=words.device) >= self.word_dropout
                words = words * kept
            parts.append(self.words(words))
        if self.given is not None:
            parts.append(self.given(batch.given))
        if self.shapes is not None:
            parts.append(self.shapes(batch.shapes))
        if self.characters is not None:
            parts += self._spelled(batch.letters)
        return torch.cat(parts, dim=1)

    def _spelled(self, letters: Tensor) -> list[Tensor]:
        assert self.characters is not None
        parts, real = [], letters > 0
        vectors = self.characters(letters)
        if self.convolution is not None:
            found = self.convolution(vectors.transpose(1, 2))
            parts.append(found.masked_fill(~real[:, None], -torch.inf).amax(2))
        if self.reader is not None:
            parts.append(self.reader.read(vectors, mask=real)[1])
        return parts


class KnownWords(NamedTuple):
    """What a model is to know of words before it learns."""

    alphabet: Alphabet
    vectors: WordVectors | None  # from a file
    trained: int  # rows of them that learn on

    @classmethod
    def of(cls, arguments: Mapping[str, Any], occurring: Sequence[str]) -> KnownWords:
        """Out of the words of the training text and the `min_count`, `embedding` and
        `freeze_embedding` among the arguments of `train`."""
        file = arguments["embedding"]
        vectors = None if file is None else vector_formats.load(file)
        minimum, frozen = arguments["min_count"], arguments["freeze_embedding"]
        alphabet, trained = Alphabet.build(occurring, minimum, vectors, frozen=frozen)
        return cls(alphabet, vectors, trained)

    def sizes(self) -> dict[str, int]:
        """What they are in a model's configuration."""
        size = 0 if self.vectors is None else self.vectors.size
        return {**self.alphabet.sizes(), "given_size": size, "trained": self.trained}

    def fill(self, features: WordFeatures, occurring: Sequence[str]) -> str | None:
        """Puts the vectors from a file into their place; returns how much of the text has one."""
        if self.vectors is None or features.given is None:
            return None
        features.given.fill(self.vectors, self.alphabet.given.entries)
        return f"word vectors for {self.alphabet.coverage(occurring):.1%} of the training text"


class Given(nn.Module):
    """Vectors from a file: those of the training text's words may learn on, the others stay."""

    fixed: Tensor

    def __init__(self, rows: int, size: int, trained: int) -> None:
        super().__init__()
        self.learned = nn.Parameter(torch.zeros(trained, size))
        self.register_buffer("fixed", torch.zeros(rows - trained, size, dtype=torch.float16))

    def forward(self, ids: Tensor) -> Tensor:
        trained = len(self.learned)
        if not trained:
            return F.embedding(ids, self.fixed).to(torch.float32)
        fixed = F.embedding((ids - trained).clamp(min=0), self.fixed).to(self.learned.dtype)
        learned = F.embedding(ids.clamp(max=trained - 1), self.learned)
        return torch.where((ids < trained)[..., None], learned, fixed)

    @torch.no_grad()
    def fill(self, vectors: WordVectors, entries: Sequence[str]) -> None:
        """Puts the vectors of `entries` into the rows from 1 on."""
        matrix = scaled(vectors, entries, SCALE)
        whole = torch.cat([matrix.new_zeros(1, matrix.shape[1]), matrix])
        self.learned.copy_(whole[: len(self.learned)])
        self.fixed.copy_(whole[len(self.learned) :])


def scaled(vectors: WordVectors, entries: Sequence[str], size: float) -> Tensor:
    """Vectors `[words, size]` of `entries`, so that the root of their mean square is `size`."""
    matrix = torch.from_numpy(vectors.matrix[[vectors.index[entry] for entry in entries]])
    return matrix * (size / matrix.square().mean().sqrt().clamp(min=1e-12))
