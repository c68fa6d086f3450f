"""`unrolled score`: how probable a text is, token by token, and which of several is likelier."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.format import finite, number
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.language_model import LanguageModel


def score(
    model: Annotated[str, typer.Argument(help="A model folder, or the Hugging Face id of one.")],
    sentences: Annotated[
        list[str] | None,
        typer.Argument(help="Texts to score; - reads them from stdin, one a line."),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(help="Perplexity of a whole corpus instead: a file, folder, - or a name."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="The split of the corpus, where it has its own.")
    ] = None,
    context: Annotated[
        str, typer.Option(help="Text that comes before each sentence, read but not scored.")
    ] = "",
    first_token: Annotated[
        str, typer.Option(help="start: scored after the start symbol; skip: read but not scored.")
    ] = "start",
    top: Annotated[int, typer.Option(help="Alternatives to show for each token.", min=0)] = 3,
    words: Annotated[bool, typer.Option("--words", help="Show words instead of tokens.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Save the coloured picture here too.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a text.")] = False,
) -> None:
    """Score texts with a language model by the chain rule.

    \b
    Examples:
        unrolled score model "take me to Mars" "bake me to Mars"
        unrolled score model --context "Close the" " door" " window" --top 5
        cat sentences.txt | unrolled score model - --json
        unrolled score model --file corpus.txt
    """
    from cli.sample import load_model
    from nlp.core.scoring import score as score_text

    if svg is not None and (as_json or file is not None):
        raise UsageError("--svg is a picture of sentences: leave out --json and --file.")
    if file is not None:
        if sentences:
            raise UsageError("--file scores a corpus and cannot stand beside sentences.")
        _score_corpus(load_model(model, device)[0], file, split, as_json=as_json)
        return
    loaded, tokenizer = load_model(model, device)
    scored = []
    for text in _texts(sentences or ["-"]):
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


def _texts(sentences: list[str]) -> Iterator[str]:
    """The sentences, with the lines of stdin in the place of -."""
    for sentence in sentences:
        if sentence == "-":
            from corpora import read

            yield from (passage.text for passage in read("-", document="line"))
        else:
            yield sentence


def _score_corpus(model: LanguageModel, source: str, split: str | None, *, as_json: bool) -> None:
    """Perplexity of a whole source, its state carried from the first token to the last."""
    from nlp.language_model import evaluate

    found = evaluate(model, source, split=split)
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
