"""The first half of the data's street: text, tokenizer, ids on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpora.errors import UsageError
from corpora.passage import Counts, counting
from corpora.reader import Source, read
from corpora.splits import splits
from corpora.store import TokenStore, TokenStoreWriter
from nlp.core.batching import Windows
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
        tokenizer: an existing one, in any form that `Tokenizer.load` reads.
        report: hears what is being done.
    """
    if tokenizer_file.is_file() and tokens.is_dir():
        known = Tokenizer.load(tokenizer_file)
        return Prepared(TokenStore.open(tokens, tokenizer_fingerprint=known.fingerprint), known)
    parts = splits(corpus, **reading)
    if tokenizer is not None:
        known = Tokenizer.load(tokenizer)
    else:
        report(f"learning a vocabulary of {vocabulary_text(vocabulary)}")
        known = Tokenizer.train(parts.train, **vocabulary)
    known.save(tokenizer_file)
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


def windows(
    data: Prepared, *, batch_size: int, window: int, seed: int, backward: bool
) -> tuple[Windows, Windows]:
    """What a language model trains on and is validated on; `backward` reads from the end."""
    order = slice(None, None, -1 if backward else 1)
    ids, held_out = data.store.split("train")[order], data.store.split("validation")[order]
    # A text of few documents shows the model few beginnings: then each stream is one more.
    is_one_text = data.store.header.splits["train"].documents < batch_size
    start_id = data.tokenizer.end_of_text if is_one_text else None
    # Side by side is faster; each stream should still be long against its cold start.
    streams = max(1, min(batch_size, len(held_out) // (8 * window)))
    return (
        Windows(ids, batch_size, window, seed=seed, start_id=start_id),
        Windows(held_out, streams, min(window, max(1, len(held_out) - 1))),
    )


def vocabulary_text(vocabulary: Mapping[str, Any]) -> str:
    """What is being learned, in words."""
    if vocabulary["kind"] == "bpe":
        return f"{vocabulary['vocabulary_size']:,} byte-level BPE tokens"
    return str(vocabulary["kind"])


def encode_whole(
    tokenizer: Tokenizer, corpus: Source, reading: Mapping[str, Any]
) -> tuple[np.ndarray, Counts]:
    """The ids of a corpus, `[tokens]` in memory, and what its text counts."""
    counts = Counts()
    passages = counting(read(corpus, **reading), counts)
    ids = np.concatenate(list(tokenizer.encode_corpus(passages)))
    counts.tokens = len(ids)
    return ids, counts
