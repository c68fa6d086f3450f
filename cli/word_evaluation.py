"""`unrolled words evaluate`: analogies answered, and agreement with people, by word vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.inputs import AsJson
from cli.word_vectors import Limit, Vectors, load_vectors, print_facts, print_json, print_records
from corpora.errors import UsageError, check_choice

if TYPE_CHECKING:
    from nlp.core.words.word_evaluation import PairScores, Section

RESTRICT, METHOD = (
    30_000,
    "3CosAdd",
)  # the evaluation's own; a test compares them
TOTALS = ("semantic", "syntactic", "total")


def evaluate(
    vectors: Vectors,
    analogies: Annotated[
        list[str] | None,
        typer.Option(help="Analogies to ask: a file or questions-words; repeatable."),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="Judged pairs: a file, wordsim353 or simlex999; repeatable."),
    ] = None,
    restrict: Annotated[
        int,
        typer.Option(help="Analogies know the first N words only; 0: all.", metavar="N", min=0),
    ] = RESTRICT,
    method: Annotated[
        str, typer.Option(help="How analogies are answered: 3CosAdd or 3CosMul.")
    ] = METHOD,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Measure analogies answered and agreement with people; with all bundled tests by default.

    \b
    Examples:
        unrolled words evaluate vectors
        unrolled words evaluate vectors --pairs wordsim353 --pairs MEN_dataset_natural_form_full
        unrolled words evaluate glove.6B.50d.txt --analogies questions-words --restrict 0 --json
    """
    from nlp.core.words import word_evaluation
    from nlp.core.words.word_vectors import AnalogyMethod

    check_choice("method", method, AnalogyMethod)
    if pairs and not analogies and (restrict, method) != (RESTRICT, METHOD):
        raise UsageError("--restrict and --method are for analogies: name some with --analogies.")
    loaded = load_vectors(vectors, limit)

    def ask(file: str) -> Any:
        known = restrict or None
        return word_evaluation.analogies(loaded, file, restrict=known, method=method)  # type: ignore[arg-type]

    def judge(file: str) -> Any:
        return word_evaluation.pairs(loaded, file)

    if analogies or pairs:
        asked = {file: ask(file) for file in analogies or ()}
        judged = {file: judge(file) for file in pairs or ()}
    else:
        asked, judged = _what_fits(
            {"questions-words": ask}, {"wordsim353": judge, "simlex999": judge}
        )
    if as_json:
        answer = {
            "analogies": {
                file: {
                    "restrict": restrict or None,
                    "method": method,
                    "sections": [{"name": part.name, **_section(part)} for part in scores.sections],
                    **{name: _section(getattr(scores, name)) for name in TOTALS},
                }
                for file, scores in asked.items()
            },
            "pairs": {file: _agreement(scores) for file, scores in judged.items()},
        }
        print_json(answer)
        return
    for file, scores in asked.items():
        parts = [*scores.sections, *(getattr(scores, name) for name in TOTALS)]
        known = f"the first {restrict:,}" if 0 < restrict < len(loaded) else f"all {len(loaded):,}"
        print_facts({"analogies": file, "method": method, "words": known})
        print_records({"section": part.name, **_section(part)} for part in parts if part.questions)
        typer.echo()
    print_records({"pairs of words": file, **_agreement(found)} for file, found in judged.items())


def _what_fits(*groups: dict[str, Callable[[str], Any]]) -> list[dict[str, Any]]:
    """What is measured with the bundled tests; those without known words are told on stderr."""
    found: list[dict[str, Any]] = [{} for _ in groups]
    errors = []
    for measured, group in zip(found, groups, strict=True):
        for file, measure in group.items():
            try:
                measured[file] = measure(file)
            except UsageError as error:
                errors.append(error)
    if not any(found):
        raise errors[0]
    for reason in errors:
        typer.echo(f"Left out: {reason}.", err=True)
    return found


def _section(part: Section) -> dict[str, Any]:
    return {
        "accuracy": part.accuracy,
        "coverage": part.coverage,
        "correct": part.correct,
        "asked": part.asked,
        "questions": part.questions,
    }


def _agreement(found: PairScores) -> dict[str, Any]:
    return {
        "spearman": found.spearman,
        "pearson": found.pearson,
        "coverage": found.coverage,
        "used": found.used,
        "of": found.pairs,
    }
