"""`unrolled train-classifier` and `unrolled classify`: what texts are, and which words say so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.format import finite
from cli.inputs import ANSWER, DATA, INPUT, MODEL, OPTIMISATION, REGULARISATION, option
from cli.training import run
from corpora.errors import UsageError

if TYPE_CHECKING:
    from corpora import Passage
    from nlp.core.classes.class_scores import ClassEvaluation
    from nlp.core.classes.explanation import ClassifiedText


def train_classifier(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="Tables (.csv, .tsv, .jsonl, .json, .parquet), a folder with a folder of texts "
            "for each label, LABEL=FILE ... with a text a line, or hf:NAME.",
            show_default=False,
        ),
    ] = None,
    output: inputs.Output = "classifier",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: inputs.Validation = "0.1",
    test: inputs.Test = "0.1",
    text_column: inputs.TextColumn = "text",
    label_column: Annotated[str, option("The column that holds the label.", DATA)] = "label",
    separator: Annotated[
        str | None, option("What parts several labels of a text.", DATA, "a text has one label")
    ] = None,
    encoding_errors: inputs.EncodingErrors = "strict",
    multi_label: Annotated[
        bool | None,
        typer.Option(
            "--multi-label/--single-label",
            help="A text may have several labels, or none; or has one.",
            show_default="what the texts have",
            rich_help_panel=DATA,
        ),
    ] = None,
    class_weights: Annotated[
        str,
        option("What labels count in training: none, balanced or LABEL=WEIGHT,...", OPTIMISATION),
    ] = "none",
    embedding: Annotated[
        str | None,
        option("Word vectors to read beside learned ones: a file or folder.", MODEL, "none"),
    ] = None,
    freeze_embedding: Annotated[bool, option("Leave those as they are.", MODEL)] = True,
    word_size: Annotated[int, option("Features of a learned word; 0 for none.", MODEL)] = 100,
    word_epochs: Annotated[
        int, option("Of word2vec on the training text, to begin with; 0 for a random start.", MODEL)
    ] = 15,
    min_count: Annotated[int, option("Learn words that occur so often.", MODEL)] = 1,
    spelling: Annotated[str, option("How letters are read: none, cnn, lstm or both.", MODEL)] = (
        "none"
    ),
    character_size: Annotated[int, option("Features of a spelling, of each kind.", MODEL)] = 50,
    shape_size: Annotated[int, option("Features of capitals and digits; 0 for none.", MODEL)] = 0,
    cell: inputs.Cell = "lstm",
    layers: inputs.Layers = 1,
    hidden_size: inputs.HiddenSize = 100,
    bidirectional: Annotated[bool, option("Read texts in both directions.", MODEL)] = True,
    pooling: Annotated[
        str, option("A text as one vector: last state, max, mean or attention.", MODEL)
    ] = "max",
    word_dropout: Annotated[float, option("Whole words.", REGULARISATION)] = 0.3,
    input_dropout: Annotated[float, option("Features of the words.", REGULARISATION)] = 0.5,
    dropout: inputs.Dropout = 0.3,
    output_dropout: Annotated[float, option("Features of the text.", REGULARISATION)] = 0.5,
    epochs: inputs.EpochsOrEnough = None,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    batch_size: Annotated[int, option("Texts in a step.", OPTIMISATION)] = 50,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[float, option("At its highest.", OPTIMISATION)] = 2e-3,
    schedule: inputs.Schedule = "cosine",
    warmup_steps: inputs.WarmupSteps = 50,
    weight_decay: inputs.WeightDecay = 0.01,
    clip_norm: inputs.ClipNorm = 1.0,
    accumulate: inputs.Accumulate = 1,
    baseline: Annotated[
        bool, typer.Option(help="Also measure the same words in any order: logistic regression.")
    ] = True,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the loss curves (needs the extra: plots).")
    ] = False,
    seed: inputs.Seed = 0,
    device: inputs.Device = "auto",
    precision: inputs.Precision = "auto",
    as_json: inputs.JsonEvents = False,
) -> None:
    """Train a classifier on your own labelled texts.

    \b
    Examples:
        unrolled train-classifier reviews.csv --text-column review --label-column stars
        unrolled train-classifier pos=good.txt neg=bad.txt --pooling attention
        unrolled train-classifier --output classifier --resume
    """
    arguments = dict(locals())
    del arguments["data"], arguments["as_json"]
    from nlp.classifier import train

    trained = run(
        "train-classifier",
        train,
        data,
        arguments,
        as_json=as_json,
        results=lambda trained: {
            name: class_record(found) for name, found in trained.results().items()
        },
        items="texts",
    )
    if as_json:
        return
    if trained.test is not None:
        from cli import display
        from nlp.core.classes.class_scores import RESULT_COLUMNS, SUMMARY_COLUMNS

        display.comparison("on the test split", RESULT_COLUMNS, trained.test.rows())
        typer.echo("")
        rows = {name: found.summary() for name, found in trained.results().items()}
        display.comparison("on the test split", SUMMARY_COLUMNS, rows)
    typer.echo(
        f"The model is in {output}. Try: unrolled classify {output} '...' --explain gradient"
    )


def class_record(found: ClassEvaluation) -> dict[str, Any]:
    """Scores of classes, for JSON."""
    names = ("texts", "words", "words_per_second", *found.ranges, "ranges")
    return {
        **{name: getattr(found, name) for name in names},
        "scores": {label: own._asdict() for label, own in found.by_label.items()},
        "calibration_error": found.ece,
    }


def classify(
    model: inputs.ModelFolder,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts to classify; - reads them from stdin, one a line, and answers each at "
            "once; blank lines are skipped.",
            show_default="-",
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        option(
            "The texts of a file, folder, table or dataset instead; may be given several times.",
            INPUT,
            "-",
        ),
    ] = None,
    document: Annotated[str, option("What one text of --file is: line or file.", INPUT)] = "line",
    text_column: Annotated[
        str, option("The column of tables that holds the text.", INPUT)
    ] = "text",
    encoding_errors: Annotated[
        str, option("Bytes that are no UTF-8: strict refuses them, replace marks them.", INPUT)
    ] = "strict",
    explain: Annotated[
        str | None,
        option("Colour the words that carried the decision: attention or gradient.", ANSWER, "no"),
    ] = None,
    label: Annotated[
        str | None, option("Explain this label.", ANSWER, "the likeliest of each text")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON a text.", rich_help_panel=ANSWER)
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page instead, which needs no network.",
            show_default=False,
            rich_help_panel=ANSWER,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(help="Texts that are read together, at most.", min=1)
    ] = 32,
    device: inputs.Device = "auto",
) -> None:
    """Say what texts are, with a classifier; without texts, the lines of stdin.

    \b
    Examples:
        unrolled classify my-classifier "good, not bad" --explain gradient
        unrolled classify my-classifier --file reviews.csv --text-column review --json
        tail -f reviews.txt | unrolled classify my-classifier - --json
        unrolled classify my-classifier --file reviews.txt --html reviews.html
    """
    if html is not None and as_json:
        raise UsageError("--html and --json are two forms of the answer: leave out one")
    if file and texts:
        raise UsageError("texts come from --file or as arguments: leave out one")
    for_files = {"--document": document != "line", "--text-column": text_column != "text"}
    if not file and (wrong := [name for name, is_given in for_files.items() if is_given]):
        raise UsageError(f"no file is named with --file: leave out {' and '.join(wrong)}")
    if label is not None and explain is None:
        raise UsageError("--label says what to explain: add --explain gradient")
    if file:
        given = _files(file, document, text_column, encoding_errors)
    else:
        given = _arguments(texts or ["-"], encoding_errors)
    from nlp.classifier import Classifier

    loaded = Classifier.from_pretrained(model, device)
    asked: dict[str, Any] = {"explain": explain, "label": label, "batch_size": batch_size}
    list(loaded.classify([], **asked))  # refuses what cannot be asked, before text is waited for
    found = (answer for group in given for answer in loaded.classify(group, **asked))
    if html is not None:
        from nlp.core.classes.explanation_page import write_page

        write_page(html, found, title=f"Texts classified by {Path(model).name}")
    elif as_json:
        for answer in found:
            typer.echo(json.dumps(finite(_as_dict(answer)), ensure_ascii=False))
    else:
        from cli import display_entities

        display_entities.highlighted_words(found)


def _arguments(texts: list[str], encoding_errors: str) -> Iterator[list[str]]:
    """The texts given, and in the place of - the lines of stdin as they come."""
    for text in texts:
        for arrived in inputs.arriving_texts([text], encoding_errors):
            yield [one for one in arrived if text != "-" or one.strip()]


def _files(
    sources: list[str], document: str, column: str, encoding_errors: str
) -> Iterator[Iterable[str]]:
    """The texts of sources one after the other; a source that is missing is told at once."""
    from corpora import read

    opened = [
        (
            source,
            read(source, document=document, text_column=column, encoding_errors=encoding_errors),
        )
        for source in sources
    ]
    return chain.from_iterable(
        _arguments([source], encoding_errors)
        if (source, document) == ("-", "line")
        else (_whole(passages),)
        for source, passages in opened
    )


def _whole(passages: Iterator[Passage]) -> Iterator[str]:
    """Documents, of which a long one comes in several passages."""
    parts: list[str] = []
    for passage in passages:
        parts.append(passage.text)
        if passage.ends_document:
            yield "".join(parts)
            parts = []


def _as_dict(answer: ClassifiedText) -> dict[str, object]:
    told: dict[str, object] = {
        "text": answer.text,
        "labels": answer.labels,
        "probabilities": answer.probabilities,
    }
    if answer.explained is not None:
        told["explained"] = answer.explained
        told["words"] = [
            {"text": answer.text[start:end], "start": start, "end": end, "weight": weight}
            for (start, end), weight, _ in answer.weighted()
        ]
    return told
