"""What a training run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """Means over the steps since the last one."""

    step: int
    fraction: float  # of the run that is done
    epoch: int
    loss: float  # nats
    metrics: Mapping[str, float]  # the loss in the task's own units
    gradient_norm: float  # before clipping
    learning_rate: float
    items_per_second: float  # targets trained on
    seconds_left: float


@dataclass(frozen=True)
class Evaluation:
    """A look at the validation data."""

    step: int
    loss: float
    metrics: Mapping[str, float]
    best: bool  # so far, and so the model that is kept


@dataclass(frozen=True)
class Epoch:
    """A whole pass over the corpus is done."""

    number: int  # from 1
    epochs: int
    loss: float  # nats per prediction
    words_per_second: float  # read so far


@dataclass(frozen=True)
class Remark:
    """Something to tell: a sample of what the model writes, why the run ends."""

    text: str
    kind: Literal["note", "sample"] = "note"


Event = Progress | Evaluation | Epoch | Remark
