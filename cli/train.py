"""`unrolled train-lm`: a language model of one's own."""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Any

import typer

from cli.format import finite
from corpora.errors import UsageError

DATA = "Data"
MODEL = "Model"
REGULARISATION = "Regularisation (probabilities of dropping)"
LENGTH = "How long to train"
OPTIMISATION = "Optimisation"


def _option(help: str, panel: str) -> Any:
    return typer.Option(help=help, rich_help_panel=panel)


def train_lm(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text files, folders or globs, - for stdin, hf:NAME for a Hugging Face dataset.",
            show_default="the bundled wikipedia-sample",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="The model's folder.")
    ] = "language-model",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that --output holds.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model: it becomes OUTPUT.previous.")
    ] = False,
    validation: Annotated[str, _option("A fraction of the corpus, or a source.", DATA)] = "0.1",
    test: Annotated[str, _option("The same; 0 for no test split.", DATA)] = "0.1",
    text_column: Annotated[
        str, _option("The column of tables that holds the text.", DATA)
    ] = "text",
    document: Annotated[str, _option("What one document is: file or line.", DATA)] = "file",
    encoding_errors: Annotated[
        str, _option("What to do about bytes that are no UTF-8: strict or replace.", DATA)
    ] = "strict",
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="A tokenizer.json, or a model folder to take it from.",
            show_default="learned from the training text",
            rich_help_panel=DATA,
        ),
    ] = None,
    kind: Annotated[str, _option("Tokens to learn: bpe, characters or bytes.", DATA)] = "bpe",
    vocabulary_size: Annotated[int, _option("BPE tokens to learn.", DATA)] = 4096,
    pattern: Annotated[str, _option("How BPE cuts text beforehand: gpt2 or gpt4.", DATA)] = "gpt2",
    cell: Annotated[str, _option("lstm, gru, rnn (tanh) or relu-rnn.", MODEL)] = "lstm",
    layers: Annotated[int, _option("Layers above each other.", MODEL)] = 1,
    hidden_size: Annotated[int, _option("Units of a layer.", MODEL)] = 512,
    embedding_size: Annotated[
        int | None,
        typer.Option(
            help="Features of a token.", show_default="the hidden size", rich_help_panel=MODEL
        ),
    ] = None,
    embedding: Annotated[
        str, _option("learned, one-hot, or word vectors to begin with: a file or folder.", MODEL)
    ] = "learned",
    freeze_embedding: Annotated[bool, _option("Leave it as it begins.", MODEL)] = False,
    tied: Annotated[bool, _option("Output weights are the embedding's.", MODEL)] = True,
    backward: Annotated[bool, _option("Read texts from their end; for taggers.", MODEL)] = False,
    embedding_dropout: Annotated[float, _option("Whole tokens.", REGULARISATION)] = 0.0,
    input_dropout: Annotated[float, _option("Features of the tokens.", REGULARISATION)] = 0.15,
    dropout: Annotated[float, _option("Between layers.", REGULARISATION)] = 0.2,
    output_dropout: Annotated[float, _option("Before the softmax.", REGULARISATION)] = 0.25,
    locked_dropout: Annotated[
        bool, _option("These three: one mask for all positions of a row.", REGULARISATION)
    ] = True,
    weight_drop: Annotated[float, _option("Recurrent weights.", REGULARISATION)] = 0.2,
    epochs: Annotated[
        float, _option("Times through the text, unless one of the next two is given.", LENGTH)
    ] = 10,
    steps: Annotated[int | None, _option("Optimizer steps.", LENGTH)] = None,
    minutes: Annotated[
        float | None, _option("Minutes by the clock; with --steps, whichever ends first.", LENGTH)
    ] = None,
    patience: Annotated[
        int | None, _option("Stop after so many evaluations without improvement.", LENGTH)
    ] = None,
    evaluate_every: Annotated[
        int | None,
        typer.Option(
            help="Steps between evaluations.", show_default="12 in a run", rich_help_panel=LENGTH
        ),
    ] = None,
    batch_size: Annotated[int, _option("Streams of text side by side.", OPTIMISATION)] = 32,
    window: Annotated[int, _option("Tokens of each stream in a step.", OPTIMISATION)] = 32,
    optimizer: Annotated[str, _option("adamw, sgd or nt-asgd.", OPTIMISATION)] = "adamw",
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="At its highest.", show_default="what suits the cell", rich_help_panel=OPTIMISATION
        ),
    ] = None,
    schedule: Annotated[str, _option("cosine, plateau or constant.", OPTIMISATION)] = "cosine",
    warmup_steps: Annotated[int, _option("Steps in which it rises.", OPTIMISATION)] = 100,
    weight_decay: Annotated[float, _option("Of matrices, decoupled.", OPTIMISATION)] = 0.01,
    clip_norm: Annotated[float, _option("Longest gradient; 0 for any.", OPTIMISATION)] = 1.0,
    accumulate: Annotated[int, _option("Batches per optimizer step.", OPTIMISATION)] = 1,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also measure unigram and 5-gram models.")
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the loss curves (needs the extra: plots).")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, float32 or bfloat16 for matrix products.")
    ] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON per event.")
    ] = False,
) -> None:
    """Train a recurrent language model on your own text.

    \b
    Examples:
        unrolled train-lm book.txt --output my-model --minutes 5
        unrolled train-lm train.txt --validation valid.txt --test test.txt --layers 2
        unrolled train-lm --output my-model --resume
    """
    arguments = dict(locals())
    del arguments["corpus"], arguments["as_json"]
    from dataclasses import asdict

    from cli import display
    from nlp.core.scoring import RESULT_COLUMNS, result_row
    from nlp.core.training import Diverged
    from nlp.language_model import train

    arguments["validation"] = _fraction_or_source(validation)
    arguments["test"] = _fraction_or_source(test)
    source = corpus[0] if corpus and len(corpus) == 1 else corpus or None
    try:
        with display.TrainingDisplay("json" if as_json else "auto") as report:
            trained = train(source, **arguments, report=report)
    except Diverged as error:
        typer.echo(f"unrolled: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        results = {name: asdict(result) for name, result in trained.results.items()}
        told = {"event": "end", "output": output, **trained.outcome._asdict(), "results": results}
        typer.echo(json.dumps(finite(told)))
    if trained.outcome.ended == "interrupted":
        hint = f"Go on with: unrolled train-lm --output {shlex.quote(output)} --resume"
        typer.echo(hint, err=as_json)
        raise typer.Exit(130)
    if as_json:
        return
    if trained.results:
        rows = {name: result_row(result) for name, result in trained.results.items()}
        display.comparison("on the test split", RESULT_COLUMNS, rows)
    if backward:
        typer.echo(f"The model is in {output}, for: unrolled train-tagger --language-model {output}")
        return
    typer.echo(f"The model is in {output}. Try: unrolled sample {output} --prompt ...")


def _fraction_or_source(value: str) -> float | str:
    """`0.1` is a fraction; anything else names a source."""
    try:
        return float(value)
    except ValueError:
        if not value:
            raise UsageError("a split is empty: expected a fraction or a source") from None
        return value
