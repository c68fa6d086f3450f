"""Which form boxed pictures are kept in, found by what is there, and read row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from corpora import huggingface
from corpora.box_rows import Form, Places, in_order
from corpora.box_tables import table_form
from corpora.coco import coco_form, is_coco
from corpora.errors import UsageError
from corpora.picture_tables import TABLES, dataset_records, json_object, table_records
from corpora.reader import Folder, Sample, resolve
from corpora.text import File
from corpora.voc import has_voc, voc_rows
from corpora.yolo import has_texts, yolo_data, yolo_form, yolo_names

_FOLDERS_TABLE = re.compile(r"^_?(?:annotations|metadata|boxes|labels)$", re.I)
_EXPECTED = (
    "expected VOC's XML files, COCO's instances_*.json, YOLO's data.yaml or classes.txt, or a "
    "table with label, left, top, right and bottom"
)


def forms(
    name: str,
    images: Path | None,
    split: str | None,
    labels: Sequence[str] | None,
    places: Places,
) -> Iterator[Form]:
    """The parts of a source, each in its form.

    Args:
        labels: the names of classes, for tables that have numbers.

    Raises:
        UsageError: a source that is missing or of no known form, and what the forms raise.
    """
    if name.startswith(huggingface.PREFIX):
        yield table_form(dataset_records(name, split), Path(), labels, places)
        return
    path = Path(name).expanduser()
    if path.is_dir():
        yield from _folder(path, images, labels, places)
        return
    for found in resolve(name):
        if isinstance(found, Sample | huggingface.Dataset):
            raise UsageError(f"{name}: it holds no boxes; name a file or a folder of them")
        for file in found.files if isinstance(found, Folder) else (found,):
            yield _file(file, images, labels, places)


def _file(file: File, images: Path | None, labels: Sequence[str] | None, places: Places) -> Form:
    beside = file.path.parent if file.path else Path()
    if file.path and file.suffix in (".yaml", ".yml", ".names", ".txt"):
        return yolo_form(file.path, images, places)
    if file.suffix == ".json":
        whole = json_object(file, "strict")
        if whole is not None and is_coco(whole):
            return coco_form(whole, file, places)
        if whole is not None and len(whole) > 1 and "images" in whole:
            held = ", ".join(whole)
            raise UsageError(
                f'{file.name}: an object with {held}; expected COCO\'s lists "images", '
                '"annotations" and "categories"'
            )
    if file.suffix in TABLES:
        return table_form(table_records(file, "strict"), beside, labels, places)
    raise UsageError(f"{file.name}: not a form of boxes that is known; {_EXPECTED}")


def _folder(
    folder: Path, images: Path | None, labels: Sequence[str] | None, places: Places
) -> Iterator[Form]:
    if (folder / "Annotations").is_dir() and has_voc(folder):
        yield Form(voc_rows(folder, places))
        return
    if file := yolo_data(folder):
        yield yolo_form(file, images, places)
        return
    # A list of classes may lie beside any form: it tells of YOLO's where there are its texts.
    found, names = list(_inside(folder, _is_instances)), yolo_names(folder)
    if names and has_texts(images or folder):
        if not found:
            yield yolo_form(names, images, places)
            return
        places.note(
            "folders with COCO's boxes and texts like YOLO's, which are not read", str(folder)
        )
    found = found or list(_inside(folder, _is_table))
    for path in found:
        yield _file(File(path, str(path)), images, labels, places)
    if found:
        return
    if not has_voc(folder):
        if names:
            yield yolo_form(names, images, places)
            return
        raise UsageError(f"{folder}: no boxes are in it; {_EXPECTED}")
    yield Form(voc_rows(folder, places))


def _inside(folder: Path, wanted: Callable[[File], bool]) -> Iterator[Path]:
    """Files of a folder, of its parts' folders and of "annotations"."""
    for pattern in ("*", "*/*"):
        for path in in_order(folder.glob(pattern)):
            if path.is_file() and wanted(File(path, str(path))):
                yield path


def _is_instances(file: File) -> bool:
    """COCO's captions and key points lie beside its boxes, and are not read."""
    name = Path(file.name).name.lower()
    if file.suffix != ".json" or not re.search(r"instances|coco|annotations|detect", name):
        return False
    return is_coco(json_object(file, "strict"))


def _is_table(file: File) -> bool:
    stem = Path(file.name).name.removesuffix(file.compression).removesuffix(file.suffix)
    return file.suffix in TABLES and bool(_FOLDERS_TABLE.match(stem))
