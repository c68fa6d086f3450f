"""Measured perplexities as people read them, and the n-gram baselines beside them."""

from __future__ import annotations

import math
from typing import Any

import torch

from corpora.store import TokenStore
from corpora.store_header import Counts
from nlp.core.batching import Windows
from nlp.core.ngram import NgramModel
from nlp.core.scoring import Perplexity, corpus_perplexity, perplexity_of

RESULT_COLUMNS = ("perplexity per token", "perplexity per word", "bits per byte")


def result_row(result: Perplexity) -> tuple[float | None, ...]:
    """The values of `RESULT_COLUMNS`."""
    return result.per_token, result.per_word, result.bits_per_byte


def in_units(loss: float, counts: Counts) -> dict[str, float]:
    """Nats per token as perplexity per token and bits per byte of a text with these counts."""
    bits = loss / math.log(2) * counts.tokens
    return {"perplexity": math.exp(min(loss, 700.0)), "bits_per_byte": bits / max(1, counts.bytes)}


def measure_baselines(store: TokenStore) -> dict[str, Perplexity]:
    """Unigram and 5-gram interpolated Kneser-Ney on the test split of a token store: what counting
    alone achieves with the same tokens."""
    counts = store.header.splits["test"]
    size = store.header.vocabulary_size
    results = {}
    for name, order in (("unigram", 1), ("5-gram Kneser-Ney", 5)):
        ngrams = NgramModel.fit(store.split("train"), order=order, vocabulary_size=size)
        nats = -float(ngrams.log_probabilities(store.split("test")).sum())
        results[name] = perplexity_of(nats, counts.tokens, counts.words, counts.bytes)
    return results


@torch.no_grad()
def mean_loss(model: Any, windows: Windows) -> float:
    """Mean nats per token over an epoch of windows, the state carried through each stream."""
    total, count, carry = 0.0, 0, None
    for batch in windows.epoch(0):
        moved = type(batch)(*(part.to(model.device) for part in batch))
        mean, targets, carry = model.loss(moved, carry)
        total, count = total + float(mean) * targets, count + targets
    return total / count


def split_perplexity(model: Any, store: TokenStore, split: str, start_id: int) -> Perplexity:
    """Perplexity of a split of a token store, exactly: one pass with the state carried."""
    counts = store.header.splits[split]
    return corpus_perplexity(
        model, store.split(split), words=counts.words, bytes=counts.bytes, start_id=start_id
    )
