"""Boxes as COCO's instances_*.json keep them (Lin 2014), and detections as its results have them.

    {"images": [{"id": 7, "file_name": "a.jpg", "width": 640, "height": 480}],
     "categories": [{"id": 18, "name": "dog"}],
     "annotations": [{"image_id": 7, "category_id": 18, "bbox": [10, 20, 30, 40], "iscrowd": 0}]}

A "bbox" is left, top, width and height in pixels, from 0, with edges between pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from corpora.box_rows import BoxRow, Form, PictureRow, Places, four, from_sides
from corpora.errors import UsageError
from corpora.pictures import split_named
from corpora.text import File
from corpora.writing import write_text

_PARTS = ("train", "validation", "test")


class FoundBox(Protocol):
    """A box that was found. Edges are pixels."""

    @property
    def label(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def left(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def right(self) -> float: ...
    @property
    def bottom(self) -> float: ...


def is_coco(whole: Mapping[str, Any] | None) -> bool:
    """Whether a JSON object is COCO's, and of boxes."""
    wanted = ("images", "annotations", "categories")
    return whole is not None and all(isinstance(whole.get(name), list) for name in wanted)


def coco_form(whole: Mapping[str, Any], file: File, places: Places) -> Form:
    """The pictures of a file in its order, those without a box too, and its classes by number.

    Raises:
        UsageError: an entry that lacks what is read of it, by its number.
    """
    categories: dict[int, str] = {}
    for number, entry in enumerate(whole["categories"], start=1):
        _expect(entry, f"{file.name}, category {number}", id=int, name=str)
        categories[entry["id"]] = entry["name"]
    names = {number: categories[number] for number in sorted(categories)}
    ids: dict[str, int] = {}
    for number, name in names.items():
        if ids.setdefault(name, number) != number:
            places.note("categories of one name, read as one class", f"{file.name}, id {number}")
    return Form(_rows(whole, file, names, places), list(ids), ids)


def _rows(
    whole: Mapping[str, Any], file: File, names: Mapping[int, str], places: Places
) -> Iterator[PictureRow]:
    boxes: dict[Any, list[BoxRow]] = {}
    for number, entry in enumerate(whole["annotations"], start=1):
        where = f"{file.name}, annotation {number}"
        _expect(entry, where, image_id=int | str, category_id=int)
        if not entry.get("bbox"):
            places.note("annotations without a box, left out", where)
            continue
        box = four(entry["bbox"], where, 'four numbers in "bbox": left, top, width, height')
        label = names.get(entry["category_id"], f"category {entry['category_id']}")
        crowd = entry.get("iscrowd") in (1, True)
        boxes.setdefault(entry["image_id"], []).append(
            BoxRow(label, from_sides(box), where, crowd=crowd)
        )
    beside = file.path.parent if file.path else Path()
    split, folders = _part(file)
    for number, entry in enumerate(whole["images"], start=1):
        where = f"{file.name}, image {number}"
        _expect(entry, where, id=int | str, file_name=str)
        name, key = entry["file_name"], entry["id"]
        written = (name, *(f"{folder}/{name}" for folder in folders))
        width, height = (entry.get(side) or None for side in ("width", "height"))
        yield PictureRow(
            written, None, boxes.pop(key, []), where, str(key), split, beside, width, height
        )
    for held in boxes.values():
        for row in held:
            places.note("boxes of pictures that are not listed, left out", row.where)


def _part(file: File) -> tuple[str, tuple[str, ...]]:
    """The part that a file is of by its name, and the folders that its pictures may be in."""
    path = file.path or Path(file.name)
    found = re.search(
        r"(?:^|[_.-])((train|val|valid|validation|test)\d{0,4})(?=$|[_.-])", path.stem
    )
    if found:
        folder = found[1]
        around = (folder, f"images/{folder}", "images")
        return split_named(folder), (*around, *(f"../{one}" for one in around))
    part = split_named(path.absolute().parent.name)
    return (part if part in _PARTS else ""), ("../images",)


def _expect(entry: Any, where: str, **kinds: Any) -> None:
    for name, kind in kinds.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(name), kind):
            raise UsageError(f"{where}: {entry!r:.60}; expected an object with {', '.join(kinds)}")


def write_results(
    path: str | Path,
    found: Iterable[tuple[str, Iterable[FoundBox]]],
    category_ids: Mapping[str, int],
) -> None:
    """Writes what was found as COCO's results: an array of objects with "image_id",
    "category_id", "bbox" and "score", which `pycocotools` and others read.

    Args:
        found: the id of each picture, `Annotated.id`, and the boxes in it.
        category_ids: the number of each class, `DetectionCorpus.category_ids`.

    Raises:
        UsageError: a class without a number, or a file that cannot be written.
    """
    entries = []
    for name, boxes in found:
        for one in boxes:
            if one.label not in category_ids:
                known = ", ".join(category_ids) or "none"
                raise UsageError(
                    f"class {one.label!r} has no number in COCO's form; known: {known}"
                )
            sides = (one.left, one.top, one.right - one.left, one.bottom - one.top)
            entry = {
                "image_id": image_id(name),
                "category_id": category_ids[one.label],
                "bbox": [round(side, 3) for side in sides],
                "score": round(one.score, 6),
            }
            entries.append(json.dumps(entry))
    write_text(Path(path), "[\n" + ",\n".join(entries) + "\n]\n")


def image_id(text: str) -> int | str:
    """A picture's id as COCO's files write it: most have numbers."""
    return int(text) if re.fullmatch(r"0|[1-9]\d*", text) else text
