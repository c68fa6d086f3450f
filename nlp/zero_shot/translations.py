"""Translation by example: pairs of sentences, and then a sentence without its translation.

    The door is open. = La porte est ouverte.        a few pairs
    I have two sisters. = J'ai deux sœurs.
    The cat is sleeping on the chair. =              what the model writes here, greedily

Radford et al. (2019), section 3.7, on WMT-14 English and French: the first sentence that is written
is the translation. The pairs of the paper are not known; ours are in corpora/answer_examples.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from corpora.answer_examples import TRANSLATION_PAIRS
from corpora.answer_sets import read_translations
from corpora.errors import UsageError, check_choice
from corpora.example_sets import Source
from nlp.core.sentences import places
from nlp.core.tokens.special_tokens import ordinary
from nlp.core.translation.bleu_counts import BleuCounts
from nlp.zero_shot.answering import Writer, remarks_of
from nlp.zero_shot.task import Estimate, Report, TaskResult, Watch, estimate, silent

Direction = Literal["both", "en-fr", "fr-en"]
PAPER = {"1542M": {"BLEU en-fr": 5.0, "BLEU fr-en": 11.5}}
PROTOCOL = (
    '{shots} pairs "sentence = translation" written by us, a line each, then "sentence ="; greedy, '
    "the first sentence of the first line; sacreBLEU {signature}"
)
BASELINE = "the sentence itself"
_INITIAL = re.compile(r"\b[A-Z]\.\Z")


def evaluate(
    model: Any,
    source: Source = None,
    *,
    limit: int | None = None,
    report: Report = silent,
    split: str = "test",
    direction: Direction = "both",
    shots: int = len(TRANSLATION_PAIRS),
    max_tokens: int | None = None,
) -> TaskResult:
    """sacreBLEU of translations from English to French, and from French to English.

    The row beside it takes each sentence for its own translation: names and numbers are right.

    Args:
        source, limit, split: see `corpora.answer_sets.read_translations`.
        shots: pairs in front of each sentence.
        max_tokens: of a translation; None is three times those of the sentence and 20 more.

    Raises UsageError for a source that cannot be read, a model without a tokenizer, and where
    sacrebleu is not installed.
    """
    check_choice("direction", direction, Direction)
    if not 0 <= shots <= len(TRANSLATION_PAIRS):
        raise UsageError(f"shots is {shots}: expected 0 to {len(TRANSLATION_PAIRS)}")
    read = read_translations(source, limit=limit, split=split)
    writer = Writer(model)
    metrics: dict[str, Estimate] = {}
    copied: dict[str, Estimate] = {}
    details, remarks, signature = [], list(read.remarks), ""
    for way in ("en-fr", "fr-en") if direction == "both" else (direction,):
        there = way == "en-fr"
        pairs = [(pair.source, pair.target) if there else (pair.target, pair.source)
                 for pair in read.examples]  # fmt: skip
        head = "".join(
            prompt(*(pair if there else pair[::-1])) for pair in TRANSLATION_PAIRS[:shots]
        )
        most = [
            enough(writer, sentence) if max_tokens is None else max_tokens for sentence, _ in pairs
        ]
        watch = Watch(f"translation {way}", len(pairs), report)
        answers = writer.answers([head + prompt(sentence) for sentence, _ in pairs], most, watch)
        translations = [first_sentence(answer.text, way[-2:]) for answer in answers]
        metrics[f"BLEU {way}"], signature = _bleu(pairs, translations)
        copied[f"BLEU {way}"], _ = _bleu(pairs, [sentence for sentence, _ in pairs])
        remarks += [f"{way}: {remark}" for remark in remarks_of(answers, "translations")]
        details += [
            {
                "input": sentence,
                "expected": reference,
                "answered": translation,
                "written": answer.text,
                "probability": answer.probability,
                "direction": way,
                "where": pair.where,
            }
            for (sentence, reference), translation, answer, pair in zip(
                pairs, translations, answers, read.examples, strict=True
            )
        ]
    return TaskResult(
        task="translation",
        protocol=PROTOCOL.format(shots=shots, signature=signature),
        source=read.source,
        examples=len(details),
        metrics=metrics,
        rows={BASELINE: copied},
        details=details,
        paper={
            size: {name: value for name, value in row.items() if name in metrics}
            for size, row in PAPER.items()
        },
        remarks=remarks,
    )


def prompt(sentence: str, translation: str = "") -> str:
    """A line of the prompt, or its beginning where the translation is what is asked for."""
    line = " ".join(sentence.split()) + " ="
    return f"{line} {' '.join(translation.split())}\n" if translation else line


def first_sentence(written: str, language: str) -> str:
    """The first sentence of what was written; "" where there is none. It does not end behind a
    capital letter: "M. Roth dort." is one sentence."""
    for _, end in places(written, language):
        if not _INITIAL.search(written, 0, end):
            break
    else:
        end = len(written)
    return written[:end].strip()


def enough(writer: Writer, sentence: str) -> int:
    """Tokens that a translation of the sentence may take; half of the context at most."""
    context = getattr(writer.model, "context", None)
    wanted = 3 * len(ordinary(writer.tokenizer, sentence)) + 20
    return wanted if context is None else min(wanted, max(1, int(context) // 2))


def _bleu(pairs: Sequence[tuple[str, str]], translations: Sequence[str]) -> tuple[Estimate, str]:
    """BLEU with its range, and how it was computed."""
    counts = BleuCounts(translations, [reference for _, reference in pairs])
    return estimate(counts.score, len(pairs)), counts.signature
