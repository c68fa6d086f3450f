"""A text, the hint, what is written: what is cut, what is kept, which candidate is taken."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import BYTES, Scripted

from corpora.errors import UsageError
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.summary import HINT, Prompt, Settings, prompt, room_of, summaries
from nlp.core.tokenizer import Tokenizer

WORDS = Tokenizer.train(
    ["one two three. Two ones, 三 naïve threes.\n\nAnd so on.\n"] * 3, vocabulary_size=285
)
GOOD = " The pears are ripe. Leo ate two. Anna ate none. Nobody saw it."


def greedy(**options) -> Settings:
    return Settings(strategy=Greedy(), **options)


# What the model reads


@pytest.mark.parametrize("tokenizer", [BYTES, WORDS])
@given(
    text=st.text("one tw.é三😀\n", max_size=60),
    hint=st.sampled_from([HINT, "", "\nKurz gesagt: "]),
    room=st.integers(1, 40),
)
def test_a_prompt_is_the_beginning_of_the_text_and_the_whole_hint(tokenizer, text, hint, room):
    bare = text.strip()
    hint_tokens = len(tokenizer.encode(hint))
    room += hint_tokens
    ids, cut = prompt(tokenizer, text, hint, room)
    if not bare:
        assert (ids, cut) == ([], 0)
        return
    assert len(ids) <= room
    read = tokenizer.decode(ids)  # a part of a character would be U+FFFD here
    assert read.endswith(hint)
    head = read.removesuffix(hint)
    assert bare.startswith(head)
    whole = tokenizer.encode(bare + hint)
    assert (cut == 0) == (ids == whole)
    if cut and tokenizer is BYTES:  # one more character would not have fitted
        next_one = bare[len(head) :].lstrip()[0]
        gap = bare[len(head) : bare.index(next_one, len(head)) + 1]
        assert len((head + gap + hint).encode()) > room


def test_nothing_bounds_a_model_that_remembers():
    ids, cut = prompt(BYTES, "x" * 5000 + "\n\n", HINT, None)
    assert (len(ids), cut) == (5000 + len(HINT), 0)
    assert room_of(Scripted(lambda text: {}), Settings()) is None


def test_what_looks_like_a_special_token_is_text():
    text = "a<|endoftext|>b"
    for room in (None, 12):
        ids, cut = prompt(BYTES, text, "", room)
        assert BYTES.end_of_text not in ids
        assert BYTES.decode(ids) == text[: len(text) - cut]


def test_a_context_without_room_for_a_text_is_told():
    model = Scripted(lambda text: {}, context=110)
    with pytest.raises(UsageError, match=r"looks at 110 .* hint takes 7 and max_tokens 103.*lower"):
        summaries(model, ["a"], Settings(max_tokens=103))
    assert summaries(model, ["abc"], Settings(max_tokens=102))[0].cut_tokens == 2


# What is kept


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [(1, 1), (3, 3), (4, 4), (9, 4), (0, 4)],
)
def test_the_first_sentences_are_the_summary(sentences: int, expected: int):
    (found,) = summaries(Scripted(lambda text: {GOOD: 1.0}), ["x"], greedy(sentences=sentences))
    parts = ["The pears are ripe.", "Leo ate two.", "Anna ate none.", "Nobody saw it."]
    assert list(found.sentences) == parts[:expected]
    assert found.text == " ".join(parts[:expected])
    assert found.candidates[0].tokens == len(found.text) + 1  # and the space before


def test_the_text_stands_as_it_was_written():
    (found,) = summaries(
        Scripted(lambda text: {"\n\nA heading\n\nOne\nline. é! Two.": 1}), ["x"], greedy()
    )
    assert found.text == "A heading\n\nOne\nline. é!"
    assert found.sentences == ("A heading", "One\nline.", "é!")


def test_max_tokens_cuts_and_half_a_character_is_marked():
    (found,) = summaries(Scripted(lambda text: {"ab é": 1}), ["x"], greedy(max_tokens=4))
    assert found.text == "ab \N{REPLACEMENT CHARACTER}"
    assert found.candidates[0].tokens == 4


def test_a_model_with_nothing_to_say():
    model = Scripted(lambda text: {"": 0.9, "Yes.": 0.1})
    (found,) = summaries(model, ["x"], greedy())
    assert (found.text, found.sentences, found.log_probability) == ("", (), 0.0)
    assert found.prompt_tokens == 1 + len(HINT)
    (found,) = summaries(model, ["x"], Settings(strategy=Beam(2, 0), candidates=2))
    assert [one.text for one in found.candidates] == ["Yes.", ""]  # anything is better


def test_every_symbol_that_ends_a_text_ends_it():
    model = Scripted(lambda text: {f"It is {text}.<br>And": 1.0})
    model.stop_ids = {ord("<")}
    for texts in (["red"], ["red", "blue"]):
        for strategy in (Greedy(), Beam(2)):
            found = summaries(model, texts, Settings(strategy=strategy))
            assert [one.text for one in found] == [f"It is {text}." for text in texts]


# Which is taken

CHOICES = {"No.": 0.6, "Yes it is so.": 0.3, "Perhaps.": 0.1}


def test_the_likeliest_a_token_is_taken():
    model = Scripted(lambda text: CHOICES)
    (found,) = summaries(model, ["x"], Settings(strategy=Beam(3), candidates=3))
    # All of a text's improbability is in its first byte, so the longer the better.
    means = {text: math.log(chance) / len(text) for text, chance in CHOICES.items()}
    expected = sorted(CHOICES, key=lambda text: -means[text])
    assert [one.text for one in found.candidates] == expected
    assert found.text == expected[0] == "Yes it is so."
    for one in found.candidates:
        assert one.log_probability == pytest.approx(math.log(CHOICES[one.text]), abs=1e-5)
        assert one.mean_log_probability == pytest.approx(means[one.text], abs=1e-5)
    assert found.log_probability == found.candidates[0].log_probability


def test_only_the_tokens_of_the_summary_count():
    model = Scripted(lambda text: {"Yes. Or not.": 0.25, "Yes. But.": 0.75})
    (found,) = summaries(model, ["x"], greedy(sentences=1))
    assert (found.text, found.log_probability) == ("Yes.", 0.0)
    (found,) = summaries(model, ["x"], greedy())
    assert found.log_probability == pytest.approx(math.log(0.75), abs=1e-5)


def test_candidates_are_drawn_from_the_seed_on():
    model = Scripted(lambda text: CHOICES)
    sampling = Sampling()
    alone = [
        summaries(model, ["x"], Settings(strategy=sampling, seed=seed))[0].text
        for seed in range(5, 13)
    ]
    (found,) = summaries(model, ["x"], Settings(strategy=sampling, seed=5, candidates=8))
    assert sorted(one.text for one in found.candidates) == sorted(alone)
    assert len(set(alone)) > 1


def test_top_k_2_leaves_out_the_third():
    model = Scripted(lambda text: CHOICES)
    (found,) = summaries(model, ["x"], Settings(candidates=40))
    assert {one.text for one in found.candidates} == {"No.", "Yes it is so."}


# Many


@pytest.mark.parametrize("strategy", [Sampling(top_k=2), Greedy(), Beam(2)])
def test_texts_of_a_batch_do_not_know_each_other(strategy):
    def say(text: str) -> dict[str, float]:
        return {f"It is {text[:3]}.": 0.6, f"{len(text)} letters.": 0.4}

    texts = ["red", "", "yellow pears", " \n", "red", "blue" * 9, "green"]
    model = Scripted(say, context=80)
    options = {"strategy": strategy, "max_tokens": 20}
    together = summaries(model, texts, Settings(batch_size=8, **options))
    assert [one.text == "" for one in together] == [not text.strip() for text in texts]
    assert together[1].prompt_tokens == 0
    assert together == summaries(model, texts, Settings(batch_size=2, **options))
    alone = [summaries(model, [text], Settings(**options))[0] for text in texts]
    assert [one.text for one in together] == [one.text for one in alone]
    assert summaries(model, [], Settings(**options)) == []


def test_a_repetition_penalty_works_in_a_batch_too():
    strategy = Sampling(top_k=1, repetition_penalty=1.5)
    found = summaries(Scripted(lambda text: {"Ja.": 1}), ["x", "yz"], Settings(strategy=strategy))
    assert [one.text for one in found] == ["Ja.", "Ja."]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"candidates": 0}, "candidates is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"sentences": -1}, "sentences is -1"),
        ({"candidates": 2, "strategy": Greedy()}, "greedy decoding writes one"),
        ({"candidates": 4, "strategy": Beam(3)}, "beam of 3 keeps no more"),
    ],
)
def test_what_cannot_be_asked(options, told):
    with pytest.raises(UsageError, match=told):
        Settings(**options)


def test_the_default_is_the_papers():
    assert Settings() == Settings(HINT, Sampling(top_k=2), 100, 3, 1)
    assert HINT == "\nTL;DR:"
    assert prompt(BYTES, "a", HINT, None) == Prompt(list(b"a\nTL;DR:"), 0)
