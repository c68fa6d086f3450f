"""The README.md of a model folder: what it was trained on, and what it scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpora.writing import write_text
from nlp.core.checkpoint import CARD


def write_card(
    folder: Path,
    *,
    title: str,
    about: str,
    columns: Sequence[str],
    results: Mapping[str, Sequence[float | None]],
    arguments: Mapping[str, Any],
) -> None:
    """Replaces the card.

    Args:
        about: what the model is and was trained on, in sentences.
        columns, results: a table of measured scores; each row has its name and a value per column.
        arguments: of the training run.
    """
    lines = [f"# {title}", "", about, ""]
    if results:
        lines += ["## Measured on the test split", ""]
        lines += ["| |" + "|".join(columns) + "|", "|---|" + "---:|" * len(columns)]
        for name, values in results.items():
            shown = (_shown(value) for value in values)
            lines.append(f"| {name} |" + "|".join(shown) + "|")
        lines.append("")
    lines += ["## Trained with", "", "| argument | value |", "|---|---|"]
    for name, value in arguments.items():
        if value is not None:
            cell = " ".join(str(value).split()).replace("|", "\\|")
            lines.append(f"| {name} | {cell} |")
    write_text(folder / CARD, "\n".join(lines) + "\n")


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
