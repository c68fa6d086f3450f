"""Questions about pictures: trained, asked and judged, from Python and from the command line."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.main import main
from cli.question_answering import train_vqa
from corpora.scenes import draw, scenes
from vision.question_answering import Answerer, evaluate, train
from vision.question_answering.answers import accuracy, classes_of, normalized

Image = pytest.importorskip("PIL.Image")
SAMPLE = "generated-scenes:60:48"
TINY: dict[str, Any] = {
    **{"size": 48, "features": 24, "hidden_size": 16, "word_size": 16, "steps": 12},
    **{"batch_size": 32, "warmup_steps": 4, "device": "cpu"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("vqa")
    train(SAMPLE, output=place / "v", **TINY)
    for number, scene in enumerate(scenes(seed=3, count=2, size=48)):
        Image.fromarray(draw(scene)).save(place / f"{number}.png")
    return place


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command, function = (
        {name: p.default for name, p in inspect.signature(one).parameters.items()}
        for one in (train_vqa, train)
    )
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # a list of texts on the command line
        command[name] = float(command[name][0])
    assert command == function


def test_an_answer_is_a_class_with_its_probability_and_where_it_looked(folder: Path) -> None:
    model = Answerer.from_pretrained(folder / "v", "cpu")
    asked = ["how many things are there?", "is there a red ring?"]
    found = list(model.answer([folder / "0.png"] * 2, asked))
    assert [one.question for one in found] == asked
    for one in found:
        assert one.answer in model.config.answers
        assert 0 < one.probability <= 1
        np.testing.assert_allclose(np.sum(one.attention, axis=(-2, -1)), 1, atol=1e-4)
    alone = list(model.answer([folder / "0.png"], asked[1:]))
    assert alone[0].probability == pytest.approx(found[1].probability, abs=1e-5)


def test_scores_are_of_all_questions(folder: Path) -> None:
    found = evaluate(folder / "v", SAMPLE, split="test")
    assert found.questions > 0
    assert found.range[0] <= found.accuracy <= found.range[1]


def test_the_command_asks_and_evaluates(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    code, out, _ = run(capsys, "ask", "v", "1.png", "how many things are there?", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["answer"] in Answerer.from_pretrained(folder / "v", "cpu").config.answers
    code, out, _ = run(capsys, "evaluate", "v", SAMPLE, "--json")
    assert (code, json.loads(out)["kind"]) == (0, "vqa")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.png", "what?"), "missing.png"),
        (("0.png", ""), "question is empty"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["unrolled"])
    code, _, err = run(capsys, "ask", "v", *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_the_consensus_of_people_is_counted_as_vqa_does() -> None:
    given = ["yes"] * 2 + ["no"] * 8
    # The mean over leaving out each of the ten: min(1, those that agree / 3).
    assert accuracy("yes", given) == pytest.approx((2 * (1 / 3) + 8 * (2 / 3)) / 10)
    assert accuracy("no", given) == 1
    assert accuracy("maybe", given) == 0


def test_answers_are_normalized_and_the_commonest_are_classes() -> None:
    assert normalized(" The  Two. ") == normalized("2")
    assert classes_of([["yes"], ["no"], ["yes"], ["a cat"]], 2)[0] == "yes"
