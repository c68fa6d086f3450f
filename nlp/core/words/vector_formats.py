"""Files of word vectors: those of others, and ours.

    word2vec text      .txt .vec       a header, then a word and its numbers on each line
    word2vec binary    .bin            a header, then a word and float32 each
    GloVe text         .glove.txt      as word2vec's, without a header
    gensim             .kv             KeyedVectors: a pickle, so read by its name only, and by
                                       gensim; open none from somebody you do not trust
    fastText           .bin            its model, with n-grams: read, not written
    safetensors        .safetensors    vectors, words, counts and n-grams
    a folder                           config.json, model.safetensors and words.tsv: what
                                       `train_embeddings` leaves, here or on the Hugging Face Hub

`load` tells them apart by what is in them, `save` by the name; a folder, which holds more than
vectors, is written by `save_folder`. The first three may be compressed (.gz). Safetensors and
folders keep counts and n-grams, gensim's keeps the counts, the others neither. Where a file has a
word twice, the first one counts, as in word2vec's own programs.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, cast

import numpy as np

from corpora.errors import UsageError, check_choice, check_positive
from corpora.writing import replacing, write_text
from nlp.core import checkpoint
from nlp.core.words import word2vec_files
from nlp.core.words.subwords import Subwords
from nlp.core.words.word_vectors import WordVectors

__all__ = [
    "Folder",
    "Format",
    "load",
    "load_folder",
    "read_counts",
    "save",
    "save_folder",
    "write_counts",
]

Format = Literal["word2vec", "word2vec-binary", "glove", "gensim", "safetensors"]

KIND, COUNTS = "embeddings", "words.tsv"
_ENDINGS: dict[str, Format] = {  # the longer one of two that fit comes first
    ".glove.txt": "glove",
    ".txt": "word2vec",
    ".vec": "word2vec",
    ".bin": "word2vec-binary",
    ".kv": "gensim",
    ".safetensors": "safetensors",
}
_KNOWN = (*_ENDINGS, ".gz")
_COMPRESSIBLE = ("word2vec", "word2vec-binary", "glove")


def load(path: str | Path, *, limit: int | None = None) -> WordVectors:
    """Reads word vectors, of any format above; of the first `limit` words only, where given.

    Raises:
        UsageError: the file is missing, cut short, damaged or of no known format; with its line.
    """
    path = Path(path).expanduser()
    if limit is not None:
        check_positive(limit=limit)
    is_hub_id = len(path.parts) == 2 and not path.is_absolute() and not path.name.endswith(_KNOWN)
    if path.is_dir() or (is_hub_id and not path.exists()):
        return load_folder(path, limit=limit).vectors
    if not path.is_file():
        raise UsageError(f"there is no file or folder of word vectors {path}")
    if path.suffix == ".kv":
        from gensim.models import KeyedVectors

        return _load_gensim(path, KeyedVectors.load, limit)
    try:
        with path.open("rb") as plain:
            compressed = plain.read(2) == b"\x1f\x8b"
        with _opened(path, "rb", compressed) as file:
            return _load_file(path, file, limit)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(
            f"{path} is cut short or damaged ({error}): copy or download it again"
        ) from error


def save(vectors: WordVectors, path: str | Path, format: Format | None = None) -> None:
    """Replaces a file of word vectors, in `format` or in the one its name ends on.

    Raises:
        UsageError: the name tells no format, or a word cannot be written in it.
    """
    path = Path(path).expanduser()
    name = path.name.removesuffix(".gz")
    compressed = name != path.name
    if format is None:
        format = next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)
    if format is None:
        raise UsageError(
            f"{path.name} names no format: expected a name that ends on {', '.join(_ENDINGS)}"
        )
    check_choice("format", format, Format)
    if compressed and format not in _COMPRESSIBLE:
        raise UsageError(f"{path.name}: {format} is not written compressed; leave out .gz")
    _check_words(vectors, format)
    if format == "safetensors":
        return _save_safetensors(vectors, path)
    with replacing(path) as part, _opened(part, "wb", compressed) as file:
        if format == "gensim":
            _save_gensim(vectors, file)
        elif format == "word2vec-binary":
            word2vec_files.write_binary(file, vectors.words, vectors.matrix)
        else:
            header = format == "word2vec"
            word2vec_files.write_text(file, vectors.words, vectors.matrix, header=header)


def _opened(path: Path, mode: Literal["rb", "wb"], compressed: bool) -> IO[bytes]:
    if not compressed:
        return path.open(mode)
    # No more than level 6: at 9, the default here, writing takes three times as long.
    return cast(IO[bytes], gzip.open(path, mode, compresslevel=6))


def _check_words(vectors: WordVectors, format: Format) -> None:
    # GloVe's own files hold words such as ". . .", which are whole when read from the right.
    spaces = format in ("glove", "gensim", "safetensors")
    unfit = re.compile(r"[\r\n]|^$|^ | $" if spaces else r"\s|^$").search
    bad = next((word for word in vectors.words if unfit(word)), None)
    if bad is not None:
        advice = "" if spaces else "; name the file .safetensors or .glove.txt to keep its spaces"
        raise UsageError(f"the word {bad!r} cannot be written as {format}{advice}")


def _load_file(path: Path, file: IO[bytes], limit: int | None) -> WordVectors:
    """Finds out what a file holds, and reads it."""
    head = file.read(64)
    if not head.strip():
        raise UsageError(f"{path} is empty: expected word vectors")
    if head[8:9] == b"{" and head[4:8] == bytes(4):
        return _load_safetensors(path, limit)
    if head.startswith(b"\xba\x16\x4f\x2f"):
        from gensim.models.fasttext import load_facebook_vectors

        return _load_gensim(path, load_facebook_vectors, limit)
    if head.startswith(b"PK\x03\x04"):
        raise UsageError(f"{path} is a ZIP archive: unpack it and name the file inside")
    if head.startswith(b"\x80"):
        raise UsageError(f"{path} is a pickle: if it holds gensim's KeyedVectors, name it .kv")
    file.seek(0)
    return _vectors(path, *word2vec_files.read(path, file, limit))


def _vectors(
    path: Path,
    words: list[str],
    matrix: np.ndarray,
    counts: np.ndarray | None = None,
    subwords: Subwords | None = None,
) -> WordVectors:
    """What was read: each word once, and every number finite."""
    if matrix.ndim != 2 or len(matrix) != len(words):
        raise UsageError(
            f"{path} holds vectors of shape {matrix.shape} for {len(words)} words: copy them again"
        )
    if not (np.isfinite(matrix.min(initial=0)) and np.isfinite(matrix.max(initial=0))):
        bad = int(np.flatnonzero(~np.isfinite(matrix).all(1))[0])
        raise UsageError(
            f"{path}: the vector of word {bad + 1}, {words[bad]!r}, is infinite or not a number; "
            "its training has failed, or the file is damaged"
        )
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        first.setdefault(word, row)
    if len(first) < len(words):
        rows = list(first.values())
        words, matrix = list(first), matrix[rows]
        counts = None if counts is None else counts[rows]
    return WordVectors(words, matrix, counts, subwords)


def _load_gensim(path: Path, read: Callable[[str], Any], limit: int | None) -> WordVectors:
    try:
        found = read(str(path))
        words = [str(key) for key in found.index_to_key[:limit]]
        matrix, counts = found.vectors[:limit], found.expandos.get("count")
    except Exception as error:  # a pickle fails in as many ways as there are classes
        raise UsageError(
            f"{path} cannot be read by gensim ({type(error).__name__}: {error}): copy it again"
        ) from error
    subwords = None
    if getattr(found, "bucket", 0):
        subwords = Subwords(found.vectors_ngrams, found.min_n, found.max_n)
    return _vectors(path, words, matrix, None if counts is None else counts[:limit], subwords)


def _save_gensim(vectors: WordVectors, file: IO[bytes]) -> None:
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.size)
    keyed.add_vectors(vectors.words, vectors.matrix)
    if vectors.counts is not None:
        keyed.expandos["count"] = vectors.counts
    keyed.save(file)  # to an open file: in one piece, without arrays in files beside it


def _save_safetensors(vectors: WordVectors, path: Path) -> None:
    # As bytes: the header, where strings could be, may hold 100 MB only.
    words = np.frombuffer(bytearray("\n".join(vectors.words).encode()), np.uint8)
    arrays: dict[str, np.ndarray] = {"vectors": vectors.matrix, "words": words}
    about: dict[str, int] = {}
    if vectors.counts is not None:
        arrays["counts"] = vectors.counts
    if vectors.subwords is not None:
        arrays["ngrams"] = vectors.subwords.matrix
        about = {"min_n": vectors.subwords.min_n, "max_n": vectors.subwords.max_n}
    checkpoint.write_arrays(path, arrays, about)


def _load_safetensors(path: Path, limit: int | None) -> WordVectors:
    arrays, about = checkpoint.read_arrays(path)
    if "vectors" not in arrays or "words" not in arrays:
        raise UsageError(f"{path} holds no vectors and words: expected a file of word vectors")
    words = arrays["words"].tobytes().decode(errors="replace").split("\n")
    counts = arrays["counts"][:limit] if "counts" in arrays else None
    subwords = _subwords(arrays, about)
    return _vectors(path, words[:limit], arrays["vectors"][:limit], counts, subwords)


class Folder(NamedTuple):
    """A folder of word vectors that can be trained on."""

    vectors: WordVectors
    config: Mapping[str, Any]  # what they were trained with
    arrays: Mapping[str, np.ndarray]  # "vectors", and all else that training changes


def save_folder(
    folder: Path,
    config: Mapping[str, Any],
    words: Iterable[str],
    counts: np.ndarray,
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Replaces the files of a folder of word vectors.

    Args:
        config: what they were trained with.
        words, counts: the vocabulary, and how often each word occurred, `[words]`.
        arrays: "vectors" `[words, size]`, "ngrams" where there are any, and all else that is needed
            to train on.
    """
    checkpoint.save_config(folder, KIND, config, None)
    write_counts(folder, words, counts)
    checkpoint.write_arrays(folder / checkpoint.WEIGHTS, arrays, {"format": checkpoint.FORMAT})


def load_folder(folder_or_hub_id: str | Path, *, limit: int | None = None) -> Folder:
    """A folder of word vectors, or a repository of the Hugging Face Hub; of the first `limit` words
    only, where given.

    Raises:
        UsageError: there is none, or a file of it is missing, damaged or of another kind of model.
    """
    folder = checkpoint.locate(folder_or_hub_id, command="train-embeddings")
    config, _ = checkpoint.read_config(folder, KIND)
    words, counts = read_counts(folder)
    path = folder / checkpoint.WEIGHTS
    arrays, _ = checkpoint.read_arrays(path)
    if "vectors" not in arrays:
        raise UsageError(f"{path} holds no vectors: train the embeddings anew")
    subwords = _subwords(arrays, config)
    vectors = _vectors(path, words[:limit], arrays["vectors"][:limit], counts[:limit], subwords)
    return Folder(vectors, config, arrays)


def _subwords(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> Subwords | None:
    if "ngrams" not in arrays:
        return None
    return Subwords(arrays["ngrams"], about.get("min_n", 3), about.get("max_n", 6))


def write_counts(folder: Path, words: Iterable[str], counts: np.ndarray) -> None:
    """Replaces a folder's words.tsv: a word, a tab and how often it occurred on each line."""
    pairs = zip(words, counts.tolist(), strict=True)
    write_text(folder / COUNTS, "".join(f"{word}\t{count}\n" for word, count in pairs))


def read_counts(folder: Path) -> tuple[list[str], np.ndarray]:
    """The words of a folder's words.tsv and how often each occurred, `[words]` int64."""
    path = folder / COUNTS
    if not path.is_file():
        raise UsageError(f"{path} is missing: expected the words of the vectors there")
    words, counts = [], []
    lines = path.read_bytes().decode(errors="replace").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        word, _, count = line.rpartition("\t")
        if not word or not count.isdecimal():
            raise UsageError(f"{path}, line {number}: expected a word, a tab and its count")
        words.append(word)
        counts.append(int(count))
    return words, np.array(counts, np.int64)
