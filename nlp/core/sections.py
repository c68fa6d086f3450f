"""A long text in parts that a model can look at, cut between sentences."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

from nlp.core.sentences import Place, places
from nlp.core.summary import Settings
from nlp.core.tokens.special_tokens import ordinary


def sections(tokenizer: Any, text: str, room: int | None, settings: Settings) -> list[str]:
    """The parts of a text, without the white space around them; each fits, with the hint, in `room`
    tokens. They are few, of about equal length, and whole sentences; a sentence that does not fit
    is cut between two characters. A text that fits is one part, an empty one none.
    """
    text = text.strip()
    if not text:
        return []
    hint = settings.hint
    if room is None or len(ordinary(tokenizer, text + hint)) <= room:
        return [text]
    own = room - len(ordinary(tokenizer, hint))
    where = tokenizer.offsets(text, ids=ordinary(tokenizer, text))
    ends = [end for _, end in where]
    stops = [end for _, end in places(text, settings.language)]
    parts: list[str] = []
    begin = 0

    def fits(end: int) -> bool:
        return len(ordinary(tokenizer, text[begin:end].strip() + hint)) <= room

    while True:
        used = bisect.bisect_right(ends, begin)
        left = len(ends) - used
        if left <= own and fits(len(text)):
            break
        furthest = ends[min(used + own, len(ends)) - 1]
        aim = ends[used + left // max(2, -(-left // own)) - 1]
        fitting = stops[bisect.bisect_right(stops, begin) : bisect.bisect_right(stops, furthest)]
        nearest = sorted(fitting, key=lambda end: abs(end - aim))
        end = next(filter(fits, nearest), None) or _within(where, used, own, fits)
        parts.append(text[begin:end].strip())
        begin = end
    parts.append(text[begin:].strip())
    return [part for part in parts if part]


def _within(where: Sequence[Place], used: int, own: int, fits: Callable[[int], bool]) -> int:
    """The last end of a token that fits, and that is not within a character; at least one token
    behind those `used`."""
    for count in range(min(used + own, len(where) - 1), used, -1):
        is_whole = where[count][0] >= where[count - 1][1]
        if is_whole and fits(where[count - 1][1]):  # cut apart, it may take more tokens
            return where[count - 1][1]
    return where[used][1]
