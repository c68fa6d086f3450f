"""A map of words as one interactive page, which needs no network: search, zoom, neighbours.

The page holds its own copy of BokehJS (1.3 MB), which draws on a canvas, where a name is never read
as HTML. What the page shows beside the canvas is set as text, not as HTML, so that words such as
`<script>` do no harm.

    from nlp.core.words.word_map import project
    from nlp.core.words.word_page import write_page
    words = vectors.words[:1000]
    write_page(Path("map.html"), vectors, words, project(vectors, words), title="My corpus")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corpora.writing import write_text
from nlp.core.words.word_map import require
from nlp.core.words.word_vectors import WordVectors

TEMPLATE = """\
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  body { display: flex; height: 100%; font: 15px/1.4 system-ui, sans-serif; color: #222 }
  main { flex: 1; min-width: 0; height: 100% }
  aside { width: 15em; padding: 12px; overflow-y: auto; border-left: 1px solid #ddd }
  h1 { font-size: 17px; margin: 0 0 10px; overflow-wrap: anywhere }
  h2 { font-size: 20px; margin: 14px 0 0; overflow-wrap: anywhere }
  p { margin: 0 0 8px; color: #666 }
  input { width: 100%; box-sizing: border-box; font: inherit; padding: 5px 8px }
  ol { list-style: none; margin: 0; padding: 0 }
  li { display: flex; justify-content: space-between; gap: 1em }
  li > :first-child { overflow-wrap: anywhere; min-width: 0 }
  button { border: 0; padding: 0; background: none; font: inherit; color: #06c; cursor: pointer;
           text-align: left }
  @media (max-width: 40em) {
    body { flex-direction: column }
    aside { width: auto; height: 35%; border: 0; border-top: 1px solid #ddd }
  }
</style>
{% endblock %}
{% block contents %}
  <main>{{ embed(roots[0]) }}</main>
  <aside>
    <h1>{{ title | e }}</h1>
    <input id="search" type="search" placeholder="Search {{ count }} words" autocomplete="off">
    <ol id="found"></ol>
    <section id="word"></section>
  </aside>
{% endblock %}
"""

# Names beside the dots: as many as find room, those of the chosen words first, then the others by
# their order. Runs again at every zoom.
NAMES = """\
const {x, y, word} = points.data
let wide, high
try { [wide, high] = [plot.inner_width, plot.inner_height] } catch { return }  // no layout so far
const [x0, y0] = [plot.x_range.start, plot.y_range.start]
const [per_x, per_y] = [wide / (plot.x_range.end - x0), high / (plot.y_range.end - y0)]
if (Number.isFinite(per_x * per_y) && wide > 0) {
  const measure = document.createElement("canvas").getContext("2d")
  measure.font = "12px system-ui, sans-serif"
  const chosen = points.selected.indices
  const first = new Set(chosen)
  const shown = {x: [], y: [], word: []}
  const boxes = []
  for (const i of [...chosen, ...word.keys()].slice(0, word.length + chosen.length)) {
    if (boxes.length >= 400) break
    const [left, top] = [(x[i] - x0) * per_x + 6, (y[i] - y0) * per_y - 8]
    if (left < 0 || top < -8 || left > wide || top > high) continue
    if (boxes.some(box => box.i === i)) continue
    const right = left + measure.measureText(word[i]).width
    if (boxes.some(b => left < b.right && b.left < right && Math.abs(top - b.top) < 14)) continue
    boxes.push({i, left, right, top})
    shown.x.push(x[i]); shown.y.push(y[i]); shown.word.push(word[i])
  }
  names.data = shown
}
"""

# The word that was clicked or searched: its card, and its neighbours marked on the map.
CHOSEN = """\
const {x, y, word, count, nearest, cosine} = points.data
const [i, ...others] = points.selected.indices
const card = document.getElementById("word")
card.replaceChildren()
const add = (tag, text, parent = card) => {
  const made = parent.appendChild(document.createElement(tag))
  made.textContent = text
  return made
}
if (i !== undefined) {
  const place = new Map(word.map((name, row) => [name, row]))
  add("h2", word[i])
  add("p", count[i])
  const list = add("ol", "")
  nearest[i].forEach((name, rank) => {
    const line = add("li", "", list)
    const on_map = place.has(name)
    const made = add(on_map ? "button" : "span", name, line)
    if (on_map) made.onclick = () => { points.selected.indices = [place.get(name)] }
    add("span", cosine[i][rank].toFixed(2), line)
  })
  for (const [range, at] of [[plot.x_range, x[i]], [plot.y_range, y[i]]]) {
    const half = (range.end - range.start) / 2
    if (Math.abs(at - range.start - half) > half) {  // out of sight
      range.have_updated_interactively = true
      range.setv({start: at - half, end: at + half})
    }
  }
  const marked = nearest[i].filter(name => place.has(name)).map(name => place.get(name))
  if (others.length === 0 && marked.length > 0) points.selected.indices = [i, ...marked]
}
"""

# The search box: words that hold what was typed, the most alike first; enter goes to the first.
SEARCH = """\
const {x, y, word} = points.data
const box = document.getElementById("search")
const found = document.getElementById("found")
const half = Math.max(plot.x_range.end - plot.x_range.start, 1e-9) / 10
const go = i => {
  const upright = half * plot.inner_height / plot.inner_width
  for (const range of [plot.x_range, plot.y_range]) {
    range.have_updated_interactively = true  // or Bokeh would fit it to all points again
  }
  plot.x_range.setv({start: x[i] - half, end: x[i] + half})
  plot.y_range.setv({start: y[i] - upright, end: y[i] + upright})
  points.selected.indices = [i]
  found.replaceChildren()
}
const matches = () => {
  const typed = box.value.trim().toLowerCase()
  if (!typed) return []
  const rank = name => name === typed ? 0 : name.startsWith(typed) ? 1 : 2
  return word.map((name, i) => ({name: name.toLowerCase(), i}))
    .filter(({name}) => name.includes(typed))
    .sort((a, b) => rank(a.name) - rank(b.name) || a.i - b.i)
    .slice(0, 12)
}
box.oninput = () => {
  found.replaceChildren(...matches().map(({i}) => {
    const line = document.createElement("li")
    const button = line.appendChild(document.createElement("button"))
    button.textContent = word[i]
    button.onclick = () => go(i)
    return line
  }))
}
box.onkeydown = event => {
  const [best] = matches()
  if (event.key === "Enter" && best) go(best.i)
}
"""


def write_page(
    path: Path,
    vectors: WordVectors,
    words: Sequence[str],
    points: np.ndarray,
    *,
    title: str = "Words",
    neighbours: int = 10,
) -> None:
    """Writes words at their points `[words, 2]` as one HTML file.

    Under the mouse a word shows its count and its nearest neighbours, which are searched in the
    whole vocabulary; a click or the search box shows them at its side.

    Raises:
        UsageError: a word is unknown, or the extra is not installed.
    """
    require("bokeh")
    from bokeh.core.properties import value
    from bokeh.document import Document
    from bokeh.embed import file_html
    from bokeh.events import DocumentReady
    from bokeh.models import ColumnDataSource, CustomJS, HoverTool, TapTool
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    near = [vectors.nearest(word, neighbours) for word in words]
    data = {
        "x": points[:, 0].astype(float).tolist(),
        "y": points[:, 1].astype(float).tolist(),
        "word": list(words),
        "count": [_told(vectors, word) for word in words],
        "close": [", ".join(answer.word for answer in answers) for answers in near],
        "nearest": [[answer.word for answer in answers] for answers in near],
        "cosine": [[round(answer.similarity, 3) for answer in answers] for answers in near],
    }
    source = ColumnDataSource(data)
    names = ColumnDataSource({"x": [], "y": [], "word": []})
    plot = figure(
        sizing_mode="stretch_both",
        match_aspect=True,
        tools="pan,wheel_zoom,box_zoom,reset",
        active_scroll="wheel_zoom",
        toolbar_location="above",
    )
    plot.toolbar.logo = None  # it is a link
    plot.axis.visible = False
    plot.grid.visible = False
    plot.outline_line_color = None
    dots = plot.scatter(
        *("x", "y"),
        source=source,
        size=7,
        color="#4c78a8",
        alpha=0.6,
        line_color=None,
        hover_color="#e45756",
        selection_color="#e45756",
        selection_alpha=0.9,
        nonselection_alpha=0.25,
    )
    plot.text(
        *("x", "y", "word"),
        source=names,
        x_offset=6,
        text_baseline="middle",
        text_font=value("system-ui, sans-serif"),
        text_font_size="12px",
    )
    told = [("", "@word"), ("", "@count"), ("near", "@close")]
    plot.add_tools(HoverTool(renderers=[dots], tooltips=told), TapTool(renderers=[dots]))

    known = {"points": source, "names": names, "plot": plot}
    place_names, choose = CustomJS(args=known, code=NAMES), CustomJS(args=known, code=CHOSEN)
    for axis in (plot.x_range, plot.y_range):
        axis.js_on_change("start", place_names)
        axis.js_on_change("end", place_names)
    plot.js_on_change("inner_width", place_names)
    plot.js_on_change("inner_height", place_names)
    source.selected.js_on_change("indices", choose, place_names)
    document = Document()
    document.add_root(plot)
    document.js_on_event(DocumentReady, CustomJS(args=known, code=SEARCH), place_names)
    page = file_html(
        document,
        INLINE,
        title,
        template=TEMPLATE,
        template_variables={"count": f"{len(words):,}"},
    )
    write_text(path, page)


def _told(vectors: WordVectors, word: str) -> str:
    if vectors.counts is None or word not in vectors:
        return "count unknown" if word in vectors else "built from its n-grams"
    return f"{vectors.counts[vectors.index[word]]:,} times"
