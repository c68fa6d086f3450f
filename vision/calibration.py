"""The threshold that decides "same person", and what it can be trusted with.

    distances of  ▁▄█▅▂                same person      accepted: distance <= threshold
    pairs             ▂▃▆█▇▅▂          different ones   FAR: share of different pairs accepted
                   0     |        2                     TAR: share of same pairs accepted
                     threshold

No threshold is right for all: it depends on the encoder, on the pictures and on what a false accept
costs. So it is chosen on one's own pairs, for a wanted false-accept rate. The range beside each
number holds the middle 95 % of bootstrap samples. Pairs that share a person are not independent:
where the people are known, people are drawn, with all their pairs (the subsets bootstrap of Bolle,
Ratha & Pankanti 2004).

    pairs = all_pairs(encoder.encode(pictures), people)
    found = calibrate(pairs, far=0.01)
    print(found.threshold, found.tar, found.auc, *found.remarks)
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from corpora.errors import UsageError, check_positive
from nlp.core.classes.bootstrap import middle, resampled

MOST_PAIRS = 500_000  # of different people; from more, so many are drawn
ALIKE = 1e-4  # distances below it are of one picture: encoded twice it may differ by so much
RATES = (0.1, 0.01, 0.001)  # false-accept rates at which TAR is told
_RESAMPLES = 500


class Range(NamedTuple):
    """A measured value, and where it would lie on other people or pairs (95 %)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of pictures and how far apart they are."""

    distances: np.ndarray  # [pairs] float
    same: np.ndarray  # [pairs] bool, True for two pictures of one person
    first: np.ndarray  # [pairs] int, the number of a picture
    second: np.ndarray  # [pairs] int, of the other one
    people: np.ndarray | None = None  # [pictures] int, whose each is; None where that is not known
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, distances: Sequence[float] | np.ndarray, same: Sequence[bool] | np.ndarray
    ) -> Pairs:
        """Pairs of which nothing else is known: each has two pictures of its own."""
        numbers = np.arange(2 * len(distances)).reshape(-1, 2)
        return cls(np.asarray(distances, float), np.asarray(same, bool), *numbers.T)


class Point(NamedTuple):
    """What a threshold does."""

    threshold: float
    far: float  # share of different pairs accepted
    tar: float  # share of same pairs accepted


@dataclass(frozen=True, eq=False)
class Roc:
    """Both rates at each threshold, from "none accepted" to "all accepted"."""

    thresholds: np.ndarray  # [points] rising: -inf, then each different distance
    far: np.ndarray  # [points] 0 to 1
    tar: np.ndarray  # [points] 0 to 1

    @property
    def auc(self) -> float:
        """How probably a same pair is closer than a different one; ties count half."""
        return float(np.sum(np.diff(self.far) * (self.tar[1:] + self.tar[:-1]) / 2))

    @property
    def equal_error(self) -> Point:
        """Where as many different pairs are accepted as same ones are rejected, on the straight
        lines between the points: the equal error rate is its `far`."""
        gap = self.far + self.tar - 1  # rises from -1 to 1
        after = int(np.argmax(gap >= 0))
        before = after - 1
        share = -gap[before] / (gap[after] - gap[before])
        far = self.far[before] + share * (self.far[after] - self.far[before])
        threshold = (self.thresholds[max(before, 1)] + self.thresholds[after]) / 2
        return Point(float(threshold), float(far), float(1 - far))

    def at(self, far: float) -> Point:
        """The largest threshold whose false-accept rate is at most `far`.

        It lies in the middle between the last distance accepted and the first one rejected. Where
        not even pairs that are 0 apart may be accepted, it is -inf, which no distance meets.
        """
        last = int(np.searchsorted(self.far, far + 1e-12, side="right")) - 1
        threshold = float(self.thresholds[last])
        if last + 1 < len(self.thresholds):
            above = float(self.thresholds[last + 1])
            # No distance is accepted: anything below the smallest one will do.
            below = 0.0 if last == 0 and above > 0 else threshold
            threshold = min((below + above) / 2, float(np.nextafter(above, -np.inf)))
        return Point(threshold, float(self.far[last]), float(self.tar[last]))


class _Ranked:
    """Pairs by their distance, ready to be counted many times."""

    def __init__(self, pairs: Pairs) -> None:
        self.order = np.argsort(pairs.distances, kind="stable")
        ranked = pairs.distances[self.order]
        self.same = pairs.same[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        self.thresholds = np.concatenate([[-np.inf], ranked[self.starts]])

    def roc(self, weights: np.ndarray | None = None) -> Roc | None:
        """The curve where each pair counts so often; None where one kind of pair is not there."""
        weights = np.ones(len(self.same)) if weights is None else weights[self.order]
        rates = []
        for kind in (~self.same, self.same):
            seen = np.cumsum(np.add.reduceat(weights * kind, self.starts))
            if not seen[-1]:
                return None
            rates.append(np.concatenate([[0.0], seen / seen[-1]]))
        return Roc(self.thresholds, *rates)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A threshold and what was measured of it; shares are 0 to 1."""

    wanted_far: float
    threshold: float
    far: Range  # at the threshold
    tar: Range  # at the threshold
    auc: Range
    eer: Range  # the equal error rate
    eer_threshold: float
    tar_at: dict[float, Range]  # TAR at each FAR, of a threshold chosen anew each time
    same: int  # pairs of one person
    different: int  # pairs of two
    people: int | None
    roc: Roc
    remarks: tuple[str, ...] = ()

    def stranger_rate(self, pictures: int) -> float:
        """How often, at most about, a stranger who is compared with so many pictures is taken for
        somebody on them: 1 - (1 - FAR)^pictures, as if each comparison erred by itself."""
        return 1 - (1 - self.far.value) ** pictures


def all_pairs(
    vectors: np.ndarray,
    people: Sequence[Hashable],
    *,
    most: int = MOST_PAIRS,
    seed: int = 0,
) -> Pairs:
    """Each picture with each other one, with the Euclidean distance of their vectors.

    All pairs of one person are there; of different people at most `most` are drawn where there are
    more.

    Args:
        vectors: `[pictures, size]`.
        people: whose each picture is.
    """
    check_positive(most=most)
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(people):
        raise UsageError(
            f"{len(people)} names and vectors of shape {list(vectors.shape)}: expected one row for "
            "each"
        )
    known = {person: number for number, person in enumerate(dict.fromkeys(people))}
    whose = np.array([known[person] for person in people], int)
    count = len(whose)
    remarks: tuple[str, ...] = ()
    own_pairs = sum(many * (many - 1) // 2 for many in np.bincount(whose).tolist())
    there = count * (count - 1) // 2 - own_pairs
    if there <= most:
        first, second = np.triu_indices(count, 1)
    else:
        groups = (np.flatnonzero(whose == number) for number in range(len(known)))
        own = np.concatenate(
            [group[np.array(np.triu_indices(len(group), 1))] for group in groups], 1
        )
        drawn = np.random.default_rng(seed).integers(count, size=(2 * most, 2))
        drawn = np.sort(drawn[whose[drawn[:, 0]] != whose[drawn[:, 1]]], 1)
        others = np.unique(drawn, axis=0)
        if len(others) > most:
            others = np.random.default_rng(seed).permutation(others)[:most]
        first, second = np.concatenate([own.T, others]).T
        remarks = (f"of {there:,} pairs of different people {len(others):,} were drawn",)
    distances = np.concatenate(
        [
            np.linalg.norm(vectors[first[start:stop]] - vectors[second[start:stop]], axis=1)
            for start, stop in _blocks(len(first))
        ]
        or [np.zeros(0)]
    )
    return Pairs(
        distances.astype(float), whose[first] == whose[second], first, second, whose, remarks
    )


def _blocks(count: int, size: int = 1 << 16) -> Iterator[tuple[int, int]]:
    for start in range(0, count, size):
        yield start, min(start + size, count)


def roc(pairs: Pairs) -> Roc:
    """Both rates at each threshold.

    Raises:
        UsageError: there is no pair of one person or none of different ones, or a distance is no
            number.
    """
    same = int(pairs.same.sum())
    for count, kind in ((same, "one person"), (len(pairs.same) - same, "different people")):
        if not count:
            raise UsageError(
                f"{len(pairs.same):,} pairs, none of {kind}: a threshold takes both kinds"
            )
    if not np.isfinite(pairs.distances).all():
        raise UsageError("a distance is no number: the encoder gives vectors that are none")
    curve = _Ranked(pairs).roc()
    assert curve is not None
    return curve


def calibrate(
    pairs: Pairs,
    far: float = 0.01,
    *,
    rates: Sequence[float] = RATES,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Calibration:
    """The largest threshold whose false-accept rate on these pairs is at most `far`.

    Args:
        rates: false-accept rates at which the true-accept rate is told too.
        resamples: of the bootstrap.

    Raises:
        UsageError: `far` is no rate; more different pairs than it allows are of one picture under
            two people, which no threshold tells apart; or see `roc`.
    """
    if not 0 < far < 1:
        raise UsageError(f"the wanted false-accept rate is {far}: expected between 0 and 1")
    check_positive(resamples=resamples)
    curve = roc(pairs)
    chosen, equal = curve.at(far), curve.equal_error
    _check_different(pairs, chosen, far)
    same = int(pairs.same.sum())
    different = len(pairs.same) - same
    drawn = np.array(list(_drawn(pairs, chosen.threshold, rates, resamples, seed)))
    columns = drawn.reshape(len(drawn), 4 + len(rates)).T
    values = (chosen.far, chosen.tar, curve.auc, equal.far, *(curve.at(rate).tar for rate in rates))
    measured = [
        Range(value, *middle(column)) for value, column in zip(values, columns, strict=True)
    ]
    people = None if pairs.people is None else len(np.unique(pairs.people))
    return Calibration(
        wanted_far=far,
        threshold=chosen.threshold,
        far=_widened(measured[0], different),
        tar=_widened(measured[1], same),
        auc=measured[2],
        eer=measured[3],
        eer_threshold=equal.threshold,
        tar_at=dict(zip(rates, measured[4:], strict=True)),
        same=same,
        different=different,
        people=people,
        roc=curve,
        remarks=(*pairs.remarks, *_remarks(far, chosen, different, people)),
    )


def _check_different(pairs: Pairs, chosen: Point, far: float) -> None:
    alike = np.flatnonzero(~pairs.same & (pairs.distances < ALIKE))
    if len(alike) and not chosen.far:
        first, second = pairs.first[alike[0]] + 1, pairs.second[alike[0]] + 1
        raise UsageError(
            f"pairs of different people that are 0 apart: {len(alike):,}, such as pictures {first} "
            f"and {second}, so that no threshold has a false-accept rate of {far:.3g}; where one "
            "picture stands under two people, take it out of one"
        )


def _drawn(
    pairs: Pairs, threshold: float, rates: Sequence[float], resamples: int, seed: int
) -> Iterator[tuple[float, ...]]:
    """The scores of pairs drawn with replacement: FAR and TAR at the threshold, AUC, EER, TARs."""
    ranked = _Ranked(pairs)
    at = int(np.searchsorted(ranked.thresholds, threshold, side="right")) - 1
    if pairs.people is None:
        units = len(pairs.same)
    else:
        units = int(pairs.people.max()) + 1
        whose, others = pairs.people[pairs.first], pairs.people[pairs.second]
    for counts in resampled(units, resamples=resamples, seed=seed):
        if pairs.people is None:
            weights = counts
        else:
            # A person drawn twice brings own pairs twice, and those with another once for each.
            weights = counts[whose] * np.where(pairs.same, 1, counts[others])
        curve = ranked.roc(weights)
        if curve is not None:
            tars = (curve.at(rate).tar for rate in rates)
            yield (
                float(curve.far[at]),
                float(curve.tar[at]),
                curve.auc,
                curve.equal_error.far,
                *tars,
            )


def _widened(measured: Range, pairs: int) -> Range:
    """Where nothing, or all, was accepted the bootstrap sees no other end; of n pairs without an
    event the rate may be up to about 3/n (1 - 0.05^(1/n): the rule of three)."""
    most = 1 - 0.05 ** (1 / pairs)
    if measured.value == 0:
        return measured._replace(high=max(most, measured.high))
    if measured.value == 1:
        return measured._replace(low=min(1 - most, measured.low))
    return measured


def _remarks(far: float, chosen: Point, different: int, people: int | None) -> Iterator[str]:
    if far * different < 1:
        yield (
            f"{different:,} pairs of different people cannot tell a false-accept rate of "
            f"{far:.3g}: the smallest that they can is 1/{different:,} ({1 / different:.2g}). "
            f"The threshold accepts none of them, which says only that the rate is hardly above "
            f"{1 - 0.05 ** (1 / different):.2g}; {math.ceil(1 / far):,} pairs or more would tell"
        )
    elif far * different < 10:
        accepted = round(chosen.far * different)
        yield (
            f"the threshold rests on {accepted} false accepts among {different:,} pairs: on other "
            f"pairs the rate may be several times {far:.3g}; {math.ceil(10 / far):,} pairs would "
            "tell more"
        )
    if people is None:
        yield "whose the pictures are is not known: the ranges take pairs for independent"
    elif people < 10:
        yield f"{people} people are few: the ranges beside the numbers are too narrow"
