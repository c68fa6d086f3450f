"""The textbooks' simplest detectors: their labels, their losses, their windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from corpora.errors import UsageError
from corpora.scenes import scenes
from vision.average_precision import overlaps
from vision.boxes import convert
from vision.detecting import Candidates
from vision.images import Preparation
from vision.localizer import Config, Localizer, SlidingWindow, WindowConfig, evaluate, train
from vision.localizer.model import label_row
from vision.localizer.windows import BAD, CELLS, GOOD, window_classes

pytest.importorskip("PIL.Image")
LABELS = ("pedestrian", "car", "motorcycle")
SMALL = Preparation(48, "pad")
Model = Localizer | SlidingWindow


def build(kind: type[Model], **options: Any) -> Any:
    torch.manual_seed(0)
    common: dict[str, Any] = {"labels": LABELS, "preparation": SMALL, "hidden_size": 24, **options}
    if kind is Localizer:
        return Localizer(Config(**common)).eval()
    return SlidingWindow(WindowConfig(**{"sides": (12.0, 24.0), **common})).eval()


def pixels(count: int) -> Tensor:
    return torch.randn(count, 3, 48, 48, generator=torch.Generator().manual_seed(1))


BOXES = [torch.tensor([[4.0, 6, 28, 30]]), torch.zeros(0, 4), torch.tensor([[1.0, 1, 9, 9]] * 2)]
NUMBERS = [[1], [], [0, 2]]


def test_the_textbook_row() -> None:
    """A car whose middle is at half and 0.7 of the picture, 0.4 wide and 0.3 high."""
    box = convert(torch.tensor([[50.0, 70.0, 40.0, 30.0]]), "cxcywh", "xyxy")
    row = label_row(box, [1], 3, 100)
    torch.testing.assert_close(row, torch.tensor([1, 0.5, 0.7, 0.4, 0.3, 0, 1, 0]))
    assert not label_row(torch.zeros(0, 4), [], 3, 100).any()
    small = torch.tensor([[0.0, 0, 10, 10]])
    assert label_row(torch.cat([small, box]), [0, 1], 3, 100).equal(row)  # the largest
    cut = torch.tensor([[-90.0, 0, -10, 90], [-50, 20, 10, 60]])  # by a square out of the middle
    expected = torch.tensor([1, 0.05, 0.4, 0.1, 0.4, 0, 0, 1])
    torch.testing.assert_close(label_row(cut, [1, 2], 3, 100), expected)
    assert not label_row(cut[:1], [1], 3, 100).any()


def test_the_loss_of_one_object_is_the_one_written_down() -> None:
    model = build(Localizer)
    batch = model.batch(pixels(3), BOXES, NUMBERS)
    found = model(batch.pixels)
    expected = torch.tensor(0.0)
    for said, row in zip(found, batch.rows, strict=True):
        p = said[0].sigmoid()
        expected = expected - (p.log() if row[0] else (1 - p).log())
        if row[0]:
            for apart in (said[1:5] - row[1:5]).abs():
                smooth = apart**2 / 0.1 if apart < 0.05 else apart - 0.025
                expected = expected + 5 * smooth
            expected = expected - said[5:].log_softmax(0)[row[5:].argmax()]
    assert model.loss(batch).mean.item() == pytest.approx(expected.item() / 3, rel=1e-5)


def test_nobody_asks_where_nothing_is() -> None:
    model = build(Localizer)
    batch = model.batch(pixels(1), BOXES[1:2], NUMBERS[1:2])
    model.loss(batch).mean.backward()
    slopes = model.output.bias.grad
    assert slopes[0] != 0
    assert not slopes[1:].any()


def test_windows_are_where_the_map_looks() -> None:
    model = build(SlidingWindow)
    windows, found = model.windows, model(pixels(2))
    assert found.shape == (2, len(windows), 4)
    assert len(windows) == (16 - 3) ** 2 + (8 - 3) ** 2  # 48 px are 4 and 2 windows wide
    sides = windows[:, 2:] - windows[:, :2]
    assert sides.unique().tolist() == [12, 24]
    assert windows.min() == 0
    assert windows.max() == 48
    assert windows[1].tolist() == [3, 0, 15, 12]  # row by row


def test_convolutions_are_the_classifier_of_each_window() -> None:
    model = build(SlidingWindow, sides=(24.0,))
    level = F.interpolate(pixels(1), (64, 64), mode="bilinear", antialias=True)
    features = model.backbone(level)[0]
    found = model(pixels(1))[0]
    first, last = model.hidden.weight.flatten(1), model.output.weight.flatten(1)
    place = 0
    for row in range(8 - CELLS + 1):
        for column in range(8 - CELLS + 1):
            window = features[:, row : row + CELLS, column : column + CELLS].flatten()
            hidden = (first @ window + model.hidden.bias).relu()
            torch.testing.assert_close(
                found[place], last @ hidden + model.output.bias, rtol=1e-4, atol=1e-5
            )
            place += 1
    assert place == len(found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4), max_size=3), st.data())
def test_windows_show_what_they_overlap(drawn: list[tuple[int, ...]], data: st.DataObject) -> None:
    windows = torch.tensor([[x, y, x + 12, y + 12] for x in (0, 6, 12) for y in (0, 6, 12)]).float()
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in drawn], float).reshape(-1, 4)
    labels = [data.draw(st.integers(0, 2)) for _ in drawn]
    found = window_classes(windows, torch.from_numpy(boxes).float(), labels)
    shares = overlaps(windows.numpy().astype(float), boxes)
    best = {int(share.argmax()) for share in shares.T if share.max() > 0}
    for number, (share, label) in enumerate(zip(shares, found.tolist(), strict=True)):
        highest = share.max(initial=0)
        if abs(highest - GOOD) < 1e-6 or abs(highest - BAD) < 1e-6:
            continue  # to the last digit
        if label > 0:
            own = [one for one, name in zip(share, labels, strict=True) if name + 1 == label]
            assert max(own) >= GOOD or number in best
        elif label == 0:
            assert highest < BAD
        else:
            assert BAD < highest < GOOD
        if highest >= GOOD:
            assert label > 0


def test_the_hardest_background_is_learned_from() -> None:
    model = build(SlidingWindow)
    batch = model.batch(pixels(3), BOXES, NUMBERS)
    classes, logits = batch.classes.flatten(), model(batch.pixels).flatten(0, 1)
    nats = [-logits[n].log_softmax(0)[max(0, int(c))].item() for n, c in enumerate(classes)]
    good = [one for one, label in zip(nats, classes, strict=True) if label > 0]
    others = sorted((one for one, label in zip(nats, classes, strict=True) if label == 0))
    assert good
    hard = others[-max(3 * len(good), 4 * 3) :]
    loss = model.loss(batch)
    assert loss.targets == len(good) + len(hard)
    assert loss.mean.item() == pytest.approx((sum(good) + sum(hard)) / loss.targets, rel=1e-4)
    nothing = model.batch(pixels(1), BOXES[1:2], NUMBERS[1:2])
    assert torch.isfinite(model.loss(nothing).mean)


@pytest.mark.parametrize("size", [(300, 700), (31, 17), (48, 48)])
def test_boxes_come_back_to_the_picture(size: tuple[int, int]) -> None:
    """To half a pixel, cut at the picture's edges; nothing in the bars beside it."""
    model = build(Localizer)
    height, width = size
    true = np.array([[0.1 * width, 0.2 * height, 0.7 * width, 0.9 * height]])
    inside = SMALL.placement(height, width).to_square(true)
    places = torch.tensor(np.concatenate([inside, [[-9, -9, 99, 99]]])).float()[None]
    beside = SMALL.placement(height, width).to_square([[-width, -height, -1e-3, -1e-3]])
    places = torch.cat([places, torch.tensor(beside).float()[None]], 1)
    model.candidates = lambda _: Candidates(
        places, torch.tensor([[0.9, 0.8, 0.7]]), torch.tensor([[0, 1, 2]])
    )
    (found,) = model.detect([np.zeros((height, width, 3), np.uint8)])
    assert (found.width, found.height) == (width, height)
    first, whole = found.boxes
    assert (first.label, whole.label) == LABELS[:2]
    assert np.abs(np.array(first.box) - true).max() < 0.5
    assert whole.box == (0, 0, width, height)


@pytest.mark.parametrize("kind", [Localizer, SlidingWindow])
def test_every_detector_keeps_its_promises(kind: type[Model], tmp_path: Path) -> None:
    model = build(kind, dropout=0.0)
    batch = model.batch(pixels(3), BOXES, NUMBERS)
    alone, together = model(batch.pixels[:1]), model(batch.pixels)
    torch.testing.assert_close(alone, together[:1], rtol=1e-4, atol=1e-5)
    model.save_pretrained(tmp_path)
    again: Any = kind.from_pretrained(tmp_path, "cpu")
    assert again.config == model.config
    assert again(batch.pixels).equal(together)
    drawn = list(scenes(0, 3, size=48))
    many = list(model.detect(drawn, threshold=0.0))
    one = next(model.detect(drawn[1:], threshold=0.0))
    assert [found.label for found in one.boxes] == [found.label for found in many[1].boxes]
    assert [found.score for found in one.boxes] == pytest.approx(
        [found.score for found in many[1].boxes], abs=1e-5
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    losses = []
    for _ in range(20):
        loss = model.loss(batch).mean
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("form", ["one-object", "sliding-window"])
def test_training_leaves_a_model(form: Any, tmp_path: Path) -> None:
    told: list[str] = []
    trained = train(
        "generated-scenes:20:48",
        output=tmp_path / "model",
        form=form,
        size=48,
        steps=2,
        batch_size=4,
        hidden_size=16,
        device="cpu",
        precision="float32",
        report=lambda event: told.append(str(event)),
    )
    assert trained.test is not None
    assert 0 <= trained.test.ap50 <= 1
    expected = "pictures have more" if form == "one-object" else "sides of the windows"
    assert any(expected in text for text in told)
    kind: type[Model] = Localizer if form == "one-object" else SlidingWindow
    model = kind.from_pretrained(tmp_path / "model", "cpu")
    again = evaluate(model, "generated-scenes:20:48", split="test")
    assert again.ap50 == pytest.approx(trained.test.ap50)
    with pytest.raises(UsageError, match="not"):
        (SlidingWindow if kind is Localizer else Localizer).from_pretrained(tmp_path / "model")


def test_pictures_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    lines = ["path,label,left,top,right,bottom"]
    for number in range(9):
        path = tmp_path / f"{number}.png"
        noise = np.random.default_rng(number).integers(0, 256, (50, 60, 3), np.uint8)
        image.fromarray(noise).save(path)
        lines.append(f"{path.name},cell,5,6,{20 + number},30")
    whole = (tmp_path / "4.png").read_bytes()
    (tmp_path / "4.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    told: list[str] = []
    options: dict[str, Any] = {"size": 48, "steps": 1, "batch_size": 4, "hidden_size": 8}
    train(
        tmp_path / "boxes.csv",
        output=tmp_path / "model",
        validation=tmp_path / "boxes.csv",
        test=0,
        device="cpu",
        report=lambda event: told.append(str(event)),
        **options,
    )
    for part in ("training", "validation"):
        assert any(part in text and "left out: 1" in text and "4.png" in text for text in told)


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="form"):
        train(form="two-object", output=tmp_path / "a")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no boxes"):
        train(images=tmp_path, output=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(UsageError, match="sides of windows"):
        WindowConfig(LABELS, (200.0,))
    with pytest.raises(UsageError, match="no labels"):
        Config(())


def test_windows_can_find_what_is_there() -> None:
    """Had they a perfect classifier: of each thing, a window of these sides overlaps enough."""
    windows = SlidingWindow(WindowConfig(("thing",), (18.0, 29.0))).windows.numpy().astype(float)
    for scene in scenes(3, 10):
        shares = overlaps(windows, np.array([thing.box for thing in scene.things]))
        assert shares.max(0).min() > 0.5
