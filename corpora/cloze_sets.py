"""Sets of tasks in which a model chooses: last words, missing words, what a pronoun stands for.

    read = read_last_words("lambada_test.jsonl", limit=100)
    for example in read.examples:
        print(example.context, example.word)

A source is None for our own few examples (corpora/zero_shot_examples.py), "hf" for the public set,
"hf:NAME[:CONFIG]" for another dataset of its layout, or a local file, which may be compressed:

    last words      JSON Lines {"text": "..."}, or a text a line (LAMBADA, Paperno et al. 2016)
    missing words   cbtest_CN_test_2500ep.txt and the like (Children's Book Test, Hill et al. 2016)
    pronouns        WSCollection.xml, or JSON Lines of its fields (Levesque et al. 2012)
    running text    a file of published lines (WikiText, Penn Treebank, 1BW), or any text
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple
from xml.etree import ElementTree

from corpora import huggingface, zero_shot_examples
from corpora.errors import UsageError
from corpora.example_sets import (
    OWN,
    ExampleSet,
    Record,
    Source,
    check_limit,
    each,
    json_objects,
    records,
    text_of,
    wrong,
)
from corpora.huggingface import Dataset
from corpora.reader import resolve
from corpora.text import File, lines

# LAMBADA with its punctuation, as the paper of GPT-2 read it; cimec/lambada is the one without.
LAMBADA = "hf:EleutherAI/lambada_openai"
CBT = ("hf:cam-cst/cbt:CN", "hf:cam-cst/cbt:NE")
WINOGRAD = "hf:coref-data/davis_wsc_raw:wsc273"
WIKITEXT = "hf:Salesforce/wikitext:wikitext-2-v1"
KINDS = {"CN": "common nouns", "NE": "named entities", "V": "verbs", "P": "prepositions"}
BLANK = "XXXXX"


class LastWord(NamedTuple):
    """A text and its last word, without the space between them."""

    context: str
    word: str
    where: str


class Cloze(NamedTuple):
    """Twenty sentences, one that follows with `BLANK` in it, and what could stand there."""

    kind: str  # of KINDS' values; "" where it is not known
    sentences: tuple[str, ...]
    question: str
    options: tuple[str, ...]
    answer: int
    where: str


class Schema(NamedTuple):
    """A text with a pronoun, and the two that it could stand for."""

    before: str
    pronoun: str
    after: str
    options: tuple[str, ...]
    answer: int
    where: str


class RunningText(NamedTuple):
    """Published lines, tokens apart by spaces, or any text that is read as it stands."""

    lines: tuple[str, ...]
    where: str


def read_last_words(
    source: Source = None, *, limit: int | None = None, split: str = "test"
) -> ExampleSet[LastWord]:
    """Texts and their last words; a text of one word is left out, and counted.

    Raises:
        UsageError: the source is missing, damaged, empty or of another layout; it names the place.
    """

    def parse(record: Record) -> LastWord | None:
        context, _, word = text_of(record, "text").strip().rpartition(" ")
        return LastWord(context.rstrip(), word, record.where) if context.strip() else None

    own, file = zero_shot_examples.LAST_WORDS, _or_json(_last_word_lines)
    name, read = records(source, LAMBADA, own, split, file)
    return each(name, read, parse, "texts of a single word left out", limit)


def read_missing_words(
    source: Source = None, *, limit: int | None = None, split: str = "test"
) -> ExampleSet[Cloze]:
    """Questions with a missing word; "hf" reads common nouns and named entities, `limit` of each.

    Raises:
        UsageError: as `read_last_words`, and for an answer that is none of the options.
    """
    if source == "hf":
        read = [read_missing_words(name, limit=limit, split=split) for name in CBT]
        return ExampleSet(
            " and ".join(part.source for part in read),
            [example for part in read for example in part.examples],
            [remark for part in read for remark in part.remarks],
        )
    own, file = zero_shot_examples.MISSING_WORDS, _or_json(_missing_word_records)
    name, found = records(source, CBT[0], own, split, file)
    usual = _kind_of(name)

    def parse(record: Record) -> Cloze | None:
        options = _texts(record, "options")
        answer, question = text_of(record, "answer"), text_of(record, "question")
        if BLANK not in question or answer not in options:
            raise UsageError(
                f"{record.where}: expected a question with {BLANK} in it and an answer among the "
                f"options; found {question!r:.60} and {answer!r:.40}"
            )
        if len(set(options)) < 2:
            return None
        kind = KINDS.get(str(record.fields.get("kind")), usual)
        sentences = _texts(record, "sentences")
        return Cloze(kind, sentences, question, options, options.index(answer), record.where)

    return each(name, found, parse, "questions with a single option left out", limit)


def read_schemas(
    source: Source = None, *, limit: int | None = None, split: str = "test"
) -> ExampleSet[Schema]:
    """Winograd schemas; errors as `read_last_words`."""

    def parse(record: Record) -> Schema:
        text, pronoun = text_of(record, "text"), text_of(record, "pronoun")
        place, label = record.fields.get("pronoun_loc"), record.fields.get("label")
        options = _texts(record, "options")
        if type(place) is not int or text[place : place + len(pronoun)] != pronoun:
            raise UsageError(
                f"{record.where}: the pronoun {pronoun!r} does not stand at pronoun_loc {place!r} "
                "of the text; expected its place in characters, from 0"
            )
        if str(label) not in map(str, range(len(options))):
            raise UsageError(
                f"{record.where}: label {label!r}; expected the place of the right option, from 0 "
                f"to {len(options) - 1}"
            )
        before, after = text[:place], text[place + len(pronoun) :]
        return Schema(before, pronoun, after, options, int(str(label)), record.where)

    own, file = zero_shot_examples.SCHEMAS, _or_json(_schema_records)
    name, read = records(source, WINOGRAD, own, split, file)
    return each(name, read, parse, "", limit)


def read_running_text(
    source: Source = None, *, limit: int | None = None, split: str = "test"
) -> ExampleSet[RunningText]:
    """The lines of a text; `limit` is how many lines are read at most.

    Raises:
        UsageError: as `read_last_words`.
    """
    check_limit(limit)
    found: Iterable[str]
    if source is None:
        name, found = OWN, zero_shot_examples.LINES
    else:
        name = WIKITEXT if source == "hf" else os.fspath(source)
        if name.startswith(huggingface.PREFIX):
            rows = huggingface.rows(Dataset.parse(name), ("text", "sentence"), split)
            found = (_row_text(row, name) for _, row in rows)
        else:
            found = lines(_file_of(name))
    read = tuple(line.removesuffix("\n") for line in islice(found, limit))
    if not any(map(str.strip, read)):
        raise UsageError(f"{name}: there is no text in it; expected lines of words")
    return ExampleSet(name, [RunningText(read, name)])


def _row_text(row: dict[str, Any], name: str) -> str:
    text = row.get("text", row.get("sentence"))
    if not isinstance(text, str):
        raise UsageError(f"{name}: no column 'text' or 'sentence'; its columns: {', '.join(row)}")
    return text


def _file_of(name: str) -> File:
    found = resolve(name)
    if len(found) != 1 or not isinstance(file := found[0], File):
        raise UsageError(f"{name}: not a file; expected one, hf, or hf:NAME")
    return file


def _or_json(
    of_file: Callable[[File], Iterable[tuple[int, Any]]],
) -> Callable[[File], Iterable[tuple[int, Any]]]:
    """Reads a file in the set's own layout, or as JSON where its name says so."""
    return lambda file: json_objects(file) if file.suffix in (".jsonl", ".json") else of_file(file)


def _last_word_lines(file: File) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines(file), start=1):
        if line.strip():
            yield number, {"text": line}


def _missing_word_records(file: File) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines numbered from 1; the last of a question has its answer and options behind tabs."""
    sentences: list[str] = []
    for number, line in enumerate(lines(file), start=1):
        if not line.strip():
            continue
        found = re.match(r"(\d+) (.*)", line)
        if not found:
            raise UsageError(
                f"{file.name}, line {number}: {line!r:.40}; expected lines that begin with their "
                "number, as those of cbtest_CN_test_2500ep.txt"
            )
        question, *rest = found[2].split("\t")
        if not rest:
            sentences.append(question)
            continue
        fields = {"sentences": sentences, "question": question, "answer": rest[0]}
        yield number, {**fields, "options": rest[-1].split("|")}
        sentences = []
    if sentences:
        raise UsageError(f"{file.name}: it ends before the question to its last sentences")


def _schema_records(file: File) -> Iterator[tuple[int, dict[str, Any]]]:
    """The <schema>s of Davis's WSCollection.xml."""
    try:
        root = ElementTree.fromstring("\n".join(lines(file)))
    except ElementTree.ParseError as error:
        raise UsageError(
            f"{file.name}, line {error.position[0]}: not XML ({error}); expected "
            "WSCollection.xml, or JSON Lines in a .jsonl"
        ) from error
    for number, schema in enumerate(root.iter("schema"), start=1):
        parts = (schema.findtext(f"text/{part}", "") for part in ("txt1", "pron", "txt2"))
        before, pronoun, after = (" ".join(part.split()) for part in parts)
        answers = [" ".join((answer.text or "").split()) for answer in schema.iter("answer")]
        letter = schema.findtext("correctAnswer", "").strip().removesuffix(".")
        gap = "" if after[:1] in ".,;:!?'" else " "
        yield (
            number,
            {
                "text": f"{before} {pronoun}{gap}{after}".lstrip(),
                "pronoun": pronoun,
                "pronoun_loc": len(before) + 1 if before else 0,
                "options": answers,
                "label": "ABCDE".find(letter) if letter else -1,
            },
        )


def _kind_of(name: str) -> str:
    """What a file's or a configuration's name says that is missing."""
    found = re.search(r"(?:^|[_:/.-])(CN|NE|V|P)(?:$|[_.-])", name)
    return KINDS[found[1]] if found else ""


def _texts(record: Record, name: str) -> tuple[str, ...]:
    value = record.fields.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise wrong(record, name, "a list of texts")
    return tuple(value)
