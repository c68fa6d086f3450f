"""What commands are given: options that several share, and the texts and tokenizers they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.errors import UsageError

if TYPE_CHECKING:
    from corpora.passage import Passage
    from nlp.core.tokenizer import Tokenizer

# As the Hugging Face Hub names them, and as OpenAI published them.
GPT2_FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
BUNDLED = "wikipedia-sample"
# As LanguageModel.sample has them; a test compares them.
TEMPERATURE = 0.8
MAX_TOKENS = 100

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Files, folders, globs, - for stdin, {BUNDLED}, or hf:NAME.", show_default=False
    ),
]
Given = Annotated[str | None, typer.Option("--text", "-t", help="A text instead of files.")]
TokenizerFile = Annotated[
    Path,
    typer.Option(
        "--tokenizer",
        "-T",
        help="A model folder, tokenizer.json, a folder of vocab.json and merges.txt, or .tiktoken.",
    ),
]
TextColumn = Annotated[str, typer.Option(help="The column of tables that holds the text.")]
Document = Annotated[str, typer.Option(help="What one document is: file or line.")]
EncodingErrors = Annotated[
    str, typer.Option(help="Bytes that are no UTF-8: strict refuses them, replace marks them.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a model folder, a tokenizer.json, GPT-2's two files or tiktoken's ranks."""
    from nlp.core.tokenizer import Tokenizer

    if path.is_dir():
        if (path / "tokenizer.json").exists():
            return Tokenizer.load(path / "tokenizer.json")
        for vocabulary, merges in GPT2_FILES:
            if (path / vocabulary).exists():
                return Tokenizer.from_gpt2(path / vocabulary, path / merges)
        raise UsageError(
            f"{path}: found neither tokenizer.json nor GPT-2's vocab.json and merges.txt in this "
            "folder. Name the file itself, or another folder."
        )
    if path.suffix == ".tiktoken":
        return Tokenizer.from_tiktoken(path)
    return Tokenizer.load(path)


def read_passages(sources: list[str], text: str | None = None, **options: Any) -> Iterator[Passage]:
    """The passages of sources, or the one of a text that was given instead."""
    from corpora import Passage, read

    return read(sources, **options) if text is None else iter([Passage(text, True)])
