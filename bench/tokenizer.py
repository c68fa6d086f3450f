"""Text into a token store, and training a vocabulary: ours beside `tokenizers` and tiktoken.

    python -m bench.tokenizer                      # the data folder in $UNROLLED_DATA
    python -m bench.tokenizer --text books/*.txt
    python -m bench.tokenizer --gigabyte           # also the peak memory for a file of 1 GB

Every contender reads the same file through `corpora.read` and writes a finished token store, which
are then compared id by id. The vocabulary is the one trained first, and every run starts with a
tokenizer that has just been loaded: what it remembers of earlier text counts for nobody. Loading is
not timed, the conversion of ids to an array is.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import corpora
from bench.harness import alternate, peak_memory, save, table, use_cores
from nlp.core.tokenizer import Tokenizer
from nlp.core.tokens.token_engine import cut

PACKAGES = ("tokenizers", "fastokens", "tiktoken", "numpy")
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PIECE = 1 << 16


def data_files() -> list[Path]:
    """The corpora that the issue's figures are about, in the folder that UNROLLED_DATA names."""
    folder = os.environ.get("UNROLLED_DATA")
    if not folder:
        return []
    return sorted(
        path
        for name in ("wikitext2", "public_domain")
        for path in (Path(folder) / "lm" / name).glob("*.txt*")
    )


def join(files: list[Path], target: Path) -> int:
    """All of the text in one plain file, so that no time goes into unpacking; its size in bytes."""
    with target.open("wb") as output:
        for path in files:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                shutil.copyfileobj(stream, output)
    return target.stat().st_size


def batches(file: Path) -> Iterator[list[str]]:
    """The file as both peers like it best: lists of pieces that their threads share."""
    waiting: list[str] = []
    for passage in corpora.read(str(file)):
        waiting += cut(passage.text, PIECE)
        if len(waiting) >= 64:
            yield waiting
            waiting = []
    yield waiting


class Contenders:
    """From `file` to a finished store in `folder`, three ways, with the vocabulary in `saved`."""

    def __init__(self, file: Path, folder: Path, saved: Path, cores: int) -> None:
        self.file, self.folder, self.saved, self.cores = file, folder, saved, cores
        ours = Tokenizer.load(saved)
        self.end_of_text = ours.end_of_text
        self.facts: dict[str, Any] = {
            "vocabulary_size": ours.vocabulary_size,
            "tokenizer_fingerprint": ours.fingerprint,
        }
        ranks = saved.with_suffix(".tiktoken")
        ours.save_tiktoken(ranks)
        lines = (line.split() for line in ranks.read_text().splitlines())
        self.ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        self.loaded: Any = None

    def load(self, name: str) -> None:
        """A fresh tokenizer for the next run, which is not part of its time."""
        if name == "tokenizers":
            import tokenizers

            self.loaded = tokenizers.Tokenizer.from_file(str(self.saved))
            self.loaded.encode_special_tokens = True  # all of the text is ordinary text
        elif name == "tiktoken":
            import tiktoken

            self.loaded = tiktoken.Encoding(
                "bench", pat_str=GPT2_PATTERN, mergeable_ranks=self.ranks, special_tokens={}
            )
        else:
            self.loaded = Tokenizer.load(self.saved)
            self.engine = self.loaded.engine  # builds and checks it

    def ours(self) -> None:
        with corpora.TokenStoreWriter(self.folder / "ours", **self.facts) as writer:
            for ids in self.loaded.encode_corpus(corpora.read(str(self.file))):
                writer.append("train", ids)

    def tokenizers(self) -> None:
        def encode(texts: list[str]) -> Iterable[list[int]]:
            encodings = self.loaded.encode_batch_fast(texts, add_special_tokens=False)
            return (encoding.ids for encoding in encodings)

        self._peer("tokenizers", encode)

    def tiktoken(self) -> None:
        def encode(texts: list[str]) -> Iterable[list[int]]:
            return self.loaded.encode_ordinary_batch(texts, num_threads=self.cores)

        self._peer("tiktoken", encode)

    def _peer(self, name: str, encode: Callable[[list[str]], Iterable[list[int]]]) -> None:
        with corpora.TokenStoreWriter(self.folder / name, **self.facts) as writer:
            for texts in batches(self.file):
                for ids in encode(texts):
                    writer.append("train", np.array(ids, dtype=np.uint32))
            writer.append("train", [self.end_of_text])


def encode(file: Path, folder: Path, saved: Path, cores: int, repeats: int) -> dict[str, Any]:
    """Megabytes a second from file to store, and whether the stores are the same."""
    contenders = Contenders(file, folder, saved, cores)
    runs = {
        "ours": contenders.ours,
        "tokenizers": contenders.tokenizers,
        "tiktoken": contenders.tiktoken,
    }
    times = alternate(runs, repeats=repeats, before=contenders.load)
    stores = {name: corpora.TokenStore.open(folder / name).split("train") for name in runs}
    megabytes = file.stat().st_size / 1e6
    return {
        "megabytes": round(megabytes, 2),
        "tokens": len(stores["ours"]),
        "vocabulary_size": contenders.facts["vocabulary_size"],
        "engine": contenders.engine,
        "identical": all(np.array_equal(stores["ours"], store) for store in stores.values()),
        "megabytes_per_second": {
            name: round(megabytes / timing.median, 1) for name, timing in times.items()
        },
        "times_as_fast_as": {
            name: round(times["ours"].times_as_fast_as(times[name]), 1)
            for name in ("tokenizers", "tiktoken")
        },
        "seconds": {name: [round(s, 3) for s in timing.seconds] for name, timing in times.items()},
    }


def train(file: Path, saved: Path, size: int, repeats: int) -> dict[str, Any]:
    """Megabytes a second of training, ours against the trainer of `tokenizers`; saves ours."""
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    def ours() -> Tokenizer:
        return Tokenizer.train(corpora.read(str(file)), vocabulary_size=size)

    def theirs() -> tokenizers.Tokenizer:
        learner = tokenizers.Tokenizer(models.BPE())
        learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=size - 1,
            min_frequency=2,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        learner.train_from_iterator((p.text for p in corpora.read(str(file))), trainer)
        return learner

    times = alternate({"ours": ours, "tokenizers": theirs}, repeats=repeats)
    tokenizer: Tokenizer = times["ours"].result
    tokenizer.save(saved)
    merges = json.loads(times["tokenizers"].result.to_str())["model"]["merges"]
    megabytes = file.stat().st_size / 1e6
    return {
        "vocabulary_size": size,
        "identical": [list(pair) for pair in tokenizer.vocabulary.merges] == merges,
        "megabytes_per_second": {n: round(megabytes / t.median, 1) for n, t in times.items()},
        "times_as_fast_as": {
            "tokenizers": round(times["ours"].times_as_fast_as(times["tokenizers"]), 2)
        },
        "seconds": {name: [round(s, 3) for s in timing.seconds] for name, timing in times.items()},
    }


def gigabyte(file: Path, folder: Path, saved: Path) -> dict[str, Any]:
    """Peak memory of a process that turns 1 GB of text, the file over and over, into a store."""
    large = folder / "gigabyte.txt"
    data = file.read_bytes()
    with large.open("wb") as output:
        while output.tell() < 1_000_000_000:
            output.write(data[: 1_000_000_000 - output.tell()])
    del data
    command = [sys.executable, "-m", "bench.tokenizer", "--measure", str(large), str(saved)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    large.unlink()
    return json.loads(answer)


def measure(file: Path, saved: Path) -> dict[str, Any]:
    """What `gigabyte` runs in a process of its own."""
    tokenizer = Tokenizer.load(saved)
    start = time.perf_counter()
    with corpora.TokenStoreWriter(
        file.with_suffix(".store"),
        vocabulary_size=tokenizer.vocabulary_size,
        tokenizer_fingerprint=tokenizer.fingerprint,
    ) as writer:
        passages = corpora.read(str(file), encoding_errors="replace")  # the end may be cut short
        for ids in tokenizer.encode_corpus(passages):
            writer.append("train", ids)
    seconds = time.perf_counter() - start
    return {
        "megabytes": round(file.stat().st_size / 1e6),
        "tokens": writer.counts["train"].tokens,
        "peak_memory_megabytes": round(peak_memory() / 1e6),
        "megabytes_per_second": round(file.stat().st_size / 1e6 / seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--text", nargs="+", type=Path, metavar="PATH", help="text files, .gz too")
    parser.add_argument("--vocabulary-size", type=int, default=32_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--gigabyte", action="store_true", help="measure the memory for 1 GB too")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cores = use_cores(options.cores)
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    files = options.text or data_files()
    if not files:
        print(
            "bench/tokenizer.py: skipped: name text files with --text, or set UNROLLED_DATA to a "
            "folder with lm/wikitext2 and lm/public_domain."
        )
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, saved = folder / "text.txt", folder / "tokenizer.json"
        join(files, file)
        results: dict[str, Any] = {"texts": [path.name for path in files]}
        results["train"] = train(file, saved, options.vocabulary_size, options.repeats)
        results["encode"] = encode(file, folder, saved, cores, options.repeats)
        if options.gigabyte:
            results["gigabyte"] = gigabyte(file, folder, saved)
    for task in ("train", "encode"):
        speeds = results[task]["megabytes_per_second"]
        factors = results[task]["times_as_fast_as"]
        rows = [(n, speed, f"{factors[n]}x" if n in factors else "") for n, speed in speeds.items()]
        print(f"\n{task}, identical: {results[task]['identical']}")
        print(table([task, "MB/s", "ours is"], rows))
    if options.gigabyte:
        print(f"\n1 GB of text: {results['gigabyte']}")
    print(f"\nwritten: {save('tokenizer', results, packages=PACKAGES).name}")


if __name__ == "__main__":
    main()
