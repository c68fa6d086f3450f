"""The first half of the data's street: text, tokenizer, ids on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import UsageError
from corpora.reader import Source
from corpora.splits import splits
from corpora.store import TokenStore, TokenStoreWriter
from nlp.core.checkpoint import TOKENIZER, replacing
from nlp.core.tokenizer import Tokenizer


class Prepared(NamedTuple):
    """A corpus as a model reads it."""

    store: TokenStore
    tokenizer: Tokenizer


def prepare(
    corpus: Source,
    tokens: Path,
    tokenizer_file: Path,
    *,
    reading: Mapping[str, Any],
    vocabulary: Mapping[str, Any],
    tokenizer: str | Path | None,
    report: Callable[[str], None],
) -> Prepared:
    """Splits a corpus, learns its tokenizer on the training part, and stores the ids of all parts.

    Args:
        corpus, reading: what `corpora.splits` takes.
        tokens, tokenizer_file: where to put both; where both are there already they are used.
        vocabulary: arguments of `Tokenizer.train`.
        tokenizer: an existing one, as a file or as a folder that holds one.
        report: hears what is being done.
    """
    if tokenizer_file.is_file() and tokens.is_dir():
        known = Tokenizer.load(tokenizer_file)
        return Prepared(TokenStore.open(tokens, tokenizer_fingerprint=known.fingerprint), known)
    parts = splits(corpus, **reading)
    if tokenizer is not None:
        known = load_tokenizer(tokenizer)
    else:
        report(f"learning a vocabulary of {vocabulary_text(vocabulary)}")
        known = Tokenizer.train(parts.train, **vocabulary)
    with replacing(tokenizer_file) as part:
        known.save(part)
    with TokenStoreWriter(
        tokens, vocabulary_size=known.vocabulary_size, tokenizer_fingerprint=known.fingerprint
    ) as writer:
        for part in parts:
            passages = writer.counting(part.name, part)
            for ids in known.encode_corpus(passages):
                writer.append(part.name, ids)
    store = TokenStore.open(tokens)
    for name in ("train", "validation"):
        if not store.header.splits[name].tokens:
            raise UsageError(f"the {name} split is empty: give more text, or another split")
    told = ", ".join(
        f"{name} {counts.tokens:,} tokens ({counts.words:,} words)"
        for name, counts in store.header.splits.items()
    )
    report(f"{told}; split {parts.rule}")
    return Prepared(store, known)


def load_tokenizer(place: str | Path) -> Tokenizer:
    """The tokenizer in a file, or in a model folder."""
    path = Path(place)
    return Tokenizer.load(path / TOKENIZER if path.is_dir() else path)


def vocabulary_text(vocabulary: Mapping[str, Any]) -> str:
    """What is being learned, in words."""
    if vocabulary["kind"] == "bpe":
        return f"{vocabulary['vocabulary_size']:,} byte-level BPE tokens"
    return str(vocabulary["kind"])
