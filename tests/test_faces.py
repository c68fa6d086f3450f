"""Face encoders: vectors depend on the face alone, batches are people by groups, nobody is in two
parts, and scores are what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpora.errors import UsageError
from corpora.generated_faces import draw, portraits
from nlp.core.events import Evaluation, Event, Remark
from vision.alignment import align
from vision.augment import Augmentation
from vision.faces import Config, FaceEncoder, evaluate, score_vectors, train
from vision.faces.baselines import Eigenfaces, raw_pixels
from vision.faces.batches import FaceBatches
from vision.faces.evaluation import mean_triplet_cost, one_shot
from vision.faces.people import divide_people
from vision.images import Preparation, Refused, Squares

pytest.importorskip("PIL")
SMALL: dict[str, Any] = {"preparation": Preparation(32), "embedding_size": 16, "cells": 2}
TRAINING: dict[str, Any] = {
    **{"size": 32, "embedding_size": 16, "cells": 2, "device": "cpu", "warmup_steps": 0},
    **{"people_per_batch": 4, "pictures_per_person": 2, "dropout": 0.0, "crop": 1.0, "shift": 0.0},
}
FACES = [draw(face) for face in portraits(5, people=4, pictures=3, size=32)]
WHOSE = [number // 3 for number in range(12)]


def build(**options: Any) -> FaceEncoder:
    torch.manual_seed(0)
    model = FaceEncoder(Config(4, **{**SMALL, **options})).eval()
    for name, part in model.named_parameters():
        if name.endswith("bn2.weight"):  # else all blocks are their ways around
            torch.nn.init.ones_(part)
    return model


# ── vectors ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mirrored", [True, False])
def test_vectors_are_unit_and_of_the_face_alone(mirrored: bool) -> None:
    model = build(mirrored=mirrored)
    vectors = model.encode(FACES)
    assert vectors.shape == (12, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for size in (1, 5):
        np.testing.assert_allclose(model.encode(FACES, batch_size=size), vectors, atol=1e-5)
    turned = model.encode([face[:, ::-1].copy() for face in FACES])
    assert np.allclose(turned, vectors, atol=1e-5) == mirrored
    assert model.encode([]).shape == (0, 16)


def test_a_picture_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    refused: list[Refused] = []
    model = build()
    vectors = model.encode([FACES[0], bad, FACES[1]], refused=refused.append)
    np.testing.assert_allclose(vectors, model.encode(FACES[:2]), atol=1e-5)
    assert [one.image for one in refused] == [bad]
    with pytest.raises(UsageError, match=r"bad\.png"):
        model.encode([bad])


def test_encoding_leaves_training_as_it_was() -> None:
    model = build().train()
    before = model.fingerprint
    model.encode(FACES[:3])
    assert model.training
    assert model.fingerprint == before


def test_a_fingerprint_is_that_of_weights_and_preparation(tmp_path: Path) -> None:
    model = build()
    model.save_pretrained(tmp_path / "model")
    again = FaceEncoder.from_pretrained(tmp_path / "model", device="cpu")
    assert again.fingerprint == model.fingerprint
    assert len({model.fingerprint, build(preparation=Preparation(33)).fingerprint}) == 2
    with torch.no_grad():
        model.output.weight[0, 0] += 1e-3
    assert again.fingerprint != model.fingerprint


def test_options_that_cannot_be_are_refused() -> None:
    for options, told in (
        ({"objective": "softmax"}, "objective"),
        ({"mining": "easy"}, "semi-hard"),
        ({"margin": 2.0}, "radians"),
        ({"margin": 0.0}, "margin"),
        ({"cells": 0}, "cells"),
    ):
        with pytest.raises(UsageError, match=told):
            build(**options)


# ── batches ─────────────────────────────────────────────────────────────────────────────────────


def test_batches_are_groups_of_people() -> None:
    sizes = [1, 2, 5, 9, 4]
    people = [number for number, size in enumerate(sizes) for _ in range(size)]
    squares: Any = None
    batches = FaceBatches(
        build(),
        squares,
        people,
        Augmentation(),
        people_per_batch=4,
        pictures_per_person=3,
        margin_steps=0,
        seed=1,
    )
    order = batches.order(0)
    assert len(order) == len(batches) == 3  # 1 + 1 + 2 + 3 + 2 groups, four at a time
    assert batches.order(0) == order != batches.order(1)
    seen = Counter(place for batch in order for place in batch)
    assert set(seen) == set(range(len(people)))
    for batch in order:
        assert len(batch) == 12
        for start in range(0, 12, 3):
            assert len({people[place] for place in batch[start : start + 3]}) == 1
    # What a person has is used evenly.
    assert {seen[place] for place in range(8, 17)} <= {1, 2}


def test_the_margin_grows_and_what_is_skipped_changes_nothing() -> None:
    squares = Squares(FACES, Preparation(32))
    options = {"people_per_batch": 2, "pictures_per_person": 3, "margin_steps": 4, "seed": 0}
    batches = FaceBatches(build(), squares, WHOSE, Augmentation(flip=True), **options)
    torch.manual_seed(1)
    found = [batch for number in range(3) for batch in batches.epoch(number)]
    assert [float(batch.warmth) for batch in found] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert found[0].pixels.shape == (6, 3, 32, 32)
    assert [len(one.people.unique()) for one in found] == [2] * 6
    skipped = next(batches.epoch(1, skip=1))
    assert torch.equal(skipped.people, found[3].people)
    assert skipped.warmth == found[3].warmth


# ── parts ───────────────────────────────────────────────────────────────────────────────────────


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    """A table of people, whose pictures lie beside it."""
    lines = ["path,person"]
    for number, (_, person) in enumerate(rows):
        place = path.parent / f"{number}.ppm"
        place.write_bytes(b"P6 32 32 255\n" + FACES[number % 12].tobytes())
        lines.append(f"{place.name},{person}")
    path.write_text("\n".join(lines))
    return path


def test_nobody_is_in_two_parts(tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", [("", f"p{n // 2}") for n in range(40)])
    parts = divide_people(source, 0.2, 0.1)
    people = [{one.person for one in part} for part in parts[:3]]
    assert [len(own) for own in people] == [14, 4, 2]
    assert not any(a & b for a, b in combinations(people, 2))
    assert sum(len(part) for part in parts[:3]) == 40
    assert "14 people (28 pictures)" in parts.counted
    assert divide_people(source, 0.2, 0.1) == parts
    whole = divide_people(source, 0, 0)
    assert len(whole.train) == 40
    assert not whole.validation


def test_parts_that_cannot_be_are_told(tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", [("", f"p{n // 2}") for n in range(6)])
    with pytest.raises(UsageError, match="validation part has 0 of 3 people"):
        divide_people(source, 0.1, 0)
    with pytest.raises(UsageError, match="nobody to train on"):
        divide_people(source, 0.5, 0.5)
    with pytest.raises(UsageError, match="expected 0 to below 1"):
        divide_people(source, 1.5, 0)
    (tmp_path / "single").mkdir()
    single = table(tmp_path / "single" / "a.csv", [("", f"q{n}") for n in range(3)])
    with pytest.raises(UsageError, match="nobody of the test part has two pictures"):
        divide_people(source, 0, str(single))  # type: ignore[arg-type]
    told = divide_people(source, str(source), 0).remarks  # type: ignore[arg-type]
    assert any("3 (first: p0)" in remark and "flatters" in remark for remark in told)


def test_a_source_that_is_divided_stays_so() -> None:
    parts = divide_people("generated-faces:5:2", 0.3, 0)
    assert len({one.person for one in parts.train}) == 5
    assert parts.validation
    assert not parts.test
    assert any("part test" in remark for remark in parts.remarks)


# ── scores ──────────────────────────────────────────────────────────────────────────────────────


def test_scores_are_those_of_scikit_learn_and_of_counting() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    chance = np.random.default_rng(0)
    people = [f"p{number % 6}" for number in range(30)]
    vectors = chance.normal(size=(30, 4)) + 0.8 * np.array([hash_of(p) for p in people])
    scores = score_vectors(vectors, people, draws=3)
    same, near = [], []
    for a, b in combinations(range(30), 2):
        same.append(people[a] == people[b])
        near.append(-np.linalg.norm(vectors[a] - vectors[b]))
    assert scores.auc == pytest.approx(metrics.roc_auc_score(same, near))
    assert (scores.same_pairs, scores.different_pairs) == (sum(same), len(same) - sum(same))
    far, tar, _ = metrics.roc_curve(same, near, drop_intermediate=False)
    assert scores.tar == pytest.approx(tar[far <= 0.01].max())
    assert len(scores.rank1_draws) == 3
    assert scores.rank1 == pytest.approx(np.mean(scores.rank1_draws))


def hash_of(person: str) -> list[float]:
    return np.random.default_rng(int(person[1:])).normal(size=4).tolist()


def test_one_shot_asks_all_but_the_known_pictures() -> None:
    people = ["a", "a", "b", "b", "b", "c"]
    apart = np.array([[0, 0], [0, 1], [9, 0], [9, 1], [0, 0.4], [0, 9]], float)
    shares = one_shot(apart, people, draws=40)
    # The third of b lies with a: found wrong where it is asked, and where it is known it is near
    # both a, so that the one of them that is asked is the nearer to its own picture or not.
    assert max(shares) == pytest.approx(2 / 3)
    assert one_shot(apart[[0, 1, 2, 3, 5]], ["a", "a", "b", "b", "c"]) == [1.0] * 5


def test_the_mean_triplet_cost_is_that_of_all_triplets() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(7, 3))
    people = torch.tensor([0, 0, 1, 1, 1, 2, 0])
    costs = [
        max(0.0, float((vectors[a] - vectors[p]) @ (vectors[a] - vectors[p])
            - (vectors[a] - vectors[n]) @ (vectors[a] - vectors[n])) + 0.3)
        for a in range(7) for p in range(7) for n in range(7)
        if a != p and people[a] == people[p] and people[a] != people[n]
    ]  # fmt: skip
    assert mean_triplet_cost(vectors, people, 0.3) == pytest.approx(np.mean(costs), rel=1e-4)


def test_eigenfaces_are_principal_components() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    pixels = raw_pixels(FACES, Preparation(16))
    assert pixels.shape == (12, 256)
    grey = Preparation(16).square(FACES[3])[0].float().permute(1, 2, 0).numpy() / 255
    np.testing.assert_allclose(pixels[3].reshape(16, 16), grey @ [0.299, 0.587, 0.114], atol=1e-5)
    ours = Eigenfaces(pixels[:9], components=5).encode(pixels)
    theirs = decomposition.PCA(5, svd_solver="full").fit(pixels[:9]).transform(pixels)
    np.testing.assert_allclose(abs(ours), abs(theirs), atol=1e-4)
    assert Eigenfaces(pixels[:3]).encode(pixels).shape == (12, 2)
    with pytest.raises(UsageError, match="two pictures"):
        Eigenfaces(pixels[:1])


# ── training ────────────────────────────────────────────────────────────────────────────────────


def heard() -> tuple[list[Event], Callable[[Event], None]]:
    events: list[Event] = []
    return events, events.append


@pytest.mark.parametrize(
    "options", [{"margin_steps": 20}, {"objective": "triplet"}], ids=["arcface", "triplet"]
)
def test_people_are_told_apart_once_trained(tmp_path: Path, options: Any) -> None:
    events, report = heard()
    trained = train(
        "generated-faces:6:4",
        output=tmp_path / "faces",
        validation=0,  # the best is then that of the people trained on
        steps=60,
        evaluate_every=20,
        jitter=0,
        rotation=0,
        report=report,
        **{**TRAINING, **options},
    )
    looks = [event for event in events if isinstance(event, Evaluation)]
    assert [look.step for look in looks] == [20, 40, 60]
    assert set(looks[0].metrics) == {"ROC-AUC", "rank-1", "distance"}
    learned = evaluate(tmp_path / "faces", "generated-faces:6:4", split="train")
    assert learned.auc > 0.8
    # Two people never seen are too few to say more than that they are scored.
    assert trained.test is not None
    again = evaluate(tmp_path / "faces", "generated-faces:6:4", split="test")
    assert again.auc == pytest.approx(trained.test.auc, abs=1e-3)
    assert (again.people, again.pictures) == (2, 8)
    card = (tmp_path / "faces/README.md").read_text()
    assert "ROC-AUC" in card
    assert "no proof" in card


def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    options = {**TRAINING, "steps": 4, "evaluate_every": 2, "test": 0}
    whole = train("generated-faces:4:2", output=tmp_path / "whole", **options)

    class KilledError(Exception):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, Evaluation) and event.step == 4:
            raise KilledError

    with pytest.raises(KilledError):
        train("generated-faces:4:2", output=tmp_path / "killed", report=kill, **options)
    resumed = train(output=tmp_path / "killed", resume=True)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_a_collapse_is_explained_while_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_point(model: FaceEncoder, pixels: torch.Tensor) -> torch.Tensor:
        """What hard mining at too high a rate ends in."""
        grown = model.output.weight.sum() * 0 + pixels.mean((1, 2, 3))[:, None] * 1e-6
        return torch.nn.functional.normalize(grown + torch.ones(16))

    monkeypatch.setattr(FaceEncoder, "forward", one_point)
    events, report = heard()
    train(
        "generated-faces:4:2",
        output=tmp_path / "faces",
        objective="triplet",
        mining="hard",
        steps=4,
        evaluate_every=1,
        test=0,
        report=report,
        **TRAINING,
    )
    told = [e.text for e in events if isinstance(e, Remark) and "one point" in e.text]
    assert len(told) == 1
    assert "semi-hard" in told[0]


def test_what_cannot_be_trained_is_told_before_anything_is_written(tmp_path: Path) -> None:
    for options, told in (
        ({"pictures_per_person": 1}, "2 or more"),
        ({"margin": 0}, "margin"),
        ({"margin_steps": -1}, "margin_steps"),
        ({"crop": 0}, "crop"),
        ({"size": 0}, "size"),
        ({"objective": "none"}, "objective"),
    ):
        with pytest.raises(UsageError, match=told):
            train("generated-faces:6:4", output=tmp_path / "faces", **{**TRAINING, **options})
    assert not (tmp_path / "faces").exists()
    with pytest.raises(UsageError, match="none of one person"):
        evaluate(build(), table(tmp_path / "a.csv", [("", f"p{n}") for n in range(3)]))


def test_pictures_that_cannot_be_read_are_left_out_and_told(tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", [("", f"p{n // 3}") for n in range(18)])
    (tmp_path / "4.ppm").write_bytes(b"P6 32 32 255\nshort")
    events, report = heard()
    train(
        source, output=tmp_path / "faces", validation=0, test=0, steps=2, report=report, **TRAINING
    )
    told = [event.text for event in events if isinstance(event, Remark)]
    assert any("4.ppm" in text and "left out: 1" in text for text in told)
    assert any("17 pictures" in text for text in told)
    assert any("trained on" in text for text in told)


def test_faces_are_aligned_by_their_landmarks() -> None:
    model = build(mirrored=False)
    faces = [*portraits(5, people=1, pictures=3, size=64)]
    points = [face.landmarks for face in faces]
    pixels = [draw(face) for face in faces]
    by_hand = [align(one, own, size=32) for one, own in zip(pixels, points, strict=True)]
    found = model.encode(pixels, landmarks=points)
    np.testing.assert_allclose(found, model.encode(by_hand), atol=1e-5)
    assert not np.allclose(found, model.encode(pixels), atol=1e-2)
    refused: list[Refused] = []
    unseen = [points[0], (None,) * 4 + points[1][4:], points[2][:2]]
    assert len(model.encode(pixels, landmarks=unseen, refused=refused.append)) == 1
    assert len(refused) == 2
    assert "2 points" in refused[1].reason


def test_training_on_aligned_faces(tmp_path: Path) -> None:
    options = {**TRAINING, "steps": 2, "align": True}
    trained = train("generated-faces:4:2", output=tmp_path / "faces", **options)
    assert trained.model.config.align
    assert trained.test is not None
    with pytest.raises(UsageError, match="no picture is left"):
        train(table(tmp_path / "a.csv", [("", f"p{n // 2}") for n in range(8)]),
              output=tmp_path / "none", **{**options, "validation": 0, "test": 0})  # fmt: skip
