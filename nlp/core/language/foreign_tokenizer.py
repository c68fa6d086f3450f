"""Tokenizers of other makers, with the methods of ours.

A `tokenizer.json` that ours reads exactly (byte-level BPE, nothing normalised) becomes a
`Tokenizer`. Any other -- SentencePiece, WordPiece, one that normalises text -- stays with
Hugging Face `tokenizers`, as a `ForeignTokenizer`.

SentencePiece writes a space before every text, so that a word is the same token at the beginning as
elsewhere. Texts are continued here, so it is written only before a text that does not begin with
white space: `"Mars"` and `" Mars"` give the same ids, both decode to `" Mars"`, and the ids of two
stretches behind each other are those of the text they make.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from corpora.errors import UsageError
from corpora.writing import write_text
from nlp.core.tokenizer import Tokenizer
from nlp.core.tokens.special_tokens import Specials, split_special
from nlp.core.tokens.token_engine import PROBE, ReferenceEngine
from nlp.core.tokens.vocabulary import BYTE_TO_CHARACTER, Vocabulary, from_alphabet

SPACE = "\u2581"  # how SentencePiece writes a space
UTF8 = (*range(0xC0), *range(0xC2, 0xF5))  # the bytes that it is made of
SURROGATE = re.compile("[\ud800-\udfff]")


class ForeignTokenizer(Tokenizer):
    """A tokenizer that `tokenizers` can run and ours cannot say.

    Every id it makes is that of `tokenizers`, but for the space before a text, see above. A token
    it has no bytes for (an unknown one) is written by its name, and a text may come back
    normalised: `remarks` say so.

    Raises UsageError where `tokenizers` does not take the document.
    """

    def __init__(self, document: Mapping[str, Any], end_of_text: int | None = None) -> None:
        self._document, self._end = dict(document), end_of_text
        rules = [document.get("pre_tokenizer"), document.get("decoder")]
        self._rules = json.dumps(rules, ensure_ascii=False)
        self._is_byte_level = '"ByteLevel"' in self._rules
        self._plain, self._spaces = _without_prefix(document)
        added = document.get("added_tokens") or ()
        special = {t["content"]: int(t["id"]) for t in added if t.get("special")}
        tokens = self._reference.tokenizer.get_vocab(with_added_tokens=True)
        others = {token: index for token, index in tokens.items() if token not in special}
        super().__init__(Vocabulary("foreign", others, special_tokens=special), engine="tokenizers")
        self._token_bytes = self._table(added)

    @cached_property
    def _reference(self) -> ReferenceEngine:
        return _Engine(self._plain, self._spaces)

    @property
    def end_of_text(self) -> int:
        """The id that ends a text; of a model taught to answer, an answer."""
        known = self.vocabulary.end_of_text if self._end is None else self._end
        if known is None:
            raise UsageError(
                "this tokenizer has no token that ends a text, neither in its files nor among "
                f"its special tokens {sorted(self.special_tokens)}"
            )
        return known

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of all that decides the ids."""
        content = json.dumps([self._document, self._end], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def remarks(self) -> list[str]:
        """What is lost on the way through this tokenizer, found on texts of all kinds."""
        changed = 0
        for text in PROBE:
            ids = self.encode(text, disallowed_special=())
            changed += self.decode(ids).removeprefix(" ") != text.removeprefix(" ")
        found = []
        if changed:
            found.append(
                f"its tokenizer does not give every text back ({changed} of {len(PROBE)} trial "
                "texts come back changed): it normalises text or has unknown tokens"
            )
        missing = sum(BYTE_TO_CHARACTER[byte] not in self.vocabulary.tokens for byte in UTF8)
        if missing and self._is_byte_level:
            found.append(
                f"its tokenizer has no token for {missing} of the {len(UTF8)} bytes of UTF-8: rare "
                "characters, mostly control characters, are left out of what the model reads"
            )
        return found

    def offsets(
        self,
        text: str,
        *,
        ids: Sequence[int] | None = None,
        allowed_special: Specials = frozenset(),
        disallowed_special: Specials = "all",
    ) -> list[tuple[int, int]]:
        """Where each token stands in the text: `(start, end)` in characters, end excluded.

        A character that normalising drops belongs to the token behind it, at the end of the text to
        the last one. `ids` must be those of `encode` with the same options.
        """
        found: list[int] = []
        spans: list[tuple[int, int]] = []
        begin, specials = 0, self.vocabulary.special_tokens
        for part, special in split_special(text, specials, allowed_special, disallowed_special):
            if special is not None:
                found.append(special)
                spans.append((begin, begin + len(part)))
            else:
                whole, shift = self._reference.prepared(part), begin  # type: ignore[attr-defined]
                shift -= len(whole) - len(part)
                encoding = self._reference.tokenizer.encode(whole, add_special_tokens=False)
                found += encoding.ids
                spans += [(max(begin, a + shift), b + shift) for a, b in encoding.offsets]
            begin += len(part)
        if ids is not None and list(ids) != found:
            raise UsageError("These ids are not those of this text: encode it with this tokenizer.")
        shown, whole_spans = 0, []
        for start, end in spans:
            end = max(end, shown, start)
            whole_spans.append((min(start, shown), end))
            shown = end
        if whole_spans:
            whole_spans[-1] = (whole_spans[-1][0], len(text))
        return whole_spans

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the `tokenizer.json` that this was made of."""
        write_text(Path(file), json.dumps(self._document, ensure_ascii=False, indent=1) + "\n")

    def save_gpt2(self, vocab: str | os.PathLike[str], merges: str | os.PathLike[str]) -> None:
        raise UsageError("GPT-2's files cannot hold this model's tokenizer: save tokenizer.json")

    def save_tiktoken(self, file: str | os.PathLike[str]) -> None:
        raise UsageError("a tiktoken file cannot hold this model's tokenizer: save tokenizer.json")

    def __reduce__(self) -> tuple:
        return ForeignTokenizer, (self._document, self._end)

    def _cut(self, text: str) -> list[str]:
        return [text]  # its rules may look across any place

    def _table(self, added: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """The bytes of each id, `[vocabulary]`; empty for an id that is not in use."""
        engine, model = self._reference.tokenizer, self._document["model"]
        suffix = model.get("end_of_word_suffix")
        literal = {token["content"] for token in added}
        table = [b""] * self.vocabulary_size
        tokens = {**self.vocabulary.tokens, **self.vocabulary.special_tokens}
        ordinary = [index for token, index in tokens.items() if token not in literal]
        before = engine.decode(ordinary[:1], skip_special_tokens=False)
        for token, index in tokens.items():
            if token in literal:
                table[index] = token.encode()
            elif model.get("byte_fallback") and re.fullmatch("<0x[0-9A-F]{2}>", token):
                table[index] = bytes([int(token[3:5], 16)])
            elif self._is_byte_level:
                table[index] = _from_alphabet(token)
            elif SPACE in self._rules or '"Metaspace"' in self._rules:
                table[index] = token.replace(SPACE, " ").encode()
            elif suffix:
                table[index] = token.replace(suffix, " ").encode()
            else:  # what it adds behind another token
                both = engine.decode([ordinary[0], index], skip_special_tokens=False)
                table[index] = both.removeprefix(before).encode()
        return table


class _Engine(ReferenceEngine):
    """`tokenizers` for any text: no special token is seen in it, and it has the space before."""

    def __init__(self, document: Mapping[str, Any], spaces: tuple[str, ...] | None) -> None:
        super().__init__(document)
        self.tokenizer.encode_special_tokens = True  # that is: reads their text as any other
        self.spaces = spaces

    def prepared(self, text: str) -> str:
        text = SURROGATE.sub("\ufffd", text)
        if self.spaces is None or not text or text[0].isspace():
            return text
        rule = self.tokenizer.normalizer  # which may make a space of other characters
        begins = text if rule is None else rule.normalize_str(text)
        return text if begins.startswith(self.spaces) else f" {text}"

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        return super().encode([self.prepared(text) for text in texts])


def _from_alphabet(token: str) -> bytes:
    try:
        return from_alphabet(token)
    except KeyError:
        return token.encode()


def _without_prefix(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """The document without what writes a space before every text, and what it takes for one: a
    normalised text that begins with it gets no other. None where it writes no space."""
    plain = deepcopy(dict(document))
    plain["post_processor"] = plain["truncation"] = plain["padding"] = None
    spaces: tuple[str, ...] | None = None
    rule = plain.get("normalizer") or {}
    steps = rule.get("normalizers", [rule] if rule else [])
    kept = [step for step in steps if step.get("type") != "Prepend"]
    if len(kept) < len(steps):
        spaces = ()
        plain["normalizer"] = {"type": "Sequence", "normalizers": kept} if kept else None
    rule = plain.get("pre_tokenizer") or {}
    for step in rule.get("pretokenizers", [rule] if rule else []):
        if step.get("type") == "Metaspace":
            scheme = "always" if step.pop("add_prefix_space", True) else "never"
            if step.get("prepend_scheme", scheme) != "never":
                spaces = (" ", SPACE)
            step["prepend_scheme"] = "never"
        elif step.get("type") == "ByteLevel" and step.get("add_prefix_space"):
            spaces, step["add_prefix_space"] = (" ",), False
    return plain, spaces


def tokenizer_of(document: Mapping[str, Any], end_of_text: int | None = None) -> Tokenizer:
    """The tokenizer in the content of a `tokenizer.json`: ours, where it has the same ids.

    Args:
        end_of_text: the id that ends a text, where its makers say; None goes by the names of its
            special tokens.

    Raises:
        UsageError: it is damaged.
    """
    foreign = ForeignTokenizer(document, end_of_text)
    if any(not token.get("special") for token in document.get("added_tokens") or ()):
        return foreign  # words found ahead of all rules, of which ours knows none
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokenizer.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        try:
            own = Tokenizer.load(file)
        except UsageError:
            return foreign
    named = own.vocabulary.end_of_text
    same = named is not None and named == (named if end_of_text is None else end_of_text)
    same = same and all(
        own.encode(text, disallowed_special=()) == foreign.encode(text, disallowed_special=())
        for text in PROBE
    )
    return own if same else foreign
