"""Scores of classes against scikit-learn, their ranges against theory, and the baseline."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from corpora.errors import UsageError
from nlp.core.classes import bootstrap
from nlp.core.classes.bag_of_words import BagOfWords
from nlp.core.classes.class_scores import (
    RESULT_COLUMNS,
    SUMMARY_COLUMNS,
    ClassEvaluation,
    choose,
    evaluate_classes,
    require,
)
from nlp.core.classes.labelled_texts import Text, find_labels, label_weights, named_weights

LABELS = ("a", "b", "c", "d")


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def texts_of(gold: np.ndarray, labels: Sequence[str] = LABELS) -> list[Text]:
    return [
        Text(["word"] * (1 + row % 3), tuple(np.array(labels)[own]), f"text {row}", f"line {row}")
        for row, own in enumerate(gold)
    ]


def evaluate(gold: np.ndarray, probabilities: np.ndarray, multi: bool) -> ClassEvaluation:
    return evaluate_classes(
        texts_of(gold), LABELS, probabilities, multi_label=multi, seconds=2.0, resamples=20
    )


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, bool]:
    """Labels that texts have and probabilities of them, many of these the same."""
    multi, texts = draw(st.booleans()), draw(st.integers(1, 25))
    chance = np.random.default_rng(draw(st.integers(0, 10_000)))
    probabilities = chance.integers(0, 6, (texts, len(LABELS))) / 6
    if multi:
        return chance.random((texts, len(LABELS))) < draw(st.floats(0, 1)), probabilities, True
    gold = np.eye(len(LABELS), dtype=bool)[chance.integers(draw(st.integers(1, 4)), size=texts)]
    return gold, (probabilities + 0.1) / (probabilities + 0.1).sum(1, keepdims=True), False


@settings(max_examples=60)
@given(answers())
def test_scores_are_those_of_scikit_learn(case: tuple[np.ndarray, np.ndarray, bool]) -> None:
    gold, probabilities, multi = case
    found, chosen = evaluate(gold, probabilities, multi), choose(probabilities, multi)
    seen = np.flatnonzero((gold | chosen).any(0))
    options = {"zero_division": 0.0}
    if len(seen):
        f1 = metrics.f1_score(gold, chosen, labels=seen, average="macro", **options)
        assert found.macro_f1 == pytest.approx(f1)
    f1 = metrics.f1_score(gold, chosen, average="micro", **options)
    assert found.micro_f1 == pytest.approx(f1)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(gold, chosen))
    if not multi:
        assert found.micro_f1 == pytest.approx(found.accuracy)
        truth, guess = gold.argmax(1), chosen.argmax(1)
        matrix = metrics.confusion_matrix(truth, guess, labels=range(len(LABELS)))
        assert (np.array(found.confusion) == matrix).all()
    for label, name in enumerate(LABELS):
        own, column = found.by_label[name], gold[:, label]
        assert (own.texts, own.found) == (column.sum(), chosen[:, label].sum())
        assert own.recall == pytest.approx((column & chosen[:, label]).sum() / max(own.texts, 1))
        assert math.isnan(own.roc_auc) == (own.texts in (0, len(gold)))
        if not math.isnan(own.roc_auc):
            score = metrics.roc_auc_score(column, probabilities[:, label])
            assert own.roc_auc == pytest.approx(score)
            score = metrics.average_precision_score(column, probabilities[:, label])
            assert own.pr_auc == pytest.approx(score)


@settings(max_examples=60)
@given(answers(), st.integers(0, 1000))
def test_counted_scores_are_those_of_scikit_learn_with_weights(
    case: tuple[np.ndarray, np.ndarray, bool], seed: int
) -> None:
    gold, probabilities, multi = case
    chosen = choose(probabilities, multi)
    counts = np.random.default_rng(seed).integers(0, 4, len(gold))
    repeated = np.repeat(np.arange(len(gold)), counts)  # what counting stands for
    assert bootstrap.f1(gold, chosen, counts) == pytest.approx(
        bootstrap.f1(gold[repeated], chosen[repeated])
    )
    for label in range(len(LABELS)):
        areas = bootstrap.Ranking(gold[:, label], probabilities[:, label]).areas(counts)
        column, scores = gold[repeated, label], probabilities[repeated, label]
        if column.any() and not column.all():
            assert areas[0] == pytest.approx(metrics.roc_auc_score(column, scores))
            assert areas[1] == pytest.approx(metrics.average_precision_score(column, scores))
        else:
            assert all(map(math.isnan, areas))


def test_the_range_of_an_accuracy_is_that_of_theory_and_of_scipy() -> None:
    from scipy import stats

    chance = np.random.default_rng(0)
    correct = chance.random(1000) < 0.8
    gold = np.eye(2, dtype=bool)[chance.integers(2, size=1000)]
    probabilities = np.where(gold == correct[:, None], 0.9, 0.1)
    low, high = bootstrap.ranges(gold, choose(probabilities, False), probabilities)["accuracy"]
    share = correct.mean()
    width = 2 * 1.96 * math.sqrt(share * (1 - share) / 1000)
    assert high - low == pytest.approx(width, rel=0.1)
    assert low < share < high
    drawn = stats.bootstrap((correct.astype(float),), np.mean, method="percentile", rng=1)
    interval = drawn.confidence_interval
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=0.005)


def test_ranges_hold_their_scores_and_are_always_the_same() -> None:
    chance = np.random.default_rng(3)
    gold = np.eye(4, dtype=bool)[chance.integers(4, size=300)]
    logits = chance.normal(size=(300, 4)) + 2 * gold
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found, again = (evaluate(gold, probabilities, False) for _ in range(2))
    assert found == again
    assert set(found.ranges) == set(bootstrap.SCORES)
    for name, (low, high) in found.ranges.items():
        assert low < getattr(found, name) < high


def test_an_evaluation_of_few_texts_by_hand() -> None:
    gold = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], bool)
    probabilities = np.array(
        [[0.7, 0.1, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1], [0.05, 0.8, 0.1, 0.05], [0.0, 0.9, 0.1, 0.0]]
    )
    found = evaluate(gold, probabilities, multi=False)
    assert found.accuracy == 0.5
    assert found.by_label["a"][:3] == (1.0, 0.5, pytest.approx(2 / 3))
    assert found.by_label["b"][:3] == (pytest.approx(1 / 3), 1.0, 0.5)
    assert found.by_label["c"][:3] == (0.0, 0.0, 0.0)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.5 + 0) / 3)  # d is nowhere
    assert [mistake.where for mistake in found.worst] == ["line 3", "line 1"]  # the surest first
    assert found.worst[0] == ("text 3", "line 3", ("c",), ("b",), 0.9)
    assert found.confusion[2] == (0, 1, 0, 0)
    gaps = abs(1 - 0.7) + abs(0 - 0.6) + abs(1 - 0.8) + abs(0 - 0.9)
    assert found.ece == pytest.approx(gaps / 4)
    assert (found.texts, found.words, found.words_per_second) == (4, 7, 3.5)
    rows = found.rows()
    assert list(rows) == [*LABELS, "all", "mean"]
    assert {len(row) for row in rows.values()} == {len(RESULT_COLUMNS)}
    assert rows["all"] == (0.5, 0.5, 0.5, None, None, 4, 4)
    assert rows["mean"][2] == found.macro_f1
    assert len(found.summary()) == len(SUMMARY_COLUMNS)
    assert found.summary()[:3] == (0.5, *found.ranges["accuracy"])


def test_what_cannot_be_scored_is_not_a_number() -> None:
    gold = np.eye(4, dtype=bool)[[2, 2]]
    found = evaluate(gold, np.full((2, 4), 0.25), multi=False)
    assert math.isnan(found.roc_auc)
    assert all(map(math.isnan, found.ranges["pr_auc"]))
    assert found.accuracy == 0
    nothing = evaluate(np.zeros((3, 4), bool), np.full((3, 4), 0.1), multi=True)
    assert (nothing.accuracy, nothing.macro_f1, nothing.micro_f1) == (1, 0, 0)


def test_texts_that_do_not_fit_are_told() -> None:
    text = Text(["word"], ("e",), "word", "reviews.csv, line 7")
    even = np.full((1, 4), 0.25)
    options = {"multi_label": False, "seconds": 1.0}
    with pytest.raises(UsageError, match=r"reviews.csv, line 7: the label 'e' is not one of"):
        evaluate_classes([text], LABELS, even, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"line 7: the labels a, b, where one .* --multi-label"):
        evaluate_classes([text._replace(labels=("a", "b"))], LABELS, even, **options)  # type: ignore[arg-type]


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'unrolled\[eval\]'"):
        require()


# ── labels and what they weigh ──────────────────────────────────────────────────────────────────


def labelled(*labels: tuple[str, ...]) -> list[Text]:
    return [Text(["word"], own, "word", f"line {row}") for row, own in enumerate(labels, 1)]


def test_several_labels_are_found_or_refused() -> None:
    told: list[str] = []
    one, several = labelled(("b",), ("a",)), labelled(("a", "c"), ())
    assert find_labels([one, one], None, told.append) == (("a", "b"), False)
    assert find_labels([one, one], True, told.append) == (("a", "b"), True)
    assert not told
    assert find_labels([one, several], None, told.append) == (("a", "b", "c"), True)
    assert told == ["no training text has these labels, so they cannot be learned: c"]
    with pytest.raises(UsageError, match="line 1: the labels a, c, where one label was expected"):
        find_labels([one, several], False, told.append)
    with pytest.raises(UsageError, match="line 2: no label, where one label was expected"):
        find_labels([one, several[1:]], False, told.append)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    numbers = np.array([0] * 7 + [1] * 2 + [3])
    weights = label_weights("balanced", LABELS, np.eye(4, dtype=bool)[numbers], False)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=numbers)
    assert weights[[0, 1, 3]].tolist() == pytest.approx(expected)
    assert weights[2] == 1  # nobody has it
    gold = np.array([[1, 0, 1, 0], [0, 0, 1, 0], [0, 1, 1, 0]], bool)
    assert label_weights("balanced", LABELS, gold, True).tolist() == [2, 2, 1, 1]


def test_weights_can_be_given() -> None:
    gold = np.eye(4, dtype=bool)
    for spelled in ("a=2, c=0.5", {"a": 2, "c": 0.5}):
        assert label_weights(spelled, LABELS, gold, False).tolist() == [2, 1, 0.5, 1]
    assert label_weights("none", LABELS, gold, False).tolist() == [1, 1, 1, 1]
    with pytest.raises(UsageError, match="names e, which no text has: the labels are a, b, c, d"):
        label_weights("e=2", LABELS, gold, False)
    for wrong in ("heavy", "a=", "=2", "a=b", {}):
        with pytest.raises(UsageError, match="expected none, balanced or LABEL=WEIGHT"):
            named_weights(wrong)
    with pytest.raises(UsageError, match="the weight of a is -1"):
        named_weights("a=-1")


# ── the baseline ────────────────────────────────────────────────────────────────────────────────


def sentences(*pairs: tuple[str, str]) -> list[Text]:
    return [
        Text(text.split(), tuple(labels.split()), text, f"line {row}")
        for row, (text, labels) in enumerate(pairs)
    ]


def test_a_bag_of_words_knows_words_and_not_their_order() -> None:
    train = sentences(*[("good fun", "pos"), ("bad bore", "neg")] * 10)
    bag = BagOfWords(("neg", "pos"), multi_label=False).fit(train, train)
    (told,) = bag.probabilities(sentences(("GOOD film", "pos")))
    assert told[1] > 0.6  # in any case of letters
    assert told.sum() == pytest.approx(1)
    orders = sentences(("good not bad", "pos"), ("bad not good", "neg"))
    one, other = bag.probabilities(orders)
    assert one.tolist() == pytest.approx(other.tolist())
    assert bag.measure(train).accuracy == 1
    pairs = BagOfWords(("neg", "pos"), multi_label=False, ngrams=2).fit(orders * 9, orders)
    assert pairs.measure(orders).accuracy == 1  # runs of two know some of it


def test_a_bag_of_words_with_several_labels() -> None:
    kinds = [("red", "r"), ("blue", "b"), ("red blue", "r b"), ("grey", "")]
    train = sentences(*kinds * 10)
    # The label s is nobody's, and t everybody's.
    train = [text._replace(labels=(*text.labels, "t")) for text in train]
    bag = BagOfWords(("b", "r", "s", "t"), multi_label=True, balanced=True).fit(train, train)
    found = choose(bag.probabilities(train), True)
    assert found[:4].tolist() == [[0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1], [0, 0, 0, 1]]


def test_a_label_that_is_nowhere_in_training_has_no_probability() -> None:
    train = sentences(*[("red", "r"), ("blue", "b")] * 5)
    bag = BagOfWords(("a", "b", "r"), multi_label=False).fit(train, train)
    assert bag.probabilities(train)[:, 0].max() == 0
    alone = BagOfWords(("a", "r"), multi_label=False).fit(train[:1], train[:1])
    assert alone.probabilities(train).tolist() == [[0, 1]] * 10
