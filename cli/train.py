"""`unrolled train-lm`: a language model of one's own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cli import inputs
from cli.inputs import DATA, MODEL, OPTIMISATION, REGULARISATION, option
from cli.training import run


def train_lm(
    corpus: inputs.Corpus = None,
    output: inputs.Output = "language-model",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: inputs.Validation = "0.1",
    test: inputs.Test = "0.1",
    text_column: inputs.TextColumn = "text",
    document: inputs.Document = "file",
    encoding_errors: inputs.EncodingErrors = "strict",
    tokenizer: Annotated[
        str | None,
        option(
            "A tokenizer.json, or a model folder to take it from.",
            DATA,
            "learned from the training text",
        ),
    ] = None,
    kind: Annotated[str, option("Tokens to learn: bpe, characters or bytes.", DATA)] = "bpe",
    vocabulary_size: Annotated[int, option("BPE tokens to learn.", DATA)] = 4096,
    pattern: Annotated[str, option("How BPE cuts text beforehand: gpt2 or gpt4.", DATA)] = "gpt2",
    model: Annotated[
        str,
        option(
            "recurrent, or gpt2: a transformer, which has layers, a hidden size, heads and one "
            "dropout.",
            MODEL,
        ),
    ] = "recurrent",
    cell: inputs.Cell = "lstm",
    layers: inputs.Layers = 1,
    hidden_size: inputs.HiddenSize = 512,
    heads: Annotated[
        int | None, option("Heads of attention of a gpt2.", MODEL, "one for 64 of the hidden size")
    ] = None,
    embedding_size: Annotated[
        int | None, option("Features of a token.", MODEL, "the hidden size")
    ] = None,
    embedding: Annotated[
        str, option("learned, one-hot, or word vectors to begin with: a file or folder.", MODEL)
    ] = "learned",
    freeze_embedding: Annotated[bool, option("Leave it as it begins.", MODEL)] = False,
    tied: Annotated[bool, option("Output weights are the embedding's.", MODEL)] = True,
    backward: Annotated[bool, option("Read texts from their end; for taggers.", MODEL)] = False,
    embedding_dropout: Annotated[float, option("Whole tokens.", REGULARISATION)] = 0.0,
    input_dropout: Annotated[float, option("Features of the tokens.", REGULARISATION)] = 0.15,
    dropout: inputs.Dropout = 0.2,
    output_dropout: Annotated[float, option("Before the softmax.", REGULARISATION)] = 0.25,
    locked_dropout: Annotated[
        bool, option("These three: one mask for all positions of a row.", REGULARISATION)
    ] = True,
    weight_drop: Annotated[float, option("Recurrent weights.", REGULARISATION)] = 0.2,
    epochs: inputs.Epochs = 10,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    batch_size: Annotated[int, option("Streams of text side by side.", OPTIMISATION)] = 32,
    window: Annotated[
        int | None,
        option("Tokens of each stream in a step; a gpt2's context.", OPTIMISATION, "32; gpt2: 128"),
    ] = None,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[
        float | None, option("At its highest.", OPTIMISATION, "what suits the network")
    ] = None,
    schedule: inputs.Schedule = "cosine",
    warmup_steps: inputs.WarmupSteps = 100,
    weight_decay: inputs.WeightDecay = 0.01,
    clip_norm: inputs.ClipNorm = 1.0,
    accumulate: inputs.Accumulate = 1,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also measure unigram and 5-gram models.")
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the loss curves (needs the extra: plots).")
    ] = False,
    seed: inputs.Seed = 0,
    device: inputs.Device = "auto",
    precision: inputs.Precision = "auto",
    as_json: inputs.JsonEvents = False,
) -> None:
    """Train a language model on your own text: recurrent, or a small GPT-2.

    \b
    Examples:
        unrolled train-lm book.txt --output my-model --minutes 5
        unrolled train-lm train.txt --validation valid.txt --test test.txt --layers 2
        unrolled train-lm book.txt --output my-gpt2 --model gpt2 --layers 4 --hidden-size 256
        unrolled train-lm --output my-model --resume
    """
    arguments = dict(locals())
    del arguments["corpus"], arguments["as_json"]
    from nlp.core.scoring import RESULT_COLUMNS, result_row
    from nlp.language_model import train

    trained = run(
        "train-lm",
        train,
        corpus,
        arguments,
        as_json=as_json,
        results=lambda trained: {name: asdict(it) for name, it in trained.results.items()},
    )
    if as_json:
        return
    if trained.results:
        from cli import display

        rows = {name: result_row(result) for name, result in trained.results.items()}
        display.comparison("on the test split", RESULT_COLUMNS, rows)
    if backward:
        typer.echo(
            f"The model is in {output}, for: unrolled train-tagger --language-model {output}"
        )
        return
    typer.echo(f"The model is in {output}. Try: unrolled sample {output} --prompt ...")
