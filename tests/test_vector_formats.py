"""Files of word vectors: what gensim writes and reads, what others write, and what is damaged."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from gensim.models import FastText, KeyedVectors
from gensim.models.fasttext import load_facebook_vectors
from gensim.test.utils import datapath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from corpora.errors import UsageError
from nlp.core import checkpoint
from nlp.core.words.vector_formats import (
    load,
    load_folder,
    read_counts,
    save,
    save_folder,
    write_counts,
)
from nlp.core.words.word2vec_files import write_binary
from nlp.core.words.word_vectors import WordVectors

DRAW = np.random.default_rng(5)
WORDS = ["the", "naïve", "猫", "x-y", "New_York", "0"]
MATRIX = (DRAW.normal(size=(6, 7)) * 10.0 ** DRAW.integers(-6, 6, (6, 7))).astype(np.float32)
COUNTS = np.array([900, 50, 20, 20, 3, 1])
VECTORS = WordVectors(WORDS, MATRIX, COUNTS)
ENDINGS = [".txt", ".vec", ".bin", ".glove.txt", ".kv", ".safetensors", ".txt.gz", ".bin.gz"]


def gensims(words: list[str] = WORDS, matrix: np.ndarray = MATRIX) -> KeyedVectors:
    keyed = KeyedVectors(matrix.shape[1])
    keyed.add_vectors(words, matrix)
    return keyed


def check_same(found: WordVectors, words: list[str] = WORDS, matrix: np.ndarray = MATRIX) -> None:
    assert found.words == words
    np.testing.assert_array_equal(found.matrix, matrix)


@pytest.mark.parametrize("ending", ENDINGS)
def test_saved_and_loaded_is_the_same(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"vectors{ending}"
    save(VECTORS, path)
    found = load(path)
    check_same(found)
    if ending in (".kv", ".safetensors"):
        np.testing.assert_array_equal(found.counts, COUNTS)
    else:
        assert found.counts is None
    check_same(load(path, limit=2), WORDS[:2], MATRIX[:2])
    check_same(load(path, limit=1000))
    assert list(tmp_path.iterdir()) == [path]


characters = st.characters(exclude_categories=["Cs", "Z", "Cc"])
words = st.lists(st.text(characters, min_size=1), min_size=1, unique=True)
sizes = st.integers(1, 5)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(words, sizes, st.data(), st.sampled_from([".txt", ".bin", ".safetensors"]))
def test_any_vectors_survive(
    tmp_path: Path, words: list[str], size: int, data: st.DataObject, ending: str
) -> None:
    matrix = data.draw(arrays.arrays(np.float32, (len(words), size), elements=finite))
    save(WordVectors(words, matrix), tmp_path / f"any{ending}")
    check_same(load(tmp_path / f"any{ending}"), words, matrix)


@pytest.mark.parametrize("binary", [False, True])
def test_the_bytes_are_gensims(tmp_path: Path, binary: bool) -> None:
    ours, theirs = tmp_path / ("ours.bin" if binary else "ours.txt"), tmp_path / "theirs"
    save(VECTORS, ours)
    gensims().save_word2vec_format(str(theirs), binary=binary)
    assert ours.read_bytes() == theirs.read_bytes()
    check_same(load(theirs))
    read = KeyedVectors.load_word2vec_format(str(ours), binary=binary)
    check_same(WordVectors(read.index_to_key, read.vectors))


def test_glove_bytes_are_gensims(tmp_path: Path) -> None:
    save(VECTORS, tmp_path / "ours", "glove")
    gensims().save_word2vec_format(str(tmp_path / "theirs"), write_header=False)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_gensim_reads_our_keyed_vectors(tmp_path: Path) -> None:
    save(VECTORS, tmp_path / "ours.kv")
    read = KeyedVectors.load(str(tmp_path / "ours.kv"))
    check_same(WordVectors(read.index_to_key, read.vectors))
    assert read.get_vecattr("naïve", "count") == 50
    gensims().save(str(tmp_path / "theirs.kv"))
    check_same(load(tmp_path / "theirs.kv"))


@pytest.mark.parametrize(
    ("name", "binary", "header"),
    [
        ("toy-model.vec", False, True),  # of fastText: a blank at the end of each line
        ("high_precision.kv.txt", False, True),
        ("high_precision.kv.bin", True, True),
        ("euclidean_vectors.bin", True, True),
        ("test_glove.txt", False, False),
    ],
)
def test_real_files_are_read_as_gensim_does(name: str, binary: bool, header: bool) -> None:
    ours = load(datapath(name))
    theirs = KeyedVectors.load_word2vec_format(datapath(name), binary=binary, no_header=not header)
    check_same(ours, theirs.index_to_key, theirs.vectors)


def test_word2vecs_own_binary_ends_vectors_with_a_line_break(tmp_path: Path) -> None:
    rows = [f"{word} ".encode() + row.tobytes() for word, row in zip(WORDS, MATRIX, strict=True)]
    (tmp_path / "c.bin").write_bytes(b"6 7\n" + b"\n".join(rows) + b"\n")
    check_same(load(tmp_path / "c.bin"))


@pytest.mark.parametrize("name", ["crime-and-punishment.bin", "toy-model.bin"])
def test_fasttext_models_build_unknown_words(name: str) -> None:
    ours, theirs = load(datapath(name)), load_facebook_vectors(datapath(name))
    check_same(ours, theirs.index_to_key, theirs.vectors)
    for word in ("unseeable", "преступление", theirs.index_to_key[1]):
        np.testing.assert_allclose(ours[word], theirs.get_vector(word), rtol=1e-5, atol=1e-7)


def test_subwords_stay_in_safetensors(tmp_path: Path) -> None:
    model = FastText([WORDS] * 9, vector_size=6, min_count=1, bucket=40, min_n=2, max_n=4)
    model.wv.save(str(tmp_path / "fasttext.kv"))
    save(load(tmp_path / "fasttext.kv"), tmp_path / "ours.safetensors")
    found = load(tmp_path / "ours.safetensors")
    check_same(found, model.wv.index_to_key, model.wv.vectors)
    np.testing.assert_allclose(found["unseen"], model.wv["unseen"], rtol=1e-5)


def write_folder(folder: Path, **more: torch.Tensor) -> Path:
    arrays = {name: tensor.numpy() for name, tensor in more.items()}
    arrays = {"vectors": MATRIX, "output": np.zeros((6, 7), np.float32), **arrays}
    save_folder(folder, {"size": 7, "min_n": 2, "max_n": 3}, WORDS, COUNTS, arrays)
    return folder


def test_a_folder_keeps_all_that_training_needs(tmp_path: Path) -> None:
    vectors, config, arrays = load_folder(write_folder(tmp_path / "folder"))
    check_same(vectors)
    assert config == {"size": 7, "min_n": 2, "max_n": 3}
    assert {name: array.shape for name, array in arrays.items()} == {
        "vectors": (6, 7),
        "output": (6, 7),
    }
    arrays["output"][0] = 1  # may be trained in place
    names = {path.name for path in (tmp_path / "folder").iterdir()}
    assert names == {"config.json", "model.safetensors", "words.tsv"}
    with pytest.raises(UsageError, match="`unrolled train-embeddings --output none`"):
        load_folder("none")


def test_a_folder_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the patterns ask for comes along."""
    monkeypatch.setattr("nlp.core.hub.files_of", lambda *wanted: [])
    whole = write_folder(tmp_path / "whole")
    (whole / "training").mkdir()
    (whole / "training" / "state.safetensors").touch()

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        assert name == "someone/their-vectors"
        copy = tmp_path / "copy"
        copy.mkdir(exist_ok=True)
        for path in whole.iterdir():
            if any(fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, copy)
        return str(copy)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    check_same(load("someone/their-vectors"))
    check_same(load(Path("someone/their-vectors"), limit=2), WORDS[:2], MATRIX[:2])
    assert load_folder("someone/their-vectors").config["size"] == 7
    with pytest.raises(UsageError, match="there is no file or folder of word vectors"):
        load("someone/vectors.txt")


def test_word_vectors_need_no_torch(tmp_path: Path) -> None:
    """Neither to read our folders and files, nor to ask and to write."""
    write_folder(tmp_path / "folder", ngrams=torch.randn(30, 7))
    code = (
        "import sys\nfrom nlp.core.words.vector_formats import load, save\n"
        "vectors = load('folder')\nsave(vectors, 'v.safetensors')\n"
        "print(load('v.safetensors').nearest('the')[0])\nassert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)


def test_folder(tmp_path: Path) -> None:
    found = load(write_folder(tmp_path / "plain"))
    check_same(found)
    np.testing.assert_array_equal(found.counts, COUNTS)
    assert found.subwords is None
    check_same(load(tmp_path / "plain", limit=3), WORDS[:3], MATRIX[:3])
    ngrams = torch.randn(30, 7)
    subwords = load(write_folder(tmp_path / "subwords", ngrams=ngrams)).subwords
    assert subwords is not None
    assert (subwords.min_n, subwords.max_n) == (2, 3)
    np.testing.assert_array_equal(subwords.matrix, ngrams.numpy())


def test_damaged_folders(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder")
    counts = folder / "words.tsv"
    counts.write_text("the\t900\nnaïve 50\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"words\.tsv, line 2: expected a word, a tab"):
        load(folder)
    write_counts(folder, WORDS[:2], COUNTS[:2])
    with pytest.raises(UsageError, match=r"vectors of shape \(6, 7\) for 2 words"):
        load(folder)
    counts.unlink()
    with pytest.raises(UsageError, match=r"words\.tsv is missing"):
        load(folder)
    checkpoint.save_config(folder, "language-model", {}, None)
    with pytest.raises(UsageError, match="holds language-model, not embeddings"):
        load(folder)


def test_counts_keep_odd_words(tmp_path: Path) -> None:
    odd = ["a b", "tab\there", "\x85", "é"]
    write_counts(tmp_path, odd, np.array([4, 3, 2, 1]))
    words, counts = read_counts(tmp_path)
    assert (words, counts.tolist()) == (odd, [4, 3, 2, 1])


@pytest.mark.parametrize(
    "text",
    [
        "a 1 2\n. . . 3 4\nat name@domain.com 5 6\nb 7 8\n",  # as in glove.840B
        "3 2\r\na 1 2\r\nb 3 4 \r\nc 5 6",  # Windows, a blank too much, no line break at the end
        "a\t1\t2\nb\t3\t4\n",
        "\ufeff 0.5 1\nthe\x07 3 4\n1 5 6\n",
        "4 2\na 1 2\nb 3 4\na 9 9\nc 5 6\n",  # the first one of two counts
        "a 1e-3 -2E+1\nb +.5 5.\n\n\n",
    ],
)
def test_odd_but_readable_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.txt").write_bytes(text.encode())
    expected = {
        "a 1 2": ({"a": [1, 2], ". . .": [3, 4], "at name@domain.com": [5, 6], "b": [7, 8]}),
        "3 2": {"a": [1, 2], "b": [3, 4], "c": [5, 6]},
        "a\t1": {"a": [1, 2], "b": [3, 4]},
        "\ufeff ": {"\ufeff": [0.5, 1], "the\x07": [3, 4], "1": [5, 6]},
        "4 2": {"a": [1, 2], "b": [3, 4], "c": [5, 6]},
        "a 1e": {"a": [1e-3, -20], "b": [0.5, 5]},
    }
    wanted = next(value for begin, value in reversed(expected.items()) if text.startswith(begin))
    check_same(load(tmp_path / "odd.txt"), list(wanted), np.array(list(wanted.values()), "f4"))


def binary(count: int, size: int, *rows: tuple[str, list[float]]) -> bytes:
    packed = [f"{word} ".encode() + struct.pack(f"<{len(row)}f", *row) for word, row in rows]
    return f"{count} {size}\n".encode() + b"".join(packed)


A, B = ("a", [0.1, 0.2, 0.3]), ("b", [0.4, 0.5, 0.6])
LINES = "".join(f"w{number} {number} 2 3\n" for number in range(2000))
SHORT_LINE = LINES.replace("w1700 1700 2 3", "w1700 1700 2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: expected word vectors"),
        (b" \n\n", "is empty"),
        (b"hello\nyou\n", "line 1: expected a word and its vector, found a word alone"),
        (b"a 1 2\nb 1 x2\n", "line 2: 'x2' is not a number; expected a word and 2"),
        (b"a 1 2\nb 1\nc 1 2\n", "line 2: found 1 numbers behind the word, expected 2"),
        (b"2 2\na 1 2\n 1 2\n", "line 3: found 1 numbers behind the word, expected 2"),
        (b"2 2\na one 2\nb 1 2\n", "line 2: 'one' is not a number"),
        (b"2 2\na 1 2\nb 1 nan\n", "word 2, 'b', is infinite or not a number"),
        (b"a 1 2\nb 1e99 0\n", "word 2, 'b', is infinite or not a number"),
        (b"3 2\na 1 2\nb 1 2\n", "holds 2 words, but its first line tells of 3"),
        (b"1 2\na 1 2\nb 1 2\n", "holds 2 words, but its first line tells of 1"),
        (b"0 2\n", "line 1: 0 words of 2 numbers"),
        ((LINES + "w 1 2 3\nbad 1 oops 3\n").encode(), "line 2002: 'oops' is not a number"),
        (
            b"2000 3\n" + LINES.replace("w1700 1700 2 3", "w1700 1700 2").encode(),
            "line 1702: found",
        ),
        (binary(2, 3, A, B)[:-1], "cut short or damaged behind word 1 of 2"),
        (binary(3, 3, A, B), "cut short or damaged behind word 2 of 3"),
        (binary(1, 3, A, B), "goes on behind the 1 words"),
        (binary(2, 3, A, ("b", [0.4, float("inf"), 0.6])), "word 2, 'b', is infinite"),
        (b"5 40000\n" + b"\0" * 200_000, "cut short or damaged behind word 0 of 5"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is of no known format"),
        (b"PK\x03\x04rest", "is a ZIP archive: unpack it"),
        (b"\x80\x04\x95rest", "is a pickle: .* name it .kv"),
        (gzip.compress(LINES.encode())[:-9], "cut short or damaged"),
        (b"\x08\0\0\0\0\0\0\0{}      ", "holds no vectors and words"),
        (b"\x99\0\0\0\0\0\0\0{}", "damaged or no safetensors"),
    ],
)
def test_bad_files_are_told_with_their_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as told:
        load(path)
    assert str(told.value).startswith(str(path))
    assert "\n" not in str(told.value)


def test_bad_keyed_vectors(tmp_path: Path) -> None:
    (tmp_path / "bad.kv").write_bytes(b"no pickle")
    with pytest.raises(UsageError, match="cannot be read by gensim"):
        load(tmp_path / "bad.kv")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file or folder of word vectors"):
        load(tmp_path / "none.txt")
    with pytest.raises(UsageError, match="has no config"):
        load(tmp_path)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    spaced = WordVectors(["a b"], np.ones((1, 2)))
    for ending in (".txt", ".bin"):
        with pytest.raises(UsageError, match="'a b' cannot be written as word2vec"):
            save(spaced, tmp_path / f"vectors{ending}")
    for ending in (".glove.txt", ".safetensors"):
        save(spaced, tmp_path / f"vectors{ending}")
    check_same(load(tmp_path / "vectors.safetensors"), ["a b"], np.ones((1, 2)))
    with pytest.raises(UsageError, match=r"'a\\nb' cannot be written as safetensors$"):
        save(WordVectors(["a\nb"], np.ones((1, 2))), tmp_path / "vectors.safetensors")
    with pytest.raises(UsageError, match=r"ends on \.glove\.txt, \.txt"):
        save(VECTORS, tmp_path / "vectors")
    with pytest.raises(UsageError, match="safetensors is not written compressed"):
        save(VECTORS, tmp_path / "vectors.safetensors.gz")
    with pytest.raises(UsageError, match="format 'csv' is unknown"):
        save(VECTORS, tmp_path / "vectors", "csv")  # type: ignore[arg-type]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    save(VECTORS, path)
    before = path.read_bytes()
    with pytest.raises(UsageError):
        save(WordVectors(["a b"], np.ones((1, 2))), path)
    assert path.read_bytes() == before


def test_small_binary_files_are_not_taken_for_text(tmp_path: Path) -> None:
    draw, path = np.random.default_rng(0), tmp_path / "vectors"
    for _ in range(500):
        matrix = draw.normal(size=(2, 4)).astype(np.float32)
        with path.open("wb") as file:
            write_binary(file, ["a", "b"], matrix)
        check_same(load(path), ["a", "b"], matrix)
