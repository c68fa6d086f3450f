"""Values as short text: numbers, times, invisible characters, events of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlp.core.events import Epoch, Evaluation, Progress


# Not only below U+0020: a terminal may take U+0080 to U+009F for commands too.
_SHOWN = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    0x7F: "␡",
}
_SHOWN_IN_PLACE = {code: shown for code, shown in _SHOWN.items() if chr(code) not in "\n\t"}
_SHOWN_IN_LINE = {**_SHOWN, ord("\n"): "⏎", ord("\t"): "⇥"}


def visible(text: str) -> str:
    """The text in one line, its line breaks, tabs and control characters made visible."""
    return text.translate(_SHOWN_IN_LINE)


def harmless(text: str) -> str:
    """The text with its line breaks and tabs, other control characters made visible: what a model
    writes must not move the cursor or recolour the terminal."""
    return text.translate(_SHOWN_IN_PLACE)


def progress_line(event: Progress, items: str = "tokens") -> str:
    """One Progress of a training run as a line of text."""
    return (
        f"step {event.step:,} ({event.fraction:.0%})  {_measured(event)}"
        f"gradient {number(event.gradient_norm)}  {event.items_per_second:,.0f} {items}/s  "
        f"{clock(event.seconds_left)} left"
    )


def evaluation_line(event: Evaluation) -> str:
    """One Evaluation of a training run as a line of text."""
    best = "(best so far)" if event.best else ""
    return f"validation at step {event.step:,}: {_measured(event)}{best}".rstrip()


def epoch_line(event: Epoch) -> str:
    """One Epoch as a line of text."""
    return (
        f"epoch {event.number} of {event.epochs}: loss {event.loss:.4f}  "
        f"{event.words_per_second:,.0f} words/s"
    )


def _measured(event: Progress | Evaluation) -> str:
    metrics = {"loss": event.loss, **event.metrics}
    return "".join(f"{name.replace('_', ' ')} {number(value)}  " for name, value in metrics.items())


def number(value: float | None) -> str:
    """A number with about four figures that tell something; "-" for one that is not known."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.4g}"


def percentage(probability: float) -> str:
    """A probability in per cent, with two figures that tell something."""
    return f"{100 * probability:.2g}%" if probability < 0.995 else "100%"


def clock(seconds: float | None) -> str:
    """Seconds as hours, minutes and seconds: 1:02:03, or 2:03."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def finite(value: Any) -> Any:
    """The same with null in place of NaN and infinity, which JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(part) for name, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, list | tuple) else value


def sparkline(values: Sequence[float], width: int) -> str:
    """Numbers as a row of at most `width` little bars."""
    if len(values) < 2:
        return ""
    step = max(1.0, len(values) / width)
    seen = [values[int(i * step)] for i in range(min(width, len(values)))]
    low, high = min(seen), max(seen)
    return "".join("▁▂▃▄▅▆▇█"[int(7 * (v - low) / ((high - low) or 1.0))] for v in seen)
