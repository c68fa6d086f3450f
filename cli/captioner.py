"""`unrolled train-captioner`: a captioner of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.inputs import DATA, LENGTH, MODEL, OPTIMISATION, REGULARISATION, option
from cli.training import run

if TYPE_CHECKING:
    from vision.caption_scores import CaptionScores

PICTURES = "Pictures (how they are made ready, and changed while training)"  # a panel of --help


def train_captioner(
    captions: Annotated[
        str | None,
        typer.Argument(
            help="Pictures and their captions: COCO's or Karpathy's .json, Flickr's token file, "
            ".csv, .tsv, .jsonl, .parquet, a folder or hf:NAME.",
            show_default="the generated sample generated-scenes",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Argument(help="The folder of the pictures.", show_default="beside the captions"),
    ] = None,
    output: inputs.Output = "captioner",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: Annotated[
        str, option("A fraction of the data, or a source; if the data is not divided.", DATA)
    ] = "0.05",
    test: Annotated[str, option("The same; 0 for no test split.", DATA)] = "0.05",
    image_column: Annotated[
        str | None, option("The column of tables that names the picture.", DATA, "found out")
    ] = None,
    caption_column: Annotated[
        str | None, option("The column of its caption or captions.", DATA, "found out")
    ] = None,
    encoding_errors: inputs.EncodingErrors = "strict",
    size: Annotated[int, option("Pixels of a prepared picture's side.", PICTURES)] = 96,
    resize: Annotated[
        str, option("How it becomes a square: crop, pad or stretch.", PICTURES)
    ] = "crop",
    flip: Annotated[bool, option("Mirror half of them.", PICTURES)] = False,
    crop: Annotated[
        float, option("Cut out a part, of at least so much of the area; 1 for all.", PICTURES)
    ] = 1.0,
    jitter: Annotated[
        float, option("Change brightness, contrast and colour up to so much.", PICTURES)
    ] = 0.0,
    rotation: Annotated[float, option("Turn them up to so many degrees.", PICTURES)] = 0.0,
    shift: Annotated[float, option("Shift them up to so much of a side.", PICTURES)] = 0.0,
    vocabulary_size: Annotated[int, option("Pieces of words to learn, at most.", DATA)] = 6000,
    pattern: Annotated[str, option("How text is cut beforehand: gpt2 or gpt4.", DATA)] = "gpt2",
    backbone: Annotated[
        str, option("What sees: small, coarse, resnet18, resnet50 or vgg16.", MODEL)
    ] = "small",
    weights: Annotated[
        str | None,
        option("Its trained weights: torchvision's .pth, .safetensors or a Hub id.", MODEL, "none"),
    ] = None,
    freeze_backbone: Annotated[bool, option("It stays as it is.", MODEL)] = False,
    concepts: Annotated[
        int, option("Phrases of captions that the encoder learns to find, too; 0 for none.", MODEL)
    ] = 600,
    context: Annotated[int, option("How many times its cells look at each other.", MODEL)] = 2,
    features: Annotated[int, option("Of each cell of the picture.", MODEL)] = 256,
    embedding_size: Annotated[int, option("Features of a piece.", MODEL)] = 256,
    hidden_size: inputs.HiddenSize = 256,
    decoder_layers: Annotated[int, option("Layers that write.", MODEL)] = 1,
    cell: inputs.Cell = "lstm",
    attention: Annotated[
        str, option("general, dot, additive or concat; none for none.", MODEL)
    ] = "general",
    gate: Annotated[bool, option("Each word decides how much it looks.", MODEL)] = True,
    doubly_stochastic: Annotated[
        float,
        option("How much all of a picture is to be looked at; 1 in the paper.", REGULARISATION),
    ] = 0.0,
    tied: Annotated[bool, option("Output weights are the embedding's.", MODEL)] = True,
    word_dropout: Annotated[float, option("Whole pieces.", REGULARISATION)] = 0.0,
    input_dropout: Annotated[float, option("Features of the pieces.", REGULARISATION)] = 0.1,
    dropout: Annotated[
        float, option("Features of the cells, and between layers.", REGULARISATION)
    ] = 0.1,
    output_dropout: Annotated[float, option("Before the softmax.", REGULARISATION)] = 0.1,
    label_smoothing: Annotated[
        float, option("Of each target's probability, given to all others.", REGULARISATION)
    ] = 0.0,
    captions_per_image: Annotated[
        int, option("Captions of a picture that an epoch reads, drawn anew; 0 for all.", DATA)
    ] = 1,
    epochs: inputs.Epochs = 12,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    self_critical_epochs: Annotated[
        int, option("Then so many in which its own captions are judged by CIDEr-D.", LENGTH)
    ] = 0,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    average: Annotated[
        int, option("The mean of the weights of so many of the best evaluations.", LENGTH)
    ] = 1,
    batch_size: Annotated[int, option("Pictures in a step.", OPTIMISATION)] = 64,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[float, option("At its highest.", OPTIMISATION)] = 2e-3,
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
    """Train a captioner on your own pictures and their captions.

    \b
    Examples:
        unrolled train-captioner captions.csv photos --output my-captioner
        unrolled train-captioner dataset_flickr8k.json Flicker8k_Dataset \\
            --backbone resnet50 --weights resnet50.pth --freeze-backbone --size 224
        unrolled train-captioner --output my-captioner --resume
    """
    arguments: dict[str, Any] = dict(locals())
    del arguments["captions"], arguments["as_json"]
    from vision.captioner import train

    trained = run(
        "train-captioner",
        train,
        None if captions is None else [captions],
        arguments,
        as_json=as_json,
        results=lambda trained: {} if trained.test is None else scores_record(trained.test),
        items="pieces",
    )
    if as_json:
        return
    if trained.test is not None:
        from cli import display
        from vision.captioner.evaluation import RESULT_COLUMNS, result_row

        display.comparison(
            "on the test split", RESULT_COLUMNS, {"this model": result_row(trained.test)}
        )
    typer.echo(f"The model is in {output}. Try: unrolled caption {output} picture.jpg")


def scores_record(found: CaptionScores, captions: int = 0) -> dict[str, Any]:
    """The scores of captions, for JSON, with so many of the worst and the best captions."""
    names = ("captions", "bleu", "meteor", "rouge_l", "cider", "ranges", "signature", "distinct_1")
    more = ("distinct_2", "vocabulary", "unique", "novelty", "length", "length_ratio", "empty")
    told: dict[str, Any] = {name: getattr(found, name) for name in (*names, *more)}
    for name in ("worst", "best") if captions else ():
        told[name] = [one._asdict() for one in getattr(found, name)[:captions]]
    return told
