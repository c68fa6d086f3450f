"""Where translations go: to the terminal or a pipe, or to a file that can be gone on with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli import translated
from cli.format import finite, harmless
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.translator.translation import Translation

Answer = Callable[[Sequence[str]], Iterator["Translation"]]
# The options that what is written depends on, beside the models.
SETTINGS = (
    *("n_best", "alignments", "as_json", "attention", "greedy", "beam_size", "length_penalty"),
    *("coverage_penalty", "temperature", "top_k", "top_p", "mbr", "seed", "prefix", "forbid"),
    *("no_repeat", "max_length", "precision"),
)


def _line(found: Translation, number: int, given: Mapping[str, Any]) -> str:
    """A translation as the options `given` want it, with its end of the line."""
    if given["as_json"]:
        told = finite(translated.record(found, attention=given["attention"]))
        return json.dumps(told, ensure_ascii=False) + "\n"
    return translated.text_lines(
        found, number, n_best=given["n_best"], alignments=given["alignments"]
    )


def show(groups: Iterable[list[str]], answer: Answer, given: Mapping[str, Any]) -> None:
    """Prints translations as they come: on a terminal without control characters."""
    number = changed = 0
    on_screen = sys.stdout.isatty()
    for group in groups:
        for found in answer(group):
            if given["show_attention"]:
                from cli import display_translations

                display_translations.attention(found)
            else:
                told = _line(found, number, given)
                sys.stdout.write(harmless(told) if on_screen else told)
                changed += not given["as_json"] and translated.is_broken(found)
            if given["heatmap"] is not None:
                draw(given["heatmap"], found)
            number += 1
        sys.stdout.flush()
    _tell_changed(changed)


def draw(path: Path, found: Translation) -> None:
    """Draws the attention of a translation."""
    from nlp.core.translation.heatmap import draw_heatmap

    if found.attention is None:
        raise UsageError("a heatmap needs words on both sides: there are none")
    for remark in draw_heatmap(path, found.attention, *translated.words_of(found)):
        typer.echo(remark, err=True)


def write(
    output: Path, groups: Iterable[list[str]], answer: Answer, given: Mapping[str, Any]
) -> None:
    """Writes translations into a file that can be gone on with."""
    from nlp.core.translation.partial import Partial

    options = {f"--{name.removeprefix('as_').replace('_', '-')}": given[name] for name in SETTINGS}
    settings = {"model": _hashes([given["model"], *(given["models"] or ())]), **options}
    again = {"resume": given["resume"], "overwrite": given["overwrite"]}
    changed, progress = 0, sys.stderr.isatty()
    with Partial(output, settings, **again) as partial:
        before = partial.answered
        try:
            for group in partial.unanswered(groups):
                for found in answer(group):
                    partial.write(found.source, _line(found, partial.answered, given))
                    changed += not given["as_json"] and translated.is_broken(found)
                if progress:
                    typer.echo(f"\r{partial.answered:,} translated", nl=False, err=True)
        except KeyboardInterrupt:
            told = f"{partial.answered:,} translations are in {output}."
            typer.echo(f"\n{told} Go on with the same command and --resume", err=True)
            raise
    if progress and partial.answered > before:
        typer.echo(err=True)
    _tell_changed(changed)
    more = f", {before:,} of them from before" if before else ""
    typer.echo(f"{partial.answered:,} translations are in {output}{more}")


def _hashes(models: Sequence[str]) -> list[str]:
    """Of all that each model is made of: a run is not gone on with after new training."""
    from nlp.core import checkpoint
    from nlp.core.translation.partial import contents

    parts = [name for name in checkpoint.FILES if name != checkpoint.CARD]
    folders = [checkpoint.locate(model, "train-translator") for model in models]
    return [
        contents(path for name in parts for path in sorted(folder.glob(name))) for folder in folders
    ]


def _tell_changed(count: int) -> None:
    if count:
        told = "translation holds line breaks" if count == 1 else "translations hold line breaks"
        typer.echo(f"{count:,} {told}, written as spaces; --json keeps them", err=True)
