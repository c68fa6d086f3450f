"""The face encoder's part of `unrolled evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer

from cli.format import finite
from corpora.errors import UsageError


def evaluate(
    model: str,
    data: list[str],
    reading: Mapping[str, Any],
    *,
    errors: int,
    device: str,
    as_json: bool,
) -> None:
    """Tells how well an encoder tells people apart whom it has not seen; the pairs that it takes
    for what they are not are drawn by `unrolled faces calibrate --worst`.

    Args:
        data: people, and the folder of the pictures where it is not beside them.
    """
    if len(data) > 2:
        raise UsageError(f"{len(data)} sources: expected people, and a folder of pictures")
    from vision import faces
    from vision.faces.evaluation import RESULT_COLUMNS, result_row

    loaded = faces.FaceEncoder.from_pretrained(model, device)
    found = faces.evaluate(
        loaded,
        data[0],
        data[1] if len(data) > 1 else None,
        split=reading["split"],
        report=lambda event: typer.echo(getattr(event, "text", ""), err=True),
    )
    if as_json:
        typer.echo(json.dumps(finite({"kind": "faces", **vars(found)}), ensure_ascii=False))
        return
    from cli import display

    display.comparison("people not seen", RESULT_COLUMNS, {"this model": result_row(found)})
    typer.echo()
    low, high = min(found.rank1_draws), max(found.rank1_draws)
    display.facts(
        {
            "people": f"{found.people:,}, {found.pictures:,} pictures",
            "pairs": f"{found.same_pairs:,} of one person, {found.different_pairs:,} of two",
            "rank-1 with one known picture": f"{low:.4f} to {high:.4f}, by which picture it is",
        }
    )
