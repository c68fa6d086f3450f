"""`unrolled score`: how probable a text is, or a translation, and which of several is likelier."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.format import finite, number
from cli.inputs import (
    Document,
    EncodingErrors,
    TextColumn,
    Weights,
    kind_of,
    load_model,
    option,
)
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.tokenizer import Tokenizer
    from nlp.language_model import LanguageModel

TRANSLATORS = "Translators"  # a panel of --help
TOP = 3  # as LanguageModel.score has it; a test compares them


def score(
    model: Annotated[str, typer.Argument(help="A model folder, or the Hugging Face id of one.")],
    sentences: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts to score; - reads them from stdin, one a line; blank lines are skipped. "
            "For a translator: a text, then translations of it."
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(help="Perplexity of a whole corpus instead: a file, folder, - or a name."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="The split of the corpus, where it has its own.")
    ] = None,
    text_column: TextColumn = "text",
    document: Document = "file",
    encoding_errors: EncodingErrors = "strict",
    context: Annotated[
        str, typer.Option(help="Text that comes before each sentence, read but not scored.")
    ] = "",
    first_token: Annotated[
        str, typer.Option(help="start: scored after the start symbol; skip: read but not scored.")
    ] = "start",
    top: Annotated[int, typer.Option(help="Alternatives to show for each token.", min=0)] = TOP,
    words: Annotated[bool, typer.Option("--words", help="Show words instead of tokens.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Save the coloured picture here too.")] = None,
    source: Annotated[
        str | None,
        option("A file of texts, one a line, whose translations are scored.", TRANSLATORS, "none"),
    ] = None,
    target: Annotated[
        str | None, option("The file of their translations, line by line.", TRANSLATORS, "none")
    ] = None,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention", help="With --json, all weights, too.", rich_help_panel=TRANSLATORS
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Weights = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a text.")] = False,
) -> None:
    """Score texts with a language model by the chain rule; without texts, the lines of stdin. Score
    translations of a text with a translator.

    \b
    Examples:
        unrolled score model "take me to Mars" "bake me to Mars"
        unrolled score model --context "Close the" " door" " window" --top 5
        cat sentences.txt | unrolled score model - --json
        unrolled score model --file corpus.txt
        unrolled score my-translator "A red ball." "Ein roter Ball." "Ein Ball rot."
    """
    if svg is not None and (as_json or file is not None):
        raise UsageError("--svg is a picture of sentences: leave out --json and --file.")
    for_corpora = {
        "--split": split is not None,
        "--text-column": text_column != "text",
        "--document": document != "file",
    }
    for_sentences = {
        "the sentences": bool(sentences),
        "--context": context != "",
        "--first-token": first_token != "start",
        "--top": top != TOP,
        "--words": words,
    }
    for_translators = {
        "--source": source is not None,
        "--target": target is not None,
        "--attention": attention,
    }
    if kind_of(model) == "translator":
        del for_sentences["the sentences"]
        others = {
            **for_corpora,
            **for_sentences,
            "--file": file is not None,
            "--svg": svg,
            "--precision": precision != "auto",
        }
        _refuse(others, f"{model} holds a translator")
        from cli.translator_evaluation import score_files, score_texts

        asked: dict[str, Any] = {"device": device, "attention": attention, "as_json": as_json}
        if source is None and target is None:
            score_texts(model, sentences or [], **asked)
        else:
            _refuse({"the texts": sentences}, "--source and --target are files of texts")
            score_files(model, source, target, encoding_errors, **asked)
        return
    _refuse(for_translators, f"{model} holds no translator")
    if file is not None:
        _refuse(for_sentences, "--file scores a whole corpus")
        reading = {
            "split": split,
            "text_column": text_column,
            "document": document,
            "encoding_errors": encoding_errors,
        }
        _score_corpus(load_model(model, device, precision)[0], file, reading, as_json=as_json)
        return
    _refuse(for_corpora, "no corpus is named with --file")
    from nlp.core.scoring import score as score_text

    loaded, tokenizer = load_model(model, device, precision)
    _refuse_special(context, tokenizer)
    scored = []
    for text in _texts(sentences or ["-"], encoding_errors):
        _refuse_special(text, tokenizer)
        scored.append(
            score_text(
                loaded,
                tokenizer,
                text,
                context=context,
                top=top,
                first_token=first_token,  # type: ignore[arg-type]
            )
        )
        if as_json:
            answer = finite(dataclasses.asdict(scored.pop()))
            typer.echo(json.dumps(answer, ensure_ascii=False))
    if scored:
        from cli import display

        display.scores(scored, words=words, top=top, svg=svg)


def _refuse(options: Mapping[str, object], reason: str) -> None:
    """Refuse what was given and would silently do nothing."""
    if given := [name for name, is_given in options.items() if is_given]:
        raise UsageError(f"{reason}: leave out {' and '.join(given)}.")


def _refuse_special(text: str, tokenizer: Tokenizer) -> None:
    """Refuse a text that spells a special token; the library's words for it are Python's."""
    for name in tokenizer.special_tokens:
        if name in text:
            raise UsageError(
                f"the text holds {name!r}, a special token of the model: give what stands before "
                "and after it as texts of their own; --file reads it as ordinary text."
            )


def _texts(sentences: list[str], encoding_errors: str) -> Iterator[str]:
    """The sentences, with the lines of stdin in the place of -."""
    for sentence in sentences:
        if sentence == "-":
            from corpora import read

            lines = read("-", document="line", encoding_errors=encoding_errors)
            yield from (line.text for line in lines)
        else:
            yield sentence


def _score_corpus(
    model: LanguageModel, source: str, reading: Mapping[str, Any], *, as_json: bool
) -> None:
    """Perplexity of a whole source, its state carried from the first token to the last."""
    from nlp.language_model import evaluate

    found = evaluate(model, source, **reading)
    facts = finite({"source": source, **dataclasses.asdict(found)})
    if as_json:
        typer.echo(json.dumps(facts))
        return
    from cli import display

    display.facts(
        {
            name.replace("_", " "): f"{value:,}" if isinstance(value, int) else number(value)
            for name, value in list(facts.items())[1:]
        }
    )
