"""Texts with classes, from whatever form a user has them in: one function, `read_labelled`.

    corpus = read_labelled("reviews.csv", text_column="review", label_column="stars")
    for text, labels, where in corpus.examples:
        print(labels, text)

A source is a table (.csv, .tsv, .jsonl, .json, .parquet) with a column of texts and one of labels,
a folder or glob of tables, a folder with a folder of texts for each class, "hf:NAME[:CONFIG]",
"LABEL=FILE" with a text a line ("pos=reviews.pos"), or a list of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from corpora import huggingface, table
from corpora.errors import UsageError
from corpora.huggingface import Dataset
from corpora.reader import Folder, Options, Sample, Source, resolve
from corpora.sentence import Tally
from corpora.text import File, decode, lines

__all__ = ["Example", "LabelledCorpus", "read_labelled"]

_FORMS = (
    f"expected a table ({', '.join(table.FORMATS)}), a folder with a folder for each class, "
    "hf:NAME, or LABEL=FILE"
)


class Example(NamedTuple):
    """A text and its classes; several or none where examples can have several."""

    text: str
    labels: tuple[str, ...]
    where: str
    """Such as "reviews.csv, line 12"."""


@dataclass
class LabelledCorpus:
    """What was read."""

    examples: list[Example]
    labels: tuple[str, ...]
    """All classes, sorted."""
    remarks: list[str]
    """What was left out, and what looks odd, and how often."""


class _Row(NamedTuple):
    text: Any
    label: Any
    where: str


class _Reading(NamedTuple):
    """How items are read; the fields are the keywords of `read_labelled`."""

    text_column: str
    label_column: str
    separator: str | None
    split: str | None
    encoding_errors: str


def read_labelled(
    source: Source,
    *,
    text_column: str = "text",
    label_column: str = "label",
    separator: str | None = None,
    split: str | None = None,
    encoding_errors: str = "strict",
) -> LabelledCorpus:
    """Reads texts and their classes.

    Args:
        text_column, label_column: of tables and datasets. A label is text, a number, or a list.
        separator: what parts several labels of one example; with it, an empty label is none.
        split: of a dataset; None is all.

    Raises:
        UsageError: a source that is missing or without an example, an example without a label, a
            column that is missing; the message names file and line.
    """
    Options(encoding_errors=encoding_errors).checked()
    reading = _Reading(text_column, label_column, separator, split, encoding_errors)
    tally = Tally()
    examples: list[Example] = []
    seen: dict[str, tuple[str, ...]] = {}
    for item in [source] if isinstance(source, str | Path) else source:
        before = len(examples)
        for text, label, where in _rows(item, reading, tally):
            if text is None or (isinstance(text, str) and not text.strip()):
                tally.note("empty texts left out", where)
                continue
            if not isinstance(text, str):
                raise UsageError(
                    f"{where}: column {text_column!r} holds {text!r:.40}, and text was expected; "
                    "name another with `--text-column`"
                )
            example = Example(text, _labels(label, where, separator), where)
            if not example.labels:
                tally.note("examples with none of the labels", where)
            if text in seen:
                other = set(seen[text]) != set(example.labels)
                how = "with another label, " if other else ""
                tally.note(f"texts that are there already, {how}kept", where)
            seen.setdefault(text, example.labels)
            examples.append(example)
        if len(examples) == before:
            raise UsageError(f"{item}: there is no labelled text in it; {_FORMS}")
    if not examples:
        raise UsageError(f"no labelled texts were given; {_FORMS}")
    labels = {label for example in examples for label in example.labels}
    return LabelledCorpus(examples, tuple(sorted(labels)), tally.remarks())


def _labels(value: Any, where: str, separator: str | None) -> tuple[str, ...]:
    values = value
    if separator and isinstance(value, str):
        values = [part for part in value.split(separator) if part.strip()]
    elif not isinstance(value, list | tuple):
        values = [value]
    return tuple(dict.fromkeys(_label(one, where) for one in values))


def _label(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():  # what tables make of whole numbers
        value = int(value)
    name = str(value).strip() if isinstance(value, str | int | float) else ""
    if not name or name == "nan":
        raise UsageError(f"{where}: no label ({value!r:.40}); give one, or take the example out")
    return name


def _rows(item: str | Path, reading: _Reading, tally: Tally) -> Iterator[_Row]:
    name = os.fspath(item)
    path = Path(name).expanduser()
    if name.startswith(huggingface.PREFIX):
        yield from _dataset_rows(Dataset.parse(name), reading)
        return
    if reading.split is not None:
        raise UsageError(
            f"{name}: split {reading.split!r} was asked for, and files have no named splits; only "
            "hf: datasets do"
        )
    if path.is_dir() and (folders := _folders(path)):
        yield from _folder_rows(path, folders, reading.encoding_errors, tally)
        return
    label, equals, named = name.partition("=")
    if equals and not path.exists():
        for file in _files(named):
            for number, line in enumerate(lines(file, reading.encoding_errors), start=1):
                yield _Row(line, label, f"{file.name}, line {number}")
        return
    for file in _files(name):
        if file.suffix not in table.FORMATS:
            raise UsageError(f"{file.name}: its texts have no labels; {_FORMS}")
        yield from _table_rows(file, reading)


def _files(name: str) -> Iterator[File]:
    for found in resolve(name):
        if isinstance(found, Sample | Dataset):
            raise UsageError(f"{name}: its texts have no labels; {_FORMS}")
        yield from found.files if isinstance(found, Folder) else (found,)


def _table_rows(file: File, reading: _Reading) -> Iterator[_Row]:
    """A table's readers give one column: two of them go side by side."""
    read = table.FORMATS[file.suffix]
    texts = read(file, reading.text_column, reading.encoding_errors)
    labels = read(file, reading.label_column, reading.encoding_errors)
    for text, place in texts:
        try:
            label, _ = next(labels)
        except UsageError as error:
            message = str(error).replace("text with `--text-column`", "label with `--label-column`")
            raise UsageError(message) from error
        yield _Row(text, label, f"{file.name}, {place}")


def _dataset_rows(dataset: Dataset, reading: _Reading) -> Iterator[_Row]:
    columns = (reading.text_column, reading.label_column)
    rows = huggingface.rows(dataset, columns, reading.split)
    for split, held in groupby(rows, key=itemgetter(0)):
        for number, (_, row) in enumerate(held, start=1):
            where = f"{dataset.name}, split {split}, row {number}"
            for column in columns:
                if column not in row:
                    found = ", ".join(map(str, row))
                    raise UsageError(
                        f"{where}: no column {column!r}; found: {found}; name the columns with "
                        "`--text-column` and `--label-column`"
                    )
            yield _Row(row[columns[0]], row[columns[1]], where)


def _folders(path: Path) -> list[Path]:
    return sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")
    )


def _folder_rows(
    path: Path, folders: Iterable[Path], encoding_errors: str, tally: Tally
) -> Iterator[_Row]:
    """One text for each file of a class's folder."""
    for beside in sorted(path.iterdir()):
        if beside.is_file():
            tally.note("files beside the folders of the classes left out", str(beside))
    for folder in folders:
        readable = list(_files(str(folder)))
        known = {file.path for file in readable}
        for passed in sorted(folder.rglob("*")):
            if passed.is_file() and passed not in known:
                tally.note("files that are hidden, empty or not text left out", str(passed))
        for file in readable:
            text = "".join(decode(file, encoding_errors))
            yield _Row(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), folder.name, file.name)
