"""From text to a vocabulary: `learn` is what `Tokenizer.train` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from corpora.errors import UsageError
from nlp.core.tokens.token_engine import SURROGATES, cut, learn_merges
from nlp.core.tokens.vocabulary import BYTE_TO_CHARACTER, END_OF_TEXT, PRE_TOKENIZERS, Vocabulary

if TYPE_CHECKING:
    from corpora.passage import Passage

PATTERNS = ("gpt2", "gpt4")


def learn(
    texts: Iterable[str | Passage],
    *,
    vocabulary_size: int,
    minimum_frequency: int,
    kind: str,
    pattern: str,
    special_tokens: Sequence[str],
    byte_fallback: bool,
) -> Vocabulary:
    """The vocabulary that `Tokenizer.train`, which explains the options, makes of the texts."""
    special = list(dict.fromkeys((END_OF_TEXT, *special_tokens)))
    if "" in special:
        raise UsageError("A special token is empty; expected at least one character.")
    counted = _Counted(texts)
    if kind == "bpe":
        if pattern not in PATTERNS:
            raise UsageError(f"pattern {pattern!r} is unknown; expected 'gpt2' or 'gpt4'.")
        found = _learn_bpe(counted, vocabulary_size, minimum_frequency, pattern, len(special))
    elif kind == "characters":
        found = _learn_characters(counted, byte_fallback)
    elif kind == "bytes":
        tokens = {name: byte for byte, name in enumerate(BYTE_TO_CHARACTER)}
        found = Vocabulary("bytes", tokens, pre_tokenizer=PRE_TOKENIZERS["none"])
    else:
        raise UsageError(f"kind {kind!r} is unknown; expected 'bpe', 'characters' or 'bytes'.")
    doubled = next((token for token in special if token in found.tokens), None)
    if doubled is not None:
        raise UsageError(f"The special token {doubled!r} is an ordinary token of this text too.")
    return Vocabulary(
        kind=kind,
        tokens=found.tokens,
        merges=found.merges,
        special_tokens={token: found.size + place for place, token in enumerate(special)},
        pre_tokenizer=found.pre_tokenizer,
        byte_fallback=found.byte_fallback,
    )


def _learn_bpe(
    texts: _Counted, size: int, minimum_frequency: int, pattern: str, special: int
) -> Vocabulary:
    if size < 256 + special:
        raise UsageError(
            f"vocabulary_size {size} is too small: the 256 bytes and {special} special token(s) "
            f"alone need {256 + special}."
        )
    if minimum_frequency < 1:
        raise UsageError(f"minimum_frequency is {minimum_frequency}; expected 1 or more.")
    rule = PRE_TOKENIZERS[pattern]
    tokens, merges = learn_merges(texts, size - special, minimum_frequency, rule)
    texts.refuse_empty()
    if len(tokens) < size - special:
        raise UsageError(
            f"vocabulary_size {size} is more than this text allows: its {texts.characters:,} "
            f"characters hold {len(merges):,} possible merges (pairs seen at least "
            f"{minimum_frequency} times). Give a vocabulary_size of at most "
            f"{len(tokens) + special}, or more text."
        )
    return Vocabulary("bpe", tokens, merges, pre_tokenizer=rule)


def _learn_characters(texts: _Counted, byte_fallback: bool) -> Vocabulary:
    found: set[str] = set()
    for text in texts:
        found.update(text)
    texts.refuse_empty()
    names = sorted(found)  # in the order of their code points
    if byte_fallback:
        names += [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = {name: index for index, name in enumerate(names)}
    return Vocabulary("characters", tokens, byte_fallback=byte_fallback)


class _Counted:
    """Training texts in pieces small enough for a trainer to buffer hundreds; counts characters."""

    def __init__(self, texts: Iterable[str | Passage]) -> None:
        self.texts: Iterable[str | Passage] = (texts,) if isinstance(texts, str) else texts
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for item in self.texts:
            text = item if isinstance(item, str) else item.text
            for piece in cut(text, 1 << 16):
                self.characters += len(piece)
                yield SURROGATES.sub("", piece)  # no engine takes lone surrogates

    def refuse_empty(self) -> None:
        if not self.characters:
            raise UsageError("The training text is empty; expected at least one character.")
