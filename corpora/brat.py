"""brat's standoff annotation (Stenetorp et al. 2012): a text and, beside it, an .ann file.

    T1<TAB>PER 0 4<TAB>Alex            an entity: characters [0, 4) of the text, which are "Alex"
    T2<TAB>LOC 20 23;29 36<TAB>...     in two parts: read as all from the first to the last
    R1 E1 A1 M1 N1 # *                 relations, events, attributes, notes: left out

The text's line breaks count as the characters that they are: two where they are CR and LF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from corpora.errors import UsageError
from corpora.schemes import Span
from corpora.sentence import Sentence, Tally, WordsOf, from_text
from corpora.text import File, decode, lines

_ENTITY = re.compile(r"T\S*\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def documents(path: Path, tally: Tally) -> list[Path]:
    """The .ann files of a folder and its folders, or the one of a file; none where none is."""
    if not path.is_dir():
        annotations = path.with_suffix(".ann")
        return [annotations] if annotations.is_file() else []
    found = sorted(path.rglob("*.ann"))
    for text in sorted(path.rglob("*.txt")):
        if found and not text.with_suffix(".ann").is_file():
            tally.note("texts without an .ann file left out", str(text))
    return found


def read_document(
    annotations: Path, words_of: WordsOf, tally: Tally, encoding_errors: str
) -> Iterator[Sentence]:
    """The sentences of one document, one for each line of its text.

    Raises:
        UsageError: a text is missing, an annotation does not fit it, or two overlap.
    """
    path = annotations.with_suffix(".txt")
    if not path.is_file():
        raise UsageError(f"{annotations}: there is no {path.name} beside it; put the text there")
    text = "".join(decode(File(path, str(path)), encoding_errors))
    if text.startswith(_BYTE_ORDER_MARK):  # it counts as a character, and is none of a word's
        text = " " + text[1:]
    spans = []
    for number, line in enumerate(lines(File(annotations, str(annotations)), encoding_errors), 1):
        where = f"{annotations}, line {number}"
        if not line.strip():
            continue
        if line[0] in "REAMN#*":
            tally.note("brat's lines other than entities (relations, notes, ...) left out", where)
            continue
        spans.append(_entity(line, text, path, where, tally))
    yield from from_text(text, spans, str(path), words_of, tally, line=1)


def _entity(line: str, text: str, path: Path, where: str, tally: Tally) -> Span:
    found = _ENTITY.fullmatch(line)
    if not found:
        raise UsageError(f"{where}: {line!r:.80} was found; expected 'T1<TAB>PER 0 4<TAB>Alex'")
    label, ranges, surface = found.groups()
    edges = [int(edge) for part in ranges.split(";") for edge in part.split()]
    start, end = min(edges), max(edges)
    if len(edges) > 2:
        tally.note("entities in several parts, read as all from the first to the last", where)
    elif not text[start:end] or (surface and text[start:end].split() != surface.split()):
        raise UsageError(
            f"{where}: characters {start} to {end} of {path.name} are {text[start:end]!r:.60}, and "
            f"{(surface or label)!r:.60} was expected; was the text changed after it was annotated?"
        )
    return Span(start, end, label)
