"""The detector's part of `unrolled evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.detector import scores_record
from cli.format import finite, visible
from corpora.errors import UsageError

if TYPE_CHECKING:
    from vision.average_precision import DetectionScores
    from vision.detection_mistakes import Kind

PAGES = (".html", ".htm")


def evaluate(
    model: str,
    data: list[str],
    reading: Mapping[str, Any],
    *,
    page: Path | None,
    plot: Path | None,
    errors: int,
    device: str,
    as_json: bool,
) -> None:
    """Tells how good a detector is on pictures whose boxes are known.

    Args:
        data: the boxes, and the folder of the pictures where it is not beside them.
    """
    if len(data) > 2:
        raise UsageError(f"{len(data)} sources: expected the boxes, and a folder of pictures")
    if page is not None and page.suffix.lower() not in (*PAGES, ".png"):
        raise UsageError(f"--page {page}: expected a name that ends in .html or .png")
    from corpora.detections import read_detections
    from vision.average_precision import score_detections
    from vision.detection_mistakes import count, judge, worst
    from vision.detector import Detector
    from vision.detector.evaluation import find_all

    loaded = Detector.from_pretrained(model, device)
    labels = loaded.config.labels
    options = {name: value for name, value in reading.items() if name != "encoding_errors"}
    corpus = read_detections(
        data[0], images=data[1] if len(data) > 1 else None, labels=labels, **options
    )
    for remark in corpus.remarks:
        typer.echo(remark, err=True)
    found = find_all(loaded, corpus.items)
    truth = [item.boxes for item in corpus.items]
    scores = score_detections([one.boxes for one in found], truth, labels)
    judged = [judge(one.boxes, boxes) for one, boxes in zip(found, truth, strict=True)]
    if as_json:
        told = {"kind": "detector", **scores_record(scores), "mistakes": dict(count(judged))}
        typer.echo(json.dumps(finite(told), ensure_ascii=False))
    else:
        _tell(scores, count(judged))
    if page is not None and errors:
        from vision.look_boxes import draw_mistakes, look_at

        chosen = worst(judged, errors)
        looks = [
            look_at(corpus.items[n].image, judged[n], name=visible(corpus.items[n].id))
            for n in chosen
        ]
        if page.suffix.lower() in PAGES:
            from vision.look_boxes_page import write_page

            write_page(page, looks, scores, title=f"Mistakes of {Path(model).name}")
        elif looks:
            for remark in draw_mistakes(page, looks):
                typer.echo(remark, err=True)
        else:
            typer.echo(f"no picture has a mistake: {page} is not written", err=True)
    if plot is not None:
        from vision.look_boxes import draw_curves

        draw_curves(plot, scores)


def _tell(scores: DetectionScores, mistakes: Mapping[Kind, int]) -> None:
    from cli import display

    rows: list[dict[str, object]] = []
    for label, one in scores.per_class.items():
        f1, sure = scores.curves[label].best_f1
        rows.append(
            {
                "class": visible(label),
                "boxes": f"{one.truth:,}",
                "AP@0.5": f"{one.ap50:.4f}",
                "AP@0.75": f"{one.ap75:.4f}",
                "AP@0.5:0.95": f"{one.ap:.4f}",
                "best F1": f"{f1:.4f} from {sure:.2f} on",
            }
        )
    total = sum(one.truth for one in scores.per_class.values())
    rows.append(
        {
            "class": "all",
            "boxes": f"{total:,}",
            "AP@0.5": f"{scores.ap50:.4f}",
            "AP@0.75": f"{scores.ap75:.4f}",
            "AP@0.5:0.95": f"{scores.ap:.4f}",
            "best F1": "",
        }
    )
    display.records(rows)
    typer.echo()
    display.facts(
        {
            "pictures": f"{scores.pictures:,}",
            "mistakes": ", ".join(f"{kind} {often:,}" for kind, often in mistakes.items() if often)
            or "none",
        }
    )
