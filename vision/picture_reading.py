"""One picture, whatever it is kept in, as rows of red, green and blue.

Cameras turn pictures by a note in the file (EXIF), scanners write 16 bits a channel, icons have a
palette or nothing behind them, print has four inks: all become the same, upright and 8 bits deep,
with white where nothing is. What cannot be read is told in one line.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from corpora.errors import UsageError
from corpora.pictures import load

if TYPE_CHECKING:
    from PIL.Image import Image

# Below the size at which Pillow suspects that a small file is made to fill the memory.
MOST_PIXELS = 80_000_000
# Not all that Pillow knows: PostScript would start another program.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
_ORIENTATION = 0x0112  # the EXIF tag; Pillow's turn for each of its values
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_warned = threading.Lock()


def pillow() -> ModuleType:
    """Pillow's module `Image`; a UsageError that tells how to install it where it is missing."""
    try:
        from PIL import Image
    except ImportError:
        raise UsageError(
            "pictures need Pillow: install it with pip install 'unrolled[vision]'"
        ) from None
    return Image


def read(image: Any, *, most_pixels: int = MOST_PIXELS) -> np.ndarray:
    """The pixels of a picture, uint8 `[height, width, 3]`: upright, red, green and blue.

    Of an animation it is the first frame; what is transparent lies on white; 16 bits become 8.

    Args:
        image: a path, a file's bytes, pixels (uint8 `[height, width]`, with 1, 3 or 4 channels
            behind that), a picture of Pillow's, or what else `corpora.pictures.load` takes.
        most_pixels: a larger picture is refused before any of it is decoded.

    Raises:
        UsageError: there is no such file, or it is empty, cut off, no picture, or too large.
    """
    if hasattr(image, "convert"):
        return _pixels(image)
    name = name_of(image)
    image = load(image)
    if isinstance(image, np.ndarray):
        return _checked(image)
    if isinstance(image, bytes):
        return _decoded(io.BytesIO(image), name, len(image), most_pixels)
    if not isinstance(image, Path):
        raise UsageError(f"{name} is no picture: expected a path, a file's bytes or pixels")
    try:
        with image.open("rb") as stream:
            return _decoded(stream, name, os.fstat(stream.fileno()).st_size, most_pixels)
    except FileNotFoundError:
        raise UsageError(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{name} is a folder: expected a picture") from None
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from error


def name_of(image: Any) -> str:
    """What messages call a picture."""
    if isinstance(image, dict):
        image = image.get("path") or image.get("bytes")
    if isinstance(image, str | os.PathLike):
        return os.fsencode(image).decode(errors="backslashreplace")
    if isinstance(image, bytes):
        return f"a picture of {len(image):,} bytes"
    if isinstance(image, np.ndarray):
        return f"a picture of shape {list(image.shape)}"
    return f"a picture given as {type(image).__name__}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Pillow's warnings of what is told here by other means, or does not matter.

    One thread at a time, for what is done with warnings is everybody's.
    """
    with _warned, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decoded(stream: Any, name: str, size: int, most_pixels: int) -> np.ndarray:
    if size == 0:
        raise UsageError(f"{name} is empty (0 bytes): copy it again")
    library = pillow()
    try:
        with _quiet():  # this reads the header only
            library.init()
            formats = [one for one in FORMATS if one in library.OPEN]  # AVIF is not in all builds
            image = library.open(stream, formats=formats)
    except library.DecompressionBombError as error:
        raise UsageError(
            f"{name} is too large to be decoded safely (over {most_pixels:,} pixels): make it "
            "smaller"
        ) from error
    except Exception as error:  # damaged headers fail in as many kinds as there are formats
        stream.seek(0)
        raise UsageError(
            f"{name} is damaged or no picture that is known here (it begins with "
            f"{stream.read(12)!r}): convert it to JPEG or PNG"
        ) from error
    width, height = image.size
    if width * height > most_pixels:
        raise UsageError(
            f"{name} is too large to be decoded safely ({width:,} x {height:,} pixels, at most "
            f"{most_pixels:,}): make it smaller"
        )
    try:
        return _pixels(image)
    except UsageError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"{name} is cut off or damaged ({image.format}, {width} x {height} pixels: {reason}): "
            "copy it again"
        ) from error


def _pixels(image: Image) -> np.ndarray:
    library = pillow()
    image.load()
    try:
        with _quiet():
            turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged note says nothing
        turn = None
    if image.mode.startswith(("I", "F")):
        image = library.fromarray(_eight_bits(np.asarray(image)))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        ground = library.new("RGBA", image.size, "white")
        image = library.alpha_composite(ground, image)
    if turn:
        image = image.transpose(library.Transpose[turn])
    return np.array(image.convert("RGB"))


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey of 16 or 32 bits, or as fractions, in 8 bits."""
    if values.dtype.itemsize == 2:
        top = 65535.0
    else:
        # The file does not say what white is: one of the usual ones that nothing exceeds.
        whites = (255.0, 65535.0) if values.dtype.kind == "i" else (1.0, 255.0, 65535.0)
        values = np.nan_to_num(values.astype(np.float64))
        highest = float(values.max(initial=0))
        top = next((white for white in whites if highest <= white), highest)
    return np.rint(values.clip(0, top) * (255 / top)).astype(np.uint8)


def _checked(pixels: np.ndarray) -> np.ndarray:
    """Pixels as they were given, with three channels."""
    flat = pixels[..., None] if pixels.ndim == 2 else pixels
    if flat.ndim != 3 or flat.shape[2] not in (1, 3, 4) or flat.dtype != np.uint8 or not flat.size:
        raise UsageError(
            f"pixels are {pixels.dtype} of shape {list(pixels.shape)}: expected uint8 [height, "
            "width, 3]"
        )
    if flat.shape[2] == 4:
        opaque = flat[..., 3:] / 255
        return np.rint(flat[..., :3] * opaque + 255 * (1 - opaque)).astype(np.uint8)
    return np.broadcast_to(flat, (*flat.shape[:2], 3)).copy()
