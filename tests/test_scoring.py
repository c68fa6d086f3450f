"""Scoring: the chain rule against a loop that knows nothing of windows, words or streams."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from corpora.errors import UsageError
from nlp.core.decoding import Sampling, generate
from nlp.core.scoring import Score, corpus_perplexity, score
from nlp.core.tokenizer import Tokenizer

LINES = ["take me to Mars, take me to the moon", "bake me a cake  \n\n as fast as you can", "é 😀"]


class Recurrent(nn.Module):
    """The smallest model of the contract; it remembers the longest stretch it was asked for."""

    device = torch.device("cpu")

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.vocabulary_size = vocabulary_size
        self.embedding = nn.Embedding(vocabulary_size, 8)
        self.recurrent = nn.GRU(8, 16, batch_first=True)
        self.output = nn.Linear(16, vocabulary_size)
        nn.init.normal_(self.output.weight, std=1.0)
        self.longest = 0

    def start(self, batch_size: int) -> tuple[Tensor, ...]:
        return (torch.zeros(batch_size, 16),)

    def forward(self, ids: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.longest = max(self.longest, ids.shape[1])
        hidden, last = self.recurrent(self.embedding(ids), state[0].unsqueeze(0))
        return self.output(hidden), (last.squeeze(0),)

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits, state = self(token.unsqueeze(1), state)
        return logits.squeeze(1), state


TOKENIZER = Tokenizer.train(LINES * 3, vocabulary_size=290)
MODEL = Recurrent(TOKENIZER.vocabulary_size).eval()
START = TOKENIZER.end_of_text
texts = st.lists(
    st.sampled_from([" ", "\n", "me", " Mars", "take", " ca", "😀", "é", "\u3000", "x"]),
    min_size=1,
    max_size=25,
).map("".join)


@torch.no_grad()
def distributions(ids: list[int]) -> Tensor:
    """Log-probabilities after each id, step by step: `[time, vocabulary]`, in float64."""
    state, rows = MODEL.start(1), []
    for token in ids:
        logits, state = MODEL.step(torch.tensor([token]), state)
        rows.append(torch.log_softmax(logits[0].double(), -1))
    return torch.stack(rows)


@torch.no_grad()
def nats(inputs: list[int], targets: list[int]) -> float:
    return -float(distributions(inputs).gather(1, torch.tensor(targets).unsqueeze(1)).sum())


def check_totals(answer: Score) -> None:
    total = answer.log_probability
    counted = [t.log_probability for t in answer.tokens if t.log_probability is not None]
    words = [w.log_probability for w in answer.words if w.log_probability is not None]
    assert math.fsum(counted) == pytest.approx(total)
    assert math.fsum(words) == pytest.approx(total)
    assert len(counted) == answer.counted_tokens
    assert len(words) == answer.counted_words
    assert sum(word.tokens for word in answer.words) == len(answer.tokens)
    assert "".join(token.text for token in answer.tokens) == answer.text
    assert answer.perplexity == pytest.approx(math.exp(-total / len(counted)))
    assert answer.word_perplexity == pytest.approx(math.exp(-total / len(words)))
    assert answer.bits == pytest.approx(-total / math.log(2))
    assert answer.bits_per_byte == pytest.approx(answer.bits / answer.counted_bytes)
    for unit in (*answer.tokens, *answer.words):
        if unit.log_probability is not None:
            assert unit.bits == pytest.approx(-unit.log_probability / math.log(2))


@settings(deadline=None)
@given(texts, st.sampled_from([1, 3, 256]))
def test_the_sum_of_the_tokens_is_the_sequences_own_score(text: str, window: int):
    ids = TOKENIZER.encode(text)
    answer = score(MODEL, TOKENIZER, text, window=window)
    check_totals(answer)
    assert answer.log_probability == pytest.approx(-nats([START, *ids[:-1]], ids), abs=1e-4)
    assert [token.id for token in answer.tokens] == ids
    if text.split():
        assert [word.text for word in answer.words] == text.split()
    assert answer.counted_bytes == len(text.encode())


@settings(deadline=None, max_examples=30)
@given(texts, st.integers(0, 8))
def test_rank_entropy_and_alternatives_are_the_distributions(text: str, top: int):
    ids = TOKENIZER.encode(text)
    logs = distributions([START, *ids[:-1]])
    assert logs.exp().sum(-1).tolist() == pytest.approx([1] * len(ids))
    for token, row in zip(score(MODEL, TOKENIZER, text, top=top).tokens, logs, strict=True):
        assert token.log_probability == pytest.approx(float(row[token.id]), abs=1e-4)
        above, near = ((row > row[token.id] + rounding).sum() for rounding in (1e-5, -1e-5))
        assert above < token.rank <= near  # near counts the token itself
        assert token.entropy == pytest.approx(float(-(row.exp() * row).sum()), abs=1e-4)
        assert [other.log_probability for other in token.top] == pytest.approx(
            row.sort(descending=True).values[:top].tolist(), abs=1e-4
        )
        assert [other.text for other in token.top] == [
            TOKENIZER.decode([other.id]) for other in token.top
        ]


def test_every_continuations_probabilities_sum_to_one():
    before = TOKENIZER.encode("take me")
    total = sum(
        math.exp(-nats([START, *before], [*before, token]) + nats([START, *before[:-1]], before))
        for token in range(TOKENIZER.vocabulary_size)
    )
    assert total == pytest.approx(1)
    best = score(MODEL, TOKENIZER, "take me", top=10**6).tokens[-1].top
    assert sum(math.exp(other.log_probability) for other in best) == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(texts, texts, st.sampled_from([1, 2, 5, 256]))
def test_a_context_conditions_and_is_not_counted(context: str, text: str, window: int):
    given_ids, ids = TOKENIZER.encode(context), TOKENIZER.encode(text)
    answer = score(MODEL, TOKENIZER, text, context=context, window=window)
    check_totals(answer)
    whole = [START, *given_ids, *ids]
    expected = nats(whole[:-1], whole[1:]) - nats([START, *given_ids[:-1]], given_ids)
    assert answer.log_probability == pytest.approx(-expected, abs=1e-4)
    assert len(answer.tokens) == len(ids)
    skipped = score(MODEL, TOKENIZER, text, context=context, first_token="skip")
    check_totals(skipped)
    assert skipped.counted_tokens == len(ids)
    assert skipped.tokens[0].log_probability == pytest.approx(
        float(distributions(given_ids)[-1, ids[0]]), abs=1e-4
    )


def test_the_first_token_can_be_left_out_of_the_count():
    text = "take me to Mars"
    ids = TOKENIZER.encode(text)
    answer = score(MODEL, TOKENIZER, text, first_token="skip")
    check_totals(answer)
    assert answer.tokens[0].log_probability is None
    assert answer.tokens[0].rank is None
    assert answer.log_probability == pytest.approx(-nats(ids[:-1], ids[1:]), abs=1e-4)
    assert answer.counted_bytes == len(text) - len(TOKENIZER.token_bytes(ids[0]))
    with pytest.raises(UsageError, match="single token"):
        score(MODEL, TOKENIZER, "x", first_token="skip")


def test_words_take_the_white_space_before_them_and_the_last_one_what_follows():
    answer = score(MODEL, TOKENIZER, "  take \n\n me\n")
    assert [(word.text, word.start, word.end) for word in answer.words] == [
        ("take", 2, 6),
        ("me", 10, 12),
    ]
    border = next(n for n, token in enumerate(answer.tokens) if token.end > 6)
    assert answer.words[0].tokens == border
    assert [word.text for word in score(MODEL, TOKENIZER, " \n ").words] == [" \n "]


def test_generations_report_what_scoring_computes():
    before = TOKENIZER.encode("take me")
    for strategy in (Sampling(), Sampling(temperature=0.5, top_k=20, repetition_penalty=1.2)):
        sample = generate(MODEL, before, strategy=strategy, max_tokens=20, seed=1)[0]
        whole = before + sample.ids
        logs = distributions(whole[:-1])[len(before) - 1 :]
        expected = logs.gather(1, torch.tensor(sample.ids).unsqueeze(1)).squeeze(1).tolist()
        assert sample.log_probabilities == pytest.approx(expected, abs=1e-4)


def test_the_answer_is_json_and_long_texts_are_read_in_windows():
    text = "take me to Mars and " * 300
    MODEL.longest = 0
    answer = score(MODEL, TOKENIZER, text, window=64)
    assert MODEL.longest == 64
    assert json.loads(json.dumps(dataclasses.asdict(answer)))["words"][3]["text"] == "Mars"
    assert score(MODEL, TOKENIZER, text, window=10**6).log_probability == pytest.approx(
        answer.log_probability
    )


def test_wrong_calls_are_refused():
    with pytest.raises(UsageError, match="empty"):
        score(MODEL, TOKENIZER, "")
    with pytest.raises(UsageError, match="first_token"):
        score(MODEL, TOKENIZER, "x", first_token="no")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="top"):
        score(MODEL, TOKENIZER, "x", top=-1)
    with pytest.raises(UsageError, match="at least 2"):
        corpus_perplexity(MODEL, np.array([1]))
    with pytest.raises(UsageError, match="at least 1"):
        corpus_perplexity(MODEL, np.array([]), start_id=START)
    with pytest.raises(UsageError, match="60000"):
        corpus_perplexity(MODEL, np.array([1, 60000], dtype=np.uint16))
    with pytest.raises(UsageError, match="streams"):
        corpus_perplexity(MODEL, np.array([1, 2]), streams=0)


def test_a_broken_model_is_named_as_such():
    broken = Recurrent(TOKENIZER.vocabulary_size)
    with torch.no_grad():
        broken.output.bias[2] = math.nan
    with pytest.raises(UsageError, match="NaN"):
        score(broken, TOKENIZER, "take me")
    with pytest.raises(UsageError, match="NaN"):
        corpus_perplexity(broken, np.arange(5))


# Corpora


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.integers(1, 70), st.booleans())
def test_a_corpus_with_carried_state_is_one_long_pass(count: int, window: int, from_start: bool):
    ids = np.random.default_rng(count).integers(0, TOKENIZER.vocabulary_size, count)
    whole = [START, *ids.tolist()] if from_start else ids.tolist()
    answer = corpus_perplexity(
        MODEL,
        ids.astype(np.uint16),
        window=window,
        start_id=START if from_start else None,
        words=7,
        bytes=100,
    )
    expected = nats(whole[:-1], whole[1:])
    assert answer.tokens == len(whole) - 1
    assert answer.nats_per_token * answer.tokens == pytest.approx(expected, rel=1e-5)
    assert answer.per_token == pytest.approx(math.exp(expected / answer.tokens), rel=1e-4)
    assert answer.per_word == pytest.approx(math.exp(expected / 7), rel=1e-3)
    assert answer.bits_per_byte == pytest.approx(expected / math.log(2) / 100, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.integers(1, 9), st.integers(1, 20), st.booleans())
def test_streams_begin_anew_only_where_they_were_cut(
    count: int, streams: int, window: int, from_start: bool
):
    ids = np.random.default_rng(count).integers(0, TOKENIZER.vocabulary_size, count)
    start = START if from_start else None
    whole = [START, *ids.tolist()] if from_start else ids.tolist()
    total = len(whole) - 1
    lanes = min(streams, total)
    cuts = [lane * (total // lanes) for lane in range(lanes)] + [total]
    expected = sum(
        nats(whole[begin:end], whole[begin + 1 : end + 1])
        for begin, end in itertools.pairwise(cuts)
    )
    answer = corpus_perplexity(MODEL, ids, streams=streams, window=window, start_id=start)
    assert answer.tokens == total
    assert answer.nats_per_token * total == pytest.approx(expected, rel=1e-5)
    assert (answer.per_word, answer.bits_per_byte) == (None, None)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 60), st.integers(1, 20), st.booleans())
def test_independent_windows_know_nothing_of_each_other(count: int, window: int, little: bool):
    ids = np.random.default_rng(count).integers(0, TOKENIZER.vocabulary_size, count)
    whole = ids.tolist()
    expected = sum(
        nats(whole[:-1][begin : begin + window], whole[1:][begin : begin + window])
        for begin in range(0, count - 1, window)
    )
    with pytest.MonkeyPatch.context() as patch:
        if little:  # so little memory that a window is read in parts
            patch.setattr("nlp.core.scoring.LOGITS_AT_ONCE", 2 * TOKENIZER.vocabulary_size)
        answer = corpus_perplexity(MODEL, ids, window=window, independent_windows=True)
    assert answer.nats_per_token * (count - 1) == pytest.approx(expected, rel=1e-5)


def test_a_memory_mapped_corpus_is_read_without_a_copy(tmp_path):
    ids = np.arange(200, dtype=np.uint16)
    np.save(tmp_path / "ids.npy", ids)
    mapped = np.load(tmp_path / "ids.npy", mmap_mode="r")
    assert corpus_perplexity(MODEL, mapped, streams=3) == corpus_perplexity(MODEL, ids, streams=3)
