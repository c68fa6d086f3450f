"""The plain files of word vectors: word2vec's text and binary, and GloVe's text.

    400000 50                400000 50
    the 0.418 0.24968 ...    the ################...      float32, little endian
    , 0.013441 0.23682 ...   , ################...        a line break between may be there or not

GloVe's text has no first line. A file may be cut short, have a bad line or tell of a wrong number
of words: `read` says where. What `write_text` and `write_binary` write is what gensim writes, byte
for byte.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from corpora.errors import UsageError

__all__ = ["read", "write_binary", "write_text"]

_HEADER = re.compile(rb"[ \t]*(\d+)[ \t]+(\d+)[ \t\r]*\n")
_NUMBER = rb" +[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_BLANKS = b" \t\r\n"
_BLOCK = 1 << 22  # bytes read at once
_HEAD = 1 << 16  # bytes a file is judged by; no word is longer

Rows = tuple[list[str], np.ndarray]  # words and [words, size] float32


def read(path: Path, file: IO[bytes], limit: int | None) -> Rows:
    """The words of a file and their vectors, `[words, size]`; of its first `limit` words only.

    Raises:
        UsageError: a line cannot be read, the file is cut short, or is no such file.
    """
    head = file.read(_HEAD)
    header = _HEADER.match(head)
    if not header:
        if b"\0" in head:
            raise UsageError(f"{path} is of no known format: expected word vectors")
        file.seek(0)
        return _read_text(path, file, _guess_size(path, head), limit, number=1)
    count, size = int(header[1]), int(header[2])
    if not count or not size:
        raise UsageError(f"{path}, line 1: {count} words of {size} numbers: expected some")
    file.seek(header.end())
    if not _is_text(path, head[header.end() :], size):
        return _read_binary(path, file, size, count, limit)
    words, matrix = _read_text(path, file, size, limit, number=2)
    if len(words) < min(count, limit or count) or (limit is None and len(words) > count):
        raise UsageError(
            f"{path} holds {len(words)} words, but its first line tells of {count}: it is damaged "
            "or cut short; copy or download it again"
        )
    return words, matrix


def _is_text(path: Path, content: bytes, size: int) -> bool:
    """Whether a word and numbers follow, which bytes of float32 look like only by a rare chance."""
    if re.match(rb"[^ ]+(?:%b){%d}[ \r\n]" % (_NUMBER, min(size, 3)), content):
        return True  # whatever else is in it: words from the web may hold control characters
    if ".bin" in path.suffixes or _CONTROL.search(content):
        return False
    try:  # a first line that is bad is told as such
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return False
    return True


def _guess_size(path: Path, head: bytes) -> int:
    """How many numbers most of the first lines hold: words with spaces and bad lines are few."""
    lines = head.strip(_BLANKS).split(b"\n")
    lines = lines[:-1] if len(head) == _HEAD and len(lines) > 1 else lines
    size = Counter(len(line.split()) - 1 for line in lines).most_common(1)[0][0]
    if size < 1:
        raise UsageError(f"{path}, line 1: expected a word and its vector, found a word alone")
    return size


def _read_text(path: Path, file: IO[bytes], size: int, limit: int | None, number: int) -> Rows:
    """A word and `size` numbers on each line, from line `number` of the file on."""
    words: list[str] = []
    values = bytearray()  # it grows in place: a file may tell a wrong count, or none
    while (limit is None or len(words) < limit) and (lines := file.readlines(_BLOCK)):
        numbers, places = [], []  # the text of each vector, and its line
        for place, line in enumerate(lines, number):
            line = line.strip(_BLANKS)
            if line.count(b" ") == size:
                word, _, vector = line.partition(b" ")
            else:  # a word with spaces in it (GloVe has ". . ."), or another kind of blanks
                fields = line.rsplit(None, size)
                if not fields:
                    continue
                if len(fields) <= size:
                    raise UsageError(
                        f"{path}, line {place}: found {len(fields) - 1} numbers behind the word, "
                        f"expected {size}; mend or remove the line"
                    )
                word, vector = fields[0], b" ".join(fields[1:])
            words.append(word.decode(errors="replace"))
            numbers.append(vector.decode(errors="replace"))
            places.append(place)
            if len(words) == limit:
                break
        if numbers:
            values += _parse(path, numbers, places, size).tobytes()
        number += len(lines)
    return words, np.frombuffer(values, np.float32).reshape(-1, size)


def _parse(path: Path, numbers: Sequence[str], places: Sequence[int], size: int) -> np.ndarray:
    """The numbers on each of some lines, `[lines, size]`."""
    try:
        parsed = np.loadtxt(numbers, np.float32, comments=None, ndmin=2)
        if parsed.shape == (len(numbers), size):
            return parsed
    except ValueError:
        pass
    for place, line in zip(places, numbers, strict=True):
        for field in line.split():
            try:
                np.loadtxt([field], np.float32, comments=None)
            except ValueError as error:
                raise UsageError(
                    f"{path}, line {place}: {field!r} is not a number; expected a word and {size} "
                    "numbers: mend or remove the line"
                ) from error
        if len(line.split()) != size:
            break
    raise UsageError(f"{path}, line {place}: expected a word and {size} numbers, one blank between")


def _read_binary(path: Path, file: IO[bytes], size: int, count: int, limit: int | None) -> Rows:
    """`count` times a word, a space and `size` float32."""
    words: list[str] = []
    values, block, start = bytearray(), b"", 0
    while len(words) < min(count, limit or count):
        vector = block.find(b" ", start) + 1
        end = vector + 4 * size
        if vector and end <= len(block):
            words.append(block[start : vector - 1].lstrip(b"\n").decode(errors="replace"))
            values += memoryview(block)[vector:end]
            start = end
            continue
        more = file.read(_BLOCK) if vector or len(block) - start < _HEAD else b""
        if not more:
            raise UsageError(
                f"{path} is cut short or damaged behind word {len(words)} of {count}: copy or "
                "download it again"
            )
        block, start = block[start:] + more, 0
    if len(words) == count and (block[start:] + file.read(64)).strip(_BLANKS):
        raise UsageError(
            f"{path} goes on behind the {count} words that its first line tells of: it is damaged; "
            "copy or download it again"
        )
    return words, np.frombuffer(values, "<f4").reshape(-1, size)


def write_text(file: IO[bytes], words: Sequence[str], matrix: np.ndarray, *, header: bool) -> None:
    """Writes word2vec's text, or GloVe's, which has no header; numbers as short as is exact."""
    if header:
        file.write("{} {}\n".format(*matrix.shape).encode())
    for word, row in zip(words, matrix, strict=True):
        file.write(f"{word} {' '.join(map(str, row))}\n".encode())


def write_binary(file: IO[bytes], words: Sequence[str], matrix: np.ndarray) -> None:
    """Writes word2vec's binary."""
    file.write("{} {}\n".format(*matrix.shape).encode())
    for word, row in zip(words, matrix.astype("<f4", copy=False), strict=True):
        file.write(word.encode() + b" " + row.tobytes())
