"""Boxes in tables and datasets: a row a box, or a row a picture with its objects.

    path,label,left,top,right,bottom                      a row a box; a picture without any has a
    a.jpg,dog,10,20,40,60                                 row that is empty but for its path
    {"file_name": "a.jpg", "objects":                     a row a picture, as Hugging Face's
     {"bbox": [[10, 20, 30, 40]], "category": ["dog"]}}   datasets are

Edges are pixels from 0. The "bbox" of objects is left, top, width and height, but some sets write
left, top, right and bottom: where that is possible for each of ten boxes or more, it is what is
read, and told; unless the rows tell the pictures' sizes, and all are inside them the usual way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpora.box_rows import BoxRow, Form, PictureRow, Places, four, from_sides
from corpora.errors import UsageError
from corpora.example_sets import Record
from corpora.picture_tables import IDS, IMAGE, SPLIT, Column

_LABELS = (
    "label",
    "class",
    "class_name",
    "category",
    "name",
    "categories",
    "labels",
    "category_id",
)
_EDGES = (
    ("left", "top", "right", "bottom"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
)
_OBJECTS, _BOXES = "objects", ("bbox", "bboxes", "box", "boxes")
_IMAGE = Column(None, IMAGE, "--image-column")
_ENOUGH = 10  # boxes that all look like corners


def table_form(
    records: Iterable[Record], beside: Path, numbered: Sequence[str] | None, places: Places
) -> Form:
    """The pictures of records, row by row.

    Args:
        numbered: the names of classes that are given as numbers from 0; None leaves the numbers,
            and so do names that are numbers themselves, as of a model that learned such classes.

    Raises:
        UsageError: a row without one of the columns, or with something else in it.
    """
    if numbered and all(name.isdecimal() for name in numbered):
        numbered = None
    rows, of_objects = list[PictureRow](), False
    for record in records:
        if _OBJECTS in record.fields:
            of_objects = True
            boxes = list(_objects(record, numbered, places))
        else:
            boxes = list(_flat(record, numbered, places))
        rows.append(_row(record, boxes, beside))
    if of_objects:
        rows = list(_sides(rows, places))
    return Form(rows)


def _row(record: Record, boxes: list[BoxRow], beside: Path) -> PictureRow:
    fields, where = record
    image = fields[_IMAGE.of(record)]
    if image is None or image == "":
        raise UsageError(f"{where}: no picture in it; expected the name of its file")
    of_file = isinstance(image, str)
    name = next((fields[key] for key in IDS if fields.get(key) not in (None, "")), None)
    key = str(name) if name is not None else Path(image).stem if of_file else where
    split = fields.get(SPLIT)
    split = split if isinstance(split, str) else ""
    width, height = (_whole(fields.get(side)) for side in ("width", "height"))
    names = (image,) if of_file else ()
    return PictureRow(
        names, None if of_file else image, boxes, where, key, split, beside, width, height
    )


def _whole(value: Any) -> int | None:
    return int(value) if str(value).isdecimal() and int(value) else None


def _flat(record: Record, numbered: Sequence[str] | None, places: Places) -> Iterator[BoxRow]:
    """The box of a row; none where label and edges are empty."""
    fields, where = record
    columns = next((four for four in _EDGES if all(one in fields for one in four)), None)
    label = next((name for name in _LABELS if name in fields), None)
    if columns is None or label is None:
        found = ", ".join(map(str, fields)) or "none"
        raise UsageError(
            f"{where}: the columns are: {found}; expected label, left, top, right and bottom "
            "(or class, xmin, ymin, xmax and ymax)"
        )
    values = [fields[name] for name in columns]
    if all(value in (None, "") for value in (*values, fields[label])):
        return
    edges = four(values, where, f"numbers in {', '.join(columns)}")
    yield BoxRow(_label(fields[label], where, numbered, places), edges, where)


def _objects(record: Record, numbered: Sequence[str] | None, places: Places) -> Iterator[BoxRow]:
    """The boxes of a row's objects, which are lists side by side, or a list of objects."""
    objects, where = record.fields[_OBJECTS], record.where
    if isinstance(objects, list) and all(isinstance(one, dict) for one in objects):
        objects = {key: [one.get(key) for one in objects] for key in (objects or [{}])[0]}
    if not objects:
        return
    boxes = _list(objects, _BOXES, where)
    labels = _list(objects, _LABELS, where)
    if len(boxes) != len(labels):
        raise UsageError(f"{where}: {len(boxes)} boxes and {len(labels)} classes of them")
    crowds = objects.get("iscrowd") or objects.get("is_crowd") or [False] * len(boxes)
    if not isinstance(crowds, list) or len(crowds) != len(boxes):
        raise UsageError(f"{where}: 'iscrowd' is {crowds!r:.40}; expected one for each box")
    for number, (box, label, crowd) in enumerate(zip(boxes, labels, crowds, strict=True), start=1):
        place = f"{where}, object {number}"
        edges = four(box, place, 'four numbers in "bbox": left, top, width, height')
        yield BoxRow(_label(label, place, numbered, places), edges, place, crowd=bool(crowd))


def _list(objects: Any, keys: Sequence[str], where: str) -> list[Any]:
    if isinstance(objects, Mapping):
        for key in keys:
            if isinstance(objects.get(key), list):
                return list(objects[key])
    raise UsageError(f"{where}: {objects!r:.60}; expected objects with lists 'bbox' and 'category'")


def _label(value: Any, where: str, numbered: Sequence[str] | None, places: Places) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where}: {value!r:.40} is no class; expected its name")
    label = value.strip()
    if label.isdecimal() and not numbered:
        places.note("classes that are numbers, taken for their names", where)
    elif label.isdecimal() and numbered and label not in numbered and int(label) < len(numbered):
        return numbered[int(label)]
    return label


def _sides(rows: Sequence[PictureRow], places: Places) -> Iterator[PictureRow]:
    """The rows with edges in place of left, top, width and height."""
    held = [box.edges for row in rows for box in row.boxes]
    corners = len(held) >= _ENOUGH and all(
        right > left and bottom > top for left, top, right, bottom in held
    )
    inside = [
        left + wide <= row.width and top + high <= row.height
        for row in rows
        if row.width and row.height
        for left, top, wide, high in (box.edges for box in row.boxes)
    ]
    corners = corners and not (inside and all(inside))
    if corners:
        first = next(box.where for row in rows for box in row.boxes)
        places.note('sets whose "bbox" is read as left, top, right and bottom', first)
    for row in rows:
        if not corners:
            row = row._replace(
                boxes=[box._replace(edges=from_sides(box.edges)) for box in row.boxes]
            )
        yield row
