"""`unrolled tokenize count`, `show`, `trace` and `report`: what a tokenizer does to text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.inputs import (
    BUNDLED,
    AsJson,
    EncodingErrors,
    Given,
    Sources,
    TextColumn,
    TokenizerFile,
    open_tokenizer,
    read_passages,
)

if TYPE_CHECKING:
    from corpora.passage import Passage
    from nlp.core.tokenizer import Tokenizer


def count(
    tokenizer: TokenizerFile,
    source: Sources = None,
    text: Given = None,
    text_column: TextColumn = "text",
    encoding_errors: EncodingErrors = "strict",
    as_json: AsJson = False,
) -> None:
    """Count tokens, words and bytes of each source; of stdin where nothing is named.

    \b
    Examples:
        unrolled tokenize count -T tokenizer.json corpus.txt books/
        unrolled tokenize count -T tokenizer.json wikipedia-sample --json
    """
    options = {"text_column": text_column, "encoding_errors": encoding_errors}
    encoder = open_tokenizer(tokenizer)
    if text is not None:
        counts = [_count(encoder, "text", read_passages(source, text))]
    else:
        counts = [
            _count(encoder, name, read_passages([name], **options)) for name in source or ["-"]
        ]
    if as_json:
        typer.echo(json.dumps(counts))
        return
    from cli import display

    display.records(counts)


def show(
    tokenizer: TokenizerFile,
    source: Sources = None,
    text: Given = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show the id after each token.")] = False,
    text_column: TextColumn = "text",
    encoding_errors: EncodingErrors = "strict",
    as_json: AsJson = False,
) -> None:
    """Show text as coloured tokens; stdin where nothing is named.

    \b
    Examples:
        unrolled tokenize show -T tokenizer.json --text "take me to Mars" --ids
        unrolled tokenize show -T model notes.txt --encoding-errors replace
    """
    encoder = open_tokenizer(tokenizer)
    for passage in read_passages(
        source, text, text_column=text_column, encoding_errors=encoding_errors
    ):
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


def report(
    tokenizer: TokenizerFile,
    corpus: Sources = None,
    train: Annotated[
        list[str] | None, typer.Option(help="The text it was trained on; may be given repeatedly.")
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another tokenizer to compare with; may be given repeatedly."),
    ] = None,
    text_column: TextColumn = "text",
    encoding_errors: EncodingErrors = "strict",
    as_json: AsJson = False,
) -> None:
    """Report how well a vocabulary compresses text: held-out text, and with --train that too.

    GPT-2's vocabulary stands beside it where the Hugging Face cache of this machine holds it.

    \b
    Examples:
        unrolled tokenize report -T model test.txt --train train.txt --beside gpt2
        unrolled tokenize report -T model            (on the bundled Wikipedia sample)
    """
    from nlp.core.tokens.token_report import compression_report, gpt2_tokenizer

    options = {"text_column": text_column, "encoding_errors": encoding_errors}
    texts: dict[str, Iterator[Passage]] = {}
    if train:
        texts["train"] = read_passages(train, **options)
    if corpus:
        texts["held-out"] = read_passages(corpus, **options)
    for split in () if texts else ("train", "test"):
        texts[f"{BUNDLED}, {split}"] = read_passages([BUNDLED], split=split)
    tokenizers = {str(path): open_tokenizer(path) for path in (tokenizer, *(beside or ()))}
    if gpt2 := gpt2_tokenizer():
        tokenizers["GPT-2"] = gpt2
    rows = [
        {
            **row._asdict(),
            "bytes_per_token": round(row.bytes_per_token, 3),
            "tokens_per_word": round(row.tokens_per_word, 3),
        }
        for row in compression_report(tokenizers, texts)
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    from cli import display

    display.records(rows)


def _count(
    tokenizer: Tokenizer, name: str, passages: Iterable[Passage]
) -> dict[str, str | int | float]:
    """What the passages hold; tokens without those that stand between documents."""
    from corpora.passage import Counts, counting

    counts = Counts()
    encoded = sum(len(ids) for ids in tokenizer.encode_corpus(counting(passages, counts)))
    tokens = encoded - counts.documents
    return {
        "source": name,
        "tokens": tokens,
        "documents": counts.documents,
        "words": counts.words,
        "characters": counts.characters,
        "bytes": counts.bytes,
        "bytes_per_token": round(counts.bytes / max(1, tokens), 3),
        "tokens_per_word": round(tokens / max(1, counts.words), 3),
    }
