"""How well a vocabulary fits a text: the compression report of `unrolled tokenize`.

>>> from nlp.core.tokenizer import Tokenizer
>>> tokenizer = Tokenizer.train(["low lower lowest " * 9], vocabulary_size=264)
>>> row, = compression_report({"ours": tokenizer}, {"held-out": ["lower and lower"]})
>>> row.tokens, row.bytes_per_token, row.tokens_per_word
(8, 1.875, 2.6666666666666665)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from corpora.passage import Passage
from nlp.core.tokenizer import Tokenizer

# Where the Hugging Face cache may hold GPT-2's vocabulary.
GPT2_NAMES = ("openai-community/gpt2", "gpt2", "distilbert/distilgpt2", "distilgpt2")


class Compression(NamedTuple):
    """What one tokenizer made of one text."""

    tokenizer: str
    text: str
    bytes: int
    words: int
    """Runs of visible characters."""
    tokens: int
    unknowns: int
    """Characters without a token of their own; none in byte-level vocabularies."""
    vocabulary_size: int

    @property
    def bytes_per_token(self) -> float:
        """Higher is shorter: what a token is worth."""
        return self.bytes / self.tokens if self.tokens else 0.0

    @property
    def tokens_per_word(self) -> float:
        """The "fertility" of the vocabulary on this text."""
        return self.tokens / self.words if self.words else 0.0


def compression_report(
    tokenizers: Mapping[str, Tokenizer], texts: Mapping[str, Iterable[str | Passage]]
) -> list[Compression]:
    """One row for each text (train, held-out, ...) and tokenizer; each text is read once."""
    rows = []
    for name, parts in texts.items():
        size = words = 0
        tokens: Counter[str] = Counter()
        unknowns: Counter[str] = Counter()
        for part in (parts,) if isinstance(parts, str) else parts:
            text = part if isinstance(part, str) else part.text
            size += len(text.encode("utf-8", "surrogatepass"))
            words += len(text.split())
            for label, tokenizer in tokenizers.items():
                known, missing = _known(tokenizer, text)
                unknowns[label] += missing
                tokens[label] += len(tokenizer.encode_array(known))
                if known is not text:
                    tokens[label] += missing  # cannot be encoded: as one token each
        for label, tokenizer in tokenizers.items():
            rows.append(
                Compression(
                    tokenizer=label,
                    text=name,
                    bytes=size,
                    words=words,
                    tokens=tokens[label],
                    unknowns=unknowns[label],
                    vocabulary_size=tokenizer.vocabulary_size,
                )
            )
    return rows


def _known(tokenizer: Tokenizer, text: str) -> tuple[str, int]:
    """The part of the text that the tokenizer can encode, and the number of unknown characters."""
    if tokenizer.kind != "characters":
        return text, 0
    vocabulary = tokenizer.vocabulary
    unknown = {c: count for c, count in Counter(text).items() if c not in vocabulary.tokens}
    if unknown and not vocabulary.byte_fallback:
        text = text.translate(dict.fromkeys(map(ord, unknown)))
    return text, sum(unknown.values())


def gpt2_tokenizer() -> Tokenizer | None:
    """GPT-2's tokenizer, if this machine's Hugging Face cache holds it; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    for name in GPT2_NAMES:
        vocab = try_to_load_from_cache(name, "vocab.json")
        merges = try_to_load_from_cache(name, "merges.txt")
        if isinstance(vocab, str) and isinstance(merges, str):
            return Tokenizer.from_gpt2(vocab, merges)
        whole = try_to_load_from_cache(name, "tokenizer.json")
        if isinstance(whole, str):
            return Tokenizer.load(whole)
    return None
