"""Annotated records: JSON as the common annotation tools write it, and rows of datasets.

A record has a text with character spans, or words with a tag each:

    {"text": "...", "entities": [{"start": 0, "end": 4, "label": "PER"}]}     Prodigy: "spans"
    {"text": "...", "entities": [[0, 4, "PER"]]}                              spaCy
    ["...", {"entities": [[0, 4, "PER"]]}]                                    spaCy's training data
    {"text": "...", "label": [[0, 4, "PER"]]}                                 doccano
    {"tokens": ["Alex", "is"], "ner_tags": ["B-PER", "O"]}                    Hugging Face
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from corpora.errors import UsageError
from corpora.schemes import Scheme, Span
from corpora.sentence import Sentence, Tagged, Tally, WordsOf, from_tags, from_text

_WORDS = ("tokens", "words")
_TAGS = ("ner_tags", "tags", "labels")
_SPANS = ("entities", "spans", "label", "labels")
COLUMNS = tuple(dict.fromkeys(("text", *_WORDS, *_TAGS, *_SPANS)))
_FIELDS = (
    ("start", "start_offset", "start_char"),
    ("end", "end_offset", "end_char"),
    ("label", "type"),
)
SPANS = "character spans"  # instead of a scheme's name


def json_records(lines: Sequence[str], name: str, *, array: bool) -> Iterator[tuple[int, Any]]:
    """The number and value of each record: one a line, or, with `array`, all in one array.

    Raises:
        UsageError: what is not JSON, with its line.
    """
    if array:
        try:
            yield from enumerate(json.loads("\n".join(lines)), start=1)
        except json.JSONDecodeError as error:
            raise _not_json(f"{name}, line {error.lineno}", error) from error
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise _not_json(f"{name}, line {number}", error) from error


def _not_json(place: str, error: json.JSONDecodeError) -> UsageError:
    return UsageError(
        f"{place}: not JSON ({error.msg} at column {error.colno}); each line is to be one object, "
        "or the whole of a .json file one array of them"
    )


def read_records(
    records: Iterable[tuple[int, Any]],
    scheme: Scheme | None,
    words_of: WordsOf,
    tally: Tally,
    place: Callable[[int], str],
) -> tuple[list[Sentence], list[str]]:
    """The sentences of a file's records, and the names of their schemes.

    Args:
        place: the name for messages of the record with a number.

    Raises:
        UsageError: a record of another form, or with spans or tags that cannot be; it is named.
    """
    sentences: list[Sentence] = []
    tagged: list[Tagged] = []
    for number, record in records:
        where = place(number)
        if isinstance(record, list) and len(record) == 2 and isinstance(record[1], dict):
            record = {"text": record[0], **record[1]}
        if not isinstance(record, dict):
            raise _unknown(where, f"{record!r:.40}")
        words = _words(record)
        if words is None:
            spans = _spans(record, where)
            sentences.extend(from_text(record["text"], spans, where, words_of, tally))
        elif words:
            held = [_word(word, where, tally) for word in words]
            tagged.append(Tagged(held, _tags(record, len(words), where), [number] * len(words)))
        else:
            tally.note("empty sentences left out", where)
    if not tagged:
        return sentences, [SPANS]
    read, found = from_tags(tagged, scheme, tally, place)
    return [*sentences, *read], [*([SPANS] if sentences else []), found]


def _unknown(where: str, found: str) -> UsageError:
    return UsageError(
        f'{where}: found {found}; expected {{"text": "...", "entities": [{{"start": 0, "end": 4, '
        '"label": "PER"}]} or {"tokens": [...], "tags": [...]}'
    )


def _words(record: dict[str, Any]) -> list[Any] | None:
    """The words of a record with words and tags; None of one with a text. Prodigy's tokens, which
    stand beside a text, are objects.
    """
    words = next((record[key] for key in _WORDS if key in record), None)
    if not isinstance(words, list) or any(isinstance(word, dict) for word in words):
        return None
    return words if any(key in record for key in _TAGS) else None


def _word(word: object, where: str, tally: Tally) -> str:
    if not isinstance(word, str):
        raise UsageError(f"{where}: {word!r:.40} among the words; expected text")
    if not word:
        tally.note("empty words, read as \N{REPLACEMENT CHARACTER}", where)
    return word or "\N{REPLACEMENT CHARACTER}"


def _tags(record: dict[str, Any], length: int, where: str) -> list[str]:
    key = next(key for key in _TAGS if key in record)
    tags = record[key]
    if not isinstance(tags, list) or len(tags) != length:
        found = f"{len(tags)} tags" if isinstance(tags, list) else f"{tags!r:.40}"
        raise UsageError(f"{where}: {found} in {key!r} for {length} words; expected one each")
    for tag in tags:
        if not isinstance(tag, str) or not tag:
            raise UsageError(
                f"{where}: {tag!r:.40} in {key!r}; expected the tags' names, such as 'B-PER'"
            )
    return tags


def _spans(record: dict[str, Any], where: str) -> list[Span]:
    key = next((key for key in _SPANS if isinstance(record.get(key), list)), None)
    if key is None or not isinstance(record.get("text"), str):
        raise _unknown(where, f"the fields {', '.join(map(str, record)) or '(none)'}")
    return [_span(value, where) for value in record[key]]


def _span(value: Any, where: str) -> Span:
    parts: list[Any]
    if isinstance(value, dict):
        parts = [next((value[key] for key in keys if key in value), None) for keys in _FIELDS]
    else:
        parts = list(value) if isinstance(value, list) else []
    if (
        len(parts) != 3
        or any(type(part) is not int for part in parts[:2])
        or not isinstance(parts[2], str)
        or not parts[2]
    ):
        raise UsageError(
            f"{where}: {value!r:.80} is not a span; expected "
            '{"start": 0, "end": 4, "label": "PER"} or [0, 4, "PER"], in characters'
        )
    return Span(*parts)
