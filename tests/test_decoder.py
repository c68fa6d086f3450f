"""The decoder against the same network written plainly, and its dropouts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nlp.core.decoder import Decoder
from nlp.core.recurrent import GATES

VOCABULARY, EMBEDDING, HIDDEN = 30, 6, 10
CLOSE = {"atol": 1e-6, "rtol": 1e-5}


def decoder(cell: str = "lstm", *, tied: bool = True, layers: int = 2, **options: Any) -> Decoder:
    torch.manual_seed(0)
    made = Decoder(VOCABULARY, EMBEDDING, HIDDEN, layers, cell, tied=tied, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in made.parameters():  # far enough from zero that everything matters
            parameter.uniform_(-0.5, 0.5)
    return made


def tokens(*shape: int) -> Tensor:
    """Some ids more than once, some never."""
    return torch.randint(VOCABULARY // 2, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_shapes_and_parameters(tied: bool, cell: str) -> None:
    model = decoder(cell, tied=tied)
    last = EMBEDDING if tied else HIDDEN  # the last layer's units: tied weights must fit them
    logits, state = model(tokens(4, 7))
    assert logits.shape == (4, 7, VOCABULARY)
    expected = [HIDDEN, HIDDEN, last, last] if cell == "lstm" else [HIDDEN, last]
    assert [part.shape for part in state] == [(4, size) for size in expected]
    assert [part.shape for part in model.start(4)] == [part.shape for part in state]
    layers = sum(
        GATES[cell] * units * (inputs + units + 2)
        for inputs, units in ((EMBEDDING, HIDDEN), (HIDDEN, last))
    )
    softmax = VOCABULARY + (0 if tied else VOCABULARY * last)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == VOCABULARY * EMBEDDING + layers + softmax


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_step_by_step_equals_forward(tied: bool, cell: str) -> None:
    model, ids = decoder(cell, tied=tied, dropout=0.5, output_dropout=0.5).eval(), tokens(3, 8)
    logits, end = model(ids)
    state = model.start(3)
    for position in range(8):
        step, state = model.step(ids[:, position], state)
        torch.testing.assert_close(step, logits[:, position], **CLOSE)
    for part, expected in zip(state, end, strict=True):
        torch.testing.assert_close(part, expected, **CLOSE)


DROPOUTS = ("embedding_dropout", "input_dropout", "dropout", "output_dropout", "weight_drop")


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "free"])
@pytest.mark.parametrize("name", DROPOUTS)
def test_each_dropout_acts_in_training_only(name: str, locked: bool) -> None:
    model = decoder(locked_dropout=locked, **{name: 0.5}).eval()
    ids = tokens(3, 8)
    expected, _ = decoder().eval()(ids)
    torch.testing.assert_close(model(ids)[0], expected)
    model.train()
    once, again = model(ids)[0], model(ids)[0]
    assert not torch.equal(once, again)
    assert not torch.equal(once, expected)
    assert not torch.equal(model.loss(ids, ids)[0], model.loss(ids, ids)[0])


def test_a_step_drops_nothing_even_in_training() -> None:
    model = decoder(**dict.fromkeys(DROPOUTS, 0.5))
    state = tuple(torch.rand_like(part) for part in model.start(4))
    in_training, end = model.train().step(tokens(4), state)
    in_evaluation, expected_end = model.eval().step(tokens(4), state)
    assert torch.equal(in_training, in_evaluation)
    assert all(torch.equal(part, other) for part, other in zip(end, expected_end, strict=True))


def test_embedding_dropout_drops_whole_tokens_wherever_they_occur() -> None:
    model = decoder(embedding_dropout=0.4).train()
    ids = torch.arange(VOCABULARY).repeat(3, 2)
    vectors = model.embed(ids)
    kept = (vectors != 0).any(dim=-1)
    assert torch.equal(kept, kept[:1, :VOCABULARY].repeat(3, 2))
    assert 0 < int(kept[0, :VOCABULARY].sum()) < VOCABULARY
    torch.testing.assert_close(vectors[kept], F.embedding(ids, model.embedding)[kept] / 0.6)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_the_loss_is_the_cross_entropy_of_the_logits(tied: bool) -> None:
    model, ids, targets = decoder(tied=tied), tokens(3, 8), tokens(8, 3).reshape(3, 8)
    begin = tuple(torch.rand_like(part) for part in model.start(3))
    mean, end = model.loss(ids, targets, begin)
    logits, expected_end = model(ids, begin)
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    torch.testing.assert_close(mean, expected, **CLOSE)
    for part, other in zip(end, expected_end, strict=True):
        torch.testing.assert_close(part, other)
    gradients = torch.autograd.grad(expected, list(model.parameters()))
    mean.backward()
    for (name, parameter), gradient in zip(model.named_parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert parameter.grad.layout == torch.strided, name
        torch.testing.assert_close(parameter.grad, gradient, **CLOSE)


def test_the_gradient_of_tied_weights_is_the_sum_of_both_uses() -> None:
    """The embedding's and the output layer's, in torch's own modules that share nothing."""
    model, ids, targets = decoder(layers=1), tokens(3, 8), tokens(8, 3).reshape(3, 8)
    (cell,) = model.recurrent.cells
    embedding = torch.nn.Embedding.from_pretrained(model.embedding.detach().clone(), freeze=False)
    core = torch.nn.LSTM(EMBEDDING, EMBEDDING, batch_first=True)
    output = torch.nn.Linear(EMBEDDING, VOCABULARY)
    with torch.no_grad():
        for theirs, ours in (
            (core.weight_ih_l0, cell.input_weight),
            (core.weight_hh_l0, cell.recurrent_weight),
            (core.bias_ih_l0, cell.input_bias),
            (core.bias_hh_l0, cell.recurrent_bias),
            (output.weight, model.embedding),
            (output.bias, model.output_bias),
        ):
            theirs.copy_(ours)  # type: ignore[arg-type]
    logits = output(core(embedding(ids))[0])
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    expected.backward()
    for _ in range(2):  # a second backward adds to the first: accumulation
        mean, _ = model.loss(ids, targets)
        mean.backward()
    torch.testing.assert_close(mean, expected, **CLOSE)
    gradient = model.embedding.grad
    assert gradient is not None
    assert gradient.layout == torch.strided
    assert embedding.weight.grad is not None
    assert output.weight.grad is not None
    torch.testing.assert_close(gradient, 2 * (embedding.weight.grad + output.weight.grad), **CLOSE)
    never_read = torch.ones(VOCABULARY, dtype=torch.bool)
    never_read[ids] = False
    assert bool((gradient[never_read] != 0).any())  # the softmax pushes every token down


def test_before_training_it_is_the_unigram_model() -> None:
    counts = torch.tensor([0.0, 9, 90, 900])
    decoder = Decoder(4, 8, 8, 1, "lstm", tied=True)
    decoder.begin_at(counts)
    logits, _ = decoder.eval()(torch.tensor([[1, 2, 3]]))
    expected = (counts + 1) / (counts + 1).sum()
    assert torch.allclose(logits.softmax(-1), expected.expand(1, 3, 4), atol=0.05)
    assert torch.equal(decoder.output_bias.softmax(-1).argsort(), counts.argsort())


def test_the_fast_step_is_the_step_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    decoder = Decoder(50, 16, 24, 2, "lstm", tied=False).eval()
    assert decoder.fast_step() == decoder.step  # a small layer has nothing to gain
    monkeypatch.setattr("nlp.core.decoder.HALF_FROM", 1)
    monkeypatch.setattr("nlp.core.decoder.cpu_has_float16", lambda: True)
    unbounded = Decoder(50, 16, 24, 2, "relu-rnn", tied=False).eval()
    assert unbounded.fast_step() == unbounded.step  # its outputs may exceed what float16 holds
    fast, state = decoder.fast_step(), decoder.start(1)
    for token in (3, 1, 4):
        expected, end = decoder.step(torch.tensor([token]), state)
        logits, state = fast(torch.tensor([token]), state)
        assert not torch.equal(logits, expected)  # float16 was at work
        torch.testing.assert_close(logits, expected, atol=4e-3, rtol=0)
        torch.testing.assert_close(state, end, atol=0, rtol=0)
