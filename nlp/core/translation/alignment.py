"""Which words of a source the words of its translation come from.

A decoder looks at pieces of words (BPE); a reader wants words of the texts as they were given:

                ▁the ▁ware house                 the warehouse
    ▁das        [.9   .1   .0 ]      das        [.9   .1]      weights of one source word's pieces
    ▁La         [.0   .4   .6 ]  ->  Lagerhaus  [.05  .95]     are added, the rows of one target
    ger         [.0   .5   .5 ]                                word's pieces are averaged
    haus        [.2   .3   .5 ]

Attention is soft and made for another end, so an alignment taken from it is a guess (Koehn and
Knowles 2017, section 3.5); `alignment_error_rate` tells how good a guess, where the truth is known.

    source_places, source_words = word_pieces(source, source_offsets)
    target_places, target_words = word_pieces(target, target_offsets)
    weights = merge_pieces(attention, source_words, target_words)
    print(pharaoh(hard_alignment(weights)))  # 0-0 1-1
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from corpora.errors import UsageError, check_choice
from nlp.core.tokens.word_splitter import words_of

Place = tuple[int, int]  # [start, end) in characters
Link = tuple[int, int]  # numbers of a source word and a target word, from 0
AlignmentKind = Literal["argmax", "mutual", "all"]

_LINK = re.compile("([0-9]+)([-p?])([0-9]+)")


class Links(NamedTuple):
    """How a person has aligned a pair (Och and Ney 2003): what is sure, and what may be."""

    sure: frozenset[Link]
    possible: frozenset[Link]  # the sure ones too


def word_pieces(text: str, token_offsets: Sequence[Place]) -> tuple[list[Place], list[list[int]]]:
    """The words of a text, signs apart, and the numbers of the tokens that each is made of.

    A token is of every word it has a character of: where no spaces are written, one token may hold
    several words. One that has none (a space, the end of a sentence with its empty range) is of no
    word, and a word that was cut off has no token.

    Args:
        token_offsets: the tokens' ranges in characters, in any order; they may overlap, as those
            of an emoji's bytes do.
    """
    places = words_of(text)
    ends = [end for _, end in places]
    tokens: list[list[int]] = [[] for _ in places]
    for number, (start, end) in enumerate(token_offsets):
        word = bisect_right(ends, start)
        while start < end and word < len(places) and places[word][0] < end:
            tokens[word].append(number)
            word += 1
    return places, tokens


def merge_pieces(
    attention: ArrayLike,
    source_words: Sequence[Sequence[int]],
    target_words: Sequence[Sequence[int]],
) -> np.ndarray:
    """Attention between words, `[target words, source words]` float32, from that between tokens.

    A source word has what its tokens have together, a target word the mean of its tokens' rows.
    What a source token of several words has is parted evenly among them; what one of no word has,
    such as the end of the sentence, is left out. So a row sums to the weight that fell on words. A
    word without tokens has zeros.

    Args:
        attention: `[target tokens, source tokens]`.
        source_words, target_words: the numbers of each word's tokens.
    """
    weights = np.asarray(attention, np.float32)
    source = _members(source_words, weights.shape[1])
    target = _members(target_words, weights.shape[0])
    source /= np.maximum(source.sum(0), 1)
    target /= np.maximum(target.sum(1, keepdims=True), 1)
    return target @ weights @ source.T


def _members(words: Sequence[Sequence[int]], tokens: int) -> np.ndarray:
    """1 where a token is of a word, `[words, tokens]`."""
    members = np.zeros((len(words), tokens), np.float32)
    for word, numbers in enumerate(words):
        members[word, list(numbers)] = 1
    return members


def hard_alignment(
    weights: np.ndarray, kind: AlignmentKind = "argmax", *, least: float = 0.0
) -> list[Link]:
    """The links (source word, target word) of weights `[target words, source words]`, in order.

    argmax  each target word with the source word of most weight, the first where several have it
    mutual  those of them whose source word has given most to this target word in turn
    all     every pair

    Args:
        least: only links of more weight than this, so that a target word may have none.

    Raises:
        UsageError: the kind is unknown.
    """
    check_choice("alignment", kind, AlignmentKind)
    heavy = weights > least
    if kind != "all" and weights.size:
        rows, columns = np.indices(weights.shape)
        heavy &= columns == weights.argmax(1)[:, None]
        if kind == "mutual":
            heavy &= rows == weights.argmax(0)
    return [(int(source), int(target)) for source, target in np.argwhere(heavy.T)]


def pharaoh(links: Iterable[Link]) -> str:
    """Links in one line as Moses and fast_align write them, `0-0 1-2 2-1`: source, then target."""
    return " ".join(f"{source}-{target}" for source, target in sorted(links))


def read_pharaoh(line: str, where: str = "the alignment") -> Links:
    """The links in a line such as `0-0 1-2 2p1`; `p` or `?` marks one that is only possible.

    Args:
        where: the line stands, for the message.

    Raises:
        UsageError: something else stands in it.
    """
    sure, possible = set(), set()
    for part in line.split():
        found = _LINK.fullmatch(part)
        if found is None:
            raise UsageError(
                f"{where}: {part!r} is no link: expected the numbers of a source and a target "
                "word, from 0, as in 0-0 1-2, or 1p2 for one that is only possible"
            )
        possible.add(link := (int(found[1]), int(found[3])))
        if found[2] == "-":
            sure.add(link)
    return Links(frozenset(sure), frozenset(possible))


def alignment_error_rate(found: Sequence[Collection[Link]], gold: Sequence[Links]) -> float:
    """1 - (|A and S| + |A and P|) / (|A| + |S|) over all pairs, 0 to 1 (Och and Ney 2003, eq. 12).

    0 is perfect: every sure link is found and nothing that is not at least possible.

    Raises:
        UsageError: there are not as many alignments as gold ones.
    """
    if len(found) != len(gold):
        raise UsageError(
            f"{len(found):,} alignments and {len(gold):,} gold ones: expected one for each pair"
        )
    agreed = total = 0
    for links, (sure, possible) in zip(map(set, found), gold, strict=True):
        agreed += len(links & sure) + len(links & possible)
        total += len(links) + len(sure)
    return 1 - agreed / total if total else 0.0
