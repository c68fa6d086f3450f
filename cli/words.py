"""`unrolled words ...`: ask word vectors, of ours or of others, measure, draw and convert them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import word_evaluation, word_map
from cli.format import visible
from cli.inputs import AsJson
from cli.word_vectors import (
    Limit,
    Vectors,
    load_vectors,
    print_facts,
    print_json,
    print_records,
)

if TYPE_CHECKING:
    from nlp.core.words.word_vectors import Neighbour

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")

Top = Annotated[int, typer.Option(help="Answers to show.", min=1)]


@app.callback()
def words(context: typer.Context) -> None:
    """Ask word vectors for neighbours and analogies; evaluate, draw and convert them.

    \b
    Examples:
        unrolled words nearest vectors king
        unrolled words analogy glove.6B.50d.txt man king woman
        unrolled words map vectors -o map.html
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def nearest(
    vectors: Vectors,
    word: Annotated[list[str], typer.Argument(help="One word or more.", show_default=False)],
    top: Top = 10,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Show the words with the largest cosine to each word.

    \b
    Examples:
        unrolled words nearest vectors sweden
        unrolled words nearest glove.6B.50d.txt king piano --top 5 --json
    """
    loaded = load_vectors(vectors, limit)
    answers = {each: loaded.nearest(each, top) for each in word}
    if as_json:
        for each, found in answers.items():
            print_json({"word": each, "neighbours": _as_records(found)})
        return
    print_records(
        {"word": each if rank == 0 else "", "neighbour": answer.word, "cosine": answer.similarity}
        for each, found in answers.items()
        for rank, answer in enumerate(found)
    )


@app.command()
def analogy(
    vectors: Vectors,
    a: Annotated[str, typer.Argument(help="man ...", show_default=False)],
    b: Annotated[str, typer.Argument(help="... is to king ...", show_default=False)],
    c: Annotated[str, typer.Argument(help="... as woman is to?", show_default=False)],
    method: Annotated[
        str, typer.Option(help="3CosAdd: near b - a + c; 3CosMul: cos(b) cos(c) / cos(a).")
    ] = "3CosAdd",
    top: Top = 10,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Answer "a is to b as c is to ...": man king woman gives queen.

    \b
    Examples:
        unrolled words analogy vectors man king woman
        unrolled words analogy vectors france paris sweden --method 3CosMul
    """
    found = load_vectors(vectors, limit).analogy(a, b, c, top, method=method)  # type: ignore[arg-type]
    if as_json:
        asked = {"a": a, "b": b, "c": c, "method": method}
        print_json({**asked, "answers": _as_records(found)})
        return
    measure = "cosine" if method == "3CosAdd" else "3CosMul"
    print_records({"answer": answer.word, measure: answer.similarity} for answer in found)


@app.command()
def odd_one_out(
    vectors: Vectors,
    word: Annotated[list[str], typer.Argument(help="Two words or more.", show_default=False)],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Show the word that is furthest from the mean of all of them.

    \b
    Examples:
        unrolled words odd-one-out vectors breakfast lunch dinner car
    """
    odd = load_vectors(vectors, limit).odd_one_out(word)
    if as_json:
        print_json({"words": word, "odd_one_out": odd})
    else:
        typer.echo(visible(odd))


@app.command()
def similarity(
    vectors: Vectors,
    a: Annotated[str, typer.Argument(help="A word.", show_default=False)],
    b: Annotated[str, typer.Argument(help="Another one.", show_default=False)],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Show the cosine of two words' vectors, -1 to 1.

    \b
    Examples:
        unrolled words similarity vectors cat dog
    """
    cosine = load_vectors(vectors, limit).similarity(a, b)
    if as_json:
        print_json({"a": a, "b": b, "cosine": cosine})
    else:
        typer.echo(f"{cosine:.4f}")


@app.command()
def convert(
    vectors: Vectors,
    output: Annotated[
        Path,
        typer.Argument(
            help="The file to write: .txt, .vec, .bin, .glove.txt, .kv or .safetensors; .gz behind "
            "a text or binary one.",
            show_default=False,
        ),
    ],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Write word vectors in another format, told by the ending of its name.

    \b
    Examples:
        unrolled words convert vectors vectors.bin
        unrolled words convert glove.6B.50d.txt glove.safetensors --limit 100000
    """
    from nlp.core.words import vector_formats

    loaded = load_vectors(vectors, limit)
    vector_formats.save(loaded, output)
    if loaded.subwords is not None and output.suffix != ".safetensors":
        typer.echo("Left out: the n-grams, which only .safetensors keeps.", err=True)
    print_facts({"file": str(output), "words": len(loaded), "size": loaded.size}, as_json=as_json)


def _as_records(found: list[Neighbour]) -> list[dict[str, Any]]:
    return [{"word": answer.word, "similarity": answer.similarity} for answer in found]


app.command("map")(word_map.draw)
app.command()(word_evaluation.evaluate)
