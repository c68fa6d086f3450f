"""Pairs of faces with their distances, and how well a threshold parts them, as PNG.

accepted, but two people         the worst mistakes: those nearest together of two people,
[face][face] [face][face]        those furthest apart of one
 0.31         0.38

from vision.look_faces import Section, draw_pairs, mistakes
accepted, rejected = mistakes(pairs, threshold, most=12)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from corpora.errors import UsageError
from corpora.writing import replacing
from nlp.core import curves
from vision.calibration import Calibration, Pairs
from vision.lettering import MISSING, Lettering
from vision.look import resized
from vision.picture_reading import name_of, pillow, read

if TYPE_CHECKING:
    from PIL.Image import Image

AT_MOST = 200  # pairs of one PNG
_SIDE, _GAP, _LINE = 104, 16, 19  # pixels
_COLUMNS = 4  # pairs beside each other
_OF_TWO = 2  # mistakes that are shown of the same two people


class Shown(NamedTuple):
    """A pair that is drawn."""

    first: Any  # what `vision.images.read` takes
    second: Any
    distance: float
    names: tuple[str, str]  # written below the pictures


class Section(NamedTuple):
    """Pairs under a heading."""

    heading: str
    pairs: Sequence[Shown]
    colour: str  # of their frames


def mistakes(pairs: Pairs, threshold: float, most: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the worst pairs: two people that are accepted, the nearest first, and one
    person that is rejected, the furthest first; of the same two people no more than two."""
    accepted = pairs.distances <= threshold
    order = np.argsort(pairs.distances, kind="stable")
    false_accepts = order[(accepted & ~pairs.same)[order]]
    false_rejects = order[(~accepted & pairs.same)[order]][::-1]
    return _several(pairs, false_accepts, most), _several(pairs, false_rejects, most)


def _several(pairs: Pairs, rows: np.ndarray, most: int) -> np.ndarray:
    """The first of these pairs, but not all of the same two people."""
    if pairs.people is None:
        return rows[:most]
    counts: Counter[frozenset[int]] = Counter()
    kept = []
    for row in rows.tolist():
        sides = pairs.first[row], pairs.second[row]
        whose = frozenset(int(pairs.people[side]) for side in sides)
        counts[whose] += 1
        if counts[whose] <= _OF_TWO:
            kept.append(row)
            if len(kept) == most:
                break
    return np.array(kept, int)


def draw_pairs(path: Path, sections: Sequence[Section], title: str = "") -> list[str]:
    """Draws pairs of faces, four beside each other, each with its distance and names, as PNG.

    Returns what there is to tell: characters that no font can write.

    Raises:
        UsageError: there are more than `AT_MOST` pairs, a picture cannot be read, Pillow is not
            installed, or `path` cannot be written.
    """
    pillow()
    count = sum(len(section.pairs) for section in sections)
    if count > AT_MOST:
        raise UsageError(f"{path}: {count:,} pairs are too many for one PNG, of {AT_MOST} at most")
    from PIL import Image, ImageDraw

    large, small = Lettering(16), Lettering(13)
    tile, row = 2 * _SIDE + _GAP, _SIDE + 2 * _LINE + _GAP
    rows = [max(1, -(-len(section.pairs) // _COLUMNS)) for section in sections]
    width = _COLUMNS * (tile + _GAP) + _GAP
    height = _GAP + 2 * _LINE + sum(2 * _LINE + many * row for many in rows)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    large.write(draw, (_GAP, _GAP + 8), large.cut(title, width - 2 * _GAP))
    y = _GAP + 2 * _LINE
    for section, many in zip(sections, rows, strict=True):
        large.write(draw, (_GAP, y + 8), large.cut(section.heading, width - 2 * _GAP))
        y += 2 * _LINE
        if not section.pairs:
            small.write(draw, (_GAP, y + 8), "none", "#666666")
        for number, pair in enumerate(section.pairs):
            left = _GAP + number % _COLUMNS * (tile + _GAP)
            top = y + number // _COLUMNS * row
            for side, (image, name) in enumerate(
                zip((pair.first, pair.second), pair.names, strict=True)
            ):
                at = left + side * (_SIDE + 4)
                sheet.paste(_square(image), (at, top))
                small.write(draw, (at, top + _SIDE + 11), small.cut(name, _SIDE), "#666666")
            frame = (left - 3, top - 3, left + 2 * _SIDE + 6, top + _SIDE + 2)
            draw.rectangle(frame, outline=section.colour, width=2)
            below = f"distance {pair.distance:.3f}"
            small.write(draw, (left, top + _SIDE + 11 + _LINE - 2), below)
        y += many * row
    with replacing(path) as part:
        sheet.save(part, format="PNG")
    if not (missing := sorted(large.missing | small.missing)):
        return []
    return [
        f"{path}: {MISSING} stands for {len(missing):,} characters that no font at hand can write "
        f"({' '.join(missing[:12])}): install unrolled[plots] and the Noto fonts"
    ]


def _square(image: Any) -> Image:
    """A picture in the middle of a square."""
    from PIL import Image

    small = resized(read(image), _SIDE, enlarge=True)
    square = Image.new("RGB", (_SIDE, _SIDE), "#eeeeee")
    square.paste(small, ((_SIDE - small.width) // 2, (_SIDE - small.height) // 2))
    return square


def shown(
    pairs: Pairs, rows: np.ndarray, images: Sequence[Any], names: Sequence[str]
) -> list[Shown]:
    """Some of the pairs, by their numbers, of these pictures."""
    found = []
    for row in rows.tolist():
        a, b = int(pairs.first[row]), int(pairs.second[row])
        sides = names[a] or name_of(images[a]), names[b] or name_of(images[b])
        found.append(Shown(images[a], images[b], float(pairs.distances[row]), sides))
    return found


def draw_calibration(path: Path, pairs: Pairs, found: Calibration) -> None:
    """Draws the distances of both kinds of pairs with the threshold, and the ROC curve, as PNG.

    Raises:
        UsageError: the extra is not installed, or `path` cannot be written.
    """
    curves.require()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(0, float(pairs.distances.max()), 61).tolist()
    for kind, colour, name in ((pairs.same, "#4c78a8", "one person"),
                               (~pairs.same, "#e45756", "two people")):  # fmt: skip
        left.hist(
            pairs.distances[kind],
            bins=bins,
            weights=np.full(int(kind.sum()), 1 / kind.sum()),
            alpha=0.6,
            color=colour,
            label=f"{name}: {int(kind.sum()):,} pairs",
        )
    left.axvline(found.threshold, color="black", linewidth=1.2)
    left.set_title(
        f"threshold {found.threshold:.3f}: accepts {found.tar.value:.1%} of one person,\n"
        f"{found.far.value:.2%} of two people"
    )
    left.set(xlabel="distance", ylabel="share of the pairs")
    left.legend()
    curve, least = found.roc, 0.5 / found.different
    right.step(np.maximum(curve.far, least), curve.tar, where="post", color="#4c78a8")
    right.plot([max(found.far.value, least)], [found.tar.value], "o", color="black")
    right.set_xscale("log")
    right.set(xlim=(least, 1), ylim=(0, 1.02))
    right.set(xlabel="false-accept rate", ylabel="true-accept rate")
    right.set_title(f"ROC: area {found.auc.value:.4f}\nequal error rate {found.eer.value:.2%}")
    right.grid(alpha=0.3, which="both")
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=130)
