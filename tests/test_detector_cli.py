"""`unrolled train-detector`, `detect`, and the detector's part of `evaluate`."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cli.detector import train_detector
from cli.main import main
from corpora.detections import read_detections
from corpora.scenes import draw, scenes
from nlp.core.checkpoint import WEIGHTS
from vision.detector import Detector, train
from vision.detector.evaluation import score_items

Image = pytest.importorskip("PIL.Image")
SAMPLE = "generated-scenes:24:64"
TINY: dict[str, Any] = {
    **{"size": 64, "features": 24, "steps": 12, "evaluate_every": 12, "warmup_steps": 2},
    **{"batch_size": 8, "learning_rate": 0.01, "mosaic": 0.0, "device": "cpu"},
}
OPTIONS = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", value)]
PICTURES = ["b.png", "a.png", "c.png"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    train(SAMPLE, output=folder / "d", **TINY)
    return folder / "d"


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    finished: Path,
) -> Run:
    """Run `unrolled` in this process, in a folder with a detector d and pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").symlink_to(finished)
    for name, scene in zip(sorted(PICTURES), scenes(seed=9, count=3, size=64), strict=True):
        Image.fromarray(draw(scene)).save(name)

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


def said(ran: Ran) -> str:
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out


def told_in_one_line(ran: Ran) -> str:
    assert ran.code == 2, ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


def defaults(function: Callable[..., object]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command, function = defaults(train_detector), defaults(train)
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # text on the command line
        command[name] = float(command[name])
    assert command == function


def test_command_and_function_train_the_same_model(run: Run, finished: Path) -> None:
    ran = run("train-detector", SAMPLE, "-o", "new", *OPTIONS)
    assert ran.code == 0, ran.err
    for told in ("pictures/s", "on the test split", "mAP@0.5", "unrolled detect new"):
        assert told in ran.out
    assert Path("new", WEIGHTS).read_bytes() == (finished / WEIGHTS).read_bytes()


def test_boxes_of_ones_own_and_a_line_of_json_per_event(run: Run) -> None:
    rows = ["path,label,left,top,right,bottom"]
    rows += [f"{name},thing,4,4,40,40" for name in PICTURES] + ["a.png,thing,70,4,90,40"]
    Path("own.csv").write_text("\n".join([*rows, ""]))
    few = (*OPTIONS, "--steps", 2, "--evaluate-every", 2, "--json")
    ran = run(
        "train-detector", "own.csv", ".", "-o", "new", *few, "--validation", "own.csv", "--test", 0
    )
    events = [json.loads(line) for line in said(ran).splitlines()]
    assert any("own.csv, line 5" in one.get("text", "") for one in events)  # the box outside
    assert any("3 pictures" in one.get("text", "") for one in events)
    assert (events[-1]["event"], events[-1]["step"]) == ("end", 2)
    assert Detector.from_pretrained("new", "cpu").config.labels == ("thing",)


def test_some_classes_by_their_names_where_the_data_has_numbers(run: Run) -> None:
    rows = [f"{name},{number},4,4,40,40" for name in PICTURES for number in range(3)]
    Path("own.csv").write_text("\n".join(["path,label,left,top,right,bottom", *rows, ""]))
    few = (*OPTIONS, "--steps", 2, "--evaluate-every", 2, "--json", "--test", 0)
    named = ("--validation", "own.csv", "--labels", "dog, cat")
    ran = run("train-detector", "own.csv", ".", "-o", "new", *few, *named)
    texts = [json.loads(line).get("text", "") for line in said(ran).splitlines()]
    assert any(text.startswith("boxes of the class 2, left out: 3") for text in texts)
    assert Detector.from_pretrained("new", "cpu").config.labels == ("dog", "cat")
    assert "dog" in Path("new", "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv"),
        ([SAMPLE, "--labels", "circle,circle"], "labels are circle, circle: expected"),
        ([SAMPLE, "--size", "100"], "multiple of 32"),
        ([SAMPLE, "--backbone", "large"], "large"),
        ([SAMPLE, "--mosaic", "2"], "mosaic is 2"),
        ([SAMPLE, "--weights", "missing.pth"], "resnet18 only"),
        ([SAMPLE, "--weights", "missing.pth", "--backbone", "resnet18"], "missing.pth"),
        (["-o", "new", "--resume"], "nothing to resume"),
    ],
)
def test_wrong_data_is_one_line_and_leaves_no_folder(
    arguments: list[str], message: str, run: Run, tmp_path: Path
) -> None:
    assert message in told_in_one_line(run("train-detector", "-o", "new", *arguments))
    assert not list(tmp_path.glob("new*"))


def test_what_is_found_is_a_row_each_in_the_order_of_the_pictures(run: Run) -> None:
    model = Detector.from_pretrained("d", "cpu")
    wanted = []
    for one in model.detect(PICTURES, threshold=0.0, most=4):
        for box in one.boxes:
            sides = [f"{side:.1f}" for side in box[2:]]
            wanted.append([str(one.image), box.label, f"{box.score:.3f}", *sides])
    assert len(wanted) == 12
    ran = run("detect", "d", *PICTURES, "--threshold", 0, "--most", 4)
    assert [line.split("\t") for line in said(ran).splitlines()] == wanted
    assert said(run("detect", "d", *PICTURES, "--threshold", 1)).splitlines() == PICTURES
    told = said(run("detect", "d", "a.png", "--threshold", 0, "--most", 4, "--json"))
    (record,) = map(json.loads, told.splitlines())
    assert (record["image"], record["width"], record["height"]) == ("a.png", 64, 64)
    assert [box["label"] for box in record["boxes"]] == [row[1] for row in wanted[4:8]]


def test_pictures_that_cannot_be_read_are_listed(run: Run) -> None:
    Path("bad.png").write_bytes(b"")
    ran = run("detect", "d", "a.png", "bad.png", "b.png", "--threshold", 1)
    assert (ran.code, ran.out.split()) == (2, ["a.png", "b.png"])
    first, second = ran.err.splitlines()
    assert first == "1 picture of 3 could not be read:"
    assert "bad.png is empty" in second
    ran = run("detect", "d", "a.png", "bad.png", "b.png", "--json")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert ["error" in record for record in records] == [False, True, False]


def test_boxes_are_drawn_and_the_pictures_stay_as_they_were(run: Run) -> None:
    before = {name: Path(name).read_bytes() for name in PICTURES}
    said(run("detect", "d", "a.png", "--draw", "one.png", "--threshold", 0))
    with Image.open("one.png") as drawn, Image.open("a.png") as plain:
        assert drawn.size == (320, 320)
        larger = np.asarray(plain.convert("RGB").resize(drawn.size))
        assert (np.asarray(drawn.convert("RGB")) != larger).any()
    Path("sub").mkdir()
    Path("sub/a.png").write_bytes(before["a.png"])
    said(run("detect", "d", *PICTURES, "sub/a.png", "--draw", "drawn"))
    names = sorted(path.name for path in Path("drawn").iterdir())
    assert names == ["a-2.png", "a.png", "b.png", "c.png"]
    assert before == {name: Path(name).read_bytes() for name in PICTURES}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "missing.png"),
        (["a.png", "--threshold", "2"], "threshold is 2"),
        (["a.png", "b.png", "--draw", "both.png"], "one file for 2 pictures"),
        (["a.png", "--draw", "a.svg"], "ends in .png, or a folder"),
        (["a.png", "--draw", "./a.png"], "a.png is one of the pictures"),
        (["b.png", "a.png", "--draw", "."], "is one of the pictures"),
        (["a.png", "--precision", "int8"], "int8"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], message: str, run: Run) -> None:
    assert message in told_in_one_line(run("detect", "d", *arguments))


def test_evaluate_is_the_librarys_and_shows_the_worst(run: Run) -> None:
    source = "generated-scenes:120:64"
    items = read_detections(source, split="test").items
    scores = score_items(Detector.from_pretrained("d", "cpu"), items)
    pages = ("--page", "worst.html", "--errors", 2)
    ran = run("evaluate", "d", source, "--split", "test", "--json", *pages)
    told = json.loads(said(ran))
    assert told["kind"] == "detector"
    assert told["pictures"] == len(items)
    assert told["mAP@0.5"] == pytest.approx(scores.ap50, abs=1e-6)
    assert set(told["classes"]) == set(scores.per_class)
    assert told["mistakes"]["missed"] > 0
    page = Path("worst.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == 2
    shown = said(run("evaluate", "d", source, "--split", "test", "--page", "worst.png"))
    assert "AP@0.5:0.95" in shown
    assert "missed" in shown
    with Image.open("worst.png") as sheet:
        assert sheet.size[0] > 300
    message = told_in_one_line(run("evaluate", "d", source, "--page", "worst.pdf"))
    assert "ends in .html or .png" in message
    assert "no --beam-size" in told_in_one_line(run("evaluate", "d", source, "--beam-size", 2))
