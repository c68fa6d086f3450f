"""Translations as one HTML page, which needs no network: point at a word, of either side, and the
words it is aligned with are shaded, the darker the more attention there was.

Words are those of the texts as they were given. Where the model was not sure of a word it is
underlined; what a page shows beside a text is set by the style sheet or stands outside it, so that
what is searched or copied is the text as it was. The whole of a pair's attention opens as a table.

    from nlp.core.translation.alignment_page import write_page
    write_page(Path("alignments.html"), translator.translate(texts, n_best=3), title="Letters")
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Protocol

import numpy as np

from corpora.writing import write_text
from nlp.core.page import escaped
from nlp.core.translation.alignment import Place

PAGE = Template("""\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>$title</title>
<style>
  :root { color-scheme: light dark; --quiet: #666 }
  @media (prefers-color-scheme: dark) { :root { --quiet: #aaa } }
  body { max-width: 50em; margin: 0 auto; padding: 0 16px 32px; overflow-wrap: anywhere;
         font: 16px/1.8 system-ui, sans-serif }
  h1 { font-size: 20px; line-height: 1.3; margin-bottom: 4px }
  .hint, summary { font-size: 14px; color: var(--quiet) }
  .hint { margin: 0 0 12px }
  article { border-top: 1px solid hsl(0 0% 50% / 40%); padding: 12px 0 }
  .source, .target { white-space: pre-wrap; unicode-bidi: plaintext }
  .target { font-weight: 500 }
  .target::after { content: attr(data-score); margin: 0 8px; font-weight: normal;
                   font-size: 12px; color: var(--quiet); unicode-bidi: isolate;
                   direction: ltr }
  span { background: hsl(205 90% 55% / var(--weight, 0)); border-radius: 3px; padding: 2px 0 }
  .here { outline: 2px solid hsl(205 90% 50%) }
  .low { text-decoration: underline dotted hsl(20 95% 50%) 2px; text-underline-offset: 4px }
  .scroll { overflow-x: auto }
  table { border-collapse: collapse; font-size: 14px; line-height: 1.3; overflow-wrap: normal }
  th { font-weight: normal; text-align: end; padding: 2px 6px; white-space: nowrap }
  thead th { writing-mode: vertical-rl; vertical-align: bottom; padding: 6px 2px }
  td { min-width: 20px; height: 20px; padding: 0; border: 1px solid hsl(0 0% 50% / 25%);
       background: hsl(205 90% 45% / var(--weight)); print-color-adjust: exact }
</style>
</head>
<body>
<h1 dir="auto">$title</h1>
<p class="hint">Point at a word to see what it is aligned with. Dotted: the model gave the word
less than $low.</p>
<main>
$pairs
</main>
<script>
const wordsOf = line => [...line.querySelectorAll("span")]
const weightsOf = line => JSON.parse(line.dataset.weights)
let marked = []
const shade = (word, weight) => {
  word.style.setProperty("--weight", weight / 100)
  marked.push(word)
}
document.onpointerover = event => {
  for (const word of marked) {
    word.style.removeProperty("--weight")
    word.classList.remove("here")
  }
  marked = []
  const word = event.target
  if (word.tagName !== "SPAN") return
  const line = word.parentNode, article = line.closest("article")
  const place = wordsOf(line).indexOf(word)
  const source = article.querySelector(".source")
  if (line === source) {
    for (const target of article.querySelectorAll(".target")) {
      const weights = weightsOf(target)
      wordsOf(target).forEach((other, row) => shade(other, weights[row]?.[place] ?? 0))
    }
  } else {
    const weights = weightsOf(line)[place] ?? []
    wordsOf(source).forEach((other, column) => shade(other, weights[column] ?? 0))
  }
  word.classList.add("here")
  marked.push(word)
}
document.addEventListener("toggle", event => {
  const room = event.target.querySelector(".scroll")
  if (!room || room.childNodes.length) return
  const article = event.target.closest("article")
  const target = article.querySelector(".target"), table = document.createElement("table")
  const head = table.createTHead().insertRow()
  head.append(document.createElement("th"))
  for (const word of wordsOf(article.querySelector(".source"))) {
    const name = document.createElement("th")
    name.textContent = word.textContent
    head.append(name)
  }
  const body = table.createTBody(), rows = wordsOf(target)
  weightsOf(target).forEach((weights, number) => {
    const row = body.insertRow(), name = document.createElement("th")
    name.textContent = rows[number].textContent
    row.append(name)
    for (const weight of weights) {
      const cell = row.insertCell()
      cell.style.setProperty("--weight", weight / 100)
      cell.title = (weight / 100).toFixed(2)
    }
  })
  room.append(table)
}, true)
</script>
</body>
</html>
""")

Piece = tuple[int, int, float]  # range in characters, log-probability in nats
LOW = 0.5  # a word less likely than this is marked


class Translated(Protocol):
    """A text and its translation, as much of it as a page shows."""

    @property
    def source(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def source_words(self) -> Sequence[Place]: ...
    @property
    def words(self) -> Sequence[Place]: ...
    @property
    def attention(self) -> np.ndarray | None:
        """Between words, `[target words, source words]`; None of a model without attention."""

    @property
    def pieces(self) -> Sequence[Piece]:
        """What the translation was written in."""

    @property
    def word_probabilities(self) -> Sequence[float]:
        """Of each word of the translation, 0 to 1."""

    @property
    def others(self) -> Sequence[Translated]:
        """Other translations of the same source, the best first."""


def write_page(
    path: Path, translations: Iterable[Translated], *, title: str = "Alignments"
) -> None:
    """Writes translations as one HTML file, which is readable in light and dark.

    Raises:
        UsageError: `path` cannot be written.
    """
    pairs = "\n".join("".join(_article(translation)) for translation in translations)
    write_text(path, PAGE.substitute(title=escaped(title), pairs=pairs, low=f"{LOW:.2f}"))


def _article(translation: Translated) -> Iterator[str]:
    yield '<article>\n<div class="source" dir="auto">'
    yield from _spans(translation.source, translation.source_words)
    yield "</div>\n"
    yield from _target(translation)
    if others := translation.others:
        yield f"\n<details><summary>{len(others)} more</summary>"
        for other in others:
            yield "\n"
            yield from _target(other)
        yield "\n</details>"
    if translation.attention is not None and translation.attention.size:
        yield '\n<details><summary>attention</summary><div class="scroll"></div></details>'
    yield "\n</article>"


def _target(translation: Translated) -> Iterator[str]:
    weights = "[]"
    if translation.attention is not None:
        percent = np.rint(np.clip(translation.attention, 0, 1) * 100).astype(int)
        weights = json.dumps(percent.tolist(), separators=(",", ":"))
    yield '<div class="target" dir="auto" '
    yield f'data-score="{translation.score:.2f}" data-weights="{weights}">'
    yield from _spans(translation.text, translation.words, translation)
    yield "</div>"


def _spans(text: str, words: Sequence[Place], told: Translated | None = None) -> Iterator[str]:
    """A text with each word in a span, and what the pieces of a translation say about it."""
    all_pieces = told.pieces if told is not None else ()
    probabilities = (
        told.word_probabilities if told is not None and all_pieces else [None] * len(words)
    )
    at = 0
    for (start, end), likely in zip(words, probabilities, strict=True):
        yield escaped(text[at:start])
        marks = ""
        if likely is not None:
            pieces = " · ".join(
                f"{text[begin:stop].strip()} {math.exp(logarithm):.2f}"
                for begin, stop, logarithm in all_pieces
                if begin < end and stop > start
            )
            low = " class=low" if likely < LOW else ""
            marks = f'{low} title="{likely:.2f}: {escaped(pieces)}"'
        yield f"<span{marks}>{escaped(text[start:end])}</span>"
        at = end
    yield escaped(text[at:])
