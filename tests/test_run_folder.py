"""Where a run leaves its model, and what was there before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpora.errors import UsageError
from nlp.core.checkpoint import CONFIG, WEIGHTS
from nlp.core.run_folder import RunFolder, plain
from nlp.core.training_state import FOLDER, STATE


def train(
    corpus: Any = None,
    *,
    output: str = "model",
    layers: int = 1,
    rate: float = 0.5,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Stands for a model's `train`."""


def given(**changed: Any) -> dict[str, Any]:
    return {"corpus": None, "output": "model", "layers": 1, "rate": 0.5, **changed}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A finished model."""
    path = tmp_path / "model"
    RunFolder(path).create(given(layers=2), overwrite=False)
    (path / WEIGHTS).write_text("weights")
    (path / CONFIG).write_text("{}")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_writes_down_its_arguments(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "new" / "model")
    folder.create(given(corpus=[Path("a.txt"), "b.txt"], layers=2), overwrite=False)
    assert json.loads((folder.path / "training/run.json").read_text())["corpus"] == [
        "a.txt",
        "b.txt",
    ]
    resumed = RunFolder(folder.path).arguments(train, given())
    assert (resumed["layers"], resumed["rate"]) == (2, 0.5)
    assert resumed["output"] == str(folder.path)


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    RunFolder(tmp_path).create(given(), overwrite=False)
    assert (tmp_path / "training/run.json").is_file()


def test_a_model_is_not_replaced_unasked(model: Path) -> None:
    (model / FOLDER / STATE).write_text("state")
    before = contents(model)
    with pytest.raises(UsageError, match="--resume goes on with its run, --overwrite replaces it"):
        RunFolder(model).create(given(), overwrite=False)
    assert contents(model) == before


def test_overwriting_keeps_the_one_before(model: Path) -> None:
    before = contents(model)
    RunFolder(model).create(given(), overwrite=True)
    assert contents(model.with_name("model.previous")) == before
    assert set(contents(model)) == {"training/run.json"}
    # A run that left no weights is not worth the place of the model before it.
    RunFolder(model).create(given(), overwrite=True)
    assert contents(model.with_name("model.previous")) == before
    (model / WEIGHTS).write_text("newer")
    RunFolder(model).create(given(), overwrite=True)
    assert (model.with_name("model.previous") / WEIGHTS).read_text() == "newer"


def test_a_failed_run_puts_the_model_back(model: Path) -> None:
    before = contents(model)
    folder = RunFolder(model)
    folder.create(given(), overwrite=True)
    folder.discard_unstarted()
    assert contents(model) == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("file", [WEIGHTS, f"{FOLDER}/{STATE}"])
def test_a_run_that_has_saved_something_stays(file: str, model: Path) -> None:
    folder = RunFolder(model)
    folder.create(given(), overwrite=True)
    (model / file).write_text("new")
    folder.discard_unstarted()
    assert (model / file).read_text() == "new"
    assert (model.with_name("model.previous") / WEIGHTS).read_text() == "weights"


def test_what_is_refused_is_not_discarded_either(model: Path) -> None:
    (model / WEIGHTS).unlink()
    before = contents(model)
    folder = RunFolder(model)
    with pytest.raises(UsageError):
        folder.create(given(), overwrite=False)
    folder.discard_unstarted()
    assert contents(model) == before


def test_no_room_for_the_new_run_puts_the_model_back(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise UsageError(f"cannot write {path}: no space is left on the disk")

    monkeypatch.setattr("nlp.core.run_folder.write_text", full)
    before = contents(model)
    with pytest.raises(UsageError, match="no space"):
        RunFolder(model).create(given(), overwrite=True)
    assert contents(model) == before


@pytest.mark.parametrize("name", ["project", "model.previous"])
@pytest.mark.parametrize("config", ["{}", '{"model_type": "gpt2"}', '{"library": "keras"}', "[]"])
def test_a_strangers_config_makes_no_model(name: str, config: str, model: Path) -> None:
    """Many programs write a config.json."""
    other = model.with_name(name)
    (other / "src").mkdir(parents=True)
    (other / CONFIG).write_text(config)
    (other / "src" / "thesis.txt").write_text("years of work")
    before = contents(model.parent)
    output = model if name == "model.previous" else other
    with pytest.raises(UsageError, match=f"{name} holds something else than a model"):
        RunFolder(output).create(given(), overwrite=True)
    assert contents(model.parent) == before


def test_files_of_others_are_never_deleted(model: Path) -> None:
    """They move aside with the folder, whether it holds a model or is a run without one."""
    (model / "notes.txt").write_text("what I found")
    RunFolder(model).create(given(), overwrite=True)  # model, previous
    (model / "training" / "more.txt").write_text("more of it")
    RunFolder(model).create(given(), overwrite=True)  # a run without weights
    assert (model.with_name("model.previous") / "notes.txt").read_text() == "what I found"
    assert (model.with_name("model.previous-2") / "training/more.txt").read_text() == "more of it"
    (model / WEIGHTS).write_text("newer")
    RunFolder(model).create(given(), overwrite=True)
    assert (model.with_name("model.previous-3") / "notes.txt").read_text() == "what I found"
    assert (model.with_name("model.previous") / WEIGHTS).read_text() == "newer"


def test_all_that_runs_write_may_go(model: Path) -> None:
    for name in (
        *("tokenizer.json", "README.md", "metrics.jsonl", "curves.png", "words.tsv"),
        *("lexicon.json", "reader-0.tokenizer.json", "reliability.png", f"{FOLDER}/words.txt"),
        *(f"{FOLDER}/{STATE}", f"{FOLDER}/tokens/header.json", f"{FOLDER}/tokens/train-7.tokens"),
        *(f"{FOLDER}/.tokens.partial-x/header.json", f"{FOLDER}/.{STATE}.12.part"),
    ):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("")
    for _ in range(2):
        RunFolder(model).create(given(), overwrite=True)
        (model / WEIGHTS).write_text("newer")
    assert sorted(path.name for path in model.parent.iterdir()) == ["model", "model.previous"]


def test_a_failed_run_puts_back_what_holds_files_of_others(model: Path) -> None:
    (model / WEIGHTS).unlink()
    (model / "notes.txt").write_text("what I found")
    before = contents(model)
    folder = RunFolder(model)
    folder.create(given(), overwrite=True)
    folder.discard_unstarted()
    assert contents(model) == before


@pytest.mark.parametrize("resumes", [False, True])
def test_who_cannot_resume_is_not_advised_to(resumes: bool, model: Path) -> None:
    """Neither by a command that never can, nor where no state is left."""
    if not resumes:
        (model / FOLDER / STATE).write_text("state")
    with pytest.raises(UsageError, match="is not empty: --overwrite replaces it, or name another"):
        RunFolder(model, resumes=resumes).create(given(), overwrite=False)


@pytest.mark.parametrize("name", ["model", "model.previous"])
def test_what_is_no_model_is_never_replaced(name: str, model: Path) -> None:
    other = model.with_name(name)
    if other == model:
        (model / CONFIG).unlink()
        (model / "training/run.json").unlink()
    else:
        other.mkdir()
        (other / "diary.txt").write_text("dear diary")
    before = contents(model.parent)
    with pytest.raises(UsageError, match=f"{name} holds something else than a model"):
        RunFolder(model).create(given(), overwrite=True)
    assert contents(model.parent) == before


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="is a file"):
            RunFolder(tmp_path / "model").create(given(), overwrite=overwrite)


@pytest.mark.parametrize("name", [".", "", "training/.."])
def test_the_folder_one_is_in(name: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model)
    RunFolder(name).create(given(), overwrite=True)
    assert set(contents(model)) == {"training/run.json"}
    assert (model.with_name("model.previous") / WEIGHTS).read_text() == "weights"


def test_resuming_keeps_the_arguments_of_the_run(model: Path) -> None:
    folder = RunFolder(model)
    assert folder.arguments(train, given(layers=2))["layers"] == 2
    with pytest.raises(UsageError, match="layers is 3 here and 2 in the run to resume"):
        folder.arguments(train, given(layers=3))


def test_nothing_to_resume(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="nothing to resume"):
            RunFolder(path).arguments(train, given())


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "3", '"a"'])
def test_damaged_arguments_are_refused(text: str, model: Path) -> None:
    (model / "training/run.json").write_text(text)
    with pytest.raises(UsageError, match=r"run\.json is damaged"):
        RunFolder(model).arguments(train, given())


def test_arguments_of_another_version_are_refused(model: Path) -> None:
    (model / "training/run.json").write_text('{"corpus": null}')
    with pytest.raises(UsageError, match="another version"):
        RunFolder(model).arguments(train, given())


def test_resuming_clears_what_a_killed_run_left(model: Path) -> None:
    (model / "training/.state.safetensors.7.part").touch()
    RunFolder(model).arguments(train, given())
    assert [path.name for path in (model / "training").iterdir()] == ["run.json"]


def test_plain_is_what_json_gives_back() -> None:
    value = {"a": Path("b"), "c": (1, Path("d")), "e": None}
    assert (
        plain(value) == json.loads(json.dumps(plain(value))) == {"a": "b", "c": [1, "d"], "e": None}
    )
