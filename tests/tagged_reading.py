"""What the tests of annotated sentences share: two of them, and how they are read."""

from __future__ import annotations

import re

import pytest

from corpora.errors import UsageError
from corpora.tagged import TaggedCorpus, read_tagged

ALEX = (("Alex", "is", "in", "Los", "Angeles"), ((0, 1, "PER"), (3, 5, "LOC")))
MARTY = (("Marty", "A."), ((0, 2, "PER"),))
BIO = "Alex B-PER|is O|in O|Los B-LOC|Angeles I-LOC||Marty B-PER|A. I-PER|".replace("|", "\n")
COLUMNS = {
    "BIO": BIO,
    "IOB1": BIO.replace("B-", "I-"),
    "IOBES": BIO.replace("Alex B-", "Alex S-").replace("I-", "E-"),
    "BILOU": BIO.replace("Alex B-", "Alex U-").replace("I-", "L-"),
    "plain types": BIO.replace("B-", "").replace("I-", ""),
}
TEXT = "Alex is in Los Angeles"


def words_of(text: str) -> list[tuple[int, int]]:
    """Words at white space, so that the tests need no tokenizer."""
    return [found.span() for found in re.finditer(r"\S+", text)]


def read(source, **options) -> TaggedCorpus:
    corpus = read_tagged(source, words_of=words_of, **options)
    for sentence in corpus.sentences:
        if sentence.offsets is not None:
            assert sentence.text is not None
            cut = tuple(sentence.text[start:end] for start, end in sentence.offsets)
            assert cut == sentence.words
    return corpus


def plain(corpus: TaggedCorpus) -> list[tuple[tuple[str, ...], tuple[tuple[int, int, str], ...]]]:
    return [(one.words, tuple(map(tuple, one.spans))) for one in corpus.sentences]


def complaint(source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        read(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
