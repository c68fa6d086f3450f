"""`unrolled evaluate --task`: what a language model can do that it was not trained for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.format import finite, number
from cli.inputs import load_model
from corpora.errors import UsageError
from corpora.writing import write_text

if TYPE_CHECKING:
    from nlp.zero_shot.task import Estimate, TaskResult

ALL = "all"


def evaluate(
    model: str,
    data: Sequence[str] | None,
    *,
    task: str,
    limit: int | None,
    set_options: Sequence[str] | None,
    details: Path | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Prints what a model scores on one task, or on all of them, one after the other.

    A task of `all` that cannot be done, for want of a package or of its data, is told in a line;
    the others go on, and the exit status is 2 at the end.
    """
    from nlp.zero_shot import TASKS, check_options

    source = _source(data, task)
    options = dict(map(_option, set_options or ()))
    if task != ALL and task not in TASKS:
        raise UsageError(f"--task {task!r} is unknown: expected {', '.join(TASKS)} or {ALL}")
    if task == ALL and options:
        raise UsageError("--set is for one task: name it with --task")
    if options:
        check_options(task, options)
    loaded, _ = load_model(model, device, precision)
    found: list[TaskResult] = []
    failed = False
    for name in TASKS if task == ALL else (task,):
        try:
            result = TASKS[name](loaded, source, limit=limit, report=_tell_report, **options)
        except UsageError as error:
            if task != ALL:
                raise
            typer.echo(f"{name}: left out: {error}", err=True)
            failed = True
            continue
        found.append(result)
        if as_json:
            typer.echo(json.dumps(record(result), ensure_ascii=False))
        else:
            _show(result, model)
        if details is not None:  # after each task, so that nothing is lost when the next one ends
            write_text(details, "".join(map(_details, found)))
    if failed:
        raise typer.Exit(2)


def _source(data: Sequence[str] | None, task: str) -> str | None:
    if not data:
        return None
    if len(data) > 1:
        raise UsageError(f"{len(data)} sources were given: a task takes one file, hf or hf:NAME")
    if task == ALL and data[0] != "hf":
        raise UsageError(
            f"{data[0]} cannot be the source of all tasks, whose layouts differ: leave it out for "
            "our own examples, or write hf for the public sets"
        )
    return data[0]


def _option(text: str) -> tuple[str, Any]:
    """NAME=VALUE; numbers, true, false and null are those, anything else is a text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--set {text!r}: expected NAME=VALUE, such as stride=32")
    try:
        read = json.loads(value)
    except ValueError:
        read = value
    return name.strip().replace("-", "_"), read


def _tell_report(event: Any) -> None:
    typer.echo(event.text, err=True)


def record(result: TaskResult) -> dict[str, Any]:
    """A result as JSON, without its examples."""

    def row(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
        return {name: estimate._asdict() for name, estimate in estimates.items()}

    told = {
        "kind": "language-model",
        "task": result.task,
        "protocol": result.protocol,
        "source": result.source,
        "examples": result.examples,
        "metrics": row(result.metrics),
        "rows": {name: row(estimates) for name, estimates in result.rows.items()},
        "paper": {size: dict(values) for size, values in result.paper.items()},
        "remarks": result.remarks,
    }
    return dict(finite(told))


def _details(result: TaskResult) -> str:
    lines = ({"task": result.task, **detail} for detail in result.details)
    return "".join(json.dumps(finite(line), ensure_ascii=False) + "\n" for line in lines)


def _show(result: TaskResult, model: str) -> None:
    """A table of our figures and the paper's, and what they are of under it."""
    from cli import display

    rows = {model: result.metrics, **result.rows}
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    title = f"{result.task}, {result.examples:,} examples"
    table = [
        {title: name, **{column: _figure(row.get(column)) for column in columns}}
        for name, row in rows.items()
    ]
    table += [
        {
            title: f"GPT-2 {size} in the paper" if size[:1].isdigit() else f"{size} in the paper",
            **{column: number(values.get(column)) for column in columns},
        }
        for size, values in result.paper.items()
    ]
    display.records(table)
    typer.echo(f"protocol: {result.protocol}")
    typer.echo(f"source: {result.source}")
    for remark in result.remarks:
        typer.echo(f"note: {remark}")
    typer.echo()


def _figure(estimate: Estimate | None) -> str:
    """A score with its range."""
    if estimate is None:
        return "-"
    value, low, high = (number(part) for part in estimate)
    return f"{value} [{low}, {high}]"
