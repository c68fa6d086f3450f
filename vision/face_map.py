"""A map of known faces: each picture a point, each person a colour, near points alike.

    from vision.face_map import draw_map
    draw_map(Path("map.png"), gallery.names, gallery.people, gallery.vectors)

Of all directions of the vectors two remain: what is near on the map is near in truth with t-SNE, as
far as that can be, but how far apart two groups are tells little. `.png` is a picture, `.html` a
page to zoom, with names under the mouse, that needs no network.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corpora.errors import UsageError
from corpora.writing import replacing, write_text
from nlp.core.words.word_map import Method, project, require
from nlp.core.words.word_vectors import WordVectors

FEWEST = 4  # pictures
_NAMED = 60  # people whose names find room in a picture


def draw_map(
    path: Path,
    names: Sequence[str],
    people: np.ndarray,
    vectors: np.ndarray,
    *,
    method: Method = "tsne",
    seed: int = 0,
    title: str = "",
) -> None:
    """Writes a map, as a picture or as a page, by the ending of its name.

    Args:
        names: of the people.
        people: `[pictures]`, the number of each one's person.
        vectors: `[pictures, size]`.
        method: tsne or umap keep neighbours together, pca keeps directions.

    Raises:
        UsageError: there are fewer than `FEWEST` pictures, the name ends otherwise, or an extra is
            not installed.
    """
    is_page = path.suffix.lower() in (".html", ".htm")
    if not is_page and path.suffix.lower() != ".png":
        raise UsageError(f"{path}: expected a name that ends in .png or .html")
    if len(vectors) < FEWEST:
        raise UsageError(f"{len(vectors)} pictures: a map takes {FEWEST} or more")
    if np.ptp(vectors, axis=0).max() < 1e-6:
        raise UsageError("all faces are one point: there is nothing to see; train the encoder anew")
    require("bokeh" if is_page else "matplotlib")
    numbers = [str(number) for number in range(len(vectors))]
    points = project(WordVectors(numbers, vectors), numbers, method, seed)
    (_write_page if is_page else _draw)(path, names, people, points, title)


def _colour(person: int) -> str:
    """Of neighbouring numbers far apart: steps of the golden angle around the circle of hues."""
    part = colorsys.hls_to_rgb(person * 0.618034 % 1, (0.42, 0.55, 0.34)[person % 3], 0.65)
    return "#" + "".join(f"{round(255 * value):02x}" for value in part)


def _draw(
    path: Path, names: Sequence[str], people: np.ndarray, points: np.ndarray, title: str
) -> None:
    from matplotlib.figure import Figure

    from nlp.core.fonts import installed_fonts

    families, _ = installed_fonts()
    figure = Figure(figsize=(10, 8), layout="constrained")
    axes = figure.add_subplot(xticks=[], yticks=[])
    axes.spines[:].set_color("#dddddd")
    x, y = points.T
    axes.scatter(x, y, s=26, c=[_colour(one) for one in people.tolist()], linewidths=0)
    for number, name in enumerate(names[:_NAMED]):
        own = points[people == number]
        # Beside a point of theirs: they may be in two places.
        middle = own[np.linalg.norm(own - np.median(own, axis=0), axis=1).argmin()]
        axes.annotate(
            name,
            middle,
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=_colour(number),
            family=families,
            parse_math=False,
        )
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.margins(0.06)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=130)


def _write_page(
    path: Path, names: Sequence[str], people: np.ndarray, points: np.ndarray, title: str
) -> None:
    from bokeh.embed import file_html
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    source = ColumnDataSource(
        {
            "x": points[:, 0].astype(float).tolist(),
            "y": points[:, 1].astype(float).tolist(),
            "name": [names[one] for one in people.tolist()],
            "colour": [_colour(one) for one in people.tolist()],
        }
    )
    plot = figure(
        title=title,
        sizing_mode="stretch_both",
        tools="pan,wheel_zoom,box_zoom,reset",
        active_scroll="wheel_zoom",
    )
    plot.toolbar.logo = None  # it is a link
    plot.axis.visible = False
    plot.grid.visible = False
    dots = plot.scatter("x", "y", source=source, size=9, color="colour", alpha=0.8)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@name")]))
    write_text(path, file_html(plot, INLINE, title or "Faces"))
