"""What a recurrent language model is built from, as its folder tells: for itself, and for
the taggers that read with one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from corpora.errors import UsageError, check_choice, check_positive, check_probability
from nlp.core import checkpoint
from nlp.core.recurrent import CellKind
from nlp.core.tokenizer import Tokenizer

KIND = "language-model"


@dataclass(frozen=True)
class Config:
    """What a recurrent language model is built from. Dropouts are probabilities."""

    vocabulary_size: int  # tokens
    cell: CellKind = "lstm"
    one_hot: bool = False  # read tokens as they are numbered, without an embedding; not tied
    embedding_size: int = 512  # features of a token's vector
    hidden_size: int = 512  # units of a layer
    layers: int = 1
    tied: bool = True  # output weights are the embedding's, the last layer has its size
    embedding_dropout: float = 0.0  # whole tokens
    input_dropout: float = 0.15  # features of the embedded tokens
    dropout: float = 0.2  # between layers
    output_dropout: float = 0.25  # before the softmax
    locked_dropout: bool = True  # the latter three: one mask for all positions
    weight_drop: float = 0.2  # recurrent weights
    backward: bool = False  # reads texts from their end; for taggers, it neither scores nor writes

    def __post_init__(self) -> None:
        sizes = ("vocabulary_size", "hidden_size", "embedding_size", "layers")
        check_positive(**{name: getattr(self, name) for name in sizes})
        check_choice("cell", self.cell, CellKind)
        if self.one_hot and self.tied:
            raise UsageError("one-hot tokens have no weights to tie: give --no-tied as well")
        dropouts = [f.name for f in fields(self) if f.name.endswith(("_dropout", "_drop"))]
        dropouts = ["dropout", *(name for name in dropouts if name != "locked_dropout")]
        check_probability(**{name: getattr(self, name) for name in dropouts})


def read_folder(folder: Path) -> tuple[Config, Tokenizer | None]:
    """The configuration and the tokenizer in the folder of a recurrent language model.

    Raises:
        UsageError: a file is missing or damaged, or the tokenizer is another model's.
    """

    def build(known: dict[str, Any]) -> Config:
        if "network" in known:
            raise UsageError(f"{folder} holds a GPT-2, and a recurrent language model is needed")
        return Config(**known)

    config, fingerprint = checkpoint.read_model_config(folder, KIND, build)
    if fingerprint is None:
        return config, None
    return config, Tokenizer.load(folder / checkpoint.TOKENIZER, fingerprint=fingerprint)
