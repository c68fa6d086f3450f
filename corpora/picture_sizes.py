"""How large a picture is, from its first bytes, without decoding it."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpora.errors import UsageError
from corpora.pictures import load

_ORIENTATION = 0x0112  # the EXIF tag; from 5 on, width and height change places


class Size(NamedTuple):
    """The sides of a picture as it is seen, and as it is stored."""

    width: int
    height: int
    stored: tuple[int, int]


class Unreadable(ValueError):
    """A picture that cannot be read, told in one line."""


def size_of(image: Any) -> Size:
    """The size in pixels of a path, a file's bytes, pixels, or what else `load` takes.

    Raises:
        UsageError: Pillow is not installed.
        Unreadable: there is no such file, or it is no picture.
    """
    try:
        from PIL import Image
    except ImportError:
        raise UsageError(
            "pictures need Pillow: install it with pip install 'unrolled[vision]'"
        ) from None
    if not hasattr(image, "getexif"):
        image = load(image)
    if isinstance(image, np.ndarray):
        height, width = image.shape[:2]
        return Size(width, height, (width, height))
    name = f"a picture of {len(image):,} bytes" if isinstance(image, bytes) else str(image)
    try:
        if hasattr(image, "getexif"):
            return _sides(image)
        with warnings.catch_warnings():  # of many pixels, which whoever decodes them refuses
            warnings.simplefilter("ignore")
            source = io.BytesIO(image) if isinstance(image, bytes) else Path(image)
            with Image.open(source) as opened:
                return _sides(opened)
    except OSError as error:
        reason = error.strerror or "no picture that is known here, or a damaged one"
        raise Unreadable(f"{name}: {reason}") from error
    except Exception as error:  # damaged headers fail in as many kinds as there are formats
        raise Unreadable(f"{name}: damaged ({type(error).__name__})") from error


def _sides(image: Any) -> Size:
    width, height = image.size
    if image.format == "PNG" and "exif" not in image.info:  # it would be decoded to look for more
        return Size(width, height, (width, height))
    try:
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # a damaged note says nothing
        turned = False
    return Size(*((height, width) if turned else (width, height)), (width, height))
