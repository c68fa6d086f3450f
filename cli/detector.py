"""`unrolled train-detector`: a detector of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.inputs import DATA, LENGTH, MODEL, OPTIMISATION, option
from cli.training import run

if TYPE_CHECKING:
    from vision.average_precision import DetectionScores

PICTURES = "Pictures (how they are made ready, and changed while training)"  # a panel of --help
LOSS = "What is learned"


def train_detector(
    data: Annotated[
        str | None,
        typer.Argument(
            help="Pictures and their boxes: a folder of VOC's, COCO's .json, YOLO's data.yaml or "
            "folder, .csv, .tsv, .jsonl or hf:NAME.",
            show_default="the generated sample generated-scenes",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Argument(help="The folder of the pictures.", show_default="beside the boxes"),
    ] = None,
    labels: Annotated[
        str | None,
        option("Of all classes these, as dog,cat; or the names of numbered ones.", DATA, "all"),
    ] = None,
    output: inputs.Output = "detector",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: Annotated[
        str, option("A fraction of the data, or a source; if the data is not divided.", DATA)
    ] = "0.1",
    test: Annotated[str, option("The same; 0 for no test split.", DATA)] = "0.1",
    size: Annotated[
        int, option("Pixels of the square in which a picture lies; a multiple of 32.", PICTURES)
    ] = 320,
    flip: Annotated[bool, option("Mirror half of them.", PICTURES)] = True,
    turn: Annotated[
        bool, option("Quarter turns, where pictures have no up: cells, maps.", PICTURES)
    ] = False,
    zoom: Annotated[float, option("Up to so much smaller or larger.", PICTURES)] = 0.5,
    mosaic: Annotated[float, option("The share put together of four.", PICTURES)] = 0.7,
    plain: Annotated[
        float, option("The last share of the run, which is without mosaics.", PICTURES)
    ] = 0.2,
    jitter: Annotated[
        float, option("Change brightness, contrast and colour up to so much.", PICTURES)
    ] = 0.3,
    multi_scale: Annotated[
        float, option("A batch's squares are up to so much smaller or larger.", PICTURES)
    ] = 0.1,
    backbone: Annotated[str, option("small, base or resnet18.", MODEL)] = "small",
    weights: Annotated[
        str | None,
        option("Its trained weights: torchvision's .pth, .safetensors or a Hub id.", MODEL, "none"),
    ] = None,
    features: Annotated[int, option("Of each cell of the maps.", MODEL)] = 96,
    anchors: Annotated[int, option("Sizes that each of the three maps looks for.", MODEL)] = 3,
    owners: Annotated[
        str, option("Who learns a box: best, or several, neighbours too.", LOSS)
    ] = "several",
    judge_overlap: Annotated[bool, option("Scores tell how well a box fits, too.", LOSS)] = True,
    box_weight: Annotated[float, option("Of the boxes in the loss.", LOSS)] = 3.0,
    object_weight: Annotated[float, option("Of whether there is one.", LOSS)] = 1.0,
    class_weight: Annotated[float, option("Of what it is.", LOSS)] = 1.0,
    epochs: inputs.Epochs = 60,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    average: Annotated[
        int, option("The mean of the weights of so many of the best evaluations.", LENGTH)
    ] = 1,
    batch_size: Annotated[int, option("Pictures in a step.", OPTIMISATION)] = 16,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[float, option("At its highest.", OPTIMISATION)] = 2e-3,
    schedule: inputs.Schedule = "cosine",
    warmup_steps: inputs.WarmupSteps = 200,
    weight_decay: inputs.WeightDecay = 0.05,
    clip_norm: inputs.ClipNorm = 10.0,
    accumulate: inputs.Accumulate = 1,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the loss curves (needs the extra: plots).")
    ] = False,
    seed: inputs.Seed = 0,
    device: inputs.Device = "auto",
    precision: inputs.Precision = "auto",
    as_json: inputs.JsonEvents = False,
) -> None:
    """Train a detector on your own pictures and the boxes in them.

    \b
    Examples:
        unrolled train-detector VOC2012 --output my-detector
        unrolled train-detector instances_train2017.json train2017 --size 416
        unrolled train-detector data.yaml --minutes 30 --turn
        unrolled train-detector boxes.csv photos --labels dog,cat
        unrolled train-detector --output my-detector --resume
    """
    arguments: dict[str, Any] = dict(locals())
    del arguments["data"], arguments["as_json"]
    if labels is not None:
        arguments["labels"] = [label.strip() for label in labels.split(",")]
    from vision.detector import train

    trained = run(
        "train-detector",
        train,
        None if data is None else [data],
        arguments,
        as_json=as_json,
        results=lambda trained: {} if trained.test is None else scores_record(trained.test),
        items="pictures",
    )
    if as_json:
        return
    if trained.test is not None:
        from cli import display
        from vision.detector.evaluation import RESULT_COLUMNS, result_row

        display.comparison(
            "on the test split", RESULT_COLUMNS, {"this model": result_row(trained.test)}
        )
    typer.echo(f"The model is in {output}. Try: unrolled detect {output} picture.jpg")


def scores_record(found: DetectionScores) -> dict[str, Any]:
    """The scores of what was found, for JSON."""
    return {
        "pictures": found.pictures,
        "mAP@0.5": found.ap50,
        "mAP@0.75": found.ap75,
        "mAP@0.5:0.95": found.ap,
        "mAP@0.5:0.95, by size": dict(found.ap_sizes),
        "AR": {str(most): value for most, value in found.ar.items()},
        "classes": {
            label: {**one._asdict(), "best_f1": found.curves[label].best_f1}
            for label, one in found.per_class.items()
        },
    }
