"""What a detector answers: the things that it found in a picture."""

from __future__ import annotations

from typing import Any, NamedTuple


class Found(NamedTuple):
    """One thing, in pixels of the picture from its upper left corner; the first pixel's middle is
    at 0.5."""

    label: str
    score: float  # 0 to 1: how sure it is
    left: float
    top: float
    right: float
    bottom: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        return self.left, self.top, self.right, self.bottom


class Detected(NamedTuple):
    """A picture, and the things in it, the surest first."""

    image: Any  # as it was given
    width: int  # pixels of the upright picture
    height: int
    boxes: tuple[Found, ...]
