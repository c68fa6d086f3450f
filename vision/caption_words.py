"""The words of a caption, as the scores of COCO's captions count them.

    words_of("The man's dog can't swim.")        ["the", "man", "'s", "dog", "ca", "n't", "swim"]

COCO's script cuts captions with Stanford's PTBTokenizer, in lower case, and leaves out punctuation.
This is the part of its rules that captions meet, without Java.
"""

from __future__ import annotations

import html
import re

TOKENIZER = "ptb.lower.nopunct"  # for signatures

# Left out, as by COCO's script. In lower case brackets are "-lrb-", which it does not leave out.
PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
# Quotation marks, dashes and the three dots that are one sign.
_PLAIN = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u2026", "''\"\"--.")
_ABBREVIATIONS = (
    "mr|mrs|ms|dr|prof|rev|gen|col|sgt|capt|lt|sen|rep|gov|st|mt|ave|blvd|rd|jr|sr|vs|etc|inc|co|"
    "corp|ltd|no|dept|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|approx|est|ft"
)
_TOKEN = re.compile(
    rf"""
    https?://\S+ | www\.\S+ | [\w.+-]+@[\w-]+\.[\w.]+ | [@\#][a-z]\w*      # addresses
    | can(?=not\b) | (?<=can)not\b                                          # two words in one
    | (?:gon|wan)(?=na\b) | got(?=ta\b) | (?:gim|lem)(?=me\b)
    | (?<=gon)na\b | (?<=wan)na\b | (?<=got)ta\b | (?<=gim)me\b | (?<=lem)me\b
    | '(?:t(?=is\b|was\b))
    | (?:[a-z]\.){{2,}} | \b(?:{_ABBREVIATIONS})\.                          # u.s., st.
    | o'clock\b | o'(?=[a-z]{{3}})[a-z]+ | '?n'(?=\W|$) | '\d\ds\b | 'em\b | d'(?=oe)\w+
    | '(?:s|m|d|ll|re|ve)\b | n't\b
    | \d+(?:[.,:]\d+)+ | \d+/\d+                                            # 2,000 and 10:30
    | (?:(?!n't\b)[^\W_])+?(?=n't\b)
    | [^\W]+(?:[-/.&][^\W]+)*
    | \.\.\.+ | --+ | .
    """,
    re.VERBOSE,
)


def words_of(text: str) -> list[str]:
    """The words, in lower case and without punctuation."""
    lower = html.unescape(text).lower().translate(_PLAIN)
    found = (match[0] for match in _TOKEN.finditer(lower) if not match[0].isspace())
    words = (_BRACKETS.get(word, word) for word in found)
    return [word for word in words if word not in PUNCTUATION and word != '"']
