"""Tiny Shakespeare, character by character: validation loss after three minutes on two cores.

    UNROLLED_DATA=data python -m bench.shakespeare

The first 90% of the file train, the last 10% are for validation, as nanoGPT splits it. The peer is
an LSTM of 384 units in plain torch.nn with AdamW, for the same three minutes; nanoGPT's own
setting for CPUs reports 1.88 after about as long. Losses are nats per character, once with the
state carried through the validation text and once on independent windows of 256 characters.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from bench.data import shakespeare
from bench.harness import save, table, use_cores
from bench.plain import PlainLSTM
from nlp.core.batching import Windows, token_frequencies
from nlp.core.recipe import Recipe
from nlp.core.scoring import corpus_perplexity, mean_loss
from nlp.core.tokenizer import Tokenizer
from nlp.core.training import fit
from nlp.language_model import Config, LanguageModel

OURS = {"hidden_size": 512, "layers": 1}


class Scored(torch.nn.Module):
    """The plain model under the contract that scoring asks for."""

    def __init__(self, plain: PlainLSTM, vocabulary_size: int) -> None:
        super().__init__()
        self.plain, self.vocabulary_size, self.device = plain, vocabulary_size, torch.device("cpu")

    def start(self, batch_size: int) -> tuple[torch.Tensor, ...]:
        size = (self.plain.lstm.num_layers, batch_size, self.plain.lstm.hidden_size)
        return tuple(part.transpose(0, 1) for part in (torch.zeros(size), torch.zeros(size)))

    def forward(self, ids: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        logits, end = self.plain(ids, tuple(part.transpose(0, 1).contiguous() for part in state))
        return logits, tuple(part.transpose(0, 1) for part in end)


def train_plain(vocabulary: int, train: np.ndarray, minutes: float) -> tuple[PlainLSTM, int]:
    torch.manual_seed(0)
    model = PlainLSTM(vocabulary, 384, 1, tied=False)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, fused=True)
    windows, epoch, steps = Windows(train, 32, 64, seed=0), 0, 0
    end = time.perf_counter() + 60 * minutes
    while True:
        state = None
        for inputs, targets in windows.epoch(epoch):
            loss, state = model.loss(inputs, targets, state)
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
            if time.perf_counter() > end:
                return model.eval(), steps
        epoch += 1


def train_ours(
    vocabulary: int, train: np.ndarray, validation: np.ndarray, **recipe: Any
) -> tuple[LanguageModel, int]:
    torch.manual_seed(0)
    hidden = OURS["hidden_size"]
    model = LanguageModel(Config(vocabulary, embedding_size=hidden, **OURS, **DROPOUTS))
    model.decoder.begin_at(token_frequencies(train, vocabulary))
    windows = Windows(train, 32, 32, seed=0)
    held_out = Windows(validation, 32, 256)
    with tempfile.TemporaryDirectory() as folder:
        outcome = fit(
            model,
            windows,
            recipe=Recipe(steps=None, learning_rate=RATE, **recipe),
            folder=Path(folder),
            evaluate=lambda: mean_loss(model, held_out),
            report=lambda event: print(event) if hasattr(event, "best") else None,
        )
    return model, outcome.step


RATE = 3e-3
DROPOUTS = {
    "embedding_dropout": 0.0,
    "input_dropout": 0.05,
    "output_dropout": 0.2,
    "weight_drop": 0.2,
}


def losses(model: Any, validation: np.ndarray) -> tuple[float, float]:
    carried = corpus_perplexity(model, validation).nats_per_token
    apart = corpus_perplexity(model, validation, independent_windows=True).nats_per_token
    return carried, apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, for each")
    arguments = parser.parse_args()
    torch.set_num_threads(use_cores(2))
    text = shakespeare()
    tokenizer = Tokenizer.train([text], kind="characters", byte_fallback=False)
    ids = tokenizer.encode_array(text).astype(np.int64)
    cut = int(0.9 * len(ids))
    train, validation = ids[:cut], ids[cut:]
    vocabulary = tokenizer.vocabulary_size
    results = {}
    for name in ("plain", "ours"):
        begin = time.perf_counter()
        if name == "ours":
            model, steps = train_ours(vocabulary, train, validation, minutes=arguments.minutes)
            scored: Any = model
        else:
            plain, steps = train_plain(vocabulary, train, arguments.minutes)
            scored = Scored(plain, vocabulary)
        seconds = time.perf_counter() - begin
        carried, apart = losses(scored, validation)
        results[name] = {
            "steps": steps,
            "seconds": round(seconds, 1),
            "validation_loss_carried": round(carried, 4),
            "validation_loss_independent_256": round(apart, 4),
        }
    rows = [[name, *values.values()] for name, values in results.items()]
    print(table(["", "steps", "seconds", "carried", "windows of 256"], rows))
    print(save("shakespeare", {"minutes": arguments.minutes, **results}, packages=("torch",)))


if __name__ == "__main__":
    main()
