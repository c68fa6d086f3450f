"""Tasks that a language model is asked to do without having been trained for them.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 3.

    from nlp.zero_shot import evaluate
    result = evaluate("gpt2", "lambada", "hf", limit=500)
    print(result.metrics, result.protocol, result.paper["117M"])

Each task is a module of this package with a function `evaluate`; it is imported when it is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.events import Event
    from nlp.zero_shot.task import TaskResult


Report = Callable[["Event"], None]
MODULES = {
    "language-modelling": "language_modelling",
    "cbt": "cloze",
    "lambada": "lambada",
    "winograd": "winograd",
    "reading": "reading",
    "summarization": "summaries",
    "translation": "translations",
    "questions": "questions",
}
_ALWAYS = ("model", "source", "limit", "report", "return")  # which every task has
_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def check_options(task: str, options: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that the task does not have, and for a value of another type
    than it takes. The task itself tells of values that are out of its range."""
    types = get_type_hints(_function(task))
    known = [name for name in types if name not in _ALWAYS]
    for name, value in options.items():
        if name not in known:
            raise UsageError(
                f"the task has no option {name!r}; its options: {', '.join(known) or 'none'}"
            )
        taken = get_args(types[name]) or (types[name],)
        if get_origin(types[name]) is Literal:
            taken = tuple(map(type, taken))  # which of them are known, the task tells
        kinds = [_KINDS[one] for one in taken if one in _KINDS]
        whole = type(value) is int and float in taken
        if type(value) not in taken and not whole:
            kinds += ["null"] * (type(None) in taken)
            expected = " or ".join(dict.fromkeys(kinds))
            raise UsageError(f"{name} is {value!r}: expected {expected}")


def _function(task: str) -> Callable[..., TaskResult]:
    found: Callable[..., TaskResult]
    found = importlib.import_module(f"nlp.zero_shot.{MODULES[task]}").evaluate
    return found


def _task(name: str) -> Callable[..., TaskResult]:
    def evaluate(
        model: Any,
        source: str | Path | None = None,
        *,
        limit: int | None = None,
        report: Report = lambda event: None,
        **options: Any,
    ) -> TaskResult:
        check_options(name, options)
        return _function(name)(model, source, limit=limit, report=report, **options)

    return evaluate


TASKS = {name: _task(name) for name in MODULES}


def evaluate(
    model: Any,
    task: str = "lambada",
    source: str | Path | None = None,
    *,
    limit: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    report: Report = lambda event: None,
    **options: Any,
) -> TaskResult:
    """Scores a language model on a task.

    Args:
        model: a model, or the name or folder of one, for `nlp.core.language.loading.load`.
        task: one of `TASKS`.
        source: None for our own few examples, "hf" for the public data set, "hf:NAME[:CONFIG]" for
            another one of its layout, or a local file.
        limit: examples at most; the first ones.
        device, precision: of a model that is named, see `nlp.core.language.loading.load`.
        report: hears how far it is.
        options: the task's own; see `evaluate` of its module.

    Raises:
        UsageError: model, task, source or an option is unknown or cannot be read, or has a value of
            another type than it takes.
    """
    if task not in TASKS:
        raise UsageError(f"task {task!r} is unknown: expected {', '.join(TASKS)}")
    if isinstance(model, str | Path):
        from nlp.core.language.loading import load

        model = load(model, device, precision)
    return TASKS[task](model, source, limit=limit, report=report, **options)
