"""What a tagger answers with: entities, and the text they stand in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entity:
    """A run of words with a label; `text[start:end]` of the tagged text is its surface form."""

    label: str
    text: str
    start: int  # characters, the end exclusive
    end: int
    confidence: float  # 0 to 1: marginal probability of the whole span with this label
    first_word: int
    last_word: int  # exclusive
    rank: int = 0  # 0: on the best path; 1 and up: a second choice, in recall-first mode


@dataclass(frozen=True)
class TaggedText:
    """A text as it was given, the character ranges of its words, and its entities."""

    text: str
    words: tuple[tuple[int, int], ...]
    entities: tuple[Entity, ...]
