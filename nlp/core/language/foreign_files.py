"""Causal models of other makers on disk, read by `transformers`: folders and .gguf files.

Weights come from safetensors or GGUF, never from pickle; code in a folder is never run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from corpora.errors import UsageError
from nlp.core.language.foreign_tokenizer import ForeignTokenizer, tokenizer_of
from nlp.core.tokenizer import Tokenizer

# What `tokenizer.ggml.pre` of a GGUF file names, where transformers takes GPT-2's rule for it.
GPT2_RULE = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
GGUF_RULES: dict[str, dict[str, Any]] = {
    "gpt-2": GPT2_RULE,
    "smollm": {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, GPT2_RULE],
    },
}


class ForeignFiles(NamedTuple):
    """What `read` gives."""

    network: Any  # a PreTrainedModel
    tokenizer: Tokenizer | None
    begin: int | None  # the symbol that the tokenizer itself puts before every text
    remarks: list[str]


def read(path: Path, dtype: torch.dtype) -> ForeignFiles:
    """The network and tokenizer in a model folder or a .gguf file.

    Raises:
        UsageError: the extra is missing, or it is not a model that `transformers` can read whole.
    """
    file = _gguf(path)
    _require("transformers", *(["gguf"] if file else []))
    import transformers

    place = str(file.parent if file else path)
    where: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if file:
        where["gguf_file"] = file.name
    try:
        with _quiet():
            found: Any = transformers.AutoModelForCausalLM.from_pretrained(
                place, dtype=dtype, use_safetensors=True, output_loading_info=True, **where
            )
        network, told = found
    except Exception as error:  # files are wrong in as many ways as there are models
        raise UsageError(
            f"{path} is no causal language model that transformers reads: {_first_line(error)}"
        ) from error
    missing = sorted({*told["missing_keys"], *map(str, told["mismatched_keys"])})
    if missing:
        raise UsageError(
            f"{path} lacks {len(missing)} of its network's weights ({missing[0]} is one): "
            "it is damaged, or not a causal language model"
        )
    remarks = []
    unused = sorted(told["unexpected_keys"])
    if unused:
        remarks.append(f"{len(unused)} weights of the file have no place: {unused[0]} is one")
    tokenizer, begin = None, None
    try:
        with _quiet():
            theirs = transformers.AutoTokenizer.from_pretrained(place, **where)
        document = _document(theirs, None if file else path, file, remarks)
        tokenizer = tokenizer_of(document, theirs.eos_token_id)
        begin = _begin(theirs)
    except Exception as error:
        remarks.append(f"no tokenizer: {_first_line(error)}")
    if isinstance(tokenizer, ForeignTokenizer):
        remarks += tokenizer.remarks
    return ForeignFiles(network, tokenizer, begin, remarks)


def _gguf(path: Path) -> Path | None:
    """The .gguf file that is meant; None for a folder in Hugging Face's layout."""
    if path.suffix == ".gguf" and not path.is_dir():
        if not path.is_file():
            raise UsageError(f"{path} does not exist; expected a .gguf file there")
        return path
    if not path.is_dir():
        raise UsageError(f"{path} is no model: expected a folder with config.json, or a .gguf file")
    if (path / "config.json").is_file():
        return None
    files = sorted(path.glob("*.gguf"))
    if len(files) == 1:
        return files[0]
    raise UsageError(
        f"{path} has no config.json and {len(files)} .gguf files: "
        + ("name one of them" if files else "expected a model's folder")
    )


def _document(
    theirs: Any, folder: Path | None, gguf: Path | None, remarks: list[str]
) -> dict[str, Any]:
    """The tokenizer in `tokenizer.json`'s words."""
    if folder is not None and (folder / "tokenizer.json").is_file():
        return dict(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")))
    if not theirs.is_fast:
        raise UsageError(f"{type(theirs).__name__} has no form that `tokenizers` can run")
    document: dict[str, Any] = json.loads(theirs.backend_tokenizer.to_str())
    rule = document.get("pre_tokenizer") or {}
    if gguf is not None and rule.get("type") == "ByteLevel":
        name = _rule_name(gguf)
        if name in GGUF_RULES:
            document["pre_tokenizer"] = GGUF_RULES[name]
        else:
            remarks.append(
                f"the file cuts words by the rule {name!r}, transformers by GPT-2's: "
                "numbers and spaces may become other tokens than in its training"
            )
    return document


def _rule_name(file: Path) -> str:
    import gguf

    field = gguf.GGUFReader(file).get_field("tokenizer.ggml.pre")
    return "gpt-2" if field is None else str(field.contents())


def _begin(theirs: Any) -> int | None:
    """The id that their tokenizer puts before every text, if it does."""
    symbol = theirs.bos_token_id
    return symbol if symbol is not None and theirs("a")["input_ids"][:1] == [symbol] else None


def _require(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise UsageError(
                f"this model needs {module}: install it with pip install 'unrolled[pretrained]'"
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bars and warnings: what they tell is looked at here and told once."""
    from transformers.utils import logging

    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        # The bar of GGUF files knows no switch.
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    """What went wrong, and what was behind it."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return first if deepest is error else f"{first} ({_first_line(deepest)})"
