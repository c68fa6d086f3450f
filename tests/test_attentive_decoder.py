"""The decoder with attention: step by step it equals whole sentences, and what is padding or
somebody else's changes nothing."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.attentive_decoder import AttentiveDecoder, Reading
from nlp.core.encoder import Memory
from nlp.core.search.beam import Beam, search

VARIANTS: list[dict[str, Any]] = [
    {"attention": kind, "layers": layers, "cell": cell}
    for kind, layers, cell in [
        ("additive", 1, "lstm"),
        ("general", 2, "gru"),
        ("dot", 3, "lstm"),
        ("concat", 2, "rnn"),
        (None, 2, "lstm"),
    ]
] + [
    {"attention": "additive", "layers": 2, "cell": "lstm", "input_feeding": True},
    {"attention": "general", "layers": 1, "cell": "gru", "coverage": True},
    {"attention": "additive", "layers": 2, "cell": "lstm", "input_feeding": True, "coverage": True},
    {"attention": "general", "layers": 2, "cell": "lstm", "tied": False, "layer_norm": True},
    {"attention": "additive", "layers": 2, "cell": "lstm", "gate": True},
    {"attention": "general", "layers": 1, "cell": "gru", "gate": True, "coverage": True},
]


def build(layers: int = 2, cell: str = "lstm", **options: Any) -> AttentiveDecoder:
    torch.manual_seed(0)
    sizes = {"memory_size": 8, "summary_size": 8}
    decoder = AttentiveDecoder(11, 6, 8, layers, cell, **sizes, **options)  # type: ignore[arg-type]
    for parameter in decoder.parameters():  # far from nothing, so that differences show
        torch.nn.init.uniform_(parameter, -0.6, 0.6)
    return decoder.double().eval()


def memory(rows: int = 3, positions: int = 5) -> Memory:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([5, 2, 4])[:rows]
    mask = torch.arange(positions) < lengths[:, None]
    states = torch.randn(3, 5, 8, dtype=torch.float64, generator=generator)[:rows]
    states = torch.nn.functional.pad(states, (0, 0, 0, positions - 5))
    summary = torch.randn(3, 8, dtype=torch.float64, generator=generator)[:rows]
    return Memory(states.masked_fill(~mask[..., None], 0), summary, mask)


def ids(rows: int = 3) -> Tensor:
    return torch.randint(11, (3, 6), generator=torch.Generator().manual_seed(2))[:rows]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_step_by_step_equals_whole_sentences(options: dict[str, Any]) -> None:
    decoder = build(**options)
    hidden, weights = decoder(ids(), memory())
    reading = Reading.of(decoder, memory())
    state = reading.start(1)
    for place, token in enumerate(ids().unbind(1)):
        logits, state = reading.step(token, state)
        torch.testing.assert_close(logits, decoder.logits(hidden)[:, place])
        looked = reading.attention(state)
        assert (looked is None) == (weights is None)
        if looked is not None and weights is not None:
            torch.testing.assert_close(looked, weights[:, place])


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_padding_and_neighbours_change_nothing(options: dict[str, Any]) -> None:
    decoder = build(**options)
    hidden = decoder(ids(), memory()).hidden
    torch.testing.assert_close(decoder(ids(), memory(positions=9)).hidden, hidden)
    torch.testing.assert_close(decoder(ids(1), memory(1)).hidden, hidden[:1])


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_rows_of_a_beam_ask_the_memory_of_their_source(options: dict[str, Any]) -> None:
    decoder = build(**options)
    reading, alone = Reading.of(decoder, memory()), Reading.of(decoder, memory())
    wide, single = reading.start(4), alone.start(1)
    tokens = torch.arange(12) % 11
    logits, wide = reading.step(tokens, wide)
    for place in range(4):
        one, state = alone.step(tokens.view(3, 4)[:, place], single)
        torch.testing.assert_close(logits.view(3, 4, -1)[:, place], one)
        for mine, theirs in zip(wide, state, strict=True):
            torch.testing.assert_close(mine.unflatten(0, (3, 4))[:, place], theirs)
    kept = reading.keep(torch.tensor([2]))
    rest = tuple(part[8:] for part in wide)
    again, _ = kept.step(tokens[8:], rest)
    torch.testing.assert_close(again, reading.step(tokens, wide)[0][8:])


@pytest.mark.parametrize("options", VARIANTS[:2] + VARIANTS[4:8], ids=str)
def test_a_wide_beam_finds_the_best_of_all_sentences(options: dict[str, Any]) -> None:
    decoder = build(**options)
    length, stop = 3, 0
    with torch.no_grad():
        found = search(
            Reading.of(decoder, memory()),
            Beam(200, length_penalty=0.0, patience=float("inf")),
            start_id=0,
            stop_id=stop,
            max_tokens=length,
        )
        for row, hypotheses in enumerate(found):
            best = max(
                (score(decoder, row, list(rest)), rest)
                for size in range(length)
                for rest in itertools.product(range(1, 11), repeat=size)
            )
            assert tuple(hypotheses[0].ids) == best[1]
            assert hypotheses[0].score == pytest.approx(best[0])


def score(decoder: AttentiveDecoder, row: int, tokens: list[int]) -> float:
    whole = memory()
    own = Memory(*(part[row : row + 1] for part in whole))
    hidden = decoder(torch.tensor([[0, *tokens]]), own).hidden
    chances = decoder.logits(hidden).log_softmax(2)[0]
    return float(chances[range(len(tokens) + 1), [*tokens, 0]].sum())


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_loss_and_gradient_are_those_of_the_plain_softmax(options: dict[str, Any]) -> None:
    decoder = build(**options)
    targets = ids().roll(-1, 1)
    read = decoder(ids(), memory()).hidden
    mean = decoder.loss(read.flatten(0, 1), targets.flatten(), label_smoothing=0.2)
    logits = decoder.logits(decoder(ids(), memory()).hidden)
    plain = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), label_smoothing=0.2
    )
    torch.testing.assert_close(mean, plain)
    names, parameters = zip(*decoder.named_parameters(), strict=True)
    own = torch.autograd.grad(mean, parameters, allow_unused=True)
    other = torch.autograd.grad(plain, parameters, allow_unused=True)
    for name, mine, theirs in zip(names, own, other, strict=True):
        if theirs is not None:
            torch.testing.assert_close(mine, theirs, msg=name)


def test_the_gate_is_that_of_show_attend_and_tell() -> None:
    """Xu et al. (2015): z_t = beta_t sum_i a_ti state_i, beta_t = sigmoid(f(h_t)), equation 4 to 6
    for the weights, each number by hand."""
    decoder = build(attention="additive", layers=1, gate=True)
    source, tokens = memory(), ids()
    hidden, weights = decoder(tokens, source)
    looking, gate = decoder.attention, decoder.gate
    assert looking is not None
    assert gate is not None
    vectors = decoder.embedding[tokens]
    layer, _ = decoder.lower(vectors, decoder.start(source)[:2], mask=None)
    for row, time in itertools.product(range(3), range(6)):
        query, states = layer[row, time], source.states[row][source.mask[row]]
        energies = [
            looking.vector @ (looking.query(query) + looking.memory(state)).tanh()
            for state in states
        ]
        exponents = torch.stack(energies).exp()
        alpha = exponents / exponents.sum()
        beta = 1 / (1 + (-(gate.weight[0] @ query + gate.bias[0])).exp())
        read = beta * sum(a * state for a, state in zip(alpha, states, strict=True))
        whole = torch.cat([query, read, vectors[row, time]])
        expected = (decoder.combine.weight @ whole + decoder.combine.bias).tanh()
        torch.testing.assert_close(hidden[row, time], expected)
        torch.testing.assert_close(weights[row, time][source.mask[row]], alpha)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_several_texts_of_a_source(options: dict[str, Any]) -> None:
    decoder, sources = build(**options), torch.tensor([2, 0, 2])
    together = decoder(ids(), memory(), sources).hidden
    whole = memory()
    repeated = Memory(*(part[sources] for part in whole))
    torch.testing.assert_close(together, decoder(ids(), repeated).hidden)


@pytest.mark.parametrize("option", ["coverage", "input_feeding", "gate"])
def test_without_attention_there_is_none_of_its_options(option: str) -> None:
    with pytest.raises(UsageError, match="belong to attention"):
        build(attention=None, **{option: True})
