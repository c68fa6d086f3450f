"""The Children's Book Test: which of ten words is missing (Hill et al. 2016).

    argmax over options of log P(option and the rest of the sentence | the twenty sentences before
                                 and the sentence up to the missing word)

as Radford et al. 2019 do it, with the Penn Treebank's signs spelled as people write them. Nothing
is divided by lengths. Two baselines stand beside it: the option that the twenty sentences have most
often (the first of several), and chance.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from corpora.cloze_sets import BLANK, KINDS, Cloze, Source, read_missing_words
from corpora.detokenizers import Detokenizer
from nlp.core.continuations import left_cut, score_options
from nlp.core.tokens.special_tokens import ordinary
from nlp.zero_shot.task import Estimate, Report, TaskResult, Watch, mean_estimate, silent

PAPER = {
    size: {KINDS["CN"]: nouns, KINDS["NE"]: names}
    for size, nouns, names in (
        ("117M", 87.65, 83.40),
        ("345M", 92.35, 87.10),
        ("762M", 93.45, 88.00),
        ("1542M", 93.30, 89.05),
    )
}


def evaluate(
    model: Any,
    source: Source = None,
    *,
    limit: int | None = None,
    report: Report = silent,
) -> TaskResult:
    """Accuracy in per cent for each kind of missing word.

    Raises:
        UsageError: the source cannot be read.
    """
    read = read_missing_words(source, limit=limit)
    tokenizer = model.text_tokenizer()
    watch = Watch("cbt", len(read.examples), report)
    details: list[dict[str, Any]] = []
    cut = tokens_cut = 0
    for example in read.examples:
        prompt, options = parts_of(example)
        before = ordinary(tokenizer, prompt)
        behind = [ordinary(tokenizer, text) for text in options]
        shortened = left_cut(model, before, max(map(len, behind)))
        tokens_cut += len(before) - len(shortened)
        cut += len(shortened) < len(before)
        scores = [sum(tokens) for tokens in score_options(model, shortened, behind)]
        chosen = max(range(len(scores)), key=scores.__getitem__)
        details.append(
            {
                "input": prompt,
                "expected": example.options[example.answer],
                "answered": example.options[chosen],
                "scores": dict(zip(example.options, scores, strict=True)),
                "kind": example.kind or "accuracy",
                "right": chosen == example.answer,
                "most_frequent": most_frequent(example),
                "most_frequent_right": most_frequent(example) == example.options[example.answer],
                "chance": 1 / len(example.options),
                "where": example.where,
            }
        )
        watch.tell(len(details))
    remarks = list(read.remarks)
    if cut:
        remarks.append(
            f"contexts whose beginning was cut to fit the model's: {cut:,} of {len(details):,} "
            f"({tokens_cut:,} tokens)"
        )
    return TaskResult(
        task="cbt",
        protocol="the option that makes itself and the rest of the sentence most probable behind "
        "all that is before it; log-probabilities summed, not divided by length; Penn Treebank's "
        "signs de-tokenized",
        source=read.source,
        examples=len(details),
        metrics=_accuracies(details, "right"),
        rows={
            "most frequent in the context": _accuracies(details, "most_frequent_right"),
            "chance": _accuracies(details, "chance"),
        },
        details=details,
        paper=PAPER,
        remarks=remarks,
    )


_JOIN = Detokenizer("treebank").detokenize


def parts_of(example: Cloze) -> tuple[str, list[str]]:
    """What is read first, and each option with the rest of the sentence, its space before it.

    An opening quotation mark belongs to what follows it, so what the texts have in common may end
    earlier than the published context, but never later.
    """
    context = [_JOIN(sentence) for sentence in example.sentences]
    before, _, after = example.question.partition(BLANK)
    # A mark in place of the missing word, so that signs beside it are joined as they will be.
    start = " ".join([*context, _JOIN(f"{before} w")])[:-1]
    whole = [
        " ".join([*context, _JOIN(f"{before} {option} {after}")]) for option in example.options
    ]
    shared = takewhile(lambda signs: len(set(signs)) == 1, zip(start, *whole, strict=False))
    prompt = start[: len(list(shared))].rstrip()
    return prompt, [text[len(prompt) :] for text in whole]


def most_frequent(example: Cloze) -> str:
    """The option that stands most often in the context."""
    words = [word for text in (*example.sentences, example.question) for word in text.split()]
    return max(example.options, key=words.count)


def _accuracies(details: list[dict[str, Any]], key: str) -> dict[str, Estimate]:
    """By kinds, in the paper's order where it has them."""
    kinds = sorted({detail["kind"] for detail in details}, key=[*KINDS.values(), "accuracy"].index)
    return {
        kind: mean_estimate(
            [detail[key] for detail in details if detail["kind"] == kind], scale=100
        )
        for kind in kinds
    }
