"""The last layer fitted anew, and a backbone that begins with histograms of gradients."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from corpora.errors import UsageError
from nlp.core.events import Remark
from vision.augment import Augmentation
from vision.faces import Config, FaceEncoder, train
from vision.faces.gradients import CELL, DIRECTIONS, Gradients, histograms
from vision.faces.whitening import COPIES, whiten, within_person_whitening
from vision.images import Preparation, Squares

pytest.importorskip("PIL")


# ── whitening ───────────────────────────────────────────────────────────────────────────────────


def spread_people(people: int = 40, each: int = 6, size: int = 8) -> tuple[torch.Tensor, ...]:
    """People who differ in all directions, and whose own vectors differ most in the first two."""
    torch.manual_seed(0)
    numbers = torch.arange(people).repeat_interleave(each)
    own = torch.randn(people * each, size) * torch.tensor([9.0, 5, 1, 1, 1, 1, 0.3, 0.3])
    return 2 * torch.randn(people, size)[numbers] + own + 3, numbers


def test_whitening_is_the_root_of_the_inverse_covariance_of_a_persons_own() -> None:
    vectors, people = spread_people()
    mean, projection = within_person_whitening(vectors, people, 8, shrinkage=1e-9)
    torch.testing.assert_close(mean, vectors.mean(0))
    own = torch.stack([vectors[people == one] for one in range(40)]).double()
    own = (own - own.mean(1, keepdim=True)).flatten(0, 1)
    inverse = torch.linalg.inv(own.T @ own / len(own))
    found = projection.double().T @ projection.double()
    torch.testing.assert_close(found, inverse, rtol=1e-3, atol=1e-5)


def test_whitened_vectors_tell_people_apart_better() -> None:
    vectors, people = spread_people()
    mean, projection = within_person_whitening(vectors[:120], people[:120], 8)

    def right(found: torch.Tensor) -> float:
        cosines = F.normalize(found) @ F.normalize(found).T
        cosines.fill_diagonal_(-1)
        return float((people[120:][cosines.argmax(1)] == people[120:]).float().mean())

    strangers = vectors[120:] - mean
    assert right(strangers @ projection.T) > right(strangers) + 0.2


def test_what_cannot_be_known_is_0_and_nothing_is_infinite() -> None:
    vectors, people = spread_people(people=3, each=2)
    _, projection = within_person_whitening(vectors, people, 12)
    assert projection.shape == (12, 8)
    assert projection[:5].norm(dim=1).gt(0).all()
    assert projection[5:].eq(0).all()
    # nobody has two pictures, and all are one
    for alone in (vectors, vectors[:1].expand(6, -1)):
        _, projection = within_person_whitening(alone, torch.arange(6), 4)
        assert projection.isfinite().all()


def test_an_encoder_is_whitened_in_its_last_layer() -> None:
    chance = np.random.default_rng(0)
    pictures = chance.integers(0, 256, (12, 16, 16, 3), np.uint8)
    preparation = Preparation(16)
    people = [2, 0, 1] * 4
    torch.manual_seed(0)
    model = FaceEncoder(Config(3, preparation=preparation, cells=2, embedding_size=6)).eval()
    torch.nn.init.constant_(model.before.weight, 2.0)  # as if trained
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    squares = Squares(list(pictures), preparation)
    assert whiten(model, squares, people, Augmentation()) == 12 * COPIES
    changed = {n for n, part in model.state_dict().items() if not torch.equal(part, before[n])}
    assert changed == {"before.weight", "output.weight", "after.running_mean"}
    # Unchanged copies are fitted as the pictures themselves are: each and its mirror image.
    with torch.no_grad():
        pixels = preparation.normalize(squares[range(12)])
        features = model.features(pixels)
        seen = (features + model.features(pixels.flip(3))) / 2
        torch.manual_seed(0)
        mean, projection = within_person_whitening(seen, torch.tensor(people), 6)
        wanted = F.normalize((features - mean) @ projection.T)
        found = model(pixels)
    torch.testing.assert_close(found @ found.T, wanted @ wanted.T, atol=1e-3, rtol=1e-3)


def test_training_ends_with_whitening(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        **{"size": 32, "embedding_size": 16, "cells": 2, "device": "cpu", "warmup_steps": 0},
        **{"people_per_batch": 4, "pictures_per_person": 2, "backbone": "gradients", "steps": 3},
    }
    told: list[str] = []

    def report(event: object) -> None:
        told.extend([event.text] if isinstance(event, Remark) else [])

    trained = train(
        "generated-faces:6:4", output=tmp_path / "faces", whitening=True, report=report, **options
    )
    assert any("fitted anew to" in text for text in told)
    again = FaceEncoder.from_pretrained(tmp_path / "faces", device="cpu")
    assert again.fingerprint == trained.model.fingerprint
    assert again.config.backbone == "gradients"
    plain = train("generated-faces:6:4", output=tmp_path / "plain", **options)
    different = {
        name
        for name, tensor in plain.model.state_dict().items()
        if not torch.equal(tensor, trained.model.state_dict()[name])
    }
    assert different >= {"output.weight"}
    assert all(name.startswith(("before.", "output.", "after.")) for name in different)


# ── gradients ───────────────────────────────────────────────────────────────────────────────────


def waves(angle: float, size: int = 32) -> torch.Tensor:
    """A picture that grows brighter in a direction, clockwise from the right."""
    places = torch.arange(size).float()
    slope = places[None] * math.cos(angle) + places[:, None] * math.sin(angle)
    return (0.1 * slope).expand(1, 3, -1, -1)


def test_a_gradient_counts_for_the_two_directions_that_it_lies_between() -> None:
    step = 2 * math.pi / DIRECTIONS
    for place in (0.0, 2.0, 4.25, 17.5):
        cells = histograms(waves(place * step))[0, :, 4, 4].square()  # the root undone
        wanted = torch.zeros(DIRECTIONS)
        wanted[int(place)] = 1 - place % 1
        wanted[(int(place) + 1) % DIRECTIONS] += place % 1
        torch.testing.assert_close(cells[:DIRECTIONS] / cells[:DIRECTIONS].sum(), wanted,
                                   atol=1e-3, rtol=1e-3)  # fmt: skip
        # opposite directions are one
        half = DIRECTIONS // 2
        torch.testing.assert_close(cells[DIRECTIONS:], cells[:half] + cells[half:DIRECTIONS])


def test_light_changes_little() -> None:
    torch.manual_seed(0)
    pixels = F.interpolate(torch.randn(2, 3, 12, 12), 48, mode="bicubic")
    first, harsher = histograms(pixels), histograms(1.5 * pixels)
    other = histograms(pixels.flip(0))
    assert (harsher - first).square().mean() < 0.05 * (other - first).square().mean()
    torch.testing.assert_close(histograms(pixels + 0.7), first, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 46), (4, 4)])
def test_what_it_says_of_its_map_is_so(height: int, width: int) -> None:
    found = Gradients()(torch.randn(2, 3, height, width))
    assert found.shape[:2] == (2, Gradients.features)
    assert abs(found.shape[2] - height / CELL) < 1
    assert abs(found.shape[3] - width / CELL) < 1
    with pytest.raises(UsageError, match="at least 4"):
        Gradients()(torch.zeros(2, 3, 3, 8))


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no published weights"):
        train(output=tmp_path / "faces", backbone="gradients", weights="timm/resnet18.a1_in1k")
    with pytest.raises(UsageError, match="backbone 'resnet34' is unknown: expected gradients, sm"):
        Config(3, backbone="resnet34")  # type: ignore[arg-type]
    assert not (tmp_path / "faces").exists()
