"""What turns gradients into weights: optimizers, learning-rate schedules, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

OptimizerKind = Literal["adamw", "sgd", "nt-asgd"]
ScheduleKind = Literal["cosine", "plateau", "constant"]


def build_optimizer(
    kind: OptimizerKind, model: nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019) or plain SGD, which NT-ASGD is before it averages.

    Weight decay shrinks matrices only: biases carry no capacity worth shrinking.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if kind == "adamw":
        fused = parameters[0].device.type in ("cpu", "cuda")
        return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), fused=fused)
    return torch.optim.SGD(groups, lr=learning_rate)


def learning_rate_factor(
    schedule: ScheduleKind, step: int, progress: float, warmup_steps: int, last: float = 0.02
) -> float:
    """What the learning rate is multiplied with at `step`.

    It rises linearly over the warm-up, but over no more than a tenth of the run; under `cosine` it
    then falls along half a cosine to `last` as `progress` goes from 0 to 1. `plateau` is not a
    function of the step: `Plateau` holds it.
    """
    rise = min(1.0, max((step + 1) / (warmup_steps + 1), 10 * progress))
    if schedule != "cosine":
        return rise
    return rise * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


class Plateau:
    """Divides the learning rate each time the validation loss fails to improve."""

    def __init__(self, divisor: float = 4.0) -> None:
        self.divisor, self.factor = divisor, 1.0

    def see(self, improved: bool) -> None:
        """Hears of an evaluation."""
        if not improved:
            self.factor /= self.divisor


class Averager:
    """The mean of the weights since the validation loss stopped falling (Merity et al. 2018).

    Non-monotonically triggered: averaging begins when the loss is worse than the best of those at
    least `interval` evaluations ago.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], interval: int = 5) -> None:
        self.parameters = list(parameters)
        self.interval = interval
        self.losses: list[float] = []
        self.count = 0  # steps in the mean; 0 while it has not begun
        self.means: list[Tensor] = []

    def see(self, loss: float) -> None:
        """Hears of an evaluation."""
        earlier = self.losses[: -self.interval] if self.interval else self.losses
        if not self.means and earlier and loss > min(earlier):
            self.means = [parameter.detach().clone() for parameter in self.parameters]
            self.count = 1
        self.losses.append(loss)

    @torch.no_grad()
    def step(self) -> None:
        """Hears of an optimizer step."""
        if self.means:
            self.count += 1
            torch._foreach_lerp_(self.means, list[Tensor](self.parameters), 1 / self.count)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges weights and means, where there are any; twice is as before."""
        for parameter, mean in zip(self.parameters, self.means, strict=False):
            weights = parameter.clone()
            parameter.copy_(mean)
            mean.copy_(weights)
