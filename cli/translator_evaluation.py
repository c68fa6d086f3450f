"""The translator's part of `unrolled evaluate` and `unrolled score`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli import translated
from cli.format import finite, number
from cli.translator import scores_record
from corpora.errors import UsageError

if TYPE_CHECKING:
    from corpora.pairs import Pair
    from nlp.core.translation.translation_scores import PairedScore, TranslationScores

USUAL = "13a"  # sacreBLEU's tokenizer for languages with spaces


def evaluate(
    model: str,
    data: list[str],
    reading: Mapping[str, Any],
    *,
    beam_size: int | None,
    length_penalty: float | None,
    tokenize: str | None,
    bootstrap: int | None,
    against: str | None,
    errors: int,
    device: str,
    as_json: bool,
) -> None:
    """Tells how good a translator is on pairs of sentences, and whether it is better than another.

    Args:
        data: one source of pairs, or two aligned files.
        against: another translator, or a file of its translations, line by line.
    """
    from corpora.pairs import read_pairs
    from nlp.core.strategies import Beam
    from nlp.core.translation.translation_scores import (
        EXTREMES,
        SAMPLES,
        paired_bootstrap,
        score_translations,
    )
    from nlp.translator.evaluation import AS_IT_IS

    if len(data) > 2:
        raise UsageError(f"{len(data)} sources: expected one of pairs, or two aligned files")
    usual = Beam()
    strategy = Beam(beam_size or usual.size, usual.length_penalty)
    if length_penalty is not None:
        strategy = replace(strategy, length_penalty=length_penalty)
    corpus = read_pairs(*data, filters=AS_IT_IS, **reading)
    for remark in corpus.remarks:
        typer.echo(remark, err=True)
    other = None if against is None else _given(against, corpus.pairs, reading["encoding_errors"])
    sources = [pair.source for pair in corpus.pairs]
    references = [pair.target for pair in corpus.pairs]
    written = _translations(model, sources, strategy, device)
    how = tokenize or USUAL
    found = score_translations(sources, written, references, bootstrap=bootstrap or 0, tokenize=how)
    compared = None
    if against is not None:
        other = _translations(against, sources, strategy, device) if other is None else other
        compared = paired_bootstrap(
            written, other, references, samples=bootstrap or SAMPLES, tokenize=how
        )
    shown = min(errors, EXTREMES)
    if as_json:
        told = {"kind": "translator", **scores_record(found, shown)}
        if compared is not None:
            told["against"] = {name: score._asdict() for name, score in compared.items()}
        typer.echo(json.dumps(finite(told), ensure_ascii=False))
        return
    _tell(found, shown)
    if compared is not None and against is not None:
        _tell_compared(compared, against)


def _given(against: str, pairs: list[Pair], encoding_errors: str) -> list[str] | None:
    """The translations that a file holds; None of a model."""
    if not Path(against).is_file():
        return None
    lines = [text for group in translated.lines_of([against], encoding_errors) for text in group]
    if len(lines) != len(pairs):
        raise UsageError(
            f"{against} has {len(lines):,} lines, and there are {len(pairs):,} pairs: expected the "
            "translation of each"
        )
    return lines


def _translations(model: str, sources: list[str], strategy: Any, device: str) -> list[str]:
    from nlp.translator import Translator
    from nlp.translator.translation import translate

    loaded = Translator.from_pretrained(model, device)
    return [found.text for found in translate(loaded, sources, strategy=strategy)]


def _tell(found: TranslationScores, shown: int) -> None:
    from cli import display, display_translations

    rows = {"BLEU": found.bleu, "chrF": found.chrf, "TER": found.ter}
    table: list[dict[str, object]] = []
    for name, score in rows.items():
        row: dict[str, object] = {"score": name, "of 100": f"{score:.2f}"}
        if found.ranges:
            low, high = found.ranges[name]
            row["95 % of samples"] = f"{low:.2f} to {high:.2f}"
        table.append({**row, "signature": found.signatures[name]})
    display.records(table)
    typer.echo()
    display.facts(
        {
            "sentences": f"{found.sentences:,}",
            "length": f"{number(found.length_ratio)} of the references' "
            f"(brevity penalty {number(found.brevity_penalty)})",
            "repeated 4-grams": f"{found.repetition:.2%} "
            f"(references {found.reference_repetition:.2%})",
            "empty": f"{found.empty:,}",
        }
    )
    typer.echo()
    display.records(
        [
            {
                "words of the source": f"{row.least}-{row.most}"
                if row.most is not None
                else f"{row.least} or more",
                "sentences": row.sentences,
                "BLEU": f"{row.bleu:.2f}",
            }
            for row in found.by_length
        ]
    )
    for title, sentences in (("worst", found.worst[:shown]), ("best", found.best[:shown])):
        if sentences:
            typer.echo(f"\nThe {title} by chrF: source, translation, reference")
            display_translations.judged(sentences)


def _tell_compared(compared: Mapping[str, PairedScore], against: str) -> None:
    from cli import display

    typer.echo(f"\nBeside {against}, on the same resampled pairs:")
    display.records(
        [
            {
                "score": name,
                "this model": f"{score.system:.2f}",
                "the other": f"{score.other:.2f}",
                "p by chance": f"{score.p_value:.4f}",
            }
            for name, score in compared.items()
        ]
    )


def score_texts(
    model: str, texts: list[str], *, device: str, attention: bool, as_json: bool
) -> None:
    """Tells how probable translations of a text are: `texts` is the text, then its translations."""
    if len(texts) < 2:
        raise UsageError(
            f"{model} holds a translator: expected a text and a translation of it or several, or "
            "--source FILE --target FILE"
        )
    from nlp.translator import Translator
    from nlp.translator.scoring import score

    loaded = Translator.from_pretrained(model, device)
    source, *targets = texts
    found = list(score(loaded, [(source, target) for target in targets]))
    if as_json:
        for one in found:
            told = finite(translated.record(one, attention=attention))
            typer.echo(json.dumps(told, ensure_ascii=False))
        return
    from cli import display_translations

    display_translations.scored(found)


def score_files(
    model: str,
    source: str | None,
    target: str | None,
    encoding_errors: str,
    *,
    device: str,
    attention: bool,
    as_json: bool,
) -> None:
    """Tells how probable the lines of one file are as translations of those of another: a line of
    log P, source and translation for each, in their order."""
    if source is None or target is None:
        raise UsageError("--source and --target are two files: give both")
    from corpora.pair_formats import aligned_rows
    from corpora.text import File
    from nlp.translator import Translator
    from nlp.translator.scoring import score

    files = [File(Path(name), name) for name in (source, target)]
    rows = aligned_rows(files[0], files[1], encoding_errors)
    loaded = Translator.from_pretrained(model, device)
    for one in score(loaded, ((row.source, row.target) for row in rows)):
        if as_json:
            told = finite(translated.record(one, attention=attention))
            typer.echo(json.dumps(told, ensure_ascii=False))
        else:
            line = (f"{one.log_probability:.4f}", one.source, one.text)
            typer.echo("\t".join(map(translated.one_line, line)))
