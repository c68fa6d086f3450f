"""Options behind prompts: the chain rule, however they are batched, cut and padded."""

from __future__ import annotations

import pytest
import torch
from table_model import Table

from corpora.errors import UsageError
from nlp.core import continuations, transformer
from nlp.core.continuations import left_cut, score_many, score_options
from nlp.core.language.config import Config
from nlp.core.language.model import LanguageModel
from nlp.core.scoring import score
from nlp.core.tokenizer import Tokenizer

TEXT = "take me to Mars, bake me a cake, take me to the moon and wake me soon.\n" * 20
TOKENIZER = Tokenizer.train([TEXT], vocabulary_size=280)
PROMPT = "take me to Mars and then"
OPTIONS = (" to the moon", " me", " and bake me a cake, and wake me soon.")


def model_of(network: str) -> LanguageModel:
    torch.manual_seed(3)
    size = TOKENIZER.vocabulary_size
    config = (
        Config(vocabulary_size=size, hidden_size=24, embedding_size=24)
        if network == "lstm"
        else transformer.Config(vocabulary_size=size, context=48, layers=2, heads=2, hidden_size=24)
    )
    return LanguageModel(config, TOKENIZER)  # in training mode: dropout must go off by itself


def by_the_chain_rule(model: LanguageModel, prompt: str, option: str) -> list[float]:
    scored = score(model, TOKENIZER, option, context=prompt)
    return [token.log_probability or 0.0 for token in scored.tokens]


@pytest.mark.parametrize("network", ["lstm", "gpt2"])
@pytest.mark.parametrize("room", [2**24, 2000, 1])
def test_both_equal_the_chain_rule(
    network: str, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuations, "LOGITS_AT_ONCE", room)
    model = model_of(network)
    start = [TOKENIZER.end_of_text]
    expected = [by_the_chain_rule(model, PROMPT, option) for option in OPTIONS]
    options = [TOKENIZER.encode(option) for option in OPTIONS]
    prompt = start + TOKENIZER.encode(PROMPT)
    for found in (
        score_options(model, prompt, options),
        score_many(model, [(prompt, o) for o in options]),
    ):
        for values, right in zip(found, expected, strict=True):
            assert values == pytest.approx(right, abs=2e-5)
    assert model.training


@pytest.mark.parametrize("network", ["lstm", "gpt2"])
def test_prompts_of_many_lengths_are_read_together(network: str) -> None:
    model = model_of(network)
    prompts = ("take", PROMPT, "bake me a cake, take me", "to the")
    pairs = [
        ([TOKENIZER.end_of_text, *TOKENIZER.encode(prompt)], TOKENIZER.encode(option))
        for prompt in prompts
        for option in OPTIONS[:2]
    ]
    expected = [by_the_chain_rule(model, p, o) for p in prompts for o in OPTIONS[:2]]
    for values, right in zip(score_many(model, pairs), expected, strict=True):
        assert values == pytest.approx(right, abs=2e-5)


def test_a_prompt_is_cut_from_its_left() -> None:
    model = model_of("gpt2")
    prompt = TOKENIZER.encode(TEXT)[:200]
    options = [TOKENIZER.encode(" wake me soon"), TOKENIZER.encode(" me")]
    longest = max(map(len, options))
    cut = left_cut(model, prompt, longest)
    assert cut == prompt[-(48 + 1 - longest) :]
    assert score_options(model, prompt, options) == score_options(model, cut, options)
    (alone,) = score_many(model, [(prompt, options[1])])
    (right,) = score_options(model, prompt[-48:], options[1:])
    assert alone == pytest.approx(right, abs=2e-5)
    assert left_cut(model_of("lstm"), prompt, 5) == prompt


def test_what_cannot_be_scored_is_one_line() -> None:
    model = model_of("gpt2")
    with pytest.raises(UsageError, match="60 tokens are to be scored"):
        score_options(model, [1], [[1] * 60])
    with pytest.raises(UsageError, match="the option is empty"):
        score_options(model, [1], [[2], []])
    with pytest.raises(UsageError, match="the prompt is empty"):
        score_many(model, [([], [2])])
    with pytest.raises(UsageError, match="token 99999 is to be read"):
        score_options(model, [1], [[99999]])
    assert score_options(model, [1], []) == []
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(UsageError, match="NaN"):
        score_options(model, [1], [[2]])


def test_a_table_is_read_as_it_is_written() -> None:
    model = Table([" a", " b"])
    model.put(" a", _b=0.25)
    model.put(" b", _a=0.5)
    a, b = model.tokenizer.encode(" a b")
    (values,) = score_options(model, [a], [[b, a]])
    assert [round(2.718281828459045**value, 6) for value in values] == [0.25, 0.5]
