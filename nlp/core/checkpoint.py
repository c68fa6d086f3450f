"""A model is a folder, and nothing in it is code.

    config.json          the model's Config, its kind and the tokenizer's fingerprint
    model.safetensors    the weights
    tokenizer.json       where it has one
    README.md            what it was trained on and what it scores

Each file is written beside its place and renamed into it, so that a killed run leaves the old file
or the new one and never a part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from corpora.errors import UsageError
from corpora.writing import replacing, write_text
from nlp.core import hub

if TYPE_CHECKING:  # word vectors are read without torch
    from torch import Tensor, nn

Config = TypeVar("Config")
CONFIG, WEIGHTS, TOKENIZER, CARD = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "README.md",
)
TOKENIZER_CONFIG = "tokenizer_config.json"
# All that a model can be made of, as globs: beside the above the words of word vectors, and those
# of a tagger with the tokenizers of its language models, a translator's second tokenizer, and what
# transformers wants to know of a GPT-2's.
FILES = (
    *(CONFIG, WEIGHTS, TOKENIZER, CARD),
    *("words.tsv", "lexicon.json", "reader-*.tokenizer.json", "source-tokenizer.json"),
    TOKENIZER_CONFIG,
)
# And those that models of other libraries have.
HUB_FILES = (*FILES, *hub.PRETRAINED)
LIBRARY, FORMAT = "unrolled", 1


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Replaces a safetensors file; `about` is stored as JSON in its header."""
    _write_torch(path, tensors, {"about": json.dumps(about)})


def _write_torch(path: Path, tensors: Mapping[str, Tensor], header: dict[str, str]) -> None:
    import safetensors.torch

    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _write(path, header, partial(safetensors.torch.save_file, flat))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """As `write_tensors`, and the same file, without torch."""
    import safetensors.numpy

    flat = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    _write(path, {"about": json.dumps(about)}, partial(safetensors.numpy.save_file, flat))


def _write(path: Path, header: dict[str, str], save: Callable[..., None]) -> None:
    """`header` has one entry: the order of several is left to chance, and equal models are to be
    equal files."""
    import safetensors

    with replacing(path) as part:
        try:
            save(part, metadata=header)
        except safetensors.SafetensorError as error:  # how it tells of a full disk
            raise _system_error(error) from error


def _system_error(error: Exception) -> OSError:
    """safetensors tells of the system's errors in words only: "... (os error 28)"."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]) if number else 0, str(error))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file and what its header says about them.

    Raises:
        UsageError: there is none, or it is cut short or of another format.
    """
    return _read(path, "pt")


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """As `read_tensors`, without torch."""
    return _read(path, "np")


def read_about(path: Path) -> dict[str, Any]:
    """What the header of such a file says about its tensors."""
    import safetensors

    with safetensors.safe_open(path, framework="np") as file:
        return dict(json.loads((file.metadata() or {}).get("about", "{}")))


def _read(path: Path, framework: str) -> tuple[dict[str, Any], dict[str, Any]]:
    import safetensors

    if not path.is_file():
        raise UsageError(f"{path} is missing: expected a file of trained weights there")
    try:
        with safetensors.safe_open(path, framework=framework) as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise UsageError(
            f"{path} is damaged or no safetensors file ({error}): copy it again, or train anew"
        ) from error


def save_weights(model: nn.Module, folder: Path) -> None:
    """Replaces the weights in a model folder."""
    # transformers reads no weights that do not say whose they are
    _write_torch(folder / WEIGHTS, model.state_dict(), {"format": "pt"})


def save_config(
    folder: Path,
    kind: str,
    config: Mapping[str, Any],
    tokenizer_fingerprint: str | None,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Replaces a model folder's `config.json`.

    Args:
        beside: what another library wants to read there.
    """
    content = {
        **(beside or {}),
        "library": LIBRARY,
        "format": FORMAT,
        "kind": kind,
        "tokenizer_fingerprint": tokenizer_fingerprint,
        "config": dict(config),
    }
    write_text(folder / CONFIG, json.dumps(content, indent=2) + "\n")


def locate(folder_or_hub_id: str | Path, command: str = "train-lm") -> Path:
    """The folder itself, or a local copy of that repository of the Hugging Face Hub.

    `gpt2` and its sizes go without their owner. OWNER/NAME/FILE.gguf, or such a file here, gives
    the file.

    Args:
        command: what makes such a folder, for who has none: a command, or a function's full name.
    """
    folder = Path(folder_or_hub_id).expanduser()
    name = str(folder_or_hub_id)
    is_gguf = folder.suffix == ".gguf"
    if folder.is_dir() or (is_gguf and folder.is_file()):
        return folder
    if folder.exists():
        raise UsageError(f"{folder} is a file: expected a model folder or a Hub id OWNER/NAME")
    model, file = hub.split_gguf(name)
    hub_id = hub.full_name(model)
    if is_gguf and (hub_id is None or file is None):
        raise UsageError(f"there is no file {name}: expected one, or OWNER/NAME/FILE.gguf")
    if hub_id is None:
        made = command if "." in command else f"unrolled {command} --output {name}"
        raise UsageError(f"there is no model folder {name}: train one with `{made}`")
    if file is not None:
        return hub.cached(hub_id, [file]) / file
    # Not the state of the training, which may lie there too and is larger than the model.
    return hub.cached(hub_id, HUB_FILES)


def read_config(folder: Path, kind: str) -> tuple[dict[str, Any], str | None]:
    """The model's own configuration and the fingerprint of its tokenizer.

    Raises:
        UsageError: the file is missing, cut short, or of another kind of model.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise UsageError(f"{folder} is no model folder: it has no {CONFIG}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["library"] != LIBRARY:
            raise KeyError("library")
        found, config = content["kind"], dict(content["config"])
        version, fingerprint = int(content["format"]), content["tokenizer_fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is damaged or not written by Unrolled: copy it again, or train anew"
        ) from error
    if version > FORMAT:
        raise UsageError(f"{path} was written by a newer Unrolled: update with pip install -U")
    if found != kind:
        raise UsageError(f"{folder} holds {found}, not {kind}")
    return config, fingerprint


def read_model_config(
    folder: Path, kind: str, build: Callable[[dict[str, Any]], Config]
) -> tuple[Config, str | None]:
    """As `read_config`, of which `build` makes the model's own dataclass."""
    settings, fingerprint = read_config(folder, kind)
    try:
        return build(settings), fingerprint
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"{folder / CONFIG} is damaged: {error}") from error


def load_weights(model: nn.Module, folder: Path) -> None:
    """Fills `model` with the weights of a model folder.

    Raises:
        UsageError: the file is missing, damaged, or holds another model's weights.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise UsageError(f"{path} is missing: the run that writes it has not yet evaluated once")
    tensors, _ = read_tensors(path)
    expected = model.state_dict()
    wrong = [
        name
        for name in sorted(expected.keys() | tensors.keys())
        if name not in tensors
        or name not in expected
        or tensors[name].shape != expected[name].shape
    ]
    if wrong:
        raise UsageError(
            f"{path} does not fit {CONFIG} beside it ({wrong[0]} and {len(wrong) - 1} others "
            "differ): the two come from different models"
        )
    model.load_state_dict(tensors)


def parameter_count(model: nn.Module) -> int:
    """Trainable numbers; tied weights count once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
