"""Tagged texts as one HTML page, which needs no network: coloured entities and how sure they are.

A slider hides what is below a confidence. Labels are set by the style sheet, beside the text and
not in it, so that what is searched, copied or read aloud of a page is the text as it was given.

    from nlp.core.tags.entity_page import write_page
    write_page(Path("entities.html"), tagger.tag(texts), title="Letters of 1905")
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Template

from corpora.writing import write_text
from nlp.core.page import escaped
from nlp.core.tags.entities import Entity, TaggedText

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
  :root { color-scheme: light dark; --back: 75% 87%; --edge: 55% 45%; --quiet: #666 }
  @media (prefers-color-scheme: dark) {
    :root { --back: 40% 28%; --edge: 50% 60%; --quiet: #aaa }
  }
  body { max-width: 50em; margin: 0 auto; padding: 0 16px 32px; overflow-wrap: anywhere;
         font: 16px/1.9 system-ui, sans-serif }
  header { position: sticky; top: 0; padding: 12px 0 8px; background: Canvas;
           border-bottom: 1px solid hsl(0 0% 50% / 40%) }
  h1 { font-size: 20px; line-height: 1.3; margin: 0 0 4px }
  label { display: flex; gap: 8px; align-items: center }
  input { flex: 1; max-width: 20em }
  output { min-width: 2.5em; font-variant-numeric: tabular-nums }
  .text { margin: 16px 0; white-space: pre-wrap; unicode-bidi: plaintext }
  .others { margin: -12px 0 16px; font-size: 14px; color: var(--quiet) }
  mark { color: CanvasText; background: hsl(var(--hue) var(--back)); border-radius: 4px;
         border: 1px solid hsl(var(--hue) var(--edge)); padding: 1px 4px; margin: 0 1px;
         -webkit-box-decoration-break: clone; box-decoration-break: clone;
         print-color-adjust: exact }
  mark::after { content: attr(data-told); unicode-bidi: isolate; direction: ltr;
                font-size: 11px; margin: 0 4px; white-space: nowrap }
  .second { border-style: dashed }
  mark.low { all: unset; unicode-bidi: normal }
  mark.low::after { content: none }
  .others .low, .others:not(:has(mark:not(.low))) { display: none }
$hues
</style>
</head>
<body>
<header>
<h1 dir="auto">$title</h1>
<label>at least <input type="range" min="0" max="1" step="0.01" value="0" autocomplete="off">
<output>0.00</output> sure</label>
$legend
</header>
<main>
$texts
</main>
<script>
const marks = [...document.querySelectorAll("main mark")]
const slider = document.querySelector("input")
slider.oninput = () => {
  const counts = new Map()
  for (const mark of marks) {
    const low = Number(mark.dataset.sure) < Number(slider.value)
    mark.classList.toggle("low", low)
    counts.set(mark.dataset.label, (counts.get(mark.dataset.label) ?? 0) + (low ? 0 : 1))
  }
  for (const name of document.querySelectorAll("header mark")) {
    name.dataset.told = counts.get(name.dataset.label)
  }
  document.querySelector("output").textContent = Number(slider.value).toFixed(2)
}
</script>
</body>
</html>
""")

TURN = 137.508  # degrees: by the golden angle, hues keep apart however many there are


def write_page(path: Path, tagged: Iterable[TaggedText], *, title: str = "Entities") -> None:
    """Writes texts with their entities as one HTML file, which is readable in light and dark.

    Second choices have a dashed border; an entity that overlaps a better one, which a line of text
    cannot show, is listed below its text.

    Raises:
        UsageError: `path` cannot be written.
    """
    tagged = list(tagged)
    counts = Counter(entity.label for text in tagged for entity in text.entities)
    classes = {label: f"l{number}" for number, label in enumerate(sorted(counts))}
    legend = "\n".join(
        f'<mark class="{classes[label]}" data-label="{escaped(label)}" data-told="{counts[label]}"'
        f">{escaped(label)}</mark>"
        for label in classes
    )
    page = PAGE.substitute(
        title=escaped(title),
        hues="\n".join(
            f"  .{name} {{ --hue: {(30 + number * TURN) % 360:.0f} }}"
            for number, name in enumerate(classes.values())
        ),
        legend=legend or "no entities",
        texts="\n".join("".join(_marked(text, classes)) for text in tagged),
    )
    write_text(path, page)


def _marked(tagged: TaggedText, classes: dict[str, str]) -> Iterator[str]:
    shown: list[Entity] = []
    others: list[Entity] = []
    taken = bytearray(len(tagged.text))
    for entity in sorted(tagged.entities, key=lambda entity: (entity.rank, -entity.confidence)):
        here = slice(entity.start, entity.end)
        (others if any(taken[here]) else shown).append(entity)
        taken[here] = b"\1" * (entity.end - entity.start)
    yield '<div class="text" dir="auto">'
    at = 0
    for entity in sorted(shown, key=lambda entity: entity.start):
        yield escaped(tagged.text[at : entity.start])
        yield _mark(entity, tagged.text[entity.start : entity.end], classes)
        at = entity.end
    yield escaped(tagged.text[at:]) + "</div>"
    if others:
        marks = " ".join(_mark(entity, entity.text, classes) for entity in others)
        yield f'\n<div class="others" dir="auto">or {marks}</div>'


def _mark(entity: Entity, text: str, classes: dict[str, str]) -> str:
    label, sure = escaped(entity.label), entity.confidence
    second = " second" if entity.rank else ""
    return (
        f'<mark class="{classes[entity.label]}{second}" data-label="{label}" data-sure="{sure:.4f}"'
        f' data-told="{label} {sure:.2f}">{escaped(text)}</mark>'
    )
