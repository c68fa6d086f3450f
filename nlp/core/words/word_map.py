"""Word vectors in the plane: a map of words, and word pairs with their parallel offsets.

    Norway · · Sweden                  queen ◄───── king
        · Denmark                        ▲            ▲       of two hundred directions two remain,
                    piano ·              woman ◄──── man      so near points may lie far apart
                  violin · · cello

A map is made of vectors at length 1, for it is their angles that mean something. t-SNE (van der
Maaten & Hinton 2008) and UMAP (McInnes et al. 2018) keep neighbours together and bend the rest; PCA
bends nothing, it looks along the two directions of most variance.

    from nlp.core.words.word_map import draw_map, project
    words = vectors.words[:1000]
    draw_map(Path("map.png"), words, project(vectors, words))
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from corpora.errors import UsageError, check_choice
from corpora.writing import replacing
from nlp.core.fonts import installed_fonts
from nlp.core.words.word_vectors import WordVectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Method = Literal["pca", "tsne", "umap"]

# Below the library's own: its spectral start needs more points than it has neighbours.
_FEWEST = {"pca": 3, "tsne": 3, "umap": 5}
_NEIGHBOURS = 15  # UMAP's default
_PERPLEXITY = 30.0  # t-SNE's default: about how many neighbours a point looks at
_ABOVE = 4  # drawing order of the dots: no halo of a name may hide one
_PLACES = (  # of a label beside its point, in font sizes, with its alignment; the best first
    *((0.4, 0.0, "left", "center"), (-0.4, 0.0, "right", "center")),
    *((0.0, 0.4, "center", "bottom"), (0.0, -0.4, "center", "top")),
    *((0.3, 0.3, "left", "bottom"), (-0.3, 0.3, "right", "bottom")),
    *((0.3, -0.3, "left", "top"), (-0.3, -0.3, "right", "top")),
)


def require(*modules: str) -> None:
    """Raises a UsageError that names the extra, where one of its modules is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            package = {"sklearn": "scikit-learn", "umap": "umap-learn"}.get(module, module)
            extra = "umap" if module == "umap" else "plots"
            raise UsageError(
                f"maps of words need {package}: install it with pip install 'unrolled[{extra}]'"
            )


def _directions(vectors: WordVectors, words: Sequence[str]) -> np.ndarray:
    """The vectors of words at length 1, `[len(words), size]`; zeros stay.

    Raises:
        UsageError: a word is unknown, or there is no plane to lay through the vectors.
    """
    rows = np.stack([vectors[word] for word in words])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(lengths > 0, lengths, 1)
    if vectors.size < 2:
        raise UsageError("vectors of a single number: a map needs two or more")
    if (rows == rows[0]).all():
        raise UsageError(f"{len(words)} words that all point the same way: there is nothing to see")
    return rows


def project(
    vectors: WordVectors, words: Sequence[str], method: Method = "tsne", seed: int = 0
) -> np.ndarray:
    """Points in the plane, `[len(words), 2]` float32, near each other for words used alike.

    Raises:
        UsageError: words are too few or unknown, or the extra is not installed.
    """
    check_choice("method", method, Method)
    if len(words) < _FEWEST[method]:
        raise UsageError(f"{len(words)} words: a map by {method} needs {_FEWEST[method]} or more")
    require("sklearn" if method != "umap" else "umap")
    rows = _directions(vectors, words)
    if method == "pca":
        return _principal(rows)[0]
    # Squared distances of vectors at length 1 are 2 - 2 cos: both methods see cosines.
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(_PERPLEXITY, (len(words) - 1) / 3)
        points = TSNE(perplexity=perplexity, random_state=seed).fit_transform(rows)
    else:
        from umap import UMAP

        neighbours = min(_NEIGHBOURS, len(words) - 1)
        points = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(rows)
    return np.asarray(points, np.float32)


def _principal(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows on the two axes of most variance, `[n, 2]`, and the share of variance they hold."""
    from sklearn.decomposition import PCA

    pca = PCA(n_components=2, svd_solver="full")
    points = np.asarray(pca.fit_transform(rows), np.float32)
    return points, float(pca.explained_variance_ratio_.sum())


def draw_map(path: Path, words: Sequence[str], points: np.ndarray, *, title: str = "") -> int:
    """Draws words at their points `[words, 2]` as PNG; returns how many have their name shown.

    Every word is a dot. Names go to the first words, as many as find room beside their dots.

    Raises:
        UsageError: no word can be written with the fonts installed, or matplotlib is not.
    """
    figure, axes = _canvas(title)
    axes.scatter(
        points[:, 0], points[:, 1], s=9, color="#4c78a8", alpha=0.6, linewidths=0, zorder=_ABOVE
    )
    named = sum(_name(figure, words, points, size=8))
    if words and not named:
        raise UsageError(
            f"no font installed can write words such as {words[0]!r}: install the Noto fonts, or "
            "write an HTML page, whose reader has fonts"
        )
    _write(figure, path)
    return named


def draw_pairs(path: Path, vectors: WordVectors, pairs: Sequence[tuple[str, str]]) -> float:
    """Draws pairs of words with their offsets, arrows from the first to the second, as PNG.

    The plane is that of a PCA of the pairs' words (Mikolov et al. 2013b, figure 2). What looks
    parallel there need not be: the mean cosine between the offsets of two pairs, in all dimensions,
    is written on the picture and returned.

    Raises:
        UsageError: there are fewer than two pairs, or a word is unknown.
    """
    if len(pairs) < 2:
        raise UsageError(f"{len(pairs)} pairs: expected two or more, to compare their directions")
    require("sklearn")
    words = list(dict.fromkeys(word for pair in pairs for word in pair))
    rows = _directions(vectors, words)
    points, share = _principal(rows)
    ends = np.array([[words.index(word) for word in pair] for pair in pairs])
    likeness = _mean_cosine(rows[ends[:, 1]] - rows[ends[:, 0]])
    figure, axes = _canvas(
        f"offsets of {len(pairs)} pairs: mean cosine {likeness:.2f} between two of them\n"
        f"in all {vectors.size} dimensions; the plane holds {share:.0%} of the variance"
    )
    for first, second in ends:
        axes.annotate(
            "",
            xy=points[second],
            xytext=points[first],
            arrowprops={"arrowstyle": "-|>", "color": "#e45756", "shrinkA": 4, "shrinkB": 4},
        )
    for column, colour in ((0, "#4c78a8"), (1, "#f58518")):
        dots = points[ends[:, column]]
        axes.scatter(dots[:, 0], dots[:, 1], s=36, color=colour, zorder=_ABOVE)
    arrows = np.linspace(points[ends[:, 0]], points[ends[:, 1]], 50).reshape(-1, 2)
    list(_name(figure, words, points, size=11, beside=arrows))
    _write(figure, path)
    return likeness


def _mean_cosine(offsets: np.ndarray) -> float:
    """The mean cosine between two different rows of `[n, size]`."""
    lengths = np.linalg.norm(offsets, axis=1, keepdims=True)
    rows = offsets / np.where(lengths > 0, lengths, 1)
    cosines = rows @ rows.T
    return float(cosines[np.triu_indices(len(rows), 1)].mean())


def _canvas(title: str) -> tuple[Figure, Axes]:
    """A page without scales: in a projection only what is near what has a meaning."""
    require("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.92), xticks=[], yticks=[])
    axes.spines[:].set_color("#dddddd")
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    return figure, axes


def _write(figure: Figure, path: Path) -> None:
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=150)


def _name(
    figure: Figure,
    words: Sequence[str],
    points: np.ndarray,
    *,
    size: float,
    beside: np.ndarray | None = None,
) -> Iterator[bool]:
    """Writes words beside their points where they cover no other; yields whether one was written.

    The first words choose first. With `beside`, points `[n, 2]` to stand clear of, a word that
    finds no room is written all the same.
    """
    from matplotlib import patheffects

    families, letters = installed_fonts()
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    axes = figure.axes[0]
    figure.draw_without_rendering()  # the limits of the axes are known from here on
    page = axes.get_window_extent()
    # Left, bottom, right and top of what is taken, in pixels.
    taken = np.zeros((0, 4))
    if beside is not None:
        taken = np.tile(axes.transData.transform(beside), 2)
    for word, point in zip(words, points, strict=True):
        text: Any = axes.annotate(
            word,
            point,
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=size,
            family=families,
            path_effects=halo,
            parse_math=False,  # "$x$" is a word here
        )
        legible = bool(word.strip()) and letters.issuperset(word)
        for right, up, horizontal, vertical in _PLACES if legible else ():
            text.set(position=(right * size, up * size), ha=horizontal, va=vertical)
            box = text.get_window_extent()
            inside = box.x0 > page.x0 and box.x1 < page.x1 and page.y0 < box.y0 < box.y1 < page.y1
            # A gap to what is at the side: two names without one read as a single word.
            below, above = taken[:, 2:] < (box.x0 - 3, box.y0), taken[:, :2] > (box.x1 + 3, box.y1)
            if inside and (below | above).any(axis=1).all():
                break
        else:
            if beside is None or not legible:
                text.remove()
                yield False
                continue
            text.set(position=(_PLACES[0][0] * size, 0), ha="left", va="center")
        box = text.get_window_extent()
        taken = np.vstack([taken, (box.x0, box.y0, box.x1, box.y1)])
        yield True
