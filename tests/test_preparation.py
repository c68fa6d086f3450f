"""From text to ids on disk, once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from corpora.errors import UsageError
from corpora.passage import count_words
from nlp.core.language.preparation import Prepared, encode_whole, prepare
from nlp.core.tokenizer import Tokenizer

TEXT = "take me to Mars, bake me a cake, take me to the moon and wake me soon.\n" * 40


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path / "corpus.txt"


def prepared(corpus: Path, told: list[str], **changed: Any) -> Prepared:
    folder = corpus.parent / "model"
    given: dict[str, Any] = {
        "reading": {"validation": 0.1, "test": 0.1},
        "vocabulary": {"kind": "bpe", "vocabulary_size": 270, "pattern": "gpt2"},
        "tokenizer": None,
        "report": told.append,
    }
    return prepare(corpus, folder / "tokens", folder / "tokenizer.json", **{**given, **changed})


def test_the_parts_are_the_whole(corpus: Path) -> None:
    told: list[str] = []
    store, tokenizer = prepared(corpus, told)
    text = "".join(
        tokenizer.decode([index for index in store.split(name) if index != tokenizer.end_of_text])
        for name in ("train", "validation", "test")
    )
    assert text == TEXT
    assert "270 byte-level BPE tokens" in told[0]
    assert "train" in told[1]
    counts = store.header.splits
    assert sum(part.words for part in counts.values()) == count_words(TEXT.encode())
    assert sum(part.bytes for part in counts.values()) == len(TEXT)


def test_what_is_there_already_is_used(corpus: Path) -> None:
    first = prepared(corpus, [])
    corpus.unlink()
    told: list[str] = []
    again = prepared(corpus, told)
    assert told == []
    assert again.tokenizer.fingerprint == first.tokenizer.fingerprint
    assert (again.store.split("train") == first.store.split("train")).all()


def test_a_tokenizer_without_tokens_is_not_enough(corpus: Path) -> None:
    first = prepared(corpus, [])
    folder = corpus.parent / "model"
    (folder / "tokens").rename(folder / "elsewhere")
    again = prepared(corpus, [])
    assert again.tokenizer.fingerprint == first.tokenizer.fingerprint


def test_a_tokenizer_that_is_given_is_kept(corpus: Path) -> None:
    Tokenizer.train([TEXT], kind="characters").save(corpus.parent / "own.json")
    _, tokenizer = prepared(corpus, [], tokenizer=corpus.parent / "own.json")
    assert tokenizer.fingerprint == Tokenizer.load(corpus.parent / "own.json").fingerprint
    assert Tokenizer.load(corpus.parent / "model").fingerprint == tokenizer.fingerprint


def test_a_tokenizer_is_taken_in_every_form_it_has(corpus: Path) -> None:
    """`train-lm --tokenizer` takes what `tokenize -T` does."""
    own = Tokenizer.train([TEXT], vocabulary_size=280)
    (corpus.parent / "gpt2").mkdir()
    own.save_gpt2(corpus.parent / "gpt2/vocab.json", corpus.parent / "gpt2/merges.txt")
    (corpus.parent / "openai").mkdir()
    own.save_gpt2(corpus.parent / "openai/encoder.json", corpus.parent / "openai/vocab.bpe")
    own.save_tiktoken(corpus.parent / "ranks.tiktoken")
    for name in ("gpt2", "openai", "ranks.tiktoken"):
        (corpus.parent / "model").mkdir()
        _, tokenizer = prepared(corpus, [], tokenizer=corpus.parent / name)
        assert tokenizer.encode(TEXT) == own.encode(TEXT), name
        shutil.rmtree(corpus.parent / "model")
    with pytest.raises(UsageError, match=r"neither tokenizer\.json nor GPT-2's vocab\.json"):
        prepared(corpus, [], tokenizer=corpus.parent)


def test_a_split_of_nothing_is_refused(corpus: Path) -> None:
    (corpus.parent / "blank.jsonl").write_text('{"text": ""}\n')
    with pytest.raises(UsageError):
        prepared(corpus, [], reading={"validation": corpus.parent / "blank.jsonl", "test": 0})


def test_a_whole_corpus_in_memory(corpus: Path) -> None:
    tokenizer = Tokenizer.train([TEXT], kind="characters")
    ids, counts = encode_whole(tokenizer, corpus, {})
    assert ids.tolist() == [*tokenizer.encode(TEXT), tokenizer.end_of_text]
    assert (counts.tokens, counts.bytes, counts.documents) == (len(ids), len(TEXT), 1)
    assert (counts.characters, counts.words) == (len(TEXT), len(TEXT.split()))
