"""Words, or characters, and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

UNKNOWN = 0


class Lexicon:
    """Entries are numbered from 1 as they stand; 0 is whatever is not among them.

    >>> Lexicon(["a", "b"]).ids(["b", "c", "A"])
    [2, 0, 0]
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self.entries = tuple(entries)
        self.index = {entry: number for number, entry in enumerate(self.entries, 1)}

    @classmethod
    def build(cls, occurring: Iterable[str], min_count: int = 1) -> Lexicon:
        """Of what occurs so often or more, most frequent first, then by spelling."""
        counts = Counter(occurring)
        kept = [entry for entry, count in counts.items() if count >= min_count]
        return cls(sorted(kept, key=lambda entry: (-counts[entry], entry)))

    def __len__(self) -> int:
        """Numbers there are, with that of the unknown."""
        return len(self.entries) + 1

    def __contains__(self, entry: object) -> bool:
        return entry in self.index

    def ids(self, entries: Iterable[str]) -> list[int]:
        get = self.index.get
        return [get(entry, UNKNOWN) for entry in entries]
