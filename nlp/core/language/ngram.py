"""Counting, done well: an interpolated Kneser-Ney n-gram model, the baseline to beat.

    p(w | h) = max(c(hw) - D, 0) / c(h) + gamma(h) * p(w | h without its oldest token)

where the highest order counts occurrences, and every lower order counts *continuations*: in how
many different contexts the n-gram has been seen ("Francisco" is frequent, but only after "San").
`gamma(h)` is exactly the mass that discounting took away, and below the unigram lies the uniform
distribution, so no token ever has probability zero.

Kneser & Ney (1995), "Improved backing-off for m-gram language modeling"; Chen & Goodman (1999),
"An empirical study of smoothing techniques for language modeling", sections 2.7 and 3.

    model = NgramModel.fit(train_ids, order=5, vocabulary_size=4096)
    model.perplexity(test_ids)                      # per token
    model.log_probabilities(test_ids)               # nats, [tokens]
    model.probabilities(test_ids[:4]).argmax()      # the most probable next token
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from corpora.errors import UsageError

SMOOTHINGS = ("kneser-ney", "modified-kneser-ney")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class _Order(NamedTuple):
    """The counts of one order m, as p(w | h) needs them.

    An m-gram is known by its key `number of its (m-1)-token context * vocabulary + last token`, and
    its own number is the place of that key. Five tokens do not fit into 64 bits, a pair does.
    """

    keys: Integers  # [n-grams], sorted
    share: Floats  # [n-grams]       max(c - D, 0) / c(h)
    backoff: Floats  # [contexts]    gamma(h); 1 where nothing is known after h


class NgramModel:
    """Interpolated Kneser-Ney over token ids; made by `fit`, never changed after it."""

    def __init__(self, orders: list[_Order], vocabulary_size: int, smoothing: str) -> None:
        self._orders = orders
        self.vocabulary_size = vocabulary_size
        self.smoothing = smoothing

    @property
    def order(self) -> int:
        """The length of the longest n-gram counted."""
        return len(self._orders)

    def __len__(self) -> int:
        """The number of n-grams of all orders that the model holds."""
        return sum(len(order.keys) for order in self._orders)

    @classmethod
    def fit(
        cls, ids: ArrayLike, *, vocabulary_size: int, order: int = 5, smoothing: str = "kneser-ney"
    ) -> NgramModel:
        """Count the n-grams of one stream of token ids.

        ids: [tokens], integers in [0, vocabulary_size); contexts run through the whole stream.
        order: 1 is the unigram model, 5 looks at the four tokens before.
        smoothing: one discount per order ("kneser-ney"), or three, for counts of one, two, and
        three or more ("modified-kneser-ney").
        """
        if order < 1:
            raise UsageError(f"order is {order}, expected 1 or more (1 is the unigram model).")
        if smoothing not in SMOOTHINGS:
            raise UsageError(f'smoothing is "{smoothing}", expected {" or ".join(SMOOTHINGS)}.')
        stream = _checked(ids, vocabulary_size)
        order = min(order, len(stream))

        # grams[i] numbers the n-gram that starts at token i; there is one empty n-gram.
        grams: Integers = np.zeros(len(stream), dtype=np.int64)
        keys_of: list[Integers] = []
        counts_of: list[Integers] = []
        for length in range(1, order + 1):
            shorter = grams
            keys, first, grams, counts = np.unique(
                shorter[: len(stream) - length + 1] * vocabulary_size + stream[length - 1 :],
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            if length > 1:
                # Each n-gram continues one shorter n-gram: itself without its oldest token.
                counts_of[-1] = np.bincount(shorter[first + 1], minlength=len(keys_of[-1]))
            keys_of.append(keys)
            counts_of.append(counts)

        orders, contexts = [], 1
        for keys, counts in zip(keys_of, counts_of, strict=True):
            orders.append(_discounted(keys, counts, vocabulary_size, contexts, smoothing))
            contexts = len(keys)
        return cls(orders, vocabulary_size, smoothing)

    def log_probabilities(self, ids: ArrayLike) -> Floats:
        """Natural logarithm of the probability of each token given those before it, [tokens].

        The first token is conditioned on nothing, the second on one token, and so on up to the
        order of the model. Their sum is the log-probability of the stream.
        """
        stream = _checked(ids, self.vocabulary_size)
        # The number of the context of each token, at the order in hand; -1: never seen.
        contexts = np.zeros(len(stream), dtype=np.int64)
        probabilities = np.full(len(stream), 1.0 / self.vocabulary_size)
        for order in self._orders:
            probabilities, grams = self._interpolate(order, contexts, stream, probabilities)
            contexts = np.concatenate([[-1], grams[:-1]])
        return np.log(probabilities)

    def probabilities(self, context: ArrayLike = ()) -> Floats:
        """The distribution of the next token after `context` (ids, [tokens]), [vocabulary]."""
        history = np.asarray(context, dtype=np.int64)
        tokens = np.arange(self.vocabulary_size)
        probabilities = np.full(len(tokens), 1.0 / self.vocabulary_size)
        for length, order in enumerate(self._orders[: len(history) + 1]):
            number = self._number(history[len(history) - length :])
            contexts = np.full(len(tokens), number)
            probabilities, _ = self._interpolate(order, contexts, tokens, probabilities)
        return probabilities

    def perplexity(self, ids: ArrayLike) -> float:
        """exp of the mean negative log-probability per token of `ids`."""
        return float(np.exp(-self.log_probabilities(ids).mean()))

    def _interpolate(
        self, order: _Order, contexts: Integers, tokens: Integers, lower: Floats
    ) -> tuple[Floats, Integers]:
        """p(token | context) at one order, given that of the order below, and the n-grams' numbers.

        All [tokens]; a number of -1 stands for an n-gram that training has never seen.
        """
        grams = _find(order.keys, contexts * self.vocabulary_size + tokens)
        grams[contexts < 0] = -1
        share = np.where(grams >= 0, order.share[grams], 0.0)
        backoff = np.where(contexts >= 0, order.backoff[contexts], 1.0)
        return share + backoff * lower, grams

    def _number(self, gram: Integers) -> int:
        """The number of one n-gram, -1 if training has never seen it; the empty one is 0."""
        number = np.zeros(1, dtype=np.int64)
        for order, token in zip(self._orders, gram, strict=False):
            number = _find(order.keys, number * self.vocabulary_size + token)
            if number[0] < 0:
                break
        return int(number[0])


def _discounted(
    keys: Integers, counts: Integers, vocabulary_size: int, contexts: int, smoothing: str
) -> _Order:
    """Turn the counts of one order into what interpolation needs."""
    discount = _discounts(counts, smoothing)[np.minimum(counts, 3)]
    context = keys // vocabulary_size
    total = np.bincount(context, weights=counts, minlength=contexts)
    removed = np.bincount(context, weights=discount, minlength=contexts)
    # The very first n-grams of the stream may follow nothing at all: no continuations, no mass.
    backoff = np.divide(removed, total, out=np.ones(contexts), where=total > 0)
    share = np.maximum(counts - discount, 0.0) / np.maximum(total[context], 1.0)
    return _Order(keys, share, backoff)


def _discounts(counts: Integers, smoothing: str) -> Floats:
    """The discount of an n-gram seen 0, 1, 2, and 3 or more times, [4].

    Chen & Goodman (1999), equations 17 and 26, from n_r, the number of n-grams seen r times. A toy
    text may lack n-grams of some count; then 1/2 (or 1/2, 1 and 3/2, as KenLM does) stands in.
    """
    _, n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[:5].tolist()
    if smoothing == "kneser-ney":
        single = n1 / (n1 + 2 * n2) if n1 and n2 else 0.5
        return np.array([0.0, single, single, single])
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        several = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        if min(several) > 0:
            return np.array([0.0, *several])
    return np.array([0.0, 0.5, 1.0, 1.5])


def _find(keys: Integers, wanted: Integers) -> Integers:
    """The place of each wanted key among the sorted keys, -1 where it is not there."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def _checked(ids: ArrayLike, vocabulary_size: int) -> Integers:
    """The ids as an array of int64 [tokens], refused if empty or outside the vocabulary."""
    stream = np.asarray(ids).astype(np.int64)
    if stream.ndim != 1 or not len(stream):
        raise UsageError(f"Token ids have shape {stream.shape}, expected [tokens], at least one.")
    if stream.min() < 0 or stream.max() >= vocabulary_size:
        raise UsageError(
            f"Token ids run from {stream.min()} to {stream.max()}, expected 0 to "
            f"{vocabulary_size - 1}: encode with the tokenizer that the vocabulary size is from."
        )
    return stream
