"""Annotated sentences: made from one tag a word, or from character spans in a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from corpora.errors import UsageError
from corpora.schemes import (
    OUTSIDE,
    Scheme,
    Span,
    TagError,
    detect,
    is_allowed,
    prefix_and_label,
    to_spans,
)

WordsOf = Callable[[str], list[tuple[int, int]]]


class Sentence(NamedTuple):
    """Words and the entities among them.

    `text` and `offsets`, the words' character ranges in it, are there where the source has a text.
    """

    words: tuple[str, ...]
    spans: tuple[Span, ...]
    where: str
    """Such as "train.conll, line 12"."""
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    begins_document: bool = False


@dataclass
class Tally:
    """What was left out, cut or repaired: how often, and where first."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def note(self, what: str, where: str) -> None:
        """Counts one more of `what`."""
        self.counts[what] = self.counts.get(what, 0) + 1
        self.first.setdefault(what, where)

    def remarks(self) -> list[str]:
        """One line for each kind, such as "comment lines left out: 3 (first: a.conll, line 1)"."""
        return [
            f"{what}: {count:,} ({'first: ' if count > 1 else ''}{self.first[what]})"
            for what, count in self.counts.items()
        ]


class Tagged(NamedTuple):
    """The words of a sentence, the tag of each and the line or row that each stands in."""

    words: Sequence[str]
    tags: Sequence[str]
    lines: Sequence[int]
    begins_document: bool = False


def from_tags(
    sentences: Sequence[Tagged], scheme: Scheme | None, tally: Tally, place: Callable[[int], str]
) -> tuple[list[Sentence], str]:
    """The sentences of one file and the name of their scheme, which is found if it is None.

    Args:
        place: the name for messages of a line of the file.

    Raises:
        UsageError: a tag that fits no scheme, or not the given one, with its place.
    """
    known = {tag for one in sentences for tag in one.tags}
    if sentences and OUTSIDE not in known:
        tally.note("files in which every word is tagged, none with O", place(sentences[0].lines[0]))
    if "B" in known and known <= set("OBIESLU"):
        tally.note(
            "files with tags that name no type, read as 'entity'", place(sentences[0].lines[0])
        )
        named = {tag: tag if tag == OUTSIDE else f"{tag}-entity" for tag in known}
        sentences = [one._replace(tags=[named[tag] for tag in one.tags]) for one in sentences]
    try:
        chosen = detect(one.tags for one in sentences)
        if scheme:
            chosen = scheme
        read = [
            Sentence(
                tuple(one.words),
                tuple(to_spans(one.tags, chosen)),
                place(one.lines[0]),
                begins_document=one.begins_document,
            )
            for one in sentences
        ]
    except TagError as error:
        lines = (
            line
            for one in sentences
            for tag, line in zip(one.tags, one.lines, strict=True)
            if tag == error.tag
        )
        raise UsageError(f"{place(next(lines))}: {error}") from error
    for one in sentences:
        for number, (before, after) in enumerate(pairwise((None, *one.tags, None))):
            if not is_allowed(before, after, chosen):
                line = one.lines[min(number, len(one.tags) - 1)]
                tally.note(f"tags that break {chosen}, read as conlleval reads them", place(line))
    plain = known > {OUTSIDE} and not any(prefix_and_label(tag)[0] for tag in known)
    return read, "plain types" if plain else chosen


def from_text(
    text: str, spans: Iterable[Span], where: str, words_of: WordsOf, tally: Tally, *, line: int = 0
) -> Iterator[Sentence]:
    """The sentences of a text with entities at characters [start, end): one for each line.

    A word that an entity begins or ends in is cut there. Lines that an entity runs over stay
    together. `line` is the number of the text's first line where `where` is the file's name.

    Raises:
        UsageError: spans that overlap or lie outside of the text.
    """
    entities = _checked(text, spans, where, tally)
    begins = True
    taken = 0
    for start, end in _lines(text, entities):
        place = f"{where}, line {line}" if line else where
        part = text[start:end]
        line += bool(line) * (part.count("\n") + 1)
        held = []
        while taken < len(entities) and entities[taken].start < end:
            left, right, label = entities[taken]
            held.append(Span(left - start, right - start, label))
            taken += 1
        places = tuple(_cut(words_of(part), held, place, tally))
        if not places:
            continue
        first_word = {left: number for number, (left, _) in enumerate(places)}
        end_word = {right: number for number, (_, right) in enumerate(places, start=1)}
        yield Sentence(
            tuple(part[left:right] for left, right in places),
            tuple(Span(first_word[left], end_word[right], label) for left, right, label in held),
            place,
            part,
            places,
            begins,
        )
        begins = False
    if begins:
        tally.note("texts without a word left out", where)


def _checked(text: str, spans: Iterable[Span], where: str, tally: Tally) -> list[Span]:
    """In order, without white space at their ends, none twice."""
    trimmed = []
    for start, end, label in spans:
        if not 0 <= start < end <= len(text):
            raise UsageError(
                f"{where}: the span of {label} from {start} to {end} is not within the text, which "
                f"has {len(text)} characters; expected 0 <= start < end"
            )
        covered = text[start:end]
        if covered.isspace():
            tally.note("spans of nothing but white space left out", where)
            continue
        inner = Span(
            start + len(covered) - len(covered.lstrip()),
            end - len(covered) + len(covered.rstrip()),
            label,
        )
        if inner != (start, end, label):
            tally.note("spans with white space at an end, which was taken off", where)
        trimmed.append(inner)
    entities = sorted(set(trimmed))
    for _ in range(len(trimmed) - len(entities)):
        tally.note("spans given more than once", where)
    for left, right in pairwise(entities):
        if right.start < left.end:
            raise UsageError(
                f"{where}: two entities overlap: {_shown(text, left)} and {_shown(text, right)}; "
                "a word has one tag only: leave one of them out"
            )
    return entities


def _shown(text: str, span: Span) -> str:
    return f"{span.label} {text[span.start : span.end]!r:.60} ({span.start} to {span.end})"


def _lines(text: str, entities: Iterable[Span]) -> Iterator[tuple[int, int]]:
    """The ranges of the lines; those that an entity runs over are one."""
    ahead = iter(entities)
    span = next(ahead, None)
    start = end = 0
    while (end := text.find("\n", end)) >= 0:
        while span and span.end <= end:
            span = next(ahead, None)
        if not (span and span.start < end):
            yield start, end
            start = end + 1
        end += 1
    yield start, len(text)


def _cut(
    words: Iterable[tuple[int, int]], entities: Sequence[Span], where: str, tally: Tally
) -> Iterator[tuple[int, int]]:
    """The words, parted where an entity begins or ends inside one."""
    edges = sorted({edge for span in entities for edge in (span.start, span.end)})
    number = 0
    for start, end in words:
        while number < len(edges) and edges[number] <= start:
            number += 1
        if number < len(edges) and edges[number] < end:
            tally.note("words cut where an entity begins or ends inside them", where)
        while number < len(edges) and edges[number] < end:
            yield start, edges[number]
            start = edges[number]
            number += 1
        yield start, end
