"""A vocabulary as data: what a tokenizer is once training is over.

The tokens with their ids, the merges in the order in which they were learned, the special tokens,
and the rule that cuts text into words before merging. Nothing here encodes (`token_engine.py`
does) and nothing reads or writes files (`token_formats.py` does).

The byte alphabet (Radford et al. 2019) writes each of the 256 bytes as one printable character, so
that byte-level tokens can stand in JSON: `" the"` is written `Ġthe`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

END_OF_TEXT = "<|endoftext|>"

# What other makers call it, in vocabularies that lack ours.
END_OF_TEXT_NAMES = (END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>", "[EOS]", "<|im_end|>")

# The pattern of GPT-2 is built into `ByteLevel`; that of GPT-4 (cl100k) is a `Split` before it.
GPT4_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _byte_level(use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


PRE_TOKENIZERS: dict[str, dict[str, Any]] = {
    "gpt2": _byte_level(use_regex=True),
    "gpt4": {
        "type": "Sequence",
        "pretokenizers": [
            {
                "type": "Split",
                "pattern": {"Regex": GPT4_PATTERN},
                "behavior": "Isolated",
                "invert": False,
            },
            _byte_level(use_regex=False),
        ],
    },
    "none": _byte_level(use_regex=False),
}


def _byte_alphabet() -> list[str]:
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    shifted = iter(range(256))  # the others move, in order, to U+0100 and up
    return [chr(byte) if byte in printable else chr(256 + next(shifted)) for byte in range(256)]


BYTE_TO_CHARACTER = _byte_alphabet()
CHARACTER_TO_BYTE = {character: byte for byte, character in enumerate(BYTE_TO_CHARACTER)}


def to_alphabet(token: bytes) -> str:
    """The token as `tokenizer.json` and `vocab.json` write it, e.g. `b" the"` as `Ġthe`."""
    return "".join(BYTE_TO_CHARACTER[byte] for byte in token)


def from_alphabet(token: str) -> bytes:
    """The bytes of a token written in the byte alphabet; `KeyError` for any other character."""
    return bytes(CHARACTER_TO_BYTE[character] for character in token)


@dataclass(frozen=True)
class Vocabulary:
    """Tokens, merges and rules; `tokens` and `merges` are written as in `tokenizer.json`."""

    kind: str
    """"bpe", "characters" or "bytes"."""
    tokens: Mapping[str, int]
    """The id of each token, special tokens left out."""
    merges: Sequence[tuple[str, str]] = ()
    """In the order learned: the first has the highest priority."""
    special_tokens: Mapping[str, int] = field(default_factory=dict)
    pre_tokenizer: Mapping[str, Any] | None = None
    """How text is cut into words, in `tokenizer.json`'s words; None leaves text in one piece."""
    byte_fallback: bool = False
    """Characters only: spell a character that has no token with tokens of its bytes."""
    ignore_merges: bool = False
    """A word that is itself a token is taken whole, as tiktoken does."""

    @cached_property
    def size(self) -> int:
        """One more than the highest id."""
        return 1 + max((*self.tokens.values(), *self.special_tokens.values()), default=-1)

    @cached_property
    def end_of_text(self) -> int | None:
        """The id of the token that ends documents."""
        names = (name for name in END_OF_TEXT_NAMES if name in self.special_tokens)
        return next((self.special_tokens[name] for name in names), None)

    @cached_property
    def pattern(self) -> str | None:
        """The name of the rule that cuts words ("gpt2", "gpt4", "none"), None for another rule."""
        for name, rule in PRE_TOKENIZERS.items():
            if _same_rule(self.pre_tokenizer, rule):
                return name
        return None

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes that each id stands for; empty for an id that is not in use."""
        table = [b""] * self.size
        for token, index in self.tokens.items():
            table[index] = self._bytes_of(token)
        for token, index in self.special_tokens.items():
            table[index] = token.encode()
        return table

    def _bytes_of(self, token: str) -> bytes:
        if self.kind == "characters":
            is_byte = len(token) == 6 and token.startswith("<0x")
            return bytes([int(token[3:5], 16)]) if is_byte else token.encode()
        try:
            return from_alphabet(token)
        except KeyError:  # foreign files hold a few that no merge can reach
            return token.encode()

    @cached_property
    def byte_ids(self) -> list[int] | None:
        """The id of each of the 256 single bytes, or None where bytes have no tokens."""
        if self.kind == "characters":
            names = [f"<0x{byte:02X}>" for byte in range(256)]
        else:
            names = BYTE_TO_CHARACTER
        ids = [self.tokens.get(name, -1) for name in names]
        return None if -1 in ids else ids

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of all that decides the ids; equal for equal vocabularies."""
        content = [
            sorted(self.tokens.items()),
            list(self.merges),
            sorted(self.special_tokens.items()),
            self.pattern or self.pre_tokenizer,
            self.byte_fallback,
            self.ignore_merges,
        ]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def document(self, *, special: bool = True) -> dict[str, Any]:
        """The content of `tokenizer.json`; with `special=False` all text is ordinary text."""
        byte_level = self.pre_tokenizer is not None
        fuse = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
        tokens = dict(self.tokens)
        added: list[dict[str, Any]] = []
        if special:
            by_id = sorted(self.special_tokens.items(), key=lambda item: item[1])
            tokens.update(by_id)  # as GPT-2 has it: an added token finds its id there
            flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
            added = [{"id": i, "content": t, **flags, "special": True} for t, i in by_id]
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": deepcopy(self.pre_tokenizer),
            "post_processor": None,
            "decoder": deepcopy(PRE_TOKENIZERS["gpt2"]) if byte_level else fuse,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": self.byte_fallback,
                "ignore_merges": self.ignore_merges,
                "vocab": tokens,
                "merges": [f"{left} {right}" for left, right in self.merges],
            },
        }


def _same_rule(rule: Any, known: Any) -> bool:
    """Whether two pre-tokenizers cut alike: `trim_offsets` does not matter to the ids."""
    if isinstance(known, Mapping):
        return isinstance(rule, Mapping) and all(
            name == "trim_offsets" or _same_rule(rule.get(name), value)
            for name, value in known.items()
        )
    if isinstance(known, list):
        return (
            isinstance(rule, list) and len(rule) == len(known) and all(map(_same_rule, rule, known))
        )
    return bool(rule == known)
