"""The tokenizer against its oracles (tokenizers, tiktoken) and its invariants (nothing is lost)."""

from __future__ import annotations

import argparse
import base64
import inspect
import json
import pickle
import random
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from corpora.passage import Passage
from nlp.core.tokenizer import END_OF_TEXT, Tokenizer
from nlp.core.tokens import token_engine
from nlp.core.tokens.token_engine import PROBE, cut
from nlp.core.tokens.token_report import compression_report
from nlp.core.tokens.vocabulary import GPT4_PATTERN

GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TEXT = inspect.getsource(argparse) + inspect.getsource(textwrap) + "".join(PROBE) * 3

# Every str that Python can hold, with much of what tells engines apart.
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
SPACES = [" ", "  ", "\n", "\r\n", "\t", "\x00", "\x1f", "\u3000", "\x85"]
LETTERS = [
    "'s",
    "'LL",
    "'",
    "a",
    "Z",
    "12",
    "1234",
    "!",
    "é",
    "e\u0301",
    "\u0301",
    "\u017f",
    "中文",
]
TRICKY = st.lists(st.sampled_from([*SPACES, *LETTERS, "👩\u200d👩", "the", END_OF_TEXT])).map(
    "".join
)
ANY_STRING = st.text(st.characters(exclude_categories=[]))  # lone surrogates too

BPE = {
    pattern: Tokenizer.train([TEXT], vocabulary_size=1200, pattern=pattern)
    for pattern in ("gpt2", "gpt4")
}
ALL = {
    **BPE,
    "characters": Tokenizer.train([TEXT], kind="characters"),
    "bytes": Tokenizer.train([], kind="bytes"),
}


@pytest.fixture(params=BPE)
def bpe(request) -> Tokenizer:
    return BPE[request.param]


@pytest.fixture(params=ALL)
def tokenizer(request) -> Tokenizer:
    return ALL[request.param]


def reference(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """`tokenizers` reading our file, with special tokens as ordinary text."""
    peer = tokenizers.Tokenizer.from_str(json.dumps(tokenizer.vocabulary.document()))
    peer.encode_special_tokens = True
    return peer


# ── nothing is lost ─────────────────────────────────────────────────────────────────────────────


@given(text=ANY_STRING | TRICKY)
def test_text_comes_back(text):
    for tokenizer in ALL.values():
        assert tokenizer.decode(tokenizer.encode(text, disallowed_special=())) == text
        assert tokenizer.decode(tokenizer.encode_array(text)) == text


@given(data=st.binary() | UNICODE.map(str.encode))
def test_bytes_come_back(data):
    for tokenizer in ALL.values():
        assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data


@given(text=UNICODE)
def test_bytes_of_text_are_encoded_as_the_text(text):
    for tokenizer in ALL.values():
        ids = tokenizer.encode(text, disallowed_special=())
        assert tokenizer.encode_bytes(text.encode()) == ids


@given(texts=st.lists(ANY_STRING | TRICKY, max_size=4))
def test_batches_equal_single_texts(texts):
    for tokenizer in ALL.values():
        rows = tokenizer.encode_batch(texts, disallowed_special=())
        assert rows == [tokenizer.encode(text, disallowed_special=()) for text in texts]
        assert tokenizer.decode_batch(rows) == texts


def test_broken_bytes_decode_to_replacement_characters(tokenizer):
    assert tokenizer.decode(tokenizer.encode_bytes(b"a\xff\xfeb")) == "a\ufffd\ufffdb"


def test_text_longer_than_one_piece(tokenizer, monkeypatch):
    whole = tokenizer.encode_array(TEXT)
    monkeypatch.setattr("nlp.core.tokenizer.PIECE", 100)
    assert np.array_equal(tokenizer.encode_array(TEXT), whole)


# ── the same ids as the field's own tools ───────────────────────────────────────────────────────

REFERENCES = {name: reference(tokenizer) for name, tokenizer in ALL.items()}


@given(text=UNICODE | TRICKY)
@settings(max_examples=200)
def test_ids_equal_tokenizers(text):
    for name, tokenizer in ALL.items():
        expected = REFERENCES[name].encode(text).ids
        assert tokenizer.encode(text, disallowed_special=()) == expected
        assert tokenizer.encode_array(text).tolist() == expected


@pytest.mark.parametrize("engine", ["fastokens", "tokenizers"])
def test_every_engine_gives_the_same_ids(bpe, engine):
    if engine == "fastokens":
        pytest.importorskip("fastokens")
    chosen = Tokenizer(bpe.vocabulary, engine=engine)
    assert chosen.engine == engine
    texts = [TEXT, *PROBE, "\ud800 lone", "ab" * 50_000, " " * 50_000, "\n" * 999]
    for text in texts:
        assert chosen.encode_array(text).tolist() == bpe.encode(text, disallowed_special=())


def test_an_engine_with_other_ids_is_not_used(monkeypatch):
    pytest.importorskip("fastokens")
    encode = token_engine.FastEngine.encode

    def wrong(self, texts):
        ids, ends = encode(self, texts)
        return ids ^ 1, ends

    monkeypatch.setattr(token_engine.FastEngine, "encode", wrong)
    vocabulary = BPE["gpt2"].vocabulary
    assert Tokenizer(vocabulary).engine == "tokenizers"
    with pytest.raises(UsageError, match="differ"):
        Tokenizer(vocabulary, engine="fastokens").encode_array("text")


def test_without_the_fast_engine(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastokens", None)
    plain = Tokenizer(BPE["gpt2"].vocabulary)
    assert plain.engine == "tokenizers"
    assert plain.encode_array(TEXT).tolist() == BPE["gpt2"].encode(TEXT, disallowed_special=())


def tiktoken_of(tokenizer: Tokenizer, folder: Path) -> tiktoken.Encoding:
    tokenizer.save_tiktoken(folder / "ranks.tiktoken")
    lines = (line.split() for line in (folder / "ranks.tiktoken").read_text().splitlines())
    return tiktoken.Encoding(
        "ours",
        pat_str=GPT2_PATTERN if tokenizer.pattern == "gpt2" else GPT4_PATTERN,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in lines},
        special_tokens=tokenizer.special_tokens,
    )


def test_ids_equal_tiktoken(bpe, tmp_path):
    peer = tiktoken_of(bpe, tmp_path)

    @given(text=UNICODE | TRICKY)
    def same(text):
        assert bpe.encode(text, disallowed_special=()) == peer.encode_ordinary(text)

    same()
    assert bpe.encode_array(TEXT).tolist() == peer.encode_ordinary(TEXT)


def test_merges_equal_those_of_tokenizers(bpe):
    learner = tokenizers.Tokenizer(tokenizers.models.BPE())
    learner.pre_tokenizer = reference(bpe).pre_tokenizer
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1199,
        min_frequency=2,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator([TEXT], trainer)
    merges = json.loads(learner.to_str())["model"]["merges"]
    assert [list(pair) for pair in bpe.vocabulary.merges] == merges


# ── training ────────────────────────────────────────────────────────────────────────────────────


def test_the_vocabulary_has_the_size_asked_for(bpe):
    assert bpe.vocabulary_size == 1200
    assert bpe.end_of_text == 1199
    assert bpe.dtype == np.uint16
    assert {bpe.token_bytes(index) for index in range(256)} == {bytes([b]) for b in range(256)}


def test_bytes_are_their_own_ids():
    assert ALL["bytes"].encode("é\n") == [0xC3, 0xA9, 0x0A]
    assert ALL["bytes"].vocabulary_size == 257


def test_characters_alone():
    text = "to be, or not to be"
    exact = Tokenizer.train([text], kind="characters", byte_fallback=False)
    assert exact.vocabulary_size == len(set(text)) + 1
    assert exact.decode(exact.encode(text)) == text
    with pytest.raises(UsageError, match=r"'z' \(U\+007A\).*byte_fallback"):
        exact.encode("zebra")
    with pytest.raises(UsageError, match="no tokens for bytes"):
        exact.encode_bytes(b"\xff")


def test_training_takes_passages_and_is_repeatable():
    passages = [Passage(part, False) for part in cut(TEXT, 5000)]
    again = Tokenizer.train(passages, vocabulary_size=1200)
    assert again.fingerprint == BPE["gpt2"].fingerprint != BPE["gpt4"].fingerprint


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {}, "empty"),
        ([""], {"kind": "characters"}, "empty"),
        (["abcabc"], {"vocabulary_size": 9000}, r"hold 2 possible merges.*at most 259"),
        (["abc"], {"vocabulary_size": 256}, "need 257"),
        (["abc"], {"minimum_frequency": 0}, "1 or more"),
        (["abc"], {"kind": "words"}, "'words' is unknown"),
        (["abc"], {"pattern": "gpt5"}, "'gpt5' is unknown"),
        (["abc"], {"kind": "characters", "special_tokens": ["a"]}, "ordinary token"),
        (["abc"], {"special_tokens": [""]}, "empty"),
    ],
)
def test_training_mistakes_are_explained(texts, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        Tokenizer.train(texts, **options)
    assert "\n" not in str(caught.value)


# ── special tokens, dropout, offsets, trace ─────────────────────────────────────────────────────


def test_special_tokens_follow_the_policy(bpe):
    text = f"one{END_OF_TEXT}two"
    with pytest.raises(UsageError, match=r"at character 3.*allowed_special"):
        bpe.encode(text)
    ordinary = bpe.encode(text, disallowed_special=())
    assert bpe.end_of_text not in ordinary
    for allowed in ("all", {END_OF_TEXT}):
        ids = bpe.encode(text, allowed_special=allowed)
        assert ids == [*bpe.encode("one"), bpe.end_of_text, *bpe.encode("two")]
        assert bpe.encode_batch([text], allowed_special=allowed) == [ids]
        assert bpe.decode(ids) == text
        assert bpe.decode(ids, skip_special_tokens=True) == "onetwo"
    assert bpe.encode_array(text).tolist() == ordinary


def test_the_longest_special_token_wins():
    specials = ["<|a|>", "<|a|><|b|>"]
    tokenizer = Tokenizer.train([], kind="bytes", special_tokens=specials)
    ids = tokenizer.encode("<|a|><|b|><|a|>", allowed_special="all")
    assert ids == [tokenizer.special_tokens["<|a|><|b|>"], tokenizer.special_tokens["<|a|>"]]


def test_dropout_is_active_and_seeded(bpe):
    text = TEXT[:2000]
    plain = bpe.encode(text)
    dropped = bpe.encode(text, dropout=0.3, seed=1)
    assert bpe.encode(text, dropout=0.3, seed=1) == dropped
    assert bpe.encode(text, dropout=0.3, seed=2) != dropped
    assert len(dropped) > 1.1 * len(plain)
    assert bpe.encode(text, dropout=1.0) == [bpe.encode_bytes(bytes([b]))[0] for b in text.encode()]
    source = random.Random(1)
    assert bpe.encode(text, dropout=0.3, seed=source) == dropped
    assert bpe.encode(text, dropout=0.3, seed=source) != dropped


@given(text=ANY_STRING | TRICKY, dropout=st.floats(0.01, 0.99), seed=st.integers())
def test_dropout_loses_nothing(text, dropout, seed):
    for tokenizer in BPE.values():
        ids = tokenizer.encode(text, disallowed_special=(), dropout=dropout, seed=seed)
        assert tokenizer.decode(ids) == text


@given(text=UNICODE | TRICKY)
def test_merging_without_dropout_is_encoding(text):
    for tokenizer in BPE.values():
        merged = tokenizer._merges.encode(text, 0.0, random.Random(0))
        assert merged == tokenizer.encode(text, disallowed_special=())


@pytest.mark.parametrize("dropout", [-0.1, 1.1, float("nan")])
def test_dropout_is_a_probability(bpe, dropout):
    with pytest.raises(UsageError, match="probability"):
        bpe.encode("text", dropout=dropout)


@given(text=ANY_STRING | TRICKY)
def test_offsets_cover_the_text(text):
    for tokenizer in ALL.values():
        ids = tokenizer.encode(text, disallowed_special=())
        offsets = tokenizer.offsets(text, ids=ids)
        assert len(offsets) == len(ids)
        position = 0
        for index, (start, end) in zip(ids, offsets, strict=True):
            token = tokenizer.token_bytes(index)
            covered = text[start:end].encode("utf-8", "surrogatepass")
            assert token in covered
            assert len(covered) - len(token) < 2 * 3 + 1
            assert start <= position <= end
            position = end
        assert position == len(text)


def test_offsets_of_a_character_split_between_tokens():
    tokenizer = ALL["bytes"]
    assert tokenizer.offsets("a👋") == [(0, 1), (1, 2), (1, 2), (1, 2), (1, 2)]
    assert tokenizer.offsets("") == []
    with pytest.raises(UsageError, match="not those of this text"):
        tokenizer.offsets("abc", ids=[97])


@given(text=UNICODE)
def test_the_trace_builds_the_tokens(text):
    for tokenizer in BPE.values():
        tokens = [tokenizer.token_bytes(i) for i in tokenizer.encode(text, disallowed_special=())]
        pieces: list[bytes] = []
        steps = tokenizer.trace(text)
        for step in steps:
            assert step.left + step.right in step.pieces
            assert text.encode().startswith(b"".join(step.pieces))
            left, right = tokenizer.vocabulary.merges[step.rank]
            assert len(left) + len(right) == len(step.left + step.right)
        if steps:
            pieces = list(steps[-1].pieces)
            assert pieces == tokens[: len(pieces)]
        assert all(len(token) == 1 for token in tokens[len(pieces) :])


# ── corpora ─────────────────────────────────────────────────────────────────────────────────────


def test_a_corpus_is_its_documents_and_their_ends(tokenizer, monkeypatch):
    documents = [TEXT[:9000], "", f"short {END_OF_TEXT}", "lone \ud800", TEXT[9000:20000]]
    passages = []
    for text in documents:
        *first, last = cut(text, 3000)
        passages += [Passage(part, False) for part in first] + [Passage(last, True)]
    expected = []
    for text in documents:
        expected += [*tokenizer.encode(text, disallowed_special=()), tokenizer.end_of_text]
    for batch in (1, 5000, 1 << 23):
        monkeypatch.setattr("nlp.core.tokenizer.BATCH", batch)
        arrays = list(tokenizer.encode_corpus(passages))
        assert all(array.dtype == tokenizer.dtype for array in arrays)
        assert np.concatenate(arrays).tolist() == expected
    assert list(tokenizer.encode_corpus([])) == []


def test_the_compression_report():
    held_out = "the argument parser: naïve"
    exact = Tokenizer.train(["the argument parser"], kind="characters", byte_fallback=False)
    tokenizers_ = {"bpe": BPE["gpt2"], "bytes": ALL["bytes"], "exact": exact}
    rows = compression_report(tokenizers_, {"train": [TEXT], "held-out": [held_out]})
    assert [(row.text, row.tokenizer) for row in rows] == [
        (text, name) for text in ("train", "held-out") for name in tokenizers_
    ]
    by_name = {row.tokenizer: row for row in rows if row.text == "held-out"}
    assert by_name["bytes"].bytes_per_token == 1.0
    assert by_name["bpe"].bytes_per_token > 1.5
    assert by_name["bpe"].unknowns == by_name["bytes"].unknowns == 0
    assert by_name["exact"].unknowns == 3  # : ï v
    assert by_name["exact"].tokens == len(held_out)
    assert by_name["bytes"].tokens_per_word == len(held_out.encode()) / 4


def test_ids_outside_the_vocabulary_are_refused(tokenizer):
    for wrong in (-1, tokenizer.vocabulary_size):
        with pytest.raises(UsageError, match=f"id {wrong} is not in the vocabulary"):
            tokenizer.decode([0, wrong])


def test_a_tokenizer_travels_to_another_process(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.fingerprint == tokenizer.fingerprint
    assert copy.encode("travel") == tokenizer.encode("travel")
