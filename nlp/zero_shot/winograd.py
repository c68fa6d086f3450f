"""Winograd schemas: what a pronoun stands for (Levesque et al. 2012; Trinh and Le 2018).

    The ladder would not go through the hatch because [it] was too narrow.

The pronoun is replaced by each of the options, and the texts are compared:

    full     log P(the whole text with the option)
    partial  log P(what stands behind the option | the text up to and with it)

Partial scoring does not hold it against an option that it is long or rare in itself, and is the
better one in Trinh and Le 2018. Log-probabilities are summed, not divided by length; a text is read
from the start symbol on; a schema that is longer than the model's context is left out, and counted.
Options take the case of their place, and 's for a possessive pronoun.
"""

from __future__ import annotations

import re
from typing import Any

from corpora.cloze_sets import Schema, Source, read_schemas
from corpora.errors import UsageError
from nlp.core.continuations import score_many
from nlp.core.tokens.special_tokens import ordinary
from nlp.zero_shot.task import Estimate, Report, TaskResult, Watch, mean_estimate, silent

ACCURACY = "accuracy"
SCORINGS = {"partial": "partial scoring", "full": "full scoring"}
# The figure of the other sizes is drawn in the paper, and its numbers are not printed.
PAPER = {"1542M": {ACCURACY: 70.70}}
POSSESSIVE = frozenset(["my", "your", "his", "its", "our", "their"])
ARTICLES = frozenset(["a", "an", "the", "my", "your", "his", "her", "its", "our", "their"])
# What stands behind "her" where it is no possessive, besides signs and the end.
_BEHIND_OBJECT = re.compile(
    r"\s*(?:$|[^\w\s]|(?:a|an|the|to|with|in|on|at|for|from|of|by|up|out|off|down|back|away|over|"
    r"and|but|or|if|as|so|than|that|because|when|while|before|after|until|although|though|since|"
    r"was|is|had|again|very)\b)",
    re.IGNORECASE,
)
TOGETHER = 64  # schemas between two looks at the clock


def evaluate(
    model: Any,
    source: Source = None,
    *,
    scoring: str = "partial",
    limit: int | None = None,
    report: Report = silent,
) -> TaskResult:
    """Accuracy in per cent by full and by partial scoring.

    Args:
        scoring: "partial" or "full": whose accuracy is in `metrics`; the other's is in `rows`.

    Raises:
        UsageError: the source cannot be read, the scoring is unknown, or no text fits the context.
    """
    if scoring not in SCORINGS:
        raise UsageError(f"scoring {scoring!r} is unknown: expected {' or '.join(SCORINGS)}")
    read = read_schemas(source, limit=limit)
    watch = Watch("winograd", len(read.examples), report)
    details: list[dict[str, Any]] = []
    for begin in range(0, len(read.examples), TOGETHER):
        group = read.examples[begin : begin + TOGETHER]
        details += _judged(model, group)
        watch.tell(begin + len(group))
    remarks = list(read.remarks)
    if left_out := len(read.examples) - len(details):
        told = f"texts longer than the {model.context:,} tokens the model looks at"
        if not details:
            raise UsageError(f"{read.source}: there are only {told}: no schema can be scored")
        remarks.append(f"{told}, left out: {left_out:,} of {len(read.examples):,}")
    rows = {name: _accuracy(details, key) for key, name in SCORINGS.items()}
    rows["chance"] = {ACCURACY: mean_estimate([d["chance"] for d in details], scale=100)}
    return TaskResult(
        task="winograd",
        protocol=f"{SCORINGS[scoring]} (Trinh and Le 2018): the pronoun replaced by each option, "
        "log-probabilities summed, not divided by length, from the start symbol on; equal ones "
        "count as wrong",
        source=read.source,
        examples=len(details),
        metrics=rows.pop(SCORINGS[scoring]),
        rows=rows,
        details=details,
        paper=PAPER,
        remarks=remarks,
    )


def substituted(schema: Schema, option: str) -> tuple[str, str]:
    """The text up to and with the option in place of the pronoun, and what stands behind it."""
    words = option.split(" ")
    if _begins_sentence(schema.before):
        words[0] = words[0][:1].upper() + words[0][1:]
    elif words[0].lower() in ARTICLES:
        words[0] = words[0].lower()
    put = " ".join(words)
    if _is_possessive(schema):
        put += "'" if put.endswith("s") and option[:1].islower() else "'s"
    return schema.before + put, schema.after


def _begins_sentence(before: str) -> bool:
    return not before.strip() or before.rstrip()[-1] in ".!?"


def _is_possessive(schema: Schema) -> bool:
    pronoun = schema.pronoun.lower()
    if pronoun == "her":
        return not _BEHIND_OBJECT.match(schema.after)
    # "his" may stand alone, as in "that was his."
    return pronoun in POSSESSIVE and bool(re.match(r"\s+\w", schema.after))


def _judged(model: Any, schemas: list[Schema]) -> list[dict[str, Any]]:
    """What is found of each schema whose texts the model can look at as a whole."""
    tokenizer, context = model.text_tokenizer(), getattr(model, "context", None)
    start = [tokenizer.end_of_text]
    fitting: list[Schema] = []
    pairs: list[tuple[list[int], list[int]]] = []
    lengths = []  # of what stands behind
    for schema in schemas:
        own = []
        for option in schema.options:
            texts = substituted(schema, option)
            before, behind = (ordinary(tokenizer, text) for text in texts)
            if not behind:
                raise UsageError(f"{schema.where}: nothing stands behind the pronoun to be scored")
            own.append((before, behind))
        # The start symbol is read too, and the last token is not.
        if context is None or all(len(before) + len(behind) <= context for before, behind in own):
            fitting.append(schema)
            pairs += [(start, [*before, *behind]) for before, behind in own]
            lengths += [len(behind) for _, behind in own]
    scored = iter(zip(score_many(model, pairs), lengths, strict=True))
    details = []
    for schema in fitting:
        scores: dict[str, list[float]] = {"full": [], "partial": []}
        for _ in schema.options:
            values, length = next(scored)
            scores["full"].append(sum(values))
            scores["partial"].append(sum(values[-length:]))
        details.append(_detail(schema, scores))
    return details


def _detail(schema: Schema, scores: dict[str, list[float]]) -> dict[str, Any]:
    chosen = {key: max(range(len(s)), key=s.__getitem__) for key, s in scores.items()}
    return {
        "input": f"{schema.before}[{schema.pronoun}]{schema.after}",
        "expected": schema.options[schema.answer],
        "answered": {key: schema.options[place] for key, place in chosen.items()},
        "scores": {
            key: dict(zip(schema.options, values, strict=True)) for key, values in scores.items()
        },
        "right": {
            key: chosen[key] == schema.answer and values.count(max(values)) == 1
            for key, values in scores.items()
        },
        "chance": 1 / len(schema.options),
        "where": schema.where,
    }


def _accuracy(details: list[dict[str, Any]], key: str) -> dict[str, Estimate]:
    return {ACCURACY: mean_estimate([detail["right"][key] for detail in details], scale=100)}
