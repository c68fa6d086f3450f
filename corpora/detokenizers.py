"""Published tokens to the text that they were made of, and back: WikiText, Penn Treebank, 1BW.

    >>> lines = ["Mr. Teddy 's co @-@ stars ( 1 @,@ 000 ) don 't say ."]
    >>> wikitext = Detokenizer("wikitext", lines)
    >>> wikitext.detokenize(lines[0])
    "Mr. Teddy's co-stars (1,000) don't say."
    >>> wikitext.retokenize(_) == lines[0]
    True

A language model that has read the web finds tokenized text strange. Radford et al. 2019 score
de-tokenized text with "invertible de-tokenizers", so that its probability is that of the published
text. Here each two tokens are joined only where the inverse parts them again. Tokens that it would
part though they are whole (`Mr.`, `U.S.`) are noted from the published text and kept, so the
inverse is exact for every text; white space at the ends of lines is not part of the tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from corpora.errors import UsageError

_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'ll", "'d", "'m", "'S", "'T")
_ELIDED = re.compile(r"(?i:o|d|l|qu|ma)")  # O'Brien, d'Artagnan


@dataclass(frozen=True)
class Style:
    """How a set was tokenized.

    closers  tokens that belong to what is before them; openers to what follows
    suffixes ends of words that stand apart
    inner    tokens between the parts of a word, what they stand for, and where the inverse finds it
    spelled  tokens that stand for signs, and whether these close; a style with any has no inverse
    """

    closers: frozenset[str] = frozenset([*",.;:!?)]}%", "'"])
    openers: frozenset[str] = frozenset("([{$£€#")
    suffixes: frozenset[str] = frozenset(_CONTRACTIONS)
    inner: dict[str, tuple[str, re.Pattern[str]]] = field(default_factory=dict)
    spelled: dict[str, tuple[str, bool]] = field(default_factory=dict)


_NOT = "n't"
STYLES: dict[str, Style | None] = {
    "plain": None,  # text as people write it
    "wikitext": Style(
        inner={
            "@-@": ("-", re.compile(r"(?<=[\w>])-(?=[\w<])")),
            "@,@": (",", re.compile(r"(?<=\d),(?=\d)")),
            "@.@": (".", re.compile(r"(?<=\d)\.(?=\d)")),
        },
    ),
    "ptb": Style(suffixes=frozenset([*_CONTRACTIONS, _NOT])),
    "1bw": Style(),
    # The Children's Book Test: the Penn Treebank's signs in running prose.
    "treebank": Style(
        suffixes=frozenset([*_CONTRACTIONS, _NOT]),
        spelled={
            "``": ('"', False),
            "''": ('"', True),
            "`": ("'", False),
            "-LRB-": ("(", False),
            "-RRB-": (")", True),
            "-LCB-": ("{", False),
            "-RCB-": ("}", True),
        },
    ),
}


class Detokenizer:
    """The de-tokenizer of a style for the given published lines, whose whole tokens it keeps."""

    def __init__(self, style: str, lines: Iterable[str] = ()) -> None:
        """Raises a UsageError for a style that is none of `STYLES`."""
        if style not in STYLES:
            raise UsageError(f"detokenizer {style!r} is unknown: expected {', '.join(STYLES)}")
        self.style = STYLES[style]
        self.kept: frozenset[str] = frozenset()
        if self.style and not self.style.spelled:
            tokens = {token for line in lines for token in line.split()}
            self.kept = frozenset(token for token in tokens if self._parts(token) != [token])

    def detokenize(self, line: str) -> str:
        """The text of one published line; a plain line as it is."""
        return line if self.style is None else self._joined(line.split(), self.style)

    def retokenize(self, text: str) -> str:
        """The published line of a text, its tokens apart by one space.

        Raises:
            UsageError: the style spells signs in other letters, and cannot be inverted.
        """
        if self.style is None:
            return text
        if self.style.spelled:
            raise UsageError("this style has no inverse: it spells signs in other letters")
        return " ".join(token for chunk in text.split() for token in self._parts(chunk))

    def _joined(self, tokens: list[str], style: Style) -> str:
        chunks: list[str] = []
        held: list[str] = []  # the tokens of the last chunk
        follows = quoted = False  # what comes next belongs to it; within quotation marks
        place = 0
        while place < len(tokens):
            token, size = tokens[place], 1
            before, after = follows, False
            if token in style.inner and held and place + 1 < len(tokens):
                token = f"{style.inner[token][0]}{tokens[place + 1]}"
                before, size = True, 2
            elif token in style.spelled:
                token, closes = style.spelled[token]
                before, after = before or closes, not closes
            elif token == '"':
                before, after = before or quoted, not quoted
                quoted = not quoted
            elif token == "=":
                before, after = before or held[-1:] == ["="], False
            elif token == "'":
                before = before or bool(held and held[-1].endswith("s"))
            elif token in style.closers or token in style.suffixes:
                before = True
            elif token in style.openers:
                after = True
            elif token[0] == "'" and held and _ELIDED.fullmatch(held[-1]):
                before = True
            read = tokens[place : place + size]
            if before and chunks and self._restores(chunks[-1] + token, [*held, *read]):
                chunks[-1] += token
                held += read
            elif size == 2:  # the sign between the parts stays as it is published
                token, size, after = read[0], 1, False
                chunks.append(token)
                held = read[:1]
            else:
                chunks.append(token)
                held = read
            follows = after
            place += size
        return " ".join(chunks)

    def _restores(self, chunk: str, tokens: list[str]) -> bool:
        return bool(self.style and self.style.spelled) or self._parts(chunk) == tokens

    def _parts(self, chunk: str) -> list[str]:
        """The tokens of what stands between two spaces."""
        style = self.style
        assert style is not None
        if set(chunk) == {"="} and chunk not in self.kept:
            return list(chunk)
        head: list[str] = []
        tail: list[str] = []
        while len(chunk) > 1 and chunk not in self.kept and chunk[0] in style.openers | {'"'}:
            head.append(chunk[0])
            chunk = chunk[1:]
        while len(chunk) > 1 and chunk not in self.kept and chunk[-1] in style.closers | {'"'}:
            if chunk[-1] == "'" and chunk[-2] != "s":
                break
            tail.append(chunk[-1])
            chunk = chunk[:-1]
        return [*head, *self._within(chunk, style), *reversed(tail)]

    def _within(self, word: str, style: Style) -> list[str]:
        if word in self.kept:
            return [word]
        if _NOT in style.suffixes and word.endswith(_NOT) and len(word) > len(_NOT):
            return [*self._within(word[: -len(_NOT)], style), _NOT]
        for token, (_, found) in style.inner.items():
            word = found.sub(f" {token} ", word)
        return re.sub(r"(?<=[\w>])'(?=\w)", " '", word).split()
