"""Tokens on disk: a folder with a flat array of token ids for each split and a `header.json`.

    with TokenStoreWriter("tokens/", vocabulary_size=8192, tokenizer_fingerprint="3f2a") as writer:
        for ids in tokenizer.encode_corpus(writer.counting("train", passages)):
            writer.append("train", ids)
    TokenStore.open("tokens/").split("train")  # a read-only np.memmap, uint16 or uint32

The header is the last thing to be put in place and names the files that belong to it. A new store
is written in a hidden folder beside its place and renamed; one that replaces another moves its
files next to the old ones and then its header over the old header. So whoever opens the folder,
at whatever moment a run was killed, finds the old store or the new one, whole.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from corpora.errors import UsageError, writing_to
from corpora.passage import Counts, Passage, counting
from corpora.store_header import FORMAT, HEADER, VERSION, Header, read_header, refusal

__all__ = ["Counts", "Header", "TokenStore", "TokenStoreWriter"]

_ENDING = ".tokens"
_BUFFER = 8 << 20  # bytes gathered before they go to the disk


class TokenStore:
    """A finished store, opened to be read. The arrays are memory-mapped, not loaded."""

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder = folder
        self.header = header

    @classmethod
    def open(cls, folder: str | Path, *, tokenizer_fingerprint: str | None = None) -> TokenStore:
        """Open a store.

        Raises `UsageError` for a folder that is no store, for one of which a file is missing, cut
        short or damaged, and for one made with another tokenizer than the one named, if any.
        """
        folder = Path(folder)
        header = read_header(folder)
        for split, name in header.files.items():
            expected = header.splits[split].tokens * np.dtype(header.dtype).itemsize
            try:
                found = (folder / name).stat().st_size
            except OSError as error:
                raise refusal(folder, f"its file {name} is missing") from error
            if found != expected:
                raise refusal(folder, f"{name} has {found} bytes and should have {expected}")
        if tokenizer_fingerprint not in (None, header.tokenizer_fingerprint):
            raise UsageError(
                f"{folder}: its tokens were made with tokenizer {header.tokenizer_fingerprint}, "
                f"and tokenizer {tokenizer_fingerprint} was expected; tokenize the text again"
            )
        return cls(folder, header)

    def split(self, name: str) -> np.ndarray[Any, np.dtype[np.unsignedinteger]]:
        """The token ids of a split, `[tokens]`, read-only."""
        if name not in self.header.splits:
            raise UsageError(
                f"{self.folder}: no split {name!r}; the splits are: {', '.join(self.header.splits)}"
            )
        dtype = np.dtype(self.header.dtype).newbyteorder("<")
        if not self.header.splits[name].tokens:  # an empty file cannot be mapped
            return np.empty(0, dtype)
        return np.memmap(self.folder / self.header.files[name], dtype, "r")


class TokenStoreWriter:
    """Writes a store in a stream; memory does not grow with it.

    It is a context manager: the store stands in its place when the block ends, and nothing of it
    remains where the block ends with an exception. An older store in that place is replaced; a
    folder with anything else in it is refused at the start with a `UsageError`.
    """

    def __init__(
        self, folder: str | Path, *, vocabulary_size: int, tokenizer_fingerprint: str
    ) -> None:
        self.folder = Path(folder)
        self.vocabulary_size = vocabulary_size
        self.tokenizer_fingerprint = tokenizer_fingerprint
        self.dtype = np.dtype("<u2" if vocabulary_size <= 1 << 16 else "<u4")
        self.counts: dict[str, Counts] = {}
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> TokenStoreWriter:
        self._refuse_other_contents()
        with writing_to(self.folder):
            self.folder.absolute().parent.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            self._partial = Path(
                tempfile.mkdtemp(prefix=self._partial_prefix, dir=self.folder.absolute().parent)
            )
            self._partial.chmod(0o755)
        self._lock = _lock(self._partial)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with writing_to(self.folder):
                    self._finish()
        finally:
            for file in self._files.values():
                with suppress(OSError):
                    file.close()
            shutil.rmtree(self._partial, ignore_errors=True)
            if self._lock is not None:
                os.close(self._lock)

    def append(
        self, split: str, ids: npt.ArrayLike, *, documents: int = 0, words: int = 0, bytes: int = 0
    ) -> None:
        """Add token ids, `[tokens]`, to the end of a split, and to its counts of the text.

        Raises `ValueError` for ids that are no integers of the vocabulary and `UsageError` where
        the disk is full.
        """
        array = np.asarray(ids)
        if array.size:
            if array.dtype.kind not in "iu" or array.ndim != 1:
                raise ValueError(
                    f"token ids: {array.dtype} with {array.ndim} dimensions; expected integers in 1"
                )
            lowest, highest = (int(array.min()) if array.dtype.kind == "i" else 0), int(array.max())
            if lowest < 0 or highest >= self.vocabulary_size:
                raise ValueError(
                    f"token id {lowest if lowest < 0 else highest} is outside the vocabulary of "
                    f"{self.vocabulary_size}"
                )
        file, counts = self._file(split), self.counts[split]
        with writing_to(self.folder):
            file.write(np.ascontiguousarray(array, self.dtype).data)
        counts.tokens += array.size
        counts.documents += documents
        counts.words += words
        counts.bytes += bytes

    def counting(self, split: str, passages: Iterable[Passage]) -> Iterator[Passage]:
        """The same passages; their documents, words and bytes are counted as they go by."""
        self._file(split)
        return counting(passages, self.counts[split])

    @property
    def _partial_prefix(self) -> str:
        return f".{self.folder.absolute().name}.partial-"

    def _file(self, split: str) -> IO[bytes]:
        if split not in self._files:
            if not re.fullmatch(r"\w[\w-]*", split):
                raise ValueError(f"split {split!r}: expected letters, digits, _ and -")
            # The random part keeps the file apart from those of the store that is replaced.
            unique = self._partial.name.removeprefix(self._partial_prefix)
            path = self._partial / f"{split}-{unique}{_ENDING}"
            with writing_to(self.folder):
                self._files[split] = path.open("wb", buffering=_BUFFER)
            self.counts[split] = Counts()
        return self._files[split]

    def _finish(self) -> None:
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        header = Header(
            self.tokenizer_fingerprint,
            self.vocabulary_size,
            self.dtype.name,
            self.counts,
            {split: Path(file.name).name for split, file in self._files.items()},
        )
        with (self._partial / HEADER).open("w", encoding="utf-8") as stream:
            json.dump({"format": FORMAT, "version": VERSION, **asdict(header)}, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        _sync(self._partial)
        if not (self.folder / HEADER).exists():
            try:
                self._partial.rename(self.folder)
            except OSError:
                if not (self.folder / HEADER).exists():  # otherwise another run was faster
                    raise
            else:
                _sync(self.folder.absolute().parent)
                return
        for name in header.files.values():
            (self._partial / name).rename(self.folder / name)
        _sync(self.folder)
        (self._partial / HEADER).replace(self.folder / HEADER)
        _sync(self.folder)
        for path in self.folder.glob(f"*{_ENDING}"):
            if path.name not in header.files.values():
                path.unlink(missing_ok=True)

    def _refuse_other_contents(self) -> None:
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file; name a folder for the token store")
        with suppress(OSError, ValueError):
            if json.loads((self.folder / HEADER).read_bytes()).get("format") == FORMAT:
                return
        if any(self.folder.iterdir()):
            raise UsageError(
                f"{self.folder} holds something else than a token store; name a new folder, or "
                "remove this one"
            )

    def _remove_leftovers(self) -> None:
        """What killed runs left beside the store; a run that is still going holds its lock."""
        for path in self.folder.absolute().parent.glob(f"{glob.escape(self._partial_prefix)}*"):
            if (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock, which the system frees when the process dies.
    None where another holds it, or where there are no locks.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system knows how."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
