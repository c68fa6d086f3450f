"""How to train, and what a model answers to a batch: what passes between a model and the loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from torch import Tensor

from corpora.errors import UsageError, check_choice, check_positive
from nlp.core.device import Precision
from nlp.core.optimization import OptimizerKind, ScheduleKind


class Loss(NamedTuple):
    """What a model makes of a batch."""

    mean: Tensor  # [], with gradient
    targets: int  # that the mean is over
    carry: tuple[Tensor, ...] | None = None  # handed to the next batch's loss, detached


@dataclass(frozen=True)
class Recipe:
    """How to train. Every model's `train` fills one in from its own arguments."""

    steps: int | None  # optimizer steps in all; None leaves it to `minutes`
    learning_rate: float
    optimizer: OptimizerKind = "adamw"
    schedule: ScheduleKind = "cosine"
    warmup_steps: int = 100
    weight_decay: float = 0.0
    clip_norm: float = 1.0  # longest gradient; 0 does not clip
    accumulate: int = 1  # batches per optimizer step
    average: int = 1  # of the best evaluations' weights, whose mean is tried at the end
    evaluate_every: int | None = None  # optimizer steps; None evaluates twelve times
    log_every: int = 10
    save_every: int | None = None  # optimizer steps; None saves at each evaluation
    patience: int | None = None  # evaluations without improvement after which to stop
    minutes: float | None = None  # ends the run, and the schedule, by the clock
    precision: Precision = "auto"
    device: str = "auto"
    seed: int = 0

    @classmethod
    def of(cls, arguments: Mapping[str, Any], batches: int) -> Recipe:
        """The recipe in the arguments of a model's `train`, whose `epochs` of so many batches
        count where neither `steps` nor `minutes` is given."""
        names = {field.name for field in fields(cls)}
        chosen = {name: value for name, value in arguments.items() if name in names}
        if chosen["steps"] is None and chosen["minutes"] is None:
            check_positive(epochs=arguments["epochs"], accumulate=arguments["accumulate"])
            chosen["steps"] = math.ceil(arguments["epochs"] * batches / arguments["accumulate"])
        return cls(**chosen)

    def __post_init__(self) -> None:
        """Raises a UsageError for numbers that cannot be meant."""
        if self.steps is None and self.minutes is None:
            raise UsageError("neither steps nor minutes: say how long to train")
        counts = ("learning_rate", "accumulate", "average", "log_every")
        limits = ("steps", "minutes", "evaluate_every", "save_every", "patience")
        check_positive(**{name: getattr(self, name) for name in counts})
        check_positive(**{n: getattr(self, n) for n in limits if getattr(self, n) is not None})
        for name in ("warmup_steps", "weight_decay", "clip_norm"):
            if not getattr(self, name) >= 0:  # so that NaN is refused too
                raise UsageError(f"{name} is {getattr(self, name)}: expected 0 or more")
        if not 0 <= self.seed < 1 << 63:
            raise UsageError(f"seed is {self.seed}: expected 0 or more, and below 2^63")
        check_choice("optimizer", self.optimizer, OptimizerKind)
        check_choice("schedule", self.schedule, ScheduleKind)
        check_choice("precision", self.precision, Precision)
