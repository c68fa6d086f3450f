"""The folder of a training run: what it was asked to do, and never in the way of what was there.

    model/                 a model folder, see nlp.core.checkpoint
      metrics.jsonl        the curves of the run
      training/run.json    the arguments of the run
      training/tokens/     the corpus as ids
      training/state.safetensors

A new run moves the model that was there aside, and puts it back where it fails before its first
checkpoint. Only folders of ours are moved, and only what a run has written is ever deleted.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from corpora.errors import UsageError, writing_to
from corpora.writing import remove_parts, write_text
from nlp.core.checkpoint import CONFIG, FILES, LIBRARY, TOKENIZER, WEIGHTS
from nlp.core.training_state import FOLDER, METRICS, STATE

RUN = "run.json"
# All that runs write, as `Path.match` understands it. A folder that holds more is never deleted.
WRITTEN = (
    *(*FILES, METRICS, "curves.png", "reliability.png", ".*.part", ".tmp*"),
    *(
        f"{FOLDER}/{name}"
        for name in (RUN, STATE, "words.txt", "best-*.safetensors", ".*.part", ".tmp*")
    ),
    *(f"{FOLDER}/{name}" for name in ("tokens/header.json", "tokens/*.tokens", ".tokens.*/*")),
)


class RunFolder:
    """Where a run leaves its model.

    Args:
        resumes: whether the command that asks can go on with a run.
    """

    def __init__(self, path: str | Path, *, resumes: bool = True) -> None:
        self.path, self.resumes = Path(path).expanduser(), resumes
        if self.path.name in ("", ".."):  # the names of no folder that could be moved
            self.path = self.path.resolve()
        self.previous = self.path.with_name(f"{self.path.name}.previous")
        self._before: Path | None = None  # what stood here, where it stands now
        self._made = False

    @property
    def tokens(self) -> Path:
        return self.path / FOLDER / "tokens"

    @property
    def tokenizer(self) -> Path:
        return self.path / TOKENIZER

    def has_state(self) -> bool:
        """Whether a run has got far enough to be gone on with."""
        return (self.path / FOLDER / STATE).is_file()

    def create(self, arguments: Mapping[str, Any], *, overwrite: bool) -> None:
        """Begins a run: writes down its arguments.

        Raises:
            UsageError: the folder is there and not empty, and may not be replaced.
        """
        if self.path.is_file():
            raise UsageError(f"{self.path} is a file: name a folder for --output")
        for part in (self.path / FOLDER).glob(f".{RUN}.*.part"):
            part.unlink()  # all there is of a run killed at its very beginning
        held = (path for path in self.path.rglob("*") if not path.is_dir() or path.is_symlink())
        if self.path.is_dir() and any(held):
            if not is_model(self.path):
                raise UsageError(
                    f"{self.path} holds something else than a model, "
                    "which is never replaced: name another --output"
                )
            if not overwrite:
                can_resume = self.has_state() or not (self.path / WEIGHTS).exists()
                resume = "--resume goes on with its run, " if self.resumes and can_resume else ""
                raise UsageError(
                    f"the folder {self.path} is not empty: {resume}--overwrite replaces it, "
                    "or name another --output"
                )
            self._move_away()
        self._made = True
        try:
            write_text(self.path / FOLDER / RUN, json.dumps(plain(arguments), indent=2) + "\n")
        except UsageError:
            self.discard_unstarted()
            raise

    def _move_away(self) -> None:
        """Makes room: the model becomes the previous one, and the one before that goes; a run that
        ended before it had a model goes itself. What holds files of others is kept beside."""
        if self.previous.exists() and not is_model(self.previous):
            raise UsageError(
                f"{self.previous} holds something else than a model, and --overwrite would move "
                f"{self.path} there: name another --output"
            )
        with writing_to(self.previous):
            if (self.path / WEIGHTS).exists():
                if self.previous.exists():
                    _remove_or_keep(self.previous, self.previous)
                self._before = self.path.rename(self.previous)
            else:
                self._before = _remove_or_keep(self.path, self.previous)
                if self._before is None and self.previous.exists():
                    self._before = self.previous

    def discard_unstarted(self) -> None:
        """After a failure: takes away a folder that holds no weights yet, and puts back what was
        there before."""
        if not self._made or self.has_state() or (self.path / WEIGHTS).exists():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        if self._before is not None:
            self._before.rename(self.path)

    def arguments(self, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the run in this folder, for going on with it.

        Raises:
            UsageError: there is no run, or an argument was given that differs from the run's.
        """
        path = self.path / FOLDER / RUN
        if not path.is_file():
            raise UsageError(f"nothing to resume in {self.path}: it has no {FOLDER}/{RUN}")
        try:
            stored = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path} is damaged: the run cannot be resumed, start anew") from error
        for name, parameter in inspect.signature(function).parameters.items():
            value = plain(given).get(name)
            if name in ("output", "resume", "overwrite", "report"):
                continue
            if name not in stored:
                raise UsageError(f"{path} is from another version: the run cannot be resumed")
            if value not in (plain(parameter.default), stored[name]):
                raise UsageError(
                    f"{name} is {value} here and {stored[name]} in the run to resume: "
                    "a resumed run keeps its arguments, so leave it out"
                )
        for folder in (self.path, self.path / FOLDER):
            remove_parts(folder)
        return {**given, **stored, "output": str(self.path)}


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model of ours, or a run that has not made one yet."""
    run, config = (_read(folder / name) for name in (f"{FOLDER}/{RUN}", CONFIG))
    return "output" in run or config.get("library") == LIBRARY


def _read(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where there is none that can be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _remove_or_keep(folder: Path, name: Path) -> Path | None:
    """Deletes a folder of ours; where it holds more than runs write, it gets a free name like
    `name` instead, which is returned."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    if not folder.is_symlink() and all(_is_written(path.relative_to(folder)) for path in found):
        shutil.rmtree(folder)
        return None
    free, number = name, 1
    while free.exists():
        number += 1
        free = name.with_name(f"{name.name}-{number}")
    return folder.rename(free)


def _is_written(path: Path) -> bool:
    """Whether a path within a folder is one that runs write."""
    written = (name for name in WRITTEN if name.count("/") == len(path.parts) - 1)
    return any(path.match(name) for name in written)


def plain(value: Any) -> Any:
    """As JSON will give it back: paths as text, tuples as lists."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
