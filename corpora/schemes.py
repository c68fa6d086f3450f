"""Tagging schemes: how one tag a word writes down which words make up an entity.

    words    Alex  is  going  to  Los    Angeles  in  California
    IOB1     I-PER O   O      O   I-LOC  I-LOC    O   I-LOC       B- only between two alike
    BIO      B-PER O   O      O   B-LOC  I-LOC    O   B-LOC       also called IOB2
    IOBES    S-PER O   O      O   B-LOC  E-LOC    O   S-LOC       also called BIOES
    BILOU    U-PER O   O      O   B-LOC  L-LOC    O   U-LOC

Plain types without a prefix ("PER") are read as IOB1's I-: a run of one type is one entity. Tags
that break their scheme are read as the CoNLL script `conlleval` reads them, with the rules of its
later versions and of `seqeval` for E- and S-, and with L- and U- as these.

    >>> [tuple(span) for span in to_spans(["I-PER", "O", "B-LOC", "I-LOC", "I-PER"], "BIO")]
    [(0, 1, 'PER'), (2, 4, 'LOC'), (4, 5, 'PER')]

Ramshaw & Marcus (1995), "Text chunking using transformation-based learning"; Tjong Kim Sang &
Veenstra (1999), "Representing text chunks"; Ratinov & Roth (2009) for BILOU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from corpora.errors import UsageError

Scheme = Literal["IOB1", "BIO", "IOBES", "BILOU"]
OUTSIDE = "O"
_PREFIXES: dict[Scheme, str] = {"BIO": "BI", "IOB1": "BI", "IOBES": "BIES", "BILOU": "BILU"}
_ROLES = {"L": "E", "U": "S", "": "I"}  # what is written otherwise, in the letters of IOBES


class Span(NamedTuple):
    """An entity: the words [start, end) of a sentence, and what it is."""

    start: int
    end: int
    label: str


class TagError(UsageError):
    """A tag that fits no scheme; `tag` is for a reader that knows where it stands."""

    def __init__(self, tag: str, message: str) -> None:
        super().__init__(message)
        self.tag = tag


def detect(sequences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that has the prefixes of all these tags, and that they break the least.

    Plain types are "IOB1"; tags without any entity are "BIO".

    Raises:
        TagError: a tag without a prefix or type where others have them, or prefixes of no scheme.
    """
    pairs: Counter[tuple[str | None, str | None]] = Counter()
    for tags in sequences:
        pairs.update(pairwise((None, *tags, None)))
    found = sorted({tag for pair in pairs for tag in pair if tag is not None})
    letters = {prefix for tag in found if (prefix := prefix_and_label(tag)[0])}
    fitting = [scheme for scheme, prefixes in _PREFIXES.items() if letters <= set(prefixes)]
    if not fitting:
        units, singles = (
            next(tag for tag in found if prefix_and_label(tag)[0] in kind)
            for kind in (("L", "U"), ("E", "S"))
        )
        raise TagError(
            units, f"tag {units!r} is of BILOU and {singles!r} of IOBES: write all in one scheme"
        )
    _check(found, bool(letters))
    broken = {
        scheme: sum(count for pair, count in pairs.items() if not is_allowed(*pair, scheme))
        for scheme in fitting
    }
    return min(fitting, key=broken.__getitem__)


def _check(tags: Iterable[str], prefixed: bool) -> None:
    """Raises TagError for a tag that is not of the kind of the others."""
    for tag in tags:
        prefix, label = prefix_and_label(tag)
        if tag == OUTSIDE:
            continue
        if not label:
            raise TagError(tag, f"tag {tag!r} has no type: expected one such as 'B-PER'")
        if prefixed and not prefix:
            raise TagError(
                tag,
                f"tag {tag!r} fits no scheme: expected O, or a type behind B-, I-, E-, S-, L- or "
                "U- as in other tags",
            )
        if tag[1:2] == "-" and tag[0] in "bioeslu":
            raise TagError(tag, f"tag {tag!r} fits no scheme: write its prefix in capitals")


def to_spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The entities, in order. What breaks the scheme is read as the CoNLL script reads it.

    Raises:
        TagError: a prefix that is not the scheme's.
    """
    spans = []
    start, within = 0, ""  # the entity that a word may continue
    for place, tag in enumerate((*tags, OUTSIDE)):
        prefix, label = prefix_and_label(tag)
        if prefix not in _PREFIXES[scheme]:
            raise TagError(tag, f"tag {tag!r} is none of {scheme}: name its scheme, or auto")
        role = _ROLES.get(prefix, prefix)
        if within and (tag == OUTSIDE or label != within or role in "BS"):
            spans.append(Span(start, place, within))
            within = ""
        if tag != OUTSIDE and not within:
            start, within = place, label
        if role in "ES":
            spans.append(Span(start, place + 1, within))
            within = ""
    return spans


def to_tags(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """One tag a word. `ValueError` for spans that overlap or do not lie within `length` words."""
    tags = [OUTSIDE] * length
    last = Span(0, 0, "")
    for span in sorted(spans):
        if not last.end <= span.start < span.end <= length:
            raise ValueError(f"{span} overlaps {last} or is not within {length} words")
        size = span.end - span.start
        if scheme == "IOB1":
            parts = last.end == span.start and last.label == span.label
            roles = ("B" if parts else "I") + "I" * (size - 1)
        elif scheme == "BIO":
            roles = "B" + "I" * (size - 1)
        else:
            first, inside, end, only = "BIES" if scheme == "IOBES" else "BILU"
            roles = only if size == 1 else first + inside * (size - 2) + end
        tags[span.start : span.end] = [f"{role}-{span.label}" for role in roles]
        last = span
    return tags


@lru_cache(maxsize=1 << 16)
def is_allowed(before: str | None, after: str | None, scheme: Scheme) -> bool:
    """Whether tag `after` may follow tag `before`; None is the sentence's edge."""
    for tag in (before or OUTSIDE, after or OUTSIDE):
        if tag != OUTSIDE and prefix_and_label(tag)[0] not in _PREFIXES[scheme]:
            return False
    left, left_label = _role(before)
    right, right_label = _role(after)
    continues = left in "BI" and left_label == right_label
    if scheme == "IOB1":
        return right != "B" or continues
    if scheme == "BIO":
        return right != "I" or continues
    return (right in "IE") == (left in "BI") and (left not in "BI" or continues)


def tag_set(labels: Iterable[str], scheme: Scheme) -> list[str]:
    """Every tag that entities with these labels can need: "O", then the others sorted."""
    tags = {f"{prefix}-{label}" for label in labels for prefix in _PREFIXES[scheme]}
    return [OUTSIDE, *sorted(tags)]


def prefix_and_label(tag: str) -> tuple[str, str]:
    """("B", "PER") of "B-PER" and ("", "PER") of "PER"."""
    return (tag[0], tag[2:]) if tag[1:2] == "-" and tag[0] in "BIESLU" else ("", tag)


def _role(tag: str | None) -> tuple[str, str]:
    """The letter of IOBES, "O" outside and beyond the edge, and the label."""
    if tag is None or tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, label = prefix_and_label(tag)
    return _ROLES.get(prefix, prefix), label
