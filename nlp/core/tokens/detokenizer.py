"""From tokens back to text while they are still arriving, and the stop strings that end it."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import TYPE_CHECKING

from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.tokenizer import Tokenizer


class IncrementalDetokenizer:
    """Text from tokens, one at a time, showing only what can no longer change.

    `push(token)` returns the text that has become certain, often "": the bytes of an unfinished
    UTF-8 character are held back, and so is text that may yet turn out to begin a stop string.
    When a stop string is complete, `stopped` becomes True and nothing from it on is ever returned.
    `flush()` returns the rest, with U+FFFD for a character that never became whole. The pieces
    joined do not depend on how the text was divided into tokens.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = stop_strings(stop)
        self._longest = max(map(len, self._stop), default=0)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        return self._release(self._decoder.decode(self._tokenizer.token_bytes(token)))

    def flush(self) -> str:
        text = self._release(self._decoder.decode(b"", final=True))
        rest, self._held = self._held, ""
        return text + rest

    def _release(self, text: str) -> str:
        if self.stopped or not self._stop:
            return "" if self.stopped else text
        text = self._held + text
        # The stop string that is complete first wins, the longest where several end together:
        # what a reader would see who got one character at a time.
        found = [
            (place + len(stop), place) for stop in self._stop if (place := text.find(stop)) >= 0
        ]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        held = min(self._longest - 1, len(text))
        while held and not any(stop.startswith(text[-held:]) for stop in self._stop):
            held -= 1
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def stop_strings(stop: Sequence[str]) -> tuple[str, ...]:
    stop = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in stop:
        raise UsageError("a stop string is empty; expected at least one character in each")
    return stop
