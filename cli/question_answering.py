"""`unrolled train-vqa`: a model of one's own that answers questions about pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.captioner import PICTURES
from cli.format import finite, visible
from cli.inputs import DATA, LENGTH, MODEL, OPTIMISATION, REGULARISATION, option
from cli.training import run
from corpora.errors import UsageError

if TYPE_CHECKING:
    from vision.question_answering import AnswerScores

SHARE = ["0.05"]  # of the questions, for validation and for the test


def train_vqa(
    questions: Annotated[
        list[str] | None,
        typer.Argument(
            help="Questions about pictures: VQA's .json, .csv, .tsv, .jsonl, .parquet or hf:NAME.",
            show_default="the generated sample generated-scenes",
        ),
    ] = None,
    annotations: Annotated[
        str | None, option("The answers, where they are in a file of their own.", DATA, "none")
    ] = None,
    images: Annotated[
        str | None, option("The folder of the pictures.", DATA, "beside the questions")
    ] = None,
    output: inputs.Output = "vqa",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: Annotated[
        list[str],
        option(
            "A fraction of the data, or a source, if the data is not divided; given twice, "
            "questions and their annotations.",
            DATA,
        ),
    ] = SHARE,
    test: Annotated[list[str], option("The same; 0 for no test split.", DATA)] = SHARE,
    image_column: Annotated[
        str | None, option("The column of tables that names the picture.", DATA, "found out")
    ] = None,
    question_column: Annotated[
        str | None, option("The column of the question.", DATA, "found out")
    ] = None,
    answer_column: Annotated[
        str | None, option("The column of its answer or answers.", DATA, "found out")
    ] = None,
    encoding_errors: inputs.EncodingErrors = "strict",
    most_answers: Annotated[
        int, option("Learn so many different answers, at most, the most frequent.", DATA)
    ] = 3000,
    min_answers: Annotated[int, option("Of those that so many questions have.", DATA)] = 1,
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
    backbone: Annotated[
        str, option("What sees: small, coarse, resnet18, resnet50 or vgg16.", MODEL)
    ] = "small",
    weights: Annotated[
        str | None,
        option("Its trained weights: torchvision's .pth, .safetensors or a Hub id.", MODEL, "none"),
    ] = None,
    freeze_backbone: Annotated[bool, option("It stays as it is.", MODEL)] = False,
    features: Annotated[int, option("Of each cell of the picture.", MODEL)] = 128,
    looks: Annotated[int, option("At the picture, one after the other.", MODEL)] = 2,
    attention: Annotated[str, option("general, dot, additive or concat.", MODEL)] = "additive",
    embedding: Annotated[
        str | None,
        option("Word vectors to read beside learned ones: a file or folder.", MODEL, "none"),
    ] = None,
    freeze_embedding: Annotated[bool, option("Leave those as they are.", MODEL)] = True,
    word_size: Annotated[int, option("Features of a learned word; 0 for none.", MODEL)] = 100,
    min_count: Annotated[int, option("Learn words that occur so often.", MODEL)] = 1,
    cell: inputs.Cell = "lstm",
    layers: inputs.Layers = 1,
    hidden_size: inputs.HiddenSize = 64,
    word_dropout: Annotated[float, option("Whole words.", REGULARISATION)] = 0.02,
    input_dropout: Annotated[float, option("Features of the words.", REGULARISATION)] = 0.1,
    dropout: inputs.Dropout = 0.1,
    output_dropout: Annotated[
        float, option("Features that the answer is told from.", REGULARISATION)
    ] = 0.2,
    epochs: inputs.Epochs = 12,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    average: Annotated[
        int, option("The mean of the weights of so many of the best evaluations.", LENGTH)
    ] = 1,
    batch_size: Annotated[int, option("Questions in a step, at most.", OPTIMISATION)] = 256,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[float, option("At its highest.", OPTIMISATION)] = 2e-3,
    schedule: inputs.Schedule = "cosine",
    warmup_steps: inputs.WarmupSteps = 200,
    weight_decay: inputs.WeightDecay = 0.01,
    clip_norm: inputs.ClipNorm = 1.0,
    accumulate: inputs.Accumulate = 1,
    baseline: Annotated[
        bool, typer.Option(help="Also measure what is answered without a look at the picture.")
    ] = True,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the loss curves (needs the extra: plots).")
    ] = False,
    seed: inputs.Seed = 0,
    device: inputs.Device = "auto",
    precision: inputs.Precision = "auto",
    as_json: inputs.JsonEvents = False,
) -> None:
    """Train a model that answers questions about pictures (visual question answering).

    \b
    Examples:
        unrolled train-vqa questions.csv --images photos --output my-vqa
        unrolled train-vqa questions.json --annotations annotations.json --images train2014 \\
            --backbone resnet50 --weights resnet50.pth --freeze-backbone --size 224
        unrolled train-vqa --output my-vqa --resume
    """
    arguments: dict[str, Any] = dict(locals())
    del arguments["questions"], arguments["as_json"]
    from vision.question_answering import train

    trained = run(
        "train-vqa",
        train,
        questions,
        arguments,
        as_json=as_json,
        results=lambda trained: {
            name: scores_record(found) for name, found in trained.results().items()
        },
        items="questions",
    )
    if as_json:
        return
    if trained.test is not None:
        tell(trained.test, "on the test split")
        from cli import display
        from vision.question_answering.evaluation import SUMMARY_COLUMNS

        typer.echo("")
        rows = {name: found.summary() for name, found in trained.results().items()}
        display.comparison("on the test split", SUMMARY_COLUMNS, rows)
    typer.echo(f"The model is in {output}. Try: unrolled ask {output} PICTURE 'how many ...?'")


def evaluate(
    model: str,
    data: list[str],
    reading: Mapping[str, Any],
    *,
    errors: int,
    device: str,
    as_json: bool,
) -> AnswerScores:
    """The part of `unrolled evaluate` that is about questions; returns what was measured.

    Args:
        data: the questions, and in any order the file of their annotations and the folder of the
            pictures, where they are not one with the questions or beside them.
    """
    questions, *others = data
    folders = [name for name in others if Path(name).expanduser().is_dir()]
    files = [name for name in others if name not in folders]
    if len(folders) > 1 or len(files) > 1:
        raise UsageError(
            f"{' and '.join((folders if len(folders) > 1 else files)[:2])}: expected the "
            "questions, one file of annotations and one folder of pictures at most"
        )
    from vision import question_answering

    loaded = question_answering.Answerer.from_pretrained(model, device)
    found = question_answering.evaluate(
        loaded,
        questions,
        *files,
        images=folders[0] if folders else None,
        report=lambda event: typer.echo(getattr(event, "text", ""), err=True),
        **reading,
    )
    if as_json:
        told = {"kind": "vqa", **scores_record(found)}
        told["errors"] = [mistake._asdict() for mistake in found.worst[:errors]]
        typer.echo(json.dumps(finite(told), ensure_ascii=False))
        return found
    from cli import display, display_entities
    from vision.question_answering.evaluation import SUMMARY_COLUMNS

    tell(found, "questions")
    typer.echo()
    display.comparison("", SUMMARY_COLUMNS, {"all": found.summary()})
    typer.echo()
    display.facts(
        {
            "pictures": f"{found.pictures:,}",
            "answers not learned": f"{found.out_of_reach:,}",
            "questions per second": f"{found.questions_per_second:,.0f}",
        }
    )
    if found.worst[:errors]:
        typer.echo("\nThe surest errors:")
    for one in found.worst[:errors]:
        display_entities.error(
            one.confidence, ", ".join(one.answers), one.found, one.where, ("", one.question, "")
        )
    return found


def tell(found: AnswerScores, title: str) -> None:
    """Scores by the questions' kind."""
    from cli import display
    from vision.question_answering.evaluation import KIND_COLUMNS

    most = sorted(found.by_kind.items(), key=lambda item: -item[1].questions)[:20]
    display.comparison(title, KIND_COLUMNS, {visible(kind): row for kind, row in most})


def scores_record(found: AnswerScores) -> dict[str, Any]:
    """Scores of answers, for JSON."""
    names = ("accuracy", "range", "commonest", "questions", "pictures", "questions_per_second")
    return {
        **{name: getattr(found, name) for name in names},
        "answers_not_learned": found.out_of_reach,
        "calibration_error": found.ece,
        "kinds": {kind: row._asdict() for kind, row in found.by_kind.items()},
    }
