"""What surrounds every training: arguments, refusals, and a folder that is never left half done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corpora.errors import UsageError
from nlp.core.checkpoint import CARD, WEIGHTS
from nlp.core.curves import PICTURE
from nlp.core.events import Event, Remark
from nlp.core.run import Run, check_training, config_of
from nlp.core.training_state import FOLDER, STATE


def train(
    data: str | None = None,
    *,
    output: str | Path = "model",
    layers: int = 1,
    device: str = "cpu",
    work: Callable[[Run], Any] = lambda run: None,  # not kept: it is no argument of a real `train`
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> Run:
    given = dict(locals())
    del given["work"]
    run = Run.of(stands_for, given)
    if not run.resumed:
        if layers < 1:
            raise UsageError("layers")
        run.arguments["data"] = data or "sample"
    with run.started():
        work(run)
    return run


def stands_for(
    data: str | None = None,
    *,
    output: str = "model",
    layers: int = 1,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
    report: Any = None,
) -> None:
    """The signature of `train` alone."""


def save(run: Run) -> None:
    (run.path / WEIGHTS).write_text("weights")
    (run.path / FOLDER / STATE).write_text("state")


def fail(run: Run) -> None:
    raise KeyboardInterrupt


def stored(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / FOLDER / "run.json").read_text()))


def test_the_arguments_are_kept_with_what_was_filled_in(tmp_path: Path) -> None:
    output = tmp_path / "model"
    run = train(output=output, layers=2, work=save)
    kept = {"data": "sample", "output": str(output), "layers": 2, "device": "cpu"}
    assert stored(output) == kept
    assert not run.resumed
    assert not run.goes_on
    again = train(output=output, resume=True)
    assert again.arguments == kept
    assert again.resumed
    assert again.goes_on
    assert run.pick(["data", "layers"]) == {"data": "sample", "layers": 2}


def test_what_is_refused_leaves_the_folder_alone(tmp_path: Path) -> None:
    output = tmp_path / "model"
    with pytest.raises(UsageError, match="layers"):
        train(output=output, layers=0)
    with pytest.raises(UsageError, match="nothing to resume"):
        train(output=output, resume=True)
    assert not output.exists()
    train(output=output, work=save)
    for wrong, told in (
        ({}, "not empty"),
        ({"resume": True, "overwrite": True}, "contradict each other"),
        ({"resume": True, "layers": 3}, "layers is 3 here and 1 in the run"),
        ({"overwrite": True, "layers": 0}, "layers"),
    ):
        with pytest.raises(UsageError, match=told):
            train(output=output, **wrong)  # type: ignore[arg-type]
    assert (output / WEIGHTS).read_text() == "weights"
    assert not output.with_name("model.previous").exists()


def test_a_run_that_fails_early_puts_back_what_was_there(tmp_path: Path) -> None:
    output = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        train(output=output, work=fail)
    assert not output.exists()
    train(output=output, work=save)
    with pytest.raises(KeyboardInterrupt):
        train(output=output, layers=5, overwrite=True, work=fail)
    assert stored(output)["layers"] == 1
    with pytest.raises(KeyboardInterrupt):  # resumed, or with weights, it stays
        train(output=output, resume=True, work=fail)
    assert (output / WEIGHTS).exists()


def test_a_run_that_was_killed_at_once_begins_again(tmp_path: Path) -> None:
    train(output=tmp_path)
    again = train(output=tmp_path, resume=True)
    assert again.resumed
    assert not again.goes_on


def test_a_run_tells(tmp_path: Path) -> None:
    heard: list[Event] = []
    run = train(output=tmp_path, report=heard.append)
    run.tell("one", "two")
    model = nn.Linear(999, 1)
    run.place(model, "a line")
    told = ["one", "two", "a line of 1,000 parameters, on cpu"]
    assert heard == [Remark(text) for text in told]
    assert model.weight.device == torch.device("cpu")


@pytest.mark.parametrize("plot", [False, True])
def test_what_is_left_at_the_end(plot: bool, tmp_path: Path) -> None:
    run = train(output=tmp_path / "model", layers=2, work=save)
    run.arguments["plot"] = plot
    run.finish(title="Model", about="It ran.", columns=("F1",), results={"this model": (0.5,)})
    card = (run.path / CARD).read_text()
    assert card.startswith("# Model\n\nIt ran.\n")
    assert "| this model |0.500|" in card
    assert "| layers | 2 |" in card
    assert (run.path / PICTURE).is_file() == plot


def test_a_run_without_resume(tmp_path: Path) -> None:
    """As of word vectors, which go on from a finished folder instead."""
    given = {"output": tmp_path, "overwrite": False, "report": print}
    with Run.of(stands_for, given).started():
        pass
    with pytest.raises(UsageError) as told, Run.of(stands_for, given).started():
        pass
    assert "--resume" not in str(told.value)


@dataclass(frozen=True)
class Config:
    words: int
    layers: int = 1


def test_a_configuration_is_made_of_arguments_and_of_what_the_data_tells() -> None:
    arguments = {"layers": 3, "words": 7, "epochs": 2}
    assert config_of(Config, arguments, words=5) == Config(words=5, layers=3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"device": "abacus"}, "abacus"),
        ({"optimizer": "hope"}, "optimizer 'hope' is unknown"),
    ],
)
def test_what_no_training_can_use(change: dict[str, Any], told: str) -> None:
    usual = {
        **{"epochs": 1, "steps": None, "minutes": None, "batch_size": 2, "learning_rate": 0.1},
        **{"optimizer": "adamw", "schedule": "cosine", "warmup_steps": 0, "weight_decay": 0.0},
        **{"clip_norm": 1.0, "accumulate": 1, "evaluate_every": None, "patience": None},
        **{"seed": 0, "device": "cpu", "precision": "auto", "plot": False},
    }
    check_training(usual)
    with pytest.raises(UsageError, match=told):
        check_training({**usual, **change})
