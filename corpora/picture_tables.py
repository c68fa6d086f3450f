"""Tables about pictures: CSV, TSV, JSON Lines, JSON arrays, Parquet and datasets, to records."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from corpora import huggingface
from corpora.errors import UsageError
from corpora.example_sets import Record
from corpora.huggingface import Dataset
from corpora.splits import OWN_NAMES
from corpora.tagged_records import json_records
from corpora.text import File, lines

SPLIT = "split"
IDS = ("image_id", "cocoid", "imgid", "img_id", "id")  # of pictures
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


class Column(NamedTuple):
    """A column to read: the name that the user gave, or its usual ones, the likeliest first."""

    named: str | None
    usual: tuple[str, ...]
    option: str  # of the command line, which names it

    def of(self, record: Record) -> str:
        """Its name in this record. `UsageError` where it has none of the names."""
        for name in (self.named,) if self.named else self.usual:
            if name in record.fields:
                return name
        wanted = repr(self.named) if self.named else f"such as {', '.join(self.usual[:3])}"
        found = ", ".join(map(str, record.fields)) or "none"
        raise UsageError(
            f"{record.where}: no column {wanted}; the columns are: {found}; name the right one "
            f"with `{self.option}`"
        )


IMAGE = (
    *("image", "path", "image_path", "file_name", "filename", "image_name", "img", "file"),
    "filepath",
)


def table_records(file: File, encoding_errors: str) -> Iterator[Record]:
    """The rows of a file by the ending of its name; of any other than a table's, columns.

    Raises:
        UsageError: a line that is no row of the table, with its number.
    """
    if file.suffix == ".parquet":
        yield from _parquet(file)
    elif file.suffix in (".jsonl", ".ndjson", ".json"):
        text = list(lines(file, encoding_errors))
        array = file.suffix == ".json" and "".join(text[:100]).lstrip().startswith("[")
        unit = "number" if array else "line"
        yield from objects(json_records(text, file.name, array=array), f"{file.name}, {unit}")
    else:
        yield from _columns(file, encoding_errors)


def objects(values: Iterator[tuple[int, Any]], place: str) -> Iterator[Record]:
    """Values that are to be objects, each with its number behind `place`."""
    for number, value in values:
        if not isinstance(value, dict):
            raise UsageError(f"{place} {number}: {value!r:.40}, and an object was expected")
        yield Record(value, f"{place} {number}")


def json_object(file: File, encoding_errors: str) -> dict[str, Any] | None:
    """The object that a .json file is; None where it is an array, or an object a line."""
    text = "\n".join(lines(file, encoding_errors))
    if not text.lstrip().startswith("{"):
        return None
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return None
        raise UsageError(
            f"{file.name}, line {error.lineno}: not JSON ({error.msg} at column {error.colno})"
        ) from error
    assert isinstance(whole, dict)
    return whole


def _columns(file: File, encoding_errors: str) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # it has no setting of a reader's own
    read = (f"{line}\n" for line in lines(file, encoding_errors))
    first = next(read, "")
    # Flickr30k's results.csv, whose texts hold commas.
    sign = "\t" if file.suffix == ".tsv" else "|" if "|" in first else ","
    header = [name.strip() for name in next(csv.reader([first], delimiter=sign), [])]
    if sign == ",":
        table = csv.reader(read, strict=True)
    else:
        table = csv.reader(read, delimiter=sign, quoting=csv.QUOTE_NONE)
    number = 2
    try:
        for row in table:
            where = f"{file.name}, line {number}"
            number = table.line_num + 2
            if not any(map(str.strip, row)):
                continue
            if len(row) != len(header):
                raise UsageError(
                    f"{where}: {len(row)} columns, and the header has {len(header)}; quote or "
                    "take out separators inside a text"
                )
            yield Record(dict(zip(header, map(str.strip, row), strict=True)), where)
    except csv.Error as error:
        raise UsageError(
            f"{file.name}, line {number}: not CSV ({error}); a quotation mark inside quotes is "
            "written twice"
        ) from error


def _parquet(file: File) -> Iterator[Record]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(file.path) as table:
            for batch in table.iter_batches(batch_size=256):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(row, f"{file.name}, row {number}")
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{file.name}: not a readable Parquet file ({reason})") from error


def dataset_records(name: str, split: str | None) -> Iterator[Record]:
    """The rows of a Hugging Face dataset, each with the name of its part in `SPLIT`.

    `split` is ours or the dataset's own name of a part; one that it has not may still be in a
    column "split" of its rows, all of which are then read.
    """
    dataset = Dataset.parse(name)
    own = None
    if split is not None:
        names = huggingface.split_names(dataset)
        own = next((one for one in (split, *OWN_NAMES.get(split, ())) if one in names), None)
    for part, held in groupby(huggingface.rows(dataset, (), own), key=itemgetter(0)):
        for number, (_, row) in enumerate(held, start=1):
            yield Record({SPLIT: part, **row}, f"{dataset.name}, split {part}, row {number}")


def texts(value: Any, where: str, column: str, keys: Sequence[str] = ("raw",)) -> list[str]:
    """The texts of a field, which is one, a list of them, or objects with one in one of `keys`."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict) and (held := next((key for key in keys if key in value), None)):
        return texts(value[held], where, column, keys)
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts(one, where, column, keys)]
    raise UsageError(f"{where}: {column!r} holds {value!r:.40}; expected a text or a list of texts")


def numbered(record: Record, stem: str) -> list[str]:
    """The columns "caption_0", "caption1" and so on."""
    return [name for name in record.fields if re.fullmatch(rf"{stem}_?\d+", str(name))]
