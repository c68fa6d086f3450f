"""Pictures with boxes around what they show, from whatever form a user has them in.

    corpus = read_detections("BCCD")
    for picture in corpus.splits["train"]:
        print(picture.image, [(box.label, box.left, box.top) for box in picture.boxes])

A source is one of these, or a list of them:

    a folder of VOC's          Annotations, JPEGImages and ImageSets/Main; or a folder of XML files
    instances_*.json           COCO's, or a folder with such files
    data.yaml, classes.txt     YOLO's, or a folder with one of them, images and labels
    .csv, .tsv, .jsonl         a row a box: path, label, left, top, right, bottom
    .json, .parquet
    "hf:NAME[:CONFIG]"         a dataset of Hugging Face
    "generated-scenes"         pictures that the project draws, see corpora/scenes.py; the class is
                               the shape; "generated-scenes:COUNT[:PIXELS]" of another number, size

Whatever the form, edges here are pixels of the upright picture: they lie between pixels, so that
the middle of the first pixel is at 0.5, and a box of all of it is (0, 0, width, height). VOC's
pixels, which count from 1 with both ends inside, are converted (corpora/voc.py). Every picture's
first bytes are read for its size, never its pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpora.annotated_splits import Parts
from corpora.box_rows import BoxRow, Form, PictureRow, Places
from corpora.detection_formats import forms
from corpora.errors import UsageError
from corpora.picture_parts import divided, generated, is_generated, of_split
from corpora.picture_sizes import Size, Unreadable, size_of
from corpora.pictures import Pictures, split_named
from corpora.reader import Source
from corpora.scenes import SHAPES

__all__ = ["Annotated", "Box", "DetectionCorpus", "divide_detections", "read_detections"]

_ROUNDING = 0.05  # pixels by which what is written with few digits may leave the picture


class Box(NamedTuple):
    """What is where: edges in pixels of the upright picture, 0 <= left < right <= width."""

    label: str
    left: float
    top: float
    right: float
    bottom: float
    difficult: bool = False
    """VOC's: not counted, found or not."""
    crowd: bool = False
    """COCO's: a box of many, which are not told apart."""


class Annotated(NamedTuple):
    """A picture and its boxes, of which there may be none."""

    image: Any
    """What `vision.images.read` takes: a path, a scene, or the payload of a dataset."""
    boxes: tuple[Box, ...]
    where: str
    """Such as "Annotations/a.xml"."""
    id: str
    """What the source calls the picture."""
    width: int
    height: int
    """Of the upright picture."""
    split: str = ""
    """"train", "validation", "test", another name of the source's, or "" where it has no parts."""


@dataclass
class DetectionCorpus:
    """What was read."""

    items: list[Annotated]
    labels: list[str]
    """The classes: as asked for, in the order of the source where it has one, or by name."""
    remarks: list[str]
    """What was left out or changed, how often and where."""
    mistakes: dict[str, list[str]]
    """The same with every place where."""
    category_ids: dict[str, int]
    """The numbers of the classes in COCO's form: the source's own, or from 1."""

    @property
    def splits(self) -> dict[str, list[Annotated]]:
        """The items of each part by its name, in the order of the source."""
        parts: dict[str, list[Annotated]] = {}
        for item in self.items:
            parts.setdefault(item.split, []).append(item)
        return parts


def read_detections(
    source: Source,
    *,
    images: str | Path | None = None,
    split: str | None = None,
    labels: Sequence[str] | None = None,
) -> DetectionCorpus:
    """Reads pictures and their boxes; rows of one picture are one item.

    Boxes that reach out of their picture are cut off at its edge. Those outside of it, of no size,
    of unknown classes or told twice are left out, and so are pictures that are missing or cannot be
    read. All of it is counted in `remarks` and told with its places in `mistakes`.

    Args:
        images: the folder of the pictures; None looks beside the file that names them.
        split: a part of the source, by our name or its own; None is all (of the generated scenes
            all but "held_out").
        labels: the classes to read, in this order; None is all. Where a table or dataset has
            numbers for classes, their names.

    Raises:
        UsageError: a source that is missing, damaged, of another form or without a box, a line
            that cannot be read, and where no picture is to be found; the message names the place.
    """
    if labels is not None and (not labels or len(set(labels)) < len(labels)):
        raise UsageError(
            f"labels are {', '.join(labels) or 'none'}: expected one or more, each once"
        )
    folder = None if images is None else Path(images).expanduser()
    places, told, missing = Places(), list[str](), list[str]()
    items: list[Annotated] = []
    known: dict[str, None] = {}
    ids: dict[str, int] = {}
    for one in [source] if isinstance(source, str | Path) else list(source):
        name = os.fspath(one)
        if is_generated(name):
            items += _scenes(name, split)
            known |= dict.fromkeys(SHAPES)
            continue
        for form in forms(name, folder, split, labels, places):
            pictures = Pictures(None if form.found else folder)
            read = list(_checked(form, pictures, places))
            told += pictures.remarks(name)
            missing += pictures.missing
            items += read
            own = form.labels or sorted({box.label for item in read for box in item.boxes})
            known |= dict.fromkeys(own)
            for label, number in (form.category_ids or {}).items():
                ids.setdefault(label, number)
    if labels is not None:
        items = _only(items, labels, places)
        known = dict.fromkeys(labels)
    kept = of_split(items, split, str(source))
    remarks = [*told, *places.remarks()]
    boxed = {box.label for item in kept for box in item.boxes}
    if not boxed:
        why = f" ({'; '.join(remarks)})" if remarks else ""
        raise UsageError(f"{source}: there is no picture with a box in it{why}")
    if unseen := [label for label in known if label not in boxed]:
        remarks.append(f"classes without a box: {', '.join(unseen)}")
    if not set(known) <= set(ids) or len(set(ids.values())) < len(ids):
        ids = {label: number for number, label in enumerate(known, start=1)}
    numbers = {label: ids[label] for label in known}
    absent = {"pictures that are not there, left out": missing} if missing else {}
    return DetectionCorpus(kept, list(known), remarks, absent | places.held, numbers)


def divide_detections(
    source: Source,
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    *,
    images: str | Path | None = None,
    labels: Sequence[str] | None = None,
) -> tuple[Parts[Annotated], list[str]]:
    """Reads a source for training, validation and test; the parts, and the classes of training.

    A source that has such parts itself keeps them; of those that it lacks, `validation` and `test`
    are fractions of what is trained on, or sources of their own. A picture is in one part only.

    Raises:
        UsageError: what `read_detections` raises, fractions that leave nothing, and an empty part.
    """
    known = list(labels or ())

    def read(place: Source) -> tuple[list[Annotated], list[str]]:
        corpus = read_detections(place, images=images, labels=known or None)
        known[:] = corpus.labels  # the source is read before what is to validate and test
        return corpus.items, corpus.remarks

    parts = divided(source, validation, test, read)
    return parts, known


def _scenes(name: str, split: str | None) -> Iterator[Annotated]:
    for part, number, scene in generated(name, split):
        boxes = tuple(Box(thing.shape, *thing.box) for thing in scene.things)
        where = f"{name}, {part}, scene {number}"
        yield Annotated(scene, boxes, where, f"{part}-{number}", scene.width, scene.height, part)


def _only(items: Iterable[Annotated], labels: Sequence[str], places: Places) -> list[Annotated]:
    kept = []
    for item in items:
        for box in item.boxes:
            if box.label not in labels:
                places.note(f"boxes of the class {box.label}, left out", item.where)
        boxes = tuple(box for box in item.boxes if box.label in labels)
        kept.append(item._replace(boxes=boxes))
    return kept


def _checked(form: Form, pictures: Pictures, places: Places) -> Iterator[Annotated]:
    """One item for each picture that is there, at the place of its first row."""
    for row, image in _merged(form.rows, pictures, places):
        try:
            size = size_of(image)
        except Unreadable as error:
            places.note("pictures that cannot be read, left out", str(error))
            continue
        told = (row.width, row.height)
        if None not in told and told != size[:2]:
            if told == size.stored:
                places.note(
                    "pictures that a note in their file turns, with boxes of the unturned one, "
                    "left out; turn the files",
                    row.where,
                )
                continue
            places.note(
                "pictures of another size than their labels say, whose boxes are taken as they are",
                f"{row.where}: {row.width} x {row.height}, and is {size.width} x {size.height}",
            )
        boxes = dict.fromkeys(_boxes(row, form, size, places))
        yield Annotated(
            image, tuple(boxes), row.where, row.id, size.width, size.height, split_named(row.split)
        )


def _merged(
    rows: Iterable[PictureRow], pictures: Pictures, places: Places
) -> Iterator[tuple[PictureRow, Any]]:
    items: dict[object, tuple[PictureRow, Any]] = {}
    paths: dict[object, Path | None] = {}
    for row in rows:
        if not row.names:
            items[len(items)] = (row, row.image)
            continue
        key = (row.beside, *row.names)
        if key not in paths:
            paths[key] = pictures.find(row.beside, *row.names)
        if (path := paths[key]) is None:
            continue
        first, _ = items.setdefault(path, (row._replace(boxes=[]), path))
        if split_named(first.split) != split_named(row.split):
            places.note(
                "rows that put a picture into a second part, read into its first", row.where
            )
        first.boxes.extend(row.boxes)
    yield from items.values()


def _boxes(row: PictureRow, form: Form, size: Size, places: Places) -> Iterator[Box]:
    seen: set[Box] = set()
    for one in row.boxes:
        if form.labels is not None and one.label not in form.labels:
            places.note("boxes of a class that the source does not name, left out", one.where)
            continue
        box = _within(one, size, row.relative, places)
        if box is None:
            continue
        if box in seen:
            places.note("boxes told twice, read once", one.where)
        seen.add(box)
        yield box


def _within(one: BoxRow, size: Size, relative: bool, places: Places) -> Box | None:
    """The part of a box that is in the picture; None where there is none."""
    scale = size[:2] if relative else (1, 1)
    left, top, right, bottom = (edge * scale[place % 2] for place, edge in enumerate(one.edges))
    if not (right > left and bottom > top):
        places.note("boxes of no size, left out", one.where)
        return None
    inside = max(left, 0.0), max(top, 0.0), min(right, size.width), min(bottom, size.height)
    if inside[2] - inside[0] <= _ROUNDING or inside[3] - inside[1] <= _ROUNDING:
        places.note("boxes outside of their picture, left out", one.where)
        return None
    beyond = (abs(new - old) for new, old in zip(inside, (left, top, right, bottom), strict=True))
    if max(beyond) > _ROUNDING:
        places.note("boxes that reach out of their picture, cut off at its edge", one.where)
    left, top, right, bottom = map(float, inside)
    return Box(one.label, left, top, right, bottom, one.difficult, one.crowd)
