"""Classified texts as one HTML page, which needs no network: labels, how sure they are, and the
words that carried the decision, the stronger coloured the more they did.

Blue words spoke for the label and orange ones against it. What a page shows beside a text is set by
the style sheet or stands outside it, so that what is searched or copied is the text as it was.

    from nlp.core.classes.explanation_page import write_page
    write_page(Path("why.html"), classifier.classify(texts, explain="gradient"), title="Reviews")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Template

from corpora.writing import write_text
from nlp.core.classes.explanation import ClassifiedText
from nlp.core.page import escaped

PAGE = Template("""\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
  :root { color-scheme: light dark }
  body { max-width: 50em; margin: 0 auto; padding: 0 16px 32px; overflow-wrap: anywhere;
         font: 16px/1.8 system-ui, sans-serif }
  h1 { font-size: 20px; line-height: 1.3 }
  article { border-top: 1px solid hsl(0 0% 50% / 40%); padding: 12px 0 }
  .text { white-space: pre-wrap; unicode-bidi: plaintext }
  ul { display: flex; flex-wrap: wrap; gap: 0 16px; margin: 0 0 4px; padding: 0; font-size: 14px;
       list-style: none; font-variant-numeric: tabular-nums }
  meter { width: 5em; vertical-align: middle }
  .chosen { font-weight: bold }
  mark { color: CanvasText; background: hsl(205 90% 55% / var(--strength)); border-radius: 3px;
         -webkit-box-decoration-break: clone; box-decoration-break: clone;
         print-color-adjust: exact }
  .against { background: hsl(25 95% 55% / var(--strength)) }
</style>
</head>
<body>
<h1 dir="auto">$title</h1>
<main>
$texts
</main>
</body>
</html>
""")

LIKELIEST = 8  # labels that are shown of those a text did not get


def write_page(
    path: Path, classified: Iterable[ClassifiedText], *, title: str = "Classified texts"
) -> None:
    """Writes texts with their labels as one HTML file, which is readable in light and dark.

    Raises:
        UsageError: `path` cannot be written.
    """
    texts = "\n".join("".join(_article(text)) for text in classified)
    write_text(path, PAGE.substitute(title=escaped(title), texts=texts))


def _article(text: ClassifiedText) -> Iterator[str]:
    yield "<article>\n<ul>"
    ranked = sorted(text.probabilities.items(), key=lambda pair: -pair[1])
    for rank, (label, probability) in enumerate(ranked):
        chosen = label in text.labels
        if chosen or rank < LIKELIEST:
            yield f"<li{' class=chosen' if chosen else ''}><bdi>{escaped(label)}</bdi> "
            yield f'{probability:.3f} <meter value="{probability:.3f}"></meter></li>'
    yield '</ul>\n<div class="text" dir="auto">'
    at = 0
    for (start, end), weight, strength in text.weighted():
        yield escaped(text.text[at:start])
        against = "" if weight >= 0 else ' class="against"'
        yield f'<mark{against} title="{weight:+.3f}" style="--strength: {strength:.2f}">'
        yield escaped(text.text[start:end]) + "</mark>"
        at = end
    yield escaped(text.text[at:]) + "</div>\n</article>"
