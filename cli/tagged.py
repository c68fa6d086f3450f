"""What `unrolled tag` reads, and what it answers with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from corpora.errors import UsageError
from corpora.schemes import Scheme, Span, to_tags

if TYPE_CHECKING:
    from nlp.core.tags.entities import TaggedText
    from nlp.tagger import Tagger

SCHEME: Scheme = "BIO"  # of --conll


class Given(NamedTuple):
    """A text to tag: a line, a document, or a sentence whose words are known."""

    text: str
    words: tuple[tuple[int, int], ...] | None = None  # their character ranges
    columns: tuple[str, ...] = ()  # the line that each stands in
    file: str | None = None


def as_given(text: str, words: bool, file: str | None = None) -> Given:
    ranges = tuple(found.span() for found in re.finditer(r"\S+", text)) if words else None
    return Given(text, ranges, file=file)


def documents(
    sources: Iterable[str], encoding_errors: str, *, words: bool
) -> Iterator[list[Given]]:
    """The documents of files one by one, or their lines where these are sentences of words."""
    from corpora.reader import Folder, Options, passages, resolve

    document = "line" if words else "file"
    options = Options(encoding_errors=encoding_errors, document=document).checked()
    for item in resolve(list(sources)):
        for file in item.files if isinstance(item, Folder) else (item,):
            group: list[Given] = []
            parts: list[str] = []  # of a long document
            for passage in passages([file], options):
                parts.append(passage.text)
                if passage.ends_document:
                    group.append(as_given("".join(parts), words, file.name))
                    parts = []
            yield group


def sentences(sources: Iterable[str], encoding_errors: str) -> Iterator[list[Given]]:
    """The sentences of files in columns; what was left out of them is told on stderr."""
    from corpora.conll import Columns, read_columns
    from corpora.reader import Folder, resolve
    from corpora.sentence import Tally
    from corpora.text import File, lines

    for item in resolve(list(sources)):
        for file in item.files if isinstance(item, Folder) else (item,):
            if not isinstance(file, File):
                raise UsageError(f"{file.name}: it holds no columns; name a file or a folder")
            held, tally = list(lines(file, encoding_errors)), Tally()
            group = []
            for sentence in read_columns(held, Columns(), file.name, tally):
                text = " ".join(sentence.words)
                starts = accumulate((len(word) + 1 for word in sentence.words), initial=0)
                ranges = tuple(
                    (start, start + len(word))
                    for start, word in zip(starts, sentence.words, strict=False)
                )
                own = tuple(held[number - 1].strip() for number in sentence.lines)
                group.append(Given(text, ranges, own, file.name))
            if not group:
                raise UsageError(f"{file.name}: there is no sentence in it; expected a word a line")
            for remark in tally.remarks():
                typer.echo(remark, err=True)
            yield group


def answers(
    model: Tagger, given: Sequence[Given], finding: Mapping[str, Any]
) -> Iterator[tuple[Given, TaggedText]]:
    """Texts, or sentences of words, and what a tagger makes of them."""
    if not given or given[0].words is None:
        yield from zip(given, model.tag([one.text for one in given], **finding), strict=True)
        return
    from nlp.core.tags.entities import Entity, TaggedText

    ranges = [one.words or () for one in given]
    sentences = [
        [one.text[begin:end] for begin, end in own] for one, own in zip(given, ranges, strict=True)
    ]
    found = model.tag_words(sentences, **finding)
    for one, own, entities in zip(given, ranges, found, strict=True):
        named = []
        for span, confidence, rank in entities:
            start, end = own[span.start][0], own[span.end - 1][1]
            entity = one.text[start:end], start, end, confidence, span.start, span.end, rank
            named.append(Entity(span.label, *entity))
        yield one, TaggedText(one.text, own, tuple(named))


def json_record(given: Given, tagged: TaggedText) -> dict[str, Any]:
    """What `--json` prints; `corpora.read_tagged` reads it again."""
    names = ("label", "text", "start", "end", "confidence", "rank")
    entities = [{name: getattr(entity, name) for name in names} for entity in tagged.entities]
    file = {"file": given.file} if given.file is not None else {}
    return {**file, "text": tagged.text, "entities": entities}


def conll_lines(given: Given, tagged: TaggedText) -> Iterator[str]:
    """What `--conll` prints: words and tags, and a blank line behind each sentence."""
    spans = [Span(one.first_word, one.last_word, one.label) for one in tagged.entities]
    tags = to_tags(spans, len(tagged.words), SCHEME)
    before = 0
    for number, (start, end) in enumerate(tagged.words):
        if number and "\n" in tagged.text[before:start]:
            yield ""
        before = end
        if given.columns:
            line = given.columns[number]
            yield line + ("\t" if "\t" in line else " ") + tags[number]
        else:
            yield f"{tagged.text[start:end]}\t{tags[number]}"
    if tagged.words:
        yield ""
