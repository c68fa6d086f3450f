"""Landmarks: losses and scores equal their definitions, points move with their pictures, and what
is learned is found again in the pictures' own pixels.
"""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("PIL")

from corpora.errors import UsageError
from corpora.generated_faces import LANDMARKS, draw, portraits
from corpora.identities import Portrait
from nlp.core.events import Event, Remark
from vision.images import Preparation
from vision.landmarks import Config, Landmarker, evaluate, train
from vision.landmarks.batches import Change, LandmarkBatches, read_pointed
from vision.landmarks.evaluation import distances, measure, score_points
from vision.landmarks.model import mirrored, wing

SMALL = Preparation(48, resize="pad")


def build(**options: object) -> Landmarker:
    torch.manual_seed(0)
    return Landmarker(Config(LANDMARKS, preparation=SMALL, hidden_size=32, **options))  # type: ignore[arg-type]


def items(count: int, covered: float = 0.0, size: int = 96) -> list[Portrait]:
    return [
        Portrait(scene, scene.person, f"face {number}", str(number), scene.landmarks)
        for number, scene in enumerate(portraits(0, count, 1, size, covered=covered))
    ]


@given(st.floats(-30, 30), st.floats(0.5, 20), st.floats(0.1, 5))
def test_the_wing_loss_is_the_papers(distance: float, width: float, curve: float) -> None:
    found = float(wing(torch.tensor(distance, dtype=torch.float64), width, curve))
    if abs(distance) < width:
        assert found == pytest.approx(width * log(1 + abs(distance) / curve))
    else:
        assert found == pytest.approx(abs(distance) - (width - width * log(1 + width / curve)))


def test_a_point_is_the_mean_of_what_cells_say() -> None:
    model = build().eval()
    torch.nn.init.normal_(model.output.weight, std=0.5)
    pixels = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        points, seen = model(pixels)
        features = model.around(model.backbone(pixels))
        told, overall = model.output(features), model.overall(features.mean((2, 3)))
    assert told.shape == (2, 20, 6, 6)
    for picture in range(2):
        for point in range(5):
            likely, across, down, there = (told[picture, part * 5 + point] for part in range(4))
            weights = likely.exp() / likely.exp().sum()
            x = sum(
                weights[r, c] * (c + 0.5 + across[r, c]) * 8 for r in range(6) for c in range(6)
            )
            y = sum(weights[r, c] * (r + 0.5 + down[r, c]) * 8 for r in range(6) for c in range(6))
            assert points[picture, point].tolist() == pytest.approx([float(x), float(y)], abs=1e-3)
            assert float(seen[picture, point]) == pytest.approx(
                float((weights * there).sum() + overall[picture, point]), abs=1e-4
            )


def test_points_that_are_not_there_count_for_whether_only() -> None:
    model = build().eval()
    pixels, points = torch.randn(3, 3, 48, 48), torch.rand(3, 5, 2) * 48
    present = torch.rand(3, 5) < 0.5
    one = model.loss(model.batch(pixels, points, present)).mean
    elsewhere = torch.where(present[..., None], points, points + 9)
    assert torch.equal(one, model.loss(model.batch(pixels, elsewhere, present)).mean)
    there = torch.where(present[..., None], points + 9, points)
    assert not torch.equal(one, model.loss(model.batch(pixels, there, present)).mean)
    none = model.loss(model.batch(pixels, points, torch.zeros_like(present))).mean
    none.backward()
    assert all(part.grad is None or part.grad.isfinite().all() for part in model.parameters())


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=25, deadline=None)
def test_points_move_with_their_pictures(seed: int, flip: bool) -> None:
    """Each point is marked in its own colour, and is found by it in the changed picture."""
    chance = np.random.default_rng(seed)
    size = 96
    y, x = np.mgrid[:size, :size] + 0.5
    points = chance.uniform(30, 66, (4, 3, 2))
    squares = np.zeros((4, 3, size, size))
    for picture, own in enumerate(points):
        for colour, (left, top) in enumerate(own):
            squares[picture, colour] = 255 * np.exp(-((x - left) ** 2 + (y - top) ** 2) / 8)
    change = Change(flip, rotation=40, scale=0.3, shift=0.1, mirror=(1, 0, 2) if flip else ())
    found, where, present = change(
        torch.from_numpy(squares).round().byte(),
        torch.from_numpy(points).float(),
        torch.ones(4, 3, dtype=torch.bool),
        torch.Generator().manual_seed(seed),
    )
    assert found.dtype == torch.uint8
    flips = 0
    for picture in range(4):
        middles = []
        for colour in range(3):
            weights = found[picture, colour].double().numpy()
            middles.append((
                (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()
            ))  # fmt: skip
        inside = (np.array(middles) > 8).all() and (np.array(middles) < 88).all()
        if not inside:  # marks that are cut off have other middles
            continue
        own = where[picture].numpy()
        errors = [np.abs(np.array(middles)[order] - own).max() for order in ([0, 1, 2], [1, 0, 2])]
        assert min(errors) < 0.6
        flips += errors[1] < errors[0]
        assert present[picture].all()
    assert flip or not flips


def test_what_is_painted_over_is_not_seen() -> None:
    pointed = read_pointed(items(40), Preparation(96, resize="pad"), "training")
    change = Change(hide=0.5)
    squares, points, present = change(*pointed[:3], torch.Generator().manual_seed(0))  # type: ignore[call-arg]
    assert torch.equal(points, pointed.points)
    painted = (squares != pointed.squares).any(1)
    assert 10 < int(painted.any(2).any(1).sum()) < 30
    hidden = ~present
    assert 15 < int(hidden.sum()) < 100
    for row, point in hidden.nonzero().tolist():
        x, y = points[row, point].long().clamp(1, 94).tolist()
        assert painted[row, y - 1 : y + 2, x - 1 : x + 2].any()
    assert Change()(*pointed[:3], torch.Generator())[0].equal(pointed.squares)  # type: ignore[call-arg]


def test_mirrors() -> None:
    assert mirrored(LANDMARKS) == [1, 0, 2, 4, 3]
    assert mirrored(["nose", "right_eye", "left_eye"]) == [0, 2, 1]
    with pytest.raises(UsageError, match="'left ear' is one 'right ear', and there is none"):
        mirrored(["left ear"])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_scores_equal_a_slow_reference(seed: int) -> None:
    chance = np.random.default_rng(seed)
    points, found = chance.uniform(0, 50, (2, 6, 3, 2))
    present, presence = chance.random((6, 3)) < 0.7, chance.random((6, 3))
    for normalizer in ("eyes", "box"):
        means, single = [], {name: [] for name in "abc"}
        for row in range(6):
            own = [points[row, n] for n in range(3) if present[row, n]]
            if normalizer == "eyes":
                if not present[row, 0] or not present[row, 1]:
                    continue
                distance = np.hypot(*(points[row, 0] - points[row, 1]))
            else:
                if len(own) < 2:
                    continue
                x, y = zip(*own, strict=True)
                distance = np.hypot(max(x) - min(x), max(y) - min(y))
            errors = []
            for n, name in enumerate("abc"):
                if present[row, n]:
                    errors.append(np.hypot(*(points[row, n] - found[row, n])) / distance)
                    single[name].append(errors[-1])
            means.append(np.mean(errors))
        scores = score_points(found, presence, points, present, "abc", normalizer)  # type: ignore[arg-type]
        assert (scores.pictures, scores.measured) == (6, len(means))
        if means:
            assert scores.nme == pytest.approx(np.mean(means))
            assert scores.failures == pytest.approx(np.mean([one > 0.1 for one in means]))
        else:
            assert np.isnan(scores.nme)
        for name, errors in single.items():
            assert np.isnan(scores.by_point[name]) if not errors else (
                scores.by_point[name] == pytest.approx(np.mean(errors))
            )  # fmt: skip
        assert scores.presence == np.mean((presence >= 0.5) == present)
        assert scores.hidden == (~present).sum()
    with pytest.raises(UsageError, match="box"):
        distances(points[:, :1], present[:, :1], "eyes")


def test_eight_faces_are_learned_by_heart_and_found_in_their_own_pixels(tmp_path: Path) -> None:
    model = build()
    portraits_read = items(8, covered=0.4)
    pointed = read_pointed(portraits_read, SMALL, "training")
    batch = next(LandmarkBatches(pointed, SMALL, Change(), batch_size=8, seed=0).epoch(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for step in range(160):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * (1 - step / 160)
        optimizer.zero_grad()
        loss = model.loss(batch).mean
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    shown = [draw(item.image).repeat(2, 0).repeat(2, 1) for item in portraits_read]
    right = []
    found = list(model.find(shown, batch_size=3))
    for item, one in zip(portraits_read, found, strict=True):
        assert (one.width, one.height) == (192, 192)
        for point, where, seen in zip(item.landmarks, one.points, one.presence, strict=True):
            right.append((seen > 0.5) == (point is not None))
            assert point is None or np.linalg.norm(where - 2 * np.array(point)) < 12
        assert [part is not None for part in one.seen(0.7)] == (one.presence >= 0.7).tolist()
    assert sum(right) >= 38  # of 40
    # Neighbours change nothing, and what is saved is what is read.
    alone = next(model.find(shown[5:6]))
    assert np.allclose(alone.points, found[5].points, atol=1e-3)
    model.save_pretrained(tmp_path / "model")
    again = Landmarker.from_pretrained(tmp_path / "model", device="cpu")
    assert again.config == model.config
    assert np.array_equal(next(again.find(shown[5:6])).points, alone.points)
    measured = measure(model, pointed, "box")
    assert measured.metrics["presence"] >= 0.95
    assert measured.metrics["NME"] < 0.1


def test_wide_pictures_and_ones_that_cannot_be_read(tmp_path: Path) -> None:
    model = build()
    wide = np.random.default_rng(0).integers(0, 256, (40, 120, 3)).astype(np.uint8)
    square, place = SMALL.square(wide)
    (points,), _ = model.locate(SMALL.normalize(square)[None])
    told: list[str] = []
    (tmp_path / "broken.png").write_bytes(b"no picture")
    images = [tmp_path / "broken.png", wide]
    (found,) = model.find(images, refused=lambda one: told.append(one.reason))
    assert np.allclose(found.points, (points.numpy() - (0, 16)) * 2.5, atol=1e-3)
    assert np.allclose(found.points, place.to_picture(points.numpy()))
    assert "broken.png" in told[0]
    with pytest.raises(UsageError, match=r"broken\.png"):
        list(model.find(images))
    assert list(model.find([])) == []


def test_points_outside_and_bad_pictures_are_told() -> None:
    first, second = items(2)
    outside = second._replace(landmarks=((-5.0, 3.0), None, *second.landmarks[2:]))
    bad = second._replace(image=Path("nowhere.png"))
    pointed = read_pointed([first, outside, bad], SMALL, "training")
    assert len(pointed) == 2
    assert pointed.present.tolist() == [[True] * 5, [False, False, True, True, True]]
    assert "cannot be read, left out: 1" in pointed.remarks[0]
    assert "unseen: 1" in pointed.remarks[1]
    with pytest.raises(UsageError, match="no picture of the training part is left"):
        read_pointed([bad], SMALL, "training")


def test_training_leaves_a_model_that_evaluates(tmp_path: Path) -> None:
    events: list[Event] = []
    options = {"size": 48, "hidden_size": 16, "batch_size": 8, "warmup_steps": 1}
    given = {"steps": 6, "evaluate_every": 3, "device": "cpu", **options}
    trained = train("generated-faces:6:2", output=tmp_path / "a", report=events.append, **given)  # type: ignore[arg-type]
    assert trained.test is not None
    assert trained.test.pictures == 4
    told = " ".join(event.text for event in events if isinstance(event, Remark))
    assert "left eye, right eye, nose" in told
    assert "NME" in (tmp_path / "a" / "README.md").read_text()
    scores = evaluate(tmp_path / "a", "generated-faces:6:2", split="test", normalizer="box")
    assert 0 < scores.nme < 2
    assert scores.hidden == 0
    again = train("generated-faces:6:2", output=tmp_path / "b", **given)  # type: ignore[arg-type]
    for one, other in zip(trained.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
    table = tmp_path / "faces.csv"
    table.write_text("path,person,tip_x,tip_y\nx.png,a,3,4\n")
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(UsageError, match="its points are tip; expected the model's, left eye"):
        evaluate(tmp_path / "a", table)
    table.write_text("path,person\nx.png,a\n")
    with pytest.raises(UsageError, match="no points"):
        train(table, output=tmp_path / "c", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "c").exists()
    with pytest.raises(UsageError, match="normalizer"):
        train("generated-faces:6:2", output=tmp_path / "c", normalizer="ears", **given)  # type: ignore[arg-type]
