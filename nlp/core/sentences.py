"""Where sentences begin and end in running text, by `sentencex` (Wikimedia's splitter).

    >>> split("Dr. Smith slept for 3.5 hours. Did he?")
    ['Dr. Smith slept for 3.5 hours.', 'Did he?']

It knows the marks and the abbreviations of some 300 languages. Where it is not sure it leaves two
sentences together, and it takes a line break for the end of one only behind a mark and at an empty
line.
"""

from __future__ import annotations

import re

import sentencex

Place = tuple[int, int]  # characters from the first to before the second

# A quotation that is not closed: its opening mark is left at the end of the sentence before.
OPENING = re.compile(r"\s([\"“„«'\u2018(\[]+)$")


def places(text: str, language: str = "en") -> list[Place]:
    """Where the sentences of a text stand, without the white space around them.

    `language` is a code as in "de" or "pt-br"; of one that is not known the marks are, and the
    abbreviations are those of English.
    """
    found: list[Place] = []
    begin = end = 0
    # What no encoding knows becomes a question mark, one for one: the places stay.
    for sentence in sentencex.segment(language, text.encode("utf-8", "replace").decode()):
        end += len(sentence)
        opening = OPENING.search(sentence)
        stop = end - len(opening[1]) if opening and end < len(text) else end
        if text[begin:stop].strip():
            found.append(_bare(text, begin, stop))
            begin = stop
    return found


def split(text: str, language: str = "en") -> list[str]:
    """The sentences of a text, without the white space around them."""
    return [text[begin:end] for begin, end in places(text, language)]


def _bare(text: str, begin: int, end: int) -> Place:
    own = text[begin:end]
    return end - len(own.lstrip()), begin + len(own.rstrip())
