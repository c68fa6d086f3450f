"""Answers to a long input, written so that a run that is killed can be gone on with.

    out.txt              an answer for each text, whole lines at any time
    out.txt.run.jsonl    the settings, then for each text answered its hash and where its answer
                         ends in bytes; gone when all are answered

    with Partial(Path("out.txt"), {"model": "a3f1", "beam_size": 5}, resume=True) as partial:
        for texts in partial.unanswered(groups):
            for text, answer in zip(texts, answers(texts)):
                partial.write(text, f"{answer}\\n")

A line is written by one call of the system, the answer before the note of it: what a killed run has
left beyond its last note is taken away when it is gone on with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Any

from corpora.errors import UsageError, writing_to
from corpora.writing import write_text

RECORD = ".run.jsonl"  # behind the name of the output


class Partial:
    """The file that answers are written to, and the record beside it.

    Args:
        settings: all that answers depend on, as JSON has it.
        resume: go on with the run that stands there, if there is one.
        overwrite: begin anew, whatever stands there.

    Raises:
        UsageError: something stands there and neither is asked for; what is to be gone on with
            was begun with other settings, or has no record. Nothing has been touched then.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.path, self.record = path, path.with_name(path.name + RECORD)
        self.settings = json.loads(json.dumps(settings))
        self._done: list[tuple[str, int]] = []  # hash of each text, end of its answer in bytes
        self._open = ExitStack()
        self._files: tuple[FileIO, ...] = ()
        if resume and overwrite:
            raise UsageError("resume and overwrite contradict each other: choose one")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no regular file: choose another place")
        if resume:
            self._read()
        elif not overwrite:
            self._refuse_what_is_there()

    @property
    def answered(self) -> int:
        """How many texts have been answered, in all runs."""
        return len(self._done)

    def _refuse_what_is_there(self) -> None:
        if self.record.exists():
            raise UsageError(
                f"{self.path} is not finished: go on with --resume, or begin anew with --overwrite"
            )
        if self.path.exists():
            raise UsageError(f"{self.path} exists: replace it with --overwrite, or name another")

    def _read(self) -> None:
        if not self.record.exists():
            if self.path.exists():
                raise UsageError(
                    f"nothing to resume: {self.path} has no {self.record.name} beside it, so it is "
                    "complete; --overwrite begins anew"
                )
            return
        first, *rest = self.record.read_text(encoding="utf-8").split("\n")
        try:
            before: Mapping[str, Any] = dict(json.loads(first))
            noted = [(str(text), int(end)) for text, end in map(json.loads, rest[:-1])]
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{self.record} is damaged: begin anew with --overwrite instead of --resume"
            ) from error
        for name in sorted({*before, *self.settings}):
            was, now = before.get(name), self.settings.get(name)
            if was != now:
                raise UsageError(
                    f"{self.path} was begun with {name} {_told(was)}, and it is {_told(now)} now: "
                    "give what was given then, or begin anew with --overwrite"
                )
        size = self.path.stat().st_size if self.path.exists() else 0
        self._done = [(text, end) for text, end in noted if end <= size]

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        with self._open:
            if kind is None:
                self._begin()
        if kind is None:
            self.record.unlink()

    def _begin(self) -> None:
        """Opens both files, unless they are open. What fails before the first answer, fails before
        anything is written."""
        if self._files:
            return
        with writing_to(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lines = [self.settings, *self._done]
            write_text(self.record, "".join(f"{json.dumps(line)}\n" for line in lines))
            answers, notes = (
                self._open.enter_context(FileIO(path, "a")) for path in (self.path, self.record)
            )
            answers.truncate(self._end)
        self._files = (answers, notes)

    @property
    def _end(self) -> int:
        return self._done[-1][1] if self._done else 0

    def unanswered(self, groups: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        """The texts that are still to be answered.

        Raises:
            UsageError: one that has been answered was another then, or is not there any more.
        """
        before = [text for text, _ in self._done]
        number = 0
        for group in groups:
            rest = []
            for text in group:
                if number >= len(before):
                    rest.append(text)
                elif before[number] != _hash(text):
                    raise UsageError(
                        f"text {number + 1} is not the one that {self.path} answers there: give "
                        "the same texts again, or begin anew with --overwrite"
                    )
                number += 1
            if rest:
                yield rest
        if number < len(before):
            raise UsageError(
                f"there are {number:,} texts, and {self.path} answers {len(before):,}: give the "
                "same texts again, or begin anew with --overwrite"
            )

    def write(self, text: str, answer: str) -> None:
        """Writes and notes the answer to a text: one line or several, each with its end."""
        self._begin()
        answers, notes = self._files
        with writing_to(self.path):
            try:
                for line in answer.split("\n")[:-1]:
                    _write(answers, f"{line}\n".encode())
            except BaseException:
                answers.truncate(self._end)  # no part of a line stays
                raise
            self._done.append((_hash(text), self._end + len(answer.encode())))
            _write(notes, f"{json.dumps(self._done[-1])}\n".encode())


def _write(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _told(value: Any) -> str:
    return "not given" if value is None else json.dumps(value, ensure_ascii=False)


def contents(paths: Iterable[Path]) -> str:
    """A hash of what files hold, those that there are: the same for the same model."""
    digest = blake2b(digest_size=8)
    for path in paths:
        if path.is_file():
            digest.update(f"{path.name} {os.path.getsize(path)}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
