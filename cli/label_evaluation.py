"""The part of `unrolled evaluate` that tells labels: those of taggers and of classifiers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.format import finite, number
from cli.tagger import scores_record

if TYPE_CHECKING:
    from corpora.schemes import Span
    from nlp.core.classes.class_scores import ClassEvaluation
    from nlp.core.tags.tag_evaluation import TagEvaluation


def evaluate(
    model: str,
    data: list[str],
    reading: Mapping[str, Any],
    *,
    kind: str,
    plot: Path | None,
    errors: int,
    device: str,
    as_json: bool,
) -> None:
    """Tells how good a tagger or a classifier is, and draws how far it can be believed."""
    if plot is not None:
        from nlp.core.curves import require

        require()
    source: Any = data[0] if len(data) == 1 else data
    if kind == "tagger":
        from nlp import tagger

        loaded_tagger = tagger.Tagger.from_pretrained(model, device)
        tags = tagger.evaluate(loaded_tagger, source, report=_remark, **reading)
        _tell_unknown(tags, loaded_tagger.config.labels)
        _tell_tagger(tags, errors, as_json=as_json)
        sure, right = tags.confidences, tags.correct
    else:
        from nlp import classifier

        loaded = classifier.Classifier.from_pretrained(model, device)
        classes = classifier.evaluate(loaded, source, report=_remark, **reading)
        _tell_classifier(classes, errors, as_json=as_json)
        sure, right = classes.confidences, classes.correct
    if plot is not None:
        from nlp.core.tags.calibration import draw_reliability, reliability

        draw_reliability(plot, reliability(sure, right), title=f"{Path(model).name}: reliability")


def _remark(event: Any) -> None:
    """What there is to say about the data, apart from the answer."""
    typer.echo(event.text, err=True)


def tell(facts: Mapping[str, Any], *, as_json: bool) -> None:
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
        tell(told, as_json=True)
        return
    from cli import display, display_entities
    from nlp.core.tags.tag_evaluation import RESULT_COLUMNS

    display.comparison("entities", RESULT_COLUMNS, found.rows())
    typer.echo()
    table = found.confusion
    display_entities.confusion(table.labels, table.same, table.overlapping)
    typer.echo()
    tell({"calibration_error": found.ece, **facts}, as_json=False)
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
        tell(told, as_json=True)
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
