"""The policy for special tokens in text: which become their ids, which are refused.

As in tiktoken. Text from outside that spells `<|endoftext|>` must not end a document unless whoever
calls says that it may, and whoever forgets to say either is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

from corpora.errors import UsageError

Specials = Literal["all"] | Collection[str]


def split_special(
    text: str, special: Mapping[str, int], allowed: Specials, disallowed: Specials
) -> Iterator[tuple[str, int | None]]:
    """The text in order: ordinary parts with None, allowed special tokens with their ids.

    Raises `UsageError` when the text holds a disallowed one ("all": those that are not allowed).
    """
    permitted = set(special) if allowed == "all" else set(allowed) & set(special)
    refused = set(special) - permitted if disallowed == "all" else set(disallowed) - permitted
    if refused and (match := _any_of(frozenset(refused)).search(text)):
        raise UsageError(
            f"The text holds the special token {match.group()!r} at character {match.start()}. "
            f"Give allowed_special={{{match.group()!r}}} to encode it as one id, or "
            "disallowed_special=() to encode it as ordinary text."
        )
    start = 0
    if permitted:
        for match in _any_of(frozenset(permitted)).finditer(text):
            if match.start() > start:
                yield text[start : match.start()], None
            yield match.group(), special[match.group()]
            start = match.end()
    if start < len(text):
        yield text[start:], None


def ordinary(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text in which nothing is a special token, whatever it looks like."""
    return list(tokenizer.encode(text, disallowed_special=()))


@lru_cache(maxsize=64)
def _any_of(tokens: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)))
