"""What a terminal shows of taggers and classifiers: coloured entities and words, and the errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cli import display
from cli.format import harmless, percentage, visible

if TYPE_CHECKING:
    from nlp.core.classes.explanation import ClassifiedText
    from nlp.core.tags.entities import Entity, TaggedText

# From pale to full, black text stays readable on both: what speaks for something, and against it.
WORD_COLOURS = (((231, 245, 255), (116, 192, 252)), ((255, 244, 230), (255, 146, 87)))


def tagged_text(tagged: TaggedText, labels: Sequence[str]) -> None:
    """Print a text with its entities coloured by label, in brackets where there are no colours.

    Behind each stand its label and how sure it is; a second choice has a question mark. What
    overlaps something surer is listed below.
    """
    shown: list[Entity] = []
    others: list[Entity] = []
    taken = bytearray(len(tagged.text))
    for entity in sorted(tagged.entities, key=lambda one: (one.rank, -one.confidence)):
        here = slice(entity.start, entity.end)
        (others if any(taken[here]) else shown).append(entity)
        taken[here] = b"\1" * (entity.end - entity.start)
    line, at = Text(), 0
    for entity in sorted(shown, key=lambda one: one.start):
        line.append(harmless(tagged.text[at : entity.start])).append_text(_marked(entity, labels))
        at = entity.end
    line.append(harmless(tagged.text[at:].removesuffix("\n")))
    if others:
        line.append("\n  or ", "dim")
        line.append_text(Text("  ").join(_marked(entity, labels) for entity in others))
    display.console().print(line, soft_wrap=True)


def _marked(entity: Entity, labels: Sequence[str]) -> Text:
    """`Harry Potter person 98%` on the label's colour."""
    place = labels.index(entity.label) if entity.label in labels else 0
    colour = display.TOKEN_COLOURS[place % len(display.TOKEN_COLOURS)]
    left, right = (" ", " ") if display.console().color_system else ("[", "]")
    told = f" {visible(entity.label)}{'?' if entity.rank else ''} {percentage(entity.confidence)}"
    text = Text(style=f"#000000 on {colour}")
    return text.append(left).append(harmless(entity.text), "bold").append(told + right, "italic")


def highlighted_words(classified: Iterable[ClassifiedText]) -> None:
    """Print the labels of texts, and the texts on the colours of what their words did: blue for
    the label, orange against it. Where there are no colours, weights stand behind the words."""
    coloured = display.console().color_system is not None
    for text in classified:
        sure = sorted(text.probabilities.items(), key=lambda pair: -pair[1])
        shown = [pair for pair in sure if pair[0] in text.labels]
        told = "  ".join(f"{visible(label)} {p:.2f}" for label, p in shown or sure[:1])
        line = Text().append(told, "bold").append("  " if shown else "?  ")
        at = 0
        for (start, end), weight, strength in text.weighted():
            line.append(visible(text.text[at:start]))
            pale, full = WORD_COLOURS[weight < 0]
            mixed = (a + strength * (b - a) for a, b in zip(pale, full, strict=True))
            style = "#000000 on #" + "".join(f"{round(part):02x}" for part in mixed)
            line.append(visible(text.text[start:end]), style if strength >= 0.1 else "")
            line.append("" if coloured or strength < 0.1 else f"({weight:+.2f})")
            at = end
        line.append(visible(text.text[at:]))
        display.console().print(line, soft_wrap=True)


def confusion(
    labels: Sequence[str],
    same: Sequence[Sequence[int]],
    overlapping: Sequence[Sequence[int]] | None = None,
) -> None:
    """Print what is taken for what: true labels in rows, found ones in columns.

    overlapping: entities whose first or last word is wrong, written behind a plus.
    """
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    shown.add_column("there is / found")
    for label in labels:
        shown.add_column(Text(visible(label)), justify="right")
    for row, label in enumerate(labels):
        cells = []
        for column, count in enumerate(same[row]):
            inexact = overlapping[row][column] if overlapping else 0
            cell = Text(f"{count:,}" if count else "" if inexact else "·")
            cells.append(cell.append(f" +{inexact:,}" if inexact else "", "dim"))
            cell.stylize("bold" if row == column else "")
        shown.add_row(Text(visible(label)), *cells)
    display.console().print(shown)


def error(
    confidence: float, there: str, found: str, where: str, context: tuple[str, str, str]
) -> None:
    """Print a mistake: how sure it was of what, where, and the words before, of and after it."""
    before, text, after = (visible(part) for part in context)
    line = Text(f"{percentage(confidence):>5}  ", "bold")
    line.append(visible(there), "not bold").append(" taken for ", "not bold dim")
    line.append(visible(found), "not bold").append(f"  ({visible(where)})", "not bold dim")
    console = display.console()
    console.print(line, soft_wrap=True)
    line = Text("       ").append(f"… {before} " if before else "", "dim")
    line.append(f"[{text}]" if before or after else text)
    console.print(line.append(f" {after} …" if after else "", "dim"), soft_wrap=True)
