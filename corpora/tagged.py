"""Sentences with named entities, from whatever form a user has them in: `read_tagged`.

    corpus = read_tagged("train.conll", words_of=words_of)
    for sentence in corpus.sentences:
        print(sentence.words, sentence.spans)

A source is what `corpora.read` takes (files, folders, globs, "-", "hf:NAME[:CONFIG]", or a list of
these) in one of these forms, which "auto" tells apart by name and content:

    conll    a word and its tag a line, in columns                  corpora/conll.py
    jsonl    texts with character spans, or words with tags         corpora/tagged_records.py
    brat     a folder of .txt and .ann files, or one of the two     corpora/brat.py
    hf       a token-classification dataset of Hugging Face

"generated-people" is a sample that the project writes itself, see corpora/generated_people.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal, get_args

from corpora import brat, generated_people, huggingface
from corpora.conll import Columns, read_columns
from corpora.errors import UsageError, check_choice
from corpora.huggingface import Dataset
from corpora.reader import Folder, Options, Sample, Source, resolve
from corpora.schemes import Scheme, Span
from corpora.sentence import Sentence, Tally, WordsOf, from_tags
from corpora.tagged_records import COLUMNS, SPANS, json_records, read_records
from corpora.text import File, lines

__all__ = ["Format", "Sentence", "Span", "TaggedCorpus", "read_tagged"]

Format = Literal["auto", "conll", "jsonl", "brat", "hf"]
_Read = tuple[list[Sentence], list[str]]  # and the schemes' names


@dataclass
class TaggedCorpus:
    """What was read."""

    sentences: list[Sentence]
    labels: tuple[str, ...]
    """The kinds of entities, sorted."""
    scheme: str
    """What was found: "BIO", "plain types", "character spans", or several of them."""
    remarks: list[str]
    """What was left out, cut, converted or repaired, and how often."""


def read_tagged(
    source: Source,
    *,
    format: Format = "auto",
    separator: str | None = None,
    word_column: int | None = None,
    tag_column: int | None = None,
    scheme: Scheme | Literal["auto"] = "auto",
    split: str | None = None,
    encoding_errors: str = "strict",
    words_of: WordsOf,
) -> TaggedCorpus:
    """Reads annotated sentences.

    Args:
        separator: what parts the columns; None is tabs where there are some, else white space.
        word_column, tag_column: counted from 0, or -1 for the last; None is the first (the second
            where the first counts the words) and the last.
        scheme: of the tags; "auto" finds it, file by file.
        split: of a dataset; None is all.
        words_of: the character ranges of a text's words, for forms with character spans.

    Raises:
        UsageError: a source that is missing or without a sentence, a ragged line, a tag that fits
            no scheme, spans that overlap or leave the text; the message names file and line.
    """
    check_choice("format", format, Format)
    check_choice("scheme", scheme, Literal["auto", *get_args(Scheme)])
    Options(encoding_errors=encoding_errors).checked()
    columns = Columns(separator, word_column, tag_column)
    given = None if scheme == "auto" else scheme
    reader = _Reader(format, columns, given, split, encoding_errors, words_of, Tally())
    sentences: list[Sentence] = []
    schemes: list[str] = []
    for item in [source] if isinstance(source, str | Path) else source:
        before = len(sentences)
        for read, found in reader.parts(item):
            sentences.extend(read)
            schemes.extend(found if read else ())
        if len(sentences) == before:
            raise UsageError(
                f"{item}: there is no sentence in it; expected a word and its tag a line, texts "
                "with character spans as JSON Lines, or brat's .txt and .ann files"
            )
    if not sentences:
        raise UsageError("no annotated text was given; name a file, a folder, a glob or `-`")
    labels = {span.label for sentence in sentences for span in sentence.spans}
    return TaggedCorpus(
        sentences,
        tuple(sorted(labels)),
        ", ".join(dict.fromkeys(schemes)),
        reader.tally.remarks(),
    )


@dataclass(frozen=True)
class _Reader:
    """How items are read; the fields are the keywords of `read_tagged`, and what is counted."""

    format: Format
    columns: Columns
    scheme: Scheme | None
    split: str | None
    encoding_errors: str
    words_of: WordsOf
    tally: Tally

    def parts(self, item: str | Path) -> Iterator[_Read]:
        """The sentences of one item of a source, file by file."""
        name = str(item)
        if name == generated_people.NAME:
            written = enumerate(generated_people.sentences(), 1)
            yield [Sentence(*made, f"{name}, sentence {number}") for number, made in written], []
            return
        if self.format == "hf" or (self.format == "auto" and name.startswith(huggingface.PREFIX)):
            yield from self._dataset(Dataset.parse(name))
            return
        if self.split is not None:
            raise UsageError(
                f"{name}: split {self.split!r} was asked for, and files have no named splits; only "
                "hf: datasets do"
            )
        path = Path(item).expanduser()
        if self.format == "brat" or (
            self.format == "auto" and (path.is_dir() or path.suffix == ".ann")
        ):
            documents = brat.documents(path, self.tally)
            if documents or self.format == "brat":
                for document in documents:
                    read = brat.read_document(
                        document, self.words_of, self.tally, self.encoding_errors
                    )
                    yield list(read), [SPANS]
                return
        for found in resolve(item):
            if isinstance(found, Sample | Dataset):
                raise UsageError(f"{name}: it holds no tagged files; name a file or a folder")
            for file in found.files if isinstance(found, Folder) else (found,):
                yield self._file(file)

    def _file(self, file: File) -> _Read:
        held = list(lines(file, self.encoding_errors))

        def place(number: int) -> str:
            return f"{file.name}, {'row' if array else 'line'} {number}"

        start = next((line.lstrip() for line in held if line.strip()), "")
        array = file.suffix == ".json" and start.startswith("[")
        if self.format == "jsonl" or (self.format == "auto" and _is_json(file, start)):
            records = json_records(held, file.name, array=array)
            return read_records(records, self.scheme, self.words_of, self.tally, place)
        tagged = read_columns(held, self.columns, file.name, self.tally)
        sentences, found = from_tags(tagged, self.scheme, self.tally, place)
        return sentences, [found]

    def _dataset(self, dataset: Dataset) -> Iterator[_Read]:
        rows = huggingface.rows(dataset, COLUMNS, self.split)
        for split, held in groupby(rows, key=itemgetter(0)):

            def place(number: int, split: str = split) -> str:
                return f"{dataset.name}, split {split}, row {number}"

            records = ((number, row) for number, (_, row) in enumerate(held, start=1))
            yield read_records(records, self.scheme, self.words_of, self.tally, place)


def _is_json(file: File, start: str) -> bool:
    """Whether lines are records: by the file's name or, where it tells nothing, by its beginning,
    which alone may be a word in columns.
    """
    if file.suffix in (".jsonl", ".ndjson", ".json"):
        return True
    try:
        return isinstance(json.loads(start), dict)
    except json.JSONDecodeError:
        return False
