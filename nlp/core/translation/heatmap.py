"""Attention between the words of a sentence and those of its translation, as a picture or as text.

The
│ white
│ │ house
██· ·  La
· ░░▓▓ maison        a row for each word of the translation, as dark as it looked at the words
· ██·  blanche       above (Bahdanau et al. 2015, figure 3)

from nlp.core.translation.heatmap import draw_heatmap, text_heatmap
print(*text_heatmap(weights, source_words, target_words), sep="\\n")
draw_heatmap(Path("attention.png"), weights, source_words, target_words)
"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from corpora.errors import UsageError
from corpora.writing import replacing
from nlp.core.fonts import installed_fonts

CELLS = ("· ", "░░", "▒▒", "▓▓", "██")  # below 1/8, 3/8, 5/8, 7/8, and above
_CELL = 0.3  # inches of a picture
_LARGEST = 24.0  # inches: longer sentences have smaller cells
_MISSING = "\N{WHITE VERTICAL RECTANGLE}"
_SHAPING = (3, 11)  # from this version on matplotlib writes right-to-left and joined letters well


def text_heatmap(
    weights: np.ndarray,
    source_words: Sequence[str],
    target_words: Sequence[str],
    *,
    width: int = 80,
) -> list[str]:
    """The weights `[target words, source words]`, 0 to 1, as lines of text.

    Every source word hangs over its column and every target word stands behind its row, so that no
    word's width, which terminals do not agree on, can move a cell. A source that finds no room in
    `width` columns is drawn in parts, one below the other.
    """
    margin = max(map(_width, target_words), default=0) + 1
    lines: list[str] = []
    for start, end in _parts(source_words, width, margin):
        lines += ["│ " * column + word for column, word in enumerate(source_words[start:end])]
        for row, word in zip(weights[:, start:end], target_words, strict=True):
            levels = np.rint(np.clip(row, 0, 1) * (len(CELLS) - 1)).astype(int)
            lines.append("".join(CELLS[level] for level in levels) + f" {word}")
        lines.append("")
    return lines[:-1]


def _parts(words: Sequence[str], width: int, margin: int) -> Iterator[tuple[int, int]]:
    """Ranges of source words that find room beside each other, each with one word or more."""
    start = 0
    for number, word in enumerate(words):
        columns = 2 * (number - start)
        if number > start and columns + max(2 + margin, _width(word)) > width:
            yield start, number
            start = number
    if words:
        yield start, len(words)


def _width(word: str) -> int:
    """About how many columns of a terminal a word takes."""
    return sum(
        1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in word
        if unicodedata.category(letter) not in ("Mn", "Me", "Cf")
    )


def require() -> None:
    """Raises a UsageError where the extra is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("plots need matplotlib: install it with pip install 'unrolled[plots]'")


def draw_heatmap(
    path: Path,
    weights: np.ndarray,
    source_words: Sequence[str],
    target_words: Sequence[str],
    *,
    title: str = "",
) -> list[str]:
    """Draws the weights `[target words, source words]`, 0 to 1, as PNG; black is 1.

    Returns what there is to tell: which characters no font can write, and that an older matplotlib
    does not turn words that are written from right to left.

    Raises:
        UsageError: a side has no word, matplotlib is not installed, or `path` cannot be written.
    """
    require()
    if not source_words or not target_words:
        raise UsageError("a heatmap needs words on both sides: one has none")
    from matplotlib import __version_info__
    from matplotlib.figure import Figure

    families, letters = installed_fonts()
    text = "".join([*source_words, *target_words, title])
    missing = sorted({letter for letter in text if letter not in letters and _is_seen(letter)})
    table = {ord(letter): _MISSING for letter in missing}
    table |= {ord(letter): "" for letter in set(text) - letters if not _is_seen(letter)}
    remarks = []
    if missing:
        shown = " ".join(missing[:12]) + (" …" if len(missing) > 12 else "")
        remarks.append(
            f"{path}: {_MISSING} stands for {len(missing):,} characters that no font installed "
            f"can write ({shown}): install the Noto fonts, or write an HTML page, whose reader has "
            "fonts"
        )
    if __version_info__[:2] < _SHAPING and any(
        unicodedata.bidirectional(letter) in ("R", "AL") for letter in text
    ):
        remarks.append(
            f"{path}: words that are written from right to left stand in reverse: "
            f"matplotlib {'.'.join(map(str, _SHAPING))} or later writes them well"
        )
    cell = min(_CELL, _LARGEST / max(weights.shape))
    size = min(11.0, cell * 72 * 0.6)  # of the letters, in points
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    image = axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    look = {"fontsize": size, "family": families, "parse_math": False}  # "$x$" is a word here
    axes.set_xticks(
        range(len(source_words)),
        [word.translate(table) for word in source_words],
        rotation=90,
        **look,
    )
    axes.set_yticks(
        range(len(target_words)), [word.translate(table) for word in target_words], **look
    )
    axes.tick_params(bottom=False, labelbottom=False, top=False, labeltop=True, left=False)
    axes.set_xticks(np.arange(len(source_words) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(target_words) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_color("#888888")
    if title:
        axes.set_title(title.translate(table), pad=8, family=families, parse_math=False)
    width, height = cell * len(source_words), cell * len(target_words)
    figure.set_size_inches(width, height)
    figure.colorbar(
        image, cax=axes.inset_axes((1 + 0.15 / width, 0, 0.1 / width, 1)), ticks=(0, 0.5, 1)
    )
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=150, bbox_inches="tight", pad_inches=0.1)
    return remarks


def _is_seen(letter: str) -> bool:
    """Whether a character is more than a joiner, a mark's variant or another sign of format."""
    hidden = unicodedata.category(letter) == "Cf" or unicodedata.name(letter, "").startswith(
        "VARIATION SELECTOR"
    )
    return not hidden
