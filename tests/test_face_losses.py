"""Losses of face encoders: triplets and mining are what the papers define, by brute force; ArcFace
is its equation; a collapse to one point is recognised."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from corpora.errors import UsageError
from vision.faces.losses import (
    collapse,
    margin_logits,
    margin_softmax,
    mean_distance,
    triplet_loss,
)
from vision.faces.mining import mine, same_and_other, squared_distances

BATCHES = st.tuples(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 4))


def faces(seed: int, count: int, people: int, size: int = 3) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    vectors = F.normalize(torch.randn(count, size, generator=chance, dtype=torch.float64))
    return vectors, torch.randint(people, (count,), generator=chance)


def apart(vectors: Tensor, a: int, b: int) -> float:
    """||x_a - x_b||^2, plainly."""
    return sum((float(x) - float(y)) ** 2 for x, y in zip(vectors[a], vectors[b], strict=True))


def triplets(people: Tensor) -> list[tuple[int, int, int]]:
    whose, places = people.tolist(), range(len(people))
    return [
        (a, p, n)
        for a, p, n in product(places, places, places)
        if a != p and whose[a] == whose[p] and whose[a] != whose[n]
    ]


def chosen(vectors: Tensor, people: Tensor, mining: str, margin: float) -> list[tuple[int, ...]]:
    found = mine(squared_distances(vectors), people, mining, margin, torch.Generator())  # type: ignore[arg-type]
    return sorted(map(tuple, found.tolist()))


@settings(max_examples=60, deadline=None)
@given(BATCHES, st.sampled_from([0.1, 0.5, 1.5]))
def test_triplets_are_those_of_the_papers(drawn: tuple[int, int, int], margin: float) -> None:
    vectors, people = faces(*drawn)
    every = triplets(people)
    assert chosen(vectors, people, "batch-all", margin) == every
    assert set(chosen(vectors, people, "random", margin)) <= set(every)
    hard, semi_hard = [], []
    pairs: dict[tuple[int, int], list[int]] = {}
    for a, p, n in every:
        pairs.setdefault((a, p), []).append(n)
    for a in sorted({a for a, _, _ in every}):
        positives = [p for b, p, _ in every if b == a]
        negatives = [n for b, _, n in every if b == a]
        farthest = max(positives, key=lambda p: apart(vectors, a, p))
        hard.append((a, farthest, min(negatives, key=lambda n: apart(vectors, a, n))))
    for (a, p), negatives in pairs.items():
        near = apart(vectors, a, p)
        within = [n for n in negatives if near < apart(vectors, a, n) < near + margin]
        if within:
            semi_hard.append((a, p, min(within, key=lambda n: apart(vectors, a, n))))
    assert chosen(vectors, people, "hard", margin) == hard
    assert chosen(vectors, people, "semi-hard", margin) == sorted(semi_hard)
    drawn_pairs = [(a, p) for a, p, _ in chosen(vectors, people, "random", margin)]
    assert drawn_pairs == sorted(pairs)  # each pair once


@settings(max_examples=40, deadline=None)
@given(BATCHES, st.sampled_from(["batch-all", "hard", "semi-hard"]))
def test_the_triplet_loss_is_its_definition(drawn: tuple[int, int, int], mining: str) -> None:
    vectors, people = faces(*drawn)
    found = triplet_loss(vectors, people, mining=mining, margin=0.4)  # type: ignore[arg-type]
    costs = [
        max(0.0, apart(vectors, a, p) - apart(vectors, a, n) + 0.4)
        for a, p, n in chosen(vectors, people, mining, 0.4)
    ]
    active = [cost for cost in costs if cost > 0]
    assert found.triplets == len(costs)
    assert found.active == pytest.approx(len(active) / max(1, len(costs)))
    assert float(found.mean) == pytest.approx(sum(active) / max(1, len(active)), abs=1e-9)


def test_random_negatives_are_any_of_another_person() -> None:
    vectors, people = faces(1, 12, 3)
    chance = torch.Generator().manual_seed(0)
    seen: dict[tuple[int, int], set[int]] = {}
    for _ in range(100):
        for a, p, n in mine(squared_distances(vectors), people, "random", 0.2, chance).tolist():
            seen.setdefault((a, p), set()).add(n)
    for (a, _), negatives in seen.items():
        assert negatives == set((people != people[a]).nonzero()[:, 0].tolist())


def test_the_gradient_pulls_the_same_and_pushes_others() -> None:
    vectors = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.8, 0, 0.6]], requires_grad=True)
    people = torch.tensor([0, 0, 1])
    triplet_loss(vectors, people, mining="batch-all", margin=0.2).mean.backward()
    assert vectors.grad is not None
    moved = F.normalize(vectors.detach() - 0.1 * vectors.grad)
    before, after = squared_distances(vectors.detach()), squared_distances(moved)
    assert after[0, 1] < before[0, 1]
    assert after[0, 2] > before[0, 2]


def test_a_batch_without_triplets_costs_nothing() -> None:
    vectors = F.normalize(torch.randn(3, 4)).requires_grad_()
    for people in (torch.tensor([0, 1, 2]), torch.tensor([0, 0, 0])):
        for mining in ("batch-all", "random", "hard", "semi-hard"):
            found = triplet_loss(vectors, people, mining=mining)  # type: ignore[arg-type]
            found.mean.backward()
            assert found.mean.item() == found.triplets == 0
    with pytest.raises(UsageError, match="semi-hard"):
        triplet_loss(vectors, torch.tensor([0, 0, 1]), mining="easy")  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.5, 1.2]))
def test_arcface_is_its_equation(seed: int, margin: float) -> None:
    """Deng et al. (2019), equation 3, and where theta + m > pi the line of the authors' code."""
    vectors, people = faces(seed, 6, 4, size=5)
    centres = 3 * torch.randn(4, 5, generator=torch.Generator().manual_seed(seed)).double()
    total = 0.0
    for vector, person in zip(vectors, people.tolist(), strict=True):
        cosines = [float(vector @ centre) / float(centre.norm()) for centre in centres]
        angle = math.acos(cosines[person])
        if angle + margin <= math.pi:
            cosines[person] = math.cos(angle + margin)
        else:
            cosines[person] -= margin * math.sin(math.pi - margin)
        whole = sum(math.exp(8 * cosine) for cosine in cosines)
        total -= math.log(math.exp(8 * cosines[person]) / whole)
    found = margin_softmax(vectors, centres, people, scale=8, margin=margin)
    assert float(found) == pytest.approx(total / 6, rel=1e-5)


def test_arcface_falls_all_the_way_and_has_finite_gradients() -> None:
    angles = torch.linspace(0, math.pi, 50)
    vectors = torch.stack([angles.cos(), angles.sin()], 1).requires_grad_()
    centres = torch.tensor([[1.0, 0.0]])
    logits = margin_logits(vectors, centres, torch.zeros(50).long(), scale=1, margin=0.5)
    assert (logits[1:, 0] < logits[:-1, 0]).all()
    logits.sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_a_collapse_is_told_and_explained() -> None:
    vectors, people = faces(0, 12, 3)
    assert collapse(vectors, people, 0.2) is None
    point = F.normalize(vectors[:1] + 1e-4 * vectors)
    told = collapse(point, people, 0.2)
    assert told is not None
    assert "one point" in told
    assert "margin 0.2" in told
    assert "\n" not in told
    other = collapse(point, people, 0.2, "arcface")
    assert other is not None
    assert "softmax" in other
    assert "triplet" not in other
    # What it says is so: each triplet costs the margin, and there is no way out.
    same = torch.ones(12, 3, dtype=torch.float64).div(3**0.5).requires_grad_()
    found = triplet_loss(same, people, mining="hard", margin=0.2)
    assert found.active == 1
    assert float(found.mean) == pytest.approx(0.2)
    assert math.isnan(mean_distance(vectors[:2], torch.tensor([1, 1])))
    assert collapse(vectors[:2], torch.tensor([1, 1]), 0.2) is None


def test_distances_and_pairs() -> None:
    vectors, people = faces(3, 7, 3)
    distances = squared_distances(vectors)
    same, other = same_and_other(people)
    for a, b in product(range(7), range(7)):
        assert float(distances[a, b]) == pytest.approx(apart(vectors, a, b), abs=1e-9)
        assert bool(same[a, b]) == (a != b and people[a] == people[b])
        assert bool(other[a, b]) == bool(people[a] != people[b])
