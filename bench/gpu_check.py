"""All that a CUDA device should show, in one command: `make gpu-check`.

Runs the tests marked `gpu`, trains ours and the plain torch.nn peer in turn on generated tokens (no
data set is needed); a translator beside the usual tutorial's on generated sentences, and its beam;
word vectors, beside gensim on all cores where it is installed; and writes bench/results/gpu.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from bench import embeddings, translation_peers
from bench.harness import alternate, save, table
from bench.language_model import BATCH, SHAPES, WINDOW, Plain, pair, plain_loss
from bench.translation_peers import Row, Steps, Tutorial
from nlp.core.batching import Buckets, Windows
from nlp.core.device import Precision
from nlp.core.optimization import build_optimizer
from nlp.core.scoring import mean_loss
from nlp.core.search.beam import Beam, search
from nlp.core.tokenizer import Tokenizer
from nlp.core.training import _LossModule, start_accelerator
from nlp.core.translation.texts import Texts
from nlp.translator import Config, Translator

# The files that hold tests marked `gpu`; others want packages that a GPU machine may lack.
TESTED = ("recurrent", "losses", "contract", "crf", "word2vec", "translator_gpu", "suppression")
TESTS = tuple(f"tests/test_{name}.py" for name in TESTED)
PIECES, PAIRS, BEAMS = 6000, 64, (64, 512)  # a vocabulary, pairs in a step, texts searched at once


def zipfian(vocabulary: int, tokens: int) -> np.ndarray:
    """Ids whose frequencies fall as those of words do, each depending on the one before."""
    draw = np.random.default_rng(0)
    ids = (draw.zipf(1.2, tokens) - 1) % vocabulary
    ids[1::2] = (ids[:-1:2] * 7919 + 1) % vocabulary
    return ids.astype(np.int64)


def measure(shape: tuple[int, int, int], steps: int) -> dict[str, Any]:
    ids = zipfian(shape[2], 4_000_000)
    ours, plain = pair(shape, ids[:-200_000], "cuda")
    peaks = {}

    def train(name: str, contender: Any) -> None:
        torch.cuda.reset_peak_memory_stats()
        contender.steps(steps)
        peaks[name] = torch.cuda.max_memory_allocated() >> 20

    times = alternate(
        {"ours": lambda: train("ours", ours), "plain": lambda: train("plain", plain)},
        repeats=5,
        warm_up=1,
    )
    held_out = Windows(ids[-65_537:], BATCH, WINDOW)
    tokens = steps * BATCH * WINDOW
    return {
        "hidden_size": shape[0],
        "layers": shape[1],
        "vocabulary_size": shape[2],
        "ours_tokens_per_second": round(tokens / times["ours"].median),
        "plain_tokens_per_second": round(tokens / times["plain"].median),
        "times_as_fast": round(times["ours"].times_as_fast_as(times["plain"]), 2),
        "ours_validation_loss": round(mean_loss(ours.model.eval(), held_out), 4),
        "plain_validation_loss": round(_loss(plain, held_out), 4),
        "peak_mb": peaks,
    }


class OurSteps:
    """Our translator, trained as `nlp.core.training` trains it."""

    def __init__(self, model: Translator, precision: Precision, device: str) -> None:
        self.accelerator = start_accelerator(precision, device)
        self.model = model.to(self.accelerator.device).train()
        optimizer = build_optimizer("adamw", model, 1e-3, 0.01)
        self.loss, self.optimizer = self.accelerator.prepare(_LossModule(model), optimizer)

    def step(self, rows: list[Row]) -> None:
        batch = self.model.batch([source for source, _ in rows], [target for _, target in rows])
        mean, _, _ = self.loss(batch.to(self.model.device), None)
        self.accelerator.backward(mean)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def measure_translator(steps: int, device: str = "cuda") -> dict[str, Any]:
    """Target pieces per second in training, and sentences per second of a beam of 5, of a model of
    the default sizes; sentences are as long as those of Multi30k, 5 to 25 pieces."""
    config = Config(PIECES, PIECES)
    tokenizer = Tokenizer.train([], kind="bytes")  # for its start symbol
    texts = Texts(tokenizer, tokenizer)
    lengths = np.random.default_rng(0).integers(5, 26, (steps * PAIRS, 2))
    ids = iter((zipfian(PIECES - 1, int(lengths.sum())) + 1).tolist())
    rows = [([next(ids) for _ in range(a)], [next(ids) for _ in range(b)]) for a, b in lengths]
    buckets = Buckets(lengths.tolist(), PAIRS, lambda own: [rows[row] for row in own], seed=0)
    batches = list(buckets.epoch(0))
    torch.manual_seed(0)
    model = Translator(config, texts)
    contenders: dict[str, Any] = {
        "ours": OurSteps(model, "float32", device),
        "ours, bfloat16": OurSteps(Translator(config, texts), "bfloat16", device),
        "tutorial": Steps(Tutorial(config, model.start_id).to(device), PAIRS),
    }

    def train(contender: Any) -> None:
        for batch in batches:
            contender.step(batch)
        _finish(device)

    def padded(*arguments: Any, **options: Any) -> torch.Tensor:
        return pad_sequence(*arguments, **options).to(device)  # a batch at a time, as users do

    with patch.object(translation_peers, "pad_sequence", padded):
        times = alternate(
            {name: lambda own=own: train(own) for name, own in contenders.items()},
            repeats=5,
            warm_up=1,
        )
    pieces = int((lengths[:, 1] + 1).sum())
    return {
        "pieces_per_second": {
            name: round(pieces / timing.median) for name, timing in times.items()
        },
        "times_as_fast": {
            name: round(timing.times_as_fast_as(times["tutorial"]), 2)
            for name, timing in times.items()
        },
        "beam_sentences_per_second": {size: beam_speed(model, rows, size) for size in BEAMS},
    }


def beam_speed(model: Translator, rows: list[Row], size: int) -> float:
    """Sentences per second of a beam of 5, so many at once; no text is longer than its source."""
    sources = sorted((source for source, _ in rows[:size]), key=len)

    @torch.inference_mode()
    def translate() -> None:
        options: dict[str, Any] = {"start_id": model.start_id, "stop_id": model.start_id}
        search(model.read(sources), Beam(5), max_tokens=[len(s) for s in sources], **options)
        _finish(model.device.type)

    model.eval()
    timing = alternate({"ours": translate}, repeats=5, warm_up=1)["ours"]
    return round(len(sources) / timing.median, 1)


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def measure_word_vectors(words: int = 20_000_000) -> dict[str, Any]:
    """Words per second on generated lines; without gensim, of ours alone."""
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.txt"
        with path.open("w", encoding="utf-8") as file:
            for _ in range(words // 1_000_000):
                ids = (draw.zipf(1.2, 1_000_000) - 1) % 100_000
                file.writelines(" ".join(map(str, line)) + "\n" for line in ids.reshape(-1, 20))
        if importlib.util.find_spec("gensim"):
            return embeddings.speed(path, words, "cuda", repeats=2)
        options = {"splitting": "white-space", "lowercase": False, "engine": "torch"}
        trained = embeddings.ours(path, device="cuda", **options)
        speed = round(trained.words_per_second)
        return {"words": words, "ours_words_per_second": speed, "losses": trained.losses}


def _loss(plain: Plain, held_out: Windows) -> float:
    plain.model.eval()
    return plain_loss(plain, held_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50, help="optimizer steps in a round")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("skipped: there is no CUDA device here")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", *TESTS], check=False
    ).returncode
    results = [measure(shape, arguments.steps) for shape in SHAPES]
    headings = ["shape", "ours, tokens/s", "plain, tokens/s", "times"]
    rows = [
        [
            f"{r['hidden_size']} x {r['layers']}, {r['vocabulary_size']:,}",
            f"{r['ours_tokens_per_second']:,}",
            f"{r['plain_tokens_per_second']:,}",
            r["times_as_fast"],
        ]
        for r in results
    ]
    print(table(headings, rows))
    translator = measure_translator(arguments.steps)
    print(translator)
    word_vectors = measure_word_vectors()
    print(word_vectors)
    facts = {
        "device": torch.cuda.get_device_name(),
        "tests_passed": tests == 0,
        "shapes": results,
        "translator": translator,
        "word_vectors": word_vectors,
    }
    print(save("gpu", facts, packages=("torch", "accelerate")))
    sys.exit(tests)


if __name__ == "__main__":
    main()
