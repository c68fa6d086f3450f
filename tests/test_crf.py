"""The CRF against the enumeration of all its paths."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nlp.core.crf import Allowed, LinearChainCRF
from nlp.core.forward_backward import Logarithmic, Scaled

Path = tuple[int, ...]


def every_path(crf: LinearChainCRF, emissions: Tensor) -> list[tuple[float, Path]]:
    """All paths of one row `[time, tags]` with their scores, best first."""
    start, transitions, end = (part.detach().double() for part in crf.potentials())
    scored = []
    for path in itertools.product(range(crf.tags), repeat=len(emissions)):
        score = start[path[0]] + end[path[-1]]
        score = score + sum(emissions[t, tag] for t, tag in enumerate(path))
        score = score + sum(transitions[pair] for pair in itertools.pairwise(path))
        scored.append((float(score), path))
    return sorted(scored, key=lambda pair: -pair[0])


def random_crf(
    tags: int, *, seed: int = 0, scale: float = 1.0, constrained: bool = False
) -> LinearChainCRF:
    draw = torch.Generator().manual_seed(seed)
    allowed = None
    if constrained:
        transitions = torch.rand(tags, tags, generator=draw) < 0.7
        transitions[0], transitions[:, 0] = True, True  # so that there is a path at any length
        start, end = torch.rand(2, tags, generator=draw) < 0.7
        start[0] = end[0] = True
        allowed = Allowed(start, transitions, end)
    crf = LinearChainCRF(tags, allowed=allowed).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale, generator=draw)
    return crf


def masked(lengths: list[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@given(
    tags=st.integers(1, 4),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    scale=st.sampled_from([0.0, 1.0, 30.0, 300.0]),
    constrained=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_everything_equals_enumeration(
    tags: int, lengths: list[int], scale: float, constrained: bool, seed: int
) -> None:
    crf = random_crf(tags, seed=seed, scale=scale, constrained=constrained)
    draw = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths), tags)
    emissions = scale * torch.randn(shape, generator=draw, dtype=torch.float64)
    mask = masked(lengths)
    marginals = crf.marginals(emissions, mask)
    partition = crf.log_partition(emissions, mask)
    paths, scores = crf.n_best(emissions, mask, 3)
    steps = marginals.spans(paths[:, 0])
    for row, length in enumerate(lengths):
        known = every_path(crf, emissions[row, :length])
        possible = [(score, path) for score, path in known if score > -math.inf]
        logs = torch.tensor([score for score, _ in possible], dtype=torch.float64)
        whole = logs.logsumexp(0)
        assert partition[row].item() == pytest.approx(whole.item(), abs=1e-8)
        chances = (logs - whole).exp()
        for position, tag in itertools.product(range(length), range(tags)):
            expected = sum(
                c.item() for c, (_, p) in zip(chances, possible, strict=True) if p[position] == tag
            )
            assert marginals.unary[row, position, tag].item() == pytest.approx(expected, abs=1e-9)
        for rank, (score, _) in enumerate(possible[:3]):
            assert scores[row, rank].item() == pytest.approx(score)
            found = tuple(paths[row, rank, :length].tolist())
            assert {p: s for s, p in possible}[found] == pytest.approx(score)
        assert len({tuple(path.tolist()) for path in paths[row][: len(possible)]}) == min(
            3, len(possible)
        )
        # the probability of a part of the best path, whatever stands around it
        best = paths[row, 0, :length].tolist()
        for begin, end in itertools.combinations(range(length + 1), 2):
            expected = sum(
                chance.item()
                for chance, (_, path) in zip(chances, possible, strict=True)
                if list(path[begin:end]) == best[begin:end]
            )
            told = marginals.unary[row, begin, best[begin]] * steps[row, begin + 1 : end].prod()
            assert told.item() == pytest.approx(expected, abs=1e-9)
        assert paths[row, :, length:].eq(0).all()


@pytest.mark.parametrize("scale", [1.0, 200.0])
@pytest.mark.parametrize("constrained", [False, True])
def test_gradients_are_right(scale: float, constrained: bool) -> None:
    crf = random_crf(3, scale=scale, constrained=constrained)
    mask = masked([4, 1, 3])
    emissions = scale * torch.randn(3, 4, 3, dtype=torch.float64)
    emissions.requires_grad_()
    kind = Scaled if scale == 1 else Logarithmic
    assert isinstance(crf.marginals(emissions.detach(), mask).sums, kind)

    def partition(emissions: Tensor, *_: Tensor) -> Tensor:
        return crf.log_partition(emissions, mask)

    assert torch.autograd.gradcheck(partition, (emissions, *crf.parameters()))
    tags = crf.viterbi(emissions, mask)[0]
    assert torch.autograd.gradcheck(
        lambda emissions, *_: crf.loss(emissions, tags, mask), (emissions, *crf.parameters())
    )


def test_loss_is_that_of_autograd_through_the_plain_recursion() -> None:
    crf = random_crf(5, seed=3)
    mask = masked([6, 2, 9, 9])
    emissions = torch.randn(4, 9, 5, dtype=torch.float64, requires_grad=True)
    tags = torch.randint(5, (4, 9))
    loss = crf.loss(emissions, tags, mask)
    gradients = torch.autograd.grad(loss, [emissions, *crf.parameters()])
    nats = torch.zeros((), dtype=torch.float64)
    for row, length in enumerate([6, 2, 9, 9]):
        ahead = crf.start + emissions[row, 0]
        score = crf.start[tags[row, 0]] + emissions[row, 0, tags[row, 0]]
        for t in range(1, length):
            ahead = (ahead[:, None] + crf.transitions).logsumexp(0) + emissions[row, t]
            here, before = tags[row, t], tags[row, t - 1]
            score = score + crf.transitions[before, here] + emissions[row, t, here]
        nats = nats + (ahead + crf.end).logsumexp(0) - score - crf.end[tags[row, length - 1]]
    plain = nats / mask.sum()
    assert loss.item() == pytest.approx(plain.item())
    expected = torch.autograd.grad(plain, [emissions, *crf.parameters()])
    for found, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_padding_and_order_change_nothing() -> None:
    crf = random_crf(4, constrained=True).float()
    lengths = [5, 2, 7]
    emissions, mask = torch.randn(3, 7, 4), masked(lengths)
    wide = torch.nn.functional.pad(emissions, (0, 0, 0, 4), value=1e4)
    wide_mask = torch.nn.functional.pad(mask, (0, 4))
    order = torch.tensor([2, 0, 1])
    tags = crf.viterbi(emissions, mask)[0]
    expected = crf.marginals(emissions, mask)
    for scores, real, rows in (
        (wide, wide_mask, torch.arange(3)),
        (emissions[order], mask[order], order),
        (emissions[:1], mask[:1], torch.tensor([0])),
    ):
        found = crf.marginals(scores, real)
        torch.testing.assert_close(found.log_partition, expected.log_partition[rows])
        torch.testing.assert_close(found.unary[:, :7], expected.unary[rows])
        assert torch.equal(crf.viterbi(scores, real)[0][:, :7], tags[rows])
    padded = torch.nn.functional.pad(tags, (0, 4), value=3)
    torch.testing.assert_close(crf.loss(wide, padded, wide_mask), crf.loss(emissions, tags, mask))


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_ten_thousand_positions(scale: float) -> None:
    """Where all transitions score 0, log Z is a sum over positions."""
    crf = LinearChainCRF(3)
    emissions = scale * torch.randn(2, 10_000, 3)
    mask = torch.ones(2, 10_000, dtype=torch.bool)
    marginals = crf.marginals(emissions, mask)
    expected = emissions.double().logsumexp(2).sum(1)
    torch.testing.assert_close(marginals.log_partition.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(marginals.unary, emissions.double().softmax(2), rtol=1e-3, atol=1e-6)
    assert torch.equal(crf.viterbi(emissions, mask)[0], emissions.argmax(2))


def test_without_learning_it_is_a_softmax() -> None:
    crf = LinearChainCRF(4, learned=False)
    emissions, mask = torch.randn(3, 6, 4), masked([6, 3, 5])
    assert not any(parameter.requires_grad for parameter in crf.parameters())
    tags = torch.randint(4, (3, 6))
    expected = torch.nn.functional.cross_entropy(emissions[mask], tags[mask])
    torch.testing.assert_close(crf.loss(emissions, tags, mask), expected)


def test_temperature_flattens_and_keeps_the_order_of_paths() -> None:
    crf = random_crf(3, seed=1)
    emissions, mask = 3 * torch.randn(1, 4, 3, dtype=torch.float64), masked([4])
    known = every_path(crf, emissions[0])
    for temperature in (0.5, 2.0):
        logs = torch.tensor([score / temperature for score, _ in known], dtype=torch.float64)
        first = [c for c, (_, p) in zip(logs.softmax(0), known, strict=True) if p[0] == 1]
        found = crf.marginals(emissions, mask, temperature).unary[0, 0, 1]
        assert found.item() == pytest.approx(sum(first).item())


@pytest.mark.gpu
def test_a_gpu_counts_alike() -> None:
    crf, emissions, mask = random_crf(5).float(), torch.randn(3, 8, 5), masked([8, 2, 5])
    expected, tags = crf.marginals(emissions, mask).unary, crf.viterbi(emissions, mask)[0]
    crf = crf.cuda()
    found = crf.marginals(emissions.cuda(), mask.cuda()).unary
    torch.testing.assert_close(found.cpu(), expected)
    assert torch.equal(crf.viterbi(emissions.cuda(), mask.cuda())[0].cpu(), tags)
