"""Question answering: what a model knows without looking anything up.

    Q: what is the capital of france
    A: Paris                              a few pairs that show the style of an answer

    Q: what is the capital of japan
    A:                                    what the model writes here, greedily, to the line's end

Radford et al. (2019), section 3.8, on Natural Questions (Kwiatkowski et al. 2019): exact match, and
how often the answers are right that the model is surest of. The pairs of the paper are not known;
ours are in corpora/answer_examples.py, and are none of the questions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from corpora.answer_examples import QUESTION_PAIRS
from corpora.answer_sets import Question, read_questions
from corpora.errors import UsageError
from corpora.example_sets import Source
from nlp.zero_shot.answer_scores import exact, normalized
from nlp.zero_shot.answering import Writer, remarks_of
from nlp.zero_shot.task import Estimate, Report, TaskResult, Watch, estimate, mean_estimate, silent

SHARES = (1, 10, 50)  # per cent of the questions, those whose answers are surest
PAPER = {"1542M": {"exact match": 4.1, "exact match of the surest 1 %": 63.1}}
PROTOCOL = (
    '{shots} pairs of question and answer written by us, then the question and "A:"; greedy, the '
    "first line; right where it is one of the answers, but for case, ASCII punctuation and a, an, "
    "the (as SQuAD's script); confidence is the product of the probabilities of the answer's tokens"
)
BASELINE = "commonest answer to who, what, where ..."
_KIND = re.compile(r"\b(who|whom|whose|what|which|where|when|why|how many|how much|how)\b")


def evaluate(
    model: Any,
    source: Source = None,
    *,
    limit: int | None = None,
    report: Report = silent,
    split: str = "validation",
    shots: int = len(QUESTION_PAIRS),
    max_tokens: int = 30,
) -> TaskResult:
    """Exact match of what a model answers, of all its answers and of the surest.

    The row beside it is the paper's simple baseline: to each kind of question (who, what, where...)
    the commonest answer, here of the other questions of the set.

    Args:
        source, limit, split: see `corpora.answer_sets.read_questions`.
        shots: pairs in front of each question.
        max_tokens: of an answer.

    Raises UsageError for a source that cannot be read and a model without a tokenizer.
    """
    if not 0 <= shots <= len(QUESTION_PAIRS):
        raise UsageError(f"shots is {shots}: expected 0 to {len(QUESTION_PAIRS)}")
    read = read_questions(source, limit=limit, split=split)
    head = "".join(f"Q: {question}\nA: {answer}\n\n" for question, answer in QUESTION_PAIRS[:shots])
    prompts = [f"{head}Q: {question.text.strip()}\nA:" for question in read.examples]
    watch = Watch("questions", len(prompts), report)
    answers = Writer(model).answers(prompts, max_tokens, watch)
    right = [
        is_right(question, answer.text)
        for question, answer in zip(read.examples, answers, strict=True)
    ]
    confidence = [answer.probability for answer in answers]
    metrics = {"exact match": mean_estimate(right, scale=100)}
    remarks = [*read.remarks, *remarks_of(answers, "answers")]
    for share in SHARES:
        if share * len(right) >= 100:
            metrics[f"exact match of the surest {share} %"] = surest(right, confidence, share)
        else:
            remarks.append(f"{share} % of {len(right):,} questions is less than one: left out")
    guessed = commonest(read.examples)
    guesses = [
        is_right(question, guess) for question, guess in zip(read.examples, guessed, strict=True)
    ]
    return TaskResult(
        task="questions",
        protocol=PROTOCOL.format(shots=shots),
        source=read.source,
        examples=len(right),
        metrics=metrics,
        rows={BASELINE: {"exact match": mean_estimate(guesses, scale=100)}},
        details=[
            {
                "input": question.text,
                "expected": list(question.answers),
                "answered": answer.text,
                "right": bool(one),
                "confidence": answer.probability,
                "where": question.where,
            }
            for question, answer, one in zip(read.examples, answers, right, strict=True)
        ],
        paper=PAPER,
        remarks=remarks,
    )


def is_right(question: Question, answered: str) -> float:
    """1 where it is one of the answers, else 0; nothing is never right."""
    return max(exact(answer, answered) for answer in question.answers) if answered else 0.0


def surest(right: Sequence[float], confidence: Sequence[float], share: float) -> Estimate:
    """Per cent of right ones among the surest `share` per cent of the answers, one at least; of
    equally sure ones those that come first."""
    order = np.argsort(-np.asarray(confidence), kind="stable")
    ranked = np.asarray(right, dtype=float)[order]

    def statistic(counts: np.ndarray) -> float:
        own = counts[order]
        wanted = max(1, round(share * own.sum() / 100))
        taken = np.clip(wanted - (own.cumsum() - own), 0, own)
        return float(100 * taken @ ranked / wanted)

    return estimate(statistic, len(ranked))


def kind(question: str) -> str:
    """Its first word that asks, or "" where there is none."""
    found = _KIND.search(question.lower())
    return found.group() if found else ""


def commonest(questions: Sequence[Question]) -> list[str]:
    """For each question the commonest answer to the others of its kind; "" where there is none."""
    counts: dict[str, Counter[str]] = {}
    answers = [sorted({normalized(answer) for answer in one.answers} - {""}) for one in questions]
    for one, own in zip(questions, answers, strict=True):
        counts.setdefault(kind(one.text), Counter()).update(own)
    guesses = []
    for one, own in zip(questions, answers, strict=True):
        others = counts[kind(one.text)] - Counter(own)
        guesses.append(min(others, key=lambda text: (-others[text], text), default=""))
    return guesses
