"""Thresholds of faces: rates, areas, ranges, against counting and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from vision.calibration import Pairs, all_pairs, calibrate, roc


def some_pairs(seed: int = 0, people: int = 20, pictures: int = 5, noise: float = 0.7) -> Pairs:
    """Pairs of unit vectors around a middle for each person."""
    draw = np.random.default_rng(seed)
    whose = np.repeat(np.arange(people), pictures)
    vectors = draw.normal(size=(people, 8))[whose] + noise * draw.normal(size=(len(whose), 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return all_pairs(vectors, whose.tolist())


# Few different values, so that there are ties within and between the kinds.
ties = st.lists(
    st.tuples(st.integers(0, 6).map(lambda number: number / 4), st.booleans()),
    min_size=2,
    max_size=30,
).filter(lambda pairs: len({same for _, same in pairs}) == 2)


@given(ties)
@settings(deadline=None, max_examples=60)
def test_rates_are_counts(given_pairs: list[tuple[float, bool]]) -> None:
    distances, same = map(np.array, zip(*given_pairs, strict=True))
    curve = roc(Pairs.of(distances, same))
    for threshold, far, tar in zip(curve.thresholds, curve.far, curve.tar, strict=True):
        assert far == pytest.approx((distances[~same] <= threshold).mean())
        assert tar == pytest.approx((distances[same] <= threshold).mean())
    closer = [
        (a < b) + (a == b) / 2 for a in distances[same].tolist() for b in distances[~same].tolist()
    ]
    assert curve.auc == pytest.approx(np.mean(closer))


@given(ties, st.sampled_from([0.01, 0.2, 0.5, 0.9]))
@settings(deadline=None, max_examples=60)
def test_the_threshold_is_the_largest_that_keeps_the_rate(
    given_pairs: list[tuple[float, bool]], far: float
) -> None:
    distances, same = map(np.array, zip(*given_pairs, strict=True))
    found = roc(Pairs.of(distances, same)).at(far)
    assert (distances[~same] <= found.threshold).mean() == pytest.approx(found.far)
    assert (distances[same] <= found.threshold).mean() == pytest.approx(found.tar)
    assert found.far <= far + 1e-9
    further = distances[distances > found.threshold]
    if len(further):  # the next distance would let too many through
        assert (distances[~same] <= further.min()).mean() > far


@given(ties)
@settings(deadline=None, max_examples=60)
def test_areas_and_equal_errors_are_scikit_learns(given_pairs: list[tuple[float, bool]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    optimize = pytest.importorskip("scipy.optimize")
    distances, same = map(np.array, zip(*given_pairs, strict=True))
    curve = roc(Pairs.of(distances, same))
    assert curve.auc == pytest.approx(metrics.roc_auc_score(same, -distances))
    far, tar, _ = metrics.roc_curve(same, -distances, drop_intermediate=False)
    np.testing.assert_allclose(curve.far, far)
    np.testing.assert_allclose(curve.tar, tar)
    # Where the curve meets the falling diagonal, on the way along it.
    way = np.arange(len(far))
    place = optimize.brentq(
        lambda at: np.interp(at, way, far) + np.interp(at, way, tar) - 1, 0, len(far) - 1
    )
    assert curve.equal_error.far == pytest.approx(np.interp(place, way, far), abs=1e-6)


def test_all_pairs_are_all_and_their_distances_euclidean() -> None:
    vectors = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    pairs = all_pairs(vectors, ["a", "b", "a", "c", "b", "a"])
    assert len(pairs.same) == 15
    assert pairs.same.sum() == 3 + 1
    for distance, one, other in zip(pairs.distances, pairs.first, pairs.second, strict=True):
        wanted = np.sqrt(((vectors[one].astype(float) - vectors[other]) ** 2).sum())
        assert distance == pytest.approx(wanted, rel=1e-5)


def test_of_too_many_pairs_some_are_drawn_and_none_of_one_person_is_lost() -> None:
    draw = np.random.default_rng(0)
    whose = np.repeat(np.arange(40), 5).tolist()
    vectors = draw.normal(size=(200, 4))
    whole, some = all_pairs(vectors, whose), all_pairs(vectors, whose, most=3000)
    assert some.same.sum() == whole.same.sum() == 40 * 10
    assert (~some.same).sum() <= 3000
    assert len(set(zip(some.first.tolist(), some.second.tolist(), strict=True))) == len(some.same)
    assert "of 19,500 pairs of different people" in some.remarks[0]
    assert roc(some).auc == pytest.approx(roc(whole).auc, abs=0.02)
    few = all_pairs(vectors, ["a"] * 199 + ["b"], most=199)  # many of one person: none is drawn
    assert (int(few.same.sum()), int((~few.same).sum()), few.remarks) == (199 * 99, 199, ())


def test_a_calibration_says_what_its_threshold_does() -> None:
    pairs = some_pairs()
    found = calibrate(pairs, far=0.05)
    accepted = pairs.distances <= found.threshold
    assert found.far.value == pytest.approx(accepted[~pairs.same].mean())
    assert found.tar.value == pytest.approx(accepted[pairs.same].mean())
    assert 0.03 < found.far.value <= 0.05
    for measured in (found.far, found.tar, found.auc, found.eer, *found.tar_at.values()):
        assert measured.low <= measured.value <= measured.high
        assert measured.low < measured.high
    assert (found.same, found.different, found.people) == (20 * 10, 4950 - 200, 20)
    assert found.tar_at[0.1].value >= found.tar_at[0.01].value
    assert not found.remarks
    assert found.stranger_rate(1) == pytest.approx(found.far.value)
    assert calibrate(pairs, far=0.05).auc == found.auc  # the seed is fixed


def test_ranges_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = roc(some_pairs(99, people=300)).auc
    inside = 0
    for seed in range(30):
        low, high = calibrate(some_pairs(seed), 0.05, resamples=100).auc[1:]
        inside += low <= truth <= high
    assert inside >= 24  # 95 % of 30 is 28.5; people are few


def test_people_are_drawn_not_pairs() -> None:
    """Pairs of one person are alike: a range that takes them for independent is too narrow."""
    pairs = some_pairs(people=8, pictures=12)
    alone = calibrate(Pairs.of(pairs.distances, pairs.same), 0.05)
    whole = calibrate(pairs, 0.05)
    assert whole.auc.value == alone.auc.value
    assert whole.auc.high - whole.auc.low > 1.5 * (alone.auc.high - alone.auc.low)
    assert "whose the pictures are is not known" in alone.remarks[-1]
    assert "8 people are few" in whole.remarks[-1]


def test_too_few_pairs_to_know_a_rate_are_told() -> None:
    found = calibrate(some_pairs(), far=1e-4)
    assert found.far.value == 0
    assert found.far.high == pytest.approx(3 / 4750, rel=0.01)  # the rule of three
    assert "4,750 pairs" in found.remarks[0]
    assert "1/4,750" in found.remarks[0]
    assert "10,000 pairs or more" in found.remarks[0]
    few = calibrate(some_pairs(), far=1e-3)
    assert "rests on 4 false accepts among 4,750 pairs" in few.remarks[0]


def test_kinds_that_are_apart_are_told_apart() -> None:
    found = calibrate(Pairs.of([0.1, 0.2, 0.9, 1.0], [True, True, False, False]), far=0.3)
    assert 0.2 < found.threshold < 0.9
    assert (found.auc.value, found.eer.value, found.far.value, found.tar.value) == (1, 0, 0, 1)
    assert found.far.high > 0.5
    assert found.tar.low < 0.5
    upside_down = roc(Pairs.of([0.1, 0.9], [False, True]))
    assert upside_down.auc == 0
    assert upside_down.at(0.01).threshold < 0.1


@pytest.mark.parametrize("apart", [0.0, 1e-7])  # a batch rounds otherwise than another
def test_one_picture_under_two_people_has_no_threshold(apart: float) -> None:
    """At 0, or just below, a gallery would take the one for the other all the same."""
    pairs = Pairs.of([apart, 0.2, 0.9, 1.0, apart], [False, True, False, False, True])
    point = roc(pairs).at(0.3)
    assert (point.far, point.tar) == (0, 0)
    assert point.threshold < apart
    if not apart:
        assert point.threshold == -np.inf
    with pytest.raises(UsageError, match=r"0 apart: 1, such as pictures 1 and 2, .* rate of 0\.3"):
        calibrate(pairs, far=0.3)
    allowed = calibrate(pairs, far=0.4)
    assert 0.2 < allowed.threshold < 0.9
    assert allowed.tar_at[0.1].value == 0


@pytest.mark.parametrize(
    ("distances", "same", "message"),
    [
        ([0.1, 0.2], [True, True], "none of different people"),
        ([0.1, 0.2], [False, False], "none of one person"),
        ([], [], "none of one person"),
        ([0.1, float("nan")], [True, False], "no number"),
    ],
)
def test_pairs_that_tell_nothing_are_refused(
    distances: list[float], same: list[bool], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        calibrate(Pairs.of(distances, same))


def test_what_is_no_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="false-accept rate is 2"):
        calibrate(some_pairs(), far=2)
    with pytest.raises(UsageError, match="3 names"):
        all_pairs(np.zeros((2, 4)), ["a", "b", "c"])
