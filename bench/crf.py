"""The linear-chain CRF: ours beside pytorch-crf, same parameters, same numbers.

    python -m bench.crf                    # needs pytorch-crf
    python -m bench.crf --device cuda

A training step is the loss and its gradient with regard to emissions and transitions; a decoding
is the best path of each row. 32 rows of 20 tags, once all as long as the batch, and once of mixed
lengths. Before anything is timed, both must agree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bench.harness import alternate, save, table, use_cores
from nlp.core.crf import LinearChainCRF

BATCH, TAGS = 32, 20
LENGTHS = (50, 500)
NAMES = {"start": "start_transitions", "transitions": "transitions", "end": "end_transitions"}


class Pair:
    """Both at the same parameters, with a batch of random emissions."""

    def __init__(self, time: int, device: str, *, mixed: bool) -> None:
        from torchcrf import CRF

        generator = torch.Generator().manual_seed(0)
        self.ours = LinearChainCRF(TAGS)
        self.theirs = CRF(TAGS, batch_first=True)
        with torch.no_grad():
            for our_name, their_name in NAMES.items():
                values = getattr(self.ours, our_name)
                values.copy_(torch.randn(values.shape, generator=generator))
                getattr(self.theirs, their_name).copy_(values)
        emissions = torch.randn(BATCH, time, TAGS, generator=generator)
        self.emissions = emissions.to(device).requires_grad_()
        self.tags = torch.randint(TAGS, (BATCH, time), generator=generator).to(device)
        lengths = torch.randint(time // 4, time + 1, (BATCH,), generator=generator)
        lengths[0] = time
        if not mixed:
            lengths[:] = time
        self.mask = (torch.arange(time) < lengths[:, None]).to(device)
        self.ours, self.theirs = self.ours.to(device), self.theirs.to(device)

    def forget(self) -> None:
        """Gradients of the last step."""
        self.emissions.grad = None
        for model in (self.ours, self.theirs):
            model.zero_grad()

    def our_step(self) -> Tensor:
        loss = self.ours.loss(self.emissions, self.tags, self.mask)
        loss.backward()
        return _finished(loss)

    def their_step(self) -> Tensor:
        loss = -self.theirs(self.emissions, self.tags, self.mask, reduction="token_mean")
        loss.backward()
        return _finished(loss)

    def our_paths(self) -> list[list[int]]:
        paths, _ = self.ours.viterbi(self.emissions, self.mask)
        lengths = self.mask.sum(1).tolist()
        return [path[:length] for path, length in zip(paths.tolist(), lengths, strict=True)]

    def their_paths(self) -> list[list[int]]:
        with torch.no_grad():
            paths: list[list[int]] = self.theirs.decode(self.emissions, self.mask)
        return paths

    def check(self) -> dict[str, float]:
        """The largest differences of losses and gradients; ends the program where they matter."""
        losses, gradients = [], []
        for step, model, names in (
            (self.our_step, self.ours, NAMES.keys()),
            (self.their_step, self.theirs, NAMES.values()),
        ):
            self.forget()
            losses.append(float(step().detach()))
            parts = [self.emissions, *(getattr(model, name) for name in names)]
            gradients.append([part.grad.clone() for part in parts])
        far = max(float((a - b).abs().max()) for a, b in zip(*gradients, strict=True))
        apart = abs(losses[0] - losses[1])
        same = sum(a == b for a, b in zip(self.our_paths(), self.their_paths(), strict=True))
        if apart > 1e-4 * losses[1] or far > 1e-4 or same < BATCH:
            sys.exit(f"not the same: losses {losses}, gradients {far}, {same} paths of {BATCH}")
        return {"loss": losses[0], "loss_difference": apart, "gradient_difference": far}


def _finished(result: Tensor) -> Tensor:
    if result.device.type == "cuda":
        torch.cuda.synchronize()
    return result


def measure(time: int, mixed: bool, arguments: argparse.Namespace) -> dict[str, Any]:
    pair = Pair(time, arguments.device, mixed=mixed)
    result: dict[str, Any] = {"time": time, "mixed_lengths": mixed, **pair.check()}
    runs = {
        "step": {"ours": pair.our_step, "theirs": pair.their_step},
        "viterbi": {"ours": pair.our_paths, "theirs": pair.their_paths},
    }
    for name, contenders in runs.items():
        times = alternate(
            contenders, repeats=arguments.repeats, warm_up=2, before=lambda _: pair.forget()
        )
        for who, timing in times.items():
            result[f"{name}_{who}_milliseconds"] = round(1000 * timing.median, 3)
        result[f"{name}_times_as_fast"] = round(times["ours"].times_as_fast_as(times["theirs"]), 2)
    return result


def rows(results: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a table."""
    cells = []
    for shape in results["shapes"]:
        cells.append([f"{'up to ' if shape['mixed_lengths'] else ''}{shape['time']} positions"])
        for what in ("step", "viterbi"):
            milliseconds = (shape[f"{what}_{who}_milliseconds"] for who in ("ours", "theirs"))
            cells[-1] += [*map(str, milliseconds), f"{shape[f'{what}_times_as_fast']:.2f}x"]
    return [
        f"{BATCH} rows, {TAGS} tags",
        *("training step", "pytorch-crf", ""),
        *("Viterbi", "pytorch-crf", ""),
    ], cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=21, help="rounds")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(use_cores(2))
    try:
        import torchcrf  # noqa: F401
    except ImportError:
        sys.exit("skipped: the peer is not installed: pip install pytorch-crf")
    shapes = [measure(time, mixed, arguments) for time in LENGTHS for mixed in (False, True)]
    results = {"batch": BATCH, "tags": TAGS, "repeats": arguments.repeats, "shapes": shapes}
    print(table(*rows(results)))
    name = "crf" if arguments.device == "cpu" else f"crf_{arguments.device}"
    print(save(name, results, packages=("torch", "pytorch-crf")))


if __name__ == "__main__":
    main()
