"""Text from wherever a user has it: one function, `read`, for every source and format.

    >>> for text, ends_document in read("notes/"):
    ...     print(len(text), ends_document)

A source is a file, a folder (every readable file in it and in its folders, hidden ones left out),
a glob such as "books/**/*.txt", "-" for standard input, "wikipedia-sample" for the bundled
articles, "hf:NAME[:CONFIG]" for a Hugging Face dataset, or a list of these. Files may be compressed
(.gz, .bz2, .xz, .zst). By the ending of the name, .jsonl, .ndjson, .json, .csv, .tsv and .parquet
files are tables with a text column; every other file is plain text in UTF-8.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from corpora import huggingface, table, text, wikipedia
from corpora.errors import UsageError
from corpora.huggingface import Dataset
from corpora.passage import Passage
from corpora.text import File

__all__ = ["Input", "Options", "Passage", "Source", "passages", "read", "resolve"]

Source = str | Path | Iterable[str | Path]

STANDARD_INPUT = File(None, "standard input")
# Files that a folder of texts may hold beside the texts.
_NOT_TEXT = frozenset(
    (
        *(".7z", ".arrow", ".bin", ".db", ".doc", ".docx", ".epub", ".exe", ".gif", ".gguf"),
        *(".ico", ".jpeg", ".jpg", ".mp3", ".mp4", ".npy", ".npz", ".odt", ".pdf", ".pkl"),
        *(".png", ".pt", ".pyc", ".rar", ".safetensors", ".so", ".sqlite", ".tar", ".tgz"),
        *(".webp", ".xls", ".xlsx", ".zip"),
    )
)
_SNIFFED = 1 << 13  # bytes looked at to tell text from other files in a folder


class Folder(NamedTuple):
    """The readable files of a folder or a glob, each a document of its own."""

    files: tuple[File, ...]
    name: str


class Sample(NamedTuple):
    """The bundled sample."""

    name: str = wikipedia.NAME


Input = File | Folder | Dataset | Sample


class Options(NamedTuple):
    """How a source is read; the fields are the keywords of `read`."""

    text_column: str = "text"
    document: str = "file"
    encoding_errors: str = "strict"
    split: str | None = None
    streaming: bool = True

    def checked(self) -> Options:
        """These options. `UsageError` for a value that is none of the choices."""
        choices = {"document": ("file", "line"), "encoding_errors": ("strict", "replace")}
        for name, allowed in choices.items():
            if (value := getattr(self, name)) not in allowed:
                raise UsageError(f"{name} is {value!r}, and {' or '.join(allowed)} was expected")
        return self


def read(
    source: Source,
    *,
    text_column: str = "text",
    document: str = "file",
    encoding_errors: str = "strict",
    split: str | None = None,
    streaming: bool = True,
) -> Iterator[Passage]:
    """The text of a source, unchanged, as passages; memory does not grow with its size.

    A plain text file is one document, in pieces of a few megabytes; with `document="line"` each of
    its lines that is not blank is one, without the line break. A row of a table or dataset is one
    document and one passage. `split` names one of the splits of the bundled sample or of a Hugging
    Face dataset; without it, all of them are read. `streaming=False` downloads a dataset whole.

    Raises `UsageError`: at once for a source that is missing, empty or holds nothing readable,
    and while reading for bad UTF-8 (unless `encoding_errors="replace"`), a binary or damaged file,
    a table without `text_column`.
    """
    options = Options(text_column, document, encoding_errors, split, streaming).checked()
    return passages(resolve(source), options)


def resolve(source: Source) -> list[Input]:
    """What a source stands for. `UsageError` for what is missing, empty or not readable."""
    items = [source] if isinstance(source, str | Path) else list(source)
    if not items:
        raise UsageError("no source was given; name a file, a folder, a glob or `-`")
    return [_resolve(item) for item in items]


def passages(inputs: Iterable[Input], options: Options) -> Iterator[Passage]:
    """The passages of resolved inputs, in order. `UsageError` for an input without any text."""
    return (passage for _, passage in numbered(inputs, options))


def numbered(inputs: Iterable[Input], options: Options) -> Iterator[tuple[int, Passage]]:
    """The same, each with the number of its row or line in its file, data set or sample, from 1;
    those without text are passed over, and count too. 0 where a file is one document."""
    for item in inputs:
        found = _input_passages(item, options)
        first = next(found, None)
        if first is None:
            raise UsageError(f"{item.name}: there is no text in it; expected at least one document")
        yield from chain((first,), found)


def _input_passages(item: Input, options: Options) -> Iterator[tuple[int, Passage]]:
    if isinstance(item, Dataset):
        return huggingface.numbered_documents(
            item, options.text_column, options.split, streaming=options.streaming
        )
    if isinstance(item, Sample):
        return _sample_passages(options)
    if options.split is not None:
        raise UsageError(
            f"{item.name}: split {options.split!r} was asked for, and files have no named splits; "
            "only wikipedia-sample and hf: datasets do"
        )
    files = item.files if isinstance(item, Folder) else (item,)
    return chain.from_iterable(_file_passages(file, options) for file in files)


def _file_passages(file: File, options: Options) -> Iterator[tuple[int, Passage]]:
    if file.suffix in table.FORMATS:
        yield from table.numbered_rows(file, options.text_column, options.encoding_errors)
    elif options.document == "line":
        for number, line in enumerate(text.lines(file, options.encoding_errors), start=1):
            if line and not line.isspace():
                yield number, Passage(line, True)
    else:
        for passage in text.passages(file, options.encoding_errors):
            yield 0, passage


def _sample_passages(options: Options) -> Iterator[tuple[int, Passage]]:
    if options.split not in (None, *wikipedia.SPLITS):
        raise UsageError(
            f"{wikipedia.NAME}: no split {options.split!r}; the splits are: "
            f"{', '.join(wikipedia.SPLITS)}"
        )
    folder = wikipedia.sample_folder()
    chosen = [split for split in wikipedia.SPLITS if options.split in (None, split)]
    paths = [path for split in chosen for path in sorted((folder / split).iterdir())]
    number = 0
    for path in paths:
        for _, passage in _file_passages(File(path, str(path)), options):
            yield number + 1, passage
            number += passage.ends_document


def _resolve(item: str | Path) -> Input:
    name = os.fspath(item)
    if name == "-":
        return STANDARD_INPUT
    if name == wikipedia.NAME and not os.path.exists(name):
        return Sample()
    if name.startswith(huggingface.PREFIX):
        return Dataset.parse(name)
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder([path], name)
    if path.exists():
        if path.is_file() and path.stat().st_size == 0:
            raise UsageError(f"{name}: the file is empty; name a file with text")
        return File(path, name)
    if glob.has_magic(name):
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
        if not found:
            raise UsageError(f"{name}: no file matches this pattern; try it with `ls`")
        return _folder(found, name)
    raise UsageError(
        f"{name}: there is no such file or folder; name a file, a folder, a glob, `-`, "
        f"{wikipedia.NAME} or hf:NAME"
    )


def _folder(paths: Iterable[Path], name: str) -> Folder:
    files = tuple(
        File(path, str(path))
        for path in dict.fromkeys(chain.from_iterable(map(_walk, paths)))
        if _is_readable(path)
    )
    if not files:
        raise UsageError(
            f"{name}: nothing readable is in it; expected text, .jsonl, .csv, .tsv or .parquet "
            "files (hidden, empty and binary ones are passed over)"
        )
    return Folder(files, name)


def _walk(path: Path) -> Iterator[Path]:
    """The files of a folder and of its folders by name, without hidden ones; a file is itself."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _is_readable(path: Path) -> bool:
    """Whether a file in a folder is taken for text. One with bad UTF-8 or in UTF-16 is, so that
    its reader complains: to pass over it would lose text without a word.
    """
    file = File(path, str(path))
    if file.suffix in _NOT_TEXT or not path.is_file() or path.stat().st_size == 0:
        return False
    if file.compression or file.suffix == ".parquet":
        return True
    try:
        with path.open("rb") as stream:
            start = stream.read(_SNIFFED)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    return b"\0" not in start or start.startswith(text.UTF16_MARKS)
