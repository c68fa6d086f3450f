"""Columns in the manner of the CoNLL shared tasks: a word a line, a blank line after a sentence.

    EU      NNP  B-NP  B-ORG
    rejects VBZ  B-VP  O

Columns are parted by tabs where at least half of the lines have one, else by spaces and tabs. The
word is in the first column and the tag in the last, unless others are named or the first counts the
words as CoNLL-U's does. Lines with -DOCSTART- or `# newdoc` begin documents. Before a sentence,
other lines that begin with a lone `#` are comments, unless they end in a tag as a word's line does.
Words keep every sign but the spaces and tabs around them, whatever else Unicode calls white space.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from corpora.errors import UsageError
from corpora.sentence import Tagged, Tally

_BLANKS = " \t\r"
_COMMENT = re.compile(r"#(?:[ \t]|$)")
_DOCUMENT = re.compile(r"-DOCSTART-|#[ \t]+newdoc\b")
_PREFIX = re.compile(r"[a-z]{2,3}:(?=.)", re.DOTALL)
_SPANNING = re.compile(r"\d+[-.]\d+")  # in CoNLL-U: several words written as one, or an empty node


class Columns(NamedTuple):
    """How lines are parted, and which columns matter: counted from 0, or from the end (-1)."""

    separator: str | None = None
    word: int | None = None
    tag: int | None = None


class _Line(NamedTuple):
    number: int
    fields: list[str]


class _Sentence(NamedTuple):
    lines: list[_Line]
    begins_document: bool


def read_columns(lines: Iterable[str], columns: Columns, name: str, tally: Tally) -> list[Tagged]:
    """The sentences of a file.

    Raises:
        UsageError: a line with another number of columns, or without word or tag; it is named.
    """
    texts = [line.strip(_BLANKS) for line in lines]
    split = _splitter(columns.separator, texts)
    rows = {  # by line
        number: split(text)
        for number, text in enumerate(texts, start=1)
        if text and not _DOCUMENT.match(text)
    }
    words = {number for number in rows if not _COMMENT.match(texts[number - 1])}
    if not words:
        return []
    first = min(words)
    width = len(rows[first])
    if width < 2:
        raise UsageError(
            f"{name}, line {first}: one column; expected a word and its tag in each line "
            "(name what parts them with `--separator`)"
        )
    tag = _position(columns.tag, -1, "tag_column", width, name)
    tags = {rows[number][tag] for number in words if len(rows[number]) == width}
    words |= {number for number in rows if len(rows[number]) == width and rows[number][tag] in tags}
    sentences = _sentences(texts, rows, words, name, tally)
    for number, fields in (line for one in sentences for line in one.lines):
        if len(fields) != width:
            raise UsageError(
                f"{name}, line {number}: the number of columns is {len(fields)}, and {width} in "
                f"line {first}; expected the same in each (name what parts them with `--separator`)"
            )
    counted = columns.word is None and width > 2 and all(map(_is_counted, sentences))
    if counted:
        tally.note("files whose first column counts the words, read from the second", name)
        sentences = [one._replace(lines=_without_spanning(one, name, tally)) for one in sentences]
    word = _position(columns.word, int(counted), "word_column", width, name)
    if word == tag:
        raise UsageError(f"{name}: column {word} is both word_column and tag_column: name two")
    for number, fields in (line for one in sentences for line in one.lines):
        for column, what in ((word, "word"), (tag, "tag")):
            if not fields[column]:
                raise UsageError(f"{name}, line {number}: the {what} is missing (column {column})")
    return [
        Tagged(
            held,
            [fields[tag] for _, fields in one.lines],
            [number for number, _ in one.lines],
            one.begins_document,
        )
        for one, held in zip(sentences, _unprefixed(sentences, word, name, tally), strict=True)
    ]


def _splitter(separator: str | None, texts: Iterable[str]) -> Callable[[str], list[str]]:
    """Cuts a line into its fields, without spaces and tabs around them."""
    if separator is None:
        filled = [text for text in texts if text]
        has_tabs = 2 * sum("\t" in text for text in filled) >= len(filled)
        separator = "\t" if has_tabs else " \t"
    elif separator == "\\t":  # as a shell leaves it
        separator = "\t"
    if not separator.strip(" ") or separator == " \t":
        return re.compile(f"[{separator}]+").split
    return lambda text: [field.strip(_BLANKS) for field in text.split(separator)]


def _position(column: int | None, default: int, what: str, width: int, name: str) -> int:
    column = default if column is None else column
    if not -width <= column < width:
        raise UsageError(
            f"{name}: {what} is {column}, and there are {width} columns; expected 0 to "
            f"{width - 1}, or -1 for the last"
        )
    return column % width


def _sentences(
    texts: Sequence[str],
    rows: dict[int, list[str]],
    words: set[int],
    name: str,
    tally: Tally,
) -> list[_Sentence]:
    """The lines of words, parted at blank lines and where documents begin."""
    found: list[_Sentence] = []
    lines: list[_Line] = []
    begins = True
    blank = 0  # blank lines in a row; between two sentences one is expected
    for number, text in enumerate(texts, start=1):
        place = f"{name}, line {number}"
        if number in words or (lines and text and not _DOCUMENT.match(text)):
            if found and not lines:
                for _ in range(blank - 1):
                    tally.note("empty sentences (blank lines beyond the first) left out", place)
            lines.append(_Line(number, rows[number]))
            blank = 0
            continue
        if lines:
            found.append(_Sentence(lines, begins))
            lines, begins = [], False
        if not text:
            blank += 1
        elif number in rows:
            tally.note("comment lines left out", place)
        else:
            tally.note("lines read as the beginning of a document", place)
            begins, blank = True, 0
    return [*found, _Sentence(lines, begins)] if lines else found


def _is_counted(sentence: _Sentence) -> bool:
    numbers = [fields[0] for _, fields in sentence.lines if not _SPANNING.fullmatch(fields[0])]
    return bool(numbers) and numbers == [str(number) for number in range(1, len(numbers) + 1)]


def _without_spanning(sentence: _Sentence, name: str, tally: Tally) -> list[_Line]:
    kept = []
    for line in sentence.lines:
        if _SPANNING.fullmatch(line.fields[0]):
            place = f"{name}, line {line.number}"
            tally.note("CoNLL-U's lines for several words or none (1-2, 1.1) left out", place)
        else:
            kept.append(line)
    return kept


def _unprefixed(
    sentences: Iterable[_Sentence], column: int, name: str, tally: Tally
) -> list[list[str]]:
    """The words, without the name of the language before each of them ("en:")."""
    words = [[fields[column] for _, fields in one.lines] for one in sentences]
    prefix = _PREFIX.match(words[0][0])
    if not prefix or not all(
        word.startswith(prefix[0]) and word != prefix[0] for held in words for word in held
    ):
        return words
    tally.note(f"files with {prefix[0]!r} before every word, which was taken off", name)
    return [[word[prefix.end() :] for word in held] for held in words]
