"""WikiText-2, word level as published: ours beside the way PyTorch's word-language-model example
trains, on two cores.

    UNROLLED_DATA=data python -m bench.wikitext2

Both are LSTMs of 2 layers and 200 units over 33,278 words. The peer follows the example: SGD with
learning rate 20, gradients clipped at 0.25, windows of 35, batch 20, dropout 0.2, untied weights,
float32. First the speed of both is measured in turn; then the peer trains for one epoch, and ours
for as long by the clock.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from bench.data import wikitext2_words
from bench.harness import alternate, save, table, use_cores
from bench.language_model import Ours
from bench.plain import PlainLSTM
from nlp.core.batching import Windows, token_frequencies
from nlp.core.recipe import Recipe
from nlp.core.scoring import mean_loss
from nlp.core.training import fit
from nlp.language_model import Config, LanguageModel

UNITS, LAYERS = 200, 2
DROPOUTS = {"embedding_dropout": 0.0, "input_dropout": 0.1, "dropout": 0.1, "output_dropout": 0.2}


class Example:
    """PyTorch's word-language-model example."""

    def __init__(self, vocabulary: int, train: np.ndarray) -> None:
        torch.manual_seed(0)
        self.model = PlainLSTM(vocabulary, UNITS, LAYERS, tied=False, dropout=0.2)
        self.windows = Windows(train, 20, 35)
        self.restart()

    def restart(self) -> None:
        self.batches, self.state = self.windows.epoch(0), None

    def steps(self, count: int | None = None) -> int:
        done = 0
        for inputs, targets in self.batches:
            self.model.zero_grad()
            loss, self.state = self.model.loss(inputs, targets, self.state)
            loss.backward()
            clip_grad_norm_(self.model.parameters(), 0.25)
            with torch.no_grad():
                for parameter in self.model.parameters():
                    parameter.add_(parameter.grad, alpha=-20)
            done += 1
            if done == count:
                break
        return done


def our_model(vocabulary: int) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(
        Config(
            vocabulary,
            embedding_size=UNITS,
            hidden_size=UNITS,
            layers=LAYERS,
            weight_drop=0.1,
            **DROPOUTS,
        )
    )


@torch.no_grad()
def perplexity(model: Any, ids: np.ndarray) -> float:
    """Of either model, in float32, ten streams side by side as the example evaluates."""
    windows, model = Windows(ids, 10, 35), model.eval()
    if isinstance(model, LanguageModel):
        return math.exp(mean_loss(model, windows))
    total, count, state = 0.0, 0, None
    for inputs, targets in windows.epoch(0):
        loss, state = model.loss(inputs, targets, state)
        total, count = total + float(loss) * targets.numel(), count + targets.numel()
    return math.exp(total / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="steps in a round of the speed test")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of it")
    parser.add_argument("--share", type=float, default=1.0, help="of the epoch, for a quick look")
    parser.add_argument("--time", type=float, default=1.0, help="ours, as a part of the peer's")
    arguments = parser.parse_args()
    torch.set_num_threads(use_cores(2))
    ids, vocabulary = wikitext2_words()
    train = ids["train"][: int(arguments.share * len(ids["train"]))]

    ours = Ours(our_model(vocabulary), Windows(train, 20, 35), "cpu")
    example = Example(vocabulary, train)
    times = alternate(
        {
            "ours": lambda: ours.steps(arguments.steps),
            "example": lambda: example.steps(arguments.steps),
        },
        repeats=arguments.repeats,
        warm_up=1,
    )
    speeds = {
        "ours": arguments.steps * 20 * 35 / times["ours"].median,
        "example": arguments.steps * 20 * 35 / times["example"].median,
    }
    print({name: round(speed) for name, speed in speeds.items()})

    example = Example(vocabulary, train)
    begin = time.perf_counter()
    example.steps()
    minutes = (time.perf_counter() - begin) / 60
    results: dict[str, Any] = {
        "example": {
            "tokens_per_second": round(speeds["example"]),
            "validation_perplexity": round(perplexity(example.model, ids["valid"]), 2),
            "minutes": round(minutes, 2),
            "epochs": 1,
        }
    }
    print(results)
    model, windows = our_model(vocabulary), Windows(train, 20, 35, seed=0)
    model.decoder.begin_at(token_frequencies(train, vocabulary))
    held_out = Windows(ids["valid"], 32, 64)
    with tempfile.TemporaryDirectory() as folder:
        outcome = fit(
            model,
            windows,
            recipe=Recipe(
                steps=None,
                minutes=arguments.time * minutes,
                learning_rate=5e-3,
                evaluate_every=1_000_000,  # at the end only: the peer does not stop to look either
            ),
            folder=Path(folder),
            evaluate=lambda: mean_loss(model, held_out),
            report=lambda event: print(event) if hasattr(event, "best") else None,
        )
    results["ours"] = {
        "tokens_per_second": round(speeds["ours"]),
        "validation_perplexity": round(perplexity(model, ids["valid"]), 2),
        "minutes": round(outcome.seconds / 60, 2),
        "epochs": round(outcome.step / len(windows), 2),
    }
    ratio = speeds["ours"] / speeds["example"]
    lower = (
        1 - results["ours"]["validation_perplexity"] / results["example"]["validation_perplexity"]
    )
    results |= {"times_as_fast": round(ratio, 2), "perplexity_lower_percent": round(100 * lower, 1)}
    headings = ["", "tokens/s", "validation perplexity", "minutes", "epochs"]
    print(table(headings, [[name, *results[name].values()] for name in ("example", "ours")]))
    print(save("wikitext2", results, packages=("torch",)))


if __name__ == "__main__":
    main()
