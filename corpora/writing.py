"""Replacing a file all at once: whoever reads it finds the old one or the new one, never a part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corpora.errors import UsageError, writing_to


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to; once written it takes the place of `path`. A link is followed.

    Raises:
        UsageError: there is no space, no right to write there, or a device or folder stands there.
            What stood there stands.
    """
    if path.exists() and not path.is_file():  # renaming onto /dev/null would replace the device
        raise UsageError(f"cannot write {path}: it is no regular file; choose another place")
    place = path.resolve()
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    with writing_to(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.touch()
            mode = part.stat().st_mode  # some writers make the file anew, for its owner alone
            yield part
            part.chmod(mode)
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replaces a small text file."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def remove_parts(folder: Path) -> None:
    """Removes what a killed `replacing` has left; for a folder that nobody else writes to."""
    for pattern in (".*.part", ".tmp*"):  # the latter are safetensors' own
        for part in folder.glob(pattern):
            part.unlink(missing_ok=True)
