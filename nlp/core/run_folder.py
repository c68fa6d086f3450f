"""The folder of a training run: what it was asked to do, and never in the way of what was there.

    model/                 a model folder, see nlp.core.checkpoint
      metrics.jsonl        the curves of the run
      training/run.json    the arguments of the run
      training/tokens/     the corpus as ids
      training/state.safetensors

A new run moves the model that was there aside, and puts it back where it fails before its first
checkpoint.
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
from nlp.core.checkpoint import CONFIG, TOKENIZER, WEIGHTS
from nlp.core.training_state import FOLDER, STATE

RUN = "run.json"


class RunFolder:
    """Where a run leaves its model."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        if self.path.name in ("", ".."):  # the names of no folder that could be moved
            self.path = self.path.resolve()
        self.previous = self.path.with_name(f"{self.path.name}.previous")
        self._moved = self._made = False

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
        if self.path.is_dir() and any(self.path.iterdir()):
            if not overwrite:
                raise UsageError(
                    f"the folder {self.path} is not empty: --resume goes on with its run, "
                    "--overwrite replaces it, or name another --output"
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
        ended before it had a model goes itself."""
        for folder in (self.path, self.previous):
            if folder.exists() and not is_model(folder):
                raise UsageError(
                    f"{folder} holds something else than a model, "
                    "which --overwrite does not replace: name another --output"
                )
        with writing_to(self.previous):
            if not (self.path / WEIGHTS).exists():
                shutil.rmtree(self.path)
                self._moved = self.previous.exists()
                return
            if self.previous.exists():
                shutil.rmtree(self.previous)
            self.path.rename(self.previous)
        self._moved = True

    def discard_unstarted(self) -> None:
        """After a failure: takes away a folder that holds no weights yet, and puts back what was
        there before."""
        if not self._made or self.has_state() or (self.path / WEIGHTS).exists():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        if self._moved:
            self.previous.rename(self.path)

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
    """Whether a folder holds a model or a run that has not made one yet."""
    return (folder / FOLDER / RUN).is_file() or (folder / CONFIG).is_file()


def plain(value: Any) -> Any:
    """As JSON will give it back: paths as text, tuples as lists."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
