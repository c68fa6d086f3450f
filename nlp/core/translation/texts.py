"""What happens to a text before a translator reads it, and after it has written one.

    "Zoë \\u00adruns"  ──►  " Zoë runs"  ──►  ids          normalised if so chosen, then spelled
    ids  ──►  " Zoé court"  ──►  "Zoé court"              the space that begins it taken away

Files, standard input and a person who types go through this one place, so that all are translated
alike. A text is read as if a space stood before it: then its first word is spelled with the same
pieces as in the middle of a sentence.
"""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from nlp.core.tokenizer import Tokenizer

Normalization = Literal["none", "NFC", "NFD", "NFKC", "NFKD"]


@dataclass(frozen=True)
class Texts:
    """The pieces of both languages, and the form of Unicode they are read and written in."""

    source: Tokenizer
    target: Tokenizer
    normalization: Normalization = "none"  # of what is read
    target_form: Normalization = "none"  # of what is written, whatever was learned

    def encode(self, texts: Sequence[str], *, target: bool = False) -> list[list[int]]:
        """The ids of texts; of a text without a visible character, none."""
        tokenizer = self.target if target else self.source
        ready = [normalized(text, self.normalization) for text in texts]
        rows = tokenizer.encode_batch([f" {text}" for text in ready if text], disallowed_special=())
        found = iter(rows)
        return [next(found) if text else [] for text in ready]

    def spell(
        self, text: str, dropout: float, chance: random.Random, *, target: bool = False
    ) -> list[int]:
        """The ids of a text of which merges are left out with probability `dropout`."""
        tokenizer = self.target if target else self.source
        return tokenizer.encode(
            f" {normalized(text, self.normalization)}",
            disallowed_special=(),
            dropout=dropout,
            seed=chance,
        )

    def places(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Where in the text, as it was given, each of the ids of its encoding stands: characters
        from `start` to before `end`; what is written of it alone, without space around it."""
        ready = normalized(text, self.normalization)
        origin = _origins(text, ready, self.normalization)
        found = []
        for begin, end in self.source.offsets(f" {ready}", ids=ids):
            own = range(max(begin - 1, 0), end - 1)
            while own and ready[own[0]].isspace():
                own = own[1:]
            if own:
                found.append((origin[own[0]][0], origin[own[-1]][1]))
            else:  # a piece of white space
                place = origin[max(begin - 1, 0)][0] if ready else 0
                found.append((place, place))
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a translation's ids."""
        return self._written(self.target.decode(ids))

    def _written(self, text: str) -> str:
        text = text.strip()
        return text if self.target_form == "none" else unicodedata.normalize(self.target_form, text)

    def written_places(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Where in `decode(ids)` each of the ids stands: characters from `start` to before `end`,
        without space before it."""
        raw, text = self.target.decode(ids), self.decode(ids)
        if text == raw.strip() and raw.encode() == self.target.decode_bytes(ids):
            before = len(raw) - len(raw.lstrip())
            found = [(a - before, b - before) for a, b in self.target.offsets(raw, ids=ids)]
        else:  # broken characters, or another form: where the text ends after each
            ends = [len(self.decode(ids[:count])) for count in range(len(ids) + 1)]
            found = list(itertools.pairwise(ends))
        places = []
        for start, end in found:
            end = min(max(end, 0), len(text))
            start = min(max(start, 0), end)
            start += len(text[start:end]) - len(text[start:end].lstrip())
            places.append((start, end))
        return places


def normalized(text: str, form: Normalization) -> str:
    """What is spelled of a text: all but space at its ends, in this form."""
    return text.strip() if form == "none" else unicodedata.normalize(form, text).strip()


def form_of(texts: Sequence[str]) -> Normalization:
    """The form of Unicode that most of some texts are in, where they are not all in both."""
    composed = sum(unicodedata.is_normalized("NFC", text) for text in texts)
    split = sum(unicodedata.is_normalized("NFD", text) for text in texts)
    return "NFC" if composed >= split else "NFD"


def _origins(text: str, ready: str, normalization: Normalization) -> list[tuple[int, int]]:
    """The range of `text` that each character of its normalised form comes from."""
    start = len(text) - len(text.lstrip())
    if ready == text.strip():
        return [(place, place + 1) for place in range(start, start + len(ready))]
    form = cast("Literal['NFC', 'NFD', 'NFKC', 'NFKD']", normalization)
    # Marks belong to the letter before them; nothing else of a text is joined when it is
    # normalised, but for some scripts, where the whole is the origin of each part.
    origins: list[tuple[int, int]] = []
    parts: list[str] = []
    begin = start
    stop = len(text.rstrip())
    for end in range(start + 1, stop + 1):
        if end == stop or not unicodedata.combining(text[end]):
            parts.append(unicodedata.normalize(form, text[begin:end]))
            origins += [(begin, end)] * len(parts[-1])
            begin = end
    if "".join(parts).strip() != ready:
        return [(start, stop)] * len(ready)
    joined = "".join(parts)
    skipped = len(joined) - len(joined.lstrip())
    return origins[skipped : skipped + len(ready)]
