"""Summaries of texts by any language model: "TL;DR:" behind the text, and what it writes next.

    log P(summary | article + "\\nTL;DR:") = sum over its tokens of log P(token | all before it)

Radford et al. (2019), section 3.6: nothing is trained for it. Two of the likeliest tokens are drawn
from each time, 100 in all, and the first three sentences are the summary. A small model's summary
is often no better than the article's first three sentences; see docs/zero-shot.md.

    from nlp.summarizer import summarize
    print(summarize(article).text)                                   # GPT-2 of 124M
    best = summarize(article, model="my-model", candidates=8)        # the likeliest of eight
    whole = summarize(book, long="sections", strategy=Greedy())
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from corpora.errors import check_choice
from nlp.core.decoding import Greedy, Sampling, stop_ids, stream
from nlp.core.events import Remark
from nlp.core.language import loading
from nlp.core.sections import sections
from nlp.core.sentences import Place, places
from nlp.core.strategies import Beam
from nlp.core.summary import (
    HINT,
    Candidate,
    Settings,
    Summary,
    kept,
    prompt,
    room_of,
    summaries,
)

__all__ = ["Candidate", "Summary", "load", "stream_summary", "summarize"]

MODEL = "gpt2"
Long = Literal["cut", "sections"]
Report = Callable[[Remark], None]


# The options are spelled out once, below.
@overload
def summarize(text: str, model: Any = ..., **options: Any) -> Summary: ...
@overload
def summarize(text: Iterable[str], model: Any = ..., **options: Any) -> list[Summary]: ...
def summarize(  # type: ignore[misc]
    text: str | Iterable[str],
    model: Any = MODEL,
    *,
    hint: str = HINT,
    strategy: Beam | Greedy | Sampling = Sampling(top_k=2),  # noqa: B008 - frozen
    max_tokens: int = 100,
    sentences: int = 3,
    candidates: int = 1,
    long: Long = "cut",
    seed: int = 0,
    language: str = "en",
    batch_size: int = 8,
    device: str = "auto",
    precision: str = "auto",
    report: Report = lambda remark: None,
) -> Summary | list[Summary]:
    """The summary of a text, or of each of several, in order.

    Args:
        model: a model, its folder, its id on the Hugging Face Hub, or a `.gguf` file.
        hint ... batch_size: see `nlp.core.summary.Settings`.
        long: what becomes of a text that is longer than the model looks at. "cut" leaves out its
            end; "sections" summarises parts of it, cut between sentences where that can be, and
            then their summaries, again in sections where these are too long.
        device, precision: how a model that is not loaded yet is loaded, see
            `nlp.core.language.loading.load`.
        report: hears of what was cut.

    Raises:
        UsageError: the model cannot be loaded, has no tokenizer, or looks at too few tokens for the
            hint and `max_tokens`; a count below 1; more candidates than the strategy writes.
    """
    check_choice("long", long, Long)
    settings = Settings(
        hint=hint,
        strategy=strategy,
        max_tokens=max_tokens,
        sentences=sentences,
        candidates=candidates,
        seed=seed,
        language=language,
        batch_size=batch_size,
    )
    texts = [text] if isinstance(text, str) else list(text)
    loaded = load(model, device, precision)
    found = (_of_sections if long == "sections" else summaries)(loaded, texts, settings)
    if any(one.cut_tokens for one in found):
        report(cut_remark(found, loaded, long))
    return found[0] if isinstance(text, str) else found


def stream_summary(
    text: str,
    model: Any = MODEL,
    *,
    hint: str = HINT,
    strategy: Greedy | Sampling = Sampling(top_k=2),  # noqa: B008 - frozen
    max_tokens: int = 100,
    sentences: int = 3,
    long: Long = "cut",
    seed: int = 0,
    language: str = "en",
    device: str = "auto",
    precision: str = "auto",
    report: Report = lambda remark: None,
) -> Iterator[str]:
    """The summary of one text in pieces, as it is written; joined they are `summarize`'s text, but
    that a quotation mark that comes late may have it end a sentence earlier or later.

    Words come whole, one word late, and white space with the word behind it: only so is it known
    that a word does not begin a sentence too many. Arguments and errors are those of `summarize`.
    """
    check_choice("long", long, Long)
    settings = Settings(hint, strategy, max_tokens, sentences, 1, seed, language)
    loaded = load(model, device, precision)
    tokenizer, room = loaded.text_tokenizer(), room_of(loaded, settings)
    if long == "sections":
        text = _shortened(loaded, [text], settings)[0][0]
    read = prompt(tokenizer, text, hint, room)
    if read.cut:
        report(cut_remark([Summary("", (), len(read.ids), read.cut, 0.0, ())], loaded, long))
    if not read.ids:
        return iter(())
    pieces = stream(
        loaded,
        read.ids,
        strategy=strategy,
        max_tokens=max_tokens,
        stop_ids=stop_ids(loaded),
        seed=seed,
        tokenizer=tokenizer,
    )
    return _certain(pieces, settings)


def load(model: Any, device: str = "auto", precision: str = "auto") -> Any:
    """A language model by its name; one that is loaded already is given back as it is."""
    is_name = isinstance(model, str | Path)
    return loading.load(model, device, precision) if is_name else model


def _of_sections(model: Any, texts: Sequence[str], settings: Settings) -> list[Summary]:
    """The summary of each text; of one that does not fit, that of its sections' summaries."""
    ready, read = _shortened(model, texts, settings)
    last = summaries(model, ready, settings)
    return [
        dataclasses.replace(
            one, sections=own, cut_tokens=one.cut_tokens + sum(part.cut_tokens for part in own)
        )
        for one, own in zip(last, read, strict=True)
    ]


def _shortened(
    model: Any, texts: Sequence[str], settings: Settings
) -> tuple[list[str], list[tuple[Summary, ...]]]:
    """The texts, those that do not fit replaced by the summaries of their sections, as often as it
    takes; and of each the summaries of its sections, of the first time."""
    tokenizer, room = model.text_tokenizer(), room_of(model, settings)
    ready = list(texts)
    read: list[tuple[Summary, ...]] = [()] * len(ready)
    long = list(range(len(ready)))
    while long:
        parts = {number: sections(tokenizer, ready[number], room, settings) for number in long}
        parts = {number: own for number, own in parts.items() if len(own) > 1}
        flat = iter(summaries(model, [part for own in parts.values() for part in own], settings))
        long = []
        for number, own in parts.items():
            found = tuple(next(flat) for _ in own)
            joined = "\n".join(one.text for one in found if one.text)
            if 4 * len(joined) <= 3 * len(ready[number]):  # else it might never come to an end
                long.append(number)
            ready[number], read[number] = joined, read[number] or found
    return ready, read


def _certain(pieces: Iterator[str], settings: Settings) -> Iterator[str]:
    """What of a text, as it is written, is its first sentences."""
    written, shown = "", 0
    for piece in pieces:
        written += piece
        begin, end = _place(written, shown, settings)
        shown = max(shown, begin)
        # The word that is being written may be the first one of a sentence too many.
        end = min(end, _last_space(written))
        if end > shown:
            yield written[shown:end]
            shown = end
        if settings.sentences and _over(written, settings):
            break
    begin, end = _place(written, shown, settings)
    if rest := written[max(shown, begin) : end]:
        yield rest


def _place(written: str, shown: int, settings: Settings) -> Place:
    """The characters that are the summary. What was `shown` already ends with its sentence, also
    where it now is one too many: a quotation mark may make two sentences of one, or one of two."""
    sentences = kept(written, settings)
    begin, end = sentences[0][0], sentences[-1][1]
    if shown > end:
        end = next(stop for _, stop in places(written, settings.language) if stop >= shown)
    return begin, end


def _last_space(written: str) -> int:
    last = next((n for n in range(len(written) - 1, -1, -1) if written[n].isspace()), -1)
    return len(written[: last + 1].rstrip())


def _over(written: str, settings: Settings) -> bool:
    """Whether nothing that follows can belong to the summary: its sentences are all in paragraphs
    that have ended."""
    ended = written.rpartition("\n\n")[0]
    return bool(ended) and len(places(ended, settings.language)) >= settings.sentences


def cut_remark(found: Sequence[Summary], model: Any, long: str) -> Remark:
    """What was cut of texts that did not fit, in one line."""
    cut = [one for one in found if one.cut_tokens]
    tokens = sum(one.cut_tokens for one in cut)
    texts = f"{len(cut):,} of {len(found):,} texts" if len(found) > 1 else "the text"
    advice = "" if long == "sections" else "; --long sections reads all of a text"
    return Remark(
        f"the model looks at {model.context:,} tokens: {tokens:,} tokens were left out at the end "
        f"of {texts}{advice}"
    )
