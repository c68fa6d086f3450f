"""Where the pictures of a data set are, and which of its parts each belongs to.

A data set names its pictures by their files, holds their bytes in its rows, or is drawn by code:
`load` makes of any of these what `vision.images.read` takes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from corpora import face_drawing
from corpora.errors import UsageError
from corpora.face_parts import FaceScene
from corpora.scenes import Scene, draw
from corpora.splits import OWN_NAMES

SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
    *(".avif", ".jfif"),
)
_NAMED = 5  # of the pictures that are missing
_ALIASES = {alias: name for name, aliases in OWN_NAMES.items() for alias in aliases}
# The rest of COCO's validation set, which by Karpathy's lists is trained on.
_ALIASES["restval"] = "train"


def split_named(name: object) -> str:
    """Our name of a part: "val2014" and "dev" are "validation"; "" for none; others stay."""
    text = "" if name is None else str(name).strip().lower()
    return _ALIASES.get(re.sub(r"[-_]?\d{4}$", "", text), text)


def load(image: Any) -> Path | bytes | np.ndarray:
    """What `vision.images.read` reads: a path, a file's bytes, or pixels [height, width, 3]."""
    if isinstance(image, Scene):
        return draw(image)
    if isinstance(image, FaceScene):
        return face_drawing.draw(image)
    if isinstance(image, dict):  # a dataset's, not decoded
        return image["bytes"] if image.get("bytes") else Path(image["path"])
    if hasattr(image, "convert"):  # a dataset's, decoded by Pillow
        return np.asarray(image.convert("RGB"))
    return Path(image) if isinstance(image, str) else image


@dataclass
class Pictures:
    """Finds pictures by their names: in `images`, or beside the file that names them, or in a
    folder "images" there.
    """

    images: Path | None
    found: int = 0
    missing: dict[str, None] = field(default_factory=dict)
    searched: dict[Path, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images is not None and not self.images.is_dir():
            raise UsageError(
                f"{self.images}: there is no such folder; name the one that holds the pictures "
                "with `--images`"
            )

    def find(self, beside: Path, *names: str) -> Path | None:
        """The picture with the first of the names that is there; a missing one is remembered."""
        folders = [beside, beside / "images", beside / "Images"]
        for folder in folders if self.images is None else [self.images]:
            for name in names:
                for written in dict.fromkeys((name, name.replace("\\", "/"))):
                    if (path := folder / written).is_file():
                        self.found += 1
                        return path
            self.searched[folder] = None
        self.missing[names[0]] = None
        return None

    def remarks(self, source: str) -> list[str]:
        """Which pictures are missing. `UsageError` where all of them are."""
        if not self.missing:
            return []
        listed = ", ".join(list(self.missing)[:_NAMED])
        if len(self.missing) > _NAMED:
            listed += ", ..."
        count = f"{len(self.missing):,}"
        if not self.found:
            raise UsageError(
                f"{source}: none of its {count} pictures ({listed}) is in "
                f"{os.fspath(next(iter(self.searched)))}; name the folder that holds them with "
                "`--images`"
            )
        return [f"pictures that are not there, left out: {count} ({listed})"]
