"""Plain text files, compressed or not, to Unicode text in large pieces, never changed.

Bytes are read and decoded in blocks of two megabytes, not line by line: the tokenizer behind
this reader takes more than a hundred megabytes a second. Where a document is cut into pieces, the
cut is put where it cannot change how a GPT-2 or GPT-4 tokenizer sees the text (`cut_position`).
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from corpora.errors import UsageError
from corpora.passage import Passage

BLOCK = 2 << 20  # bytes read at a time; a piece is at most about twice as long
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COMPRESSED_BLOCK = 1 << 15
_SEARCHED = 1 << 16  # characters at a piece's end that are searched for the less common cuts
# A lone line break between two visible characters, and a letter before a sign: both patterns
# begin a new pre-token there whatever comes before and after.
_LESSER_CUTS = (re.compile(r"\S\n(?=\S)"), re.compile(r"[^\W\d_](?=[^\w\s'])"))


class File(NamedTuple):
    """A file to read. `path` is None for standard input; messages call it `name`."""

    path: Path | None
    name: str

    @property
    def compression(self) -> str:
        """ ".gz", ".bz2", ".xz", ".zst" or nothing."""
        suffix = self.path.suffix.lower() if self.path else ""
        return suffix if suffix in COMPRESSIONS else ""

    @property
    def suffix(self) -> str:
        """What the name ends in when the compression's own ending is taken away, such as ".csv"."""
        if self.path is None:
            return ""
        name = Path(self.path.stem) if self.compression else self.path
        return name.suffix.lower()


def blocks(file: File) -> Iterator[bytes]:
    """The file's bytes, decompressed, in blocks of about two megabytes.

    Raises `UsageError` for a file that cannot be opened or decompressed.
    """
    try:
        if file.path is None:
            while block := sys.stdin.buffer.read(BLOCK):
                yield block
            return
        with _open(file.path, file.compression) as stream:
            if file.compression == ".zst":
                yield from _zstandard_blocks(stream, file)
                return
            while block := stream.read(BLOCK):
                yield block
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise _damaged(file, str(error)) from error
    except OSError as error:
        if file.compression == ".bz2" and error.errno is None:  # bz2 has no exception of its own
            raise _damaged(file, str(error)) from error
        raise UsageError(f"{file.name}: cannot be read ({error.strerror or error})") from error


def _open(path: Path, compression: str) -> IO[bytes]:
    if compression == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    if compression == ".bz2":
        return bz2.open(path)
    if compression == ".xz":
        return lzma.open(path)
    return path.open("rb", buffering=0)


def _zstandard_blocks(stream: IO[bytes], file: File) -> Iterator[bytes]:
    """Frame by frame: zstandard's own stream reader takes a truncated file for a complete one."""
    import zstandard

    frame = None
    parts: list[bytes] = []
    length = 0
    try:
        while data := stream.read(_COMPRESSED_BLOCK):
            while data:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                parts.append(frame.decompress(data))
                length += len(parts[-1])
                data = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
            if length >= BLOCK:
                yield b"".join(parts)
                parts, length = [], 0
    except zstandard.ZstdError as error:
        raise _damaged(file, str(error)) from error
    if frame:
        raise _damaged(file, "it ends before the end of the compressed data")
    if length:
        yield b"".join(parts)


def _damaged(file: File, reason: str) -> UsageError:
    return UsageError(
        f"{file.name}: not a complete {file.compression} file ({reason}); copy or download it again"
    )


def decode(file: File, encoding_errors: str = "strict") -> Iterator[str]:
    """The file's UTF-8 text in pieces of about two megabytes, cut between any two characters.

    Raises `UsageError` for a byte that is not UTF-8, unless `encoding_errors` is "replace", and
    for a NUL byte, which text does not hold: the message gives the byte's offset and line.
    """
    offset = 0  # of `data`, in bytes
    line = 1  # that `data` begins in
    rest = b""  # the first bytes of a character whose last bytes are in the next block
    for block in blocks(file):
        data = rest + block if rest else block
        if b"\0" in data:
            raise _binary(file, data, offset, line)
        text, used = _decode(file, data, encoding_errors, offset, line, final=False)
        offset += used
        line += data.count(b"\n", 0, used)
        rest = data[used:]
        if text:
            yield text
    if rest:
        yield _decode(file, rest, encoding_errors, offset, line, final=True)[0]


def _decode(
    file: File, data: bytes, encoding_errors: str, offset: int, line: int, *, final: bool
) -> tuple[str, int]:
    try:
        return codecs.utf_8_decode(data, encoding_errors, final)
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise UsageError(
            f"{file.name}: byte 0x{data[error.start]:02x} at byte offset {offset + error.start}, "
            f"line {line}, is not UTF-8 ({error.reason}); save the file as UTF-8, or use "
            "`--encoding-errors replace` to read \N{REPLACEMENT CHARACTER} in its place"
        ) from error


def _binary(file: File, data: bytes, offset: int, line: int) -> UsageError:
    if offset == 0 and data.startswith(UTF16_MARKS):
        return UsageError(f"{file.name}: the text is in UTF-16; save the file as UTF-8")
    position = data.index(b"\0")
    line += data.count(b"\n", 0, position)
    return UsageError(
        f"{file.name}: NUL byte at byte offset {offset + position}, line {line}: this is a binary "
        "file, and text in UTF-8 was expected"
    )


def passages(file: File, encoding_errors: str = "strict") -> Iterator[Passage]:
    """The file as one document, in pieces that joined give the file's text. None if it is empty."""
    held = ""
    for text in decode(file, encoding_errors):
        if held:
            text = held + text
            cut = cut_position(text)
            yield Passage(text[:cut], False)
            text = text[cut:]
        held = text
    if held:
        yield Passage(held, True)


def cut_position(text: str) -> int:
    """Where to cut a text of two characters or more in two, at the last place that suits.

    That is between a visible character and a following space; in a text without such a place,
    after a lone line break or between a letter and a sign; anywhere in a text that has none of
    these. A tokenizer with the GPT-2 or GPT-4 pattern begins a new pre-token at each of the
    first three, so that only the last changes its tokens. Neither part is empty.
    """
    cut = len(text)
    while (cut := text.rfind(" ", 1, cut)) > 0:
        if not text[cut - 1].isspace():
            return cut
    start = max(0, len(text) - _SEARCHED)
    for pattern in _LESSER_CUTS:
        if ends := [found.end() for found in pattern.finditer(text, start)]:
            return ends[-1]
    return len(text) - 1


def lines(file: File, encoding_errors: str = "strict") -> Iterator[str]:
    """The file's lines without their line break (LF or CRLF). A leading byte order mark is not
    part of the first one.
    """
    held: list[str] = []  # the parts of a line that is longer than a block
    first = True
    for text in decode(file, encoding_errors):
        if first:
            text, first = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), False
        *complete, last = text.split("\n")
        if complete:
            held.append(complete[0])
            complete[0] = "".join(held)
            held = []
            for line in complete:
                yield line.removesuffix("\r")
        held.append(last)
    if line := "".join(held):
        yield line.removesuffix("\r")
