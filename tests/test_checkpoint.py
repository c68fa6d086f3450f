"""A model folder: what is written is what is read, and nothing damaged or foreign is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from corpora.errors import UsageError
from nlp.core import checkpoint
from nlp.core.checkpoint import (
    CONFIG,
    FILES,
    TOKENIZER,
    WEIGHTS,
    read_arrays,
    read_tensors,
    write_arrays,
    write_tensors,
)
from nlp.core.tokenizer import Tokenizer
from nlp.language_model import Config, LanguageModel

TEXT = "take me to Mars, bake me a cake, take me to the moon and wake me soon.\n"


def build(text: str = TEXT, hidden_size: int = 8) -> LanguageModel:
    torch.manual_seed(0)
    tokenizer = Tokenizer.train([text], kind="characters")
    return LanguageModel(
        Config(tokenizer.vocabulary_size, embedding_size=8, hidden_size=hidden_size, layers=2),
        tokenizer,
    ).eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    build().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return shutil.copytree(saved, tmp_path / "model")


def refusal(folder: Path | str) -> str:
    """The one line that loading ends in."""
    with pytest.raises(UsageError) as error:
        LanguageModel.from_pretrained(folder, device="cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_save_and_load_give_identical_logits(folder: Path) -> None:
    model, again = build(), LanguageModel.from_pretrained(folder, device="cpu")
    ids = torch.tensor([model.tokenizer.encode(TEXT)])  # type: ignore[union-attr]
    assert torch.equal(model(ids)[0], again(ids)[0])
    assert again.config == model.config
    assert again.tokenizer is not None
    assert again.tokenizer.fingerprint == model.tokenizer.fingerprint  # type: ignore[union-attr]
    assert not again.training


def test_a_model_without_a_tokenizer(tmp_path: Path) -> None:
    LanguageModel(Config(9, embedding_size=4, hidden_size=4)).save_pretrained(tmp_path)
    model = LanguageModel.from_pretrained(tmp_path, device="cpu")
    assert model.tokenizer is None
    with pytest.raises(UsageError, match="no tokenizer"):
        model.score("text")


def test_saving_replaces(folder: Path) -> None:
    build(hidden_size=12).save_pretrained(folder)
    assert LanguageModel.from_pretrained(folder, device="cpu").config.hidden_size == 12
    assert {path.name for path in folder.iterdir()} == {CONFIG, TOKENIZER, WEIGHTS}


def test_files_may_be_read_by_whom_the_user_lets(folder: Path) -> None:
    (folder / "usual").touch()
    modes = {path.stat().st_mode for path in folder.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
@pytest.mark.parametrize(
    "cut", [lambda size: 0, lambda size: 1, lambda size: size // 2, lambda size: size - 1]
)
def test_a_file_cut_short_is_refused(name: str, cut: Callable[[int], int], folder: Path) -> None:
    path = folder / name
    content = path.read_bytes()
    if name != WEIGHTS:
        content = content.rstrip()  # a JSON file lacks nothing without its last line break
    path.write_bytes(content[: cut(len(content))])
    assert str(path) in refusal(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_a_missing_file_is_refused(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert name in refusal(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_noise_is_refused(name: str, folder: Path) -> None:
    (folder / name).write_bytes(bytes(range(256)) * 8)
    assert str(folder / name) in refusal(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_a_folder_in_place_of_a_file_is_refused(name: str, folder: Path) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert name in refusal(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (TOKENIZER, "is not the tokenizer that this model was trained with"),
        (WEIGHTS, "the two come from different models"),
        (CONFIG, "is not the tokenizer that this model was trained with"),
    ],
)
def test_a_file_of_another_model_is_refused(
    name: str, message: str, folder: Path, tmp_path: Path
) -> None:
    build("Quite another text, with #other# characters.", hidden_size=16).save_pretrained(
        tmp_path / "other"
    )
    shutil.copy(tmp_path / "other" / name, folder / name)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "tagger"}, "holds tagger, not language-model"),
        ({"library": "another"}, "not written by Unrolled"),
        ({"format": 99}, "newer Unrolled"),
        ({"format": "x"}, "damaged"),
        ({"config": None}, "damaged"),
        ({"config": {}}, "damaged"),
        ({"config": {"vocabulary_size": 0}}, "damaged"),
        ({"config": {"vocabulary_size": "many"}}, "damaged"),
        ({"config": {"vocabulary_size": 9, "cell": "tree"}}, "damaged"),
        ({"config": {"vocabulary_size": 9, "wings": 2}}, "damaged"),
    ],
)
def test_a_config_that_is_none_of_ours_is_refused(
    changed: dict[str, object], message: str, folder: Path
) -> None:
    content = json.loads((folder / CONFIG).read_text()) | changed
    (folder / CONFIG).write_text(json.dumps(content))
    assert message in refusal(folder)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    assert "no model folder" in refusal(tmp_path)
    (tmp_path / CONFIG).write_text('{"model_type": "bert", "vocab_size": 50257}')
    assert "not written by Unrolled" in refusal(tmp_path)
    (tmp_path / CONFIG).write_text("[]")
    assert "not written by Unrolled" in refusal(tmp_path)


def test_a_place_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refusal(tmp_path / "file")
    assert "train one with" in refusal("no-such-model")
    assert "train one with" in refusal(tmp_path / "no" / "such")
    assert "train one with" in refusal("./no-such-model")


def test_who_has_no_folder_hears_of_its_command() -> None:
    assert "`unrolled train-lm --output none`" in refusal("none")
    with pytest.raises(UsageError, match="`unrolled train-embeddings --output none`"):
        checkpoint.locate("none", command="train-embeddings")


def test_a_model_of_the_hub(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def snapshot_download(name: str, **options: object) -> str:
        asked.update(options, name=name)
        return str(saved)

    monkeypatch.setattr("nlp.core.hub.files_of", lambda *wanted: [])
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    model = LanguageModel.from_pretrained("someone/their-model", device="cpu")
    assert model.config == build().config
    assert asked["name"] == "someone/their-model"
    assert asked["allow_patterns"] == list(checkpoint.HUB_FILES)
    assert {CONFIG, WEIGHTS, TOKENIZER, "words.tsv", "lexicon.json"} <= set(FILES)


def test_a_hub_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for error in (
        LocalEntryNotFoundError("not on disk\nand no way out"),
        HFValidationError("no name for a repository"),
        ConnectionError(),
    ):

        def fail(name: str, error: Exception = error, **options: object) -> str:
            raise error

        monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
        assert "neither a folder here nor a model" in refusal("someone/their-model")


# ── tensors ─────────────────────────────────────────────────────────────────────────────────────


def test_tensors_come_back_with_what_is_said_of_them(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(6).reshape(2, 3).T,
        "b.0": torch.tensor(1.5, dtype=torch.bfloat16),
        "c": torch.zeros(0, 4),
    }
    about = {"step": 7, "loss": 0.1 + 0.2, "best": None, "losses": [float("inf")]}
    write_tensors(tmp_path / "x.safetensors", tensors, about)
    again, told = read_tensors(tmp_path / "x.safetensors")
    assert told == about
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, again[name])
        assert tensor.dtype == again[name].dtype


def test_arrays_are_the_same_file(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.zeros((0, 4), np.int64)}
    write_arrays(tmp_path / "arrays", arrays, {"step": 7})
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    write_tensors(tmp_path / "tensors", tensors, {"step": 7})
    assert (tmp_path / "arrays").read_bytes() == (tmp_path / "tensors").read_bytes()
    again, told = read_arrays(tmp_path / "tensors")
    assert told == {"step": 7}
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
    with pytest.raises(UsageError, match="missing"):
        read_arrays(tmp_path / "none")


@pytest.mark.parametrize("number", [28, 27])
def test_a_disk_that_fills_up_is_told_and_keeps_the_old_file(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors

    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(3)}, {})

    def full(*arguments: object, **options: object) -> None:
        raise safetensors.SafetensorError(f"I/O error: something (os error {number})")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(UsageError, match=r"cannot write .*x\.safetensors"):
        write_tensors(path, {"a": torch.zeros(3)}, {})
    assert torch.equal(read_tensors(path)[0]["a"], torch.ones(3))
    assert list(tmp_path.iterdir()) == [path]


def test_parameters_are_counted_once() -> None:
    model = LanguageModel(Config(10, embedding_size=4, hidden_size=4))
    lstm = 4 * 4 * (4 + 4 + 2)
    assert checkpoint.parameter_count(model) == 10 * 4 + 10 + lstm
