"""The alignment of METEOR: which of the words that may be matched are (Denkowski and Lavie 2014).

Of all alignments in which no word is in two matches, that which covers most words is taken, of
these that with the fewest chunks, of these that with the smallest distances between places. A beam
looks for it from left to right in the reference, and may miss it, as the original does: the order
in which equals are tried, and how halves are cut off in adding up, are the original's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

MODULES = 4  # by form, stem, synonym and paraphrase
BEAM = 40
_WORTH = (1.0, 0.5, 0.5, 0.5)  # of a matched word, by module


class Match(NamedTuple):
    """Words of the reference from `start` on are words of the caption from `own` on."""

    module: int
    start: int
    length: int
    own: int
    own_length: int


class _Path:
    """An alignment of the reference up to a place."""

    __slots__ = ("chunks", "covered", "distance", "end", "matches", "place", "used", "used_own")

    def __init__(self, matches: dict[int, Match], used: int, used_own: int) -> None:
        self.matches = matches  # by the place in the reference
        self.used, self.used_own = used, used_own  # words, as bits
        self.covered = [0, 0]  # worth of the words of caption and reference
        self.chunks = 0
        self.place = 0  # of the reference, up to which it is decided
        self.end = -1  # of the last match in the caption; -1 behind a word that is not matched
        self.distance = 0

    def copy(self) -> _Path:
        other = _Path(dict(self.matches), self.used, self.used_own)
        other.covered = list(self.covered)
        other.chunks, other.place = self.chunks, self.place
        other.end, other.distance = self.end, self.distance
        return other

    def rank(self) -> tuple[int, int, int]:
        return -sum(self.covered), self.chunks, self.distance

    def take(self, match: Match) -> None:
        worth = _WORTH[match.module]
        self.covered[0] = int(self.covered[0] + match.own_length * worth)
        self.covered[1] = int(self.covered[1] + match.length * worth)
        if self.end not in (-1, match.own):
            self.chunks += 1
        self.place = match.start + match.length
        self.end = match.own + match.own_length


def align(
    own: Sequence[str], theirs: Sequence[str], possible: Iterable[Match]
) -> tuple[list[Match], int]:
    """The matches that are made, and into how many chunks they fall."""
    starting: list[list[Match]] = [[] for _ in theirs]
    coverage, own_coverage = [0] * len(theirs), [0] * len(own)
    for match in possible:
        starting[match.start].append(match)
        for place in range(match.start, match.start + match.length):
            coverage[place] += 1
        for place in range(match.own, match.own + match.own_length):
            own_coverage[place] += 1
    path = _Path({}, 0, 0)
    for matches in starting:  # what nothing else comes near is settled
        for match in matches if len(matches) == 1 else ():
            places = coverage[match.start : match.start + match.length]
            if {*places, *own_coverage[match.own : match.own + match.own_length]} == {1}:
                path.matches[match.start] = match
                path.used |= _bits(match.start, match.length)
                path.used_own |= _bits(match.own, match.own_length)
    best = _search(starting, path)
    chosen = [best.matches[place] for place in sorted(best.matches)]
    return chosen, _chunks(chosen)


def _search(starting: Sequence[Sequence[Match]], start: _Path) -> _Path:
    following = [start]
    for current, matches in enumerate(starting):
        paths = sorted(following, key=_Path.rank)
        following = []
        for path in paths[:BEAM]:
            if path.used >> current & 1:
                if current < path.place:  # amidst a match
                    following.append(path)
                elif path.place in path.matches:
                    match = path.matches[path.place]
                    path.take(match)
                    path.distance += abs(match.start - match.own)
                    following.append(path)
                continue
            for match in matches:
                bits, own_bits = (
                    _bits(match.start, match.length),
                    _bits(match.own, match.own_length),
                )
                if path.used & bits or path.used_own & own_bits:
                    continue
                other = path.copy()
                other.used |= bits
                other.used_own |= own_bits
                other.matches[current] = match
                other.take(match)
                # It is added to the path that was left, not to the one that was made.
                path.distance += abs(match.start - match.own)
                following.append(other)
            if path.end != -1:
                path.chunks += 1
                path.end = -1
            path.place += 1
            following.append(path)
        following = following or paths[:1]
    paths = sorted(following, key=_Path.rank)[:BEAM]
    for path in paths:
        path.chunks += path.end != -1
    return min(paths, key=_Path.rank)


def _bits(start: int, length: int) -> int:
    return ((1 << length) - 1) << start


def _chunks(matches: Sequence[Match]) -> int:
    """Runs of matches that follow one another in both texts."""
    chunks, place, end = 0, -1, -1
    for match in matches:
        chunks += (match.start, match.own) != (place, end)
        place, end = match.start + match.length, match.own + match.own_length
    return chunks
