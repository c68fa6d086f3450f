"""Tokenizer files: round trips, what Hugging Face makes of them, and damaged or foreign ones."""

from __future__ import annotations

import argparse
import inspect
import json

import pytest
import tokenizers

from corpora.errors import UsageError
from nlp.core.tokenizer import END_OF_TEXT, Tokenizer
from nlp.core.tokens.token_engine import PROBE
from nlp.core.tokens.token_formats import merges_of_ranks

TEXT = inspect.getsource(argparse) + "".join(PROBE) * 3
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


def test_tokenizer_json_round_trip(tokenizer, tmp_path):
    file = tmp_path / "new" / "tokenizer.json"
    tokenizer.save(file)
    loaded = Tokenizer.load(file)
    assert loaded.fingerprint == tokenizer.fingerprint
    assert (loaded.kind, loaded.pattern) == (tokenizer.kind, tokenizer.pattern)
    assert loaded.special_tokens == tokenizer.special_tokens
    assert loaded.encode_array(TEXT).tolist() == tokenizer.encode_array(TEXT).tolist()
    assert list(file.parent.iterdir()) == [file]


def test_hugging_face_reads_the_file(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    peer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = f"naïve 👋 \n{END_OF_TEXT}ab"
    ids = tokenizer.encode(text, allowed_special="all")
    assert peer.encode(text).ids == ids
    assert peer.decode(ids, skip_special_tokens=False) == text
    assert peer.get_vocab_size() == tokenizer.vocabulary_size


def test_a_file_saved_by_hugging_face(bpe, tmp_path):
    peer = tokenizers.Tokenizer.from_str(json.dumps(bpe.vocabulary.document()))
    peer.save(str(tmp_path / "tokenizer.json"))
    assert Tokenizer.load(tmp_path / "tokenizer.json").fingerprint == bpe.fingerprint


def test_gpt2_files_round_trip(tmp_path):
    ours = BPE["gpt2"]
    files = tmp_path / "vocab.json", tmp_path / "merges.txt"
    ours.save_gpt2(*files)
    assert Tokenizer.from_gpt2(*files).fingerprint == ours.fingerprint
    model = tokenizers.models.BPE.from_file(str(files[0]), str(files[1]))
    peer = tokenizers.Tokenizer(model)
    peer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert peer.encode(TEXT).ids == ours.encode_array(TEXT).tolist()
    with pytest.raises(UsageError, match="gpt4"):
        BPE["gpt4"].save_gpt2(*files)


def test_an_older_tokenizer_json_with_gpt2_unsaid(tmp_path):
    document = BPE["gpt2"].vocabulary.document()
    document["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
    }
    document["model"]["merges"] = [merge.split(" ") for merge in document["model"]["merges"]]
    del document["model"]["ignore_merges"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.fingerprint == BPE["gpt2"].fingerprint


def test_tiktoken_round_trip(bpe, tmp_path):
    bpe.save_tiktoken(tmp_path / "ranks")
    loaded = Tokenizer.from_tiktoken(tmp_path / "ranks", pattern=bpe.pattern)
    assert loaded.fingerprint == bpe.fingerprint
    moved = Tokenizer.from_tiktoken(tmp_path / "ranks", special_tokens={END_OF_TEXT: 5000})
    assert moved.end_of_text == 5000
    assert moved.vocabulary_size == 5001
    assert moved.engine  # ids with a hole between them
    ids = moved.encode(f"a{END_OF_TEXT}", allowed_special="all")
    assert moved.decode(ids) == f"a{END_OF_TEXT}"
    assert moved.token_bytes(4000) == b""


def test_ranks_with_a_token_that_no_merge_reaches():
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"abcd": 257}
    assert merges_of_ranks(ranks) == ([(b"a", b"b")], True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("", "not complete JSON"),
        ('{"model": {"vocab": {"a"', "not complete JSON"),
        ("[1, 2]", "a JSON list"),
        ('{"model_type": "lstm"}', "no tokenizer.json"),
        ('{"model": {"type": "Unigram", "vocab": [["a", 0.0]]}}', "only BPE"),
        ('{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}', "without a byte"),
        ('{"model": {"vocab": {"a": 0}}, "normalizer": {"type": "NFC"}}', "normalises"),
        ('{"model": {"vocab": {"a": 0, "b": 0}}}', "same id"),
        ('{"model": {"vocab": {}}}', "no tokens"),
        ('{"model": {"vocab": {"a": "x"}}}', "damaged"),
        ('{"model": {"vocab": {"a": 0}}, "pre_tokenizer": {"type": "Whitespace"}}', "byte-level"),
        (
            '{"model": {"vocab": {"a": 0}},'
            ' "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}}',
            "255 of the 256 bytes",
        ),
        (
            '{"model": {"vocab": {"a": 0}},'
            ' "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true}}',
            "adds a space",
        ),
    ],
)
def test_foreign_files_are_refused_in_one_line(content, message, tmp_path):
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        Tokenizer.load(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    file = tmp_path / "tokenizer.json"
    ALL["bytes"].save(file)
    whole = file.read_bytes()
    for length in range(0, len(whole.rstrip()), 97):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError):
            Tokenizer.load(file)


def test_other_formats_damaged(tmp_path):
    ranks = tmp_path / "ranks"
    for content, message in (("IQ== x\n", "line 1"), ("IQ== 0\n", "255 of the 256"), ("é", "line")):
        ranks.write_text(content, encoding="utf-8")
        with pytest.raises(UsageError, match=message):
            Tokenizer.from_tiktoken(ranks)
    vocab, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    BPE["gpt2"].save_gpt2(vocab, merges)
    merges.write_text("#version: 0.2\nh e\nh e e\n")
    with pytest.raises(UsageError, match="line 3"):
        Tokenizer.from_gpt2(vocab, merges)
    vocab.write_text("{}")
    with pytest.raises(UsageError):
        Tokenizer.from_gpt2(vocab, merges)


def test_a_foreign_pattern_stays_with_the_reference(tmp_path):
    document = BPE["gpt4"].vocabulary.document()
    document["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\p{L}+|\P{L}"
    document["added_tokens"][0]["content"] = "</s>"
    document["model"]["vocab"]["</s>"] = document["model"]["vocab"].pop(END_OF_TEXT)
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    foreign = Tokenizer.load(tmp_path)
    assert (foreign.pattern, foreign.engine, foreign.end_of_text) == (None, "tokenizers", 1199)
    assert foreign.decode(foreign.encode_array(TEXT)) == TEXT
    with pytest.raises(UsageError, match="patterns"):
        Tokenizer(foreign.vocabulary, engine="fastokens").encode_array("a")
    with pytest.raises(UsageError, match="unknown"):
        Tokenizer(foreign.vocabulary, engine="quick").encode_array("a")


def test_a_tokenizer_without_an_end_of_text(tmp_path):
    document = ALL["bytes"].vocabulary.document()
    document["added_tokens"] = []
    del document["model"]["vocab"][END_OF_TEXT]
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="no end-of-text token"):
        _ = Tokenizer.load(tmp_path).end_of_text
