"""`unrolled tokenize ...`: make a vocabulary, use it, and look into it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import tokens
from cli.inputs import (
    BUNDLED,
    AsJson,
    Document,
    EncodingErrors,
    Given,
    Sources,
    TextColumn,
    TokenizerFile,
    open_tokenizer,
    read_passages,
)
from corpora.errors import UsageError

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")

BRACKETS_TO_SPACES = bytes.maketrans(b"[],", b"   ")


@app.callback()
def tokenize(context: typer.Context) -> None:
    """Train a tokenizer, encode and decode with it, and see what it does.

    \b
    Examples:
        unrolled tokenize train corpus.txt --output tokenizer.json
        unrolled tokenize show -T tokenizer.json --text "take me to Mars"
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    corpus: Sources = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The tokenizer.json to write.")
    ] = Path("tokenizer.json"),
    vocabulary_size: Annotated[int, typer.Option(help="Ids, special tokens counted.")] = 8192,
    minimum_frequency: Annotated[
        int, typer.Option(help="How often a pair is seen to be merged.")
    ] = 2,
    kind: Annotated[str, typer.Option(help="bpe, characters or bytes.")] = "bpe",
    pattern: Annotated[
        str, typer.Option(help="How text is cut into words: gpt2 or gpt4.")
    ] = "gpt2",
    special_token: Annotated[
        list[str] | None, typer.Option(help="A token with an id of its own; repeatable.")
    ] = None,
    text_column: TextColumn = "text",
    document: Document = "file",
    encoding_errors: EncodingErrors = "strict",
    as_json: AsJson = False,
) -> None:
    """Learn a vocabulary from text.

    \b
    Examples:
        unrolled tokenize train books/ --vocabulary-size 8192 --output tokenizer.json
        cat corpus.txt | unrolled tokenize train - --kind characters
        unrolled tokenize train            (the bundled Wikipedia sample)
    """
    from nlp.core.tokenizer import Tokenizer

    split = None
    if not corpus:
        corpus, split = [BUNDLED], "train"
        typer.echo(f"No corpus named: taking the training split of {BUNDLED}.", err=True)
    passages = read_passages(
        corpus,
        split=split,
        text_column=text_column,
        document=document,
        encoding_errors=encoding_errors,
    )
    began = time.perf_counter()
    tokenizer = Tokenizer.train(
        passages,
        vocabulary_size=vocabulary_size,
        minimum_frequency=minimum_frequency,
        kind=kind,  # type: ignore[arg-type]
        pattern=pattern,  # type: ignore[arg-type]
        special_tokens=special_token or (),
    )
    seconds = time.perf_counter() - began
    tokenizer.save(output)
    facts = {
        "tokenizer": str(output),
        "kind": tokenizer.kind,
        "vocabulary_size": tokenizer.vocabulary_size,
        "fingerprint": tokenizer.fingerprint,
        "seconds": round(seconds, 2),
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    from cli import display

    display.facts({name.replace("_", " "): value for name, value in facts.items()})


@app.command()
def encode(
    tokenizer: TokenizerFile,
    source: Sources = None,
    text: Given = None,
    special: Annotated[
        str, typer.Option(help="Special tokens in the text: refuse, allow, or text (no meaning).")
    ] = "refuse",
    text_column: TextColumn = "text",
    document: Document = "file",
    encoding_errors: EncodingErrors = "strict",
    as_json: AsJson = False,
) -> None:
    """Print the ids of text, a line for each document; of stdin where nothing is named.

    \b
    Examples:
        unrolled tokenize encode -T tokenizer.json --text "take me to Mars"
        unrolled tokenize encode -T model corpus.txt --document line --json
    """
    policies: dict[str, dict[str, Any]] = {
        "refuse": {},
        "allow": {"allowed_special": "all"},
        "text": {"disallowed_special": ()},
    }
    if special not in policies:
        raise UsageError(f"--special is {special!r}, expected refuse, allow or text.")
    encoder = open_tokenizer(tokenizer)
    ids: list[int] = []
    for passage in read_passages(
        source,
        text,
        text_column=text_column,
        document=document,
        encoding_errors=encoding_errors,
    ):
        ids += encoder.encode(passage.text, **policies[special])
        if passage.ends_document:
            typer.echo(json.dumps(ids) if as_json else " ".join(map(str, ids)))
            ids = []


@app.command()
def decode(
    tokenizer: TokenizerFile,
    ids: Annotated[
        list[int] | None, typer.Argument(help="Token ids; without them, the lines of stdin.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="End each document's text by a line break.")
    ] = False,
) -> None:
    """Print the text of ids, byte for byte.

    \b
    Examples:
        unrolled tokenize decode -T tokenizer.json 403 7155
        unrolled tokenize encode -T model a.txt | unrolled tokenize decode -T model
    """
    decoder = open_tokenizer(tokenizer)
    rows = [ids] if ids else _rows_of_ids(sys.stdin.buffer)
    for row in rows:
        sys.stdout.buffer.write(decoder.decode_bytes(row))
        if lines or sys.stdout.isatty():
            sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def _rows_of_ids(lines: Iterable[bytes]) -> Iterator[list[int]]:
    for number, line in enumerate(lines, 1):
        try:
            # The brackets and commas are those of `encode --json`.
            yield [int(word) for word in line.translate(BRACKETS_TO_SPACES).split()]
        except ValueError:
            raise UsageError(
                f"standard input, line {number}: expected token ids, whole numbers with spaces "
                "between them."
            ) from None


for command in (tokens.count, tokens.show, tokens.trace, tokens.report):
    app.command()(command)
