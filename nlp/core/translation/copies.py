"""Source words in a translation, where the model has written what nobody can read or trust.

    source       Wagon   4711   bears   the   sign   ☃
    written      Wagen   47     trägt   das   Schild ##         #: bytes that are no character
    looked at            4711                        ☃          most, of all source words
    copied       Wagen   4711   trägt   das   Schild ☃

So Jean et al. (2015) and Luong, Sutskever et al. (2015) bring over names that their vocabulary has
not. Pieces of bytes spell every word; what they spell wrong are signs and numbers that were rare.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from nlp.core.translation.alignment import Place, word_pieces

UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class Copy(NamedTuple):
    """A source word that stands in a translation."""

    start: int  # characters of the translation's text
    end: int
    source_word: int  # its number, from 0
    written: str  # what the model wrote there


class Copies(NamedTuple):
    """A translation with source words in it."""

    text: str
    copied: list[Copy]
    places: list[Place]  # of its pieces, in characters
    groups: list[list[int]]  # of each of them, the numbers of the pieces it was before


class _Span(NamedTuple):
    start: int
    end: int
    word: int


def place_copies(
    text: str,
    places: Sequence[Place],
    weights: np.ndarray,
    words: Sequence[str],
    *,
    unknown: bool = True,
    like: re.Pattern[str] | None = None,
    kept: int = 0,
) -> Copies:
    """Replaces parts of a translation by the source words they looked at most.

    The pieces of a part become one, from which its attention and its probability can be told. What
    looked at no word stays as it is.

    Args:
        places: of the translation's pieces, in characters, in order; they may overlap.
        weights: what each piece looked at, `[pieces, source words]`.
        words: of the source, as they are to be written.
        unknown: replace U+FFFD, together with letters and digits beside it that looked at the same
            word.
        like: replace each whole word that this matches and the source has not, where the source
            word matches too.
        kept: so many pieces at the beginning stay as they are.
    """
    spans: list[_Span] = []
    if words:
        first = places[kept - 1][1] if kept else 0
        if unknown and UNKNOWN in text:
            spans += _unknown(text, places, weights, first)
        if like is not None:
            taken = {at for span in spans for at in range(span.start, span.end)}
            found = _alike(text, places, weights, words, like)
            spans += (
                span
                for span in found
                if span.start >= first and taken.isdisjoint(range(span.start, span.end))
            )
    return _replaced(text, places, sorted(spans), words)


def _unknown(
    text: str, places: Sequence[Place], weights: np.ndarray, first: int
) -> Iterator[_Span]:
    looked = np.zeros((len(text), weights.shape[1]))  # of each character
    for (start, end), row in zip(places, weights, strict=True):
        looked[start:end] += row
    best = np.where(looked.any(1), looked.argmax(1), -1)
    while (start := text.find(UNKNOWN, first)) >= 0:
        end = start + 1
        if best[start] >= 0:
            alike = best == best[start]
            while start > first and alike[start - 1] and _is_of_a_word(text[start - 1]):
                start -= 1
            while end < len(text) and alike[end] and _is_of_a_word(text[end]):
                end += 1
            yield _Span(start, end, int(best[start]))
        first = end


def _is_of_a_word(character: str) -> bool:
    """Whether it is a letter, mark, number, or unknown."""
    return character == UNKNOWN or unicodedata.category(character)[0] in "LMN"


def _alike(
    text: str,
    places: Sequence[Place],
    weights: np.ndarray,
    words: Sequence[str],
    like: re.Pattern[str],
) -> Iterator[_Span]:
    for (start, end), pieces in zip(*word_pieces(text, places), strict=True):
        looked = weights[pieces].sum(0)
        written, word = text[start:end], int(looked.argmax())
        wrong = like.fullmatch(written) and written not in words
        if wrong and looked.any() and like.fullmatch(words[word]):
            yield _Span(start, end, word)


def _replaced(
    text: str, places: Sequence[Place], spans: Sequence[_Span], words: Sequence[str]
) -> Copies:
    ends = [span.end for span in spans]
    grown = [len(words[span.word]) - (span.end - span.start) for span in spans]
    shifts = list(accumulate(grown, initial=0))  # before each span, and behind all

    def now(at: int) -> int:
        """Where a place that is in no span has gone."""
        return at + shifts[bisect_right(ends, at)]

    parts: list[str] = []
    copied: list[Copy] = []
    groups: list[list[int]] = []
    within: list[list[_Span]] = []  # of each group, its spans
    at = piece = 0
    for span, shift in zip(spans, shifts, strict=False):
        word, begin = words[span.word], span.start + shift
        parts += [text[at : span.start], word]
        copied.append(Copy(begin, begin + len(word), span.word, text[span.start : span.end]))
        at = span.end
        own = [number for number, place in enumerate(places) if _has_part(place, span)]
        if own[0] < piece:  # a piece before has a part of it, too
            within[-1].append(span)
            groups[-1] += range(piece, own[-1] + 1)
        else:
            groups += [[number] for number in range(piece, own[0])]
            groups.append(list(range(own[0], own[-1] + 1)))
            within += [*([] for _ in range(piece, own[0])), [span]]
        piece = max(piece, own[-1] + 1)
    groups += [[number] for number in range(piece, len(places))]
    within += [[] for _ in range(piece, len(places))]
    found = [
        (
            now(min([*(places[number][0] for number in group), *(span.start for span in mine)])),
            now(max([*(places[number][1] for number in group), *(span.end for span in mine)])),
        )
        for group, mine in zip(groups, within, strict=True)
    ]
    return Copies("".join([*parts, text[at:]]), copied, found, groups)


def _has_part(place: Place, span: _Span) -> bool:
    """Whether a piece has; an empty one, a byte that changed nothing, is of what it stands in."""
    start, end = place
    return (start < span.end and end > span.start) or span.start < start == end <= span.end
