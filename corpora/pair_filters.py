"""Which pairs of sentences are worth learning from; every pair left out is counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from corpora.errors import UsageError
from corpora.sentence import Tally

# Thai to Lao, Myanmar, Khmer, kana and Han: words there are not parted by spaces.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
_CHARACTERS_OF_A_WORD = 2  # in these scripts, about
# Another language is more likely than all the others together. So measured, about one in 700
# pairs of Tatoeba is left out and one in 6,000 of Multi30k; of sentences in a wrong language 93%
# are found in Tatoeba, whose sentences are short, and 99.6% in Multi30k.
_SURE = 0.5


@dataclass(frozen=True)
class Filters:
    """What a pair has to be. Pairs with an empty side are left out in any case.

    Words are what stands between white space; two characters of a script without spaces count as
    one. The ratio is that of Moses' clean-corpus-n.perl.
    """

    max_length: int = 250
    """The most words of either side."""
    max_ratio: float = 9.0
    """How many times as many words one side may have as the other."""
    drop_duplicates: bool = False
    """Whether a pair that was there already is left out."""
    languages: tuple[str, str] | None = None
    """The languages of source and target, say ("en", "de"). A pair of which one side is found to
    be in another one is left out; where that is unsure, the pair stays."""

    def checked(self) -> Filters:
        """These filters. `UsageError` for a value that would keep nothing."""
        for name in ("max_length", "max_ratio"):
            if not getattr(self, name) >= 1:
                raise UsageError(f"{name} is {getattr(self, name)}: expected 1 or more")
        if self.languages is not None and len(self.languages) != 2:
            raise UsageError(
                f"languages are {', '.join(self.languages)}: expected two, of source and target"
            )
        return self


def length(text: str) -> int:
    """The number of words."""
    words = len(text.split())
    if text.isascii():
        return words
    unspaced = sum(1 for _ in _UNSPACED.finditer(text))
    return max(words, -(-unspaced // _CHARACTERS_OF_A_WORD))


class Sieve:
    """Tells of one pair after the other whether it is kept; the tally counts the others."""

    def __init__(self, filters: Filters, tally: Tally) -> None:
        self._filters = filters.checked()
        self._tally = tally
        self._seen: set[tuple[str, str]] = set()
        self._other_language = [_other_than(language) for language in filters.languages or ()]

    def keeps(self, source: str, target: str, where: str) -> bool:
        """Whether the pair passes. The first reason against it is the one that counts."""
        if reason := self._reason(source, target):
            self._tally.note(f"{reason} left out", where)
        return not reason

    def _reason(self, source: str, target: str) -> str:
        lengths = length(source), length(target)
        if not all(lengths):
            empty = ("source", "target")[lengths[0] > 0] if any(lengths) else "source and target"
            return f"pairs with an empty {empty}"
        if max(lengths) > self._filters.max_length:
            return f"pairs of more than {self._filters.max_length} words"
        if max(lengths) > min(lengths) * self._filters.max_ratio:
            times = f"{self._filters.max_ratio:g}"
            return f"pairs of which one side is more than {times} times as long as the other"
        for (side, text), is_other in zip(
            (("source", source), ("target", target)), self._other_language, strict=False
        ):
            if is_other(text):
                return f"pairs of which the {side} is in another language"
        if self._filters.drop_duplicates:
            if (source, target) in self._seen:
                return "pairs that are there already"
            self._seen.add((source, target))
        return ""


def _other_than(language: str) -> Callable[[str], bool]:
    """Tells whether a text is in another language, by langid.py (Lui and Baldwin 2012)."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise UsageError(
            "telling languages apart needs py3langid: pip install 'unrolled[languages]'"
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    expected = re.split("[-_]", language)[0].lower()
    if expected not in identifier.labels:
        raise UsageError(
            f"language {language!r} is not among the {len(identifier.labels)} that can be told "
            "apart; expected ISO 639 codes such as en and de"
        )

    def is_other(text: str) -> bool:
        found, probability = identifier.classify(text)
        return bool(found != expected and probability > _SURE)

    return is_other
