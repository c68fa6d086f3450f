"""`unrolled train-captioner`, `caption`, and the captioner's part of `evaluate`."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from cli.caption import caption as caption_command
from cli.captioner import train_captioner
from cli.main import main
from corpora.scenes import draw, scenes
from nlp.core.checkpoint import WEIGHTS
from nlp.core.strategies import Beam, Greedy, Sampling
from vision.captioner import Captioner, caption, train
from vision.captioner.evaluation import evaluate

Image = pytest.importorskip("PIL.Image")
SAMPLE = "generated-scenes:80:48"
TINY = {
    **{"size": 48, "features": 32, "hidden_size": 32, "embedding_size": 24},
    **{"context": 0, "concepts": 0},  # such rates are not for them
    **{"steps": 20, "evaluate_every": 20, "warmup_steps": 4, "learning_rate": 0.02},
    **{"dropout": 0.0, "input_dropout": 0.0, "output_dropout": 0.0, "batch_size": 32},
    **{"device": "cpu"},
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
    train(SAMPLE, output=folder / "c", **TINY)  # type: ignore[arg-type]
    return folder / "c"


@pytest.fixture(scope="module")
def model(finished: Path) -> Captioner:
    return Captioner.from_pretrained(finished, "cpu")


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    finished: Path,
) -> Run:
    """Run `unrolled` in this process, in a folder with a captioner c and pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c").symlink_to(finished)
    for name, scene in zip(sorted(PICTURES), scenes(seed=9, count=3, size=48), strict=True):
        Image.fromarray(draw(scene)).save(name)

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


def answered(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(ran).splitlines()]


def told_in_one_line(ran: Ran) -> str:
    """The error of a run that is to have failed politely."""
    assert ran.code == 2, ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


def defaults(function: Callable[..., object]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


# ── training ────────────────────────────────────────────────────────────────────────────────────


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command, function = defaults(train_captioner), defaults(train)
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # text on the command line
        command[name] = float(command[name])
    assert command == function


def test_command_and_function_train_the_same_model(run: Run, finished: Path) -> None:
    ran = run("train-captioner", SAMPLE, "-o", "new", *OPTIONS)
    assert ran.code == 0, ran.err
    for told in ("pieces/s", "on the test split", "CIDEr", "unrolled caption new"):
        assert told in ran.out
    assert Path("new", WEIGHTS).read_bytes() == (finished / WEIGHTS).read_bytes()


def test_pictures_of_ones_own_and_a_line_of_json_per_event(run: Run) -> None:
    rows = [f"{name},a thing of {name[0]}" for name in PICTURES]
    Path("own.csv").write_text("\n".join(["image,caption", *rows, ""]))
    few = (*OPTIONS, "--steps", 2, "--evaluate-every", 2, "--json")
    parts = ("--validation", "own.csv", "--test", "own.csv")
    ran = run("train-captioner", "own.csv", ".", "-o", "new", *few, *parts)
    events = answered(ran)
    assert "3 pictures" in events[0]["text"]
    end = events[-1]
    assert (end["event"], end["step"]) == ("end", 2)
    assert end["results"]["captions"] == 3
    assert end["results"]["cider"] >= 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv"),
        ([SAMPLE, "--attention", "full"], "attention is 'full'"),
        ([SAMPLE, "--backbone", "large"], "large"),
        ([SAMPLE, "--resize", "cut"], "cut"),
        ([SAMPLE, "--weights", "missing.pth"], "missing.pth"),
        ([SAMPLE, "--average", "0"], "average is 0"),
        (["-o", "new", "--resume"], "nothing to resume"),
    ],
)
def test_wrong_data_is_one_line_and_leaves_no_folder(
    arguments: list[str], message: str, run: Run, tmp_path: Path
) -> None:
    assert message in told_in_one_line(run("train-captioner", "-o", "new", *arguments))
    assert not list(tmp_path.glob("new*"))


# ── captioning ──────────────────────────────────────────────────────────────────────────────────


def lines_of(model: Captioner, names: list[str], **options: Any) -> list[str]:
    return [f"{found.image}\t{found.text}" for found in caption(model, names, **options)]


def test_files_folders_and_globs_are_captioned_in_order(run: Run, model: Captioner) -> None:
    wanted = lines_of(model, PICTURES)
    assert len(set(wanted)) == 3
    assert said(run("caption", "c", *PICTURES)).splitlines() == wanted
    assert said(run("caption", "c", *PICTURES, "--batch-size", 1)).splitlines() == wanted
    (folder := Path("some folder")).mkdir()
    for name in PICTURES:
        Path(name).rename(folder / name)
    wanted = lines_of(model, [f"{folder}/{name}" for name in sorted(PICTURES)])
    assert said(run("caption", "c", folder)).splitlines() == wanted
    assert said(run("caption", "c", f"{folder}/[ab].png")).splitlines() == wanted[:2]
    ran = run("caption", "c", folder / "c.png", folder / "a.png")
    assert said(ran).splitlines() == [wanted[2], wanted[0]]


def test_json_tells_words_and_where_they_looked(run: Run, model: Captioner) -> None:
    first, *others = answered(run("caption", "c", *PICTURES, "--json", "--weights"))
    (found,) = caption(model, ["b.png"])
    assert [first["image"], *(other["image"] for other in others)] == PICTURES
    assert first["caption"] == found.text
    assert first["log_probability"] == pytest.approx(found.log_probability, abs=1e-4)
    for word, chance, (start, end) in zip(
        first["words"], found.word_probabilities, found.words, strict=True
    ):
        assert word["text"] == found.text[start:end]
        assert (word["start"], word["end"]) == (start, end)
        assert word["probability"] == pytest.approx(chance, abs=1e-4)
    assert found.attention is not None
    np.testing.assert_allclose(first["attention"], found.attention, atol=1e-4)
    (short,) = answered(run("caption", "c", "b.png", "--json"))
    assert "attention" not in short
    assert "others" not in short


def test_the_n_best_have_their_scores(run: Run, model: Captioner) -> None:
    (found,) = caption(model, ["a.png"], strategy=Beam(5), n_best=5)
    rows = [
        line.split("\t") for line in said(run("caption", "c", "a.png", "--n-best", 5)).splitlines()
    ]
    assert [row[0] for row in rows] == ["a.png"] * 5
    assert [row[2] for row in rows] == [found.text, *(one.text for one in found.others)]
    assert float(rows[0][1]) == pytest.approx(found.score, abs=1e-3)
    (record,) = answered(run("caption", "c", "a.png", "--n-best", 5, "--json"))
    assert [other["caption"] for other in record["others"]] == [row[2] for row in rows[1:]]


def test_the_choice_is_the_librarys(run: Run, model: Captioner) -> None:
    plain = next(caption(model, ["a.png"])).text
    word = plain.split()[1]
    asked: dict[tuple[object, ...], dict[str, Any]] = {
        ("--greedy",): {"strategy": Greedy()},
        ("--beam-size", 2, "--length-penalty", 0): {"strategy": Beam(2, 0.0)},
        ("--temperature", 1.5, "--seed", 3): {"strategy": Sampling(1.5), "seed": 3},
        ("--top-k", 4): {"strategy": Sampling(top_k=4)},
        ("--top-p", 0.8): {"strategy": Sampling(top_p=0.8)},
        ("--max-length", 3): {"max_length": 3},
        ("--no-repeat", 1): {"no_repeat": 1},
        ("--prefix", "a large"): {"prefix": "a large"},
        ("--forbid", word): {"forbidden": [word]},
    }
    for options, arguments in asked.items():
        ran = run("caption", "c", "a.png", *options)
        assert (ran.code, ran.out) == (0, f"{lines_of(model, ['a.png'], **arguments)[0]}\n"), (
            options
        )
    assert word not in said(run("caption", "c", "a.png", "--forbid", word)).split()


def test_a_thousand_pictures_and_three_that_are_none(run: Run) -> None:
    folder = Path("many")
    folder.mkdir()
    whole = [Path(name).read_bytes() for name in PICTURES]
    for number in range(1000):
        (folder / f"{number:04}.png").write_bytes(whole[number % 3])
    bad = {"0005.png": b"", "0500.png": b"no picture", "0999.png": whole[0][:120]}
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    fast = ("--greedy", "--max-length", 2, "--batch-size", 250)
    ran = run("caption", "c", folder, *fast)
    assert ran.code == 2
    names = [line.split("\t")[0] for line in ran.out.splitlines()]
    wanted = [f"many/{number:04}.png" for number in range(1000)]
    assert names == [name for name in wanted if Path(name).name not in bad]
    first, *listed = ran.err.splitlines()
    assert first == "3 pictures of 1,000 could not be read:"
    assert [re.findall(r"\d{4}\.png", line)[0] for line in listed] == sorted(bad)


def test_json_has_pictures_that_cannot_be_read_in_their_place(run: Run) -> None:
    Path("bad.png").write_bytes(b"")
    ran = run("caption", "c", "a.png", "bad.png", "b.png", "bad.png", "--json")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert [record["image"] for record in records] == ["a.png", "bad.png", "b.png", "bad.png"]
    assert ["error" in record for record in records] == [False, True, False, True]
    assert "bad.png" in records[1]["error"]
    ran = run("caption", "c", "bad.png", "--attention", "a.html")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("1 picture of 1 could not be read:\n")
    assert not Path("a.html").exists()


def test_names_that_no_terminal_shows(run: Run) -> None:
    names = ["a\tb\n.png", "c\x1b[2J.png"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff.png"))
    for name in names:
        os.link("a.png", name)
    lines = said(run("caption", "c", *names)).splitlines()
    assert [line.split("\t")[0] for line in lines] == ["a⇥b⏎.png", "c␛[2J.png", "\\xff.png"][
        : len(names)
    ]
    told = answered(run("caption", "c", *names, "--json"))
    assert [record["image"] for record in told] == [*names[:2], "\\xff.png"][: len(names)]


def test_attention_is_drawn(run: Run, model: Captioner) -> None:
    lines = "".join(f"{line}\n" for line in lines_of(model, PICTURES))
    assert said(run("caption", "c", *PICTURES, "--attention", "a.png.png")) == lines
    with Image.open("a.png.png") as sheet:
        assert sheet.size[1] > 3 * 192
    assert said(run("caption", "c", *PICTURES, "--attention", "page.HTML")) == lines
    page = Path("page.HTML").read_text(encoding="utf-8")
    assert re.findall(r'class="name" dir="auto">([^<]*)<', page) == PICTURES
    assert page.count('src="data:image/') == 3


def test_a_wide_picture_is_seen_where_it_was_cut(run: Run) -> None:
    Image.fromarray(np.zeros((48, 96, 3), np.uint8)).save("wide.png")
    said(run("caption", "c", "wide.png", "--attention", "a.html"))
    style = "left:25.000%;top:0.000%;width:50.000%;height:100.000%"
    assert f'<div class="seen" style="{style}">' in Path("a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "missing.png"),
        (["a.png", "--greedy", "--beam-size", "2"], "leave out --beam-size"),
        (["a.png", "--n-best", "3", "--beam-size", "2"], "--n-best 3 takes a beam as wide"),
        (["a.png", "--weights"], "add --json"),
        (["a.png", "--forbid", ""], "--forbid is empty"),
        (["a.png", "--seed", "3"], "nothing is drawn"),
        (["a.png", "--attention", "a.svg"], "ends in .png or .html"),
        (["a.png"] * 51 + ["--attention", "d.png"], "51 pictures are too many for one PNG"),
        (["a.png", "--attention", "./a.png"], "a.png is one of the pictures"),
        (["a.png", "--precision", "int8"], "int8"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], message: str, run: Run) -> None:
    assert message in told_in_one_line(run("caption", "c", *arguments))


def test_a_captioner_without_attention_draws_nothing(
    run: Run, model: Captioner, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    plain = Captioner(replace(model.config, attention="none"), model.texts)
    plain.save_pretrained(tmp_path / "plain")
    assert "\t" in said(run("caption", "plain", "a.png"))
    for option in (["--attention", "a.html"], ["--json", "--weights"]):
        ran = run("caption", "plain", "a.png", *option)
        assert "was trained without attention: leave out" in told_in_one_line(ran)


def test_defaults_are_the_librarys() -> None:
    command, library = defaults(caption_command), defaults(caption)
    names = ("n_best", "max_length", "batch_size", "no_repeat", "prefix", "seed", "threads")
    for name in (*names, "precision"):
        assert command[name] == library[name]
    assert library["strategy"] == Beam(3)
    assert command["length_penalty"] == Beam().length_penalty


# ── evaluating ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own_captions(run: Run) -> str:
    rows = [f"{name},a thing of {name[0]}" for name in PICTURES]
    Path("photos").mkdir()
    for name in PICTURES:
        Path(name).rename(f"photos/{name}")
    Path("own.csv").write_text("\n".join(["picture,said", *rows, ""]))
    return "own.csv"


COLUMNS = ("--image-column", "picture", "--caption-column", "said")


def test_scores_are_the_librarys(run: Run, model: Captioner, own_captions: str) -> None:
    (told,) = answered(run("evaluate", "c", own_captions, "photos", *COLUMNS, "--json"))
    columns = {"image_column": "picture", "caption_column": "said"}
    found = evaluate(model, own_captions, "photos", **columns)
    assert told["kind"] == "captioner"
    assert told["bleu"] == pytest.approx(list(found.bleu), abs=1e-9)
    assert (told["captions"], told["cider"]) == (3, pytest.approx(found.cider, abs=1e-9))
    shown = said(run("evaluate", "c", own_captions, "photos", *COLUMNS, "--bootstrap", 20))
    for name in ("BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "95 % of samples", "worst by", "a.png"):
        assert name in shown


def test_a_part_of_the_scenes(run: Run) -> None:
    (told,) = answered(run("evaluate", "c", "generated-scenes:40:48", "--split", "test", "--json"))
    assert told["captions"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv"),
        ([SAMPLE, "a", "b"], "3 sources"),
        ([SAMPLE, "--against", "other"], "takes no --against"),
        ([SAMPLE, "--plot", "a.png"], "--plot is for confidences"),
        ([SAMPLE, "--split", "fold"], "fold"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(arguments: list[str], message: str, run: Run) -> None:
    assert message in told_in_one_line(run("evaluate", "c", *arguments))
