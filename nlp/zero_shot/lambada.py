"""LAMBADA: the last word of a text that takes all of it to guess (Paperno et al. 2016).

Published figures for one and the same model differ by more than ten points, because they are of
two protocols. Here both are scored side by side, and named:

    last token (OpenAI's)  the whole text is read but for its last token. Where the last word is
                           several tokens, all but one of them are given: "Di" before "ana".
                           The figures of Radford et al. 2019 are understood to be of this kind.
    last word              the text is read up to its last word, and all the tokens of it must be
                           the model's choice, one after the other. lm-evaluation-harness counts
                           this way, and the last-word perplexity is the original task's.

GPT-2 117M has 45.99 % and perplexity 35.13 in the paper; 32.56 % and 40.06 by last words in
lm-evaluation-harness (its issue 2159), on the same texts.

The stop-word filter of the paper: "is" goes on with many a sentence, but ends none of these. By
last tokens, a token that is a space and a stop word is not chosen. By last words, the model writes
the most probable word that is no stop word: each first token is followed, greedily, to the end of
its word, the most probable first token first. Perplexity knows no filter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from corpora.cloze_sets import LastWord, Source, read_last_words
from corpora.errors import UsageError
from nlp.core.continuations import left_cut
from nlp.core.decoding import evaluation_mode, read_prompt
from nlp.core.scoring import exponential
from nlp.core.tokens.special_tokens import ordinary
from nlp.zero_shot.task import (
    Estimate,
    Report,
    TaskResult,
    Watch,
    mean_estimate,
    ratio_estimate,
    silent,
)

LAST_TOKEN, LAST_WORD = "last token (OpenAI's)", "last word"
PROTOCOLS = {"last token": LAST_TOKEN, "last word": LAST_WORD}
ACCURACY, FILTERED, PERPLEXITY = "accuracy", "accuracy, no stop words", "perplexity"
PAPER = {
    "117M": {FILTERED: 45.99, PERPLEXITY: 35.13},
    "345M": {FILTERED: 55.48, PERPLEXITY: 15.60},
    "762M": {FILTERED: 60.12, PERPLEXITY: 10.87},
    "1542M": {ACCURACY: 52.66, FILTERED: 63.24, PERPLEXITY: 8.63},
}
# Snowball's English list, without its contractions.
_STOPS = """
a about above after again against all am an and any are as at be because been before being below
between both but by can cannot could did do does doing down during each few for from further had
has have having he her here hers herself him himself his how i if in into is it its itself just me
more most my myself no nor not now of off on once only or other our ours ourselves out over own
same she should so some such than that the their theirs them themselves then there these they this
those through to too under until up very was we were what when where which while who whom why will
with would you your yours yourself yourselves
"""
STOP_WORDS = frozenset(_STOPS.split())
CANDIDATES = 8  # first tokens that are followed side by side
LONGEST = 12  # tokens of a word that are written at most


def evaluate(
    model: Any,
    source: Source = None,
    *,
    protocol: str = "last token",
    limit: int | None = None,
    report: Report = silent,
) -> TaskResult:
    """Accuracy in per cent and perplexity of last words and last tokens.

    Args:
        protocol: "last token" or "last word": whose scores are `metrics`; the other's are in
            `rows`.

    Raises:
        UsageError: the source cannot be read, or the protocol is unknown.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"protocol {protocol!r} is unknown: expected {' or '.join(PROTOCOLS)}")
    read = read_last_words(source, limit=limit)
    tokenizer = model.text_tokenizer()
    stops = stop_tokens(tokenizer, model.vocabulary_size).to(model.device)
    watch = Watch("lambada", len(read.examples), report)
    details: list[dict[str, Any]] = []
    cut = crossing = 0
    for example in read.examples:
        before, word, apart = tokens_of(tokenizer, example)
        shortened = left_cut(model, before, max(len(word), LONGEST))
        cut += len(shortened) < len(before)
        crossing += not apart
        details.append(_judge(model, tokenizer, example, shortened, word, stops))
        watch.tell(len(details))
    rows = {
        name: _scores([detail[key] for detail in details])
        for key, name in (("token", LAST_TOKEN), ("word", LAST_WORD))
    }
    remarks = [*read.remarks]
    several = sum(detail["word"]["tokens"] > 1 for detail in details)
    remarks.append(
        f"last words of more than one token, of which the last-token protocol gives a part: "
        f"{several:,} of {len(details):,}"
    )
    if crossing:
        remarks.append(
            f"texts with a token across the beginning of the last word, which was encoded by "
            f"itself: {crossing:,}"
        )
    if cut:
        remarks.append(f"texts whose beginning was cut to fit the model's context: {cut:,}")
    name = PROTOCOLS[protocol]
    return TaskResult(
        task="lambada",
        protocol=f"{name}; greedy, exact match; a stop-word filter where it is said; perplexity "
        f"of that {'token' if protocol == 'last token' else 'word'}",
        source=read.source,
        examples=len(details),
        metrics=rows.pop(name),
        rows=rows,
        details=details,
        paper=PAPER,
        remarks=remarks,
    )


def tokens_of(tokenizer: Any, example: LastWord) -> tuple[list[int], list[int], bool]:
    """The tokens of a text before its last word, those of the word with its space, and whether
    they are the tokens of the whole text. Where one of these would be part of both, they are not.
    """
    before = ordinary(tokenizer, example.context)
    whole = ordinary(tokenizer, f"{example.context} {example.word}")
    if whole[: len(before)] == before:
        return before, whole[len(before) :], True
    return before, ordinary(tokenizer, f" {example.word}"), False


def stop_tokens(tokenizer: Any, size: int) -> Tensor:
    """`[size]`, True at tokens that are a space and a stop word, in any case."""
    stops = torch.zeros(size, dtype=torch.bool)  # a model may have room for more than it has
    for token in range(min(size, tokenizer.vocabulary_size)):
        piece = tokenizer.token_bytes(token)
        if piece[:1] == b" ":
            stops[token] = piece[1:].decode("utf-8", "replace").lower() in STOP_WORDS
    return stops


@torch.inference_mode()
def _judge(
    model: Any,
    tokenizer: Any,
    example: LastWord,
    before: Sequence[int],
    word: Sequence[int],
    stops: Tensor,
) -> dict[str, Any]:
    with evaluation_mode(model):
        first, state = read_prompt(model, before)
        heights = first.float()  # [tokens of the word, vocabulary]
        if len(word) > 1:
            given = torch.tensor([word[:-1]], device=model.device)
            heights = torch.cat([heights, model(given, state)[0][0].float()])
        answer, filtered = write_word(model, tokenizer, heights[0], state, len(word))
    nats = heights.log_softmax(-1).gather(1, torch.tensor(word, device=model.device)[:, None])
    if nats.isnan().any():
        raise UsageError("the model's output is not a number (NaN): its training has failed")
    last, allowed = heights[-1], heights[-1].masked_fill(stops, -torch.inf)
    return {
        "input": example.context,
        "expected": example.word,
        "answered": answer.text,
        "where": example.where,
        "token": {
            "expected": tokenizer.decode([word[-1]]),
            "answered": tokenizer.decode([int(last.argmax())]),
            "answered_filtered": tokenizer.decode([int(allowed.argmax())]),
            "log_probability": float(nats[-1]),
            "right": int(last.argmax()) == word[-1],
            "right_filtered": int(allowed.argmax()) == word[-1],
        },
        "word": {
            "tokens": len(word),
            "answered_filtered": filtered.text,
            "log_probability": float(nats.double().sum()),
            "right": heights.argmax(-1).tolist() == list(word),
            "right_filtered": filtered.ids[: len(word)] == list(word),
        },
    }


class Word(NamedTuple):
    """What a model writes: at least the tokens of a word, and the word."""

    ids: list[int]
    text: str


def write_word(
    model: Any, tokenizer: Any, logits: Tensor, state: Any, least: int
) -> tuple[Word, Word]:
    """The most probable word behind a text, and the most probable one that is no stop word.

    Both are greedy but for their first token. At least `least` tokens are written, so that an
    expected word of so many can be compared, and as many as it takes to see the word's end.
    Where all words are stop words, the two are the same.

    Args:
        logits: `[vocabulary]` of what comes behind the text; `state` is the state there.
    """
    ranked = logits.argsort(descending=True, stable=True)  # [vocabulary]
    best: Word | None = None
    done, width = 0, 1  # the first is the answer as a rule; more are tried where it is not
    while done < len(ranked):
        for ids in _follow(model, tokenizer, ranked[done : done + width], state, least):
            word = Word(ids, word_of(tokenizer.decode(ids)))
            best = best or word
            if word.text.lower() not in STOP_WORDS:
                return best, word
        done, width = done + width, CANDIDATES
    assert best is not None
    return best, best


def _follow(model: Any, tokenizer: Any, first: Tensor, state: Any, least: int) -> list[list[int]]:
    """Each first token and, greedily, those behind it to the end of the word."""
    rows = [[token] for token in first.tolist()]
    state = tuple(part[[0] * len(rows)] for part in state)
    token = first
    for length in range(2, max(least, LONGEST) + 1):
        if length > least and all(_ended(tokenizer.decode(row)) for row in rows):
            break
        logits, state = model.step(token, state)
        token = logits.argmax(-1)
        for row, chosen in zip(rows, token.tolist(), strict=True):
            row.append(chosen)
    return rows


_WORD = re.compile(r"\s*([\w'’-]*)")


def word_of(text: str) -> str:
    """The first word of what was written; signs where there is none."""
    found = _WORD.match(text)
    return (found[1] if found else "") or text.strip().split(" ")[0]


def _ended(text: str) -> bool:
    """Whether something stands behind the first word."""
    found = _WORD.match(text)
    return found is not None and found.end() < len(text)


def _scores(judged: Sequence[dict[str, Any]]) -> dict[str, Estimate]:
    nats = [-one["log_probability"] for one in judged]
    return {
        ACCURACY: mean_estimate([one["right"] for one in judged], scale=100),
        FILTERED: mean_estimate([one["right_filtered"] for one in judged], scale=100),
        PERPLEXITY: ratio_estimate(nats, [1.0] * len(nats), exponential),
    }
