"""Any language model by its name: a folder, a file, or an id of the Hugging Face Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nlp.core import checkpoint
from nlp.core.language import gpt2_files
from nlp.core.language.model import LanguageModel

if TYPE_CHECKING:
    from nlp.core.language.foreign import Foreign


def load(
    name: str | Path, device: str = "auto", precision: str = "auto"
) -> LanguageModel | Foreign:
    """A language model, ready to be used.

    A model of ours and a GPT-2 of anybody's are read by our own code; any other causal model, and a
    GGUF file, by `transformers` (the `pretrained` extra).

    Args:
        name: a folder, a `.gguf` file, or a hub id.
        device, precision: see `LanguageModel.from_pretrained`.

    Raises:
        UsageError: there is none, or a file of it is missing or damaged.
    """
    path = checkpoint.locate(name)
    if path.suffix == ".gguf" or _is_foreign(path):
        return _foreign(path, device, precision)
    return LanguageModel.from_pretrained(path, device, precision)


def _foreign(path: Path, device: str, precision: str) -> Foreign:
    from nlp.core.language.foreign import Foreign

    return Foreign.from_pretrained(path, device=device, precision=precision)


def _is_foreign(folder: Path) -> bool:
    if gpt2_files.holds(folder):
        return gpt2_files.difference(folder) is not None
    try:
        config = json.loads((folder / checkpoint.CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return any(folder.glob("*.gguf"))
    return isinstance(config, dict) and "library" not in config and "model_type" in config
