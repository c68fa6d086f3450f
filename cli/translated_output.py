"""Where translations go: to the terminal or a pipe, or to a file that can be gone on with."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli import translated
from cli.format import finite, harmless
from cli.partial import Partial, contents
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.translator.translation import Translation

Answer = Callable[[Sequence[str]], Iterator["Translation"]]
# The options that what is written depends on, beside the models.
SETTINGS = (
    *("n_best", "alignments", "as_json", "attention", "greedy", "beam_size", "length_penalty"),
    *("coverage_penalty", "patience", "temperature", "top_k", "top_p", "mbr", "seed", "prefix"),
    *("forbid", "no_repeat", "max_length", "precision", "copy_unknown", "copy_words"),
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
    number, changes = 0, _Changes()
    on_screen = sys.stdout.isatty()
    for group in groups:
        for found in answer(group):
            if given["show_attention"]:
                from cli import display_translations

                display_translations.attention(found)
            else:
                told = _line(found, number, given)
                sys.stdout.write(harmless(told) if on_screen else told)
            if not given["as_json"]:
                changes.count(found, in_lines=not given["show_attention"])
            if given["heatmap"] is not None:
                draw(given["heatmap"], found)
            number += 1
        sys.stdout.flush()
    changes.tell()


def draw(path: Path, found: Translation) -> None:
    """Draws the attention of a translation."""
    from nlp.core.translation.heatmap import draw_heatmap

    if found.attention is None:
        raise UsageError("a heatmap needs words on both sides: there are none")
    for remark in draw_heatmap(path, found.attention, *translated.words_of(found)):
        typer.echo(remark, err=True)


def page(path: Path, groups: Iterable[list[str]], answer: Answer, given: Mapping[str, Any]) -> None:
    """Writes a page of translations and what they looked at."""
    from nlp.core.translation.alignment_page import write_page

    changes = _Changes()

    def found() -> Iterator[Translation]:
        for one in itertools.chain.from_iterable(map(answer, groups)):
            changes.count(one, in_lines=False)
            yield one

    write_page(path, found(), title=f"Translations by {Path(given['model']).name}")
    changes.tell()


def write(
    output: Path, groups: Iterable[list[str]], answer: Answer, given: Mapping[str, Any]
) -> None:
    """Writes translations into a file that can be gone on with."""
    options = {f"--{name.removeprefix('as_').replace('_', '-')}": given[name] for name in SETTINGS}
    settings = {"model": _hashes([given["model"], *(given["models"] or ())]), **options}
    again = {"resume": given["resume"], "overwrite": given["overwrite"]}
    changes, progress = _Changes(), sys.stderr.isatty()
    with Partial(output, settings, **again) as partial:
        before = partial.answered
        try:
            for group in partial.unanswered(groups):
                for found in answer(group):
                    partial.write(found.source, _line(found, partial.answered, given))
                    if not given["as_json"]:
                        changes.count(found)
                if progress:
                    typer.echo(f"\r{partial.answered:,} translated", nl=False, err=True)
        except KeyboardInterrupt:
            told = f"{partial.answered:,} translations are in {output}."
            typer.echo(f"\n{told} Go on with the same command and --resume", err=True)
            raise
    if progress and partial.answered > before:
        typer.echo(err=True)
    changes.tell()
    more = f", {before:,} of them from before" if before else ""
    typer.echo(f"{partial.answered:,} translations are in {output}{more}")


def _hashes(models: Sequence[str]) -> list[str]:
    """Of all that each model is made of: a run is not gone on with after new training."""
    from nlp.core import checkpoint

    parts = [name for name in checkpoint.FILES if name != checkpoint.CARD]
    folders = [checkpoint.locate(model, "train-translator") for model in models]
    return [
        contents(path for name in parts for path in sorted(folder.glob(name))) for folder in folders
    ]


class _Changes:
    """What was changed and is not seen: told at the end. JSON shows it."""

    def __init__(self) -> None:
        self.broken = self.copied = 0

    def count(self, found: Translation, *, in_lines: bool = True) -> None:
        self.broken += in_lines and translated.is_broken(found)
        self.copied += sum(len(one.copied) for one in (found, *found.others))

    def tell(self) -> None:
        if self.broken:
            one = self.broken == 1
            told = "translation holds line breaks" if one else "translations hold line breaks"
            typer.echo(f"{self.broken:,} {told}, written as spaces; --json keeps them", err=True)
        if self.copied:
            told = "word is copied" if self.copied == 1 else "words are copied"
            typer.echo(f"{self.copied:,} {told} from the source; --json tells which", err=True)
