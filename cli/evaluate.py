"""`unrolled evaluate`: any model of ours on data that it has not seen."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import inputs
from cli.inputs import DATA, option
from corpora.errors import UsageError

# The options that say how data is read, by the kind of the model that takes them.
READING = {
    "tagger": ("format", "separator", "word_column", "tag_column", "scheme"),
    "classifier": ("text_column", "label_column", "separator"),
    "language-model": ("text_column", "document"),
    "translator": ("source_column", "target_column"),
    "captioner": ("image_column", "caption_column"),
    "vqa": ("image_column",),
    "detector": (),
    "faces": (),
}
# Where those are measured that are not in this file.
ELSEWHERE = {
    "tagger": "cli.label_evaluation",
    "classifier": "cli.label_evaluation",
    "translator": "cli.translator_evaluation",
    "captioner": "cli.captioner_evaluation",
    "vqa": "cli.question_answering",
    "detector": "cli.detector_evaluation",
    "faces": "cli.face_evaluation",
}
# Those that say how it is measured.
MEASURING = {
    "translator": ("beam_size", "length_penalty", "tokenize", "bootstrap", "against"),
    "captioner": ("beam_size", "length_penalty", "bootstrap"),
    "language-model": ("precision",),
    "detector": ("page",),
}
DRAWN = ("tagger", "classifier", "detector")  # what --plot is for
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
    detector, face encoder or language model.

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
        asked = ("task", "limit", "set_options", "details", "device", "as_json")
        given = {name: arguments[name] for name in asked}
        zero_shot.evaluate(model, data, precision=precision or "auto", **given)
        return
    if not data:
        raise UsageError("no data was named: name files to evaluate on, or a --task")
    if wrong := [name for name in ("limit", "set_options", "details") if arguments[name]]:
        raise UsageError(f"--{wrong[0].removesuffix('_options')} is for a --task: name one")
    kind = _kind(model)
    reading = _reading(kind, arguments)
    if plot is not None and kind not in DRAWN:
        raise UsageError(f"--plot is for confidences: those of a {kind} are not measured")
    if kind in ELSEWHERE:
        names = (*MEASURING.get(kind, ()), "errors", "device", "as_json")
        taken = {name: arguments[name] for name in names}
        if kind in DRAWN:
            taken["plot"] = plot
        if kind in ("tagger", "classifier"):
            taken["kind"] = kind
        import_module(ELSEWHERE[kind]).evaluate(model, data, reading, **taken)
        return
    from nlp import language_model

    source: Any = data[0] if len(data) == 1 else data
    reader, _ = inputs.load_model(model, device, precision or "auto")
    perplexity = asdict(language_model.evaluate(reader, source, **reading))
    from cli.label_evaluation import tell

    tell({"kind": kind, **perplexity}, as_json=as_json)


def _kind(model: str) -> str:
    """What the `config.json` of a model says that it is."""
    from nlp.core import checkpoint

    folder = checkpoint.locate(model, "train-...")
    kind = inputs.kind_of(model) or "tagger"
    if kind not in READING:
        raise UsageError(
            f"{folder} holds {kind}: `evaluate` takes a tagger, classifier, translator, captioner, "
            "vqa, detector, faces or language model"
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
