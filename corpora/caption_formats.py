"""The forms that captions are published in, to pictures' names and what is written under them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import UsageError
from corpora.example_sets import Record
from corpora.picture_tables import (
    IDS,
    SPLIT,
    TABLES,
    Column,
    dataset_records,
    json_object,
    numbered,
    table_records,
    texts,
)
from corpora.pictures import SUFFIXES
from corpora.sentence import Tally
from corpora.text import File, lines

CAPTIONS = (
    *("caption", "captions", "sentences_raw", "raw", "sentences", "sentence", "comment"),
    *("text", "description"),
)
KARPATHY = "images"  # what Karpathy's and COCO's files have their pictures in
_TOKEN = re.compile(r"(.+)#\d+\t(.*)")
_LIST = re.compile(r"(?:^|[._-])(train|dev|val|valid|validation|test)(?:[._-]?images)?$", re.I)
_FOLDERS_FILE = re.compile(r"(?:captions|metadata|results)$", re.I)


class Described(NamedTuple):
    """A picture, and some or all of what is written under it."""

    names: tuple[str, ...]
    """What the picture's file may be called, best first; () where `image` is the picture."""
    image: Any
    captions: list[str]
    where: str
    id: str
    split: str
    beside: Path
    """The folder of the file that tells it."""


class Reading(NamedTuple):
    """How tables are read."""

    image: Column
    caption: Column
    encoding_errors: str


def file_captions(file: File, reading: Reading, tally: Tally) -> Iterator[Described]:
    """What a file of any of the forms has; they are told apart by name and content.

    Raises:
        UsageError: it has none of the forms, or a line or an entry that does not belong there.
    """
    beside = file.path.parent if file.path else Path()
    if file.suffix == ".json" and (whole := json_object(file, reading.encoding_errors)) is not None:
        if not isinstance(whole.get(KARPATHY), list):
            raise UsageError(
                f"{file.name}: an object with {', '.join(whole) or 'nothing'}; expected COCO's "
                '"images" and "annotations", Karpathy\'s "images", or an array of objects'
            )
        if "annotations" in whole:
            yield from _coco(whole, file, beside, tally)
        else:
            yield from _karpathy(whole[KARPATHY], file, beside)
    elif file.suffix in TABLES:
        for record in table_records(file, reading.encoding_errors):
            yield row_captions(record, reading, beside)
    else:
        yield from _plain(file, reading, beside, tally)


def dataset_captions(name: str, split: str | None, reading: Reading) -> Iterator[Described]:
    """The rows of a dataset of Hugging Face, with their pictures in them."""
    for record in dataset_records(name, split):
        yield row_captions(record, reading, Path())


def row_captions(record: Record, reading: Reading, beside: Path) -> Described:
    """The picture and the captions of a table's row."""
    fields, where = record
    column = reading.image.of(record)
    image = fields[column]
    if image is None or image == "":
        raise UsageError(f"{where}: no picture in {column!r}; expected the name of its file")
    names = (image,) if isinstance(image, str) else ()
    columns = () if reading.caption.named else numbered(record, "caption")
    if not columns or any(name in fields for name in reading.caption.usual):
        columns = [reading.caption.of(record)]
    held = [text for name in columns for text in texts(_value(fields[name]), where, name)]
    of_file = Path(image).stem if names else where
    name = next((fields[key] for key in IDS if fields.get(key) not in (None, "")), of_file)
    split = fields.get(SPLIT)
    split = split if isinstance(split, str) else ""
    return Described(names, None if names else image, held, where, str(name), split, beside)


def _value(value: Any) -> Any:
    """A cell of Flickr30k's table holds a JSON array of texts."""
    if isinstance(value, str) and value.startswith('["') and value.endswith('"]'):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def _coco(whole: dict[str, Any], file: File, beside: Path, tally: Tally) -> Iterator[Described]:
    """{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}."""
    captions: dict[Any, list[str]] = {}
    for number, entry in enumerate(whole["annotations"], start=1):
        where = f"{file.name}, annotation {number}"
        _expect(entry, where, image_id=int | str, caption=str)
        captions.setdefault(entry["image_id"], []).append(entry["caption"])
    folder = re.search(r"(?:train|val|test)\d{4}", Path(file.name).name)  # of COCO's pictures
    for number, entry in enumerate(whole[KARPATHY], start=1):
        where = f"{file.name}, image {number}"
        _expect(entry, where, id=int | str, file_name=str)
        name, key = entry["file_name"], entry["id"]
        names = (name, f"{folder[0]}/{name}") if folder else (name,)
        yield Described(names, None, captions.pop(key, []), where, str(key), "", beside)
    for key, held in captions.items():
        for _ in held:
            tally.note("captions of pictures that are not listed, left out", f"image_id {key}")


def _karpathy(entries: list[Any], file: File, beside: Path) -> Iterator[Described]:
    """{"images": [{"filename", "split", "sentences": [{"raw"}]}]}, of COCO with "filepath"."""
    for number, entry in enumerate(entries, start=1):
        where = f"{file.name}, image {number}"
        _expect(entry, where, filename=str, sentences=list)
        captions = []
        for sentence in entry["sentences"]:
            text = sentence.get("raw", sentence.get("tokens")) if sentence else None
            if not isinstance(text, str | list):
                raise UsageError(f'{where}: a sentence without a text in "raw" ({sentence!r:.40})')
            captions.append(text if isinstance(text, str) else " ".join(text))
        name, folder = entry["filename"], entry.get("filepath")
        names = (f"{folder}/{name}", name) if folder else (name,)
        key = str(entry.get("cocoid", entry.get("imgid", Path(name).stem)))
        yield Described(names, None, captions, where, key, str(entry.get("split", "")), beside)


def _expect(entry: Any, where: str, **kinds: Any) -> None:
    """Raises a UsageError for an entry that lacks one of the fields, or has it of another kind."""
    for name, kind in kinds.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(name), kind):
            raise UsageError(f"{where}: {entry!r:.60}; expected an object with {', '.join(kinds)}")


def _plain(file: File, reading: Reading, beside: Path, tally: Tally) -> Iterator[Described]:
    """Flickr's token files, and a table with commas by another name."""
    parts: dict[str, str] | None = None
    for number, line in enumerate(lines(file, reading.encoding_errors), start=1):
        where = f"{file.name}, line {number}"
        found = _TOKEN.fullmatch(line)
        if number == 1 and not found:
            if re.match(r"\w+ ?[,|] ?\w", line):
                for record in table_records(file, reading.encoding_errors):
                    yield row_captions(record, reading, beside)
                return
            raise UsageError(
                f"{where}: {line!r:.60}; expected 'name.jpg#0<TAB>caption', or a header such as "
                "'image,caption'"
            )
        if not found:
            if not line.strip():
                continue
            raise UsageError(f"{where}: {line!r:.60}; expected 'name.jpg#0<TAB>caption'")
        if parts is None:
            parts = _lists(beside)
        name, caption = found.groups()
        split = parts.get(name, parts.get(Path(name).stem, ""))
        if parts and not split:
            tally.note("captions of pictures in none of the lists of parts, left out", where)
            continue
        yield Described((name,), None, [caption], where, Path(name).stem, split, beside)


def _lists(folder: Path) -> dict[str, str]:
    """The part of each picture by Flickr_8k.trainImages.txt, train.txt and the like."""
    parts: dict[str, str] = {}
    for path in sorted(folder.glob("*.txt")):
        if found := _LIST.search(path.stem):
            for line in lines(File(path, str(path))):
                if line.strip():
                    parts.setdefault(line.strip(), found[1].lower())
    return parts


def folder_captions(folder: Path, reading: Reading, tally: Tally) -> Iterator[Described]:
    """A folder with a file captions.* or metadata.*, or of pictures with texts beside them."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        file = File(path, str(path))
        stem = path.name.removesuffix(file.compression).removesuffix(file.suffix)
        if _FOLDERS_FILE.search(stem) and (file.suffix in TABLES or file.suffix == ".txt"):
            yield from file_captions(file, reading, tally)
            return
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        beside = path.with_suffix(".txt")
        name = path.relative_to(folder).as_posix()
        if not beside.is_file():
            tally.note("pictures without a .txt of captions beside them, left out", str(path))
            continue
        held = list(lines(File(beside, str(beside)), reading.encoding_errors))
        yield Described((name,), None, held, str(beside), name, "", folder)
