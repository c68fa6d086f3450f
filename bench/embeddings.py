"""Word vectors: our training beside plain gensim, and both engines' vectors under evaluation.

    UNROLLED_DATA=data python -m bench.embeddings            speed, then quality
    UNROLLED_DATA=data python -m bench.embeddings --device cuda

Speed is end to end, with reading and counting, on the same file of words (WikiText-2 and the
public-domain books, 5.5 million words); gensim reads it by `corpus_file`. Quality is each engine's
at three seeds, on the same text, with the same settings. With `--device cuda` the torch engine's
speed is compared with gensim on all cores of that machine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from bench.data import data_folder
from bench.harness import RESULTS, alternate, peak_memory, save, table, use_cores

SETTINGS: dict[str, Any] = {"size": 100, "window": 5, "negatives": 5, "epochs": 5, "min_count": 5}
ASKED = ("king", "water", "london", "war", "seven", "ship", "god", "music", "green", "president")


def texts() -> Iterator[str]:
    """The lines of the books and of WikiText-2's training part."""
    folder = data_folder() / "lm"
    for path in (
        *sorted((folder / "public_domain").glob("*.gz")),
        folder / "wikitext2/train.txt.gz",
    ):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from file


def write_corpus(path: Path) -> int:
    """One file, words at white space in small letters; the number of words."""
    words = 0
    with path.open("w", encoding="utf-8") as file:
        for line in texts():
            found = line.lower().split()
            words += len(found)
            file.write(" ".join(found) + "\n")
    return words


def by_gensim(path: Path, workers: int, seed: int = 0) -> Any:
    """What one writes with gensim."""
    from gensim.models import Word2Vec

    return Word2Vec(
        corpus_file=str(path),
        vector_size=SETTINGS["size"],
        window=SETTINGS["window"],
        negative=SETTINGS["negatives"],
        epochs=SETTINGS["epochs"],
        min_count=SETTINGS["min_count"],
        sg=1,
        workers=workers,
        seed=seed,
    ).wv


def ours(path: Path, **options: Any) -> Any:
    from nlp.embeddings import train_embeddings

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "vectors"
        return train_embeddings(path, output=output, **{**SETTINGS, **options})


def evaluate(vectors: Any) -> dict[str, float]:
    """Per cent of analogies, and rank correlations, that vectors get right."""
    from nlp.core.words.word_evaluation import analogies, pairs

    total = analogies(vectors).total
    return {
        "analogies_percent": round(100 * total.accuracy, 2),
        "analogies_asked": total.asked,
        "wordsim353": round(pairs(vectors, "wordsim353").spearman, 4),
        "simlex999": round(pairs(vectors, "simlex999").spearman, 4),
    }


def speed(path: Path, words: int, device: str, repeats: int) -> dict[str, Any]:
    cores = os.cpu_count() or 1 if device == "cuda" else 2
    plain: dict[str, Any] = {"splitting": "white-space", "lowercase": False}
    engine = "torch" if device == "cuda" else "gensim"
    contenders: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(path, engine=engine, device=device, workers=cores, **plain),
        "gensim": lambda: by_gensim(path, cores),
    }
    times = alternate(contenders, repeats=repeats)
    read = words * SETTINGS["epochs"]
    return {
        "words": words,
        "workers": cores,
        "ours_words_per_second": round(read / times["ours"].median),
        "gensim_words_per_second": round(read / times["gensim"].median),
        "times_as_fast": round(times["ours"].times_as_fast_as(times["gensim"]), 3),
        "seconds": {name: [round(s, 1) for s in timing.seconds] for name, timing in times.items()},
    }


def quality(path: Path, device: str, seeds: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows, neighbours = [], {}
    for engine in ("gensim", "torch"):
        for seed in range(seeds):
            where = device if engine == "torch" else "cpu"
            trained = ours(path, engine=engine, seed=seed, device=where, workers=os.cpu_count())
            scores = evaluate(trained.vectors)
            rows.append({"engine": engine, "seed": seed, **scores, "losses": trained.losses})
            print(rows[-1])
            if not seed:
                neighbours[engine] = {
                    word: [near for near, _ in trained.vectors.nearest(word, 5)] for word in ASKED
                }
    return rows, neighbours


def memory(path: Path) -> dict[str, Any]:
    """Peak memory of training an epoch on the file, and on four times as much of the same."""
    peaks = {}
    for times in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(times):
                (Path(folder) / f"{number}.txt").symlink_to(path)
            command = [sys.executable, "-m", "bench.embeddings", "--peak", folder]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks[f"peak_mb_{times}x"] = int(ran.stdout.split()[-1]) >> 20
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds of the speed test")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each engine for quality")
    parser.add_argument("--only-speed", action="store_true", help="the rest as last measured")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        use_cores(2)
    if arguments.peak:
        ours(Path(arguments.peak), epochs=1, workers=2)
        print(peak_memory())
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.txt"
        words = write_corpus(path)
        fast = speed(path, words, arguments.device, arguments.repeats)
        print(fast)
        name = "embeddings" if arguments.device == "cpu" else f"embeddings_{arguments.device}"
        if arguments.only_speed:
            known = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
            del known["benchmark"], known["machine"]
            print(save(name, {**known, "speed": fast}, packages=("torch", "gensim")))
            return
        peaks = memory(path)
        print(peaks)
        rows, neighbours = quality(path, arguments.device, arguments.seeds)
    means = {
        engine: {
            key: round(mean(row[key] for row in rows if row["engine"] == engine), 3)
            for key in ("analogies_percent", "wordsim353", "simlex999")
        }
        for engine in ("gensim", "torch")
    }
    headings = ["engine", "analogies, %", "WordSim-353", "SimLex-999"]
    print(table(headings, [[name, *values.values()] for name, values in means.items()]))
    for engine, found in neighbours.items():
        print(table([engine, "nearest"], [[w, ", ".join(near)] for w, near in found.items()]))
    results = {
        "settings": SETTINGS,
        "speed": fast,
        "memory": peaks,
        "quality": rows,
        "means": means,
    }
    print(save(name, {**results, "neighbours": neighbours}, packages=("torch", "gensim")))


if __name__ == "__main__":
    main()
