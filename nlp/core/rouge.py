"""ROUGE: how much of a reference summary a summary has, and how little else (Lin 2004).

    ROUGE-1, ROUGE-2   words and pairs of words that both have
    ROUGE-L            the longest common subsequence of the words of both
    ROUGE-Lsum         the same sentence by sentence: for each sentence of the reference the union
                       of its common subsequences with the sentences of the summary

Each is an F1, 0 to 100, of Google's `rouge_score`; words are runs of ASCII letters and digits in
lower case, stemmed by Porter as the original script does with `-m`. Papers on CNN/DailyMail report
as "ROUGE-L" what that script computes of one sentence a line, which is ROUGE-Lsum here.

    scores = rouge(["The cat sat down."], ["A cat sat on the mat."])
    scores["ROUGE-1"]                                       # one number for each summary
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from corpora.errors import UsageError

NAMES: Mapping[str, str] = {
    "ROUGE-1": "rouge1",
    "ROUGE-2": "rouge2",
    "ROUGE-L": "rougeL",
    "ROUGE-Lsum": "rougeLsum",
}
"""What they are called here, and in `rouge_score`."""


def require() -> Any:
    """`rouge_score.rouge_scorer`. `UsageError` where it is not installed."""
    if importlib.util.find_spec("rouge_score") is None:
        raise UsageError(
            "scores of summaries need rouge_score: install it with pip install 'unrolled[eval]'"
        )
    from rouge_score import rouge_scorer

    return rouge_scorer


def rouge(
    summaries: Sequence[Sequence[str]] | Sequence[str],
    references: Sequence[Sequence[str]] | Sequence[str],
    *,
    stem: bool = True,
) -> dict[str, list[float]]:
    """Of each summary its F1 of each of `NAMES`, 0 to 100.

    A text is a list of its sentences, or a string with a sentence a line; only ROUGE-Lsum cares
    where sentences end.

    Raises:
        UsageError: there are not as many references as summaries, or rouge_score is missing.
    """
    if len(summaries) != len(references):
        raise UsageError(
            f"{len(summaries):,} summaries and {len(references):,} references: expected one "
            "reference for each summary"
        )
    scorer = require().RougeScorer(list(NAMES.values()), use_stemmer=stem)
    rows = [
        scorer.score(_text(reference), _text(summary))
        for summary, reference in zip(summaries, references, strict=True)
    ]
    return {
        name: [100 * float(row[theirs].fmeasure) for row in rows] for name, theirs in NAMES.items()
    }


def _text(sentences: Sequence[str] | str) -> str:
    """A sentence a line; a line break inside of a sentence is none between sentences."""
    if isinstance(sentences, str):
        return sentences
    return "\n".join(" ".join(sentence.split()) for sentence in sentences)
