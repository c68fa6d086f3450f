"""Confidence against accuracy: hand-counted cases, an oracle, and a temperature that is known."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import UsageError
from nlp.core.tags.calibration import (
    ReliabilityBin,
    brier_score,
    draw_reliability,
    expected_calibration_error,
    fit_temperature,
    gap,
    reliability,
)

answers = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0])), st.booleans()
    ),
    min_size=1,
    max_size=60,
)


def test_hand_counted() -> None:
    sure, right = [0.9, 0.9, 0.6, 0.6], [True, True, True, False]
    assert expected_calibration_error(sure, right) == pytest.approx(0.1)
    assert expected_calibration_error(sure, right, equal_mass=True) == pytest.approx(0.1)
    assert brier_score(sure, right) == pytest.approx((0.01 + 0.01 + 0.16 + 0.36) / 4)
    low, high = reliability(sure, right)
    assert low == pytest.approx((0.5, 0.6, 0.6, 0.5, 2))
    assert high == pytest.approx((0.8, 0.9, 0.9, 1.0, 2))
    # Always sure and always wrong, and the other way round.
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 1.0
    assert expected_calibration_error([0.0, 0.0], [True, True]) == brier_score([0], [True]) == 1.0
    # Within one wide bin too high and too low cancel; two bins tell them apart.
    sure, right = [0.1, 0.4, 0.6, 0.9], [False, True, False, True]
    assert expected_calibration_error(sure, right, bins=1) == pytest.approx(0.0)
    assert expected_calibration_error(sure, right, bins=2) == pytest.approx(0.25)


def test_an_edge_belongs_to_the_bin_below_it() -> None:
    rows = reliability([0.0, 0.2, 0.21, 0.4, 1.0], [True] * 5, bins=5)
    assert [(round(row.low, 1), round(row.high, 1), row.answers) for row in rows] == [
        *((0.0, 0.2, 2), (0.2, 0.4, 2), (0.8, 1.0, 1)),
    ]


@given(answers, st.integers(1, 15))
def test_equal_to_the_definition(rows: list[tuple[float, bool]], bins: int) -> None:
    """Guo et al. (2017), equations 2, 3 and 5, as they are written."""
    total = 0.0
    edges = np.linspace(0, 1, bins + 1)
    for m in range(bins):
        own = [
            (sure, right)
            for sure, right in rows
            if edges[m] < sure <= edges[m + 1] or (m == 0 and sure == 0)
        ]
        if own:
            accuracy = sum(right for _, right in own) / len(own)
            confidence = sum(sure for sure, _ in own) / len(own)
            total += len(own) / len(rows) * abs(accuracy - confidence)
    sure, right = zip(*rows, strict=True)
    assert expected_calibration_error(sure, right, bins=bins) == pytest.approx(total, abs=1e-12)


@given(answers, st.integers(1, 15), st.booleans(), st.randoms(use_true_random=False))
def test_every_answer_is_in_one_bin_whatever_their_order(
    rows: list[tuple[float, bool]], bins: int, equal_mass: bool, chance: Random
) -> None:
    sure, right = zip(*rows, strict=True)
    table = reliability(sure, right, bins=bins, equal_mass=equal_mass)
    assert sum(row.answers for row in table) == len(rows)
    assert 1 <= len(table) <= bins
    for row in table:
        assert row.low - 1e-9 <= row.confidence <= row.high + 1e-9
        inside = [c for c in sure if row.low < c <= row.high or c == row.low == 0]
        assert len(inside) == row.answers
    assert sum(row.answers * row.accuracy for row in table) == pytest.approx(sum(right))
    chance.shuffle(rows)
    shuffled = reliability(*zip(*rows, strict=True), bins=bins, equal_mass=equal_mass)
    assert np.array(shuffled) == pytest.approx(np.array(table))
    assert 0 <= gap(table) <= 1


def test_bins_of_equal_mass() -> None:
    sure = np.random.default_rng(0).beta(8, 1, 1003)
    table = reliability(sure, sure > 0.5, equal_mass=True)
    assert {row.answers for row in table} == {100, 101}
    assert table[-1].high == 1.0
    assert table[-1].low > 0.98  # where equal widths would have one bin for most of them


def test_what_is_calibrated_has_no_error_and_what_is_not_has_its_own() -> None:
    chance = np.random.default_rng(0)
    sure = chance.random(100_000)
    right = chance.random(100_000) < sure
    for equal_mass in (False, True):
        assert expected_calibration_error(sure, right, equal_mass=equal_mass) < 0.01
        too_sure = expected_calibration_error(np.sqrt(sure), right, equal_mass=equal_mass)
        assert too_sure == pytest.approx(2 / 3 - 1 / 2, abs=0.01)  # E[sqrt(p) - p]
    assert brier_score(sure, right) == pytest.approx(1 / 6, abs=0.01)  # E[p (1 - p)]


def test_no_answers_and_too_few() -> None:
    assert reliability([], []) == reliability([], [], equal_mass=True) == []
    assert expected_calibration_error([], []) == brier_score([], []) == 0.0
    with pytest.raises(ValueError, match="expected one each"):
        brier_score([0.5, 0.5], [True])


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 8.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    """Answers are drawn from logits; the model says `temperature` times these logits."""
    chance = np.random.default_rng(1)
    true = chance.normal(0, 1.5, (20_000, 5))
    probabilities = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    gold = (probabilities.cumsum(1) > chance.random((20_000, 1))).argmax(1)
    said = true * temperature

    def softmax(by: float) -> np.ndarray:
        scores = said / by
        return scores - np.log(np.exp(scores).sum(1, keepdims=True))

    found = fit_temperature(lambda by: float(softmax(by)[np.arange(20_000), gold].sum()))
    assert found == pytest.approx(temperature, rel=0.03)
    best = np.exp(softmax(found)).max(1)
    assert expected_calibration_error(best, said.argmax(1) == gold) < 0.015


def test_a_temperature_without_anything_to_fit_is_one_and_stays_within_its_range() -> None:
    assert fit_temperature(lambda by: 0.0) == 1.0
    assert fit_temperature(lambda by: -math.inf) == 1.0
    assert fit_temperature(lambda by: by) == pytest.approx(20.0, rel=1e-3)
    assert fit_temperature(lambda by: -by) == pytest.approx(0.05, rel=1e-3)


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [ReliabilityBin(0.5, 0.6, 0.55, 0.5, 20), ReliabilityBin(0.9, 1.0, 0.97, 0.9, 100)]
    for name, table, before in (("one", rows, ()), ("both", rows, rows[:1]), ("none", [], ())):
        path = tmp_path / f"{name}.png"
        draw_reliability(path, table, uncalibrated=before)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"unrolled\[plots\]"):
        draw_reliability(tmp_path / "reliability.png", [])
