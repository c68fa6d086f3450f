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
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from corpora.errors import UsageError
from nlp.core.checkpoint import TOKENIZER
from nlp.core.tokenizer import Tokenizer

SOURCE_TOKENIZER = "source-tokenizer.json"  # where the source is spelled in pieces of its own
Normalization = Literal["none", "NFC", "NFD", "NFKC", "NFKD"]


@dataclass(frozen=True)
class Texts:
    """The pieces of both languages, and the form of Unicode they are read and written in."""

    source: Tokenizer
    target: Tokenizer
    normalization: Normalization = "none"  # of what is read
    target_form: Normalization = "none"  # of what is written, whatever was learned

    @property
    def shared(self) -> bool:
        """Whether both languages are spelled in the same pieces."""
        return self.source.fingerprint == self.target.fingerprint

    def save(self, folder: Path) -> None:
        """Writes the tokenizers into a model's folder."""
        self.target.save(folder / TOKENIZER)
        if not self.shared:
            self.source.save(folder / SOURCE_TOKENIZER)

    def check_same(self, folder: Path) -> None:
        """`UsageError` where a run that is gone on with began with other pieces."""
        own = {TOKENIZER: self.target, SOURCE_TOKENIZER: self.source}
        for name, tokenizer in own.items():
            path = folder / name
            if path.is_file() and Tokenizer.load(path).fingerprint != tokenizer.fingerprint:
                raise UsageError(f"the data is not what the run in {folder} began with: start anew")

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
            own = _visible(ready, range(max(begin - 1, 0), end - 1))
            if own:
                own = _visible(text, range(origin[own[0]][0], origin[own[-1]][1]))
                found.append((own.start, own.stop))
            else:  # a piece of white space
                place = origin[max(begin - 1, 0)][0] if ready else 0
                found.append((place, place))
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a translation's ids. Bytes that are no UTF-8 become U+FFFD, lone surrogates
        too: it can be written to any file."""
        return normalized(self._raw(ids), self.target_form)

    def _raw(self, ids: Sequence[int]) -> str:
        return self.target.decode_bytes(ids).decode(errors="replace")

    def written_places(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Where in `decode(ids)` each of the ids stands: characters from `start` to before `end`,
        without space around it. Pieces that share a character overlap."""
        raw, text = self._raw(ids), self.decode(ids)
        if raw.encode() == self.target.decode_bytes(ids):
            within = self.target.offsets(raw, ids=ids)
        else:  # broken characters: what each piece changes of the text before it
            grown = [self._raw(ids[:count]) for count in range(len(ids) + 1)]
            within = [(_common(*pair), len(pair[1])) for pair in itertools.pairwise(grown)]
        origin = _origins(raw, text, self.target_form)
        begins, ends = [begin for begin, _ in origin], [end for _, end in origin]
        places: list[tuple[int, int]] = []
        for begin, end in within:
            start = bisect_right(ends, begin)
            own = _visible(text, range(start, max(start, bisect_left(begins, end))))
            # Of broken bytes a later piece may change an earlier character: none goes back.
            least = places[-1] if places else (0, 0)
            begin = max(own.start, least[0])
            places.append((begin, max(own.stop, begin, least[1] if begin == least[0] else 0)))
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
    # What is joined when it is normalised has one origin: marks with the letter before them, and
    # in some scripts letters with each other.
    origins: list[tuple[int, int]] = []
    parts: list[str] = []
    begin = start
    stop = len(text.rstrip())
    for end in range(start + 1, stop + 1):
        if end == stop or _parted(text[begin:end], text[end], form):
            parts.append(unicodedata.normalize(form, text[begin:end]))
            origins += [(begin, end)] * len(parts[-1])
            begin = end
    joined = "".join(parts)
    if joined.strip() != ready:
        return [(start, stop)] * len(ready)
    skipped = len(joined) - len(joined.lstrip())
    return origins[skipped : skipped + len(ready)]


def _parted(before: str, character: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> bool:
    """Whether a character stays apart from those before it."""
    if unicodedata.combining(character):
        return False
    one, other = unicodedata.normalize(form, before), unicodedata.normalize(form, character)
    return one + other == unicodedata.normalize(form, before + character)


def _visible(text: str, own: range) -> range:
    """Some characters of a text but for white space at their ends."""
    while own and text[own[0]].isspace():
        own = own[1:]
    while own and text[own[-1]].isspace():
        own = own[:-1]
    return own


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    alike = (count for count, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(alike, min(len(one), len(other)))
