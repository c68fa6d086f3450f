"""`unrolled summarize`: what a language model makes of texts and "TL;DR:"."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli import inputs
from cli.articles import Article, articles, check_apart, file_of, places
from cli.format import harmless
from cli.inputs import ANSWER, INPUT, option
from corpora.errors import UsageError
from corpora.writing import write_text

if TYPE_CHECKING:
    from nlp.core.strategies import Beam, Greedy, Sampling
    from nlp.summarizer import Summary

MODEL = "gpt2"
HINT = "\nTL;DR:"
CHOICE = "How summaries are chosen"  # a panel of --help
AT_ONCE = 4  # batches of texts that are sorted by length before they are read


def summarize(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts: files, folders or globs, - for stdin, hf:NAME; a table holds one a row.",
            show_default="-",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="A language model: a folder, the Hugging Face id of one, or a .gguf file.",
        ),
    ] = MODEL,
    text_column: Annotated[str, option("The column of tables that holds the text.", INPUT)] = (
        "text"
    ),
    document: Annotated[str, option("What one text is: file or line.", INPUT)] = "file",
    encoding_errors: Annotated[
        str, option("Bytes that are no UTF-8: strict refuses them, replace marks them.", INPUT)
    ] = "strict",
    hint: Annotated[
        str,
        option(
            "What stands behind a text and asks for its summary; \\n is a line break.",
            CHOICE,
            r"\nTL;DR:",
        ),
    ] = HINT,
    sentences: Annotated[
        int,
        typer.Option(
            help="The first so many that are written; 0 keeps all.", min=0, rich_help_panel=ANSWER
        ),
    ] = 3,
    max_tokens: Annotated[
        int, typer.Option(help="Tokens to write at most.", min=1, rich_help_panel=CHOICE)
    ] = 100,
    long: Annotated[
        str,
        option(
            "A text that is longer than the model looks at: cut leaves out its end, sections "
            "summarises parts of it, and then their summaries.",
            INPUT,
        ),
    ] = "cut",
    candidates: Annotated[
        int,
        typer.Option(
            help="Write several, and take the one whose tokens are likeliest on average.",
            min=1,
            rich_help_panel=CHOICE,
        ),
    ] = 1,
    greedy: Annotated[
        bool,
        typer.Option("--greedy", help="The likeliest token each time.", rich_help_panel=CHOICE),
    ] = False,
    beam: Annotated[
        int | None,
        typer.Option(help="Search with so many beginnings.", min=1, rich_help_panel=CHOICE),
    ] = None,
    temperature: Annotated[
        float | None, option("Draw; below 1 is bolder, above 1 wilder.", CHOICE, "1")
    ] = None,
    top_k: Annotated[
        int | None,
        option("Draw from the k likeliest tokens only; 0 for all.", CHOICE, "2, or all with top-p"),
    ] = None,
    top_p: Annotated[
        float | None,
        option("Draw from the likeliest tokens that together reach p.", CHOICE, "no"),
    ] = None,
    seed: Annotated[int, option("The same seed draws the same.", CHOICE)] = 0,
    language: Annotated[
        str, option("Of the summary, as in de or pt-br: where its sentences end.", ANSWER)
    ] = "en",
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="A line of JSON a text: sentences, candidates, what was read and cut.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    output_folder: Annotated[
        Path | None,
        typer.Option(
            "--output-folder",
            "-o",
            help="Write a file for each text, of its name.",
            show_default="the terminal",
            rich_help_panel=ANSWER,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace what the folder holds.", rich_help_panel=ANSWER),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(help="Texts that are summarised together, at most.", min=1)
    ] = 8,
    device: inputs.Device = "auto",
    precision: inputs.Weights = "auto",
) -> None:
    """Summarise texts with a language model, which needs no training for it.

    A file that cannot be read is told in one line, and the others are summarised.

    \b
    Examples:
        unrolled summarize article.txt
        unrolled summarize news/*.txt --output-folder summaries
        unrolled summarize book.txt --long sections --greedy
        unrolled summarize article.txt --model my-model --hint "\\nIn short:" --candidates 8
    """
    from corpora.reader import Options

    options = Options(text_column, document, encoding_errors).checked()
    if long not in ("cut", "sections"):
        raise UsageError(f"--long is {long}: expected cut or sections")
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    asked = {
        "hint": hint.replace("\\n", "\n"),
        "strategy": _strategy(drawing, greedy=greedy, beam=beam, candidates=candidates, seed=seed),
        "max_tokens": max_tokens,
        "sentences": sentences,
        "long": long,
        "seed": seed,
        "language": language,
    }
    given = places(files or ["-"])
    answers = _Answers(as_json, output_folder, overwrite, several=False)
    if output_folder is not None:
        check_apart(given, output_folder, answers.suffix)
    elif overwrite:
        raise UsageError("--overwrite is about --output-folder: give one, or leave it out")
    texts = articles(given, options)
    first = list(islice(texts, 2))
    answers.several = len(first) > 1 or len(given) > 1
    one = None if answers.several or not first else first[0]
    live = candidates == 1 and beam is None and answers.on_a_terminal
    if one and not one.trouble and live:
        _stream(one.text, inputs.load_model(model, device, precision)[0], asked)
        return
    rest = _chained(first, texts)
    asked |= {"candidates": candidates, "batch_size": batch_size}
    loaded: Any = None
    while group := list(islice(rest, AT_ONCE * batch_size)):
        real = [article.text for article in group if not article.trouble]
        found: Iterator[Summary] = iter(())
        if real:
            from nlp import summarizer

            if loaded is None:  # now that there is something to read
                loaded, _ = inputs.load_model(model, device, precision)
            found = iter(summarizer.summarize(real, loaded, **asked))
        for article in group:
            if article.trouble:
                answers.trouble(article)
            else:
                answers.write(article, next(found))
    answers.end(loaded, long)


def _strategy(
    drawing: dict[str, Any], *, greedy: bool, beam: int | None, candidates: int, seed: int
) -> Beam | Greedy | Sampling:
    """The strategy that options name; those that would do nothing beside it are refused."""
    from nlp.core.strategies import Beam, Greedy, Sampling

    drawn = [f"--{name.replace('_', '-')}" for name, value in drawing.items() if value is not None]
    drawn += ["--seed"] if seed else []
    if greedy:
        drawn += ["--beam"] if beam is not None else []
        drawn += ["--candidates"] if candidates > 1 else []
        if drawn:
            _refuse("--greedy takes the likeliest token each time", drawn)
        return Greedy()
    if beam is not None:
        if drawn:
            _refuse("--beam searches, and draws nothing", drawn)
        if candidates > beam:
            raise UsageError(
                f"--candidates {candidates} takes a beam as wide: give --beam {candidates}"
            )
        return Beam(beam)
    top_k = drawing["top_k"]
    if top_k is None and drawing["top_p"] is None:
        top_k = 2
    temperature = 1.0 if drawing["temperature"] is None else drawing["temperature"]
    return Sampling(temperature, top_k or None, drawing["top_p"])


def _refuse(reason: str, names: Sequence[str]) -> NoReturn:
    raise UsageError(f"{reason}: leave out {' and '.join(names)}")


def _stream(text: str, model: Any, asked: dict[str, Any]) -> None:
    """A text's summary on the terminal, as it is written."""
    from nlp.summarizer import stream_summary

    remarks: list[str] = []
    pieces = stream_summary(text, model, **asked, report=lambda remark: remarks.append(remark.text))
    try:
        for piece in pieces:
            sys.stdout.write(harmless(piece))
            sys.stdout.flush()
    finally:
        typer.echo()
    for remark in remarks:
        typer.echo(remark, err=True)


def _chained(first: Sequence[Article], rest: Iterator[Article]) -> Iterator[Article]:
    yield from first
    yield from rest


class _Answers:
    """What is printed or written of each text, and told at the end."""

    def __init__(
        self, as_json: bool, folder: Path | None, overwrite: bool, *, several: bool
    ) -> None:
        self.as_json, self.folder, self.several = as_json, folder, several
        self.suffix = ".json" if as_json else ".txt"
        self.found: list[Summary] = []
        self.troubles = 0
        if folder is not None and folder.exists() and not overwrite:
            if not folder.is_dir():
                raise UsageError(f"{folder} is a file: choose another --output-folder")
            if any(folder.iterdir()):
                raise UsageError(f"{folder} is not empty: choose another folder, or --overwrite")

    @property
    def on_a_terminal(self) -> bool:
        return not self.as_json and self.folder is None and sys.stdout.isatty()

    def trouble(self, article: Article) -> None:
        self.troubles += 1
        typer.echo("unrolled: error: " + " ".join(article.trouble.split()), err=True)

    def write(self, article: Article, summary: Summary) -> None:
        self.found.append(summary)
        if self.as_json:
            told = {"name": article.name, **dataclasses.asdict(summary)}
            line = json.dumps(told, ensure_ascii=False) + "\n"
        else:
            line = summary.text + "\n"
        if self.folder is not None:
            write_text(self.folder / file_of(article, self.suffix), line)
            return
        if self.several and not self.as_json:
            before = "\n" if len(self.found) > 1 else ""
            line = f"{before}==> {article.name} <==\n{line}"
        sys.stdout.write(harmless(line) if sys.stdout.isatty() else line)
        sys.stdout.flush()

    def end(self, model: Any, long: str) -> None:
        """What concerns all texts. Exits with 2 where one could not be read."""
        if any(one.cut_tokens for one in self.found):
            from nlp.summarizer import cut_remark

            typer.echo(cut_remark(self.found, model, long).text, err=True)
        if empty := sum(not one.text for one in self.found):
            told = f"{empty:,} of {len(self.found):,} summaries: the model wrote nothing"
            typer.echo(told, err=True)
        if self.folder is not None:
            typer.echo(f"{len(self.found):,} summaries are in {self.folder}")
        if self.troubles:
            if self.several:
                told = f"{self.troubles:,} of {self.troubles + len(self.found):,} texts"
                typer.echo(f"unrolled: {told} could not be read", err=True)
            raise typer.Exit(2)
