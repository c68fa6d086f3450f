"""Byte-pair merging written out: slow, plain, and open to inspection.

The fast engines answer "which ids?"; this file answers "which merges, in which order?" (`trace`),
and does the one thing they cannot do reproducibly, BPE-dropout (Provilkov et al. 2020,
https://aclanthology.org/2020.acl-main.170): at every step each possible merge is left out with
probability p, so that one word is read in many segmentations during training.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from nlp.core.tokens.vocabulary import CHARACTER_TO_BYTE, Vocabulary, from_alphabet


class MergeStep(NamedTuple):
    """One merge of a trace: `left` and `right` became one token."""

    rank: int
    """The place of the merge in the order learned, 0 the first."""
    left: bytes
    right: bytes
    pieces: tuple[bytes, ...]
    """All of the text up to the end of this word, after this merge."""


class Merges:
    """The merges of a byte-level vocabulary, applied one at a time.

    `words` cuts a text into the words within which merges happen.
    """

    def __init__(self, vocabulary: Vocabulary, words: Callable[[str], list[bytes]]) -> None:
        self.words = words
        self.ids = {
            from_alphabet(token): index
            for token, index in vocabulary.tokens.items()
            if CHARACTER_TO_BYTE.keys() >= set(token)  # foreign files hold a few others
        }
        self.whole = vocabulary.ignore_merges
        self.ranks = {
            (from_alphabet(left), from_alphabet(right)): rank
            for rank, (left, right) in enumerate(vocabulary.merges)
        }

    def encode(self, text: str, dropout: float, source: random.Random) -> list[int]:
        """The ids of a text when each possible merge is left out with probability `dropout`.

        The draws are made anew at every step, as in the paper's Algorithm 1; merging a word ends
        when every merge that is left was left out.
        """
        ids: list[int] = []
        for word in self.words(text):
            pieces = [bytes([byte]) for byte in word]
            while True:
                possible = [
                    (self.ranks[pair], place)
                    for place, pair in enumerate(pairwise(pieces))
                    if pair in self.ranks and source.random() >= dropout
                ]
                if not possible:
                    break
                _, place = min(possible)
                pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
            ids += [self.ids[piece] for piece in pieces]
        return ids

    def trace(self, text: str) -> list[MergeStep]:
        """The merges that build the tokens of a text, word after word, in the order made."""
        steps: list[MergeStep] = []
        done: tuple[bytes, ...] = ()
        for word in self.words(text):
            pieces = [bytes([byte]) for byte in word]
            if self.whole and word in self.ids:
                pieces = [word]
            while possible := [
                (self.ranks[pair], place)
                for place, pair in enumerate(pairwise(pieces))
                if pair in self.ranks
            ]:
                rank, place = min(possible)
                left, right = pieces[place : place + 2]
                pieces[place : place + 2] = [left + right]
                steps.append(MergeStep(rank, left, right, (*done, *pieces)))
            done += tuple(pieces)
        return steps
