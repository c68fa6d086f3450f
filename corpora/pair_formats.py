"""The forms that pairs of sentences are stored in, to rows of a source, a target and a place."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from corpora import huggingface, table, tmx
from corpora.errors import UsageError
from corpora.huggingface import Dataset
from corpora.sentence import Tally
from corpora.text import File, lines

SIDES = ("source", "target")  # what the columns are called where nobody names them
NESTED = "translation"  # the column of Hugging Face's sets that holds an object, text by language
TABLES = (*table.FORMATS, ".tmx")


class Row(NamedTuple):
    """What a file has for one pair; `source` and `target` are what stands there, text or not."""

    source: Any
    target: Any
    where: str


class Columns(NamedTuple):
    """The names of the columns, or of the languages, and how bytes that are not UTF-8 are read."""

    source: str
    target: str
    encoding_errors: str

    @property
    def names(self) -> tuple[str, str]:
        return self.source, self.target


def aligned_rows(source: File, target: File, encoding_errors: str) -> list[Row]:
    """The lines of two files, one beside the other.

    Raises:
        UsageError: they have not as many lines; nothing is done before that is known.
    """
    sides = [list(lines(file, encoding_errors)) for file in (source, target)]
    if len(sides[0]) != len(sides[1]):
        raise UsageError(
            f"{source.name} has {len(sides[0]):,} lines and {target.name} has {len(sides[1]):,}; "
            "line n of the one is to be the translation of line n of the other"
        )
    return [
        Row(text, translation, f"{source.name}, line {number}")
        for number, (text, translation) in enumerate(zip(*sides, strict=True), start=1)
    ]


def file_rows(file: File, columns: Columns, tally: Tally) -> Iterator[Row]:
    """The rows of one file that holds both sides, by the ending of its name; a file of another
    ending is read as columns with tabs if its first line has one.
    """
    if file.suffix == ".tmx":
        return _tmx_rows(file, columns, tally)
    if file.suffix in table.FORMATS and file.suffix not in (".csv", ".tsv"):
        return _table_rows(file, columns)
    return _separated_rows(file, columns, tally)


def _separated_rows(file: File, columns: Columns, tally: Tally) -> Iterator[Row]:
    """CSV with double quotes (RFC 4180), or columns with tabs and no quoting (IANA)."""
    records = _csv(file, columns) if file.suffix == ".csv" else _tabs(file, columns)
    separator = "a comma" if file.suffix == ".csv" else "a tab"
    width = 0
    for number, fields in records:
        where = f"{file.name}, line {number}"
        if not any(map(str.strip, fields)):
            tally.note("blank lines left out", where)
            continue
        if not width:
            if len(fields) == 1 and file.suffix not in table.FORMATS:
                raise UsageError(
                    f"{where}: a text without a tab; name the file of its translations too, or "
                    "one file with source and target in a line, parted by a tab"
                )
            width = len(fields)
            positions, is_header = _positions(file, fields, columns, tally)
            if is_header:
                continue
        if len(fields) < 2:
            raise UsageError(
                f"{where}: one column ({fields[0]!r:.40}), and two were expected, source and "
                f"target parted by {separator}"
            )
        if len(fields) != width:
            raise UsageError(
                f"{where}: {len(fields)} columns, and the first line has {width}; take out the "
                "separators inside a text"
            )
        yield Row(fields[positions[0]], fields[positions[1]], where)


def _positions(
    file: File, first: list[str], columns: Columns, tally: Tally
) -> tuple[tuple[int, int], bool]:
    """Where the two columns are, and whether the first line is a header that says so."""
    named = columns.names
    if all(name in first for name in named):
        return (first.index(named[0]), first.index(named[1])), True
    if all(re.fullmatch(r"-?\d+", name) for name in named):
        positions = int(named[0]), int(named[1])
        if any(not -len(first) <= position < len(first) for position in positions):
            raise UsageError(
                f"{file.name}: no columns {named[0]} and {named[1]}; there are {len(first)}, "
                "counted from 0"
            )
        return positions, False
    if named != SIDES or any(name in first for name in named):
        missing = next(number for number, name in enumerate(named) if name not in first)
        raise _missing(file.name, named[missing], SIDES[missing], ", ".join(first))
    what = "files without a header that names the columns, of which the first two are read"
    tally.note(what, file.name)
    return (0, 1), False


def _csv(file: File, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(sys.maxsize)  # it has no setting of a reader's own
    reader = csv.reader((line + "\n" for line in lines(file, columns.encoding_errors)), strict=True)
    number = 1
    try:
        for fields in reader:
            yield number, fields
            number = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"{file.name}, line {number}: not CSV ({error}); a quotation mark inside quotes is "
            "written twice"
        ) from error


def _tabs(file: File, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines(file, columns.encoding_errors), start=1):
        yield number, line.split("\t")


def _table_rows(file: File, columns: Columns) -> Iterator[Row]:
    """A table's readers give one column: two of them go side by side."""
    if _is_nested(file, columns):
        for value, place in table.FORMATS[file.suffix](file, NESTED, columns.encoding_errors):
            yield _nested_row(value, columns, f"{file.name}, {place}")
        return
    # The second ends with the first, or raises: no row is without both.
    sides = (_column(file, columns, side) for side in SIDES)
    for (source, place), (target, _) in zip(*sides, strict=False):
        yield Row(source, target, f"{file.name}, {place}")


def _column(file: File, columns: Columns, side: str) -> Iterator[tuple[Any, str]]:
    """One column of a table, with errors that name the options of this module."""
    name = getattr(columns, side)
    try:
        yield from table.FORMATS[file.suffix](file, name, columns.encoding_errors)
    except UsageError as error:
        message = str(error).replace(f'{{"{name}": "..."}}', _example(columns))
        message = message.replace("text with `--text-column`", f"{side} with `--{side}-column`")
        raise UsageError(message) from error


def _example(columns: Columns) -> str:
    return f'{{"{columns.source}": "...", "{columns.target}": "..."}}'


def _is_nested(file: File, columns: Columns) -> bool:
    try:
        first = next(table.FORMATS[file.suffix](file, NESTED, columns.encoding_errors), None)
    except UsageError:  # whatever is wrong, reading the columns tells it
        return False
    return first is not None and isinstance(first[0], dict)


def _nested_row(value: object, columns: Columns, where: str) -> Row:
    """The row of {"en": "...", "de": "..."}."""
    if not isinstance(value, dict):
        raise UsageError(f"{where}: {NESTED!r} holds {value!r:.40}; expected {_example(columns)}")
    for name, side in zip(columns.names, SIDES, strict=True):
        if name not in value:
            raise _missing(f"{where}, {NESTED}", name, side, ", ".join(map(str, value)))
    return Row(value[columns.source], value[columns.target], where)


def dataset_rows(dataset: Dataset, columns: Columns, split: str | None) -> Iterator[Row]:
    """The rows of a Hugging Face dataset; `split` None is all."""
    rows = huggingface.rows(dataset, (*columns.names, NESTED), split)
    for name, held in groupby(rows, key=itemgetter(0)):
        for number, (_, row) in enumerate(held, start=1):
            where = f"{dataset.name}, split {name}, row {number}"
            if isinstance(row.get(NESTED), dict):
                yield _nested_row(row[NESTED], columns, where)
                continue
            for column, side in zip(columns.names, SIDES, strict=True):
                if column not in row:
                    raise _missing(where, column, side, ", ".join(map(str, row)))
            yield Row(row[columns.source], row[columns.target], where)


def _tmx_rows(file: File, columns: Columns, tally: Tally) -> Iterator[Row]:
    """One row of each unit in both languages, which `columns` names: "en" is also "en-US"."""
    languages: dict[str, None] = {}
    found = False
    for texts, line in tmx.units(file, tally):
        where = f"{file.name}, line {line}"
        languages.update(dict.fromkeys(texts))
        sides = [tmx.matching(texts, name) for name in columns.names]
        if not all(sides):
            for name, side in zip(columns.names, sides, strict=True):
                if not side:
                    tally.note(f"translation units without {name!r} left out", where)
            continue
        if any(len(side) > 1 for side in sides):
            tally.note("translation units with several texts of a language, the first read", where)
        found = True
        yield Row(texts[sides[0][0]], texts[sides[1][0]], where)
    if languages and not found:
        raise UsageError(
            f"{file.name}: no translation unit is in {columns.source!r} and {columns.target!r}; "
            f"its languages are {', '.join(languages)}; name two of them with `--source-column` "
            "and `--target-column`"
        )


def _missing(where: str, column: str, side: str, found: str) -> UsageError:
    return UsageError(
        f"{where}: no column {column!r}; the columns are: {found or 'none'}; name the one that "
        f"holds the {side} with `--{side}-column`"
    )
