"""`unrolled train-translator`: a translator of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.inputs import DATA, LENGTH, MODEL, OPTIMISATION, REGULARISATION, option
from cli.training import run

if TYPE_CHECKING:
    from nlp.core.translation.translation_scores import TranslationScores

SHARE = ["0.05"]  # of the pairs, for validation and for the test


def train_translator(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A text file, a sentence a line; or both sides in one source: .tsv, .csv, .jsonl, "
            ".json, .parquet, .tmx or hf:NAME.",
            show_default="the generated sample generated-pairs",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Argument(help="The file of its translations, line by line.", show_default=False),
    ] = None,
    output: inputs.Output = "translator",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: Annotated[
        list[str],
        option("A fraction of the data, or a source; given twice, two aligned files.", DATA),
    ] = SHARE,
    test: Annotated[list[str], option("The same; 0 for no test split.", DATA)] = SHARE,
    source_column: Annotated[
        str, option("The column of tables, or the language in .tmx files.", DATA)
    ] = "source",
    target_column: Annotated[str, option("The same of the translations.", DATA)] = "target",
    encoding_errors: inputs.EncodingErrors = "strict",
    max_length: Annotated[int, option("Leave out pairs of more words.", DATA)] = 250,
    max_ratio: Annotated[
        float, option("Leave out pairs of which a side has so many times more words.", DATA)
    ] = 9.0,
    drop_duplicates: Annotated[
        bool, option("Leave out pairs that were there already, or keep them.", DATA)
    ] = False,
    languages: Annotated[
        tuple[str, str] | None,
        option(
            "Leave out what is in other languages than these two, such as en de (needs the extra: "
            "languages).",
            DATA,
            "all is kept",
        ),
    ] = None,
    normalization: Annotated[
        str, option("Of Unicode: none, NFC, NFD, NFKC or NFKD; undone where it is written.", DATA)
    ] = "none",
    vocabulary_size: Annotated[int, option("Pieces of words to learn.", DATA)] = 6000,
    pattern: Annotated[str, option("How text is cut beforehand: gpt2 or gpt4.", DATA)] = "gpt2",
    shared_vocabulary: Annotated[bool, option("One for both languages, or one each.", DATA)] = True,
    bpe_dropout: Annotated[float, option("Merges, while training.", REGULARISATION)] = 0.0,
    embedding: Annotated[
        str | None,
        option("Word vectors the source's pieces begin at: a file or folder.", MODEL, "none"),
    ] = None,
    embedding_size: Annotated[int, option("Features of a piece.", MODEL)] = 256,
    hidden_size: inputs.HiddenSize = 384,
    encoder_layers: Annotated[int, option("Layers that read.", MODEL)] = 1,
    decoder_layers: Annotated[int, option("Layers that write.", MODEL)] = 2,
    cell: inputs.Cell = "lstm",
    bidirectional: Annotated[bool, option("Read sources in both directions.", MODEL)] = True,
    attention: Annotated[
        str, option("general, dot, additive or concat; none for none.", MODEL)
    ] = "general",
    input_feeding: Annotated[
        bool, option("What was read last is also the next step's input.", MODEL)
    ] = False,
    coverage: Annotated[bool, option("Attention knows what was read before.", MODEL)] = False,
    reverse_source: Annotated[bool, option("Read sources from their end.", MODEL)] = False,
    tied: Annotated[bool, option("Output weights are the embedding's.", MODEL)] = True,
    layer_norm: Annotated[bool, option("Normalise what recurrent parts put out.", MODEL)] = False,
    word_dropout: Annotated[float, option("Whole pieces.", REGULARISATION)] = 0.0,
    input_dropout: Annotated[float, option("Features of the pieces.", REGULARISATION)] = 0.4,
    dropout: inputs.Dropout = 0.4,
    output_dropout: Annotated[float, option("Before the softmax.", REGULARISATION)] = 0.4,
    label_smoothing: Annotated[
        float, option("Of each target's probability, given to all others.", REGULARISATION)
    ] = 0.1,
    scheduled_sampling: Annotated[
        float, option("True pieces replaced by the model's own.", REGULARISATION)
    ] = 0.0,
    epochs: inputs.Epochs = 12,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    average: Annotated[
        int, option("The mean of the weights of so many of the best evaluations.", LENGTH)
    ] = 1,
    batch_size: Annotated[int, option("Pairs in a step.", OPTIMISATION)] = 64,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[float, option("At its highest.", OPTIMISATION)] = 4e-3,
    schedule: inputs.Schedule = "cosine",
    warmup_steps: inputs.WarmupSteps = 200,
    weight_decay: inputs.WeightDecay = 0.01,
    clip_norm: inputs.ClipNorm = 1.0,
    accumulate: inputs.Accumulate = 1,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the loss curves (needs the extra: plots).")
    ] = False,
    seed: inputs.Seed = 0,
    device: inputs.Device = "auto",
    precision: inputs.Precision = "auto",
    as_json: inputs.JsonEvents = False,
) -> None:
    """Train a translator on your own pairs of sentences.

    \b
    Examples:
        unrolled train-translator train.en train.de --output my-translator
        unrolled train-translator a.en a.de --validation b.en --validation b.de
        unrolled train-translator memory.tmx --source-column en --target-column fr
        unrolled train-translator --output my-translator --resume
    """
    arguments: dict[str, Any] = dict(locals())
    del arguments["source"], arguments["as_json"]
    from nlp.translator import train

    trained = run(
        "train-translator",
        train,
        None if source is None else [source],
        arguments,
        as_json=as_json,
        results=lambda trained: {} if trained.test is None else scores_record(trained.test),
        items="pieces",
    )
    if as_json:
        return
    if trained.test is not None:
        from cli import display
        from nlp.translator.evaluation import RESULT_COLUMNS, result_row

        display.comparison(
            "on the test split", RESULT_COLUMNS, {"this model": result_row(trained.test)}
        )
        typer.echo(f"sacreBLEU's signature: {trained.test.signatures['BLEU']}")
    typer.echo(f"The model is in {output}. Try: unrolled translate {output} '...'")


def scores_record(found: TranslationScores, sentences: int = 0) -> dict[str, Any]:
    """The scores of translations, for JSON, with so many of the worst and the best sentences."""
    names = ("sentences", "bleu", "chrf", "ter", "ranges", "signatures", "brevity_penalty")
    more = ("length_ratio", "repetition", "reference_repetition", "empty")
    told: dict[str, Any] = {name: getattr(found, name) for name in (*names, *more)}
    told["by_length"] = [row._asdict() for row in found.by_length]
    for name in ("worst", "best") if sentences else ():
        told[name] = [one._asdict() for one in getattr(found, name)[:sentences]]
    return told
