"""Where a model looked for each word that it said of a picture, as one PNG.

    a small red circle left of a star         the picture, then the picture once for each word,
    [picture] [a] [small] [red] ...           faded, the hotter the more attention a place had
              p 0.99 · peak 0.31              (Xu et al. 2015, figure 5)

Attention lies on a grid of cells. What is drawn between the middles of two cells is interpolated;
at its middle a cell has its own weight. All words of a caption are drawn on one scale, which ends
at the highest weight of any cell, so that a word that looked nowhere in particular stays pale.

    from vision.look import draw_looks, look_at
    looks = [look_at(one.image, one) for one in captioner.caption(paths)]
    draw_looks(Path("attention.png"), looks)
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from corpora.errors import UsageError
from corpora.writing import replacing
from vision.lettering import MISSING, Lettering
from vision.picture_reading import name_of, pillow, read

if TYPE_CHECKING:
    from PIL.Image import Image

Place = tuple[int, int]  # [start, end) in characters
Region = tuple[float, float, float, float]  # left, top, right, bottom; 0 to 1 is the picture
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)

LARGEST = 384  # pixels of the longer side of a picture that is kept to be drawn
AT_MOST = 50  # pictures of one PNG
_TILE = 192  # pixels of a picture's longer side
_COLUMNS = 6  # tiles beside each other
_GAP = 14
_LINE = 21  # pixels from a line of text to the next
_COLOUR = 0.4  # how much of it a picture keeps under its heat
# From no attention to the most: red, green, blue, and how opaque.
RAMP = np.array([(255, 235, 60, 0.0), (255, 215, 0, 0.45), (255, 110, 0, 0.7), (210, 0, 40, 0.85)])


class Told(Protocol):
    """What a model said of a picture, as much of it as is shown."""

    @property
    def text(self) -> str: ...
    @property
    def words(self) -> Sequence[Place]:
        """The places of the words in the text."""

    @property
    def attention(self) -> np.ndarray | None:
        """Of each word on the cells of the picture, `[words, rows, columns]`, 0 to 1; None of a
        model without attention."""

    @property
    def word_probabilities(self) -> Sequence[float]:
        """Of each word, 0 to 1."""

    @property
    def others(self) -> Sequence[Told]:
        """Other captions of the same picture, the best first."""


@dataclass(frozen=True, eq=False)
class Look:
    """A picture, what was said of it, and where in it the grid of cells lies."""

    name: str
    picture: np.ndarray  # uint8 [height, width, 3]
    caption: Told
    region: Region = WHOLE  # of the grid
    seen: Region = WHOLE  # of what the model was shown

    @property
    def words(self) -> list[str]:
        return [self.caption.text[start:end] for start, end in self.caption.words]

    @property
    def attention(self) -> np.ndarray:
        """`[words, rows, columns]`.

        Raises:
            UsageError: the model has no attention.
        """
        if self.caption.attention is None:
            raise UsageError(
                f"{self.name}: a model without attention looks nowhere in particular: nothing to "
                "draw"
            )
        return self.caption.attention

    @property
    def others(self) -> list[Look]:
        """The same picture with each other caption."""
        return [replace(self, caption=other) for other in self.caption.others]

    @property
    def peak(self) -> float:
        """The highest weight of a cell for any word: where the scale ends."""
        return float(self.attention.max()) if self.attention.size else 0.0


def look_at(image: Any, caption: Told, region: Region = WHOLE, seen: Region = WHOLE) -> Look:
    """What was said of a picture, which is read again and kept no larger than it is drawn.

    Args:
        image: what `vision.images.read` takes.
        region: of the grid, see `vision.cells.region_of`.
        seen: of what the model was shown, see `vision.images.Placement.region`.

    Raises:
        UsageError: the picture cannot be read.
    """
    picture = np.asarray(resized(read(image), LARGEST))
    return Look(name_of(image), picture, caption, region, seen)


def heat(
    weights: np.ndarray, height: int, width: int, region: Region = WHOLE, seen: Region = WHOLE
) -> np.ndarray:
    """The weights of a grid `[rows, columns]` at each pixel of a picture, `[height, width]`.

    Bilinear between the middles of cells, level beyond the outer ones, 0 where nothing was seen.

    Args:
        region: where the grid lies in the picture; it may reach beyond it.
        seen: what of the picture the model was shown.
    """
    (left, top, right, bottom), (begin, upper, end, lower) = region, seen
    down = _spread(weights.shape[0], height, (top, bottom), (upper, lower))
    across = _spread(weights.shape[1], width, (left, right), (begin, end))
    return down @ weights.astype(float) @ across.T


def _spread(
    cells: int, pixels: int, region: tuple[float, float], seen: tuple[float, float]
) -> np.ndarray:
    """How much of each cell each pixel has, along one side: `[pixels, cells]`."""
    middles = (np.arange(pixels) + 0.5) / pixels
    inside = (middles >= seen[0]) & (middles <= seen[1])
    place = (middles - region[0]) / (region[1] - region[0]) * cells - 0.5
    near = np.clip(place, 0, cells - 1)[:, None] - np.arange(cells)
    return np.maximum(0, 1 - abs(near)) * inside[:, None]


def overlay(picture: np.ndarray, heated: np.ndarray, peak: float) -> np.ndarray:
    """A picture, its colours faded, under its heat: uint8 `[height, width, 3]`.

    Args:
        picture: uint8 `[height, width, 3]`.
        heated: `[height, width]`, 0 to `peak`, which is the ramp's end.
    """
    own = picture.astype(float)
    grey = (own @ (0.299, 0.587, 0.114))[..., None]
    level = np.clip(heated / peak if peak > 0 else heated, 0, 1)
    steps = np.linspace(0, 1, len(RAMP))
    *colour, opaque = (np.interp(level, steps, RAMP[:, part]) for part in range(4))
    # Not all colour goes, for things may differ in nothing else; and neither black nor white is
    # left, which would hide what lies on it.
    under = 50 + 0.7 * (grey + _COLOUR * (own - grey))
    mixed = under + opaque[..., None] * (np.stack(colour, -1) - under)
    return np.rint(mixed).astype(np.uint8)


def draw_looks(path: Path, looks: Sequence[Look]) -> list[str]:
    """Draws pictures, one below the other, each with its caption and where each word looked, as
    PNG. Under each word stand its probability and the highest weight of a cell.

    Returns what there is to tell: characters that no font can write.

    Raises:
        UsageError: there is no picture, or more than `AT_MOST`, or a model without attention;
            Pillow is not installed, or `path` cannot be written.
    """
    pillow()
    if not looks:
        raise UsageError("there is no picture to draw")
    if len(looks) > AT_MOST:
        raise UsageError(
            f"{path}: {len(looks):,} pictures are too many for one PNG, which holds {AT_MOST}: "
            "write an HTML page"
        )
    from PIL import Image

    large, small = Lettering(16), Lettering(13)
    drawn = [_drawn(look, large, small) for look in looks]
    sheet = Image.new(
        "RGB", (max(one.width for one in drawn), sum(one.height for one in drawn)), "white"
    )
    top = 0
    for one in drawn:
        sheet.paste(one, (0, top))
        top += one.height
    with replacing(path) as part:
        sheet.save(part, format="PNG")
    if not (missing := sorted(large.missing | small.missing)):
        return []
    shown = " ".join(missing[:12]) + (" …" if len(missing) > 12 else "")
    return [
        f"{path}: {MISSING} stands for {len(missing):,} characters that no font at hand can write "
        f"({shown}): install unrolled[plots] and the Noto fonts, or write an HTML page, whose "
        "reader has fonts"
    ]


def resized(picture: np.ndarray, longest: int, *, enlarge: bool = False) -> Image:
    """A picture for Pillow whose longer side is `longest` pixels, or fewer where it is smaller."""
    from PIL import Image

    image = Image.fromarray(picture)
    share = longest / max(image.size)
    if share > 1 and not enlarge:
        return image
    width, height = (max(1, round(side * share)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def embedded(picture: np.ndarray, longest: int) -> str:
    """A picture inside of a page: small ones as they are, others as JPEG."""
    image, file = resized(picture, longest), io.BytesIO()
    kind = "jpeg" if max(image.size) > 128 else "png"
    image.save(file, format=kind, quality=88)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _drawn(look: Look, large: Lettering, small: Lettering) -> Image:
    """One picture and its words."""
    from PIL import Image, ImageDraw

    attention, peak = look.attention, look.peak
    picture = np.asarray(resized(look.picture, _TILE, enlarge=True))
    height, width = picture.shape[:2]
    tile = max(width, _TILE * 3 // 4)  # room for what stands below a narrow picture
    columns = min(_COLUMNS, 1 + len(look.words))
    whole = max(columns, 4) * (tile + _GAP) + _GAP
    lines = large.lines(look.caption.text, whole - 2 * _GAP)
    first = _GAP + _LINE * (1 + len(lines)) + _GAP // 2
    row = height + 2 * _LINE + _GAP
    rows = -(-(1 + len(look.words)) // columns)
    sheet = Image.new("RGB", (whole, first + rows * row), "white")
    draw = ImageDraw.Draw(sheet)
    small.write(draw, (_GAP, _GAP), small.cut(look.name, whole - 2 * _GAP), "#666666")
    for number, line in enumerate(lines, 1):
        large.write(draw, (_GAP, _GAP + number * _LINE), line)
    sheet.paste(Image.fromarray(picture), (_GAP, first))
    _write_scale(sheet, (_GAP, first + height + 6), tile, peak, small)
    chances = look.caption.word_probabilities
    for number, (word, weights) in enumerate(zip(look.words, attention, strict=True), 1):
        x = _GAP + number % columns * (tile + _GAP)
        y = first + number // columns * row
        heated = heat(weights, height, width, look.region, look.seen)
        sheet.paste(Image.fromarray(overlay(picture, heated, peak)), (x, y))
        large.write(draw, (x, y + height + 12), large.cut(word, tile))
        below = f"p {chances[number - 1]:.2f} · peak {weights.max():.2g}"
        small.write(draw, (x, y + height + 12 + _LINE - 2), small.cut(below, tile), "#666666")
    return sheet


def _write_scale(
    sheet: Image, place: tuple[int, int], width: int, peak: float, small: Lettering
) -> None:
    """The ramp, from no attention to the most that a cell has."""
    from PIL import Image, ImageDraw

    x, y = place
    ramp = np.tile(np.linspace(0, 1, width), (10, 1))
    grey = np.full((10, width, 3), 128, np.uint8)
    sheet.paste(Image.fromarray(overlay(grey, ramp, 1.0)), (x, y))
    draw, most = ImageDraw.Draw(sheet), f"{peak:.2g}"
    small.write(draw, (x, y + 20), "0", "#666666")
    small.write(draw, (x + width - small.width(most), y + 20), most, "#666666")
    middle = "of the attention"
    left = x + (width - small.width(middle)) / 2
    small.write(draw, (left, y + 20), middle, "#666666")
