"""Summaries of long texts, of many, and as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import Scripted

from corpora.errors import UsageError
from nlp.core import transformer
from nlp.core.language.config import Config
from nlp.core.language.model import LanguageModel
from nlp.core.sentences import places
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.summary import HINT, Settings, kept
from nlp.core.tokenizer import Tokenizer
from nlp.summarizer import _certain, load, stream_summary, summarize

TEXT = "One two. Two ones, naïve threes! 三 of them? “Four,” he said.\n\nFive is 5.5. And so on.\n"
WORDS = Tokenizer.train([TEXT * 3], vocabulary_size=290)


def first_sentence(text: str) -> dict[str, float]:
    return {f" {text.partition('.')[0]}.": 1.0}


@pytest.fixture(scope="module", params=["recurrent", "GPT-2"])
def untrained(request: pytest.FixtureRequest) -> LanguageModel:
    size = WORDS.vocabulary_size
    config: Config | transformer.Config
    if request.param == "recurrent":
        config = Config(vocabulary_size=size, hidden_size=16, embedding_size=16)
    else:
        config = transformer.Config(
            vocabulary_size=size, context=64, layers=2, heads=2, hidden_size=16, inner_size=32
        )
    return LanguageModel(config, WORDS).eval()


# Sections of a long text


def test_a_long_text_is_read_in_sections_and_then_their_summaries():
    text = "".join(f"Part {n}. Of it there is more to tell than this. " for n in range(6))
    model = Scripted(first_sentence, context=160)
    options = {"strategy": Greedy(), "max_tokens": 30}
    cut = summarize(text, model, **options)
    assert (cut.text, cut.sections, cut.cut_tokens > 0) == ("Part 0.", (), True)
    model.prompts.clear()
    whole = summarize(text, model, long="sections", **options)
    own = [one.text for one in whole.sections]
    assert own[0] == "Part 0."
    assert len(own) == 3
    assert "".join("".join(model.prompts[:-1]).split()) == "".join(text.split())
    assert model.prompts[-1] == "\n".join(own)
    assert (whole.text, whole.cut_tokens) == ("Part 0.", 0)


def test_summaries_that_are_too_long_are_read_in_sections_again():
    text = "".join(f"Part {n:02}. Of it there is more to tell than this. " for n in range(40))
    model = Scripted(first_sentence, context=130)
    found = summarize(text, model, strategy=Greedy(), max_tokens=30, long="sections")
    joined = "\n".join(one.text for one in found.sections)
    assert len(joined) > 130
    assert joined not in model.prompts
    read = "".join("".join(model.prompts).split())
    assert all(f"Part{n:02}." in read for n in range(40))
    assert (found.text, found.cut_tokens) == ("Part 00.", 0)


def test_summaries_as_long_as_the_text_come_to_an_end():
    model = Scripted(lambda text: {"word " * 8: 1.0}, context=100)
    found = summarize("Long. " * 20, model, strategy=Greedy(), max_tokens=40, long="sections")
    assert found.text == ("word " * 8).strip()
    assert found.cut_tokens > 0


def test_short_and_long_texts_side_by_side():
    texts = ["Short. It is.", "Long. " * 40, "", "Also. Short."]
    remarks: list[str] = []
    model = Scripted(first_sentence, context=120)
    options = {"strategy": Greedy(), "max_tokens": 20, "long": "sections"}
    found = summarize(texts, model, **options, report=lambda remark: remarks.append(remark.text))
    assert [one.text for one in found] == ["Short.", "Long.", "", "Also."]
    assert [len(one.sections) > 0 for one in found] == [False, True, False, False]
    assert found == [summarize(text, model, **options) for text in texts]
    assert remarks == []


# What is told, and what is refused


def test_what_was_cut_is_told():
    model = Scripted(first_sentence, context=50)
    remarks: list[str] = []
    texts = ["Short.", "A long text. " * 9, "Another long text. " * 9]
    found = summarize(
        texts, model, max_tokens=20, report=lambda remark: remarks.append(remark.text)
    )
    cut = sum(one.cut_tokens for one in found)
    assert cut == sum(len(text.strip()) + len(HINT) - 30 for text in texts[1:])
    assert remarks == [
        f"the model looks at 50 tokens: {cut} tokens were left out at the end of 2 of 3 texts; "
        "--long sections reads all of a text"
    ]
    list(stream_summary(texts[1], model, max_tokens=20, report=lambda r: remarks.append(r.text)))
    assert f"{found[1].cut_tokens} tokens were left out at the end of the text;" in remarks[1]


def test_what_cannot_be_asked(untrained: LanguageModel):
    with pytest.raises(UsageError, match="long 'middle' is unknown: expected cut or sections"):
        summarize("a", untrained, long="middle")
    with pytest.raises(UsageError, match="no tokenizer"):
        summarize("a", LanguageModel(untrained.config))
    with pytest.raises(UsageError, match="max_tokens is 0"):
        stream_summary("a", untrained, max_tokens=0)  # at once, not when it is read


def test_a_model_is_loaded_by_its_name(untrained: LanguageModel, tmp_path):
    untrained.save_pretrained(tmp_path)
    assert load(untrained) is untrained
    by_name = summarize("One two.", tmp_path, device="cpu", max_tokens=20)
    assert by_name.text == summarize("One two.", untrained, max_tokens=20).text


# As it is written


@pytest.mark.parametrize("strategy", [Sampling(top_k=2), Sampling(), Greedy()])
def test_the_pieces_are_the_summary(untrained: LanguageModel, strategy):
    for seed in range(8):
        options = {"strategy": strategy, "seed": seed, "max_tokens": 40}
        pieces = list(stream_summary(TEXT, untrained, **options))
        assert all(pieces)
        assert "".join(pieces) == summarize(TEXT, untrained, **options).text


def test_the_pieces_of_a_long_text():
    text = "".join(f"Part {n}. Of it there is more to tell than this. " for n in range(6))
    model = Scripted(first_sentence, context=160)
    options = {"strategy": Greedy(), "max_tokens": 30, "long": "sections"}
    whole = summarize(text, model, **options)
    assert "".join(stream_summary(text, model, **options)) == whole.text
    assert list(stream_summary(" \n", model, **options)) == []


@given(
    st.lists(st.text("aB. !?\né。,", min_size=1, max_size=4), max_size=30),
    st.integers(0, 3),
)
def test_no_piece_is_of_a_sentence_too_many(pieces: list[str], sentences: int):
    settings = Settings(sentences=sentences)
    written = "".join(pieces)
    found = kept(written, settings)
    assert "".join(_certain(iter(pieces), settings)) == written[found[0][0] : found[-1][1]]


@given(
    st.lists(st.text("aB. !?\n\"“”'é(-)1。", min_size=1, max_size=4), max_size=30),
    st.integers(1, 3),
)
def test_pieces_end_where_a_sentence_does(pieces: list[str], sentences: int):
    written = "".join(pieces)
    found = places(written)
    shown = "".join(_certain(iter(pieces), Settings(sentences=sentences)))
    begin = found[0][0] if found else 0
    assert written[begin:].startswith(shown)
    # Quotation marks come late; a sentence that was begun is ended.
    assert begin + len(shown) in [0, *(stop for _, stop in found)]


def test_words_come_one_late_and_nothing_is_written_for_nothing():
    taken: list[str] = []

    def pieces():
        for piece in [" One", " two", ".", " Th", "ree", ".\n\n", "Four", " five"]:
            taken.append(piece)
            yield piece

    shown = list(_certain(pieces(), Settings(sentences=2)))
    assert shown == ["One", " two.", " Three."]
    assert taken[-1] == ".\n\n"  # no third sentence is waited for


def test_beams_and_several_texts_at_once(untrained: LanguageModel):
    found = summarize([TEXT, "One."], untrained, strategy=Beam(3), candidates=3, max_tokens=10)
    assert [len(one.candidates) for one in found] == [3, 3]
    for one in found:
        means = [candidate.mean_log_probability for candidate in one.candidates]
        assert means == sorted(means, reverse=True)
        assert one.text == one.candidates[0].text


def test_a_batch_changes_nothing(untrained: LanguageModel):
    texts = [TEXT * 3, "One.", "", TEXT]
    options = {"strategy": Greedy(), "max_tokens": 30, "sentences": 0}
    together = summarize(texts, untrained, **options)
    alone = [summarize(text, untrained, **options) for text in texts]
    assert [one.text for one in together] == [one.text for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, rel=1e-4)
        assert untrained.context is None or one.prompt_tokens + 30 <= untrained.context
