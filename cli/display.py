"""What a terminal shows: coloured tokens, scores, tables and training as it happens.

With display_entities the only file that knows Rich. Commands import them when they have something
to show, because Rich is not needed for `--json`, and importing it takes longer than `--help` may.
"""

from __future__ import annotations

import io
import json
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.format import (
    clock,
    epoch_line,
    evaluation_line,
    finite,
    harmless,
    number,
    percentage,
    progress_line,
    sparkline,
    visible,
)
from corpora.writing import write_text

if TYPE_CHECKING:
    from nlp.core.events import Event, Progress
    from nlp.core.scoring import Score

# Backgrounds that black text stays readable on, for tokens that only have to differ.
TOKEN_COLOURS = ("#a5d8ff", "#b2f2bb", "#ffec99", "#ffc9c9", "#d0bfff", "#ffd8a8")

PICTURE_WIDTH = 84  # columns: what GitHub shows without shrinking the letters
# Rich's own template fetches its font from a server. Spaces are to stay where they are.
PICTURE = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
text {{ white-space: pre }}
.{unique_id}-matrix {{
    font-family: ui-monospace, Menlo, Consolas, monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

# Surprisal in bits, and its background colour: green was expected, red was not.
SURPRISAL_COLOURS = (
    *((0.0, (178, 242, 187)), (4.0, (233, 250, 150)), (8.0, (255, 236, 153))),
    *((12.0, (255, 192, 120)), (18.0, (255, 135, 135))),
)


def console(**options: Any) -> Console:
    """The terminal, or a page wide enough that a table in a file or a pipe is not folded."""
    console = Console(highlight=False, **options)
    if not console.is_terminal:
        console.width = 160
    return console


def facts(rows: Mapping[str, object]) -> None:
    """Print names and what they are, one a line."""
    width = max(map(len, rows))
    for name, value in rows.items():
        line = Text(f"{name:{width}}  ", style="dim").append(str(value), style="not dim")
        console().print(line, soft_wrap=True)


def records(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows that have the same names as a table; texts to the left, numbers to the right."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, value in rows[0].items():
        shown.add_column(
            name.replace("_", " "), justify="left" if isinstance(value, str) else "right"
        )
    for row in rows:
        values = (f"{value:,}" if isinstance(value, int) else str(value) for value in row.values())
        shown.add_row(*map(Text, values))
    console().print(shown)


def tokens(texts: Iterable[str], ids: Sequence[int] | None = None) -> None:
    """Print tokens on alternating colours, with their ids behind them if given."""
    strip = Text()
    for place, text in enumerate(texts):
        style = f"#000000 on {TOKEN_COLOURS[place % len(TOKEN_COLOURS)]}"
        strip.append(visible(text), style=style)
        if ids is not None:
            strip.append(f"{ids[place]} ", style="dim")
        if text.endswith("\n"):
            strip.append("\n")
    console().print(strip, soft_wrap=True)


def merges(word: str, steps: Sequence[Mapping[str, Any]]) -> None:
    """Print how a word is built: the rank of each merge, the pair, and the pieces after it."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("merge", "pair", "pieces"):
        shown.add_column(name)
    shown.add_row("", "", _pieces(list(word)))
    for step in steps:
        pair = Text(f"{visible(step['left'])} + {visible(step['right'])}")
        shown.add_row(f"{step['rank']:,}", pair, _pieces(step["pieces"]))
    console().print(shown)


def _pieces(texts: Iterable[str]) -> Text:
    strip = Text()
    for place, text in enumerate(texts):
        strip.append(visible(text), f"#000000 on {TOKEN_COLOURS[place % len(TOKEN_COLOURS)]}")
        strip.append("\u200a")  # a hair of space, so that pieces differ without colours too
    return strip


def surprisal_style(bits: float | None) -> str:
    """Black on the colour of a surprisal in bits; dim where there is none."""
    if bits is None:
        return "dim"
    for (below, colour), (above, next_colour) in pairwise(SURPRISAL_COLOURS):
        if bits < above:
            share = max(0.0, (bits - below) / (above - below))
            mixed = (a + share * (b - a) for a, b in zip(colour, next_colour, strict=True))
            return "#000000 on #" + "".join(f"{round(part):02x}" for part in mixed)
    return "#000000 on #" + "".join(f"{part:02x}" for part in next_colour)


def scores(
    scored: Sequence[Score], *, words: bool = False, top: int = 0, svg: Path | None = None
) -> None:
    """Print texts on the colours of their surprisal, a table for each, and their order.

    svg: where to save the same picture.
    """
    _print_scores(console(), scored, words, top)
    if svg is not None:
        recorder = Console(record=True, width=PICTURE_WIDTH, file=io.StringIO(), highlight=False)
        _print_scores(recorder, scored, words, top)
        picture = recorder.export_svg(title="unrolled score", code_format=PICTURE)
        write_text(svg, picture.replace("<text ", '<text xml:space="preserve" '))


def _print_scores(console: Console, scored: Sequence[Score], words: bool, top: int) -> None:
    for score in scored:
        line = Text().append(visible(score.context), style="dim")
        for token in score.tokens:
            line.append(visible(token.text), style=surprisal_style(token.bits))
        console.print(line)
        console.print()
        console.print(_word_table(score) if words else _token_table(score, top))
        console.print(
            f"log P {score.log_probability:.3f} nats ({score.bits:.2f} bits)   "
            f"{score.bits_per_byte:.3f} bits per byte\n"
            f"perplexity {number(score.perplexity)} per token, "
            f"{number(score.word_perplexity)} per word\n"
        )
    if len(scored) > 1:
        console.print(_ranking(scored))


def _token_table(score: Score, top: int) -> Table:
    shown = _columns("token", "probability", "bits", "rank", "entropy")
    if top:
        shown.add_column("rather", header_style="dim", overflow="fold")
    for token in score.tokens:
        entropy = None if token.entropy is None else token.entropy / math.log(2)
        shown.add_row(
            # A character of several tokens belongs to the first of them.
            Text(visible(token.text) or "…", style=surprisal_style(token.bits)),
            number(None if token.log_probability is None else math.exp(token.log_probability)),
            number(token.bits),
            "-" if token.rank is None else f"{token.rank:,}",
            number(entropy),
            _Whole(
                Text(visible(other.text)).append(
                    f" {percentage(math.exp(other.log_probability))}", "dim"
                )
                for other in token.top[:top]
            ),
        )
    return shown


class _Whole:
    """Parts side by side, as many as fit in a line. Rich alone would break lines inside them, for
    tokens begin with spaces."""

    GAP = 2

    def __init__(self, parts: Iterable[Text]) -> None:
        self.parts = list(parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines: list[Text] = []
        for part in self.parts:
            if lines and lines[-1].cell_len + self.GAP + part.cell_len <= options.max_width:
                lines[-1].append(" " * self.GAP).append_text(part)
            else:
                lines.append(part.copy())
        yield Text("\n").join(lines)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widths = [part.cell_len for part in self.parts] or [0]
        return Measurement(max(widths), sum(widths) + self.GAP * (len(widths) - 1))


def _word_table(score: Score) -> Table:
    shown = _columns("word", "log P", "bits", "tokens")
    for word in score.words:
        shown.add_row(
            Text(visible(word.text), style=surprisal_style(word.bits)),
            number(word.log_probability),
            number(word.bits),
            str(word.tokens),
        )
    return shown


def _ranking(scored: Sequence[Score]) -> Table:
    shown = _columns("most probable first", "log P", "bits per byte", "times less probable")
    ranked = sorted(scored, key=lambda score: -score.log_probability)
    for score in ranked:
        behind = min(700.0, ranked[0].log_probability - score.log_probability)
        shown.add_row(
            Text(visible(score.text)),
            f"{score.log_probability:.3f}",
            f"{score.bits_per_byte:.3f}",
            number(math.exp(behind)) if behind else "",
        )
    return shown


def _columns(*names: str) -> Table:
    """An empty table: its first column to the left, the others, numbers, to the right."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(names):
        shown.add_column(name, justify="left" if place == 0 else "right", no_wrap=place > 0)
    return shown


def comparison(
    title: str, columns: Sequence[str], rows: Mapping[str, Sequence[float | None]]
) -> None:
    """A row of numbers for each of several models."""
    shown = _columns(title, *columns)
    for name, values in rows.items():
        shown.add_row(name, *(number(value) for value in values))
    console().print(shown)


class TrainingDisplay:
    """Shows the events of one training run: `with TrainingDisplay() as report: train(..., report)`.

    style: "live" keeps a panel at the foot of the terminal, "plain" prints a line now and then,
    "json" prints every event as a line of JSON, "quiet" prints nothing; "auto" is live on a
    terminal and plain elsewhere.
    items: what the model is trained on, for the speed.
    """

    def __init__(
        self, style: str = "auto", *, items: str = "tokens", seconds_between_lines: float = 5.0
    ) -> None:
        self._console = Console(highlight=False)
        if style == "auto":
            style = "live" if self._console.is_terminal else "plain"
        self.style = style
        self._items = items
        self._pause = 0.1 if style == "live" else seconds_between_lines
        self._last_shown = -math.inf
        self._losses: deque[float] = deque(maxlen=400)
        self._evaluation = ""
        self._sample = ""
        self._live = Live(console=self._console, auto_refresh=False)

    def __enter__(self) -> TrainingDisplay:
        if self.style == "live":
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.style == "live":
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event of `nlp.core.training`."""
        from nlp.core.events import Epoch, Evaluation, Progress

        if self.style == "json":
            name = type(event).__name__.lower()
            print(json.dumps({"event": name, **finite(asdict(event))}), flush=True)
        elif self.style == "quiet":
            return
        elif isinstance(event, Progress):
            self._losses.append(event.loss)
            now = time.monotonic()
            if now - self._last_shown >= self._pause or event.fraction >= 1:
                self._last_shown = now
                if self.style == "live":
                    self._live.update(self._panel(event), refresh=True)
                else:
                    self._print(progress_line(event, self._items))
        elif isinstance(event, Evaluation):
            self._evaluation = evaluation_line(event)
            self._print(self._evaluation, "bold")
        elif isinstance(event, Epoch):
            self._print(epoch_line(event))
        elif event.kind == "note":
            self._print(event.text, "italic")
        elif self.style == "live":
            self._sample = harmless(event.text.strip())
        else:
            self._print(f"sample: {visible(event.text.strip())}", "italic")

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    def _panel(self, event: Progress) -> RenderableType:
        width = min(84, self._console.width)
        bar = Table.grid()
        bar.add_row(ProgressBar(total=1.0, completed=event.fraction, width=width - 4))
        values = {
            "loss": f"{event.loss:.4f}",
            **{name.replace("_", " "): number(value) for name, value in event.metrics.items()},
            f"{self._items}/s": f"{event.items_per_second:,.0f}",
            "gradient": number(event.gradient_norm),
            "learning rate": f"{event.learning_rate:.2e}",
        }
        grid = Table.grid(padding=(0, 3, 0, 0))
        cells = [Text(f"{name} ", "dim").append(value, "bold") for name, value in values.items()]
        for start in range(0, len(cells), 3):
            grid.add_row(*cells[start : start + 3])
        parts: list[RenderableType] = [bar, grid]
        parts.append(Text(sparkline(list(self._losses), width - 4), "green"))
        if self._evaluation:
            parts.append(Text(self._evaluation, "cyan"))
        if self._sample:
            parts.append(Text(f"\n{self._sample}", "italic"))
        return Panel(
            Group(*parts),
            title=f"step {event.step:,} · epoch {event.epoch} · {event.fraction:.0%}",
            subtitle=f"{clock(event.seconds_left)} left",
            title_align="left",
            width=width,
        )
