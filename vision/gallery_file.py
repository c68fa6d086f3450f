"""A gallery's file: safetensors, JSON about them in its header, and a checksum of all of it.

It is written beside its place and renamed into it: whoever is killed while writing leaves the old
one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corpora.errors import UsageError
from nlp.core import checkpoint

KIND, FORMAT = "gallery", 1


def write(path: Path, vectors: np.ndarray, people: np.ndarray, about: Mapping[str, Any]) -> str:
    """Replaces the file; returns its checksum.

    Args:
        vectors: float32 `[pictures, size]`.
        people: int32 `[pictures]`.
        about: what JSON can tell.
    """
    about = {"library": checkpoint.LIBRARY, "kind": KIND, "format": FORMAT, **about}
    checksum = _checksum(vectors, people, about)
    arrays = {"vectors": vectors, "people": people}
    checkpoint.write_arrays(path, arrays, {**about, "checksum": checksum})
    return checksum


def read(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any], str]:
    """Vectors, people, what was told about them, and the checksum.

    Raises:
        UsageError: there is no such file, or it is cut short, changed or no gallery.
    """
    if not path.is_file():
        raise UsageError(f"there is no gallery {path}: make one with `unrolled faces add`")
    damaged = f"{path} is damaged, was changed by hand or is no gallery"
    again = "take a copy of it, or add the people anew"
    try:
        arrays, about = checkpoint.read_arrays(path)
    except (UsageError, TypeError) as error:  # bfloat16, as of models, is no type of NumPy's
        raise UsageError(f"{damaged}: {again}") from error
    if not isinstance(about, dict) or about.get("kind") != KIND:
        raise UsageError(f"{path} is no gallery: name one made by `unrolled faces add`")
    told = about.pop("checksum", None)
    if told is None or set(arrays) != {"vectors", "people"}:
        raise UsageError(f"{damaged}: {again}")
    if about.get("format") != FORMAT:
        raise UsageError(f"{path} was written by another Unrolled: update with pip install -U")
    if told != _checksum(arrays["vectors"], arrays["people"], about):
        raise UsageError(f"{damaged} (its checksum differs): {again}")
    return arrays["vectors"], arrays["people"], about, told


def checksum_of(path: Path) -> str | None:
    """What the header of a file says; None where it cannot be read."""
    import safetensors

    try:
        return str(checkpoint.read_about(path).get("checksum"))
    except (safetensors.SafetensorError, OSError, ValueError):
        return None


def _checksum(vectors: np.ndarray, people: np.ndarray, about: Mapping[str, Any]) -> str:
    """SHA-256 of all that a gallery holds, in hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for part in (vectors, people):
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
