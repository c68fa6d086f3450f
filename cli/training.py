"""What the commands that train share: how a run is shown, how it ends, how it is gone on with."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import typer

from cli.format import finite
from corpora.errors import UsageError


def run(
    command: str,
    train: Callable[..., Any],
    sources: list[str] | None,
    arguments: Mapping[str, Any],
    *,
    as_json: bool,
    results: Callable[[Any], Any],
    items: str = "tokens",
) -> Any:
    """What `train` returns, once its run has been shown. Exits where it diverged or, having saved
    all, was interrupted.

    Args:
        arguments: of `train`; the fractions of the splits are still text.
        results: of what `train` returns, for the last line of JSON.
        items: what the model is trained on, for the speed.
    """
    from cli import display
    from nlp.core.training import Diverged

    splits = {name: _fraction_or_source(arguments[name]) for name in ("validation", "test")}
    source = sources[0] if sources and len(sources) == 1 else sources or None
    try:
        with display.TrainingDisplay("json" if as_json else "auto", items=items) as report:
            trained = train(source, **{**arguments, **splits}, report=report)
    except Diverged as error:
        typer.echo(f"unrolled: {error}", err=True)
        raise typer.Exit(1) from error
    outcome, output = trained.outcome, arguments["output"]
    if as_json:
        told = {"event": "end", "output": output, **outcome._asdict()}
        typer.echo(json.dumps(finite({**told, "results": results(trained)})))
    if outcome.ended == "interrupted":
        hint = f"Go on with: unrolled {command} --output {shlex.quote(output)} --resume"
        typer.echo(hint, err=as_json)
        raise typer.Exit(130)
    return trained


def _fraction_or_source(value: str | list[str]) -> float | str | list[str]:
    """`0.1` is a fraction; anything else names a source, and two are one of two aligned files."""
    if isinstance(value, list):
        if len(value) > 2:
            raise UsageError(
                f"a split is given {len(value)} times: expected a fraction, a source or two files"
            )
        if len(value) == 2:
            return value
        value = value[0]
    try:
        return float(value)
    except ValueError:
        if not value:
            raise UsageError("a split is empty: expected a fraction or a source") from None
        return value
