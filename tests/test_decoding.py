"""Decoding: what may be drawn, how often it is, what is shown, and what a seed promises."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from corpora.errors import UsageError
from nlp.core.decoding import (
    Greedy,
    IncrementalDetokenizer,
    Sampling,
    generate,
    stream,
    stream_ids,
)

PIECES = [b"<|endoftext|>", *(bytes([byte]) for byte in b"abc \n"), b"ab", b"bca", b"\xc3", b"\xa9"]
PIECES += ["é".encode(), "😀".encode()[:2], "😀".encode()[2:], b" abc", "aé".encode()]
VOCABULARY = len(PIECES)


class Pieces:
    """A stand-in tokenizer that knows only what decoding asks of one."""

    end_of_text = 0

    def token_bytes(self, token: int) -> bytes:
        return PIECES[token]

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(PIECES[token] for token in ids).decode("utf-8", "replace")


class Recurrent(nn.Module):
    """The smallest model of the contract; it counts what it reads."""

    vocabulary_size = VOCABULARY
    device = torch.device("cpu")

    def __init__(self, seed: int = 0, vocabulary_size: int = VOCABULARY) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.vocabulary_size = vocabulary_size
        self.embedding = nn.Embedding(vocabulary_size, 8)
        self.recurrent = nn.GRU(8, 16, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(16, vocabulary_size)
        nn.init.normal_(self.output.weight, std=1.0)
        self.tokens_read = 0
        self.rows: list[int] = []

    def start(self, batch_size: int) -> tuple[Tensor, ...]:
        return (torch.zeros(batch_size, 16, dtype=self.output.weight.dtype),)

    def forward(self, ids: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.tokens_read += ids.numel()
        self.rows.append(ids.shape[0])
        hidden, last = self.recurrent(self.embedding(ids), state[0].unsqueeze(0))
        return self.output(self.dropout(hidden)), (last.squeeze(0),)

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits, state = self(token.unsqueeze(1), state)
        return logits.squeeze(1), state


@pytest.fixture
def model() -> Recurrent:
    return Recurrent().eval()


def probabilities(strategy: Sampling, logits: Tensor) -> Tensor:
    """The distribution a strategy draws from, each token at its own place."""
    weights, ids = strategy.candidates(logits)
    if ids is not None:
        weights = torch.zeros_like(logits).scatter(-1, ids, weights)
    return weights / weights.sum(-1, keepdim=True)


def logits_of(draw_from: int = 30):
    # Few distinct values, so that ties are common.
    value = st.one_of(st.integers(-3, 3).map(float), st.floats(-30, 30, width=32))
    return st.lists(value, min_size=2, max_size=draw_from).map(lambda row: torch.tensor([row]))


# What may be drawn


@given(logits_of(), st.integers(1, 40))
def test_top_k_keeps_exactly_k_and_the_best_also_on_ties(logits: Tensor, k: int):
    kept = probabilities(Sampling(top_k=k), logits)[0] > 0
    reachable = int((torch.softmax(logits, -1) > 0).sum())
    assert int(kept.sum()) == min(k, logits.shape[1], reachable)
    if not kept.all():
        assert logits[0][kept].min() >= logits[0][~kept].max()


@given(logits_of(), st.floats(0.01, 0.999))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits: Tensor, p: float):
    full = torch.softmax(logits, -1).double()[0]
    kept = probabilities(Sampling(top_p=p), logits)[0] > 0
    mass = full[kept].sum()
    assert kept.any()
    assert mass >= p - 1e-6
    assert mass - full[kept].min() < p + 1e-6
    if not kept.all():
        assert full[kept].min() >= full[~kept].max()


@given(logits_of(), st.floats(0.01, 0.999), st.integers(1, 40) | st.none())
def test_top_p_is_a_full_sorts(logits: Tensor, p: float, k: int | None):
    best = min(k or logits.shape[1], logits.shape[1])
    sorted_ = torch.softmax(logits.topk(best).values, -1).double()[0]
    before = sorted_.cumsum(-1) - sorted_
    kept = int((probabilities(Sampling(top_p=p, top_k=k), logits) > 0).sum())
    # Rounding may decide otherwise only where the set reaches p within a millionth.
    assert int((before < p - 1e-6).sum()) <= max(kept, 1)
    assert kept <= int((before < p + 1e-6).sum())


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9, 0.999])
def test_top_p_of_a_flat_large_vocabulary(p: float):
    size = 32_768
    kept = probabilities(Sampling(top_p=p), torch.zeros(2, size)) > 0
    assert (kept.sum(-1) - math.ceil(p * size)).abs().max() <= 1
    assert kept[:, : int(p * size)].all()  # of the tied ones, the first


@given(logits_of(), st.floats(0, 1))
def test_min_p_keeps_what_is_probable_enough_beside_the_best(logits: Tensor, least: float):
    full = torch.softmax(logits, -1)[0]
    kept = probabilities(Sampling(min_p=least), logits)[0] > 0
    assert torch.equal(kept, (full >= torch.tensor(least) * full.max()) & (full > 0))


@given(
    logits_of(),
    st.builds(
        Sampling,
        temperature=st.floats(0, 5),
        top_k=st.none() | st.integers(1, 40),
        top_p=st.none() | st.floats(0.01, 1),
        min_p=st.none() | st.floats(0, 1),
    ),
    st.floats(2**-53, 1),
)
def test_every_choice_is_a_kept_token_with_the_models_own_log_probability(
    logits: Tensor, strategy: Sampling, uniform: float
):
    distribution = probabilities(strategy, logits)
    assert distribution.sum() == pytest.approx(1, abs=1e-5)
    token, log_probability = strategy.choose(
        logits, None, torch.tensor([[uniform]], dtype=torch.float64)
    )
    assert distribution[0, token] > 0
    expected = torch.log_softmax(logits.double(), -1)[0, token]
    assert float(log_probability) == pytest.approx(float(expected), abs=1e-4)


def test_temperature_and_penalty_are_the_papers():
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    assert torch.allclose(
        probabilities(Sampling(temperature=0.5), logits), torch.softmax(logits / 0.5, -1)
    )
    penalties = torch.tensor([[2.0, 2.0, 1.0]])
    expected = torch.softmax(torch.tensor([[1.0, -2.0, 0.5]]), -1).cumsum(-1)
    for uniform in (0.01, 0.5, 0.6, 0.7, 0.99, 1.0):
        token, log_probability = Sampling(repetition_penalty=2.0).choose(
            logits, penalties, torch.tensor([[uniform]], dtype=torch.float64)
        )
        assert int(token) == int((expected < uniform - 1e-7).sum())
        assert float(log_probability) == pytest.approx(
            float(torch.log_softmax(logits, -1)[0, token])
        )


def test_a_tiny_temperature_is_greedy_and_not_a_nan():
    logits = torch.tensor([[1e30, 2e30, -1e30]])
    assert probabilities(Sampling(temperature=1e-40), logits).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    "strategy",
    [
        Sampling(),
        Sampling(temperature=0.7),
        Sampling(top_k=5),
        Sampling(top_p=0.8, temperature=1.3),
        Sampling(min_p=0.1),
    ],
    ids=str,
)
def test_samples_are_distributed_as_the_strategy_says(strategy: Sampling, model: Recurrent):
    draws = 4000
    logits = model(torch.tensor([[1, 2]]), model.start(1))[0][:, -1]
    expected = probabilities(strategy, logits)[0].double() * draws
    ids = [
        sample.ids[0]
        for sample in generate(
            model, [1, 2], strategy=strategy, max_tokens=1, samples=draws, seed=7
        )
    ]
    observed = torch.bincount(torch.tensor(ids), minlength=VOCABULARY).double()
    assert observed[expected == 0].sum() == 0
    common = expected >= 5
    squares = ((observed - expected) ** 2 / expected.clamp(min=1e-9))[common].sum()
    freedom = max(1, int(common.sum()) - 1)
    # The square is about normal around its degrees of freedom; 4 deviations are 1 in 30,000.
    assert squares < freedom + 4 * math.sqrt(2 * freedom)


# What a run promises


def test_greedy_is_top_k_1_is_temperature_0_is_a_plain_loop(model: Recurrent):
    answers = [
        generate(model, [3], strategy=strategy, max_tokens=20, seed=5)[0]
        for strategy in (Greedy(), Sampling(top_k=1), Sampling(temperature=0))
    ]
    prefix, expected = [3], 0.0
    for _ in range(20):  # the whole prefix anew for every token
        logs = torch.log_softmax(model(torch.tensor([prefix]), model.start(1))[0][0, -1], -1)
        prefix.append(int(logs.argmax()))
        expected += logs.max().item()
    for answer in answers:
        assert answer.ids == prefix[1:]
        assert sum(answer.log_probabilities) == pytest.approx(expected, abs=1e-4)
        assert not answer.finished


def test_ties_go_to_the_same_token_in_every_greedy():
    logits = torch.tensor([[0.0, 3.0, 3.0, 3.0]])
    half = torch.full((1, 1), 0.5, dtype=torch.float64)
    for strategy in (Greedy(), Sampling(top_k=1), Sampling(temperature=0)):
        assert int(strategy.choose(logits, None, half)[0]) == 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**40), st.integers(1, 5), st.booleans())
def test_the_same_seed_writes_the_same_and_each_sample_again_alone(
    seed: int, samples: int, penalised: bool
):
    model = Recurrent().eval().double()  # so that a batch's rounding decides no choice
    strategy = Sampling(repetition_penalty=1.3 if penalised else 1.0)
    options = {"strategy": strategy, "max_tokens": 90, "stop_ids": [0], "tokenizer": Pieces()}
    together = generate(model, [1, 4], samples=samples, seed=seed, **options)
    assert together == generate(model, [1, 4], samples=samples, seed=seed, **options)
    for sample in together:
        alone = generate(model, [1, 4], seed=sample.seed, **options)[0]
        assert (alone.ids, alone.finished, alone.text) == (
            sample.ids,
            sample.finished,
            sample.text,
        )
        assert alone.log_probabilities == pytest.approx(sample.log_probabilities, abs=1e-4)
    if samples > 1 and min(len(sample.ids) for sample in together[:2]) > 9:
        assert together[0].ids != together[1].ids


def test_without_a_seed_one_is_drawn_and_told(model: Recurrent):
    first, second = (generate(model, [1], strategy=Sampling(), max_tokens=30)[0] for _ in range(2))
    assert first.ids != second.ids
    assert generate(model, [1], strategy=Sampling(), max_tokens=30, seed=first.seed)[0] == first


def test_the_prompt_is_read_once_and_finished_rows_cost_nothing(model: Recurrent):
    samples = generate(
        model, [1] * 600, strategy=Sampling(), max_tokens=40, samples=6, stop_ids=[1, 2], seed=1
    )
    # Each sample costs one step per token, but the last; its stop id is one token more.
    steps = sum(len(sample.ids) - (not sample.finished) for sample in samples)
    assert any(sample.finished for sample in samples)
    assert model.tokens_read == 600 + steps
    assert model.rows[0] == 1
    assert sorted(model.rows[3:], reverse=True) == model.rows[3:]


def test_the_penalty_covers_prompt_and_answer(model: Recurrent):
    ids = generate(model, [1, 2], strategy=Sampling(top_k=1, repetition_penalty=1e6), max_tokens=8)[
        0
    ].ids
    state, seen = model.start(1), [1, 2]
    logits, state = model(torch.tensor([seen]), state)
    logits = logits[:, -1]
    for token in ids:
        row = logits[0].clone()
        for old in set(seen):
            row[old] = row[old] / 1e6 if row[old] > 0 else row[old] * 1e6
        assert token == int(row.argmax())
        seen.append(token)
        logits, state = model.step(torch.tensor([token]), state)


def test_training_mode_is_left_as_it_was_and_dropout_is_off(model: Recurrent):
    expected = generate(model, [1], strategy=Greedy(), max_tokens=10)
    model.train()
    assert [sample.ids for sample in generate(model, [1], strategy=Greedy(), max_tokens=10)] == [
        sample.ids for sample in expected
    ]
    assert model.training
    tokens = stream_ids(model, [1], strategy=Greedy(), max_tokens=10)
    next(tokens)
    tokens.close()
    assert model.training
    assert not torch.is_inference_mode_enabled()


def test_stop_ids_and_the_empty_prompt(model: Recurrent):
    whole = generate(model, [0], strategy=Sampling(), max_tokens=30, seed=3)[0].ids
    stop = whole[10]
    cut = generate(
        model, [], strategy=Sampling(), max_tokens=30, seed=3, stop_ids={stop}, tokenizer=Pieces()
    )[0]
    assert cut.finished
    assert cut.ids == whole[: whole.index(stop)]
    assert len(cut.log_probabilities) == len(cut.ids)
    with pytest.raises(UsageError, match="start symbol"):
        generate(model, [], strategy=Greedy(), max_tokens=1)


# What is shown


@given(st.lists(st.integers(0, VOCABULARY - 1)))
def test_pieces_are_whole_characters_and_together_the_text(ids: list[int]):
    reader = IncrementalDetokenizer(Pieces())
    pieces = [reader.push(token) for token in ids]
    for count in range(len(ids)):
        written = b"".join(PIECES[token] for token in ids[: count + 1])
        assert written.decode("utf-8", "replace").startswith("".join(pieces[: count + 1]))
    assert "".join(pieces) + reader.flush() == Pieces().decode(ids)


@given(
    st.lists(st.sampled_from([1, 2, 3, 4, 6, 7, 13])),
    st.lists(st.text("abc ", min_size=1, max_size=4), max_size=3),
)
def test_stop_strings_cut_exactly_wherever_tokens_end(ids: list[int], stop: list[str]):
    reader, shown = IncrementalDetokenizer(Pieces(), stop), ""
    text = Pieces().decode(ids)
    # The oracle reads character by character.
    ended = next(
        (n for n in range(len(text) + 1) if any(text[:n].endswith(end) for end in stop)), None
    )
    if ended is not None:
        longest = max(len(end) for end in stop if text[:ended].endswith(end))
        text = text[: ended - longest]
    for token in ids:
        shown += reader.push(token)
        assert text.startswith(shown)
    assert shown + reader.flush() == text
    assert reader.stopped == (ended is not None)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 1000),
    st.lists(st.text("abc é\n", min_size=1, max_size=3), max_size=3),
    st.integers(1, 60),
)
def test_a_stream_shows_what_generate_writes(seed: int, stop: list[str], max_tokens: int):
    model = Recurrent(seed % 3).eval()
    options = {
        "strategy": Sampling(temperature=1.5),
        "max_tokens": max_tokens,
        "stop_ids": [0],
        "tokenizer": Pieces(),
        "seed": seed,
    }
    answer = generate(model, [1], stop=stop, **options)[0]
    pieces = list(stream(model, [1], stop=stop, **options))
    assert all(pieces)
    assert "".join(pieces) == answer.text
    assert len(answer.ids) == len(answer.log_probabilities)
    assert not any(end in answer.text for end in stop)
    tokens = list(stream_ids(model, [1], **options))
    assert tokens[: len(answer.ids)] == answer.ids
    if not answer.finished:
        assert len(answer.ids) == max_tokens
        assert Pieces().decode(answer.ids) == answer.text


def test_ids_end_with_the_token_in_which_the_text_is_cut(model: Recurrent):
    whole = generate(model, [1], strategy=Sampling(), max_tokens=40, seed=2, tokenizer=Pieces())[0]
    for length in range(1, len(whole.text) - 2):
        stop = whole.text[length : length + 3]
        cut = generate(
            model,
            [1],
            strategy=Sampling(),
            max_tokens=40,
            seed=2,
            tokenizer=Pieces(),
            stop=stop,
        )[0]
        assert cut.finished
        assert cut.text == whole.text[: whole.text.index(stop)]
        assert cut.ids == whole.ids[: len(cut.ids)]
        certain = IncrementalDetokenizer(Pieces())
        assert len("".join(map(certain.push, cut.ids[:-1]))) < len(cut.text) or not cut.text


# What is refused


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": 0},
        {"top_k": -3},
        {"top_k": 2.5},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": math.nan},
        {"min_p": -0.1},
        {"min_p": 1.5},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": -1.0},
    ],
    ids=str,
)
def test_values_outside_their_range_are_refused_by_name(wrong: dict):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_wrong_calls_are_refused(model: Recurrent):
    right = {"strategy": Greedy(), "max_tokens": 3}
    with pytest.raises(UsageError, match="max_tokens"):
        generate(model, [1], strategy=Greedy(), max_tokens=0)
    with pytest.raises(UsageError, match="samples"):
        generate(model, [1], samples=0, **right)
    with pytest.raises(UsageError, match="seed"):
        generate(model, [1], seed=-1, **right)
    with pytest.raises(UsageError, match="token 99"):
        generate(model, [1, 99], **right)
    with pytest.raises(UsageError, match="without a tokenizer"):
        generate(model, [1], stop=["x"], **right)
    with pytest.raises(UsageError, match="empty"):
        generate(model, [1], stop=["x", ""], tokenizer=Pieces(), **right)
    with pytest.raises(UsageError, match="tokenizer"):
        stream(model, [1], **right)
    with pytest.raises(UsageError, match="max_tokens"):  # at the call, not at the first token
        stream(model, [1], strategy=Greedy(), max_tokens=0, tokenizer=Pieces())


@pytest.mark.parametrize("strategy", [Greedy(), Sampling(), Sampling(top_k=3)], ids=str)
def test_a_broken_model_is_named_as_such(strategy, model: Recurrent):
    with torch.no_grad():
        model.output.bias[2] = math.nan
    with pytest.raises(UsageError, match="NaN"):
        generate(model, [1], strategy=strategy, max_tokens=3)
