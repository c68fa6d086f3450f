"""What the commands of `unrolled words` share: the vectors they are given, and printed answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.format import finite, visible

if TYPE_CHECKING:
    from nlp.core.words.word_vectors import WordVectors

Vectors = Annotated[
    Path,
    typer.Argument(
        help="Word vectors: a folder of ours, word2vec, GloVe, fastText, .safetensors, or gensim's "
        ".kv: a pickle, which can run code, so open none from somebody you do not trust.",
        show_default=False,
    ),
]
Limit = Annotated[
    int | None, typer.Option(help="Read the first N words of the file only.", metavar="N", min=1)
]


def load_vectors(path: Path, limit: int | None) -> WordVectors:
    """The vectors of a file or folder, or of its first words."""
    from nlp.core.words.vector_formats import load

    return load(path, limit=limit)


def print_json(answer: Mapping[str, Any]) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(finite(answer), ensure_ascii=False))


def print_facts(facts: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Names and what they are, one a line, or as one line of JSON."""
    if as_json:
        print_json(facts)
        return
    from cli import display

    display.facts({name.replace("_", " "): value for name, value in facts.items()})


def print_records(rows: Iterable[Mapping[str, Any]]) -> None:
    """A table: of cosines and shares three digits, of texts no character that moves the cursor."""
    shown = [{name: _cell(value) for name, value in row.items()} for row in rows]
    if shown:
        from cli import display

        display.records(shown)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "     -" if math.isnan(value) else f"{value:6.3f}"
    return visible(value) if isinstance(value, str) else value
