"""`unrolled evaluate`: any model of ours on data that it has not seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.format import finite, number
from cli.inputs import DATA, option
from cli.tagger import scores_record
from corpora.errors import UsageError

if TYPE_CHECKING:
    from corpora.schemes import Span
    from nlp.core.classes.class_scores import ClassEvaluation
    from nlp.core.tags.tag_evaluation import TagEvaluation

# The options that say how data is read, by the kind of the model that takes them.
READING = {
    "tagger": ("format", "separator", "word_column", "tag_column", "scheme"),
    "classifier": ("text_column", "label_column", "separator"),
    "language-model": ("text_column", "document"),
    "translator": ("source_column", "target_column"),
    "captioner": ("image_column", "caption_column"),
    "vqa": ("image_column",),
    "detector": (),
}
# Where those are measured that are not in this file.
ELSEWHERE = {
    "translator": "cli.translator_evaluation",
    "captioner": "cli.captioner_evaluation",
    "vqa": "cli.question_answering",
    "detector": "cli.detector_evaluation",
}
# Those that say how it is measured.
MEASURING = {
    "translator": ("beam_size", "length_penalty", "tokenize", "bootstrap", "against"),
    "captioner": ("beam_size", "length_penalty", "bootstrap"),
    "language-model": ("precision",),
    "detector": ("page",),
}
WRITERS, TASKS = "Translators and captioners", "Zero-shot tasks"  # panels of --help
SHOWN, KEPT = 10, 50  # errors; how many evaluations keep


def evaluate(
    model: inputs.ModelFolder,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="Annotated text of the form that the model was trained on: files, folders, globs, "
            "- for stdin, hf:NAME. For translators a source of pairs, or two aligned files. For "
            "captioners and detectors the captions or boxes, then the folder of the pictures if "
            "it is elsewhere. For a --task a file in its public set's layout, hf for that set, "
            "hf:NAME for another.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None,
        option(
            "Language models: language-modelling, cbt, lambada, winograd, reading, summarization, "
            "translation, questions or all. Without data on our own few examples.",
            TASKS,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Examples at most.", min=1, show_default="all", rich_help_panel=TASKS),
    ] = None,
    set_options: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An option of the task, as NAME=VALUE; again for more.",
            show_default=False,
            rich_help_panel=TASKS,
        ),
    ] = None,
    details: Annotated[
        Path | None,
        option("Write every example with its answer to this file, as JSON Lines.", TASKS),
    ] = None,
    split: Annotated[
        str | None, option("The split of the data, where it has its own.", DATA, "all of it")
    ] = None,
    format: Annotated[
        str | None, option("Taggers: auto, conll, jsonl, brat or hf.", DATA, "auto")
    ] = None,
    separator: Annotated[
        str | None, option("Taggers: of columns. Classifiers: of labels.", DATA, "found out")
    ] = None,
    word_column: Annotated[
        int | None, option("Taggers: the words' column, from 0.", DATA, "the first")
    ] = None,
    tag_column: Annotated[
        int | None, option("Taggers: the tags' column.", DATA, "the last")
    ] = None,
    scheme: Annotated[
        str | None, option("Taggers: auto, IOB1, BIO, IOBES or BILOU.", DATA, "auto")
    ] = None,
    text_column: Annotated[
        str | None, option("Others: the column of tables that holds the text.", DATA, "text")
    ] = None,
    label_column: Annotated[
        str | None, option("Classifiers: the column that holds the label.", DATA, "label")
    ] = None,
    document: Annotated[
        str | None, option("Language models: a document is a file or a line.", DATA, "file")
    ] = None,
    source_column: Annotated[
        str | None, option("Translators: the column of the sources.", DATA, "source")
    ] = None,
    target_column: Annotated[
        str | None, option("Translators: that of their translations.", DATA, "target")
    ] = None,
    image_column: Annotated[
        str | None, option("Captioners: the column that names the picture.", DATA, "found out")
    ] = None,
    caption_column: Annotated[
        str | None, option("Captioners: that of its caption.", DATA, "found out")
    ] = None,
    encoding_errors: inputs.EncodingErrors = "strict",
    beam_size: Annotated[
        int | None,
        typer.Option(
            help="Beginnings that are kept.",
            min=1,
            show_default="5, of captions 3",
            rich_help_panel=WRITERS,
        ),
    ] = None,
    length_penalty: Annotated[
        float | None, option("0 prefers short texts.", WRITERS, "1.0")
    ] = None,
    tokenize: Annotated[
        str | None,
        option(
            "Translators: how BLEU finds words, by sacreBLEU's name: 13a, zh, char...",
            WRITERS,
            "13a",
        ),
    ] = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(
            help="Resampled corpora that tell how far scores may be trusted; 1000 are usual.",
            min=2,
            show_default="none",
            rich_help_panel=WRITERS,
        ),
    ] = None,
    against: Annotated[
        str | None,
        option(
            "Translators: another one, or a file of its translations: is it worse?", WRITERS, "no"
        ),
    ] = None,
    errors: Annotated[
        int,
        typer.Option(
            help="The surest errors to show; of what was written the worst, and as many of the "
            "best.",
            min=0,
            max=KEPT,
        ),
    ] = SHOWN,
    plot: Annotated[
        Path | None,
        option(
            "Draw how far confidences can be believed, of detectors precision and recall, as PNG "
            "(needs the extra: plots)."
        ),
    ] = None,
    page: Annotated[
        Path | None,
        option("Detectors: the worst pictures with their mistakes, as .html or .png."),
    ] = None,
    device: inputs.Device = "auto",
    precision: Annotated[
        str | None, option(f"Language models: {inputs.WEIGHTS}", default="auto")
    ] = None,
    as_json: inputs.AsJson = False,
) -> None:
    """Measure a model on data that it has not seen: tagger, classifier, translator, captioner,
    detector or language model.

    \b
    Examples:
        unrolled evaluate my-tagger test.conll --errors 50
        unrolled evaluate classifier reviews.csv --text-column review --json
        unrolled evaluate my-model novel.txt
        unrolled evaluate my-translator test.en test.de --against my-other
        unrolled evaluate my-captioner test.csv photos --bootstrap 1000
        unrolled evaluate my-detector VOC2012 --split validation --page worst.html
        unrolled evaluate gpt2 hf --task lambada --limit 500
    """
    arguments = dict(locals())
    if task is not None:
        from cli import zero_shot

        _refuse({**arguments, "precision": None}, "--task")
        taken = ("task", "limit", "set_options", "details", "device", "as_json")
        given = {name: arguments[name] for name in taken}
        zero_shot.evaluate(model, data, precision=precision or "auto", **given)
        return
    if not data:
        raise UsageError("no data was named: name files to evaluate on, or a --task")
    if wrong := [name for name in ("limit", "set_options", "details") if arguments[name]]:
        raise UsageError(f"--{wrong[0].removesuffix('_options')} is for a --task: name one")
    kind = _kind(model)
    reading = _reading(kind, arguments)
    if plot is not None:
        if kind not in ("tagger", "classifier", "detector"):
            raise UsageError(f"--plot is for confidences: those of a {kind} are not measured")
        from nlp.core.curves import require

        require()
    if kind in ELSEWHERE:
        drawn = ("plot",) if kind == "detector" else ()
        names = (*MEASURING.get(kind, ()), *drawn, "errors", "device", "as_json")
        found = import_module(ELSEWHERE[kind])
        found.evaluate(model, data, reading, **{name: arguments[name] for name in names})
        return
    source: Any = data[0] if len(data) == 1 else data
    if kind == "tagger":
        from nlp import tagger

        loaded_tagger = tagger.Tagger.from_pretrained(model, device)
        tags = tagger.evaluate(loaded_tagger, source, report=_remark, **reading)
        _tell_unknown(tags, loaded_tagger.config.labels)
        _tell_tagger(tags, errors, as_json=as_json)
        sure, right = tags.confidences, tags.correct
    elif kind == "classifier":
        from nlp import classifier

        loaded = classifier.Classifier.from_pretrained(model, device)
        classes = classifier.evaluate(loaded, source, report=_remark, **reading)
        _tell_classifier(classes, errors, as_json=as_json)
        sure, right = classes.confidences, classes.correct
    else:
        from nlp import language_model

        reader, _ = inputs.load_model(model, device, precision or "auto")
        perplexity = asdict(language_model.evaluate(reader, source, **reading))
        _tell({"kind": kind, **perplexity}, as_json=as_json)
        return
    if plot is not None:
        from nlp.core.tags.calibration import draw_reliability, reliability

        draw_reliability(plot, reliability(sure, right), title=f"{Path(model).name}: reliability")


def _remark(event: Any) -> None:
    """What there is to say about the data, apart from the answer."""
    typer.echo(event.text, err=True)


def _kind(model: str) -> str:
    """What the `config.json` of a model says that it is."""
    from nlp.core import checkpoint

    folder = checkpoint.locate(model, "train-...")
    kind = inputs.kind_of(model) or "tagger"
    if kind not in READING:
        raise UsageError(
            f"{folder} holds {kind}: `evaluate` takes a tagger, classifier, translator, captioner, "
            "vqa, detector or language model"
            + ("; for word vectors there is `unrolled words evaluate`" * (kind == "embeddings"))
        )
    checkpoint.read_config(folder, kind)  # tells what is missing or damaged
    return kind


def _reading(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The options of reading that were given; those of other kinds of models are refused."""
    known = {name: {*READING[name], *MEASURING.get(name, ())} for name in READING}
    given = {name for names in known.values() for name in names if arguments[name] is not None}
    if wrong := sorted(given - known[kind]):
        listed = " and ".join(f"--{name.replace('_', '-')}" for name in wrong)
        them = "it" if len(wrong) == 1 else "them"
        raise UsageError(
            f"{arguments['model']} holds a {kind}, which takes no {listed}: leave {them} out"
        )
    always = ("split", "encoding_errors")
    return {name: arguments[name] for name in (*sorted(given & set(READING[kind])), *always)}


def _refuse(arguments: dict[str, Any], chosen: str) -> None:
    """Raises for options of reading and measuring, which `chosen` takes none of."""
    names = [name for known in (*READING.values(), *MEASURING.values()) for name in known]
    given = [name for name in (*names, "split", "plot") if arguments[name] is not None]
    if given:
        listed = f"--{given[0].replace('_', '-')}"
        raise UsageError(f"{chosen} takes no {listed}: leave it out")


def _tell(facts: dict[str, Any], *, as_json: bool) -> None:
    """Names and what they are, or one line of JSON."""
    if as_json:
        typer.echo(json.dumps(finite(facts), ensure_ascii=False))
        return
    from cli import display

    display.facts(
        {
            name.replace("_", " "): number(value) if isinstance(value, float) else value
            for name, value in facts.items()
        }
    )


def _tell_unknown(found: TagEvaluation, labels: Sequence[str]) -> None:
    unknown = [
        f"{label} ({scores.gold:,})"
        for label, scores in found.scores.by_label.items()
        if label not in labels
    ]
    if unknown:
        told = f"the tagger has not learned {', '.join(unknown)}: these entities count as missed"
        typer.echo(told, err=True)


def _tell_tagger(found: TagEvaluation, errors: int, *, as_json: bool) -> None:
    facts = {
        "sentences": found.sentences,
        "words": found.words,
        "words_per_second": found.words_per_second,
    }
    if as_json:
        told = {
            "kind": "tagger",
            **facts,
            **scores_record(found),
            "reliability": _reliability(found),
            "confusion": asdict(found.confusion),
            "errors": [asdict(mistake) for mistake in found.worst[:errors]],
        }
        _tell(told, as_json=True)
        return
    from cli import display, display_entities
    from nlp.core.tags.tag_evaluation import RESULT_COLUMNS

    display.comparison("entities", RESULT_COLUMNS, found.rows())
    typer.echo()
    table = found.confusion
    display_entities.confusion(table.labels, table.same, table.overlapping)
    typer.echo()
    _tell({"calibration_error": found.ece, **facts}, as_json=False)
    if found.worst[:errors]:
        typer.echo("\nThe surest errors:")
    for one in found.worst[:errors]:
        display_entities.error(
            one.confidence,
            f"{one.kind}: {_named(one.gold, one.gold_text)}",
            _named(one.predicted, one.predicted_text),
            one.where,
            (one.before, one.text, one.after),
        )


def _named(span: Span | None, text: str) -> str:
    return f"{span.label} {text}" if span else "nothing"


def _tell_classifier(found: ClassEvaluation, errors: int, *, as_json: bool) -> None:
    labels = tuple(found.by_label)
    if as_json:
        whole = {name: getattr(found, name) for name in ("texts", "words", "words_per_second")}
        scores = ("accuracy", "macro_f1", "micro_f1", "roc_auc", "pr_auc", "ranges")
        told = {
            "kind": "classifier",
            **whole,
            **{name: getattr(found, name) for name in scores},
            "scores": {label: row._asdict() for label, row in found.by_label.items()},
            "calibration_error": found.ece,
            "reliability": _reliability(found),
            "confusion": {"labels": labels, "same": found.confusion},
            "errors": [mistake._asdict() for mistake in found.worst[:errors]],
        }
        _tell(told, as_json=True)
        return
    from cli import display, display_entities
    from nlp.core.classes.class_scores import RESULT_COLUMNS, SUMMARY_COLUMNS

    display.comparison("texts", RESULT_COLUMNS, found.rows())
    typer.echo()
    display.comparison("", SUMMARY_COLUMNS, {"all": found.summary()})
    if found.confusion:
        typer.echo()
        display_entities.confusion(labels, found.confusion)
    if found.worst[:errors]:
        typer.echo("\nThe surest errors:")
    for one in found.worst[:errors]:
        there, got = (", ".join(names) or "nothing" for names in (one.labels, one.found))
        display_entities.error(one.confidence, there, got, one.where, ("", one.text, ""))


def _reliability(found: TagEvaluation | ClassEvaluation) -> list[dict[str, Any]]:
    from nlp.core.tags.calibration import reliability

    return [row._asdict() for row in reliability(found.confidences, found.correct)]
