"""`unrolled train-faces` and `faces ...`, with a tiny encoder."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cli.main import main
from cli.train_faces import train_faces
from corpora.errors import UsageError
from corpora.face_pairs import read_face_pairs
from vision.gallery import Gallery
from vision.images import Refused
from vision.picture_reading import read

Image = pytest.importorskip("PIL.Image")
PEOPLE = {
    "Ada": (220, 40, 40),
    "Grace": (40, 200, 60),
    "Mary": (60, 60, 230),
    "Emmy": (230, 220, 0),
}


class Colours:
    """An encoder that knows people by the colour of their pictures."""

    fingerprint, embedding_size = "colours", 3

    def encode(
        self, images: Iterable[Any], *, refused: Callable[[Refused], None] | None = None
    ) -> np.ndarray:
        rows = [np.zeros((0, 3), np.float32)]
        for image in images:
            try:
                row = read(image).reshape(-1, 3).mean(0) - 100
            except UsageError as error:
                if refused is None:
                    raise
                refused(Refused(image, str(error)))
            else:
                rows.append((row / np.linalg.norm(row))[None].astype(np.float32))
        return np.concatenate(rows)


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run `unrolled` in this process, in a folder with photos/NAME/N.png."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cli.faces.encoder_of", lambda model, device: Colours())
    draw = np.random.default_rng(0)
    for name, colour in PEOPLE.items():
        (folder := tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            own = np.array(colour) + draw.integers(-18, 19, size=3)
            pixels = np.clip(own + draw.integers(-9, 10, size=(8, 8, 1)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


def said(ran: Ran) -> str:
    """The output of a run that has gone well and said nothing else."""
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out


def told_in_one_line(ran: Ran) -> str:
    """The error of a run that is to have failed politely."""
    assert ran.code == 2, ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    from vision.faces import train

    command, function = (
        {name: p.default for name, p in inspect.signature(one).parameters.items()}
        for one in (train_faces, train)
    )
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # text on the command line
        command[name] = float(command[name])
    assert command == function


def test_one_picture_makes_a_person_known(run: Run) -> None:
    for name in ("Ada", "Grace"):
        out = said(run("faces", "add", "m", "g", f"photos/{name}/0.png", "--name", name))
        assert "pictures added" in out
    pictures = [f"photos/{name}/3.png" for name in ("Grace", "Mary", "Ada")]
    lines = said(run("faces", "recognize", "m", "g", *pictures, "--threshold", 0.5)).splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        [pictures[0], "Grace"],
        [pictures[1], "not recognized"],
        [pictures[2], "Ada"],
    ]
    ran = run("faces", "recognize", "m", "g", *pictures, "--threshold", 0.5, "--top", 2, "--json")
    records = [json.loads(line) for line in said(ran).splitlines()]
    assert [record["name"] for record in records] == ["Grace", None, "Ada"]
    assert [one["name"] for one in records[0]["nearest"]] == ["Grace", "Ada"]
    assert records[0]["distance"] == records[0]["nearest"][0]["distance"]
    listed = json.loads(said(run("faces", "list", "g", "--json")))
    assert listed["people"] == [{"name": name, "pictures": 1} for name in ("Ada", "Grace")]
    assert "no threshold" in told_in_one_line(run("faces", "recognize", "m", "g", pictures[0]))


def test_many_people_are_added_at_once_and_some_forgotten(run: Run) -> None:
    told = json.loads(said(run("faces", "add", "m", "g", "--people", "photos", "--json")))
    assert told == {
        "pictures_added": 16,
        "pictures_already_there": 0,
        "people_added": 4,
        "people_known": 4,
    }
    again = json.loads(said(run("faces", "add", "m", "g", "--people", "photos", "--json")))
    assert (again["pictures_added"], again["pictures_already_there"]) == (0, 16)
    before = Path("g").read_bytes()
    message = told_in_one_line(run("faces", "remove", "g", "Ada", "Mry"))
    assert "similar names are Mary" in message
    assert Path("g").read_bytes() == before
    assert "Ada: 4 pictures forgotten" in said(run("faces", "remove", "g", "Ada", "Mary"))
    assert sorted(Gallery.load("g").names) == ["Emmy", "Grace"]
    assert "Emmy" in run("faces", "list", "g").out


def test_a_gallery_that_another_program_makes_meanwhile_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(model: str, device: str) -> Colours:
        Path("g").write_bytes(b"another's")
        return Colours()

    monkeypatch.setattr("cli.faces.encoder_of", slow)
    ran = run("faces", "add", "m", "g", "photos/Ada/0.png", "--name", "Ada")
    assert "made by another program meanwhile" in told_in_one_line(ran)
    assert Path("g").read_bytes() == b"another's"


def test_pictures_that_cannot_be_read_lose_nothing(run: Run) -> None:
    Path("bad.png").write_bytes(b"no picture")
    ran = run("faces", "add", "m", "g", "bad.png", "--name", "Eve")
    assert (ran.code, Path("g").exists()) == (2, False)
    ran = run("faces", "add", "m", "g", "photos/Ada/0.png", "bad.png", "--name", "Ada")
    assert ran.code == 2
    assert ran.err.splitlines()[0] == "1 picture of 2 could not be read:"
    assert Gallery.load("g").pictures == {"Ada": 1}
    before = Path("g").read_bytes()
    assert run("faces", "add", "m", "g", "bad.png", "--name", "Eve").code == 2
    assert Path("g").read_bytes() == before
    pictures = ["bad.png", "photos/Ada/1.png", "bad.png"]
    ran = run("faces", "recognize", "m", "g", *pictures, "--threshold", 1, "--json")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 2
    assert [record["image"] for record in records] == pictures
    assert ["error" in record for record in records] == [True, False, True]


def test_two_pictures_are_verified(run: Run) -> None:
    a, b, other = "photos/Ada/0.png", "photos/Ada/1.png", "photos/Mary/0.png"
    assert said(run("faces", "verify", "m", a, b, "--threshold", 0.5)).startswith("the same person")
    out = said(run("faces", "verify", "m", a, other, "--threshold", 0.5))
    assert out.startswith("different people: distance ")
    assert "no threshold" in said(run("faces", "verify", "m", a, b))
    told = json.loads(said(run("faces", "verify", "m", a, b, "--json")))
    assert (told["same"], told["threshold"]) == (None, None)
    assert "bad.png" in told_in_one_line(run("faces", "verify", "m", a, "bad.png"))
    assert "0 to 2" in told_in_one_line(run("faces", "verify", "m", a, b, "--threshold", 7))


def test_a_calibrated_gallery_has_its_own_threshold(run: Run) -> None:
    said(run("faces", "add", "m", "g", "photos/Ada/0.png", "--name", "Ada"))
    ran = run("faces", "calibrate", "m", "photos", "--gallery", "g", "--far", 0.1, "--json")
    told = json.loads(ran.out)
    assert (told["same_pairs"], told["different_pairs"], told["people"]) == (24, 96, 4)
    assert told["far"][0] <= 0.1
    assert told["auc"][0] == 1
    assert any("4 people are few" in remark for remark in told["remarks"])
    listed = json.loads(said(run("faces", "list", "g", "--json")))
    assert listed["threshold"] == told["threshold"]
    assert listed["calibration"]["tar"] == told["tar"]
    picture = "photos/Ada/2.png"
    assert said(run("faces", "recognize", "m", "g", picture)).split("\t")[1] == "Ada"
    ran = run("faces", "verify", "m", picture, "photos/Mary/0.png", "--gallery", "g")
    assert "different people" in said(ran)
    shown = run("faces", "calibrate", "m", "photos", "--far", 0.001)
    assert shown.code == 0
    assert "true-accept rate at FAR 0.01" in shown.out
    assert "1/96" in shown.err


def test_calibration_on_ones_own_pairs(run: Run) -> None:
    rows = ["first,second,same"]
    for name in PEOPLE:
        rows += [f"photos/{name}/0.png,photos/{name}/{number}.png,1" for number in (1, 2)]
        rows += [
            f"photos/{name}/0.png,photos/{other}/3.png,no" for other in PEOPLE if other != name
        ]
    Path("pairs.csv").write_text("\n".join([*rows, "photos/Ada/0.png,lost.png,0", ""]))
    drawn = ("--plot", "roc.png", "--worst", "worst.png")
    ran = run("faces", "calibrate", "m", "--pairs", "pairs.csv", "--far", 0.2, "--json", *drawn)
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["same_pairs"], told["different_pairs"], told["people"]) == (8, 12, None)
    assert any("lost.png" in remark for remark in told["remarks"])
    for name in ("roc.png", "worst.png"):
        with Image.open(name) as sheet:
            assert min(sheet.size) > 200


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["first,second,same", "a.png,b.png,maybe"], "pairs.csv, line 2: same is 'maybe'"),
        (["first,second,same", ",b.png,1"], "line 2: '', and a picture's name"),
        (["first,other,same", "a.png,b.png,1"], "no column such as second"),
        (["first,second,same", "a.png,b.png,1"], "none of its 2 pictures"),
        (["first,second,same"], "there is no pair"),
    ],
)
def test_pairs_that_cannot_be_read_are_told(lines: list[str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([*lines, ""]))
    with pytest.raises(UsageError, match=message):
        read_face_pairs(path)


@pytest.mark.parametrize("name", ["map.png", "map.html"])
def test_a_map_is_drawn(name: str, run: Run) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("bokeh" if name.endswith("html") else "matplotlib")
    said(run("faces", "add", "m", "g", "--people", "photos"))
    assert "16" in said(run("faces", "map", "g", "-o", name, "--method", "pca"))
    if name.endswith("png"):
        with Image.open(name) as picture:
            assert min(picture.size) > 500
    else:
        page = Path(name).read_text(encoding="utf-8")
        assert all(person in page for person in PEOPLE)
        assert "<script src=" not in page  # it needs no network


def test_a_gallery_that_was_changed_is_refused(run: Run) -> None:
    said(run("faces", "add", "m", "g", "photos/Ada/0.png", "--name", "Ada"))
    whole = Path("g").read_bytes()
    Path("g").write_bytes(whole.replace(b"Ada", b"Eve"))
    for command in (
        ["recognize", "m", "g", "photos", "--threshold", 1],
        ["add", "m", "g", "photos/Ada/1.png", "--name", "Ada"],
        ["list", "g"],
        ["remove", "g", "Eve"],
    ):
        assert "changed by hand" in told_in_one_line(run("faces", *command))
    assert Path("g").read_bytes() == whole.replace(b"Ada", b"Eve")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "m", "g", "photos/Ada/0.png"], "expected pictures and --name"),
        (["add", "m", "g", "--name", "Ada"], "expected pictures and --name"),
        (["add", "m", "g", "--people", "photos", "--name", "Ada"], "leave out --name"),
        (["add", "m", "g", "lost.png", "--name", "Ada"], "lost.png"),
        (["add", "m", "photos", "photos/Ada/0.png", "--name", "Ada"], "photos is a folder"),
        (["add", "m", "g", "photos/Ada/0.png", "--name", " "], "is no name"),
        (["recognize", "m", "g", "photos"], "there is no gallery g"),
        (["list", "photos/Ada/0.png"], "is no gallery"),
        (["calibrate", "m"], "expected a folder with a folder for each person"),
        (["calibrate", "m", "photos", "--far", "1"], "--far is 1"),
        (["calibrate", "m", "photos", "--plot", "roc.svg"], "ends in .png"),
        (["calibrate", "m", "photos", "--pairs", "pairs.csv"], "leave out the identities"),
        (["map", "photos/Ada/0.png"], "is no gallery"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], message: str, run: Run) -> None:
    assert message in told_in_one_line(run("faces", *arguments))
    assert not Path("g").exists()


def test_that_pictures_should_have_been_aligned_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cli.faces import encoder_of
    from vision.faces import Config, FaceEncoder

    for align in (False, True):
        FaceEncoder(Config(people=3, cells=2, align=align)).save_pretrained(tmp_path / "f")
        encoder_of(str(tmp_path / "f"), "cpu")
        assert ("turned by their landmarks" in capsys.readouterr().err) == align


def test_evaluate_is_the_librarys(run: Run) -> None:
    import torch

    from vision.faces import Config, FaceEncoder, evaluate
    from vision.images import Preparation

    torch.manual_seed(0)
    FaceEncoder(Config(people=3, preparation=Preparation(32), cells=2)).save_pretrained("f")
    wanted = evaluate("f", "photos")
    told = json.loads(said(run("evaluate", "f", "photos", "--json", "--device", "cpu")))
    assert (told["kind"], told["people"], told["pictures"]) == ("faces", 4, 16)
    assert told["auc"] == pytest.approx(wanted.auc, abs=1e-6)
    assert told["rank1_draws"] == pytest.approx(wanted.rank1_draws)
    shown = said(run("evaluate", "f", "photos", "--device", "cpu"))
    assert "ROC-AUC" in shown
    assert "24 of one person, 96 of two" in shown
