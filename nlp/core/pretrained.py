"""Word vectors from elsewhere as the beginning of a model's own embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.words.word_vectors import WordVectors


class Coverage(NamedTuple):
    """How much of a vocabulary the vectors know."""

    entries: int  # of the vocabulary that have a vector
    vocabulary_size: int
    share: float  # of the training text that these are

    def __str__(self) -> str:
        return (
            f"word vectors for {self.entries:,} of {self.vocabulary_size:,} entries of the "
            f"vocabulary, {self.share:.1%} of the training text"
        )


@torch.no_grad()
def fill(
    table: Tensor, texts: Sequence[str], vectors: WordVectors, frequencies: Tensor
) -> Coverage:
    """Puts the vectors of words into an embedding `[vocabulary, size]`.

    An entry whose text is a word, as it is written or in small letters, gets that word's vector;
    of " in" and "in", as tokens have them, the former, for the latter is mostly a part of a word.
    The others keep their random beginning. The vectors are scaled to the numbers of an untrained
    table, for which learning rates are made.

    Args:
        texts: of each entry.
        frequencies: `[vocabulary]`, of each entry in the training text.

    Raises:
        UsageError: the vectors have another size, or none is of a word of the vocabulary.
    """
    if vectors.size != table.shape[1]:
        raise UsageError(
            f"the word vectors have {vectors.size} features and the embedding {table.shape[1]}: "
            "leave the embedding size out, or give the same"
        )
    found, known = {}, set(texts)
    for entry, text in enumerate(texts):
        if f" {text}" in known:
            continue
        word = text.strip()
        row = vectors.index.get(word, vectors.index.get(word.lower()))
        if row is not None:
            found[entry] = row
    if not found:
        raise UsageError("no entry of the vocabulary is among the word vectors: wrong language?")
    entries = torch.tensor(list(found))
    rows = torch.from_numpy(vectors.matrix[list(found.values())])
    scale = table.square().mean().sqrt() / rows.square().mean().sqrt().clamp(min=1e-12)
    table[entries] = rows.to(table) * scale
    share = float(frequencies[entries].sum() / frequencies.sum())
    return Coverage(len(found), len(texts), share)
