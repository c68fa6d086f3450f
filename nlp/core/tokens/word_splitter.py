"""Words of raw text, with their places in it: what a tagger tags and a classifier reads.

Penn-Treebank-like (Marcus, Santorini & Marcinkiewicz 1993), by one regular expression that
`tokenizers` runs: `do|n't`, `I|'m`, `U.S.`, `3.14` and `well-known` are as there; addresses,
@handles, #tags and emoji are whole; every other sign stands alone. Characters of Chinese and
hiragana are words of their own, as is the custom where no spaces are written; Thai, Lao and Khmer
are left in their runs, since parting them needs a dictionary.

    >>> text = "We don't pay $3.14, J. Smith!"
    >>> [text[start:end] for start, end in words_of(text)]
    ['We', 'do', "n't", 'pay', '$', '3.14', ',', 'J.', 'Smith', '!']
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# What `str.isspace` calls white space: Unicode's and the four separators of ASCII.
_SPACE = r"\s\x1c-\x1f"
_SINGLE = r"\p{Han}\p{Hiragana}"
# Marks belong to the letter before them; U+200C and U+200D join and part letters in Persian and
# Hindi, U+00AD is the soft hyphen (U+2010 and U+2011 are hyphens too), Pc the underscore's kind.
_INNER = r"\p{L}\p{N}\p{M}\p{Pc}\u200c\u200d\u00ad"
_LETTER = rf"[{_INNER}&&[^{_SINGLE}]]"
_END = rf"(?![{_INNER}])"
_CLITIC = rf"(?i:s|m|d|re|ve|ll){_END}"
_JOINER = rf"(?:[-\u2010\u2011&·]|['’](?!{_CLITIC})|(?<=\p{{N}})[.,:/\u2013](?=\p{{N}}))"
_DOMAINS = "com|org|net|edu|gov|info|io|co|tv|ly|uk|eu|de|fr|es|nl|ca|au|jp|cn|ru|br"
_NEGATED = (
    "do|does|did|is|are|was|were|have|has|had|ca|could|would|should|wo|must|need|might|ai|sha|dare"
)
_ABBREVIATIONS = (
    "Mr|Mrs|Ms|Dr|Prof|St|Mt|Ft|Jr|Sr|Inc|Ltd|Corp|Co|Bros|Gen|Col|Maj|Lt|Capt|Sgt|Rev|Hon|Gov|Sen"
    "|Rep|Pres|vs|etc|Jan|Feb|Aug|Sept|Oct|Nov|Dec|Ave|Blvd|Vol|Ph\\.D"
)
_ENDING = r""".,;:!?'’”»…(){}\[\]"""  # at the end of an address they belong to the sentence
_ADDRESS = rf"""(?>(?:[^{_SPACE}<>"{_ENDING}]++|[{_ENDING}]++(?=[^{_SPACE}<>"{_ENDING}]))+)"""
_INITIAL = r"[\p{Lu}\p{Ll}]\p{M}*+"
_PICTURE = r"\p{Extended_Pictographic}[\p{M}\p{Emoji_Modifier}\x{E0020}-\x{E007F}]*+"
# In order: the first that matches is taken. Repetitions are atomic or short, so that the time is in
# proportion to the text's length, whatever the text; Oniguruma gives up where it must try too much.
_PATTERN = "|".join(
    (
        rf"[\p{{L}}&&[^{_SINGLE}]]++(?=[{_SPACE};!?)\"]|,[{_SPACE}]|\z)",  # most words, quickly
        rf"(?i:https?://|ftp://|www\.){_ADDRESS}",
        r"(?>[\p{L}\p{N}._%+-]{1,64})@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}",
        rf"(?:[a-zA-Z0-9-]{{1,63}}\.){{1,8}}(?:{_DOMAINS}){_END}(?:/{_ADDRESS}?)?",
        rf"(?<![{_INNER}])[@#][{_INNER}]++",
        r"\p{Regional_Indicator}{2}",
        r"[0-9*]\ufe0f?\u20e3",  # keycaps
        rf"{_PICTURE}(?:\u200d{_PICTURE})*+",
        rf"(?>(?:{_INITIAL}\.)+){_INITIAL}{_END}|(?>(?:{_INITIAL}\.){{2,}})",
        rf"(?:{_ABBREVIATIONS})\.|No\.(?=[ \u00a0]?\p{{N}})",
        r"[\p{Lu}&&[^I]]\.(?=[ \u00a0]?\p{Lu})",  # of a name
        rf"(?i:{_NEGATED})(?=(?i:n['’]t){_END})|(?i:n['’]t){_END}|['’]{_CLITIC}",
        rf"{_LETTER}++(?:{_JOINER}{_LETTER}++)*+",
        r"(?>\.{2,}|-{2,})",
        rf"[^{_SPACE}][\p{{M}}\u200c\u200d]*+",
    )
)
_SURROGATES = re.compile("[\ud800-\udfff]")


@cache
def _splitter() -> Any:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    return Split(Regex(_PATTERN), behavior="removed", invert=True)


def words_of(text: str) -> list[tuple[int, int]]:
    """The words' ranges [start, end) in characters, ascending; between them is only white space.

    Those of a text are those of its lines.
    """
    try:
        words = _splitter().pre_tokenize_str(text)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        words = _splitter().pre_tokenize_str(_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text))
    return [place for _, place in words]
