"""Values as short text: numbers, times, invisible characters, events of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def visible(text: str) -> str:
    """The text with its line breaks and control characters made visible."""
    named = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x7f": "␡"}
    return "".join(
        named.get(character) or (chr(0x2400 + ord(character)) if character < " " else character)
        for character in text
    )


def progress_line(event: Any) -> str:
    """One Progress as a line of text."""
    return (
        f"step {event.step:,}/{event.steps:,}  loss {event.loss:.4f}  "
        f"perplexity {number(event.perplexity)}  {number(event.bits_per_byte)} bits/byte  "
        f"gradient {number(event.gradient_norm)}  {event.tokens_per_second:,.0f} tokens/s  "
        f"{clock(event.seconds_left)} left"
    )


def evaluation_line(event: Any) -> str:
    """One Evaluation as a line of text."""
    return (
        f"validation at step {event.step:,}: loss {event.loss:.4f}  "
        f"perplexity {number(event.perplexity)}  {number(event.bits_per_byte)} bits/byte"
        f"{'  (best so far)' if event.best else ''}"
    )


def number(value: float | None) -> str:
    """A number with about four figures that tell something; "-" for one that is not known."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def clock(seconds: float | None) -> str:
    """Seconds as hours, minutes and seconds: 1:02:03, or 2:03."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with null in place of NaN and infinity, which JSON does not know."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def sparkline(values: Sequence[float], width: int) -> str:
    """Numbers as a row of at most `width` little bars."""
    if len(values) < 2:
        return ""
    step = max(1.0, len(values) / width)
    seen = [values[int(i * step)] for i in range(min(width, len(values)))]
    low, high = min(seen), max(seen)
    return "".join("▁▂▃▄▅▆▇█"[int(7 * (v - low) / ((high - low) or 1.0))] for v in seen)
