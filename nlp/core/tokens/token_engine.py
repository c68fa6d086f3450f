"""What turns text into ids: the engines behind `Tokenizer`, all with the same ids.

`tokenizers` (Hugging Face) trains and is the reference. For whole corpora `fastokens` does the
same work many times faster; it is used where it is installed and gives the reference's ids on the
probe below, and `tokenizers` does the work otherwise. Characters and bytes need no engine, only a
table. The choice and its measurements: docs/tokenizer-engines.md.

Every engine has `encode(texts) -> (ids, ends)`: the ids of all texts in one array (uint32), and for
each text the place in it where its ids end (int64). Special tokens are unknown here: all text is
ordinary. Text with lone surrogates raises `UnicodeEncodeError`; `Tokenizer` deals with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from corpora.errors import UsageError
from nlp.core.tokens.vocabulary import Vocabulary, from_alphabet


class Engine(Protocol):
    name: str

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]: ...


# What told engines apart on a fuzz corpus: runs of space before a word, newlines of both kinds,
# contractions in capitals, digits, letters of young Unicode versions, combining marks, joined
# emoji, control characters, the text of special tokens, and a word longer than any cache entry.
PROBE = (
    "The quick  brown\t\tfox's 3rd jump,   isn't it? I'LL SAY'S so'T.\n\n  Yes…\r\n\r\n \n x",
    "12345 007 1٣४ ½ Ⅷ ² 3.14e-10 a1b2",
    "naïve café Ünïcödé straße \u017f'\u017f ÀÉ İi ß",
    "e\u0301 a\u0300\u0301\u0302 \u0301\u0301 x\u200d\u0301",
    "Привет, мир! 中文字符 日本語テキスト 한국어 العربية हिन्दी ไทย",
    "👩\u200d👩\u200d👧\u200d👦 🏽🇩🇪🏴 1\ufe0f\u20e3 \U00011de0a\U00011de1 \U00018dbe's",
    "\x00\x01\x07\x1b\x1c\x1f\x7f \x85 \xa0 \u1680 \u180e \u2028\u2029 \u3000 \ufeff \u200b",
    "<|endoftext|> a<|endoftext|>b <|im_start|>",
    "   \n \t ",
    "\n",
    " ",
    "",
    "ab" * 400 + " " * 300 + "!?" * 200 + "\n" * 70,
    "for (int i = 0; i < n; ++i) {\r\n\tx[i] += '\\n';\r\n}",
)


class ReferenceEngine:
    """Hugging Face `tokenizers`."""

    name = "tokenizers"

    def __init__(self, document: Mapping[str, Any]) -> None:
        import tokenizers

        try:
            self.tokenizer = tokenizers.Tokenizer.from_str(json.dumps(document))
        except Exception as error:
            raise UsageError(f"This tokenizer cannot be used: {error}") from None

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        try:
            encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            for text in texts:
                text.encode()  # says which: UnicodeEncodeError for a lone surrogate
            raise
        rows = [encoding.ids for encoding in encodings]
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        ids = np.empty(int(ends[-1]) if rows else 0, dtype=np.uint32)
        for end, row in zip(ends, rows, strict=True):
            ids[end - len(row) : end] = row
        return ids, ends

    def words(self, text: str) -> list[bytes]:
        """The words of a text, within which merges happen; a byte that is no UTF-8 is one."""
        words: list[bytes] = []
        escaped = text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
        for broken, stretch in stretches(escaped):
            if broken:
                words += [bytes([b]) for b in stretch.encode("utf-8", "surrogateescape")]
            else:
                pieces = self.tokenizer.pre_tokenizer.pre_tokenize_str(stretch)
                words += [from_alphabet(piece) for piece, _ in pieces]
        return words


class FastEngine:
    """`fastokens`: the same ids from a memory-bounded cache of words, on all cores."""

    name = "fastokens"

    def __init__(self, document: Mapping[str, Any]) -> None:
        import fastokens

        self.tokenizer = fastokens.Tokenizer.from_json_str(json.dumps(document))

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        ids, offsets = self.tokenizer.encode_batch_flat(list(texts))
        return np.frombuffer(ids, "<u4"), np.frombuffer(offsets, "<u8")[1:].astype(np.int64)


class ByteEngine:
    """One id per byte of UTF-8."""

    name = "bytes"

    def __init__(self, byte_ids: Sequence[int]) -> None:
        self.table = np.array(byte_ids, dtype=np.uint32)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        data = [text.encode() for text in texts]
        ends = np.cumsum([len(part) for part in data], dtype=np.int64)
        return self.table[np.frombuffer(b"".join(data), dtype=np.uint8)], ends


class CharacterEngine:
    """One id per character; a character without a token is spelled in bytes."""

    name = "characters"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.table = np.full(0x110000, -1, dtype=np.int32)
        for token, index in vocabulary.tokens.items():
            if len(token) == 1:
                self.table[ord(token)] = index
        self.byte_ids = (
            np.array(vocabulary.byte_ids, dtype=np.uint32)
            if vocabulary.byte_fallback and vocabulary.byte_ids
            else None
        )

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        rows = [self._encode(text) for text in texts]
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        return np.concatenate([*rows, np.empty(0, dtype=np.uint32)]), ends

    def _encode(self, text: str) -> np.ndarray:
        points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        ids = self.table[points]
        unknown = ids < 0
        if not unknown.any():
            return ids.astype(np.uint32)
        if self.byte_ids is None:
            character = chr(points[unknown.argmax()])
            raise UsageError(
                f"The tokenizer has no token for {character!r} (U+{ord(character):04X}), which "
                "was not in its training text. Train it with byte_fallback=True to read any text."
            )
        spelled = points[unknown]
        # 1 to 4 bytes of UTF-8 each
        widths = 1 + (spelled >= 0x80) + (spelled >= 0x800) + (spelled >= 0x10000)
        counts = np.ones(len(ids), dtype=np.int64)
        counts[unknown] = widths
        is_byte = np.repeat(unknown, counts)
        result = np.empty(len(is_byte), dtype=np.uint32)
        result[~is_byte] = ids[~unknown]
        data = spelled.tobytes().decode("utf-32-le").encode()
        result[is_byte] = self.byte_ids[np.frombuffer(data, dtype=np.uint8)]
        return result


def choose_engine(
    vocabulary: Vocabulary, reference: Callable[[], ReferenceEngine], choice: str
) -> Engine:
    """The engine for whole corpora; `choice` is "auto", "fastokens" or "tokenizers"."""
    if choice not in ("auto", "fastokens", "tokenizers"):
        raise UsageError(f"engine {choice!r} is unknown; expected auto, fastokens or tokenizers.")
    if vocabulary.kind == "characters":
        return CharacterEngine(vocabulary)
    if vocabulary.kind == "bytes" and vocabulary.byte_ids:
        return ByteEngine(vocabulary.byte_ids)
    if choice == "tokenizers":
        return reference()
    fast, reason = _verified(vocabulary, reference())
    if fast is None and choice == "fastokens":
        raise UsageError(f"The engine fastokens cannot be used: {reason}. Choose 'tokenizers'.")
    return fast or reference()


def _verified(vocabulary: Vocabulary, reference: ReferenceEngine) -> tuple[FastEngine | None, str]:
    """The fast engine if it gives the reference's ids on the probe, or why it cannot be used."""
    if vocabulary.pattern is None:
        return None, "it was compared with tokenizers on the patterns of GPT-2 and GPT-4 only"
    try:
        fast = FastEngine(vocabulary.document(special=False))
        same = all(map(np.array_equal, fast.encode(PROBE), reference.encode(PROBE)))
    except ImportError:
        return None, "it is not installed"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        return None, f"it refuses this vocabulary ({error})"
    return (fast, "") if same else (None, "its ids differ from those of tokenizers on a probe text")


def encode_texts(
    vocabulary: Vocabulary, engine: Engine, texts: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """What `engine.encode` gives, for any text: lone surrogates are read as their bytes."""
    if not texts:
        return np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
    try:
        return engine.encode(texts)
    except UnicodeEncodeError:
        data = [text.encode("utf-8", "surrogatepass") for text in texts]
        rows = [encode_bytes(vocabulary, engine, part) for part in data]
        return np.concatenate(rows), np.cumsum([len(row) for row in rows], dtype=np.int64)


def encode_bytes(vocabulary: Vocabulary, engine: Engine, data: bytes) -> np.ndarray:
    """The ids of bytes: UTF-8 as text, every other byte as the token of that byte."""
    rows = [np.empty(0, dtype=np.uint32)]
    for broken, stretch in stretches(data.decode("utf-8", "surrogateescape")):
        if not broken:
            rows.append(engine.encode([stretch])[0])
        elif vocabulary.byte_ids is None:
            raise UsageError(
                "These bytes are no UTF-8 text and the tokenizer has no tokens for bytes. "
                "Train it with byte_fallback=True to read any bytes."
            )
        else:
            wrong = np.frombuffer(stretch.encode("utf-8", "surrogateescape"), dtype=np.uint8)
            rows.append(np.array(vocabulary.byte_ids, dtype=np.uint32)[wrong])
    return np.concatenate(rows)


SURROGATES = re.compile("[\ud800-\udfff]+")


def stretches(text: str) -> Iterator[tuple[bool, str]]:
    """The text in order, cut into stretches with (True) and without (False) lone surrogates.

    Python writes a byte that is no UTF-8 as a lone surrogate under `surrogateescape`.
    """
    start = 0
    for match in SURROGATES.finditer(text):
        if match.start() > start:
            yield False, text[start : match.start()]
        yield True, match.group()
        start = match.end()
    if start < len(text):
        yield False, text[start:]


def learn_merges(
    texts: Iterable[str], size: int, minimum_frequency: int, pre_tokenizer: Mapping[str, Any]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Train byte-level BPE to at most `size` tokens; the 256 bytes are ids 0 to 255, as GPT-2's."""
    import tokenizers

    empty = Vocabulary(kind="bpe", tokens={}, pre_tokenizer=pre_tokenizer)
    learner = tokenizers.Tokenizer.from_str(json.dumps(empty.document()))
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=minimum_frequency,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]


def cut(text: str, size: int) -> list[str]:
    """Pieces of about `size` characters that encode to the same ids as the whole.

    Cuts stand only before a space that follows a character which is none: neither GPT-2's nor
    GPT-4's pattern makes a word across such a place, nor looks across it.
    """
    pieces = []
    start = 0
    while len(text) - start > size:
        place = text.find(" ", start + size)
        while place > 0 and text[place - 1].isspace():
            place = text.find(" ", place + 1)
        if place < 0:
            break
        pieces.append(text[start:place])
        start = place
    pieces.append(text[start:])
    return pieces
