"""Search: what beams, greedy search and samples promise, against plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toy_translator import STOP, Plain, Toy, anything, found, same

from corpora.errors import UsageError
from nlp.core.decoding import generate
from nlp.core.search.beam import Beam, Prompted, _largest, search
from nlp.core.strategies import Greedy, Sampling

LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=4)
SEEDS = st.integers(0, 10_000)
PENALTIES = st.tuples(st.sampled_from([0.0, 0.6, 1.0, -0.5]), st.sampled_from([0.0, 0.3]))
FEW = settings(max_examples=30)


def strategies(sizes: st.SearchStrategy[int], *patience: float) -> st.SearchStrategy[Beam]:
    return st.builds(
        lambda size, penalties, patience: Beam(size, *penalties, patience),
        sizes,
        PENALTIES,
        st.sampled_from(patience),
    )


@FEW
@given(SEEDS, LENGTHS, strategies(st.just(108), math.inf), st.integers(1, 5), st.data())
def test_a_beam_that_is_wide_enough_is_exhaustive(seed, lengths, beam, n_best, data):
    """4 tokens, at most 4 of them: 3 * 3 * 3 * 4 candidates at the last step."""
    toy = Toy(seed, lengths)
    limits = data.draw(st.lists(st.integers(1, 4), min_size=len(lengths), max_size=len(lengths)))
    for source, texts in enumerate(found(toy, beam, limits, n_best=n_best)):
        plain = Plain(toy, source)
        same(texts, plain.exhaustive(beam, limits[source], anything)[:n_best], plain)


@FEW
@given(SEEDS, LENGTHS, strategies(st.integers(1, 5), 0.4, 1, 2, math.inf), st.data())
def test_a_batch_of_narrow_beams_is_each_of_them_alone(seed, lengths, beam, data):
    toy = Toy(seed, lengths, data.draw(st.sampled_from([2, 7, 400])))
    limits = data.draw(st.lists(st.integers(1, 12), min_size=len(lengths), max_size=len(lengths)))
    n_best = data.draw(st.integers(1, beam.size))
    together = found(toy, beam, limits, n_best=n_best)
    for source, texts in enumerate(together):
        plain = Plain(toy, source)
        same(texts, plain.beam(beam, limits[source], n_best, anything), plain)
        one = toy.keep(torch.tensor([source]))
        alone = found(one, beam, limits[source], n_best=n_best)[0]
        assert [text.ids for text in alone] == [text.ids for text in texts]


@FEW
@given(SEEDS, LENGTHS, st.integers(1, 12))
def test_a_beam_of_one_is_greedy(seed, lengths, limit):
    toy = Toy(seed, lengths, vocabulary_size=6)
    greedy = found(toy, Greedy(), limit)
    beams = found(toy, Beam(1, length_penalty=0), limit)
    for source, ((text,), (other,)) in enumerate(zip(greedy, beams, strict=True)):
        plain, ids = Plain(toy, source), ()
        while len(ids) < limit and STOP not in ids:
            scores = plain.after(ids)[0]
            ids = (*ids, scores.index(max(scores)))
        same([text], [plain.text(ids, Beam(1, 0))], plain)
        assert text.ids == other.ids
        assert text.score == other.score


def test_sources_that_are_done_cost_nothing():
    toy = Toy(3, [4, 2, 3, 1, 4, 4], vocabulary_size=12)
    beam = Beam(3)
    limits = [2, 9, 5, 1, 9, 7]
    texts = found(toy, beam, limits, n_best=3)
    assert toy.rows == sorted(toy.rows, reverse=True)
    assert toy.rows[:2] == [18, 15]  # the fourth source's single token is written
    assert len(toy.rows) <= 9
    assert all(len(some) == 3 for some in texts)
    assert [text.end for text in texts[3]].count(None) >= 2


def test_what_ended_stands_before_what_was_cut():
    toy = Toy(0, [3] * 20, vocabulary_size=6)
    mixed = 0
    for texts in found(toy, Beam(6, patience=math.inf), 3, n_best=6):
        cut = [text.end is None for text in texts]
        assert cut == sorted(cut)
        for kind in (True, False):
            scores = [one.score for one in texts if (one.end is None) is kind]
            assert scores == sorted(scores, reverse=True)
        mixed += len(set(cut)) == 2
    assert mixed


def test_hopeless_beginnings_are_not_followed():
    """Patience without end, but the score can only fall: the search ends long before the limit."""
    beam = Beam(4, length_penalty=0, patience=math.inf)
    for seed in (0, 2, 3, 4):
        toy = Toy(seed, [3], vocabulary_size=5)
        text = found(toy, beam, 10_000)[0][0]
        assert len(toy.rows) < 100
        assert text.end is not None
        assert text == found(toy, beam, 100)[0][0]


class Scripted(Toy):
    """Stops with these probabilities, and says token 0 else."""

    def __init__(self, stops: list[float]) -> None:
        super().__init__(0, [1], vocabulary_size=2)
        self.stops = stops

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.rows.append(len(token))
        stop = torch.tensor(self.stops[len(self.rows) - 1]).expand(len(token))
        return torch.stack([1 - stop, stop], 1).log(), state


def test_what_goes_on_is_given_up_only_when_no_length_could_make_it_the_best():
    # log 0.6 < log 0.4 / (13 / 6), but not at any length below 8.
    later = Scripted([0.6, *[1e-6] * 6, 1 - 1e-6])
    text = found(later, Beam(2, 1, patience=math.inf), 8)[0][0]
    assert text.ids == [0] * 7
    assert len(later.rows) == 8
    sooner = Scripted([0.6, *[1e-6] * 6, 1 - 1e-6])
    assert found(sooner, Beam(2, 1, patience=math.inf), 4)[0][0].ids == []
    assert len(sooner.rows) == 1
    # Where short texts are preferred, the next length is the kindest one.
    short = Scripted([0.1, 1 - 1e-6, 0.5])
    assert found(short, Beam(2, -1, patience=math.inf), 1000)[0][0].ids == [0]
    assert len(short.rows) == 2


@FEW
@given(SEEDS, st.integers(1, 4), st.integers(1, 700), st.integers(1, 12), st.booleans())
def test_the_largest_are_those_of_topk(seed, rows, columns, count, flat):
    random = torch.Generator().manual_seed(seed)
    table = torch.randn(rows, columns, generator=random)
    if flat:  # with many equal ones, and little that is allowed
        table = table.round().masked_fill(table < 0.5, -math.inf)
    count = min(count, columns)
    values, ids = _largest(table, count)
    assert torch.equal(values, table.topk(count).values)
    assert torch.equal(values, table.gather(1, ids))
    assert all(len(set(row)) == count for row in ids.tolist())


# Samples


@FEW
@given(SEEDS, LENGTHS, st.integers(0, 99), st.sampled_from([Sampling(), Sampling(0.7, top_k=3)]))
def test_a_sample_depends_on_its_seed_and_source_only(seed, lengths, first, strategy):
    toy = Toy(seed, lengths, vocabulary_size=6)
    together = found(toy, strategy, 12, n_best=4, seed=first)
    for source, texts in enumerate(together):
        plain, one = Plain(toy, source), toy.keep(torch.tensor([source]))
        alone = [found(one, strategy, 12, seed=first + i)[0][0] for i in range(4)]
        assert sorted(text.ids for text in texts) == sorted(text.ids for text in alone)
        expected = [
            plain.text((*text.ids, *([] if text.end is None else [STOP])), Beam(1, 0))
            for text in texts
        ]
        same(texts, expected, plain)
        assert expected == sorted(expected, reverse=True)


def test_samples_come_as_often_as_they_are_probable():
    toy = Toy(5, [2], vocabulary_size=3)
    plain, count = Plain(toy, 0), 4000
    texts = found(toy, Sampling(), 2, n_best=count)[0]
    for text in plain.exhaustive(Beam(1, 0), 2, anything):
        share = sum(tuple(one.ids) == text.ids for one in texts) / count
        probability = math.exp(text.score)
        assert abs(share - probability) < 4 * math.sqrt(probability * (1 - probability) / count)


def test_a_repetition_penalty_is_refused():
    with pytest.raises(UsageError, match="no repetition penalty"):
        found(Toy(2, [3, 2], vocabulary_size=8), Sampling(repetition_penalty=1.2), 6)


# A language model


class Language(nn.Module):
    """The smallest language model of the contract."""

    vocabulary_size = 6
    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.recurrent = nn.GRU(6, 8, batch_first=True)
        self.dropout, self.output = nn.Dropout(0.5), nn.Linear(8, 6)
        nn.init.normal_(self.output.weight)
        self.lengths: list[int] = []

    def start(self, batch_size: int) -> tuple[Tensor, ...]:
        return (torch.zeros(batch_size, 8),)

    def forward(self, ids: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.lengths.append(ids.numel())
        vectors = nn.functional.one_hot(ids, 6).float()
        hidden, last = self.recurrent(vectors, state[0].unsqueeze(0))
        return self.output(self.dropout(hidden)), (last.squeeze(0),)

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits, state = self(token.unsqueeze(1), state)
        return logits.squeeze(1), state


@pytest.mark.parametrize("prompt", [[2], [3, 0, 4, 4], [5] * 600], ids=len)
def test_a_prompted_language_model_is_searched_as_it_is_decoded(prompt: list[int]):
    model = Language().train()
    for strategy in (Greedy(), Sampling(), Sampling(0.5, top_k=4)):
        prompted = Prompted(model, [prompt])
        for seed in range(3):
            text = search(
                prompted,
                strategy,
                start_id=prompted.start_id,
                stop_id=STOP,
                max_tokens=9,
                seed=seed,
            )[0][0]
            options = {"stop_ids": [STOP], "max_tokens": 9, "seed": seed}
            expected = generate(model, prompt, strategy=strategy, **options)[0]
            assert text.ids == expected.ids
            assert (text.end is not None) == expected.finished
            assert text.attention is None
            torch.testing.assert_close(text.log_probabilities, expected.log_probabilities)
    assert model.training
    assert not torch.is_inference_mode_enabled()


def test_a_prompt_is_read_once_and_its_best_text_is_found():
    model, prompt = Language().eval(), [3, 2, 4]
    prompted = Prompted(model, [prompt])
    beam = Beam(200, length_penalty=0, patience=math.inf)
    texts = search(prompted, beam, start_id=4, stop_id=STOP, max_tokens=3, n_best=200)[0]
    assert model.lengths == [2, 200, 200, 200]
    # All there is, so the probabilities add up to one.
    assert len(texts) == 1 + 5 + 25 + 125
    assert math.isclose(sum(math.exp(text.score) for text in texts), 1, rel_tol=1e-4)
    for text in texts[:5]:
        ids = torch.tensor([[*prompt, *text.ids]])
        scores = model(ids, model.start(1))[0].detach().log_softmax(-1)[0, len(prompt) - 1 :]
        own = [float(scores[i, token]) for i, token in enumerate(text.ids)]
        torch.testing.assert_close(text.log_probabilities, own, rtol=1e-4, atol=1e-5)


# What is refused


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"size": 2.5},
        {"length_penalty": math.inf},
        {"coverage_penalty": -1},
        {"patience": 0},
        {"patience": math.nan},
    ],
    ids=str,
)
def test_values_outside_their_range_are_refused_by_name(wrong: dict):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Beam(**wrong)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": [3]}, "1 numbers for 2 sources"),
        ({"max_tokens": [3, 0]}, "max_tokens is 0"),
        ({"n_best": 0}, "n_best is 0"),
        ({"n_best": 6}, "at most 5"),
        ({"n_best": 2, "strategy": Greedy()}, "at most 1"),
        ({"start_id": 4}, "start_id is 4"),
        ({"stop_id": -1}, "stop_id is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
    ids=str,
)
def test_wrong_calls_are_refused(wrong: dict, complaint: str):
    right = {"strategy": Beam(), "start_id": 0, "stop_id": STOP, "max_tokens": 3}
    with pytest.raises(UsageError, match=complaint):
        search(Toy(0, [2, 3]), **(right | wrong))


def test_a_prompt_must_be_one():
    with pytest.raises(UsageError, match="empty"):
        Prompted(Language(), [[]])
    with pytest.raises(UsageError, match="token 6"):
        Prompted(Language(), [[1, 6]])
    prompted = Prompted(Language(), [[1]])
    with pytest.raises(UsageError, match="attention"):
        search(prompted, Beam(coverage_penalty=0.2), start_id=1, stop_id=0, max_tokens=3)


@pytest.mark.parametrize("strategy", [Greedy(), Beam(3), Sampling()], ids=str)
def test_a_broken_model_is_named_as_such(strategy):
    toy = Toy(0, [2, 3])
    toy.output[0, 2] = math.nan
    with pytest.raises(UsageError, match="NaN"):
        found(toy, strategy, 3)


def test_no_sources_no_texts():
    toy = Toy(0, [2, 3])
    assert found(Toy.keep(toy, torch.tensor([0])), Beam(2), [3])
    toy.memory, toy.source_mask = toy.memory[:0], toy.source_mask[:0]
    assert found(toy, Beam(2), []) == []
    assert found(toy, Beam(2), 3) == []
