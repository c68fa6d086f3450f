"""The one exception for mistakes that a user can mend, and the checks that raise it."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

_REASONS = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this file system or limit allows",
    errno.EACCES: "permission is denied",
    errno.EPERM: "the operation is not permitted",
    errno.EROFS: "the disk can only be read",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a file of that name is in the way",
}


class UsageError(ValueError):
    """A mistake in what the user typed or supplied, told in one line.

    The message says what was found, what was expected, where, and what to do. The command line
    prints it without a traceback and exits with status 2; a Python caller catches a `ValueError`.
    """


@contextmanager
def writing_to(path: Path | str) -> Iterator[None]:
    """Tell a full disk, a used-up quota or a missing permission as a `UsageError` in one line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        raise UsageError(
            f"cannot write {path}: {_REASONS[error.errno]}; make room there or choose another place"
        ) from error


def check_positive(**values: float) -> None:
    """Raises a UsageError that names the first value that is not above 0."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{name} is {value}: expected a number above 0")


def check_probability(**values: float) -> None:
    """Raises a UsageError that names the first value that is below 0, or 1 or more."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise UsageError(f"{name} is {value}: expected 0 to below 1")


def check_choice(name: str, value: str, choices: Any) -> None:
    """Raises a UsageError where `value` is none of a `Literal`'s."""
    known = get_args(choices)
    if value not in known:
        listed = ", ".join(known[:-1])
        raise UsageError(f"{name} {value!r} is unknown: expected {listed} or {known[-1]}")
