"""Reading comprehension: questions about a story, each of which may lean on those before it.

    story

    Q: Where was the lighthouse?
    A: on Gull Rock                     the conversation's own answers, not the model's

    Q: How long did Marta keep it?
    A:                                  what the model writes here, greedily, to the end of the line

Radford et al. (2019), section 3.5, on CoQA's development set (Reddy et al. 2019): F1 of words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from corpora.answer_sets import Conversation, Turn, read_conversations
from corpora.example_sets import Source
from nlp.zero_shot.answer_scores import conversation_scores
from nlp.zero_shot.answering import Writer, remarks_of
from nlp.zero_shot.task import Report, TaskResult, Watch, ratio_estimate, silent

PAPER = {"1542M": {"F1": 55.0}}
PROTOCOL = (
    "story, then every question so far with the conversation's own answer, then the question and "
    '"A:"; greedy, the first line; F1 and exact match as CoQA\'s script counts them (the best of '
    "the references but one, averaged), mean over questions; stories are resampled for the range"
)


class _Asked(NamedTuple):
    number: int  # of the conversation
    turn: Turn
    prompt: str
    where: str


def evaluate(
    model: Any,
    source: Source = None,
    *,
    limit: int | None = None,
    report: Report = silent,
    split: str = "validation",
    max_tokens: int = 50,
) -> TaskResult:
    """F1 and exact match of what a model answers to questions about stories.

    Args:
        source, limit, split: see `corpora.answer_sets.read_conversations`; `limit` counts
            questions.
        max_tokens: of an answer.

    Raises UsageError for a source that cannot be read and a model without a tokenizer.
    """
    read = read_conversations(source, limit=limit, split=split)
    asked = list(prompts(read.examples))
    watch = Watch("reading", len(asked), report)
    answers = Writer(model).answers([one.prompt for one in asked], max_tokens, watch)
    scores = [
        conversation_scores(one.turn.answers, answer.text)
        for one, answer in zip(asked, answers, strict=True)
    ]
    stories = range(len(read.examples))
    turns = [float(len(story.turns)) for story in read.examples]
    metrics = {}
    for name, field in (("F1", "f1"), ("exact match", "exact")):
        sums = [0.0 for _ in stories]
        for one, score in zip(asked, scores, strict=True):
            sums[one.number] += getattr(score, field)
        metrics[name] = ratio_estimate(sums, turns, lambda share: 100 * share)
    return TaskResult(
        task="reading",
        protocol=PROTOCOL,
        source=read.source,
        examples=len(asked),
        metrics=metrics,
        details=[
            {
                "input": one.turn.question,
                "expected": list(one.turn.answers),
                "answered": answer.text,
                "f1": score.f1,
                "exact_match": score.exact,
                "probability": answer.probability,
                "where": one.where,
            }
            for one, answer, score in zip(asked, answers, scores, strict=True)
        ],
        paper=PAPER,
        remarks=[*read.remarks, *remarks_of(answers, "answers")],
    )


def prompts(conversations: list[Conversation]) -> Iterator[_Asked]:
    """Each question with everything that the model reads."""
    for number, conversation in enumerate(conversations):
        prompt = conversation.story.strip()
        for place, turn in enumerate(conversation.turns, start=1):
            prompt += f"\n\nQ: {turn.question.strip()}\nA:"
            yield _Asked(number, turn, prompt, f"{conversation.where}, question {place}")
            prompt += f" {turn.answers[0].strip()}"
