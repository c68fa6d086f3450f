"""A run of a model's `train`: what it was asked to do, where it leaves the model, who listens.

    def train(data=None, *, output="tagger", ..., resume=False, overwrite=False, report=silent):
        run = Run.of(train, locals())
        if not run.resumed:
            _check(run.arguments)       # refuses, and fills in defaults
        with run.started():             # from here on the folder is this run's
            return _run(run)            # and ends with run.finish(...)

Whatever can be refused is refused before the folder is touched, and a run that fails before its
first checkpoint leaves the folder as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from corpora.errors import UsageError, check_positive
from nlp.core import checkpoint, curves
from nlp.core.device import choose_device
from nlp.core.events import Event, Remark
from nlp.core.model_card import write_card
from nlp.core.recipe import Recipe
from nlp.core.run_folder import RunFolder

Config = TypeVar("Config")
NOT_KEPT = ("resume", "overwrite", "report")  # arguments of this call, not of the run


@dataclass(frozen=True)
class Run:
    """What `train` was called with."""

    folder: RunFolder
    arguments: dict[str, Any]  # those that the run began with, where it is gone on with
    report: Callable[[Event], None]
    resumed: bool
    overwrite: bool

    @classmethod
    def of(cls, train: Callable[..., Any], given: Mapping[str, Any]) -> Run:
        """The run that a call of `train` asks for.

        Args:
            train: the function; its defaults tell what of `given` was left out.
            given: all its arguments, that is `locals()` in its first line. `output`, `overwrite`
                and `report` are among them, and `resume` where it can go on with a run.

        Raises:
            UsageError: `resume` and `overwrite` together; nothing to resume; an argument that
                differs from the run's.
        """
        resume = given.get("resume", False)
        if resume and given["overwrite"]:
            raise UsageError("resume and overwrite contradict each other: choose one")
        folder = RunFolder(given["output"], resumes="resume" in given)
        arguments = {name: value for name, value in given.items() if name not in NOT_KEPT}
        if resume:
            arguments = folder.arguments(train, arguments)
        return cls(folder, arguments, given["report"], resume, given["overwrite"])

    @property
    def path(self) -> Path:
        """The model's folder."""
        return self.folder.path

    @property
    def goes_on(self) -> bool:
        """Whether there are weights of this run to go on from: one that was killed before its
        first checkpoint is resumed from its beginning."""
        return self.resumed and self.folder.has_state()

    @contextmanager
    def started(self) -> Iterator[None]:
        """Makes the folder this run's, unless it is resumed; if what follows fails before it has
        left weights, what was there before is there again."""
        if not self.resumed:
            self.folder.create(self.arguments, overwrite=self.overwrite)
        try:
            yield
        except (Exception, KeyboardInterrupt):
            self.folder.discard_unstarted()
            raise

    def tell(self, *texts: str) -> None:
        """Remarks to whoever listens."""
        for text in texts:
            self.report(Remark(text))

    def pick(self, names: Sequence[str]) -> dict[str, Any]:
        """The arguments of these names."""
        return {name: self.arguments[name] for name in names}

    def place(self, model: nn.Module, name: str) -> None:
        """Moves a model to the run's device, and tells how large it is; `name` as in "a tagger"."""
        where = choose_device(self.arguments["device"])
        self.tell(f"{name} of {checkpoint.parameter_count(model):,} parameters, on {where}")
        model.to(where)

    def finish(
        self,
        *,
        title: str,
        about: str,
        columns: Sequence[str],
        results: Mapping[str, Sequence[float | None]],
        idle: Collection[str] = (),
    ) -> None:
        """Writes the model's card, see `nlp.core.model_card.write_card`, and draws the curves of
        its losses where `plot` asks for them. Arguments that were `idle` are not on it."""
        if self.arguments["plot"]:
            curves.draw(self.path)
        write_card(
            self.path,
            title=title,
            about=about,
            columns=columns,
            results=results,
            arguments={n: value for n, value in self.arguments.items() if n not in idle},
        )


def config_of(kind: type[Config], arguments: Mapping[str, Any], **known: Any) -> Config:
    """A model's configuration, a dataclass: of `train`'s arguments those that are fields of it, and
    what is known from the data instead."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    chosen = {name: value for name, value in arguments.items() if name in names}
    return kind(**{**chosen, **known})


def check_training(arguments: Mapping[str, Any]) -> None:
    """Refuses what no `train` can use: of its arguments those that say how to train, and where.

    Raises:
        UsageError: names the first that is wrong.
    """
    Recipe.of(arguments, batches=1)
    check_positive(batch_size=arguments["batch_size"])
    choose_device(arguments["device"])
    if arguments["plot"]:
        curves.require()
