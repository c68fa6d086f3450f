"""Summaries by a hint, beside what a few sentences of the article are worth.

    article, "\\nTL;DR:" ──► 100 tokens, top-k 2 ──► first 3 sentences ──► ROUGE with the editor's

Radford et al. (2019), section 3.6, on CNN/DailyMail. Rows stand beside the model's: the first three
sentences of the article, any three of it, and the same model without the hint.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from corpora.answer_sets import Article, read_articles
from corpora.example_sets import Source
from nlp.core import rouge
from nlp.core.sentences import split as sentences_of
from nlp.core.strategies import Greedy, Sampling
from nlp.core.summary import HINT, Settings, Summary, summaries
from nlp.zero_shot.task import Estimate, Report, TaskResult, Watch, mean_estimate, silent

SENTENCES = 3  # of the baselines
BATCHES = 4  # of articles, between two looks at how far the task is
PAPER = {
    "1542M": {"ROUGE-1": 29.34, "ROUGE-2": 8.27, "ROUGE-L": 26.58},
    "1542M, no hint": {"ROUGE-1": 21.58, "ROUGE-2": 4.03, "ROUGE-L": 19.47},
    "lead-3": {"ROUGE-1": 40.38, "ROUGE-2": 17.66, "ROUGE-L": 36.62},
    "random-3": {"ROUGE-1": 28.78, "ROUGE-2": 8.63, "ROUGE-L": 25.52},
}
PROTOCOL = (
    "article, cut at its end where it does not fit, and {hint!r}; {strategy}, {max_tokens} tokens, "
    "of them the first {sentences} sentences; F1 of rouge_score {stemmed} Porter's stemmer, mean "
    "over articles. What papers on this set call ROUGE-L is nearest to ROUGE-Lsum here"
)


def evaluate(
    model: Any,
    source: Source = None,
    *,
    limit: int | None = None,
    report: Report = silent,
    split: str = "test",
    hint: str = HINT,
    top_k: int = 2,
    max_tokens: int = 100,
    sentences: int = 3,
    candidates: int = 1,
    batch_size: int = 8,
    no_hint: bool = True,
    stem: bool = True,
    seed: int = 0,
) -> TaskResult:
    """ROUGE-1, 2, L and Lsum of what a model writes behind articles and a hint.

    Args:
        source, limit, split: see `corpora.answer_sets.read_articles`.
        hint, max_tokens, sentences, candidates, batch_size: see `nlp.core.summary.Settings`.
        top_k: of how many tokens each is drawn; 1 is greedy.
        no_hint: also has the model write on without the hint, which takes as long again.
        stem: whether words are compared by their stems.
        seed: of the summaries, and of the sentences of the row random-3.

    Raises UsageError for a source that cannot be read, a model without a tokenizer or with too
    short a context, and where rouge_score is not installed.
    """
    rouge.require()
    settings = Settings(
        hint=hint,
        strategy=Greedy() if top_k == 1 else Sampling(top_k=top_k),
        max_tokens=max_tokens,
        sentences=sentences,
        candidates=candidates,
        seed=seed,
        batch_size=batch_size,
    )
    read = read_articles(source, limit=limit, split=split)
    written = _summaries(model, read.examples, settings, report)
    systems: dict[str, list[Sequence[str]]] = {
        "model": [summary.sentences for summary in written],
        **baselines(read.examples, seed),
    }
    if no_hint and hint:
        bare = replace(settings, hint="")
        unasked = _summaries(model, read.examples, bare, report)
        systems["no hint"] = [summary.sentences for summary in unasked]
    references = [article.summary for article in read.examples]
    scores = {name: rouge.rouge(rows, references, stem=stem) for name, rows in systems.items()}
    table = {name: _estimates(own) for name, own in scores.items()}
    return TaskResult(
        task="summarization",
        protocol=PROTOCOL.format(
            hint=hint,
            strategy="greedy" if top_k == 1 else f"drawn from the {top_k} likeliest tokens",
            max_tokens=max_tokens,
            sentences=sentences or "many",
            stemmed="with" if stem else "without",
        ),
        source=read.source,
        examples=len(read.examples),
        metrics=table.pop("model"),
        rows=table,
        details=[
            {
                "input": article.text,
                "expected": article.summary,
                "answered": summary.text,
                **{name: values[place] for name, values in scores["model"].items()},
                "log_probability": summary.log_probability,
                "cut_tokens": summary.cut_tokens,
                "where": article.where,
            }
            for place, (article, summary) in enumerate(zip(read.examples, written, strict=True))
        ],
        paper=PAPER,
        remarks=[*read.remarks, *_remarks(written)],
    )


def baselines(articles: Sequence[Article], seed: int = 0) -> dict[str, list[Sequence[str]]]:
    """Summaries that nobody wrote: the first three sentences of each article, and any three, in the
    article's order."""
    draw = random.Random(seed)
    lead: list[Sequence[str]] = []
    drawn: list[Sequence[str]] = []
    for article in articles:
        sentences = sentences_of(article.text)
        places = draw.sample(range(len(sentences)), min(SENTENCES, len(sentences)))
        lead.append(sentences[:SENTENCES])
        drawn.append([sentences[place] for place in sorted(places)])
    return {f"lead-{SENTENCES}": lead, f"random-{SENTENCES}": drawn}


def _summaries(
    model: Any, articles: Sequence[Article], settings: Settings, report: Report
) -> list[Summary]:
    name = "summarization" if settings.hint else "summarization without the hint"
    watch, texts = Watch(name, len(articles), report), [article.text for article in articles]
    found: list[Summary] = []
    while len(found) < len(texts):
        found += summaries(model, texts[len(found) :][: BATCHES * settings.batch_size], settings)
        watch.tell(len(found))
    return found


def _estimates(scores: dict[str, list[float]]) -> dict[str, Estimate]:
    return {name: mean_estimate(values) for name, values in scores.items()}


def _remarks(written: Sequence[Summary]) -> list[str]:
    told = []
    if cut := [summary.cut_tokens for summary in written if summary.cut_tokens]:
        told.append(
            f"articles cut at their end to fit the context: {len(cut):,}, by {sum(cut):,} tokens "
            "in all"
        )
    if empty := sum(not summary.text for summary in written):
        told.append(f"empty summaries: {empty:,}")
    return told
