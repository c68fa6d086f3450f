"""Boxes on pictures, as PNG: what a detector found, what it got wrong, and its curves.

    draw_found(Path("found.png"), "photo.jpg", detected.boxes)            one picture
    judged = [judge(one.boxes, item.boxes) for one, item in zip(...)]
    looks = [look_at(items[row].image, judged[row]) for row in worst(judged, 30)]
    draw_mistakes(Path("worst.png"), looks)                               the worst pictures
    draw_curves(Path("curves.png"), scores)                               precision and recall

Lines lie between a dark and a light one, and names stand on plates, so that both are seen on any
ground. Small pictures are enlarged. `vision.look_boxes_page` makes a page of the same looks.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from corpora.errors import UsageError
from corpora.writing import replacing
from nlp.core import curves
from vision.average_precision import DetectionScores, FoundPlace, Place
from vision.detection_mistakes import Judged, Kind, Mistake
from vision.lettering import MISSING, Lettering
from vision.look import resized
from vision.picture_reading import name_of, pillow, read

Colour = tuple[int, int, int]
Corners = tuple[float, float, float, float]
Role = Literal["right"] | Kind

LONGEST = 480  # pixels of a picture's longer side on sheets and pages
AT_MOST = 60  # pictures of one PNG
# Told apart by most people who do not see all colours (Okabe and Ito 2008), without black.
PALETTE: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
)
ROLES: dict[Role, Colour] = {
    "right": (0, 158, 115),
    "missed": (204, 60, 190),
    "wrong class": (230, 159, 0),
    "badly placed": (240, 228, 66),
    "double": (86, 180, 233),
    "false": (225, 40, 30),
}
_LEAST = 320  # pixels of the longer side of a picture that is drawn alone
_GAP = 12
_DASH = 6


class Mark(NamedTuple):
    """A box as it is drawn."""

    corners: Corners
    text: str  # "" for none
    colour: Colour
    role: Role = "right"
    dashed: bool = False  # what is there, and was not found


@dataclass(frozen=True, eq=False)
class Look:
    """A picture and its marks, in pixels of that picture."""

    name: str
    picture: np.ndarray  # uint8 [height, width, 3]
    marks: tuple[Mark, ...]
    judged: Judged


def colours(labels: Sequence[str]) -> dict[str, Colour]:
    """A colour for each class: the same for the same list."""
    return {label: _colour(number) for number, label in enumerate(labels)}


def look_at(image: Any, judged: Judged, *, name: str | None = None, longest: int = LONGEST) -> Look:
    """A picture with what is right and wrong in it, which is read again and scaled.

    Args:
        image: what `vision.images.read` takes.
        name: what stands above it; None: the name of its file.
        longest: pixels of its longer side; smaller ones are enlarged.

    Raises:
        UsageError: the picture cannot be read.
    """
    whole = read(image)
    picture = np.asarray(resized(whole, longest, enlarge=True))
    scale = picture.shape[1] / whole.shape[1], picture.shape[0] / whole.shape[0]
    marks = [Mark(_scaled(find, scale), "", ROLES["right"]) for find, _ in judged.right]
    for mistake in reversed(judged.mistakes):  # the worst lie on top
        marks += _marks(mistake, scale)
    return Look(name_of(image) if name is None else name, picture, tuple(marks), judged)


def draw_found(
    path: Path, image: Any, boxes: Sequence[FoundPlace], labels: Sequence[str] = ()
) -> list[str]:
    """A picture with the boxes that were found in it, as PNG of at least 320 pixels.

    Args:
        labels: the detector's classes, for colours that are the same on all its pictures.

    Returns:
        What there is to tell: characters that no font can write.

    Raises:
        UsageError: the picture cannot be read, or `path` not be written.
    """
    whole = read(image)
    drawn = np.asarray(resized(whole, max(_LEAST, *whole.shape[:2]), enlarge=True))
    scale = drawn.shape[1] / whole.shape[1], drawn.shape[0] / whole.shape[0]
    own = colours([*labels, *sorted({box.label for box in boxes} - set(labels))])
    ordered = sorted(boxes, key=lambda box: box.score)  # the surest lie on top
    marks = [
        Mark(_scaled(box, scale), f"{box.label} {box.score:.2f}", own[box.label]) for box in ordered
    ]
    letters = Lettering(max(13, round(max(drawn.shape) / 55)))
    return _saved(path, _marked(drawn, marks, letters), letters)


def draw_mistakes(path: Path, looks: Sequence[Look], *, columns: int = 3) -> list[str]:
    """Pictures beside each other, each with its mistakes, and what the colours mean, as PNG.

    Returns what there is to tell: characters that no font can write.

    Raises:
        UsageError: there is no picture, or more than `AT_MOST`; or `path` cannot be written.
    """
    pillow()
    if not looks:
        raise UsageError("there is no picture to draw")
    if len(looks) > AT_MOST:
        raise UsageError(
            f"{path}: {len(looks):,} pictures are too many for one PNG, which holds {AT_MOST}: "
            "write an HTML page"
        )
    from PIL import Image, ImageDraw

    letters = Lettering(14)
    columns = min(columns, len(looks))
    wide = max(LONGEST, *(look.picture.shape[1] for look in looks))
    rows = [looks[start : start + columns] for start in range(0, len(looks), columns)]
    heights = [max(look.picture.shape[0] for look in row) + 2 * _GAP + 20 for row in rows]
    sheet = Image.new("RGB", (columns * (wide + _GAP) + _GAP, sum(heights) + 40), "white")
    draw, x = ImageDraw.Draw(sheet), float(_GAP)
    for role, colour in ROLES.items():
        draw.rectangle((x, 14, x + 14, 28), colour, "black")
        letters.write(draw, (x + 20, 21), role)
        x += 34 + letters.width(role)
    top = 40
    for row, height in zip(rows, heights, strict=True):
        for place, look in enumerate(row):
            left = _GAP + place * (wide + _GAP)
            letters.write(draw, (left, top + 10), letters.cut(look.name, wide), "#444444")
            sheet.paste(_marked(look.picture, look.marks, letters), (left, top + 22))
        top += height
    return _saved(path, sheet, letters)


def draw_curves(path: Path, scores: DetectionScores, *, most: int = 12) -> None:
    """Precision over recall of each class at an IoU of 0.5, as PNG; the threshold of the best F1
    is a dot. Of more than `most` classes those with the most true boxes.

    Raises:
        UsageError: matplotlib is not installed, or `path` cannot be written.
    """
    curves.require()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), layout="constrained")
    there = [name for name, one in scores.per_class.items() if one.truth]
    chosen = sorted(there, key=lambda name: -scores.per_class[name].truth)[:most]
    title = f"mAP@0.5 {scores.ap50:.3f}, mAP@0.5:0.95 {scores.ap:.3f}"
    if len(chosen) < len(there):
        title += f"; {len(chosen)} of {len(there)} classes"
    axes = figure.add_subplot(xlabel="recall", ylabel="precision", title=title)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    for name in sorted(chosen, key=list(scores.curves).index):
        curve = scores.curves[name]
        colour = tuple(part / 255 for part in _colour(list(scores.curves).index(name)))
        label = f"{name} {scores.per_class[name].ap50:.3f}"
        axes.plot([0, *curve.recall], [1, *curve.precision], color=colour, label=label)
        f1, threshold = curve.best_f1
        if f1 > 0:
            best = int(np.flatnonzero(curve.score == threshold)[0])
            place = curve.recall[best], curve.precision[best]
            axes.plot(*place, "o", color=colour)
            axes.annotate(
                f"{threshold:.2f}",
                place,
                (-4, -6),
                textcoords="offset points",
                ha="right",
                va="top",
            )
    axes.grid(alpha=0.3)
    if chosen:
        axes.legend(title="AP@0.5", loc="lower left")
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=150)


def told(mistake: Mistake) -> str:
    """A mistake in a few words."""
    found, truth = mistake.found, mistake.truth
    if found is None:
        return f"missed {truth.label if truth else ''}"
    if mistake.kind == "wrong class" and truth is not None:
        return f"{found.label} {found.score:.2f}, is {truth.label}"
    if mistake.kind == "badly placed":
        return f"{found.label} {found.score:.2f}, IoU {mistake.overlap:.2f}"
    return f"{found.label} {found.score:.2f}"


def _marks(mistake: Mistake, scale: tuple[float, float]) -> list[Mark]:
    """A find that is wrong, under it the box that it should have been."""
    kind, marks = mistake.kind, list[Mark]()
    colour, text = ROLES[kind], told(mistake)
    if mistake.truth is not None and kind in ("missed", "badly placed"):
        own = text if mistake.found is None else ""
        marks.append(Mark(_scaled(mistake.truth, scale), own, colour, kind, dashed=True))
    if mistake.found is not None:
        marks.append(Mark(_scaled(mistake.found, scale), text, colour, kind))
    return marks


def _scaled(box: Place, scale: tuple[float, float]) -> Corners:
    across, down = scale
    return box.left * across, box.top * down, box.right * across, box.bottom * down


def _colour(number: int) -> Colour:
    if number < len(PALETTE):
        return PALETTE[number]
    # Steps of the golden angle never come back to the same hue.
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618 % 1, 0.75, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def _marked(picture: np.ndarray, marks: Sequence[Mark], letters: Lettering) -> Any:
    """A picture for Pillow, with boxes, and above those their names."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    wide = max(2, round(letters.size / 8))
    for mark in marks:
        _outline(draw, mark, wide, image.size)
    plates: list[Corners] = []
    for mark in marks:
        if mark.text:
            plates.append(_plate(draw, mark, letters, image.size, plates))
    return image


def _outline(draw: Any, mark: Mark, wide: int, size: tuple[int, int]) -> None:
    """Drawn inside of the picture, even where the box ends at its edge."""
    left, top, right, bottom = (round(side) for side in mark.corners)
    right, bottom = min(right, size[0] - 1), min(bottom, size[1] - 1)
    left, top = min(max(left, 0), right), min(max(top, 0), bottom)
    layers: list[tuple[int, Any]] = [(1, "black"), (0, mark.colour), (-wide, "white")]
    for out, colour in layers:
        x, y, z, w = left - out, top - out, right + out, bottom + out
        if z - x < 0 or w - y < 0 or (mark.dashed and colour == "white"):
            continue
        width = wide if colour == mark.colour else 1
        if not mark.dashed or colour == "black":
            draw.rectangle((x, y, z, w), outline=colour, width=width + 2 * (out > 0 and wide > 1))
            continue
        for start in range(x, z, 2 * _DASH):
            end = min(start + _DASH, z)
            draw.rectangle((start, y, end, y + width - 1), colour)
            draw.rectangle((start, w - width + 1, end, w), colour)
        for start in range(y, w, 2 * _DASH):
            end = min(start + _DASH, w)
            draw.rectangle((x, start, x + width - 1, end), colour)
            draw.rectangle((z - width + 1, start, z, end), colour)


def _plate(
    draw: Any, mark: Mark, letters: Lettering, size: tuple[int, int], others: Sequence[Corners]
) -> Corners:
    """Writes a box's name on a plate: above it, or where it hides no other plate."""
    wide, high = letters.width(mark.text) + 6, letters.size + 4
    left, top, right, bottom = mark.corners
    places = [(left, top - high), (left, bottom), (right - wide, top - high), (left, top)]
    places += [(right - wide, bottom), (left, bottom - high), (right, top)]
    kept = [
        (min(max(0.0, x), max(0.0, size[0] - wide)), min(max(0.0, y), max(0.0, size[1] - high)))
        for x, y in places
    ]
    clear = [
        (x, y)
        for x, y in kept
        if all(x >= o[2] or x + wide <= o[0] or y >= o[3] or y + high <= o[1] for o in others)
    ]
    x, y = (clear or kept)[0]
    plate = (x, y, x + wide, y + high)
    draw.rectangle((x, y, plate[2] - 1, plate[3] - 1), mark.colour, outline="black")
    bright = np.dot(mark.colour, (0.299, 0.587, 0.114)) > 128
    letters.write(draw, (x + 3, y + high / 2), mark.text, "black" if bright else "white")
    return plate


def _saved(path: Path, image: Any, letters: Lettering) -> list[str]:
    with replacing(path) as part:
        image.save(part, format="PNG")
    if not letters.missing:
        return []
    shown = " ".join(sorted(letters.missing)[:12])
    return [
        f"{path}: {MISSING} stands for {len(letters.missing):,} characters that no font at hand "
        f"can write ({shown}): install unrolled[plots] and the Noto fonts"
    ]
