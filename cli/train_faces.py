"""`unrolled train-faces`: a face encoder of one's own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import inputs
from cli.captioner import PICTURES
from cli.inputs import DATA, LENGTH, MODEL, OPTIMISATION, REGULARISATION, option
from cli.training import run


def train_faces(
    identities: Annotated[
        str | None,
        typer.Argument(
            help="A folder with a folder for each person, a table path,person, or hf:NAME.",
            show_default="the generated sample generated-faces",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Argument(help="The folder of the pictures.", show_default="beside the table"),
    ] = None,
    output: inputs.Output = "faces",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: Annotated[
        str, option("A fraction of the people, or a source; if the data is not divided.", DATA)
    ] = "0.1",
    test: Annotated[str, option("The same; 0 for no test split.", DATA)] = "0.1",
    image_column: Annotated[
        str | None, option("The column of tables that names the picture.", DATA, "found out")
    ] = None,
    person_column: Annotated[
        str | None, option("The column of who is on it.", DATA, "found out")
    ] = None,
    size: Annotated[int, option("Pixels of a prepared picture's side.", PICTURES)] = 96,
    resize: Annotated[
        str, option("How it becomes a square: crop, pad or stretch.", PICTURES)
    ] = "stretch",
    align: Annotated[
        bool, option("Turn faces upright and to one size by the landmarks of the data.", PICTURES)
    ] = False,
    flip: Annotated[bool, option("Mirror half of them.", PICTURES)] = True,
    crop: Annotated[
        float, option("Cut out a part, of at least so much of the area; 1 for all.", PICTURES)
    ] = 0.5,
    jitter: Annotated[
        float, option("Change brightness, contrast and colour up to so much.", PICTURES)
    ] = 0.4,
    rotation: Annotated[float, option("Turn them up to so many degrees.", PICTURES)] = 20.0,
    shift: Annotated[float, option("Shift them up to so much of a side.", PICTURES)] = 0.1,
    backbone: Annotated[
        str, option("What sees: gradients, small, coarse, resnet18, resnet50 or vgg16.", MODEL)
    ] = "small",
    weights: Annotated[
        str | None,
        option("Its trained weights: torchvision's .pth, .safetensors or a Hub id.", MODEL, "none"),
    ] = None,
    embedding_size: Annotated[int, option("Numbers of a face's vector.", MODEL)] = 128,
    cells: Annotated[int, option("A side of the grid that features are averaged in.", MODEL)] = 4,
    mirrored: Annotated[
        bool, option("A face and its mirror image are both looked at.", MODEL)
    ] = True,
    dropout: Annotated[float, option("Of what the last layer reads.", REGULARISATION)] = 0.4,
    whitening: Annotated[
        bool, option("Fit the last layer anew by how one person's pictures differ.", MODEL)
    ] = False,
    objective: Annotated[
        str, option("arcface (softmax with a margin) or triplet.", OPTIMISATION)
    ] = "arcface",
    mining: Annotated[
        str, option("Which triplets: random, hard, semi-hard or batch-all.", OPTIMISATION)
    ] = "semi-hard",
    margin: Annotated[
        float, option("Of triplets in squared distance, of arcface in radians.", OPTIMISATION)
    ] = 0.5,
    scale: Annotated[float, option("Of arcface's cosines.", OPTIMISATION)] = 20.0,
    margin_steps: Annotated[
        int, option("Steps in which arcface's margin grows from 0.", OPTIMISATION)
    ] = 200,
    people_per_batch: Annotated[int, option("People in a step.", OPTIMISATION)] = 16,
    pictures_per_person: Annotated[int, option("Pictures of each of them.", OPTIMISATION)] = 4,
    epochs: inputs.Epochs = 30,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    average: Annotated[
        int, option("The mean of the weights of so many of the best evaluations.", LENGTH)
    ] = 1,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[float, option("At its highest.", OPTIMISATION)] = 2e-3,
    schedule: inputs.Schedule = "cosine",
    warmup_steps: inputs.WarmupSteps = 50,
    weight_decay: inputs.WeightDecay = 0.05,
    clip_norm: inputs.ClipNorm = 5.0,
    accumulate: inputs.Accumulate = 1,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the loss curves (needs the extra: plots).")
    ] = False,
    seed: inputs.Seed = 0,
    device: inputs.Device = "auto",
    precision: inputs.Precision = "auto",
    as_json: inputs.JsonEvents = False,
) -> None:
    """Train a face encoder on pictures of people: near vectors, one person.

    People are divided, not pictures: it is measured on people whom it has never seen.

    \b
    Examples:
        unrolled train-faces photos --output my-faces
        unrolled train-faces --output my-faces --resume
        unrolled faces add my-faces people.gallery ada.jpg --name Ada
    """
    arguments: dict[str, Any] = dict(locals())
    del arguments["identities"], arguments["as_json"]
    from vision.faces import train

    trained = run(
        "train-faces",
        train,
        None if identities is None else [identities],
        arguments,
        as_json=as_json,
        results=lambda trained: {} if trained.test is None else dict(vars(trained.test)),
        items="faces",
    )
    if as_json:
        return
    if trained.test is not None:
        from cli import display
        from vision.faces.evaluation import RESULT_COLUMNS, result_row

        display.comparison(
            "on the test split", RESULT_COLUMNS, {"this model": result_row(trained.test)}
        )
    typer.echo(
        f"The model is in {output}. Try: unrolled faces add {output} people.gallery ada.jpg "
        "--name Ada"
    )
