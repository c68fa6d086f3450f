"""Questions about pictures with their answers, from whatever form a user has them in.

    corpus = read_questions("questions.json", "annotations.json", images="val2014")
    for image, question, answers, *_ in corpus.items:
        print(question, answers)

A source is one of these:

    .json                  VQA's questions, with the answers in the file `annotations` (Goyal et al.
                           2017), or an array of objects
    .csv, .tsv, .jsonl     a row a question, in columns that are named, or have a usual name: image,
    .json, .parquet        path, file_name; question; answers, answer; split
    "hf:NAME[:CONFIG]"     a dataset of Hugging Face
    "generated-scenes"     see corpora/captions.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpora import huggingface
from corpora.annotated_splits import Parts
from corpora.errors import UsageError
from corpora.example_sets import Record
from corpora.picture_parts import divided, generated, is_generated, of_split
from corpora.picture_tables import (
    IDS,
    IMAGE,
    SPLIT,
    TABLES,
    Column,
    dataset_records,
    json_object,
    numbered,
    objects,
    table_records,
    texts,
)
from corpora.pictures import Pictures, load, split_named
from corpora.reader import Folder, Options, Sample, Source, resolve
from corpora.sentence import Tally
from corpora.text import File

__all__ = ["ImageQuestion", "QuestionCorpus", "divide_questions", "load", "read_questions"]

QUESTION = ("question", "text", "query")
ANSWERS = ("answers", "answer", "label")
_KINDS = ("answer_type", "question_type", "kind", "type")


class ImageQuestion(NamedTuple):
    """A question about a picture."""

    image: Any
    """A path, a scene, or the payload of a dataset; `load` makes pixels or a file of it."""
    question: str
    answers: tuple[str, ...]
    """One of each person who was asked, so that some are there several times; () if not known."""
    where: str
    id: str
    """What the source calls the picture."""
    split: str = ""
    """"train", "validation", "test", another name of the source's, or "" where it has no parts."""
    kind: str = ""
    """Such as "count" and "yes/no", where the source tells."""


@dataclass
class QuestionCorpus:
    """What was read."""

    items: list[ImageQuestion]
    remarks: list[str]
    """What was left out, how often and where first."""


class _Reading(NamedTuple):
    image: Column
    question: Column
    answers: Column
    encoding_errors: str


class _Asked(NamedTuple):
    """A row before its picture is found; `names` are () where `image` is the picture."""

    names: tuple[str, ...]
    image: Any
    question: str
    answers: list[str]
    where: str
    id: str
    split: str
    kind: str
    beside: Path


def read_questions(
    source: Source,
    annotations: str | Path | None = None,
    *,
    images: str | Path | None = None,
    split: str | None = None,
    image_column: str | None = None,
    question_column: str | None = None,
    answer_column: str | None = None,
    encoding_errors: str = "strict",
) -> QuestionCorpus:
    """Reads questions about pictures.

    Args:
        annotations: the answers to VQA's questions; without them the questions have none.
        images: the folder of the pictures; None looks beside the file that names them.
        split: a part of the source, by our name or its own; None is all (of the generated scenes
            all but "held_out", whose shapes have colours that they never have in the others).
        image_column, question_column, answer_column: of tables and datasets, where they have no
            usual name.

    Raises:
        UsageError: a source that is missing, damaged, of another form or without a question, a
            line that cannot be read, and where no picture is to be found; it names the place.
    """
    Options(encoding_errors=encoding_errors).checked()
    reading = _Reading(
        Column(image_column, IMAGE, "--image-column"),
        Column(question_column, QUESTION, "--question-column"),
        Column(answer_column, ANSWERS, "--answer-column"),
        encoding_errors,
    )
    folder = None if images is None else Path(images).expanduser()
    answers = None if annotations is None else _answers(annotations, encoding_errors)
    tally, told = Tally(), list[str]()
    items: list[ImageQuestion] = []
    for one in [source] if isinstance(source, str | Path) else list(source):
        name = os.fspath(one)
        if is_generated(name):
            items += _scenes(name, split)
            continue
        pictures = Pictures(folder)
        items += _found(_asked(name, split, reading, answers, tally), pictures, tally)
        told += pictures.remarks(name)
    remarks = [*told, *tally.remarks()]
    kept = of_split(items, split, str(source))
    if not kept:
        why = f" ({'; '.join(remarks)})" if remarks else ""
        raise UsageError(f"{source}: there is no question about a picture in it{why}")
    return QuestionCorpus(kept, remarks)


def divide_questions(
    source: Source,
    annotations: str | Path | None = None,
    *,
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    **reading: Any,
) -> Parts[ImageQuestion]:
    """Reads a source for training, validation and test; all questions about one picture are in
    one part.

    A source that has such parts itself keeps them; of those that it lacks, `validation` and `test`
    are fractions of what is trained on, or sources of their own: [QUESTIONS, ANNOTATIONS] of VQA.
    The other keywords are those of `read_questions`.

    Raises:
        UsageError: what `read_questions` raises, fractions that leave nothing, and an empty part.
    """
    given = [source] if isinstance(source, str | Path) else list(source)

    def read(place: Source) -> tuple[list[ImageQuestion], list[str]]:
        files = [place] if isinstance(place, str | Path) else list(place)
        if files == given:
            corpus = read_questions(files, annotations, **reading)
        else:
            corpus = read_questions(*files, **reading)
        return corpus.items, corpus.remarks

    return divided(given, validation, test, read)


def _scenes(name: str, split: str | None) -> Iterator[ImageQuestion]:
    for part, number, scene in generated(name, split):
        where = f"{name}, {part}, scene {number}"
        for asked in scene.questions:
            answers = (asked.answer,)
            key = f"{part}-{number}"
            yield ImageQuestion(scene, asked.question, answers, where, key, part, asked.kind)


def _asked(
    name: str,
    split: str | None,
    reading: _Reading,
    answers: dict[Any, dict[str, Any]] | None,
    tally: Tally,
) -> Iterator[_Asked]:
    if name.startswith(huggingface.PREFIX):
        for record in dataset_records(name, split):
            yield _row(record, reading, Path())
        return
    for found in resolve(name):
        if isinstance(found, Sample | huggingface.Dataset):
            raise UsageError(f"{name}: it holds no pictures; name a file of questions")
        for file in found.files if isinstance(found, Folder) else (found,):
            beside = file.path.parent if file.path else Path()
            whole = json_object(file, reading.encoding_errors) if file.suffix == ".json" else None
            if whole is not None:
                yield from _vqa(whole, answers, file, beside, tally)
            elif file.suffix in TABLES:
                for record in table_records(file, reading.encoding_errors):
                    yield _row(record, reading, beside)
            else:
                raise UsageError(f"{file.name}: expected VQA's .json or one of {', '.join(TABLES)}")


def _row(record: Record, reading: _Reading, beside: Path) -> _Asked:
    fields, where = record
    image = fields[reading.image.of(record)]
    question = fields[reading.question.of(record)]
    if not isinstance(question, str):
        raise UsageError(f"{where}: the question is {question!r:.40}; expected a text")
    columns = [] if reading.answers.named else numbered(record, "answer")
    if not columns or any(name in fields for name in reading.answers.usual):
        columns = [reading.answers.of(record)]
    answers = [text for name in columns for text in texts(fields[name], where, name, ("answer",))]
    names = (image,) if isinstance(image, str) else ()
    of_file = Path(image).stem if names else where
    name = next((fields[key] for key in IDS if fields.get(key) not in (None, "")), of_file)
    kind = next((fields[key] for key in _KINDS if isinstance(fields.get(key), str)), "")
    split = fields.get(SPLIT)
    split = split if isinstance(split, str) else ""
    held = None if names else image
    return _Asked(names, held, question, answers, where, str(name), split, kind, beside)


def _answers(annotations: str | Path, encoding_errors: str) -> dict[Any, dict[str, Any]]:
    """Each question's annotation by the question's number."""
    name = os.fspath(annotations)
    (found,) = resolve(name)
    whole = json_object(found, encoding_errors) if isinstance(found, File) else None
    if whole is None or not isinstance(whole.get("annotations"), list):
        raise UsageError(f'{name}: expected VQA\'s .json of answers, {{"annotations": [...]}}')
    entries = objects(enumerate(whole["annotations"], start=1), f"{name}, annotation")
    return {_field(entry, "question_id", int | str): entry.fields for entry in entries}


def _vqa(
    whole: dict[str, Any],
    answers: dict[Any, dict[str, Any]] | None,
    file: File,
    beside: Path,
    tally: Tally,
) -> Iterator[_Asked]:
    """{"data_subtype": "val2014", "questions": [{"image_id", "question", "question_id"}]}."""
    if not isinstance(whole.get("questions"), list):
        raise UsageError(
            f"{file.name}: an object with {', '.join(whole) or 'nothing'}; expected VQA's "
            '{"questions": [...]}, or an array of objects'
        )
    subtype = str(whole.get("data_subtype", ""))
    entries = objects(enumerate(whole["questions"], start=1), f"{file.name}, question")
    for entry in entries:
        key = _field(entry, "question_id", int | str)
        image, text = _field(entry, "image_id", int | str), _field(entry, "question", str)
        told = {} if answers is None else answers.get(key)
        if told is None:
            tally.note("questions without an annotation left out", entry.where)
            continue
        held = texts(told.get("answers"), entry.where, "answers", ("answer",))
        number = f"{image:012d}.jpg" if isinstance(image, int) else image
        names = (f"COCO_{subtype}_{number}", number)
        kind = str(told.get("answer_type", ""))
        # What "test-dev2015" and "train2014" say is which pictures were asked about.
        yield _Asked(names, None, text, held, entry.where, str(image), subtype, kind, beside)


def _field(record: Record, name: str, kind: Any) -> Any:
    value = record.fields.get(name)
    if not isinstance(value, kind):
        raise UsageError(f"{record.where}: {name} is {value!r:.40}; expected VQA's fields")
    return value


def _found(rows: Iterator[_Asked], pictures: Pictures, tally: Tally) -> Iterator[ImageQuestion]:
    """The rows whose picture is there."""
    paths: dict[object, Path | None] = {}
    for row in rows:
        image = row.image
        if row.names:
            key = (row.beside, *row.names)
            if key not in paths:
                paths[key] = pictures.find(row.beside, *row.names)
            if (image := paths[key]) is None:
                tally.note("questions about pictures that are not there, left out", row.where)
                continue
        question = " ".join(row.question.split())
        answers = tuple(text for answer in row.answers if (text := " ".join(answer.split())))
        if not question:
            tally.note("empty questions left out", row.where)
            continue
        if not answers:
            tally.note("questions without an answer, kept", row.where)
        split = split_named(row.split)
        yield ImageQuestion(image, question, answers, row.where, row.id, split, row.kind)
