"""Captions as one HTML page, which needs no network: point at a word to see where in the picture
the model looked for it, or at the picture to see which words looked there.

Pictures are in the page itself, no larger than they are shown. All words of a caption are drawn on
one scale, as `vision.look` draws them.

    from vision.look_page import write_page
    write_page(Path("captions.html"), looks, title="Holidays")
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Template

import numpy as np

from corpora.writing import write_text
from nlp.core.page import escaped
from vision.look import LARGEST, RAMP, WHOLE, Look, Region, embedded
from vision.picture_reading import pillow

PAGE = Template("""\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
      style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>$title</title>
<style>
  :root { color-scheme: light dark; --quiet: #666 }
  @media (prefers-color-scheme: dark) { :root { --quiet: #aaa } }
  body { max-width: 60em; margin: 0 auto; padding: 0 16px 32px; overflow-wrap: anywhere;
         font: 18px/1.7 system-ui, sans-serif }
  h1 { font-size: 20px; line-height: 1.3; margin-bottom: 4px }
  .hint, summary, .name, output { font-size: 14px; color: var(--quiet) }
  .hint { margin: 0 0 12px }
  article { border-top: 1px solid hsl(0 0% 50% / 40%); padding: 16px 0; display: grid; gap: 0 20px;
            grid-template-columns: minmax(0, ${longest}px) minmax(14em, 1fr) }
  @media (max-width: 40em) { article { grid-template-columns: minmax(0, ${longest}px) } }
  figure { position: relative; margin: 0; overflow: hidden; align-self: start; line-height: 0 }
  img { width: 100%; border-radius: 3px }
  .seen { position: absolute; overflow: hidden; pointer-events: none }
  canvas { position: absolute }
  .looking img { filter: saturate(0.4) contrast(0.7) brightness(1.05) }
  .name { margin: 0 }
  .caption { white-space: pre-wrap; unicode-bidi: plaintext }
  span { background: hsl(35 95% 55% / var(--weight, 0)); border-radius: 3px; padding: 2px 0 }
  .here, span:focus-visible { outline: 2px solid hsl(25 95% 50%) }
  output { display: block; min-height: 1.7em }
</style>
</head>
<body>
<h1 dir="auto">$title</h1>
<p class="hint">Point at a word to see where it looked; at the picture to see which words looked
there.</p>
<main>
$looks
</main>
<script>
const ramp = $ramp
const wordsOf = line => [...line.querySelectorAll("span")]
const shapeOf = line => {
  const [rows, columns] = JSON.parse(line.dataset.shape)
  return {rows, columns, weights: JSON.parse(line.dataset.weights), peak: +line.dataset.peak}
}
let undo = []
const clear = () => { for (const step of undo) step(); undo = [] }
const coloured = level => {
  const place = level * (ramp.length - 1), before = Math.min(Math.floor(place), ramp.length - 2)
  return ramp[before].map((value, part) =>
    value + (place - before) * (ramp[before + 1][part] - value))
}
const showWord = word => {
  const line = word.parentNode, article = line.closest("article")
  const {rows, columns, weights, peak} = shapeOf(line)
  const own = weights[wordsOf(line).indexOf(word)] ?? []
  const output = article.querySelector("output")
  word.classList.add("here")
  undo.push(() => word.classList.remove("here"))
  output.textContent = word.title
  undo.push(() => { output.textContent = "" })
  if (!own.length) return
  const canvas = article.querySelector("canvas"), context = canvas.getContext("2d")
  const wide = canvas.width = columns + 1, tall = canvas.height = rows + 1
  const image = context.createImageData(wide, tall)
  for (let row = 0; row < tall; row++) for (let column = 0; column < wide; column++) {
    const weight = own[Math.min(row, rows - 1) * columns + Math.min(column, columns - 1)]
    const [red, green, blue, opaque] = coloured(peak ? Math.min(weight / peak, 1) : 0)
    image.data.set([red, green, blue, opaque * 255], 4 * (row * wide + column))
  }
  context.putImageData(image, 0, 0)
  const figure = article.querySelector("figure")
  figure.classList.add("looking")
  undo.push(() => {
    figure.classList.remove("looking")
    context.clearRect(0, 0, wide, tall)
  })
}
const within = (side, count) => Math.max(0, Math.min(Math.floor(side * (count + 1)), count - 1))
const showPlace = (figure, event) => {
  const {clientX: x, clientY: y} = event
  const seen = figure.querySelector(".seen").getBoundingClientRect()
  if (x < seen.left || x >= seen.left + seen.width) return
  if (y < seen.top || y >= seen.top + seen.height) return
  const box = figure.querySelector("canvas").getBoundingClientRect()
  const across = (x - box.left) / box.width, down = (y - box.top) / box.height
  for (const line of figure.closest("article").querySelectorAll(".caption")) {
    const {rows, columns, weights, peak} = shapeOf(line)
    const cell = within(down, rows) * columns + within(across, columns)
    wordsOf(line).forEach((word, number) => {
      word.style.setProperty("--weight", peak ? (weights[number]?.[cell] ?? 0) / peak : 0)
      undo.push(() => word.style.removeProperty("--weight"))
    })
  }
}
const point = event => {
  clear()
  if (event.target.tagName === "SPAN") return showWord(event.target)
  const figure = event.target.closest?.("figure")
  if (figure) showPlace(figure, event)
}
document.onpointermove = document.onpointerdown = point
document.addEventListener("focusin", point)
</script>
</body>
</html>
""")


def write_page(path: Path, looks: Iterable[Look], *, title: str = "Captions") -> None:
    """Writes captions and their pictures as one HTML file, readable in light and dark; of a model
    without attention without where it looked.

    Raises:
        UsageError: Pillow is not installed, or `path` cannot be written.
    """
    pillow()
    articles = "\n".join("".join(_article(look)) for look in looks)
    ramp = json.dumps(RAMP.tolist())
    write_text(
        path,
        PAGE.substitute(title=escaped(title), looks=articles, ramp=ramp, longest=LARGEST),
    )


def _article(look: Look) -> Iterator[str]:
    yield f'<article>\n<figure><img alt="" src="{embedded(look.picture, LARGEST)}">'
    yield f'<div class="seen" style="{_placed(look.seen, WHOLE)}">'
    yield f'<canvas style="{_placed(_canvas(look), look.seen)}"></canvas></div></figure>'
    yield f'\n<div>\n<p class="name" dir="auto">{escaped(look.name)}</p>\n'
    yield from _caption(look)
    yield "\n<output></output>"
    if others := look.others:
        yield f"\n<details><summary>{len(others)} more</summary>"
        for other in others:
            yield "\n"
            yield from _caption(other)
        yield "\n</details>"
    yield "\n</div>\n</article>"


def _caption(look: Look) -> Iterator[str]:
    """A caption with each word in a span, which a screen reader and the tab key reach, too."""
    found = look.caption
    cells = np.zeros((len(look.words), 0, 0)) if found.attention is None else found.attention
    weights = json.dumps(
        cells.reshape(len(cells), cells.shape[1] * cells.shape[2]).astype(float).round(4).tolist(),
        separators=(",", ":"),
    )
    yield f'<div class="caption" dir="auto" data-shape="{list(cells.shape[1:])}" '
    yield f'data-peak="{cells.max() if cells.size else 0:.4f}" data-weights="{weights}">'
    at = 0
    chances = zip(found.words, found.word_probabilities, strict=True)
    for number, ((start, end), chance) in enumerate(chances):
        word = found.text[start:end]
        told = f"{word}: probability {chance:.2f}"
        if cells.size:
            told += f", at most {cells[number].max():.2g} of its attention in one cell"
        yield escaped(found.text[at:start])
        yield f'<span tabindex="0" title="{escaped(told)}">{escaped(word)}</span>'
        at = end
    yield f"{escaped(found.text[at:])}</div>"


def _canvas(look: Look) -> Region:
    """Where the canvas lies: the grid, and one cell more to the right and below, in which the last
    ones go on, since the grid may end before the picture does."""
    left, top, right, bottom = look.region
    if look.caption.attention is None:
        return look.region
    rows, columns = look.caption.attention.shape[1:]
    return left, top, right + (right - left) / columns, bottom + (bottom - top) / rows


def _placed(region: Region, whole: Region) -> str:
    """The style of what lies in a region of the picture, inside of what lies in another."""
    left, top, right, bottom = region
    width, height = whole[2] - whole[0], whole[3] - whole[1]
    sides = {
        "left": (left - whole[0]) / width,
        "top": (top - whole[1]) / height,
        "width": (right - left) / width,
        "height": (bottom - top) / height,
    }
    return ";".join(f"{name}:{100 * share:.3f}%" for name, share in sides.items())
