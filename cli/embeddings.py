"""`unrolled train-embeddings`: word vectors of one's own."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli import inputs
from cli.format import finite, number
from cli.inputs import DATA, MODEL, option

WORDS = "Words"
TRAINING = "Training"


def train_embeddings(
    corpus: inputs.Corpus = None,
    output: inputs.Output = "embeddings",
    start: Annotated[
        str | None, option("A folder of embeddings to go on from, with new text and its words.")
    ] = None,
    overwrite: inputs.Overwrite = False,
    text_column: inputs.TextColumn = "text",
    document: inputs.Document = "file",
    encoding_errors: inputs.EncodingErrors = "strict",
    splitting: Annotated[
        str, option("Words are word characters (words), or what stands between white-space.", DATA)
    ] = "words",
    lowercase: Annotated[bool, option("The and the are the same word.", DATA)] = True,
    min_count: Annotated[int, option("Words that occur less have no vector.", WORDS)] = 5,
    max_vocabulary: Annotated[
        int | None, option("Most frequent words to keep.", WORDS, "all")
    ] = None,
    phrases: Annotated[bool, option("Join words that go together: new_york.", WORDS)] = False,
    phrase_threshold: Annotated[float, option("Score above which they do.", WORDS)] = 10.0,
    subwords: Annotated[
        bool, option("Also learn n-grams, of which unknown words are built (fastText).", WORDS)
    ] = False,
    min_n: Annotated[int, option("Characters of the shortest n-gram.", WORDS)] = 3,
    max_n: Annotated[int, option("Characters of the longest.", WORDS)] = 6,
    buckets: Annotated[int, option("Vectors that n-grams share.", WORDS)] = 200_000,
    algorithm: Annotated[str, option("skip-gram or cbow.", MODEL)] = "skip-gram",
    objective: Annotated[
        str, option("negative-sampling or hierarchical-softmax.", MODEL)
    ] = "negative-sampling",
    size: Annotated[int, option("Features of a vector.", MODEL)] = 100,
    window: Annotated[int, option("Words on either side at most.", MODEL)] = 5,
    negatives: Annotated[int, option("Words drawn for each told one.", MODEL)] = 5,
    subsample: Annotated[
        float, option("Share of the text above which words are left out at times.", MODEL)
    ] = 1e-3,
    epochs: Annotated[
        int | None,
        option("Times through the text.", TRAINING, "as many as make 15 million words, 5 to 50"),
    ] = None,
    learning_rate: Annotated[
        float | None, option("At the start.", TRAINING, "0.025, for cbow 0.05")
    ] = None,
    engine: Annotated[
        str, option("gensim, torch, or auto: torch on a CUDA GPU.", TRAINING)
    ] = "auto",
    device: inputs.Device = "auto",
    workers: Annotated[
        int | None, option("Threads of gensim; 1 repeats exactly.", TRAINING, "one for each core")
    ] = None,
    seed: Annotated[int, option("Of all that is drawn.", TRAINING)] = 0,
    as_json: inputs.JsonEvents = False,
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
