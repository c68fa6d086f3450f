"""The texts that `unrolled summarize` is given, one after the other; one that cannot be read stops
none of the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corpora.errors import UsageError

if TYPE_CHECKING:
    from corpora.reader import Input, Options

UNUSUAL = re.compile(r"[^\w.-]+")  # in the names of files
ENDING = re.compile(r"(?<=.)(\.[A-Za-z]\w{0,7})?(\.(gz|bz2|xz|zst))?$")


class Place(NamedTuple):
    """A file or data set, or what is wrong with it."""

    name: str
    source: Input | None
    trouble: str = ""


class Article(NamedTuple):
    """A text, or what is wrong with it."""

    place: str  # the name of its file or data set
    number: int  # of its row or line, from 1; 0 where the file is one text
    text: str
    trouble: str = ""

    @property
    def name(self) -> str:
        """What it is called in answers."""
        return f"{self.place}:{self.number}" if self.number else self.place


def places(names: Sequence[str]) -> list[Place]:
    """The files of what is named: files, folders, globs, - for standard input, or data sets."""
    from corpora.reader import Folder, resolve

    found: list[Place] = []
    for name in names:
        try:
            (source,) = resolve(name)
        except UsageError as error:
            found.append(Place(name, None, str(error)))
            continue
        files = source.files if isinstance(source, Folder) else (source,)
        found += [Place(one.name, one) for one in files]
    return found


def articles(given: Sequence[Place], options: Options) -> Iterator[Article]:
    """The texts of files and data sets, in order."""
    for name, source, trouble in given:
        if source is None:
            yield Article(name, 0, "", trouble)
            continue
        try:
            for number, text in _texts(source, options):
                found = Article(name, number, text)
                if not text or text.isspace():
                    trouble = f"{found.name}: there is no text in it, so nothing to summarise"
                    found = found._replace(text="", trouble=trouble)
                yield found
        except UsageError as error:
            yield Article(name, 0, "", str(error))
        except OSError as error:
            yield Article(name, 0, "", f"{name}: {error.strerror or error}")


def check_apart(given: Sequence[Place], folder: Path, suffix: str) -> None:
    """Raises UsageError where the summaries of two files would be one file, or would replace one
    that is to be read."""
    taken: dict[str, str] = {}
    for name, source, _ in given:
        if source is None:
            continue
        file = file_of(Article(name, 0, ""), suffix)
        if file in taken:
            raise UsageError(
                f"the summaries of {taken[file]} and {name} would both be {folder / file}: "
                "give them folders of their own, in two runs"
            )
        taken[file] = name
        if Path(name).exists() and folder.exists() and Path(name).parent.samefile(folder):
            raise UsageError(f"{name} is in the --output-folder: choose another one")


def file_of(article: Article, suffix: str) -> str:
    """The name of the file that holds a text's summary."""
    name = ENDING.sub("", UNUSUAL.sub("-", Path(article.place).name), count=1) or "summary"
    return (f"{name}-{article.number}" if article.number else name) + suffix


def _texts(source: Input, options: Options) -> Iterator[tuple[int, str]]:
    from corpora.reader import numbered

    held: list[str] = []
    for number, passage in numbered([source], options):
        held.append(passage.text)
        if passage.ends_document:
            yield number, "".join(held).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
            held = []
