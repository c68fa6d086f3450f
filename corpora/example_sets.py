"""Examples of tasks, read from our own few, a public data set or a file of its layout.

A source is None for our own examples, "hf" for the public set, "hf:NAME[:CONFIG]" for another
dataset of its layout, or a local file, which may be compressed. Whatever it is, its examples come
as records, that is, objects of named fields with the place that messages name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from corpora import huggingface
from corpora.errors import UsageError, check_positive
from corpora.huggingface import Dataset
from corpora.reader import resolve
from corpora.sentence import Tally
from corpora.tagged_records import json_records
from corpora.text import File, lines

T = TypeVar("T")
Source = str | Path | None
OWN = "our own examples"


@dataclass
class ExampleSet(Generic[T]):
    """What was read: the source by its name, the examples, and what was left out."""

    source: str
    examples: list[T]
    remarks: list[str] = field(default_factory=list)


class Record(NamedTuple):
    """The fields of one example, and its place for messages."""

    fields: dict[str, Any]
    where: str


def json_objects(file: File) -> Iterator[tuple[int, Any]]:
    """The number and value of each line, or of each element of a .json, which holds one array or
    an object with an array "data"."""
    if file.suffix != ".json":
        yield from json_records(list(lines(file)), file.name, array=False)
        return
    try:
        whole = json.loads("\n".join(lines(file)))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{file.name}, line {error.lineno}: not JSON ({error.msg}); a .json is to be one array "
            'or an object with "data"; name a file with an object a line .jsonl'
        ) from error
    rows = whole.get("data") if isinstance(whole, dict) else whole
    if not isinstance(rows, list):
        raise UsageError(f'{file.name}: neither an array nor an object with an array "data"')
    yield from enumerate(rows, start=1)


def records(
    source: Source,
    public: str,
    own: Iterable[dict[str, Any]],
    split: str,
    of_file: Callable[[File], Iterable[tuple[int, Any]]] = json_objects,
) -> tuple[str, Iterator[Record]]:
    """The name of a source, and its records one after the other.

    Args:
        public: the dataset that "hf" stands for.
        own: our own examples.
        split: of a dataset.
        of_file: reads what a file has, each with the number of its line or place.

    Raises:
        UsageError: the source is missing, damaged or holds something else than objects.
    """
    if source is None:
        return OWN, _records(OWN, "number", enumerate(own, start=1))
    name = public if source == "hf" else os.fspath(source)
    if name.startswith(huggingface.PREFIX):
        dataset = Dataset.parse(name)
        rows = (row for _, row in huggingface.rows(dataset, (), split))
        return name, _records(f"{name}, split {split}", "row", enumerate(rows, start=1))
    found = resolve(name)
    if len(found) != 1 or not isinstance(file := found[0], File):
        raise UsageError(f"{name}: not a file; expected one, hf, or hf:NAME")
    return name, _records(name, "number" if file.suffix == ".json" else "line", of_file(file))


def _records(name: str, unit: str, values: Iterable[tuple[int, Any]]) -> Iterator[Record]:
    for number, value in values:
        where = f"{name}, {unit} {number}"
        if not isinstance(value, dict):
            raise UsageError(f"{where}: {value!r:.40}, and an object was expected")
        yield Record(value, where)


def each(
    name: str,
    read: Iterable[Record],
    parse: Callable[[Record], T | None],
    left_out: str,
    limit: int | None,
) -> ExampleSet[T]:
    """An example of each record, `limit` of them at most; those for which `parse` has None are
    counted as `left_out`. Records behind the limit are not looked at.

    Raises:
        UsageError: there is no example, or `limit` is below 1.
    """
    check_limit(limit)
    tally = Tally()

    def examples() -> Iterator[T]:
        for record in read:
            example = parse(record)
            if example is None:
                tally.note(left_out, record.where)
            else:
                yield example

    return told(name, list(islice(examples(), limit)), tally)


def told(name: str, examples: list[T], tally: Tally) -> ExampleSet[T]:
    """The set with what was noted. `UsageError` where there is no example."""
    remarks = tally.remarks()
    if not examples:
        why = f" ({'; '.join(remarks)})" if remarks else ""
        raise UsageError(f"{name}: there is no example in it{why}")
    return ExampleSet(name, examples, remarks)


def check_limit(limit: int | None) -> None:
    """Raises a UsageError for a limit below 1."""
    if limit is not None:
        check_positive(limit=limit)


def text_of(record: Record, name: str) -> str:
    """The text in a field. `UsageError` where there is none."""
    value = record.fields.get(name)
    if not isinstance(value, str):
        raise wrong(record, name, "a text")
    return value


def wrong(record: Record, name: str, expected: str) -> UsageError:
    """What to say of a field that is missing, or holds something else."""
    if name not in record.fields:
        found = ", ".join(map(str, record.fields)) or "none"
        return UsageError(f"{record.where}: no field {name!r}; the fields are: {found}")
    value = record.fields[name]
    return UsageError(f"{record.where}: {name!r} holds {value!r:.40}; expected {expected}")
