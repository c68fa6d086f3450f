"""Pictures of people, each with who it is, from whatever form a user has them in.

    corpus = read_identities("orl_faces")
    for portrait in corpus.items:
        print(portrait.person, portrait.image)

A source is one of these, or a list of them:

    a folder                   a folder in it for each person, who is called as it is; there may be
                               folders of parts around these: train, validation, test
    .csv, .tsv, .jsonl         a row a picture: path, person; a split, and points of the face such
    .json, .parquet            as left_eye_x, left_eye_y, in pixels, empty where they are not seen
    "hf:NAME[:CONFIG]"         a dataset of Hugging Face
    "generated-faces"          pictures that the project draws, see corpora/generated_faces.py;
                               "generated-faces:PEOPLE[:PICTURES]" of another number

No person of the generated faces is in two parts. What a person is called tells who it is: the same
name in two sources, or in two parts, is the same person.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpora import huggingface
from corpora.box_rows import Places, four, in_order
from corpora.errors import UsageError
from corpora.example_sets import Record
from corpora.generated_faces import LANDMARKS, NAME, PEOPLE, PICTURES, portraits
from corpora.picture_parts import of_split
from corpora.picture_tables import IDS, IMAGE, SPLIT, TABLES, Column, dataset_records, table_records
from corpora.pictures import SUFFIXES, Pictures, split_named
from corpora.reader import Folder, Sample, Source, resolve

__all__ = ["IdentityCorpus", "Portrait", "read_identities"]

_PARTS = ("train", "validation", "test")
_PERSON = ("person", "identity", "subject", "name", "person_id", "label")
_POINT = re.compile(r"(.+?)_?([xy])", re.I)

Point = tuple[float, float]


class Portrait(NamedTuple):
    """A picture of one person."""

    image: Any
    """What `vision.images.read` takes: a path, a face to be drawn, a dataset's payload."""
    person: str
    where: str
    """Such as "faces.csv, line 12"."""
    id: str
    landmarks: tuple[Point | None, ...] = ()
    """Points x, y in pixels by `IdentityCorpus.landmarks`; None where one is not seen."""
    split: str = ""
    """"train", "validation", "test", another name of the source's, or "" where it has no parts."""


@dataclass
class IdentityCorpus:
    """What was read."""

    items: list[Portrait]
    landmarks: list[str]
    """What the points are called; [] where the source has none."""
    remarks: list[str]
    """What was left out or is of no use, how often and where."""

    @property
    def splits(self) -> dict[str, list[Portrait]]:
        """The items of each part by its name, in the order of the source."""
        parts: dict[str, list[Portrait]] = {}
        for item in self.items:
            parts.setdefault(item.split, []).append(item)
        return parts

    @property
    def people(self) -> dict[str, list[Portrait]]:
        """The pictures of each person."""
        people: dict[str, list[Portrait]] = {}
        for item in self.items:
            people.setdefault(item.person, []).append(item)
        return people


def read_identities(
    source: Source,
    *,
    split: str | None = None,
    images: str | Path | None = None,
    image_column: str | None = None,
    person_column: str | None = None,
) -> IdentityCorpus:
    """Reads pictures of people, person by person in folders, in the order of a table.

    People with one picture are told: they are in no pair of the same person.

    Args:
        split: a part of the source, by our name or its own; None is all.
        images: the folder of the pictures that a table names; None looks beside it.
        image_column, person_column: of tables and datasets, where they have no usual name.

    Raises:
        UsageError: a source that is missing, damaged, of another form or without a picture, a line
            that cannot be read, and where no picture is to be found; the message names the place.
    """
    image = Column(image_column, IMAGE, "--image-column")
    person = Column(person_column, _PERSON, "--person-column")
    folder = None if images is None else Path(images).expanduser()
    places, told = Places(), list[str]()
    items: list[Portrait] = []
    names: list[str] | None = None
    for one in [source] if isinstance(source, str | Path) else list(source):
        name = os.fspath(one)
        own: list[str] = []
        if name.partition(":")[0] == NAME and not os.path.exists(name):
            read, own = _generated(name), list(LANDMARKS)
        elif not name.startswith(huggingface.PREFIX) and Path(name).expanduser().is_dir():
            read = list(_folders(Path(name).expanduser(), places))
        else:
            pictures = Pictures(folder)
            read, own = _table(_records(name, split), image, person, pictures, places)
            told += pictures.remarks(name)
        if names not in (None, own):
            raise UsageError(
                f"{name}: its points are {', '.join(own) or 'none'}, and those of the source "
                f"before it {', '.join(names or ()) or 'none'}; read them one by one"
            )
        names = own
        items += read
    kept = of_split(items, split, str(source))
    if not kept:
        why = f" ({'; '.join([*told, *places.remarks()])})" if told or places.held else ""
        raise UsageError(f"{source}: there is no picture of a person in it{why}")
    for who, count in Counter(item.person for item in kept).items():
        if count == 1:
            places.note("people with one picture only", who)
    return IdentityCorpus(kept, names or [], [*told, *places.remarks()])


def _generated(name: str) -> list[Portrait]:
    """Those of "generated-faces[:PEOPLE[:PICTURES]]"; a fifth of the people, at least two and at
    most 50, are there to validate, and as many others to test."""
    numbers = name.split(":")[1:]
    if len(numbers) > 2 or not all(re.fullmatch(r"[1-9]\d{0,5}", number) for number in numbers):
        raise UsageError(f"{name}: expected {NAME}, {NAME}:PEOPLE or {NAME}:PEOPLE:PICTURES")
    people, pictures = [*map(int, numbers), *(PEOPLE, PICTURES)[len(numbers) :]]
    fifth = max(2, min(50, people // 5))
    return [
        Portrait(face, face.person, f"{name}, {part}, face {number}", f"{part}-{number}",
                 tuple(face.landmarks), part)
        for seed, (part, many) in enumerate(zip(_PARTS, (people, fifth, fifth), strict=True))
        for number, face in enumerate(portraits(seed, many, pictures), start=1)
    ]  # fmt: skip


def _folders(root: Path, places: Places) -> Iterator[Portrait]:
    """The pictures below each person's folder."""
    inside = list(in_order(path for path in root.iterdir() if not path.name.startswith(".")))
    folders = [path for path in inside if path.is_dir()]
    if folders and all(split_named(path.name) in _PARTS for path in folders):
        for path in folders:
            for portrait in _folders(path, places):
                yield portrait._replace(
                    id=f"{path.name}/{portrait.id}", split=split_named(path.name)
                )
        return
    if not folders:
        raise UsageError(f"{root}: no folders are in it; expected one of pictures for each person")
    for path in inside:
        if path.suffix.lower() in SUFFIXES and path.is_file():
            places.note("pictures in no person's folder, left out", str(path))
    for folder in folders:
        found = list(in_order(path for path in folder.rglob("*") if _is_picture(path)))
        if not found:
            places.note("folders without a picture, left out", str(folder))
        for path in found:
            name = path.relative_to(root).as_posix()
            yield Portrait(path, folder.name, str(path), name)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def _records(name: str, split: str | None) -> Iterator[tuple[Record, Path]]:
    """The rows of a dataset or of tables, and the folder of each."""
    if name.startswith(huggingface.PREFIX):
        yield from ((record, Path()) for record in dataset_records(name, split))
        return
    for found in resolve(name):
        if isinstance(found, Sample | huggingface.Dataset):
            raise UsageError(f"{name}: it holds no pictures; name a folder or a table")
        for file in found.files if isinstance(found, Folder) else (found,):
            if file.suffix not in TABLES:
                raise UsageError(f"{file.name}: not a table; expected {', '.join(TABLES)}")
            beside = file.path.parent if file.path else Path()
            yield from ((record, beside) for record in table_records(file, "strict"))


def _table(
    records: Iterable[tuple[Record, Path]],
    image: Column,
    person: Column,
    pictures: Pictures,
    places: Places,
) -> tuple[list[Portrait], list[str]]:
    """The portraits of rows, and what their points are called."""
    held: dict[object, Portrait] = {}
    names: dict[str, tuple[str, str]] | None = None
    for record, beside in records:
        fields, where = record
        shown, who = fields[image.of(record)], fields[person.of(record)]
        if shown in (None, "") or isinstance(who, float | bool) or who in (None, ""):
            raise UsageError(f"{where}: a row without a picture or a person; expected both")
        names = _points(record) if names is None else names
        found = pictures.find(beside, shown) if isinstance(shown, str) else shown
        if found is None:
            continue
        own = next((fields[key] for key in IDS if fields.get(key) not in (None, "")), None)
        key = found if isinstance(shown, str) else len(held)
        points = tuple(_point(record, across, down) for across, down in names.values())
        name = (
            str(own) if own is not None else Path(shown).stem if isinstance(shown, str) else where
        )
        portrait = Portrait(
            found, str(who).strip(), where, name, points, split_named(fields.get(SPLIT))
        )
        if held.setdefault(key, portrait) is not portrait:
            places.note("pictures told twice, read the first time", where)
    return list(held.values()), list(names or ())


def _points(record: Record) -> dict[str, tuple[str, str]]:
    """Columns such as nose_x and nose_y by the name of their point."""
    found: dict[str, dict[str, str]] = {}
    for column in record.fields:
        if matched := _POINT.fullmatch(str(column)):
            found.setdefault(matched[1], {})[matched[2].lower()] = column
    return {name: (pair["x"], pair["y"]) for name, pair in found.items() if len(pair) == 2}


def _point(record: Record, across: str, down: str) -> Point | None:
    values = record.fields.get(across), record.fields.get(down)
    if all(value in (None, "") for value in values):
        return None
    x, y, _, _ = four((*values, 0, 0), record.where, f"numbers in {across} and {down}, or neither")
    return x, y
