"""Summaries by a hint: a language model reads a text and "TL;DR:", and what it writes is kept.

    article ids ──► cut from the end ──► + "\\nTL;DR:" ──► 100 tokens, top-k 2 ──► first 3 sentences

The setting is that of Radford et al. (2019), section 3.6. The text is cut so that the hint and what
is written always fit what the model looks at, and never inside of a character.

    from nlp.core.summary import Settings, summaries
    for summary in summaries(model, articles, Settings(max_tokens=60)):
        print(summary.text)

Without a hint (`hint=""`) the model simply writes on: what the hint is worth is measured so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from corpora.errors import UsageError, check_positive
from nlp.core.batching import of_like_length
from nlp.core.decoding import generate, stop_ids
from nlp.core.search.beam import Prompted, search
from nlp.core.sentences import Place, places
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.tokens.detokenizer import IncrementalDetokenizer
from nlp.core.tokens.special_tokens import ordinary

HINT = "\nTL;DR:"


@dataclass(frozen=True)
class Settings:
    """How texts are summarised.

    hint        what stands behind the text and asks for a summary; "" asks for nothing
    strategy    how tokens are chosen
    max_tokens  written for each candidate
    sentences   of what was written, the first so many are the summary; 0 keeps all
    candidates  several are written, and the one whose tokens are likeliest on average is taken
    seed        of what is drawn: candidate i of every text is drawn with `seed` + i
    language    whose abbreviations end no sentence, see `nlp.core.sentences`
    batch_size  texts that are read together, at most

    Raises UsageError for a count below 1 and more candidates than the strategy writes.
    """

    hint: str = HINT
    strategy: Beam | Greedy | Sampling = Sampling(top_k=2)  # noqa: RUF009 - frozen
    max_tokens: int = 100
    sentences: int = 3
    candidates: int = 1
    seed: int = 0
    language: str = "en"
    batch_size: int = 8

    def __post_init__(self) -> None:
        check_positive(
            max_tokens=self.max_tokens, candidates=self.candidates, batch_size=self.batch_size
        )
        if self.sentences < 0:
            raise UsageError(f"sentences is {self.sentences}: expected 1 or more, or 0 for all")
        if isinstance(self.strategy, Greedy) and self.candidates > 1:
            raise UsageError(
                f"candidates is {self.candidates}, and greedy decoding writes one text: "
                "draw them, or take a beam of that size"
            )
        if isinstance(self.strategy, Beam) and self.candidates > self.strategy.size:
            raise UsageError(
                f"candidates is {self.candidates}, and a beam of {self.strategy.size} keeps no "
                "more than its size: take a larger beam"
            )


class Prompt(NamedTuple):
    """What the model reads."""

    ids: list[int]  # of the text and the hint
    cut: int  # tokens of the text that were left out at its end


@dataclass(frozen=True)
class Candidate:
    """One summary that was written."""

    text: str  # the sentences as they stand
    sentences: tuple[str, ...]  # without the white space between them
    tokens: int  # that the text takes, the last one perhaps in part
    log_probability: float  # nats, of those tokens

    @property
    def mean_log_probability(self) -> float:
        """Nats a token; that of nothing is minus infinity, so that anything is better."""
        return self.log_probability / self.tokens if self.tokens else float("-inf")


@dataclass(frozen=True)
class Summary:
    """A summary and how it came about.

    text             the best candidate's; "" where there was nothing to summarise, or where the
                     model had nothing to say
    sentences        its sentences, without the white space between them
    prompt_tokens    that the model read: of the text, as far as it fits, and of the hint
    cut_tokens       of the text, left out at its end
    log_probability  nats, of the tokens of `text`
    candidates       all that were written, the best first
    sections         where a long text was read in sections, the summary of each; the numbers above
                     are then those of the last reading, but `cut_tokens`, which is of all
    """

    text: str
    sentences: tuple[str, ...]
    prompt_tokens: int
    cut_tokens: int
    log_probability: float
    candidates: tuple[Candidate, ...]
    sections: tuple[Summary, ...] = ()


def summaries(model: Any, texts: Sequence[str], settings: Settings) -> list[Summary]:
    """The summary of each text, in order. The white space around a text does not count; what then
    is empty has an empty summary, and the model is not asked.

    Raises UsageError for a model without a tokenizer or with too short a context.
    """
    tokenizer = model.text_tokenizer()
    room = room_of(model, settings)
    prompts = [prompt(tokenizer, text, settings.hint, room) for text in texts]
    real = [number for number, own in enumerate(prompts) if own.ids]
    written: dict[int, list[Candidate]] = {}
    # Of all texts, so that those of about the same length share a batch.
    for batch in of_like_length([len(prompts[n].ids) for n in real], settings.batch_size):
        numbers = [real[row] for row in batch]
        rows = summarize_ids(model, [prompts[n].ids for n in numbers], settings)
        written.update(zip(numbers, rows, strict=True))
    return [_summary(own, written.get(number, [])) for number, own in enumerate(prompts)]


def summarize_ids(
    model: Any, prompts: Sequence[Sequence[int]], settings: Settings
) -> list[list[Candidate]]:
    """What the model writes behind each prompt: the candidates, the best first."""
    tokenizer, ends = model.text_tokenizer(), stop_ids(model)
    found = []
    for rows in _written(model, prompts, settings):
        candidates = []
        for ids, chances in rows:  # a search knows but one of the symbols that end a text
            length = next((n for n, token in enumerate(ids) if token in ends), len(ids))
            candidates.append(_candidate(tokenizer, ids[:length], chances, settings))
        found.append(sorted(candidates, key=lambda one: -one.mean_log_probability))
    return found


def room_of(model: Any, settings: Settings) -> int | None:
    """Tokens of text and hint that fit what the model looks at; None where nothing bounds it."""
    context = getattr(model, "context", None)
    if context is None:
        return None
    hint = len(ordinary(model.text_tokenizer(), settings.hint))
    room = int(context) - settings.max_tokens
    if room <= hint:
        raise UsageError(
            f"the model looks at {context:,} tokens, the hint takes {hint} and max_tokens "
            f"{settings.max_tokens:,}: nothing is left for the text; lower max_tokens"
        )
    return room


def prompt(tokenizer: Any, text: str, hint: str, room: int | None) -> Prompt:
    """The ids of a text and the hint behind it, at most `room` of them."""
    text = text.strip()
    if not text:
        return Prompt([], 0)
    # Together, for in some vocabularies a full stop and a line break are one token.
    ids = ordinary(tokenizer, text + hint)
    if room is None or len(ids) <= room:
        return Prompt(ids, 0)
    own = ordinary(tokenizer, text)
    where = tokenizer.offsets(text, ids=own)
    length = room - len(ordinary(tokenizer, hint))
    while True:
        length = min(max(length, 0), len(own))
        while 0 < length < len(own) and where[length][0] < where[length - 1][1]:
            length -= 1  # both hold bytes of one character
        head = text[: where[length - 1][1]].rstrip() if length else ""
        ids = ordinary(tokenizer, head + hint)
        if len(ids) <= room or not length:
            return Prompt(ids, len(own) - length)
        length -= len(ids) - room  # the last word is another one now, and may take more tokens


def kept(written: str, settings: Settings) -> list[Place]:
    """The sentences of what was written that are the summary; one at least, perhaps empty."""
    found = places(written, settings.language)
    return (found[: settings.sentences] if settings.sentences else found) or [(0, 0)]


Ids = tuple[list[int], list[float]]  # and the log-probability of each in nats


def _written(model: Any, prompts: Sequence[Sequence[int]], settings: Settings) -> list[list[Ids]]:
    strategy = settings.strategy
    # A text alone is written faster this way; and a search knows no repetition penalty.
    alone = len(prompts) == 1 or getattr(strategy, "repetition_penalty", 1) != 1
    if alone and not isinstance(strategy, Beam):
        found = [
            generate(
                model,
                ids,
                strategy=strategy,
                max_tokens=settings.max_tokens,
                samples=settings.candidates,
                stop_ids=stop_ids(model),
                seed=settings.seed,
            )
            for ids in prompts
        ]
        return [[(one.ids, one.log_probabilities) for one in own] for own in found]
    prompted = Prompted(model, prompts)
    rows = search(
        prompted,
        strategy,
        start_id=prompted.start_id,
        stop_id=model.text_tokenizer().end_of_text,
        max_tokens=settings.max_tokens,
        n_best=settings.candidates,
        seed=settings.seed,
    )
    return [[(one.ids, one.log_probabilities) for one in own] for own in rows]


def _candidate(
    tokenizer: Any, ids: Sequence[int], log_probabilities: Sequence[float], settings: Settings
) -> Candidate:
    reader = IncrementalDetokenizer(tokenizer)
    pieces = [reader.push(token) for token in ids]
    written = "".join(pieces) + reader.flush()
    sentences = kept(written, settings)
    begin, end = sentences[0][0], sentences[-1][1]
    length = tokens = 0
    while length < end and tokens < len(ids):
        length += len(pieces[tokens])
        tokens += 1
    return Candidate(
        text=written[begin:end],
        sentences=tuple(written[start:stop] for start, stop in sentences if start < stop),
        tokens=tokens,
        log_probability=float(sum(log_probabilities[:tokens])),
    )


def _summary(read: Prompt, candidates: Sequence[Candidate]) -> Summary:
    best = candidates[0] if candidates else Candidate("", (), 0, 0.0)
    return Summary(
        text=best.text,
        sentences=best.sentences,
        prompt_tokens=len(read.ids),
        cut_tokens=read.cut,
        log_probability=best.log_probability,
        candidates=tuple(candidates),
    )
