"""What counting alone achieves: n-gram models on the tokens of a store."""

from __future__ import annotations

from corpora.store import TokenStore
from nlp.core.language.ngram import NgramModel
from nlp.core.scoring import Perplexity, perplexity_of


def measure_baselines(store: TokenStore) -> dict[str, Perplexity]:
    """Unigram and 5-gram interpolated Kneser-Ney on the test split of a token store."""
    counts = store.header.splits["test"]
    size = store.header.vocabulary_size
    results = {}
    for name, order in (("unigram", 1), ("5-gram Kneser-Ney", 5)):
        ngrams = NgramModel.fit(store.split("train"), order=order, vocabulary_size=size)
        nats = -float(ngrams.log_probabilities(store.split("test")).sum())
        results[name] = perplexity_of(nats, counts.tokens, counts.words, counts.bytes)
    return results
