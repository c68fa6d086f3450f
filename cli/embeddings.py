"""`unrolled train-embeddings`: word vectors of one's own."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.format import finite, number

DATA = "Data"
WORDS = "Words"
MODEL = "Model"
OPTIMISATION = "Training"


def _option(help: str, panel: str, default: str | None = None) -> Any:
    if default is None:
        return typer.Option(help=help, rich_help_panel=panel)
    return typer.Option(help=help, rich_help_panel=panel, show_default=default)


def train_embeddings(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text files, folders or globs, - for stdin, hf:NAME for a Hugging Face dataset.",
            show_default="the bundled wikipedia-sample",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="The folder of the vectors.")
    ] = "embeddings",
    start: Annotated[
        str | None,
        typer.Option(help="A folder of embeddings to go on from, with new text and its words."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder: it becomes OUTPUT.previous.")
    ] = False,
    text_column: Annotated[
        str, _option("The column of tables that holds the text.", DATA)
    ] = "text",
    document: Annotated[str, _option("What one document is: file or line.", DATA)] = "file",
    encoding_errors: Annotated[
        str, _option("What to do about bytes that are no UTF-8: strict or replace.", DATA)
    ] = "strict",
    splitting: Annotated[
        str, _option("Words are word characters (words), or what stands between white-space.", DATA)
    ] = "words",
    lowercase: Annotated[bool, _option("The and the are the same word.", DATA)] = True,
    min_count: Annotated[int, _option("Words that occur less have no vector.", WORDS)] = 5,
    max_vocabulary: Annotated[
        int | None, _option("Most frequent words to keep.", WORDS, "all")
    ] = None,
    phrases: Annotated[bool, _option("Join words that go together: new_york.", WORDS)] = False,
    phrase_threshold: Annotated[float, _option("Score above which they do.", WORDS)] = 10.0,
    subwords: Annotated[
        bool, _option("Also learn n-grams, of which unknown words are built (fastText).", WORDS)
    ] = False,
    min_n: Annotated[int, _option("Characters of the shortest n-gram.", WORDS)] = 3,
    max_n: Annotated[int, _option("Characters of the longest.", WORDS)] = 6,
    buckets: Annotated[int, _option("Vectors that n-grams share.", WORDS)] = 200_000,
    algorithm: Annotated[str, _option("skip-gram or cbow.", MODEL)] = "skip-gram",
    objective: Annotated[
        str, _option("negative-sampling or hierarchical-softmax.", MODEL)
    ] = "negative-sampling",
    size: Annotated[int, _option("Features of a vector.", MODEL)] = 100,
    window: Annotated[int, _option("Words on either side at most.", MODEL)] = 5,
    negatives: Annotated[int, _option("Words drawn for each told one.", MODEL)] = 5,
    subsample: Annotated[
        float, _option("Share of the text above which words are left out at times.", MODEL)
    ] = 1e-3,
    epochs: Annotated[int, _option("Times through the text.", OPTIMISATION)] = 5,
    learning_rate: Annotated[
        float | None, _option("At the start.", OPTIMISATION, "0.025, for cbow 0.05")
    ] = None,
    engine: Annotated[
        str, _option("gensim, torch, or auto: torch on a CUDA GPU.", OPTIMISATION)
    ] = "auto",
    device: Annotated[str, _option("auto, cpu, cuda, cuda:N or mps.", OPTIMISATION)] = "auto",
    workers: Annotated[
        int | None, _option("Threads of gensim; 1 repeats exactly.", OPTIMISATION, "all cores")
    ] = None,
    seed: Annotated[int, _option("Of all that is drawn.", OPTIMISATION)] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON per event.")
    ] = False,
) -> None:
    """Train word vectors on your own text.

    \b
    Examples:
        unrolled train-embeddings books/ --output vectors
        unrolled train-embeddings books/ --algorithm cbow --size 200 --phrases
        unrolled train-embeddings more.txt --start vectors --output vectors2
        unrolled words nearest vectors king
    """
    arguments = dict(locals())
    del arguments["corpus"], arguments["as_json"]

    from cli import display
    from nlp import embeddings

    source = corpus[0] if corpus and len(corpus) == 1 else corpus or None
    with display.TrainingDisplay("json" if as_json else "auto") as report:
        trained = embeddings.train_embeddings(source, **arguments, report=report)
    told = {
        "words": len(trained.vectors),
        "loss": trained.losses[-1],
        "seconds": trained.seconds,
        "words_per_second": trained.words_per_second,
    }
    if as_json:
        ended = {"event": "end", "output": output, **told, "losses": trained.losses}
        typer.echo(json.dumps(finite(ended)))
        return
    typer.echo(
        f"{len(trained.vectors):,} vectors in {output}: {number(trained.seconds)} s with reading "
        f"and counting, {trained.words_per_second:,.0f} words/s. "
        f"Try: unrolled words nearest {output} WORD"
    )
