"""Optimizers, schedules and averages against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nlp.core.optimization import Averager, Plateau, build_optimizer, learning_rate_factor


def test_only_matrices_decay() -> None:
    for kind in ("adamw", "sgd", "nt-asgd"):
        model = nn.Linear(3, 2)
        optimizer = build_optimizer(kind, model, 0.1, 0.5)  # type: ignore[arg-type]
        before = [parameter.detach().clone() for parameter in (model.weight, model.bias)]
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        torch.testing.assert_close(model.weight.detach(), before[0] * (1 - 0.1 * 0.5))
        assert torch.equal(model.bias, before[1])


def test_sgd_is_a_step_down_the_gradient() -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer = build_optimizer("sgd", model, 0.5, 0.0)
    before = model.weight.item()
    model.weight.grad = torch.tensor([[3.0]])
    optimizer.step()
    assert model.weight.item() == pytest.approx(before - 1.5)


def test_frozen_parameters_stay() -> None:
    model = nn.Linear(3, 2)
    model.weight.requires_grad = False
    optimizer = build_optimizer("adamw", model, 0.1, 0.5)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("step", "progress", "expected"),
    [
        (0, 0.0, 1 / 5),  # the first of four steps of warm-up
        (3, 0.0, 4 / 5),
        (4, 0.0, 1.0),
        (50, 0.5, 0.02 + 0.98 / 2),
        (100, 1.0, 0.02),
        (120, 1.2, 0.02),  # over by the clock
        (80, 0.25, 0.02 + 0.98 * (1 + math.sqrt(0.5)) / 2),
    ],
)
def test_cosine(step: int, progress: float, expected: float) -> None:
    assert learning_rate_factor("cosine", step, progress, 4) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_the_others_rise_and_stay(schedule: str) -> None:
    factors = [learning_rate_factor(schedule, step, step / 9, 1) for step in range(9)]  # type: ignore[arg-type]
    assert factors == [0.5] + [1.0] * 8
    assert learning_rate_factor(schedule, 0, 0.0, 0) == 1.0  # type: ignore[arg-type]


def test_plateau_divides_where_nothing_improves() -> None:
    plateau = Plateau()
    factors = []
    for improved in (True, False, True, False):
        plateau.see(improved)
        factors.append(plateau.factor)
    assert factors == [1.0, 0.25, 0.25, 0.0625]


def test_averaging_begins_when_the_loss_is_worse_than_it_was_long_ago() -> None:
    weight = nn.Parameter(torch.zeros(2))
    averager = Averager([weight], interval=2)
    begun = []
    for loss in (5.0, 4.0, 4.5, 4.2, 4.1):
        averager.see(loss)
        begun.append(bool(averager.means))
    # 4.5 and 4.2 are worse than 4.0, but that was one of the last two evaluations before them.
    assert begun == [False, False, False, False, True]


def test_the_average_is_the_mean_since_it_began() -> None:
    weight = nn.Parameter(torch.tensor([7.0]))
    averager = Averager([weight], interval=1)
    averager.step()  # before it began: nothing
    averager.see(1.0)
    averager.see(1.0)
    averager.see(2.0)
    seen = [7.0]
    for value in (3.0, 11.0, -5.0):
        weight.data.fill_(value)
        averager.step()
        seen.append(value)
    assert averager.means[0].item() == pytest.approx(sum(seen) / len(seen))
    averager.swap()
    assert weight.item() == pytest.approx(4.0)
    averager.swap()
    assert weight.item() == -5.0


def test_swapping_before_it_began_changes_nothing() -> None:
    weight = nn.Parameter(torch.tensor([7.0]))
    Averager([weight]).swap()
    assert weight.item() == 7.0
