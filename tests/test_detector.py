"""Detectors: losses equal slow references, boxes follow their pixels wherever these go, and what is
found lies where it is in the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from corpora.detections import Annotated, read_detections
from corpora.errors import UsageError
from corpora.scenes import SHAPES
from nlp.core.events import Event
from vision.anchors import encode
from vision.boxes import iou, paired_ciou
from vision.detecting import Candidates
from vision.detector import Config, Detector, detect, evaluate, train
from vision.detector.batches import DetectionBatches, Examples
from vision.detector.evaluation import mean_parts, score_items
from vision.detector.losses import Owned, detection_loss
from vision.detector.mosaic import LEAST, SEEN, Changes, Example, compose, turned
from vision.images import Preparation, Refused

pytest.importorskip("PIL")

ANCHORS = (((8.0, 8.0), (12.0, 16.0)), ((20.0, 20.0), (32.0, 16.0)), ((40.0, 40.0), (60.0, 60.0)))
RUN: dict[str, Any] = {
    **{"data": "generated-scenes:12:48", "size": 64, "features": 16, "batch_size": 4},
    **{"warmup_steps": 2, "device": "cpu", "precision": "float32"},
}


def build(seed: int = 0, size: int = 64, **options: Any) -> Detector:
    """An untrained detector."""
    torch.manual_seed(seed)
    known = {"labels": SHAPES, "anchors": ANCHORS, "features": 16, **options}
    return Detector(Config(preparation=Preparation(size, "pad"), **known)).eval()


def scenes(count: int = 4, size: int = 64) -> list[Annotated]:
    return read_detections(f"generated-scenes:{count}:{size}", split="train").items


def batch_of(model: Detector, items: Sequence[Annotated]) -> Any:
    examples = Examples(items, model.config.labels, model.preparation.size)
    made = [examples[row] for row in range(len(items))]
    pixels = torch.stack([model.preparation(one.pixels) for one in made])
    return model.batch(pixels, [one.boxes for one in made], [one.labels.tolist() for one in made])


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def slow_loss(found: Any, boxes: Any, owned: Owned, judge: bool) -> list[float]:
    """The parts of the loss by their definitions, a number at a time."""
    owner = {
        (int(p), int(q)): n for n, (p, q) in enumerate(zip(owned.picture, owned.place, strict=True))
    }
    box = objectness = classes = 0.0
    for picture, places in enumerate(found.tolist()):
        for place, logits in enumerate(places):
            number = owner.get((picture, place))
            target = 0.0
            if number is not None:
                own, true = boxes[number : number + 1], owned.boxes[number : number + 1]
                target = float(iou(own, true)) if judge else 1.0
                box += 1 - float(paired_ciou(own, true))
                for label, logit in enumerate(logits[5:]):
                    chance = logistic(logit)
                    right = chance if label == owned.labels[number] else 1 - chance
                    classes -= math.log(right)
            chance = logistic(logits[0])
            objectness -= target * math.log(chance) + (1 - target) * math.log(1 - chance)
    return [part / max(len(owner), len(found)) for part in (box, objectness, classes)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 6), st.booleans())
def test_the_loss_is_its_definition(seed: int, count: int, judge: bool) -> None:
    chance = torch.Generator().manual_seed(seed)
    found = torch.randn(2, 9, 5 + 3, generator=chance)
    places = torch.randperm(18, generator=chance)[:count]
    corners = 40 * torch.rand(2, count, 2, generator=chance)
    sides = 1 + 30 * torch.rand(2, count, 2, generator=chance)
    boxes, true = (
        torch.cat([corner, corner + side], 1) for corner, side in zip(corners, sides, strict=True)
    )
    labels = torch.randint(3, (count,), generator=chance)
    owned = Owned(places // 9, places % 9, true, labels)
    parts = detection_loss(found, boxes, owned, judge_overlap=judge)
    assert [float(part) for part in parts] == pytest.approx(
        slow_loss(found, boxes, owned, judge), rel=1e-4, abs=1e-5
    )


def test_pictures_that_show_nothing_weigh_the_same_however_many_they_are() -> None:
    """A batch of them costs the mean of what each costs, not the sum."""
    found = torch.randn(8, 50, 5 + 3, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(0, dtype=torch.int64)
    owned = Owned(none, none, torch.zeros(0, 4), none)
    whole = detection_loss(found, torch.zeros(0, 4), owned)
    alone = [float(detection_loss(one[None], torch.zeros(0, 4), owned).objectness) for one in found]
    assert float(whole.objectness) == pytest.approx(sum(alone) / 8)
    assert float(whole.box) == float(whole.classes) == 0
    assert alone[0] == pytest.approx(float(torch.nn.functional.softplus(found[0, :, 0]).sum()))


def test_owners_that_say_their_boxes_cost_nothing() -> None:
    """What is owned, what is said and what is decoded are of the same place."""
    model = build()
    batch = batch_of(model, scenes(3))
    said = torch.full((3, 168, model.width), -30.0)
    seen: list[Owned] = []

    def remember(found: Tensor, boxes: Tensor, owned: Owned, **options: Any) -> Any:
        seen.append(owned)
        return detection_loss(found, boxes, owned, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vision.detector.model.detection_loss", remember)
        model.parts(batch)
        owned = seen[0]
        assert len(owned.place) > len(batch.boxes)
        _, anchors, strides = (part for part in places_of(model))
        cells = places_of(model)[0]
        at = owned.place
        raw = encode(owned.boxes, cells[at], anchors[at], strides[at])
        said[owned.picture, at, 1:5] = raw
        said[owned.picture, at, 0] = 30.0
        said[owned.picture, at, 5 + owned.labels] = 30.0
        patch.setattr(Detector, "forward", lambda self, pixels: said)
        parts = model.parts(batch)
        boxes = model.boxes(said, 64, 64)[owned.picture, at]
    torch.testing.assert_close(boxes, owned.boxes, atol=0.02, rtol=0)
    assert all(float(part) < 0.01 for part in parts)


def places_of(model: Detector) -> tuple[Tensor, Tensor, Tensor]:
    from vision.detector.model import _places

    return _places(model.config.anchors, 64, 64)


class Coordinates(nn.Module):
    """Says of each place its column, row and anchor."""

    def forward(self, features: Tensor) -> Tensor:
        rows, columns = features.shape[2:]
        said = torch.zeros(len(features), 2, 5 + len(SHAPES), rows, columns)
        said[:, :, 0] = torch.arange(columns)
        said[:, :, 1] = torch.arange(rows)[:, None]
        said[:, :, 2] = torch.arange(2)[:, None, None]
        return said.flatten(1, 2)


def test_places_are_in_the_order_that_is_told() -> None:
    model = build()
    model.output = nn.ModuleList(Coordinates() for _ in range(3))
    found = model(torch.zeros(2, 3, 64, 64))
    cells, anchors, strides = places_of(model)
    torch.testing.assert_close(found[1, :, :2], cells.float())
    own = [ANCHORS[[8, 16, 32].index(int(s))][int(a)] for s, a in zip(strides, found[0, :, 2])]  # noqa: B905
    torch.testing.assert_close(anchors, torch.tensor(own))


class Fake:
    """A detector that finds one box, wherever in the square it is told to."""

    device = torch.device("cpu")

    def __init__(self, size: int, box: Sequence[float]) -> None:
        self.preparation, self.box = Preparation(size, "pad"), torch.tensor([box])
        self.config = SimpleNamespace(labels=("thing",))

    def eval(self) -> None: ...

    def candidates(self, pixels: Tensor) -> Candidates:
        one = torch.ones(len(pixels), 1)
        return Candidates(self.box.expand(len(pixels), 1, 4), one, 0 * one.long())


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 300), st.integers(3, 300), st.sampled_from([32, 96]), st.integers(0, 999))
def test_the_letterbox_is_undone(height: int, width: int, size: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    first = chance.uniform(0, [width - 2, height - 2])
    box = [*first, *chance.uniform(first + 1, [width, height])]
    square = Preparation(size, "pad").placement(height, width).to_square(box)
    found = next(detect(Fake(size, square.tolist()), [np.zeros((height, width, 3), np.uint8)]))
    assert (found.width, found.height) == (width, height)
    (one,) = found.boxes
    assert np.abs(np.array(one[2:]) - box).max() < 0.5
    assert one[:2] == ("thing", pytest.approx(1))


def test_what_lies_beside_the_picture_is_cut_off() -> None:
    wide = np.zeros((24, 96, 3), np.uint8)  # in a square of 96 from row 36 to 60
    cut = next(detect(Fake(96, [-5, 30, 20, 50]), [wide])).boxes[0]
    assert cut[2:] == pytest.approx((0, 0, 20, 14))
    assert not next(detect(Fake(96, [5, 3, 20, 30]), [wide])).boxes


def test_neighbours_change_nothing_and_bad_pictures_are_told() -> None:
    model = build()
    for part in model.output:
        assert isinstance(part, nn.Conv2d)
        nn.init.normal_(part.weight, std=0.3)
    images: list[Any] = [item.image for item in scenes(5)]
    alone = [next(model.detect([image], threshold=0.02)) for image in images]
    refused: list[Refused] = []
    given = [*images[:3], "missing.png", *images[3:]]
    found = [*model.detect(given, threshold=0.02, batch_size=4, refused=refused.append)]
    assert [one.image for one in refused] == ["missing.png"]
    assert sum(len(one.boxes) for one in found) > 10
    for one, other in zip(found, alone, strict=True):
        assert [box.label for box in one.boxes] == [box.label for box in other.boxes]
        ours, theirs = (
            np.array([box[1:] for box in two.boxes]).reshape(-1, 5) for two in (one, other)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
        assert (np.diff(ours[:, 0]) <= 0).all()
    with pytest.raises(UsageError, match=r"missing\.png"):
        [*model.detect(given)]


def plate(colour: int, height: int, width: int, box: Sequence[int]) -> Example:
    """A black picture with a rectangle of a colour."""
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = box
    pixels[top:bottom, left:right, colour] = 255
    return Example(pixels, np.array([box], float), np.array([colour]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([1, 4]))
def test_boxes_go_where_their_pixels_go(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    examples, areas = [], []
    for number in range(min(count, 3)):
        height, width = chance.integers(40, 90, 2).tolist()
        left, top = int(chance.integers(width - 20)), int(chance.integers(height - 20))
        across, down = chance.integers(12, 20, 2).tolist()
        box = [left, top, left + across, top + down]
        examples.append(plate(number, height, width, box))
        areas.append(across * down * (1.4 * 96 / max(height, width)) ** 2)  # at most
    changes = Changes(flip=True, turn=True, zoom=0.4)
    shown = [*examples, examples[0]] if count == 4 else examples
    made = compose(shown, 96, changes, chance, (0, 0, 0))
    assert made.pixels.shape == (96, 96, 3)
    for colour in (1, 2) if count == 4 else (0,):  # each in one part of the canvas
        rows, columns = (made.pixels[..., colour] > 127).nonzero()
        own = made.boxes[made.labels == colour]
        if not len(own):
            assert len(rows) < 1.1 * SEEN * areas[colour] + 2 * LEAST * 96  # too little is seen
            continue
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(own, [seen], atol=1.6)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_turned_boxes_hold_the_same_pixels(mirrored: bool, quarters: int) -> None:
    example = plate(0, 30, 50, [4, 10, 16, 13])
    made = turned(example, mirrored=mirrored, quarters=quarters)
    left, top, right, bottom = made.boxes[0].astype(int)
    assert made.pixels[top:bottom, left:right, 0].min() == 255
    assert made.pixels[..., 0].sum() == 255 * 12 * 3


def test_unchanged_pictures_are_as_they_are_prepared() -> None:
    example = plate(1, 30, 50, [4, 10, 16, 13])
    made = compose([example], 96, Changes(), np.random.default_rng(0))
    square, place = Preparation(96, "pad").square(example.pixels)
    assert np.abs(made.pixels.transpose(2, 0, 1).astype(int) - square.numpy()).max() <= 1
    np.testing.assert_allclose(made.boxes, place.to_square(example.boxes), atol=0.6)


def test_batches_differ_in_size_and_end_whole() -> None:
    model = build(96)
    items = scenes(6, 48)
    examples = Examples(items, SHAPES, 64)
    options: Any = {"jitter": 0.2, "batch_size": 2, "multi_scale": 0.5, "seed": 1}
    changes = Changes(flip=True, zoom=0.5, mosaic=1.0)

    def batches(plain_from: float) -> DetectionBatches:
        return DetectionBatches(
            model, examples, changes, plain_from=plain_from, progress=lambda at: at / 2, **options
        )

    one = batches(1.0)
    first = [batch for number in range(4) for batch in one.epoch(number)]
    assert {batch.pixels.shape[2] for batch in first} == {32, 64, 96}
    again = [*one.epoch(0, skip=1)]
    for mine, theirs in zip(again, first[1 : len(one)], strict=True):
        assert all(map(torch.equal, mine, theirs))
    alone = DetectionBatches(
        build(size=32), Examples(items[:1], SHAPES, 32), changes, plain_from=1.0,
        progress=lambda at: at, **options,
    )  # fmt: skip
    (batch,) = alone.epoch(0)
    assert build(size=32).train().loss(batch).mean.isfinite()  # of batch norm, too
    # In a mosaic at least four boxes meet; whole pictures have at most four things.
    counts = [np.bincount(b.picture, minlength=2).max() for b in batches(0.0).epoch(0)]
    assert max(counts) <= 4 < max(np.bincount(b.picture).max() for b in first)


def test_difficult_boxes_and_crowds_are_not_learned() -> None:
    item = scenes(1)[0]
    boxes = [item.boxes[0]._replace(difficult=True), item.boxes[0]._replace(crowd=True)]
    examples = Examples([item._replace(boxes=(*boxes, *item.boxes))], SHAPES, 64)
    assert examples.left_out == 2
    assert len(examples[0].boxes) == len(item.boxes)


def test_four_scenes_are_learned_by_heart() -> None:
    model = build(size=96, features=32)
    items = scenes(4, 96)
    batch = batch_of(model, items)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(70):
        model.loss(batch).mean.backward()
        optimizer.step()
        optimizer.zero_grad()
    for part in model.modules():  # the statistics of these very pictures
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
    with torch.no_grad():
        model(batch.pixels)
    scores = score_items(model.eval(), items)
    assert scores.ap50 > 0.95
    assert float(mean_parts(model, items).box) < 0.25


class Killed(Exception):
    pass


def test_a_resumed_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    def killing(event: Event) -> None:
        if getattr(event, "metrics", None) and getattr(event, "step", 0) == 4:
            raise Killed

    options = {**RUN, "epochs": 3, "evaluate_every": 2}
    whole = train(output=tmp_path / "whole", **options)
    with pytest.raises(Killed):
        train(output=tmp_path / "cut", report=killing, **options)
    resumed = train(output=tmp_path / "cut", resume=True)
    assert resumed.outcome.step == whole.outcome.step == 9
    ends = (result.model.state_dict() for result in (whole, resumed))
    assert all(torch.equal(*pair) for pair in zip(*(end.values() for end in ends), strict=True))
    assert whole.test is not None
    assert "|mAP@0.5|" in (tmp_path / "cut" / "README.md").read_text("utf-8")
    again = evaluate(tmp_path / "cut", "generated-scenes:12:48", split="test")
    assert again.ap50 == pytest.approx(whole.test.ap50)


def test_a_run_by_the_clock_ends_whole(tmp_path: Path) -> None:
    told: list[Event] = []
    result = train(output=tmp_path / "m", **RUN, minutes=0.02, test=0, report=told.append)
    assert result.outcome.ended == "finished"
    assert any("anchors, in pixels of 64" in str(event) for event in told)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": 100}, "size is 100"),
        ({"backbone": "vgg16"}, "backbone 'vgg16' is unknown"),
        ({"weights": "a.pth"}, "resnet18 only"),
        ({"owners": "all"}, "owners 'all' is unknown"),
        ({"zoom": 1.0}, "zoom is"),
        ({"mosaic": 2}, "mosaic is 2"),
        ({"plain": -1}, "plain is -1"),
        ({"multi_scale": 1.5}, "multi_scale is"),
        ({"jitter": 2}, "jitter is"),
        ({"anchors": 0}, "anchors is 0"),
        ({"box_weight": -1}, "box_weight is -1"),
        ({"images": "somewhere"}, "no boxes"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_told(options: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=match):
        train(output=tmp_path / "m", **options)
    assert not (tmp_path / "m").exists()
    with pytest.raises(UsageError, match="threshold is 2"):
        [*build().detect([], threshold=2)]
