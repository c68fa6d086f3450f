"""All that a CUDA device should show, in one command: `make gpu-check`.

Runs the tests marked `gpu`, trains ours and the plain torch.nn peer in turn on generated tokens (no
data set is needed), then word vectors, beside gensim on all cores where it is installed; and writes
bench/results/gpu.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import embeddings
from bench.harness import alternate, save, table
from bench.language_model import BATCH, SHAPES, WINDOW, Plain, pair, plain_loss
from nlp.core.batching import Windows
from nlp.core.scoring import mean_loss

# The files that hold tests marked `gpu`; others want packages that a GPU machine may lack.
TESTS = tuple(f"tests/test_{name}.py" for name in ("recurrent", "losses", "contract", "word2vec"))


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
    word_vectors = measure_word_vectors()
    print(word_vectors)
    facts = {
        "device": torch.cuda.get_device_name(),
        "tests_passed": tests == 0,
        "shapes": results,
        "word_vectors": word_vectors,
    }
    print(save("gpu", facts, packages=("torch", "accelerate")))
    sys.exit(tests)


if __name__ == "__main__":
    main()
