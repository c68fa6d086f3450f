"""What a terminal shows of translators: attention, how sure words are, sentences beside others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cli import display
from cli.format import number, visible
from cli.translated import words_of

if TYPE_CHECKING:
    from nlp.core.translation.translation_scores import Judged
    from nlp.translator.translation import Translation


def translation(found: Translation) -> None:
    """Print a translation, its words on the colours of their surprisal."""
    display.console().print(_coloured(found), soft_wrap=True)


def _coloured(found: Translation) -> Text:
    line, at = Text(), 0
    for (start, end), probability in zip(found.words, found.word_probabilities, strict=True):
        line.append(visible(found.text[at:start]))
        bits = -math.log2(probability) if probability else math.inf
        line.append(visible(found.text[start:end]), display.surprisal_style(bits))
        at = end
    return line.append(visible(found.text[at:]))


def others(found: Translation) -> None:
    """Print the next best translations, each with its score."""
    for other in found.others:
        line = Text(f"  {number(other.score):>8}  ", "dim").append_text(_coloured(other))
        display.console().print(line, soft_wrap=True)


def attention(found: Translation) -> None:
    """Print a translation and what each of its words looked at in the source; the others below."""
    from nlp.core.translation.heatmap import text_heatmap

    translation(found)
    others(found)
    if found.attention is not None and found.attention.size:
        source, target = ([visible(word) for word in side] for side in words_of(found))
        console = display.console()
        console.print()
        for line in text_heatmap(found.attention, source, target, width=console.width):
            console.print(Text(line), soft_wrap=True)
    display.console().print()


def scored(found: Sequence[Translation]) -> None:
    """Print given translations of a text, a table of the words of each, and their order."""
    console = display.console()
    for one in found:
        console.print(_coloured(one), soft_wrap=True)
        console.print()
        shown = _columns("word", "probability", "bits", "looked at")
        source = words_of(one)[0]
        looked = {target: place for place, target in one.alignment}
        for row, probability in enumerate(one.word_probabilities):
            start, end = one.words[row]
            bits = -math.log2(probability) if probability else math.inf
            shown.add_row(
                Text(visible(one.text[start:end]), display.surprisal_style(bits)),
                number(probability),
                number(bits),
                Text(visible(source[looked[row]]) if row in looked else ""),
            )
        console.print(shown)
        console.print(f"log P {one.log_probability:.3f} nats, its end included\n")
    if len(found) > 1:
        console.print(_ranking(found))


def _ranking(found: Sequence[Translation]) -> Table:
    shown = _columns("most probable first", "log P", "times less probable")
    ranked = sorted(found, key=lambda one: -one.log_probability)
    for one in ranked:
        behind = ranked[0].log_probability - one.log_probability
        shown.add_row(
            Text(visible(one.text)),
            f"{one.log_probability:.3f}",
            number(math.exp(min(700.0, behind))) if behind else "",
        )
    return shown


def _columns(*names: str) -> Table:
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(names):
        shown.add_column(name, justify="right" if place > 0 and name != "looked at" else "left")
    return shown


def judged(sentences: Sequence[Judged]) -> None:
    """Print sentences, their translations and references, with their chrF."""
    console = display.console()
    for one in sentences:
        head = Text(f"{one.chrf:5.1f}  ", "bold").append(visible(one.source), "not bold")
        console.print(head.append(f"  (pair {one.number:,})", "not bold dim"), soft_wrap=True)
        console.print(Text(f"       {visible(one.translation)}"), soft_wrap=True)
        console.print(Text(f"       {visible(one.reference)}", "dim"), soft_wrap=True)
