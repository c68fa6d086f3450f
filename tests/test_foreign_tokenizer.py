"""Tokenizers of other makers, against the ids and texts of Hugging Face `tokenizers`."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from corpora.errors import UsageError
from nlp.core.language.foreign_tokenizer import ForeignTokenizer, tokenizer_of
from nlp.core.scoring import score
from nlp.core.tokenizer import Tokenizer
from nlp.core.tokens.detokenizer import IncrementalDetokenizer
from nlp.core.tokens.token_engine import PROBE
from nlp.language_model import Config, LanguageModel

TEXTS = [
    "The quick brown fox jumps over the lazy dog in 2024.",
    "low lower lowest, new newer newest: the older dogs are slower than the new fox",
    "naïve cafés take me to Mars \N{EM DASH} the 4th planet",
] * 20
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def train(made: tokenizers.Tokenizer, trainer: Any) -> tokenizers.Tokenizer:
    made.train_from_iterator(TEXTS, trainer)
    return made


def llama() -> tokenizers.Tokenizer:
    """As Llama 2: SentencePiece's BPE, bytes for what it does not know, a space before all."""
    made = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "\u2581")
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    train(made, trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL + BYTES))
    document = json.loads(made.to_str())
    document["pre_tokenizer"] = None
    document["added_tokens"] = [t for t in document["added_tokens"] if t["content"] in SPECIAL]
    document["model"]["byte_fallback"] = True
    made = tokenizers.Tokenizer.from_str(json.dumps(document))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    made.decoder = decoders.Sequence(
        [
            *(decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()),
            decoders.Strip(" ", 1, 0),
        ]
    )
    made.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    return made


def unigram() -> tokenizers.Tokenizer:
    """As T5 and its like: SentencePiece's other algorithm, which normalises."""
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    return train(
        made, trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="<unk>")
    )


def word_piece() -> tokenizers.Tokenizer:
    """As Chinese GPT-2s have it: BERT's."""
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece(cleanup=False)
    return train(made, trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL))


def byte_level(prefix: bool = False) -> tokenizers.Tokenizer:
    """As GPT-2, and with a space before all as RoBERTa."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet)
    return train(made, trainer)


def roberta() -> tokenizers.Tokenizer:
    return byte_level(prefix=True)


def neox() -> tokenizers.Tokenizer:
    """As GPT-NeoX: normalised, and runs of spaces are tokens ahead of all rules."""
    made = byte_level()
    made.normalizer = normalizers.NFC()
    made.add_tokens([tokenizers.AddedToken(" " * n, normalized=False) for n in (4, 3, 2)])
    return made


MAKERS = {maker.__name__: maker for maker in (llama, unigram, word_piece, roberta, neox)}
LOSSLESS = ("llama", "roberta")
MADE: dict[str, tuple[tokenizers.Tokenizer, ForeignTokenizer]] = {}


def pair(kind: str) -> tuple[tokenizers.Tokenizer, ForeignTokenizer]:
    if kind not in MADE:
        made = MAKERS[kind]()
        ours = tokenizer_of(json.loads(made.to_str()))
        assert isinstance(ours, ForeignTokenizer)
        MADE[kind] = made, ours
    return MADE[kind]


texts = (
    st.lists(
        st.sampled_from(
            [
                "the",
                "low",
                "er",
                " ",
                "  ",
                "\n",
                "Mars",
                "é",
                "漢",
                "👋",
                "¯",
                "2024",
                ".",
                "e\u0301",
            ]
        )
        | st.text(max_size=3)
    )
    .map("".join)
    .filter(lambda text: not any(name in text for name in SPECIAL))
)


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=60)
@given(text=texts)
@example(text="¯")  # normalised to a space and an accent
@example(text="\u2581x")
def test_ids_are_those_of_tokenizers(kind: str, text: str):
    theirs, ours = pair(kind)
    ids = ours.encode(text)
    if text[:1].strip() or ours._spaces is None:
        assert ids == theirs.encode(text, add_special_tokens=False).ids
    assert ours.encode_batch([text, text]) == [ids, ids]
    assert ours.encode_array(text).tolist() == ids


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=60)
@given(text=texts)
def test_offsets_are_the_whole_text(kind: str, text: str):
    _, ours = pair(kind)
    ids = ours.encode(text)
    spans = ours.offsets(text, ids=ids)
    assert len(spans) == len(ids)
    shown, pieces = 0, []
    for start, end in spans:
        assert start <= shown <= end <= len(text)
        pieces.append(text[shown:end])
        shown = end
    assert "".join(pieces) == (text if ids else "")
    with pytest.raises(UsageError, match="not those of this text"):
        ours.offsets(text, ids=[*ids, 5])


@pytest.mark.parametrize("kind", LOSSLESS)
@settings(max_examples=60)
@given(text=texts)
@example(text="\u2581")
def test_bytes_of_tokens_are_the_text_with_the_space_before(kind: str, text: str):
    _, ours = pair(kind)
    ids, spans = ours.encode(text), ours.offsets(text)
    expected = f" {text}" if text[:1].strip() else text
    if kind == "llama":  # SentencePiece cannot tell its sign for a space from a space
        text, expected = text.replace("\u2581", " "), expected.replace("\u2581", " ")
    assert ours.decode(ids) == expected
    assert b"".join(map(ours.token_bytes, ids)) == expected.encode()
    reader = IncrementalDetokenizer(ours)
    assert "".join(map(reader.push, ids)) + reader.flush() == expected
    for index, (start, end) in zip(ids, spans, strict=True):
        piece = ours.token_bytes(index)
        assert piece.removeprefix(b" ") in text[start:end].encode()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_what_is_behind_goes_on_as_one_text(kind: str):
    _, ours = pair(kind)
    assert ours.encode("take me") + ours.encode(" to Mars") == ours.encode("take me to Mars")
    assert ours.encode("Mars") == ours.encode(" Mars")
    assert ours.decode(ours.encode("take\n") + ours.encode("\nTL;DR:")) == " take\n\nTL;DR:"


def test_pieces_of_words_are_written_together():
    _, ours = pair("word_piece")
    assert ours.decode(ours.encode("the slower dogs")) == " the slower dogs"
    assert ours.token_bytes(ours.vocabulary.tokens["##s"]) == b"s"
    assert ours.token_bytes(ours.vocabulary.tokens["the"]) == b" the"
    _, ours = pair("neox")
    assert ours.token_bytes(ours.vocabulary.tokens["    "]) == b"    "
    assert ours.decode(ours.encode("x    y 👋")) == "x    y 👋"


def test_special_tokens_have_the_policy_of_ours():
    theirs, ours = pair("llama")
    assert ours.special_tokens == {"<unk>": 0, "<s>": 1, "</s>": 2}
    with pytest.raises(UsageError, match="special token '</s>'"):
        ours.encode("the end</s>")
    ids = ours.encode("the end</s>", allowed_special="all")
    assert ids == theirs.encode("the end</s>", add_special_tokens=False).ids
    assert ours.decode(ids, skip_special_tokens=True) == " the end"
    ordinary = ours.encode("the end</s>", disallowed_special=())
    assert 2 not in ordinary
    assert ours.decode(ordinary) == " the end</s>"
    assert ours.offsets("a</s>", allowed_special="all")[-1] == (1, 5)
    assert ours.end_of_text == 2


def test_the_end_of_text_is_named_or_given_or_asked_for():
    document = json.loads(MAKERS["unigram"]().to_str())
    document["added_tokens"] = []
    assert ForeignTokenizer(document, end_of_text=7).end_of_text == 7
    with pytest.raises(UsageError, match="no token that ends a text"):
        ForeignTokenizer(document).end_of_text  # noqa: B018


def test_what_is_lost_is_told():
    assert pair("llama")[1].remarks == []
    assert "come back changed" in pair("unigram")[1].remarks[0]
    document = json.loads(byte_level().to_str())
    del document["model"]["vocab"]["\u0120"]  # the space
    document["model"]["merges"] = []
    lossy = ForeignTokenizer(document)
    assert "no token for 1 of the 243 bytes" in lossy.remarks[-1]


def test_lone_surrogates_are_read_as_unknown_characters():
    for kind in MAKERS:
        _, ours = pair(kind)
        assert ours.encode("a\ud800b", disallowed_special=()) == ours.encode("a\ufffdb")


def test_files_and_pickles(tmp_path: Path):
    theirs, ours = pair("llama")
    ours.save(tmp_path / "tokenizer.json")
    again = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert again.encode("the fox").ids == theirs.encode("the fox").ids
    copy = pickle.loads(pickle.dumps(ours))
    assert copy.fingerprint == ours.fingerprint
    assert copy.encode(PROBE[0]) == ours.encode(PROBE[0])
    with pytest.raises(UsageError, match=r"tokenizer\.json"):
        ours.save_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt")
    with pytest.raises(UsageError, match=r"tokenizer\.json"):
        ours.save_tiktoken(tmp_path / "a.tiktoken")
    with pytest.raises(UsageError, match="cannot be used"):
        tokenizer_of({"model": {"type": "Unheard"}})


def test_what_ours_can_say_is_ours():
    ours = tokenizer_of(json.loads(byte_level().to_str()))
    assert type(ours) is Tokenizer
    assert ours.end_of_text == 2
    answers = tokenizer_of(json.loads(byte_level().to_str()), end_of_text=1)
    assert (type(answers), answers.end_of_text) == (ForeignTokenizer, 1)
    assert answers.encode(PROBE[0]) == ours.encode(PROBE[0])


def test_a_text_is_scored_with_it():
    _, ours = pair("llama")
    model = LanguageModel(
        Config(vocabulary_size=ours.vocabulary_size, embedding_size=8, hidden_size=8), ours
    )
    result = score(model, ours, " to Mars é漢", context="take me")
    assert "".join(token.text for token in result.tokens) == " to Mars é漢"
    assert [word.text for word in result.words] == ["to", "Mars", "é漢"]
