"""Kneser-Ney against the textbook formula written with dictionaries, and against its own laws."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from corpora.errors import UsageError
from nlp.core.language.ngram import SMOOTHINGS, NgramModel


class Textbook:
    """Chen & Goodman (1999), equations 17-24 and 26, one n-gram at a time; slow and plain."""

    def __init__(self, ids: list[int], order: int, vocabulary_size: int, smoothing: str) -> None:
        self.vocabulary_size = vocabulary_size
        grams = {
            m: Counter(tuple(ids[i : i + m]) for i in range(len(ids) - m + 1))
            for m in range(1, order + 1)
        }
        self.counts: dict[int, Counter] = {order: grams[order]}
        for m in range(1, order):
            self.counts[m] = Counter(longer[1:] for longer in grams[m + 1])
        self.discounts = {m: self.discount(self.counts[m], smoothing) for m in self.counts}
        self.following: dict[tuple, dict] = defaultdict(dict)
        for m in self.counts:
            for gram, count in self.counts[m].items():
                self.following[gram[:-1]][gram[-1]] = count

    @staticmethod
    def discount(counts: Counter, smoothing: str) -> list[float]:
        n1, n2, n3, n4 = (sum(c == r for c in counts.values()) for r in (1, 2, 3, 4))
        if smoothing == "kneser-ney":
            return [n1 / (n1 + 2 * n2)] * 3 if n1 and n2 else [0.5] * 3
        if not (n1 and n2 and n3 and n4):
            return [0.5, 1.0, 1.5]
        y = n1 / (n1 + 2 * n2)
        three = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        return three if all(d > 0 for d in three) else [0.5, 1.0, 1.5]

    def probability(self, token: int, context: tuple) -> float:
        lower = self.probability(token, context[1:]) if context else 1 / self.vocabulary_size
        following = self.following.get(context)
        if not following:
            return lower
        discounts = self.discounts[len(context) + 1]
        total = sum(following.values())
        count = following.get(token, 0)
        kept = count - discounts[min(count, 3) - 1] if count else 0.0
        removed = sum(discounts[min(c, 3) - 1] for c in following.values())
        return max(kept, 0.0) / total + removed / total * lower


def markov(length: int, vocabulary_size: int, seed: int = 0) -> np.ndarray:
    """A stream in which each token is nearly settled by the one before it."""
    random = np.random.default_rng(seed)
    transitions = np.random.default_rng(7).dirichlet(
        np.full(vocabulary_size, 0.05), size=vocabulary_size
    )
    stream = [0]
    for _ in range(length - 1):
        stream.append(int(random.choice(vocabulary_size, p=transitions[stream[-1]])))
    return np.array(stream, dtype=np.uint16)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_the_textbook(order: int, smoothing: str) -> None:
    train, test = markov(600, 12), markov(200, 12, seed=1)
    model = NgramModel.fit(train, order=order, vocabulary_size=12, smoothing=smoothing)
    textbook = Textbook(train.tolist(), order, 12, smoothing)
    expected = [
        textbook.probability(int(token), tuple(test[max(0, i - order + 1) : i].tolist()))
        for i, token in enumerate(test)
    ]
    np.testing.assert_allclose(np.exp(model.log_probabilities(test)), expected, rtol=1e-12)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_each_distribution_sums_to_one(order: int, smoothing: str) -> None:
    train = markov(500, 20)
    model = NgramModel.fit(train, order=order, vocabulary_size=25, smoothing=smoothing)
    seen, unseen, partly = train[10:13], [21, 22, 23], [22, *train[10:12]]
    for context in ([], seen, unseen, partly, train[:3], train[-3:], train[:50], train[:1]):
        distribution = model.probabilities(context)
        assert distribution.sum() == pytest.approx(1.0, abs=1e-12)
        assert distribution.min() > 0


def test_the_distribution_is_what_the_stream_is_scored_by() -> None:
    train, test = markov(500, 20), markov(60, 20, seed=3)
    model = NgramModel.fit(train, order=4, vocabulary_size=20)
    stepwise = [np.log(model.probabilities(test[:i])[token]) for i, token in enumerate(test)]
    np.testing.assert_allclose(model.log_probabilities(test), stepwise, rtol=1e-12)


def test_context_is_worth_something() -> None:
    train, test = markov(5000, 40), markov(1000, 40, seed=1)
    perplexities = [
        NgramModel.fit(train, order=order, vocabulary_size=40).perplexity(test) for order in (1, 2)
    ]
    assert perplexities[1] < perplexities[0] / 2


def test_kneser_ney_knows_that_francisco_follows_only_san() -> None:
    san, francisco, the, cat, dog = range(5)
    train = [san, francisco] * 5 + [the, cat, the, dog, dog, cat, cat, the, san, francisco]
    after_new_context = NgramModel.fit(train, order=2, vocabulary_size=6).probabilities([5])
    assert train.count(francisco) > train.count(cat)
    assert after_new_context[francisco] < after_new_context[cat]


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("train", [[3], [3, 3, 3, 3], [0, 1], list(range(8)), [1, 2] * 20])
def test_a_text_too_small_for_its_discounts(train: list[int], smoothing: str) -> None:
    model = NgramModel.fit(train, order=5, vocabulary_size=8, smoothing=smoothing)
    assert np.isfinite(model.log_probabilities(range(8))).all()
    assert model.probabilities(train).sum() == pytest.approx(1.0)


def test_a_large_vocabulary_does_not_overflow() -> None:
    random = np.random.default_rng(0)
    train = random.integers(0, 2**17, size=20_000)
    model = NgramModel.fit(train, order=5, vocabulary_size=2**17)
    assert model.perplexity(train) < 100 < model.perplexity(train[::-1].copy())


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        ([], {}, "at least one"),
        ([0, 9], {}, "from 0 to 9"),
        ([-1, 1], {}, "from -1 to 1"),
        ([[1, 2]], {}, r"shape \(1, 2\)"),
        ([1, 2], {"order": 0}, "order is 0"),
        ([1, 2], {"smoothing": "laplace"}, "expected kneser-ney or modified-kneser-ney"),
    ],
)
def test_wrong_input_is_told_in_one_line(ids: list, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        NgramModel.fit(ids, vocabulary_size=8, **options)
    assert "\n" not in str(caught.value)
