"""Sentences with their translations, from whatever form a user has them in: `read_pairs`.

    corpus = read_pairs("train.en.gz", "train.de.gz")
    for source, target, where in corpus.pairs:
        print(source, target)

Either two text files are given, of which line n of the one translates line n of the other, or one
source that holds both sides:

    .tsv, .csv                  two columns, or a header that names them
    .jsonl, .json, .parquet     two columns, or Hugging Face's {"translation": {"en": .., "de": ..}}
    .tmx                        translation memories; the columns are the languages
    another ending              as .tsv, such as the fra.txt of Tatoeba's pairs
    "hf:NAME[:CONFIG]"          a dataset of Hugging Face
    "generated-pairs"           a sample that the project writes itself, corpora/generated_pairs.py

Files may be compressed. Texts are not changed: no white space is taken off, no character replaced.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpora import generated_pairs, huggingface
from corpora.errors import UsageError
from corpora.huggingface import Dataset
from corpora.pair_filters import Filters, Sieve
from corpora.pair_formats import TABLES, Columns, Row, aligned_rows, dataset_rows, file_rows
from corpora.reader import Folder, Options, Sample, resolve
from corpora.sentence import Tally
from corpora.text import File

__all__ = ["Filters", "Pair", "PairCorpus", "filtered", "read_pairs"]

_USUAL = Filters()


class Pair(NamedTuple):
    """A text and its translation."""

    source: str
    target: str
    where: str
    """Such as "train.en, line 12"."""


@dataclass
class PairCorpus:
    """What was read."""

    pairs: list[Pair]
    remarks: list[str]
    """What was left out, how often and where first."""


def read_pairs(
    source: str | Path,
    target: str | Path | None = None,
    *,
    split: str | None = None,
    source_column: str = "source",
    target_column: str = "target",
    encoding_errors: str = "strict",
    filters: Filters = _USUAL,
) -> PairCorpus:
    """Reads pairs of texts.

    Args:
        target: the file of the translations, where `source` is one of texts alone.
        split: of a dataset; None is all.
        source_column, target_column: of tables and datasets; the languages, such as "en", of .tmx
            files and of columns "translation". Of .tsv and .csv files without a header they may
            be numbers, counted from 0 and from -1 backwards; otherwise its first two are read.
        encoding_errors: "replace" for a file that is not all UTF-8; .tmx files name their encoding.
        filters: which pairs are kept.

    Raises:
        UsageError: files with different numbers of lines, a source that is missing, empty or
            damaged, a column that is missing, and filters that leave nothing; the message names
            file and line.
    """
    Options(encoding_errors=encoding_errors).checked()
    tally = Tally()
    sieve = Sieve(filters, tally)
    columns = Columns(source_column, target_column, encoding_errors)
    if target is None:
        name = os.fspath(source)
        rows: Iterable[Row] = _rows(name, columns, split, tally)
    else:
        name = f"{os.fspath(source)} and {os.fspath(target)}"
        rows = aligned_rows(_text_file(source, split), _text_file(target, split), encoding_errors)
    pairs = []
    count = 0
    for row in rows:
        count += 1
        texts = (_text(row.source, source_column, row), _text(row.target, target_column, row))
        one = Pair(*texts, row.where)
        if sieve.keeps(*one):
            pairs.append(one)
    remarks = tally.remarks()
    if not pairs:
        raise _nothing(name, count, remarks)
    return PairCorpus(pairs, remarks)


def filtered(pairs: Iterable[Pair], filters: Filters) -> tuple[list[Pair], list[str]]:
    """The pairs that filters keep, and what there is to tell about the others.

    Raises:
        UsageError: none is kept.
    """
    tally, read = Tally(), list(pairs)
    sieve = Sieve(filters, tally)
    kept = [pair for pair in read if sieve.keeps(*pair)]
    if not kept:
        raise _nothing("the training part", len(read), tally.remarks())
    return kept, tally.remarks()


def _nothing(name: str, count: int, remarks: list[str]) -> UsageError:
    why = f" ({'; '.join(remarks)})" if remarks else ""
    if count:
        return UsageError(
            f"{name}: none of its {count:,} pairs is left{why}; give other data or looser filters"
        )
    return UsageError(f"{name}: there is no pair in it{why}; expected texts and their translations")


def _text(value: Any, column: str, row: Row) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(
            f"{row.where}: column {column!r} holds {value!r:.40}, and text was expected; name "
            "another with `--source-column` and `--target-column`"
        )
    return value


def _rows(name: str, columns: Columns, split: str | None, tally: Tally) -> Iterator[Row]:
    """The rows of one source that holds both sides."""
    if name.startswith(huggingface.PREFIX):
        yield from dataset_rows(Dataset.parse(name), columns, split)
        return
    _check_split(name, split)
    if name == generated_pairs.NAME and not os.path.exists(name):
        for number, pair in enumerate(generated_pairs.pairs(), start=1):
            yield Row(*pair, f"{name}, pair {number}")
        return
    for found in resolve(name):
        if isinstance(found, Sample | Dataset):
            raise UsageError(f"{name}: it holds no translations; name a file of pairs")
        for file in found.files if isinstance(found, Folder) else (found,):
            yield from file_rows(file, columns, tally)


def _check_split(name: str, split: str | None) -> None:
    if split is not None:
        raise UsageError(
            f"{name}: split {split!r} was asked for, and files have no named splits; only hf: "
            "datasets do"
        )


def _text_file(source: str | Path, split: str | None) -> File:
    """One of two aligned files."""
    name = os.fspath(source)
    _check_split(name, split)
    (found,) = resolve(name)
    if not isinstance(found, File) or found.suffix in TABLES:
        what = "a table of both sides" if isinstance(found, File) else "no single text file"
        raise UsageError(
            f"{name}: {what}, and with a second file a file with a text a line was expected; give "
            "two of these, or one source that holds both sides"
        )
    return found
