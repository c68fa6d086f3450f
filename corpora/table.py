"""Files of rows with a text column: JSON Lines, JSON, CSV, TSV and Parquet. A row is a document."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from corpora.errors import UsageError
from corpora.passage import Passage
from corpora.text import File, decode, lines


def rows(file: File, text_column: str, encoding_errors: str = "strict") -> Iterator[Passage]:
    """The text of each row, in order; rows without text are passed over.

    Raises `UsageError` for a file of another format than its name says, and for a row whose
    `text_column` is missing or holds no text; the message names the line or the row.
    """
    return (row for _, row in numbered_rows(file, text_column, encoding_errors))


def numbered_rows(
    file: File, text_column: str, encoding_errors: str = "strict"
) -> Iterator[tuple[int, Passage]]:
    """The same, each with the number of its row, from 1; those that are passed over count too."""
    read = FORMATS[file.suffix](file, text_column, encoding_errors)
    for number, (value, place) in enumerate(read, start=1):
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise UsageError(
                f"{file.name}, {place}: column {text_column!r} holds {value!r:.40}, and text was "
                "expected; name another with `--text-column`"
            )
        yield number, Passage(value, True)


def missing_column(name: str, text_column: str, found: Iterable[object]) -> UsageError:
    """The one wording for a table without the column, whatever its format."""
    columns = ", ".join(str(column) for column in found) or "none"
    return UsageError(
        f"{name}: no column {text_column!r}; the columns are: {columns}; "
        "name the one that holds the text with `--text-column`"
    )


def _json_lines(file: File, column: str, encoding_errors: str) -> Iterator[tuple[Any, str]]:
    for number, line in enumerate(lines(file, encoding_errors), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(
                f"{file.name}, line {number}: not JSON ({error.msg} at column {error.colno}); "
                "each line is to be one JSON object, such as "
                f'{{"{column}": "..."}}'
            ) from error
        yield _field(row, column, file, f"line {number}"), f"line {number}"


def _json(file: File, column: str, encoding_errors: str) -> Iterator[tuple[Any, str]]:
    """One array of objects, which is read whole, or JSON Lines by another name."""
    start = next((line for line in lines(file, encoding_errors) if line.strip()), "")
    if not start.lstrip().startswith("["):
        yield from _json_lines(file, column, encoding_errors)
        return
    text = "".join(decode(file, encoding_errors)).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    try:
        array = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{file.name}, line {error.lineno}: not JSON ({error.msg} at column {error.colno})"
        ) from error
    for number, row in enumerate(array, start=1):
        yield _field(row, column, file, f"row {number}"), f"row {number}"


def _field(row: object, column: str, file: File, place: str) -> Any:
    if not isinstance(row, dict):
        raise UsageError(
            f"{file.name}, {place}: {row!r:.40} was found, and an object such as "
            f'{{"{column}": "..."}} was expected'
        )
    if column not in row:
        raise missing_column(f"{file.name}, {place}", column, row)
    return row[column]


def _csv(file: File, column: str, encoding_errors: str) -> Iterator[tuple[Any, str]]:
    """Comma-separated, quoted with double quotes (RFC 4180)."""
    # Documents are longer than csv's limit of 128 KB; it has no setting of a reader's own.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(line + "\n" for line in lines(file, encoding_errors))
    return _separated(file, column, reader, lambda: reader.line_num)


def _tsv(file: File, column: str, encoding_errors: str) -> Iterator[tuple[Any, str]]:
    """Tab-separated as registered with IANA: no quoting, a quotation mark is only that."""
    line_number = 0

    def fields() -> Iterator[list[str]]:
        nonlocal line_number
        for line in lines(file, encoding_errors):
            line_number += 1
            yield line.split("\t") if line else []

    return _separated(file, column, fields(), lambda: line_number)


def _separated(
    file: File, column: str, table: Iterator[list[str]], line_number: Callable[[], int]
) -> Iterator[tuple[Any, str]]:
    try:
        header = next(table, None)
        if header is None:
            return
        if column not in header:
            raise missing_column(file.name, column, header)
        position = header.index(column)
        for row in table:
            if not row:
                continue
            if len(row) != len(header):
                raise UsageError(
                    f"{file.name}, line {line_number()}: {len(row)} fields, and the header has "
                    f"{len(header)}; quote or escape the separators inside a field"
                )
            yield row[position], f"line {line_number()}"
    except csv.Error as error:
        raise UsageError(f"{file.name}, line {line_number()}: not CSV ({error})") from error


def _parquet(file: File, column: str, encoding_errors: str) -> Iterator[tuple[Any, str]]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(file.path) as table:
            if column not in table.schema_arrow.names:
                raise missing_column(file.name, column, table.schema_arrow.names)
            for batch in table.iter_batches(batch_size=1024, columns=[column]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    yield value, f"row {number}"
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{file.name}: not a readable Parquet file ({reason})") from error


FORMATS: dict[str, Callable[[File, str, str], Iterator[tuple[Any, str]]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
}
