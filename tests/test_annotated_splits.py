"""Dividing annotated data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from corpora import UsageError
from corpora.annotated_splits import divide


def read(source: Any, split: str | None) -> tuple[list[str], list[str]]:
    """A source is text; each of its letters is an item."""
    return list(str(source)), [f"read {source}"]


LETTERS = "abcdefghijklmnopqrstuvwxyz" * 4


def test_fractions_are_exact_and_always_the_same() -> None:
    parts = divide(LETTERS, 0.25, 0.125, read=read)
    assert [len(part) for part in parts[:3]] == [65, 26, 13]
    assert sorted(parts.train + parts.validation + parts.test) == sorted(LETTERS)
    assert divide(LETTERS, 0.25, 0.125, read=read) == parts
    assert parts.remarks == [f"read {LETTERS}"]
    assert "25% validation" in parts.rule


def test_parts_of_their_own_are_taken_whole() -> None:
    parts = divide("train", "valid", "test", read=read)
    assert parts[:3] == (list("train"), list("valid"), list("test"))
    mixed = divide(LETTERS, "valid", 0.5, read=read)
    assert (len(mixed.train), len(mixed.validation), len(mixed.test)) == (52, 5, 52)
    assert divide("train", "valid", 0, read=read).test == []


def test_groups_stay_whole() -> None:
    def fours(items: Sequence[str]) -> list[int]:
        return [place // 4 for place in range(len(items))]

    parts = divide([LETTERS], 0.25, 0.25, read=lambda s, _: (list(range(104)), []), groups=fours)
    for part in parts[:3]:
        assert all(item // 4 * 4 + step in part for item in part for step in range(4))


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (0, 0.1), (1.5, 0), (0.1, -1)])
def test_impossible_fractions_are_refused(validation: float, test: float) -> None:
    with pytest.raises(UsageError):
        divide(LETTERS, validation, test, read=read)


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(UsageError, match="validation part is empty"):
        divide("ab", 0.1, 0, read=read)


def test_parts_are_counted() -> None:
    parts = divide("aab", "ae", "xyz", read=read)
    assert parts.counted("letters", "vowels", lambda letter: letter in "aeiou") == (
        "train 3 letters (2 vowels), validation 2 letters (2 vowels), test 3 letters (0 vowels); "
        "as given"
    )
