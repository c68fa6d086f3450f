"""GPT-2's own vocabulary gives the ids of tiktoken and of the encoder that OpenAI published.

Needs the two files of the release, `encoder.json` and `vocab.bpe`, in `models/gpt2_bpe` of the
folder that UNROLLED_DATA names; skipped where they are missing.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest
import regex
import tiktoken
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tiktoken_ext.openai_public import r50k_pat_str

from nlp.core.tokenizer import END_OF_TEXT, Tokenizer

FOLDER = Path(os.environ.get("UNROLLED_DATA", ""), "models", "gpt2_bpe")
VOCAB, MERGES = FOLDER / "encoder.json", FOLDER / "vocab.bpe"

pytestmark = pytest.mark.skipif(
    not (VOCAB.is_file() and MERGES.is_file()),
    reason="UNROLLED_DATA names no folder with GPT-2's models/gpt2_bpe/{encoder.json,vocab.bpe}",
)

# What tokenizers stumble over: white space of every kind, contractions, numbers of other scripts,
# marks that combine, emoji in several code points, text from right to left, code, long runs.
NASTY = [
    *(
        "",
        " ",
        "  ",
        "\n",
        "\n\n \n",
        "\t\t a",
        "a\r\nb\r",
        " \u00a0\u2003\u3000x",
        "end   ",
        "\x00",
    ),
    *("I'll they've we're it's 'tis 'S 'LL don't''ve", "'", "''s", " 's", "O’Neill’s ’ll"),
    *("1234567890", " 3.14159e-10", "²³ ½ Ⅷ", "٣٤٥ 一二三 ৪৫", "x1y2z3", "1,000,000"),
    *("naïve café Ångström", "e\u0301\u0301\u0301", "\u0301", "ﬁ ﬀ", "ǆ Ǆ ẞ İ", "Ꭰꭰ"),
    *("👋🏽 👩‍👩‍👧‍👦 🇫🇷🇩🇪", "\U0001f9ff\ufe0f", "\ufffd \ufeff", "\U0010ffff\ue000"),
    *("中文字符没有空格", "日本語のテキスト、です。", "한국어 텍스트", "ภาษาไทย", "नमस्ते दुनिया"),
    *("שלום עולם", "السَّلَامُ عَلَيْكُمْ", "\u202eabc\u202c", "Привет, мир!", "Ђурђевак"),
    *("def f(x):\n    return x**2  # no\n", "<html>&nbsp;</html>", "a_b-c+d=e==f", "C:\\dir\\n"),
    *("!!!!!?!?!...---", "#$%&" * 40, "a" * 500, " " * 500, "\n" * 99, "ab" * 300, "0" * 200),
    *(END_OF_TEXT.replace("|>", "|"), "<|end", " SolidGoldMagikarp petertodd", "\x7f\x80\x85\xa0"),
    "".join(map(chr, range(0x250))),
    "".join(chr(c) for c in range(0x2000, 0x2100)),
]


class OpenAIEncoder:
    """`encoder.py` of the release (github.com/openai/gpt-2, src/encoder.py), plainly."""

    PATTERN = regex.compile(
        r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
    )

    def __init__(self) -> None:
        self.ids = json.loads(VOCAB.read_text(encoding="utf-8"))
        lines = MERGES.read_text(encoding="utf-8").split("\n")[1:-1]
        self.ranks = {tuple(line.split()): rank for rank, line in enumerate(lines)}
        self.letters = self.bytes_to_unicode()

    @staticmethod
    def bytes_to_unicode() -> dict[int, str]:
        kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
        kept += range(ord("®"), ord("ÿ") + 1)
        letters = {byte: chr(byte) for byte in kept}
        for byte in range(256):
            if byte not in letters:
                letters[byte] = chr(256 + len(letters) - len(kept))
        return letters

    def bpe(self, token: str) -> list[str]:
        word = list(token)
        while len(word) > 1:
            pairs = set(pairwise(word))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, float("inf")))
            if best not in self.ranks:
                break
            merged, place = [], 0
            while place < len(word):
                if tuple(word[place : place + 2]) == best:
                    merged.append(word[place] + word[place + 1])
                    place += 2
                else:
                    merged.append(word[place])
                    place += 1
            word = merged
        return word

    def encode(self, text: str) -> list[int]:
        ids = []
        for token in self.PATTERN.findall(text):
            letters = "".join(self.letters[byte] for byte in token.encode("utf-8"))
            ids += [self.ids[part] for part in self.bpe(letters)]
        return ids


class Three:
    """Ours and the two others, made once."""

    ours: Tokenizer
    openai: OpenAIEncoder
    tiktoken: tiktoken.Encoding

    @classmethod
    def agree(cls, text: str) -> None:
        expected = cls.openai.encode(text)
        assert cls.tiktoken.encode_ordinary(text) == expected
        assert cls.ours.encode(text, disallowed_special=()) == expected
        assert cls.ours.encode_array(text).tolist() == expected
        assert cls.ours.decode(expected) == text


@pytest.fixture(scope="module", autouse=True)
def _three() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", "")  # or it would keep a copy of the files
        ranks = data_gym_to_mergeable_bpe_ranks(str(MERGES), str(VOCAB))
    Three.ours, Three.openai = Tokenizer.load(FOLDER), OpenAIEncoder()
    Three.tiktoken = tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={END_OF_TEXT: 50256}
    )


def test_the_vocabulary_is_that_of_the_paper() -> None:
    assert Three.ours.vocabulary_size == Three.tiktoken.n_vocab == 50257
    assert Three.ours.end_of_text == Three.tiktoken.eot_token == 50256
    assert Three.ours.pattern == "gpt2"
    assert Three.ours.encode("Hello world") == [15496, 995]  # as the model's card shows
    for index in range(50257):
        assert Three.ours.token_bytes(index) == Three.tiktoken.decode_single_token_bytes(index)


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_nasty_texts(text: str) -> None:
    Three.agree(text)


def test_the_reference_engine_agrees_too() -> None:
    reference = Tokenizer(Three.ours.vocabulary, engine="tokenizers")
    for text in NASTY:
        assert reference.encode_array(text).tolist() == Three.openai.encode(text)


def test_prose_and_code() -> None:
    Three.agree(inspect.getsource(textwrap) + inspect.getsource(random))


@examples(max_examples=300)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text(text: str) -> None:
    Three.agree(text)


@examples(max_examples=200)
@given(st.lists(st.sampled_from([*NASTY[:60], "the", " the", "ing", "1", " ", "\n"]), max_size=6))
def test_nasty_texts_beside_each_other(parts: list[str]) -> None:
    Three.agree("".join(parts))


def test_the_token_between_documents() -> None:
    text = f"one{END_OF_TEXT} two{END_OF_TEXT}{END_OF_TEXT}"
    expected = Three.tiktoken.encode(text, allowed_special="all")
    assert Three.ours.encode(text, allowed_special="all") == expected
    assert expected.count(50256) == 3
    assert Three.ours.encode(text, disallowed_special=()) == Three.openai.encode(text)
