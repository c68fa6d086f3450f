"""Text to ids and back: byte-level BPE, characters or bytes behind one class.

    text ──words──▶ bytes ──merges──▶ tokens ──▶ ids        " unrolled" ▶ " un" "rolled" ▶ 403 7155

Byte-pair encoding (Sennrich et al. 2016) starts from bytes and merges, again and again, the pair of
neighbours that the training text holds most often (Radford et al. 2019 put it on bytes, so that no
text is unknown). Encoding repeats those merges in the order learned.

    >>> from nlp.core.tokenizer import Tokenizer
    >>> tokenizer = Tokenizer.train(["low lower lowest " * 9], vocabulary_size=264)
    >>> tokenizer.decode(tokenizer.encode("slower, naïve 👋"))
    'slower, naïve 👋'
    >>> [tokenizer.token_bytes(index) for index in tokenizer.encode(" slower lowest")]
    [b' ', b's', b'low', b'e', b'r', b' lowest']

Nothing is lost: `decode(encode(text)) == text` for every `str`, lone surrogates included, and
`decode_bytes(encode_bytes(data)) == data` for every byte string, UTF-8 or not.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from corpora.errors import UsageError
from nlp.core.tokens.special_tokens import Specials, split_special
from nlp.core.tokens.token_engine import (
    Engine,
    ReferenceEngine,
    choose_engine,
    cut,
    encode_bytes,
    encode_texts,
)
from nlp.core.tokens.token_formats import (
    read_gpt2,
    read_tiktoken,
    read_vocabulary,
    write_gpt2,
    write_tiktoken,
    write_tokenizer_json,
)
from nlp.core.tokens.token_merges import Merges, MergeStep
from nlp.core.tokens.token_training import learn
from nlp.core.tokens.vocabulary import END_OF_TEXT, Vocabulary

if TYPE_CHECKING:
    from corpora.passage import Passage

Kind = Literal["bpe", "characters", "bytes"]
Pattern = Literal["gpt2", "gpt4"]

PIECE = 1 << 16  # characters handed to one thread at a time
BATCH = 1 << 23  # characters encoded at a time by encode_corpus: bounds its memory


class Tokenizer:
    """A vocabulary and what it does: train, encode, decode, save, load.

    Made by `train`, `load`, `from_gpt2` or `from_tiktoken`. `engine` names what encodes corpora:
    "auto" takes the fastest one with the right ids, "tokenizers" the reference.
    """

    def __init__(self, vocabulary: Vocabulary, *, engine: str = "auto") -> None:
        self.vocabulary = vocabulary
        self._choice = engine
        self._token_bytes = vocabulary.token_bytes

    @classmethod
    def train(
        cls,
        texts: Iterable[str | Passage],
        *,
        vocabulary_size: int = 8192,
        minimum_frequency: int = 2,
        kind: Kind = "bpe",
        pattern: Pattern = "gpt2",
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        byte_fallback: bool = True,
    ) -> Tokenizer:
        """Learn a vocabulary from texts, read once as a stream.

        `vocabulary_size` (special tokens counted) and `minimum_frequency` (of a pair, to be merged)
        concern "bpe" only. "characters" takes every character of the text, in order of code point,
        and spells others in bytes; without `byte_fallback` it refuses them. "bytes" needs no text.
        The special tokens, `<|endoftext|>` always among them, have the highest ids.

        Raises `UsageError` for an empty text and for a size that the text does not allow.
        """
        return cls(
            learn(
                texts,
                vocabulary_size=vocabulary_size,
                minimum_frequency=minimum_frequency,
                kind=kind,
                pattern=pattern,
                special_tokens=special_tokens,
                byte_fallback=byte_fallback,
            )
        )

    # ── what it is ──────────────────────────────────────────────────────────────────────────────

    @property
    def kind(self) -> str:
        """One of "bpe", "characters" and "bytes"."""
        return self.vocabulary.kind

    @property
    def pattern(self) -> str | None:
        """The rule that cuts text into words: "gpt2", "gpt4", "none", or None for a foreign one."""
        return self.vocabulary.pattern

    @property
    def vocabulary_size(self) -> int:
        """The number of ids, special tokens counted: every id is below it."""
        return self.vocabulary.size

    @property
    def special_tokens(self) -> dict[str, int]:
        """The id of each special token."""
        return dict(self.vocabulary.special_tokens)

    @property
    def end_of_text(self) -> int:
        """The id that ends every document, and that a language model starts from."""
        if self.vocabulary.end_of_text is None:
            raise UsageError(
                f"This tokenizer has no end-of-text token among {sorted(self.special_tokens)}; "
                f"expected {END_OF_TEXT!r}."
            )
        return self.vocabulary.end_of_text

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of all that decides the ids."""
        return self.vocabulary.fingerprint

    @property
    def dtype(self) -> np.dtype:
        """The smallest of uint16 and uint32 that holds every id: what the token store keeps."""
        return np.dtype(np.uint16 if self.vocabulary_size <= 1 << 16 else np.uint32)

    @property
    def engine(self) -> str:
        """The name of the engine that encodes corpora."""
        return self._engine.name

    def token_bytes(self, index: int) -> bytes:
        """The bytes that one id stands for; those of its name for a special token."""
        return self.decode_bytes((index,))

    def __repr__(self) -> str:
        return (
            f"Tokenizer(kind={self.kind!r}, vocabulary_size={self.vocabulary_size}, "
            f"fingerprint={self.fingerprint[:12]!r})"
        )

    def __reduce__(self) -> tuple:
        return _rebuild, (self.vocabulary, self._choice)  # engines do not travel between processes

    # ── encoding ────────────────────────────────────────────────────────────────────────────────

    def encode(
        self,
        text: str,
        *,
        allowed_special: Specials = frozenset(),
        disallowed_special: Specials = "all",
        dropout: float = 0.0,
        seed: int | random.Random = 0,
    ) -> list[int]:
        """The ids of one text.

        Special tokens follow tiktoken's policy: one in `allowed_special` becomes its id; one in
        `disallowed_special` ("all" means all that are not allowed) raises `UsageError`; with
        `disallowed_special=()` the others are ordinary text.

        With `dropout` each possible merge is left out with that probability (BPE-dropout). The
        draws come from `seed`: an int gives the same ids each time, a `random.Random` goes on.
        """
        if not 0.0 <= dropout <= 1.0:
            raise UsageError(f"dropout is {dropout}; expected a probability from 0 to 1.")
        source = seed if isinstance(seed, random.Random) else random.Random(seed)
        ids: list[int] = []
        specials = self.vocabulary.special_tokens
        for part, special in split_special(text, specials, allowed_special, disallowed_special):
            if special is not None:
                ids.append(special)
            elif dropout and self.kind == "bpe":
                ids += self._merges.encode(part, dropout, source)
            elif part:
                ids += encode_texts(self.vocabulary, self._small_engine, [part])[0].tolist()
        return ids

    def encode_batch(
        self,
        texts: Sequence[str],
        *,
        allowed_special: Specials = frozenset(),
        disallowed_special: Specials = "all",
    ) -> list[list[int]]:
        """The ids of each text, on all cores; special tokens as in `encode`."""
        parts: list[str] = []
        plan: list[list[int | None]] = []  # of each text: special ids, None for the next part
        specials = self.vocabulary.special_tokens
        for text in texts:
            row: list[int | None] = []
            for part, special in split_special(text, specials, allowed_special, disallowed_special):
                row.append(special)
                if special is None:
                    parts.append(part)
            plan.append(row)
        ids, ends = encode_texts(self.vocabulary, self._engine, parts)
        pieces = iter(np.split(ids, ends[:-1]))
        rows: list[list[int]] = []
        for row in plan:
            encoded: list[int] = []
            for special in row:
                encoded += next(pieces).tolist() if special is None else [special]
            rows.append(encoded)
        return rows

    def encode_array(self, text: str) -> np.ndarray:
        """The ids of one text of any length, all of it ordinary, on all cores; `[tokens]`."""
        ids, _ = encode_texts(self.vocabulary, self._engine, self._cut(text))
        return ids.astype(self.dtype, copy=False)

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of bytes, all of them ordinary; bytes that are no UTF-8 get an id each."""
        return encode_bytes(self.vocabulary, self._small_engine, data).tolist()

    def encode_corpus(self, passages: Iterable[Passage]) -> Iterator[np.ndarray]:
        """The ids of passages, all ordinary text, with `end_of_text` after each document's end.

        Yields arrays `[tokens]` of `dtype`, some megabytes of text each: memory does not grow with
        the corpus.
        """
        pieces: list[str] = []
        ends: list[int] = []  # how many pieces stand before each document's end
        waiting = 0
        for text, ends_document in passages:
            pieces += self._cut(text)
            waiting += len(text)
            if ends_document:
                ends.append(len(pieces))
            if waiting >= BATCH or len(pieces) >= BATCH >> 6:
                yield self._encode_documents(pieces, ends)
                pieces, ends, waiting = [], [], 0
        if pieces:
            yield self._encode_documents(pieces, ends)

    def offsets(
        self,
        text: str,
        *,
        ids: Sequence[int] | None = None,
        allowed_special: Specials = frozenset(),
        disallowed_special: Specials = "all",
    ) -> list[tuple[int, int]]:
        """Where each token stands in the text: `(start, end)` in characters, end excluded.

        A token that holds some bytes of a character covers it whole, so tokens that share a
        character overlap. `ids` are those of `encode` with the same options unless given.
        """
        if ids is None:
            ids = self.encode(
                text, allowed_special=allowed_special, disallowed_special=disallowed_special
            )
        data = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        character = np.cumsum((data & 0xC0) != 0x80) - 1  # of each byte
        byte_ends = np.cumsum([len(self.token_bytes(index)) for index in ids], dtype=np.int64)
        if len(ids) and byte_ends[-1] != len(data):
            raise UsageError("These ids are not those of this text: the lengths differ.")
        starts = character[np.concatenate([[0], byte_ends[:-1]])] if len(ids) else byte_ends
        ends = character[byte_ends - 1] + 1 if len(ids) else byte_ends
        return list(zip(starts.tolist(), ends.tolist(), strict=True))

    # ── decoding ────────────────────────────────────────────────────────────────────────────────

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids; `UsageError` for an id outside the vocabulary."""
        table = self._token_bytes
        indices = [int(index) for index in ids]
        if indices and not 0 <= min(indices) <= max(indices) < len(table):
            wrong = next(index for index in indices if not 0 <= index < len(table))
            raise UsageError(
                f"id {wrong} is not in the vocabulary; expected 0 to {len(table) - 1}."
            )
        return b"".join([table[index] for index in indices])

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """The text of the ids. Bytes that are no UTF-8 become U+FFFD, one per broken character."""
        if skip_special_tokens:
            special = set(self.vocabulary.special_tokens.values())
            ids = [index for index in ids if int(index) not in special]
        data = self.decode_bytes(ids)
        for errors in ("strict", "surrogatepass"):
            try:
                return data.decode("utf-8", errors)
            except UnicodeDecodeError:
                continue
        return data.decode("utf-8", "replace")

    def decode_batch(
        self, rows: Iterable[Iterable[int]], *, skip_special_tokens: bool = False
    ) -> list[str]:
        """The text of each row of ids."""
        return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in rows]

    def trace(self, word: str) -> list[MergeStep]:
        """The merges that build the tokens of a word (or text), in the order they are made."""
        return self._merges.trace(word) if self.kind == "bpe" else []

    # ── files ───────────────────────────────────────────────────────────────────────────────────

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write a Hugging Face `tokenizer.json`, complete or not at all."""
        write_tokenizer_json(self.vocabulary, Path(file))

    @classmethod
    def load(
        cls, file: str | os.PathLike[str], *, engine: str = "auto", fingerprint: str | None = None
    ) -> Tokenizer:
        """Read a `tokenizer.json`, tiktoken's ranks, or a folder of a model or of GPT-2's files.

        Raises `UsageError` if it is missing or damaged, would not give text back unchanged, or has
        another `fingerprint` than a model was trained with.
        """
        tokenizer = cls(read_vocabulary(Path(file).expanduser()), engine=engine)
        if fingerprint not in (None, tokenizer.fingerprint):
            raise UsageError(f"{file} is not the tokenizer that this model was trained with")
        return tokenizer

    @classmethod
    def from_gpt2(
        cls,
        vocab: str | os.PathLike[str],
        merges: str | os.PathLike[str],
        *,
        special_tokens: Sequence[str] | Mapping[str, int] = (END_OF_TEXT,),
    ) -> Tokenizer:
        """Read GPT-2's `vocab.json` and `merges.txt`."""
        return cls(read_gpt2(Path(vocab), Path(merges), special_tokens))

    def save_gpt2(self, vocab: str | os.PathLike[str], merges: str | os.PathLike[str]) -> None:
        """Write `vocab.json` and `merges.txt`; for byte-level BPE with GPT-2's pattern."""
        write_gpt2(self.vocabulary, Path(vocab), Path(merges))

    @classmethod
    def from_tiktoken(
        cls,
        file: str | os.PathLike[str],
        *,
        pattern: Pattern = "gpt4",
        special_tokens: Sequence[str] | Mapping[str, int] = (END_OF_TEXT,),
    ) -> Tokenizer:
        """Read a tiktoken rank file, which says nothing of the pattern and the special tokens."""
        return cls(read_tiktoken(Path(file), pattern, special_tokens))

    def save_tiktoken(self, file: str | os.PathLike[str]) -> None:
        """Write the ranks, which are the ids, as tiktoken reads them."""
        write_tiktoken(self.vocabulary, Path(file))

    # ── within ──────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _reference(self) -> ReferenceEngine:
        return ReferenceEngine(self.vocabulary.document(special=False))

    @cached_property
    def _engine(self) -> Engine:
        return choose_engine(self.vocabulary, lambda: self._reference, self._choice)

    @property
    def _small_engine(self) -> Engine:
        # one short text is not worth the loading and checking of a second engine
        return self._reference if self.kind == "bpe" else self._engine

    @cached_property
    def _merges(self) -> Merges:
        return Merges(self.vocabulary, self._reference.words)

    def _cut(self, text: str) -> list[str]:
        if self.kind == "bpe" and self.pattern is None:
            return [text]  # a foreign pattern may look across any place
        return cut(text, PIECE)

    def _encode_documents(self, pieces: list[str], document_ends: list[int]) -> np.ndarray:
        ids, ends = encode_texts(self.vocabulary, self._engine, pieces)
        starts = np.concatenate([[0], ends])
        ids = ids.astype(self.dtype, copy=False)
        return np.insert(ids, starts[document_ends], self.end_of_text) if document_ends else ids


def _rebuild(vocabulary: Vocabulary, choice: str) -> Tokenizer:
    return Tokenizer(vocabulary, engine=choice)
