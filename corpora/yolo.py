"""Boxes as Darknet and what came after it keep them: a text a picture, a line a box.

    data.yaml                 path: .  train: images/train  val: images/val  names: [dog, cat]
    images/train/a.jpg
    labels/train/a.txt        0 0.5 0.25 0.1 0.2

A line is the number of the class from 0, the middle, the width and the height of the box as shares
of the picture's width and height. A polygon (the number and three points or more) is read as the
box around it. A picture without a text has no box. In place of data.yaml there may be a list of
names, one a line, called classes.txt, obj.names or the like, with the parts by folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from corpora.box_rows import BoxRow, Form, PictureRow, Places, four, in_order
from corpora.errors import UsageError
from corpora.pictures import SUFFIXES, split_named
from corpora.text import File, decode, lines

_NAMES = ("classes.txt", "obj.names", "classes.names", "names.txt", "labels.txt")
_PARTS = ("train", "validation", "test")


def yolo_data(folder: Path) -> Path | None:
    """The data.yaml of a folder, by whatever name; None where it has none."""
    paths = in_order((*folder.glob("*.yaml"), *folder.glob("*.yml")))
    return next((path for path in paths if "names" in _yaml(path)), None)


def yolo_names(folder: Path) -> Path | None:
    """The list of classes in a folder; None where it has none. Other forms have such lists too."""
    listed = (folder / inside / name for inside in ("", "labels") for name in _NAMES)
    return next((path for path in listed if path.is_file()), None)


def has_texts(folder: Path) -> bool:
    """Whether a picture in a folder or below it has a text of boxes."""
    return any(_text_of(path).is_file() for path in _pictures(folder))


def yolo_form(file: Path, images: Path | None, places: Places) -> Form:
    """The pictures that a data.yaml names, or those around a list of names, with their boxes.

    Args:
        images: the folder of the pictures; None looks where the file is.

    Raises:
        UsageError: a file of another form, a folder that is not there, a line that is no box.
    """
    if file.suffix not in (".yaml", ".yml"):
        names = [line.strip() for line in lines(File(file, str(file))) if line.strip()]
        root = images or (file.parent.parent if file.parent.name == "labels" else file.parent)
        found = [(split_named(_part(path, root)), path) for path in _pictures(root)]
        return Form(_rows(found, names, str(file), places), names, found=True)
    told = _yaml(file)
    names = _named(told.get("names"), file)
    root = images or _root(told.get("path"), file.parent)
    pairs: list[tuple[str, Path]] = []
    for key in ("train", "val", "test"):
        value = told.get(key)
        for place in value if isinstance(value, list) else [value]:
            if place:
                pairs += [(split_named(key), path) for path in _listed(place, root, file, key)]
    if not pairs:
        raise UsageError(f"{file}: no pictures by train, val or test; expected their folders there")
    return Form(_rows(pairs, names, str(file), places), names, found=True)


def _yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        told = yaml.safe_load("".join(decode(File(file, str(file)))))
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date that there is not
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{file}{line}: not YAML ({getattr(error, 'problem', error)})") from None
    return told if isinstance(told, dict) else {}


def _named(names: Any, file: Path) -> list[str]:
    """The classes, which a YAML has as a list or by their numbers."""
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UsageError(
            f"{file}: 'names' is {names!r:.60}; expected a list of the classes, or all of them by "
            "their numbers from 0"
        )
    return [str(name) for name in names]


def _root(path: Any, beside: Path) -> Path:
    """What the file's folders are in: "path", which is often that of another machine."""
    told = Path(str(path or "."))
    places = (beside / told, told, beside / told.name, beside)
    return next(root for root in places if root.is_dir())


def _listed(place: Any, root: Path, file: Path, key: str) -> Iterator[Path]:
    """The pictures of a folder, or those that a text lists."""
    text = str(place)
    while text.startswith("../") and not (root / text).exists():  # as Roboflow's files have it
        text = text[3:]
    path = next((one for one in (root / text, file.parent / text) if one.exists()), None)
    if path is None:
        raise UsageError(
            f"{file}: {key}: there is no {root / text}; name the folder of the pictures"
        )
    if path.is_dir():
        yield from _pictures(path)
        return
    for line in lines(File(path, str(path))):
        if line.strip():
            yield path.parent / line.strip()


def _pictures(folder: Path) -> Iterator[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return in_order(path for path in found if not path.name.startswith("."))


def _part(path: Path, root: Path) -> str:
    """The folder below the root that is named as a part: images/train/a.jpg, train/images/a.jpg."""
    inside = path.relative_to(root).parts[:-1]
    return next((part for part in inside if split_named(part) in _PARTS), "")


def _text_of(picture: Path) -> Path:
    """Where the boxes of a picture are: "labels" for the last "images" of its path, or beside."""
    parts = list(picture.with_suffix(".txt").parts)
    for number in range(len(parts) - 2, -1, -1):
        if parts[number] == "images":
            parts[number] = "labels"
            break
    path = Path(*parts)
    if path.is_file():
        return path
    beside = picture.with_suffix(".txt")
    return beside if beside.is_file() else path


def _rows(
    pictures: Iterable[tuple[str, Path]], names: list[str], file: str, places: Places
) -> Iterator[PictureRow]:
    boxed = 0
    for split, path in pictures:
        text, boxes = _text_of(path), list[BoxRow]()
        if text.is_file():
            boxed += 1
            for number, line in enumerate(lines(File(text, str(text))), start=1):
                if line.strip():
                    boxes.append(_box(line, f"{text}, line {number}", names, places))
        else:
            places.note("pictures without a text of boxes, read as showing nothing", str(path))
        where = str(text if boxes else path)
        yield PictureRow(
            (path.name,), None, boxes, where, path.stem, split, path.parent, relative=True
        )
    if not boxed:
        raise UsageError(f"{file}: no picture has a text of boxes; expected them in 'labels'")


def _box(line: str, where: str, names: list[str], places: Places) -> BoxRow:
    number, *values = line.split()
    expected = "the class's number and x, y, width and height as shares of the picture"
    if not number.isdecimal():
        raise UsageError(f"{where}: {line!r:.60}; expected {expected}")
    label = names[int(number)] if int(number) < len(names) else f"class {number}"
    if len(values) >= 6 and len(values) % 2 == 0:
        points = [four((*values[at : at + 2], 0, 0), where, expected)[:2] for at in
                  range(0, len(values), 2)]  # fmt: skip
        across, down = zip(*points, strict=True)
        places.note("polygons, read as the boxes around them", where)
        return BoxRow(label, (min(across), min(down), max(across), max(down)), where)
    x, y, width, height = four(values, where, expected)
    return BoxRow(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), where)
