"""Tasks that a language model is asked to do without having been trained for them.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 3.

    from nlp.zero_shot import evaluate
    result = evaluate("gpt2", "lambada", "hf", limit=500)
    print(result.metrics, result.protocol, result.paper["117M"])

Each task is a module of this package with a function `evaluate`; it is imported when it is called.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.events import Event
    from nlp.zero_shot.task import TaskResult


def _task(module: str) -> Callable[..., TaskResult]:
    def evaluate(model: Any, source: str | Path | None = None, **options: Any) -> TaskResult:
        found = importlib.import_module(f"nlp.zero_shot.{module}").evaluate
        known = [name for name in inspect.signature(found).parameters if name not in _ALWAYS]
        if unknown := [name for name in options if name not in (*known, *_ALWAYS)]:
            raise UsageError(
                f"the task has no option {unknown[0]!r}; its options: {', '.join(known) or 'none'}"
            )
        result: TaskResult = found(model, source, **options)
        return result

    return evaluate


_ALWAYS = ("model", "source", "limit", "report")
TASKS: dict[str, Callable[..., TaskResult]] = {
    name: _task(module)
    for name, module in {
        "language-modelling": "language_modelling",
        "cbt": "cloze",
        "lambada": "lambada",
        "winograd": "winograd",
        "reading": "reading",
        "summarization": "summaries",
        "translation": "translations",
        "questions": "questions",
    }.items()
}


def evaluate(
    model: Any,
    task: str = "lambada",
    source: str | Path | None = None,
    *,
    limit: int | None = None,
    device: str = "auto",
    report: Callable[[Event], None] = lambda event: None,
    **options: Any,
) -> TaskResult:
    """Scores a language model on a task.

    Args:
        model: a model, or the name or folder of one, for `nlp.core.language.loading.load`.
        task: one of `TASKS`.
        source: None for our own few examples, "hf" for the public data set, "hf:NAME[:CONFIG]" for
            another one of its layout, or a local file.
        limit: examples at most; the first ones.
        device: of a model that is named.
        report: hears how far it is.
        options: the task's own; see `evaluate` of its module.

    Raises:
        UsageError: model, task, source or an option is unknown or cannot be read.
    """
    if task not in TASKS:
        raise UsageError(f"task {task!r} is unknown: expected {', '.join(TASKS)}")
    if isinstance(model, str | Path):
        from nlp.core.language.loading import load

        model = load(model, device)
    return TASKS[task](model, source, limit=limit, report=report, **options)
