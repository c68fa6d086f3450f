"""Training speed and memory: ours beside torch.nn.LSTM + nn.Linear + F.cross_entropy in float32.

    UNROLLED_DATA=data python -m bench.language_model            # all shapes
    python -m bench.language_model --steps 20 --device cuda

Both have the same shape, the same first weights, the same batches of WikiText-2, tied weights, no
dropout, fused AdamW and gradient clipping; the loss on held-out text after the same number of steps
is measured in float32 for both. Peak memory is that of a process that trains one of them only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from bench.data import wikitext2_ids
from bench.harness import alternate, peak_memory, save, table, use_cores
from bench.plain import PlainLSTM, copy_weights
from nlp.core.batching import Windows
from nlp.core.optimization import build_optimizer
from nlp.core.scoring import mean_loss
from nlp.core.training import _LossModule, start_accelerator
from nlp.language_model import Config, LanguageModel

SHAPES = ((256, 1, 8192), (256, 1, 32768), (512, 2, 8192), (512, 2, 32768))
BATCH, WINDOW, RATE = 32, 64, 1e-3


class Ours:
    """Our model, trained as `nlp.core.training` trains it."""

    def __init__(self, model: LanguageModel, batches: Windows, device: str) -> None:
        self.accelerator = start_accelerator("auto", device)
        self.model = model.to(self.accelerator.device)
        optimizer = build_optimizer("adamw", model, RATE, 0.0)
        self.loss, self.optimizer = self.accelerator.prepare(_LossModule(model), optimizer)
        self.batches, self.carry = batches.epoch(0), None

    def steps(self, count: int) -> None:
        for _ in range(count):
            batch = next(self.batches)
            batch = type(batch)(*(part.to(self.accelerator.device) for part in batch))
            mean, _, self.carry = self.loss(batch, self.carry)
            self.accelerator.backward(mean)
            self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        _finish(self.accelerator.device)


class Plain:
    """The peer, trained as its users train it."""

    def __init__(self, model: PlainLSTM, batches: Windows, device: torch.device) -> None:
        self.model, self.device, self.state = model.to(device), device, None
        self.optimizer = torch.optim.AdamW(
            model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        self.batches = batches.epoch(0)

    def steps(self, count: int) -> None:
        for _ in range(count):
            inputs, targets = next(self.batches)
            loss, self.state = self.model.loss(
                inputs.to(self.device), targets.to(self.device), self.state
            )
            loss.backward()
            clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        _finish(self.device)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def pair(shape: tuple[int, int, int], ids: np.ndarray, device: str) -> tuple[Ours, Plain]:
    """Both contenders at the same weights."""
    hidden, layers, vocabulary = shape
    torch.manual_seed(0)
    none = {"embedding_dropout": 0, "input_dropout": 0, "dropout": 0, "output_dropout": 0}
    config = Config(
        vocabulary, embedding_size=hidden, hidden_size=hidden, layers=layers, weight_drop=0, **none
    )
    model = LanguageModel(config)
    plain = PlainLSTM(vocabulary, hidden, layers, tied=True)
    copy_weights(plain, iter(model.decoder.recurrent.cells), model.decoder.embedding)
    ours = Ours(model, Windows(ids, BATCH, WINDOW), device)
    return ours, Plain(plain, Windows(ids, BATCH, WINDOW), ours.accelerator.device)


def plain_loss(plain: Plain, windows: Windows) -> float:
    """Mean nats per token of the peer, as `mean_loss` measures ours."""
    total, count, state = 0.0, 0, None
    with torch.no_grad():
        for inputs, targets in windows.epoch(0):
            inputs, targets = inputs.to(plain.device), targets.to(plain.device)
            loss, state = plain.model.loss(inputs, targets, state)
            total, count = total + float(loss) * targets.numel(), count + targets.numel()
    return total / count


def measure(shape: tuple[int, int, int], arguments: argparse.Namespace) -> dict[str, Any]:
    train, validation = wikitext2_ids(shape[2])
    ours, plain = pair(shape, train, arguments.device)
    contenders: dict[str, Callable[[], None]] = {
        "ours": lambda: ours.steps(arguments.steps),
        "plain": lambda: plain.steps(arguments.steps),
    }
    times = alternate(contenders, repeats=arguments.repeats, warm_up=1)
    held_out = Windows(validation[: 64 * 1024], 32, WINDOW)
    losses = mean_loss(ours.model.eval(), held_out), plain_loss(plain, held_out)
    tokens = arguments.steps * BATCH * WINDOW
    result = {
        "hidden_size": shape[0],
        "layers": shape[1],
        "vocabulary_size": shape[2],
        "steps": arguments.steps * (arguments.repeats + 1),
        "ours_tokens_per_second": round(tokens / times["ours"].median),
        "plain_tokens_per_second": round(tokens / times["plain"].median),
        "times_as_fast": round(times["ours"].times_as_fast_as(times["plain"]), 2),
        "ours_validation_loss": round(losses[0], 4),
        "plain_validation_loss": round(losses[1], 4),
        "loss_difference_percent": round(100 * (losses[0] / losses[1] - 1), 3),
    }
    if arguments.device != "cuda":
        result |= memory(shape)
    return result


def memory(shape: tuple[int, int, int]) -> dict[str, Any]:
    """Peak memory, of the whole process and of the training alone: without the libraries."""
    ours, plain = _peak("ours", shape), _peak("plain", shape)
    return {
        "ours_peak_mb": ours[1] >> 20,
        "plain_peak_mb": plain[1] >> 20,
        "libraries_mb": ours[0] >> 20,
        "whole_process_ratio": round(ours[1] / plain[1], 3),
        "peak_memory_ratio": round((ours[1] - ours[0]) / (plain[1] - plain[0]), 3),
    }


def _peak(which: str, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Memory of a process of its own: when all is imported, and at its peak."""
    command = [sys.executable, "-m", "bench.language_model", "--peak", which]
    command += ["--shape", ",".join(map(str, shape))]
    before, peak = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return before, peak


def _report_peak(which: str, shape: tuple[int, int, int]) -> None:
    ids = np.random.default_rng(0).integers(shape[2], size=200_000).astype(np.uint16)
    start_accelerator("auto", "cpu")  # it imports much
    before = peak_memory()
    ours, plain = pair(shape, ids, "cpu")
    contender: Ours | Plain = ours if which == "ours" else plain
    del ours, plain
    contender.steps(4)
    print(json.dumps([before, peak_memory()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="optimizer steps in a round")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--shape", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(use_cores(2))
    if arguments.peak:
        _report_peak(arguments.peak, tuple(map(int, arguments.shape.split(","))))  # type: ignore
        return
    results = [measure(shape, arguments) for shape in SHAPES]
    headings = ["shape", "ours, tokens/s", "plain, tokens/s", "times", "loss, %", "peak memory"]
    rows = [
        [
            f"{r['hidden_size']} x {r['layers']}, {r['vocabulary_size']:,}",
            f"{r['ours_tokens_per_second']:,}",
            f"{r['plain_tokens_per_second']:,}",
            r["times_as_fast"],
            f"{r['loss_difference_percent']:+.2f}",
            r.get("peak_memory_ratio", ""),
        ]
        for r in results
    ]
    print(table(headings, rows))
    name = "language_model" if arguments.device == "cpu" else f"language_model_{arguments.device}"
    print(save(name, {"shapes": results}, packages=("torch", "accelerate")))


if __name__ == "__main__":
    main()
