"""Boxes as PASCAL's Visual Object Classes keep them: an XML file a picture (Everingham 2010).

    VOC2012/Annotations/2007_000027.xml     <object><name>person</name><bndbox><xmin>174</xmin>...
            JPEGImages/2007_000027.jpg
            ImageSets/Main/train.txt        2007_000027

or a folder of XML files, with the pictures beside them, in parts by folders such as "train".

VOC counts pixels from 1, and both ends of a box are in it: a box of the whole of a picture 640
pixels wide goes from 1 to 640, which is from 0 to 640 here, where edges lie between pixels. Some
tools write the same files and count from 0: where any box of a source begins at 0, its boxes are
taken as they are, which is told. A box from a pixel to the same pixel is a slip of the mouse, and
has no size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from corpora.box_rows import BoxRow, PictureRow, Places, four, in_order
from corpora.errors import UsageError
from corpora.pictures import SUFFIXES, split_named
from corpora.text import File, decode, lines

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_PICTURES = ("JPEGImages", "images", "Images", "imgs")
_PARTS = ("train", "validation", "test")


def has_voc(folder: Path) -> bool:
    """Whether there are XML files in a folder or below it."""
    return next(folder.rglob("*.xml"), None) is not None


def voc_rows(folder: Path, places: Places) -> list[PictureRow]:
    """The pictures of a folder by the names of their XML files.

    Other XML files among them are told and left out.

    Raises:
        UsageError: a file that is damaged, with its line or the number of the object; no file is
            VOC's.
    """
    if folder.name == "Annotations" and any((folder.parent / one).is_dir() for one in _PICTURES):
        folder = folder.parent
    annotations = folder / "Annotations"
    if annotations.is_dir():
        beside = next((folder / one for one in _PICTURES if (folder / one).is_dir()), folder)
        rows = list(_listed(folder, _rows(annotations, beside, places), places))
    else:
        rows = _rows(folder, None, places)
    return list(_from_zero(rows, str(folder), places))


class _Stray(UsageError):
    """An XML file of something else."""


def _rows(folder: Path, beside: Path | None, places: Places) -> list[PictureRow]:
    """The rows of a folder's files in parts by folders, with pictures there or in `beside`."""
    rows, strays = list[PictureRow](), dict[Path, _Stray]()
    for path in _files(folder):
        part = "" if beside else split_named(path.relative_to(folder).parts[0])
        try:
            row = _row(path, beside or path.parent)
        except _Stray as error:
            strays[path] = error
        else:
            rows.append(row._replace(split=part if part in _PARTS else ""))
    if strays and not rows:
        raise next(iter(strays.values()))
    for path in strays:
        places.note("XML files that are no annotations of VOC's, left out", str(path))
    return rows


def _files(folder: Path) -> Iterator[Path]:
    return in_order(path for path in folder.rglob("*.xml") if not path.name.startswith("."))


def _listed(folder: Path, rows: list[PictureRow], places: Places) -> Iterator[PictureRow]:
    """The rows with their parts by ImageSets/Main/train.txt and the like."""
    lists = folder / "ImageSets" / "Main"
    found = {path.stem: path for path in in_order(lists.glob("*.txt"))}
    if "train" not in found and "trainval" in found:
        found["train"] = found["trainval"]
    parts: dict[str, str] = {}
    for name, path in found.items():
        if (part := split_named(name)) in _PARTS:
            for number, line in enumerate(lines(File(path, str(path))), start=1):
                stem = line.strip().removesuffix(".xml")
                if parts.setdefault(stem, part) != part:
                    places.note(
                        "pictures in two lists, read in the first", f"{path}, line {number}"
                    )
    for row in rows:
        if not parts:
            yield row
        elif part := parts.pop(row.id, ""):
            yield row._replace(split=part)
        else:
            places.note("pictures in none of the lists of parts, left out", row.where)
    for stem in parts:
        if stem:
            places.note("pictures in a list of parts, without an XML file", stem)


def _row(path: Path, beside: Path) -> PictureRow:
    where = str(path)
    text = "".join(decode(File(path, where))).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    # The standard library's parser puts entities in, which can fill the memory; VOC has none. The
    # text is decoded before, so that no encoding hides one.
    if found := re.search(r"<!(?:DOCTYPE|ENTITY)", text):
        line = text.count("\n", 0, found.start()) + 1
        raise (UsageError if "<annotation" in text else _Stray)(
            f"{where}, line {line}: it declares a document type; take it out"
        )
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        reason = str(error).partition(":")[0]
        line = error.position[0]
        raise UsageError(f"{where}, line {line}: not well-formed XML ({reason})") from None
    if root.tag != "annotation":
        raise _Stray(f"{where}: <{root.tag}>; expected VOC's <annotation> with <object>s in it")
    name = (root.findtext("filename") or "").strip()
    names = [name] if name else []
    endings = dict.fromkeys(
        (Path(name).suffix, *SUFFIXES, *(ending.upper() for ending in SUFFIXES))
    )
    names += [path.stem + ending for ending in endings if ending]
    boxes = [
        _box(item, f"{where}, object {number}")
        for number, item in enumerate(root.findall("object"), start=1)
    ]
    width, height = (_whole(root.findtext(f"size/{side}")) for side in ("width", "height"))
    return PictureRow(tuple(names), None, boxes, where, path.stem, "", beside, width, height)


def _box(item: ElementTree.Element, where: str) -> BoxRow:
    label = (item.findtext("name") or "").strip()
    if not label:
        raise UsageError(f"{where}: it has no <name>; expected its class")
    texts = [item.findtext(f"bndbox/{edge}") for edge in _EDGES]
    edges = four(texts, where, "a <bndbox> with numbers in xmin, ymin, xmax and ymax")
    return BoxRow(label, edges, where, (item.findtext("difficult") or "").strip() == "1")


def _whole(text: str | None) -> int | None:
    """A side of a picture; None where the file does not know it, which some do not."""
    return int(text) if text and text.strip().isdecimal() and int(text) else None


def _from_zero(rows: list[PictureRow], name: str, places: Places) -> Iterator[PictureRow]:
    boxes = [box for row in rows for box in row.boxes]
    begins = next((box for box in boxes if 0 in box.edges[:2]), None)
    if begins:
        places.note(f"{name}: boxes begin at 0, so all are taken to count from 0", begins.where)
    for row in rows:
        if not begins:
            row = row._replace(boxes=[box._replace(edges=_edges(box)) for box in row.boxes])
        yield row


def _edges(box: BoxRow) -> tuple[float, float, float, float]:
    left, top, right, bottom = box.edges
    if right <= left or bottom <= top:  # what has no size gets none
        return left - 1, top - 1, right - 1, bottom - 1
    return left - 1, top - 1, right, bottom
