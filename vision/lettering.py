"""Words in pictures, whatever their script: each letter in the first font that has it.

Pillow's own font has European letters only. Where matplotlib is installed, which knows the fonts of
the machine, the others come from those.

    letters = Lettering(15)
    letters.write(ImageDraw.Draw(image), (10, 10), "a red ball, 红球")
    print(letters.missing)                                 # what no font could write
"""

from __future__ import annotations

import importlib.util
import unicodedata
from bisect import bisect_right
from functools import cache
from typing import Any

from nlp.core.fonts import installed_fonts

MISSING = "\N{WHITE VERTICAL RECTANGLE}"
_NOWHERE = "\uffff"  # no character: what a font draws in the place of one that it has not


class Lettering:
    """Writes text of one size, in pixels."""

    def __init__(self, size: float) -> None:
        self.size = size
        self.missing: set[str] = set()  # what has been written as MISSING

    def width(self, text: str) -> float:
        """Pixels that a text takes."""
        return sum(font.getlength(run) for font, run in self._runs(text))

    def write(self, draw: Any, place: tuple[float, float], text: str, fill: str = "black") -> None:
        """Writes a text whose line begins at the left and has its middle at `place`."""
        x, y = place
        for font, run in self._runs(text):
            draw.text((x, y), run, fill=fill, font=font, anchor="lm")
            x += font.getlength(run)

    def cut(self, text: str, width: float) -> str:
        """As much of a text as finds room, with … where it ends earlier."""
        if self.width(text) <= width:
            return text
        return text[: self._room(text, width - self.width("…"))] + "…"

    def lines(self, text: str, width: float) -> list[str]:
        """A text in lines that find room, broken at spaces, or anywhere where there are none."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.width(longer) <= width:
                lines[-1] = longer
                continue
            if lines[-1]:
                lines.append("")
            while word:
                room = max(1, self._room(word, width))
                lines[-1], word = word[:room], word[room:]
                lines += [""] * bool(word)
        return lines

    def _room(self, text: str, width: float) -> int:
        """How many letters of a text find room."""
        lengths = range(1, len(text) + 1)
        return bisect_right(lengths, width, key=lambda length: self.width(text[:length]))

    def _runs(self, text: str) -> list[tuple[Any, str]]:
        """Parts of a text that one font writes. Spaces and signs of format go with what is before
        them, so that scripts whose letters join stay whole."""
        runs: list[tuple[Any, str]] = []
        for letter in unicodedata.normalize("NFC", text):
            if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp"):
                letter = " "
            before = runs[-1][0] if runs else None
            unseen = letter.isspace() or unicodedata.category(letter) in ("Cf", "Mn")
            if unseen and before is not None:
                font = before
            else:
                own = (font for font in _fonts(self.size) if _has(font, letter))
                font = next(own, None)
                if font is None:
                    font = _fonts(self.size)[0]
                    if not unseen:
                        self.missing.add(letter)
                        letter = MISSING if _has(font, MISSING) else "?"
                    elif not letter.isspace():
                        continue
            if font is before:
                runs[-1] = (font, runs[-1][1] + letter)
            else:
                runs.append((font, letter))
        return runs


@cache
def _fonts(size: float) -> tuple[Any, ...]:
    """The fonts to write in; the first that has a letter writes it."""
    from PIL import ImageFont

    if importlib.util.find_spec("matplotlib") is None:
        return (ImageFont.load_default(size),)
    from matplotlib import font_manager

    families, _ = installed_fonts()
    files = [font_manager.findfont(family) for family in families]
    return tuple(ImageFont.truetype(file, size) for file in files)


@cache
def _has(font: Any, letter: str) -> bool:
    """Whether a font draws a letter as anything else than what it draws for no letter."""
    drawn, nothing = (font.getmask(one) for one in (letter, _NOWHERE))
    return letter.isspace() or (drawn.size, bytes(drawn)) != (nothing.size, bytes(nothing))
