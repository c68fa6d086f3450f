"""Everything a killed run needs to go on as if nothing had happened.

One safetensors file holds weights, optimizer, averages, the carried state and the random-number
generators as tensors, and the counters as JSON in its header; it is replaced all at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from corpora.errors import UsageError, writing_to
from corpora.writing import write_text
from nlp.core.checkpoint import read_tensors, write_tensors
from nlp.core.optimization import Averager, Plateau

FOLDER = "training"
STATE = "state.safetensors"
METRICS = "metrics.jsonl"


@dataclass
class Counters:
    """Where a run is."""

    step: int = 0  # optimizer steps done
    epoch: int = 0
    batch: int = 0  # batches of this epoch done
    seconds: float = 0.0  # of training, over all its parts
    first_loss: float | None = None
    best_loss: float | None = None
    best_score: float | None = None
    best_step: int = 0
    evaluations_since_best: int = 0
    plateau_factor: float = 1.0
    averaged_steps: int = 0
    losses: list[float] = field(default_factory=list)
    unreported: list[float] = field(default_factory=list)  # sums since the last report


def save_state(
    folder: Path,
    counters: Counters,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    carry: tuple[Tensor, ...] | None,
    plateau: Plateau,
    averager: Averager | None,
) -> None:
    """Replaces the state of the run in a model folder."""
    counters.plateau_factor = plateau.factor
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    tensors |= {f"carry.{number}": part for number, part in enumerate(carry or ())}
    if averager is not None:
        counters.losses, counters.averaged_steps = averager.losses, averager.count
        tensors |= {f"average.{number}": mean for number, mean in enumerate(averager.means)}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        for number, generator in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"random.cuda.{number}"] = generator
    write_tensors(folder / FOLDER / STATE, tensors, asdict(counters))


def load_state(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    plateau: Plateau,
    averager: Averager | None,
    device: torch.device,
) -> tuple[Counters, tuple[Tensor, ...] | None]:
    """Puts a run back to where its state was saved; returns its counters and carried state.

    Raises:
        UsageError: the file is missing, damaged or from another run.
    """
    path = folder / FOLDER / STATE
    tensors, about = read_tensors(path)
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    try:
        counters = Counters(**about)
        model.load_state_dict(groups["model"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in groups.get("optimizer", {}).items():
            number, _, rest = name.partition(".")
            moments.setdefault(int(number), {})[rest] = tensor
        optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
        _lay_out(optimizer)
        torch.set_rng_state(groups["random"].pop("cpu"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"{path} does not belong to this run: start anew in another folder"
        ) from error
    plateau.factor = counters.plateau_factor
    if averager is not None:
        averager.losses, averager.count = counters.losses, counters.averaged_steps
        averager.means = [tensor.to(device) for tensor in numbered(groups.get("average", {}))]
    # A run may go on where there are fewer GPUs.
    generators = numbered(groups["random"])[: torch.cuda.device_count()]
    for device_number, generator in enumerate(generators):
        torch.cuda.set_rng_state(generator, device_number)
    carry = tuple(tensor.to(device) for tensor in numbered(groups.get("carry", {})))
    return counters, carry or None


def numbered(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """Values in the order of the number their names end in."""
    return [tensors[name] for name in sorted(tensors, key=lambda name: int(name.split(".")[-1]))]


class MetricsLog:
    """`metrics.jsonl`: a line of JSON per report, for plots and for machines."""

    def __init__(self, folder: Path, last_step: int) -> None:
        """Goes on after `last_step`: a killed run may have logged steps that are done again."""
        self.path = folder / METRICS
        kept = [row for row in read_metrics(self.path) if row["step"] <= last_step]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))

    def write(self, row: Mapping[str, Any]) -> None:
        with writing_to(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics log; a last line cut short by a kill is left out."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Moments in memory as their parameters are: those of convolutions are not in the order in
    which a file has them, and steps over two orders are slower and round differently."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
