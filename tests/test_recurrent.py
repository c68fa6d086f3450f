"""The recurrent core against torch's own, and its laws."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from nlp.core.recurrent import CellKind, Recurrent, dropout, keep_mask, reverse

KINDS = ("lstm", "gru", "rnn", "relu-rnn")


def peer_of(core: Recurrent, kind: str, features: int, hidden: int) -> nn.RNNBase:
    """torch's own network with the same weights."""
    options = {"batch_first": True, "bidirectional": core.directions == 2}
    if kind == "lstm":
        peer: nn.RNNBase = nn.LSTM(features, hidden, core.layers, **options)
    elif kind == "gru":
        peer = nn.GRU(features, hidden, core.layers, **options)
    else:
        nonlinearity = "relu" if kind == "relu-rnn" else "tanh"
        peer = nn.RNN(features, hidden, core.layers, nonlinearity=nonlinearity, **options)
    with torch.no_grad():
        for number, cell in enumerate(core.cells):
            layer, direction = divmod(number, core.directions)
            end = f"_l{layer}" + ("_reverse" if direction else "")
            for ours, theirs in (
                ("input_weight", "weight_ih"),
                ("recurrent_weight", "weight_hh"),
                ("input_bias", "bias_ih"),
                ("recurrent_bias", "bias_hh"),
            ):
                getattr(peer, theirs + end).copy_(getattr(cell, ours))
    return peer


def torch_state(state: tuple[Tensor, ...], kind: str) -> Tensor | tuple[Tensor, Tensor]:
    if kind == "lstm":
        return torch.stack(state[0::2]), torch.stack(state[1::2])
    return torch.stack(state)


def our_state(state: Tensor | tuple[Tensor, Tensor], kind: str) -> tuple[Tensor, ...]:
    if kind == "lstm":
        return tuple(part for pair in zip(*state, strict=True) for part in pair)
    return tuple(state)  # type: ignore[arg-type]


def randomise(core: Recurrent) -> None:
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.uniform_(-0.4, 0.4)


@pytest.mark.parametrize("lengths", [None, [7, 3, 7, 1, 5]], ids=["full", "lengths"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_state_and_gradients_equal_torch(
    kind: str, layers: int, bidirectional: bool, lengths: list[int] | None
) -> None:
    torch.manual_seed(1)
    core = Recurrent(kind, 6, 10, layers, bidirectional=bidirectional)  # type: ignore[arg-type]
    randomise(core)
    peer = peer_of(core, kind, 6, 10)
    ours = torch.randn(5, 7, 6, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    state = tuple(torch.randn_like(part) for part in core.start(5))
    mask = None
    packed: Tensor | nn.utils.rnn.PackedSequence = theirs
    if lengths:
        mask = torch.arange(7) < torch.tensor(lengths)[:, None]
        packed = nn.utils.rnn.pack_padded_sequence(
            theirs, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
    outputs, end = core(ours, state, mask=mask)
    expected, expected_end = peer(packed, torch_state(state, kind))
    if lengths:
        expected, _ = nn.utils.rnn.pad_packed_sequence(expected, batch_first=True, total_length=7)
    torch.testing.assert_close(outputs, expected, atol=2e-6, rtol=1e-5)
    for part, expected_part in zip(end, our_state(expected_end, kind), strict=True):
        torch.testing.assert_close(part, expected_part, atol=2e-6, rtol=1e-5)

    weight = torch.randn_like(outputs)
    (outputs * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    peers = dict(peer.named_parameters())
    for number, cell in enumerate(core.cells):
        layer, direction = divmod(number, core.directions)
        name = f"weight_hh_l{layer}" + ("_reverse" if direction else "")
        torch.testing.assert_close(
            cell.recurrent_weight.grad, peers[name].grad, atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_equals_forward(kind: str) -> None:
    core = Recurrent(kind, 5, 8, layers=3)  # type: ignore[arg-type]
    inputs = torch.randn(4, 9, 5)
    outputs, end = core(inputs, mask=None)
    state = core.start(4)
    for position in range(9):
        output, state = core.step(inputs[:, position], state)
        torch.testing.assert_close(output, outputs[:, position], atol=1e-6, rtol=1e-5)
    for part, expected in zip(state, end, strict=True):
        torch.testing.assert_close(part, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_two_halves_with_carried_state_equal_the_whole(kind: str) -> None:
    core = Recurrent(kind, 5, 8, layers=2)  # type: ignore[arg-type]
    inputs = torch.randn(3, 10, 5)
    whole, end = core(inputs, mask=None)
    first, state = core(inputs[:, :4], mask=None)
    second, final = core(inputs[:, 4:], state, mask=None)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-6, rtol=1e-5)
    for part, expected in zip(final, end, strict=True):
        torch.testing.assert_close(part, expected, atol=1e-6, rtol=1e-5)


def test_padding_is_neither_read_nor_written() -> None:
    core = Recurrent("lstm", 4, 6, layers=2, bidirectional=True)
    inputs = torch.randn(3, 8, 4)
    mask = torch.arange(8) < torch.tensor([8, 2, 0])[:, None]
    outputs, end = core(inputs, mask=mask)
    spoiled = inputs.masked_fill(~mask[..., None], float("nan"))
    again, end_again = core(spoiled, mask=mask)
    assert torch.equal(outputs, again)
    assert all(torch.equal(a, b) for a, b in zip(end, end_again, strict=True))
    assert torch.equal(outputs[~mask], torch.zeros_like(outputs[~mask]))
    assert torch.equal(end[0][2], torch.zeros(6))  # an empty row's state is its start


def test_a_mask_with_a_gap_is_refused() -> None:
    core = Recurrent("gru", 4, 6)
    with pytest.raises(ValueError, match="gap"):
        core(torch.randn(1, 3, 4), mask=torch.tensor([[True, False, True]]))


def test_a_bidirectional_network_has_no_step() -> None:
    core = Recurrent("gru", 4, 6, bidirectional=True)
    with pytest.raises(ValueError, match="no step"):
        core.step(torch.randn(1, 4), core.start(1))


def test_relu_network_starts_as_the_identity() -> None:
    """Le, Jaitly and Hinton 2015: with nothing new to read, the state stays what it is."""
    core = Recurrent("relu-rnn", 3, 5)
    state = (torch.rand(2, 5),)
    outputs, (end,) = core(torch.zeros(2, 6, 3), state, mask=None)
    torch.testing.assert_close(end, state[0])
    torch.testing.assert_close(outputs[:, 0], state[0])


def test_weight_drop_cuts_the_same_connections_at_every_step() -> None:
    torch.manual_seed(0)
    core = Recurrent("rnn", 4, 40, weight_drop=0.5)
    dropped = core.cells[0].weights()[1]  # type: ignore[operator, index]
    share = (dropped == 0).float().mean().item()
    assert 0.4 < share < 0.6
    core.eval()
    assert torch.equal(core.cells[0].weights()[1], core.cells[0].recurrent_weight)  # type: ignore
    core.train()
    outputs, _ = core(torch.randn(2, 5, 4), mask=None)
    assert outputs.requires_grad


def test_locked_dropout_has_one_mask_for_all_positions() -> None:
    torch.manual_seed(0)
    ones = torch.ones(3, 50, 20)
    locked = dropout(ones, 0.5, True, locked=True)
    assert torch.equal(locked, locked[:, :1].expand_as(locked))
    assert set(locked.unique().tolist()) == {0.0, 2.0}
    free = dropout(ones, 0.5, True, locked=False)
    assert not torch.equal(free, free[:, :1].expand_as(free))
    assert dropout(ones, 0.5, False, locked=True) is ones


def test_reverse_turns_each_row_within_its_length() -> None:
    rows = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    assert reverse(rows, torch.tensor([4, 2])).tolist() == [[4, 3, 2, 1], [6, 5, 0, 0]]
    assert reverse(rows, None).tolist() == [[4, 3, 2, 1], [0, 0, 6, 5]]


def test_under_autocast_the_products_are_bfloat16_and_close() -> None:
    torch.manual_seed(0)
    core = Recurrent("lstm", 16, 32)
    inputs = torch.randn(4, 12, 16)
    exact, _ = core(inputs, mask=None)
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = core(inputs, mask=None)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=2e-2, rtol=0)
    rough.float().sum().backward()
    assert core.cells[0].input_weight.grad.dtype == torch.float32  # type: ignore[union-attr]


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_cuda_equals_cpu(kind: str) -> None:
    core = Recurrent(kind, 6, 10, layers=2)  # type: ignore[arg-type]
    inputs = torch.randn(5, 7, 6)
    mask = torch.arange(7) < torch.tensor([7, 3, 7, 1, 5])[:, None]
    expected, _ = core(inputs, mask=mask)
    outputs, _ = core.cuda()(inputs.cuda(), mask=mask.cuda())
    torch.testing.assert_close(outputs.cpu(), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_a_mask_keeps_the_mean_and_drops_the_share(probability: float) -> None:
    torch.manual_seed(0)
    mask = keep_mask(torch.empty(0), (333, 301), probability)
    assert abs(float((mask == 0).float().mean()) - probability) < 0.01
    assert abs(float(mask.mean()) - 1) < 0.03
    assert mask.unique().numel() == 2
    torch.manual_seed(0)
    assert torch.equal(mask, keep_mask(torch.empty(0), (333, 301), probability))


@pytest.mark.parametrize("kind", get_args(CellKind))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_read_is_forward_without_a_state(kind: CellKind, bidirectional: bool) -> None:
    core = Recurrent(kind, 3, 5, layers=2, bidirectional=bidirectional)
    inputs = torch.randn(4, 6, 3)
    mask = torch.arange(6) < torch.tensor([6, 1, 4, 4])[:, None]
    outputs, state = core(inputs, mask=mask)
    parts = len(state) // (2 * core.directions)
    found, last = core.read(inputs, mask=mask)
    torch.testing.assert_close(found, outputs)
    torch.testing.assert_close(last, torch.cat(state[-parts * core.directions :: parts], dim=1))
    with pytest.raises(ValueError, match="gap"):
        core.read(inputs, mask=mask.flip(1))
