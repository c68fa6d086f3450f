"""Pairs of pictures of faces, each told to be of one person or of two: a user's own, to calibrate.

first,second,same              CSV, TSV, JSON Lines, JSON or Parquet; same is 1 or 0, true or
ada1.jpg,ada2.jpg,1            false, yes or no, same or different
ada1.jpg,grace1.jpg,0

pairs, remarks = read_face_pairs("pairs.csv")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import UsageError
from corpora.picture_tables import TABLES, Column, table_records
from corpora.pictures import Pictures
from corpora.text import File

_FIRST = Column(None, ("first", "image_1", "image1", "path_1", "path1", "a"), "first")
_SECOND = Column(None, ("second", "image_2", "image2", "path_2", "path2", "b"), "second")
_SAME = Column(None, ("same", "is_same", "match", "label"), "same")
_TRUE, _FALSE = ("1", "true", "yes", "same"), ("0", "false", "no", "different")


class FacePair(NamedTuple):
    """Two pictures."""

    first: Path
    second: Path
    same: bool  # of one person
    where: str  # such as "pairs.csv, line 12"


def read_face_pairs(
    path: str | Path, images: str | Path | None = None
) -> tuple[list[FacePair], list[str]]:
    """The pairs of a table, and what there is to tell: pictures that are missing.

    Args:
        images: the folder of the pictures; None looks beside the table.

    Raises:
        UsageError: the file is missing or no table, or a line of it cannot be read.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file; expected a table first,second,same")
    file = File(path, str(path))
    if file.suffix not in TABLES:
        raise UsageError(f"{path}: not a table; expected {', '.join(TABLES)}")
    pictures = Pictures(None if images is None else Path(images).expanduser())
    pairs = []
    for record in table_records(file, "strict"):
        sides = [record.fields[column.of(record)] for column in (_FIRST, _SECOND)]
        for side in sides:
            if not isinstance(side, str) or not side:
                raise UsageError(f"{record.where}: {side!r:.40}, and a picture's name was expected")
        same = _same(record.fields[_SAME.of(record)], record.where)
        first, second = (pictures.find(path.parent, side) for side in sides)
        if first is not None and second is not None:
            pairs.append(FacePair(first, second, same, record.where))
    remarks = pictures.remarks(str(path))
    if not pairs:
        why = f" ({'; '.join(remarks)})" if remarks else ""
        raise UsageError(f"{path}: there is no pair in it{why}; expected lines first,second,same")
    return pairs, remarks


def _same(value: Any, where: str) -> bool:
    text = str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise UsageError(f"{where}: same is {value!r:.40}; expected 1 or 0")
    return text in _TRUE
