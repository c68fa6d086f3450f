"""Texts before a translator reads them and after it has written them: the same for all ways in, and
every piece at its place in the text as it was given."""

from __future__ import annotations

import random
import unicodedata
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import Normalization, Texts, form_of, normalized

FORMS = get_args(Normalization)
LEARNED = "the crème brûlée in the café ﬁts, naïve façade №5. שלום עולם 👩🏽‍🌾 한국말. " * 6
BPE = Tokenizer.train([LEARNED, unicodedata.normalize("NFD", LEARNED)], vocabulary_size=360)
WITH_BREAKS = Tokenizer.train(["so.\n\nyes!\n\n" * 9], vocabulary_size=263, pattern="gpt4")
BYTES = Tokenizer.train([], kind="bytes")
# What a person types, what a file holds, and what a computer makes of it.
HARD = "aé é\u0301\u0323\u00b4ﬁ①ｶﾞ가\u1100\u1161\u11a8\u09c7\u09be👩🏽\u200d🌾"
HARD += "\ufe0f\u05e9\u200f\u00a0\n."
TEXTS = st.text(max_size=20) | st.text(HARD, max_size=20)


def texts(form: Normalization = "none", written: Normalization = "none", **other: Tokenizer):
    pieces = {"source": BPE, "target": BPE, **other}
    return Texts(**pieces, normalization=form, target_form=written)


def spread(row: list[int], tokenizer: Tokenizer = BPE) -> list[str]:
    return [tokenizer.decode([piece]) for piece in row]


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def test_the_first_word_is_spelled_as_any_other() -> None:
    first, second = texts().encode(["café", "the café"])
    assert first == second[1:]
    assert spread(first) == [" café"]


@given(st.lists(TEXTS, max_size=4), st.sampled_from(FORMS))
def test_only_space_around_a_text_is_lost(given_: list[str], form: Normalization) -> None:
    rows = texts(form).encode(given_)
    assert len(rows) == len(given_)
    for text, row in zip(given_, rows, strict=True):
        assert BPE.decode(row).removeprefix(" ") == normalized(text, form)
        assert bool(row) == bool(text.strip())


def test_what_looks_like_a_special_token_is_text() -> None:
    (row,) = texts().encode(["the <|endoftext|>"])
    assert BPE.end_of_text not in row
    assert texts().decode(row) == "the <|endoftext|>"


def test_both_sides_have_their_own_pieces() -> None:
    both = texts(target=BYTES)
    assert both.encode(["café"]) == [BPE.encode(" café")]
    assert both.encode(["café"], target=True) == [BYTES.encode(" café")]
    assert both.spell("café", 0.5, random.Random(0), target=True) == BYTES.encode(" café")
    assert both.decode(BYTES.encode(" café")) == "café"


def test_dropout_spells_words_in_other_ways() -> None:
    chance = random.Random(0)
    spelled = [tuple(texts("NFC").spell(" cafe\u0301 naïve", 0.3, chance)) for _ in range(9)]
    assert len({*spelled}) > 5
    assert {BPE.decode(row) for row in spelled} == {" café naïve"}
    assert texts().spell("café", 0.0, chance) == texts().encode(["café"])[0]


# ── places in what was read ─────────────────────────────────────────────────────────────────────


def test_places_by_hand() -> None:
    """Of a text in letters and marks, read with letters that have their marks on them."""
    text = "  The cafe\u0301, nai\u0308ve"
    read = texts("NFC")
    (row,) = read.encode([text])
    found = [text[start:end] for start, end in read.places(text, row)]
    assert "".join(found) == "Thecafe\u0301,nai\u0308ve"
    assert found[-2:] == [",", "nai\u0308ve"]
    assert read.places(text, row)[-1] == (13, 19)


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("NFD", "é", ["é", "é"]),  # the letter, the mark
        ("NFKC", "ﬁ①", ["ﬁ", "ﬁ", "①"]),
        ("NFKC", "ｶﾞx", ["ｶﾞ", "ｶﾞ", "ｶﾞ", "x"]),  # three bytes of one letter
        ("NFC", "\u1112\u1161\u11abx", ["\u1112\u1161\u11ab"] * 3 + ["x"]),
        ("NFC", "x\u09c7\u09be", ["x", *["\u09c7\u09be"] * 3]),
        (
            "NFKC",
            "\u00b4a",
            ["\u00b4", "\u00b4", "a"],
        ),  # a mark of two bytes
    ],
)
def test_what_is_joined_or_parted_has_one_place(
    form: Normalization, text: str, found: list[str]
) -> None:
    read = texts(form, source=BYTES)
    (row,) = read.encode([text])
    places = [text[start:end] for start, end in read.places(text, row)][1:]  # without the space
    if form == "NFD":
        places = [places[0], places[-1]]
    assert places == found


@given(TEXTS, st.sampled_from(FORMS), st.sampled_from([BPE, BYTES]))
@example("e\u0323\u0301\u0323x", "NFC", BYTES)  # marks change their order
@example("0\u00a0\u0300", "NFKC", BPE)  # a mark on a space
@example(" \u0301a", "NFD", BYTES)  # a mark that has no letter
@example("\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd.", "NFC", BPE)
@example("\ud800é", "NFD", BYTES)
def test_places_are_those_of_the_given_text(
    text: str, form: Normalization, tokenizer: Tokenizer
) -> None:
    read = texts(form, source=tokenizer)
    (row,) = read.encode([text])
    places = read.places(text, row)
    assert len(places) == len(row)
    assert places == sorted(places)
    covered: set[int] = set()
    for (start, end), piece in zip(places, row, strict=True):
        assert 0 <= start <= end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered |= {*range(start, end)}
        said = tokenizer.token_bytes(piece).decode(errors="ignore").strip()
        assert said in normalized(text[start:end], form)
    # All that is not white space is somebody's.
    assert {place for place, sign in enumerate(text) if not sign.isspace()} <= covered


def test_line_breaks_behind_a_sign_are_not_its_place() -> None:
    text = "so.\n\nyes!"
    read = texts(source=WITH_BREAKS)
    (row,) = read.encode([text])
    assert ".\n\n" in spread(row, WITH_BREAKS)
    assert "." in [text[start:end] for start, end in read.places(text, row)]


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


@given(TEXTS, st.sampled_from(FORMS))
def test_what_is_read_is_written_again(text: str, form: Normalization) -> None:
    both = texts(form, "none" if form == "none" else "NFC")
    (row,) = both.encode([text], target=True)
    kept = text if form == "none" else unicodedata.normalize("NFC", normalized(text, form))
    assert both.decode(row) == kept.strip()


@given(
    st.lists(st.integers(0, BPE.vocabulary_size - 2), max_size=12)
    | TEXTS.map(lambda text: texts("NFD").encode([text])[0]),
    st.sampled_from(("none", "NFC", "NFD")),
)
@example([*BYTES.encode_bytes(b" a\xed\xa0\x80b")], "none")  # a surrogate, which no file may hold
@example([*BYTES.encode_bytes(b" e\xcc\x81a\xf0\x9f\x92")], "NFC")
@example([94, 156, 94, 94], "none")  # bytes that are no characters
def test_written_places_are_those_of_the_translation(ids: list[int], form: Normalization) -> None:
    both = texts("none", form)
    text, places = both.decode(ids), both.written_places(ids)
    text.encode()
    assert len(places) == len(ids)
    assert places == sorted(places)
    covered: set[int] = set()
    for start, end in places:
        assert 0 <= start <= end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered |= {*range(start, end)}
    assert {place for place, sign in enumerate(text) if not sign.isspace()} <= covered


def test_pieces_of_one_letter_share_its_place() -> None:
    """Also where it only becomes one when it is written, and where another one is broken."""
    whole = BYTES.encode(" e\u0301x")
    both = texts("NFD", "NFC", target=BYTES)
    assert both.decode(whole) == "éx"
    assert both.written_places(whole) == [(0, 0), (0, 1), (0, 1), (0, 1), (1, 2)]
    broken = [*whole, *BYTES.encode_bytes(b"\xf0\x9f")]
    assert both.decode(broken) == "éx\ufffd"
    assert both.written_places(broken)[1:5] == [(0, 1), (0, 1), (0, 1), (1, 2)]
    assert both.written_places(broken)[5:] == [(2, 3), (3, 3)]


def test_right_to_left_and_emoji_places() -> None:
    text = "שלום 👩🏽‍🌾 עולם"
    both = texts()
    (row,) = both.encode([text])
    assert both.decode(row) == text
    assert both.written_places(row) == both.places(text, row)
    assert both.places(text, row)[-1] == (text.index("ע"), len(text))


def test_nothing_gives_nothing() -> None:
    both = texts("NFC", "NFC")
    assert both.decode([]) == ""
    assert both.written_places([]) == []
    assert both.places("  ", []) == []
    spaces = BPE.encode("  ")
    assert both.written_places(spaces) == [(0, 0)] * len(spaces)


def test_the_form_of_a_language() -> None:
    assert form_of(["é", "e\u0301", "è"]) == "NFC"
    assert form_of(["é", "e\u0301", "e\u0300"]) == "NFD"
    assert form_of(["plain"]) == "NFC"
