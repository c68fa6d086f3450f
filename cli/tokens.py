"""`unrolled tokenize show`, `trace` and `report`: what a tokenizer does to text."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.tokenize import AsJson, Given, Sources, TokenizerFile, open_tokenizer, read_passages


def show(
    tokenizer: TokenizerFile,
    source: Sources = None,
    text: Given = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show the id after each token.")] = False,
    word: Annotated[
        str | None,
        typer.Option(
            "--trace", metavar="WORD", help="Show instead how one word is built by merges."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show text as coloured tokens; stdin where nothing is named.

    \b
    Examples:
        unrolled tokenize show -T tokenizer.json --text "take me to Mars" --ids
        unrolled tokenize show -T tokenizer.json --trace unrolled
    """
    if word is not None:
        trace(tokenizer, word, as_json=as_json)
        return
    encoder = open_tokenizer(tokenizer)
    for passage in read_passages(source or ["-"], text):
        found = encoder.encode(passage.text, disallowed_special=())
        spans = encoder.offsets(passage.text, ids=found)
        if as_json:
            for index, (start, end) in zip(found, spans, strict=True):
                token = {"id": index, "text": passage.text[start:end], "start": start, "end": end}
                typer.echo(json.dumps(token, ensure_ascii=False))
            continue
        from cli import display

        texts = [encoder.token_bytes(index).decode("utf-8", "replace") for index in found]
        display.tokens(texts, found if ids else None)


def trace(
    tokenizer: TokenizerFile,
    word: Annotated[str, typer.Argument(help="The word, with its space before it if it has one.")],
    as_json: AsJson = False,
) -> None:
    """Show how one word is built, merge by merge, in the order learned.

    \b
    Examples:
        unrolled tokenize trace -T tokenizer.json " unrolled"
    """
    steps = open_tokenizer(tokenizer).trace(word)
    shown = [
        {
            "rank": step.rank,
            "left": step.left.decode("utf-8", "backslashreplace"),
            "right": step.right.decode("utf-8", "backslashreplace"),
            "pieces": [piece.decode("utf-8", "backslashreplace") for piece in step.pieces],
        }
        for step in steps
    ]
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    from cli import display

    display.merges(word, shown)
