"""The worst mistakes of a detector as one HTML page, which needs no network.

Boxes lie on the pictures as SVG; kinds of mistakes can be hidden, and what is pointed at tells what
it is. Pictures are in the page itself, no larger than they are shown.

    from vision.look_boxes_page import write_page
    write_page(Path("worst.html"), looks, scores)      # looks as in vision.look_boxes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from corpora.writing import write_text
from nlp.core.page import escaped
from vision.average_precision import DetectionScores
from vision.detection_mistakes import count
from vision.look import embedded
from vision.look_boxes import LONGEST, ROLES, Look, Mark, Role, told
from vision.picture_reading import pillow

PAGE = Template("""\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
      style-src 'unsafe-inline'">
<title>$title</title>
<style>
  :root { color-scheme: light dark; --quiet: #666 }
  @media (prefers-color-scheme: dark) { :root { --quiet: #aaa } }
  body { max-width: 100em; margin: 0 auto; padding: 0 16px 32px; overflow-wrap: anywhere;
         font: 16px/1.5 system-ui, sans-serif }
  h1 { font-size: 20px }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums }
  th, td { padding: 2px 12px 2px 0; text-align: right }
  th:first-child, td:first-child { text-align: left }
  .kinds { position: sticky; top: 0; z-index: 1; background: Canvas; padding: 8px 0;
           display: flex; flex-wrap: wrap; gap: 4px 16px }
  .kinds i { display: inline-block; width: 12px; height: 12px; border: 1px solid #000 }
  main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22em, 100%), 1fr));
         gap: 20px }
  figure { margin: 0 } figcaption, .hint { font-size: 14px; color: var(--quiet) }
  .stage { position: relative; line-height: 0 }
  img { width: 100% } svg { position: absolute; inset: 0; width: 100%; height: 100% }
  rect { fill: transparent; vector-effect: non-scaling-stroke }
  .under { stroke: #000; stroke-width: 4 } .over { stroke-width: 2 }
  .dashed { stroke-dasharray: 6 5 }
  g:hover .over { stroke-width: 4 }
  text { font: 15px system-ui, sans-serif; fill: #fff; stroke: #000; stroke-width: 3;
         paint-order: stroke }
  $hidden
</style>
</head>
<body>
<h1 dir="auto">$title</h1>
$scores
<div class="kinds">$kinds</div>
<main>
$looks
</main>
</body>
</html>
""")


def write_page(
    path: Path,
    looks: Sequence[Look],
    scores: DetectionScores | None = None,
    *,
    title: str = "The worst mistakes",
) -> None:
    """Writes pictures with their mistakes as one HTML file, readable in light and dark.

    Args:
        looks: in the order in which they are shown, see `vision.detection_mistakes.worst`.
        scores: of the whole, for the table above.

    Raises:
        UsageError: Pillow is not installed, or `path` cannot be written.
    """
    pillow()
    roles = {role: role.replace(" ", "-") for role in ROLES}
    numbers: dict[Role, int] = {"right": sum(len(look.judged.right) for look in looks)}
    for kind, often in count(look.judged for look in looks).items():
        numbers[kind] = often
    kinds = "".join(
        f'<label><input type="checkbox" id="{name}" checked> '
        f'<i style="background:{_css(ROLES[role])}"></i> {role}, {numbers[role]:,}</label>'
        for role, name in roles.items()
    )
    hidden = "\n  ".join(
        f"body:has(#{name}:not(:checked)) .{name} {{ display: none }}" for name in roles.values()
    )
    write_text(
        path,
        PAGE.substitute(
            title=escaped(title),
            hidden=hidden,
            kinds=kinds,
            scores="" if scores is None else "".join(_table(scores)),
            looks="\n".join("".join(_figure(look)) for look in looks)
            or "<p>There is no mistake to show.</p>",
        ),
    )


def _table(scores: DetectionScores) -> Iterator[str]:
    yield f"<p>mAP@0.5 {scores.ap50:.3f}, mAP@0.5:0.95 {scores.ap:.3f}, "
    yield f"{scores.pictures:,} pictures</p>\n<table><tr><th>class</th><th>AP@0.5</th>"
    yield "<th>AP@0.5:0.95</th><th>true boxes</th><th>best F1</th><th>at score</th></tr>"
    for name, one in scores.per_class.items():
        f1, score = scores.curves[name].best_f1
        cells = [f"{one.ap50:.3f}", f"{one.ap:.3f}", f"{one.truth:,}", f"{f1:.3f}", f"{score:.2f}"]
        if not one.truth:
            cells = ["-"] * len(cells)
        elif not f1:
            cells[-1] = "-"
        yield f'<tr><td dir="auto">{escaped(name)}</td>'
        yield "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _figure(look: Look) -> Iterator[str]:
    height, width = look.picture.shape[:2]
    yield f'<figure><div class="stage"><img alt="" src="{embedded(look.picture, LONGEST)}">'
    yield f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
    for mark in look.marks:
        yield from _box(mark)
    mistakes = "; ".join(f"{one.kind}: {told(one)}" for one in look.judged.mistakes)
    yield f'</svg></div><figcaption dir="auto">{escaped(look.name)}<br>{escaped(mistakes)}'
    yield "</figcaption></figure>"


def _box(mark: Mark) -> Iterator[str]:
    left, top, right, bottom = mark.corners
    place = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
    dashed = " dashed" if mark.dashed else ""
    name = f"{mark.role}: {mark.text}" if mark.text else mark.role
    yield f'<g class="{mark.role.replace(" ", "-")}"><title>{escaped(name)}</title>'
    yield f'<rect class="under" {place}/>'
    yield f'<rect class="over{dashed}" {place} stroke="{_css(mark.colour)}"/>'
    if mark.text:
        above = top - 4 if top > 16 else bottom + 14
        yield f'<text x="{left:.1f}" y="{above:.1f}">{escaped(mark.text)}</text>'
    yield "</g>"


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
