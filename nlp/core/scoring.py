"""The chain rule: how probable a model finds a text, token by token, word by word, and in all.

    log P(w1 ... wn) = sum over i of log P(wi | w1 ... w(i-1))

    from nlp.core.scoring import score
    mars = score(model, tokenizer, "take me to Mars")
    mars.log_probability                              # nats; mars.bits is the same, in bits
    max(mars.tokens, key=lambda token: token.bits)    # the most surprising token

Everything is in nats unless its name says bits. `dataclasses.asdict` of each answer is JSON.
Texts are read in windows with the state carried, so memory does not grow with their length.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from corpora.errors import UsageError
from corpora.passage import Counts
from corpora.store import TokenStore
from nlp.core.batching import Windows
from nlp.core.decoding import Decodable, evaluation_mode

if TYPE_CHECKING:
    from nlp.core.tokenizer import Tokenizer

LOGITS_AT_ONCE = 2**24  # 64 MB of float32: what one window times the vocabulary may hold


@dataclass(frozen=True)
class Alternative:
    """A token that could have stood there, and its log-probability in nats."""

    id: int
    text: str
    log_probability: float


@dataclass(frozen=True)
class TokenScore:
    """One token, and what the model thought of it before it saw it.

    text             the characters `start` to `end` of the text, without one that the token before
                     has shown already (a rare character can be several tokens, each a part of it);
                     so the tokens' texts joined are the text
    log_probability  log P(token | everything before it), in nats; None where it is not counted
    bits             its surprisal, -log2 P
    rank             1 where the model held it for the most probable
    entropy          of the whole distribution, in nats: how unsure the model was
    top              the most probable tokens, best first
    """

    id: int
    text: str
    start: int
    end: int
    log_probability: float | None
    bits: float | None
    rank: int | None
    entropy: float | None
    top: list[Alternative]


@dataclass(frozen=True)
class WordScore:
    """A stretch of text between white space, and the sum over its tokens (None if none counts)."""

    text: str
    start: int
    end: int
    log_probability: float | None
    bits: float | None
    tokens: int


@dataclass(frozen=True)
class Score:
    """A text's probability under a model; the totals are over the counted tokens."""

    text: str
    context: str
    first_token: str
    log_probability: float
    bits: float
    perplexity: float
    word_perplexity: float
    bits_per_byte: float
    counted_tokens: int
    counted_words: int
    counted_bytes: int
    words: list[WordScore]
    tokens: list[TokenScore]


@dataclass(frozen=True)
class Perplexity:
    """A corpus under a model; `per_word` and `bits_per_byte` are None where not asked for.

    All three are of the same total, so words and bytes pay for every token, separators of
    documents included, and models with different tokenizers can be compared by them.
    """

    per_token: float
    per_word: float | None
    bits_per_byte: float | None
    nats_per_token: float
    tokens: int


@torch.inference_mode()
def score(
    model: Decodable,
    tokenizer: Tokenizer,
    text: str,
    *,
    context: str = "",
    top: int = 5,
    first_token: Literal["start", "skip"] = "start",
    window: int = 256,
) -> Score:
    """The probability of `text`, given `context` where there is one.

    `first_token` says what becomes of the first token of all, which has nothing before it:
    "start": it is predicted from the start symbol `end_of_text`, as at the beginning of a document;
    "skip": it is read but not counted (its scores are None) and no start symbol is read.
    A context is encoded by itself, so that the border is where you put it: for `to Mars` give
    context "take me to" and text " Mars", with the space.

    A token belongs to the word that its first non-space character is in; a token of white space
    alone to the word that follows, at the end of the text to the last one. So the words' sum is
    the total. `window` tokens are read at a time; it changes memory, not the answer.

    Raises UsageError for a text without a countable token, an unknown `first_token`, `top` below 0,
    and a model that gives NaN.
    """
    if first_token not in ("start", "skip"):
        raise UsageError(f"first_token is {first_token!r}; expected 'start' or 'skip'")
    if top < 0 or window < 1:
        raise UsageError(f"top is {top} and window {window}; expected at least 0 and at least 1")
    if not text:
        raise UsageError("the text to score is empty; give at least one character")
    ids = tokenizer.encode(text)
    before = [tokenizer.end_of_text] if first_token == "start" else []
    before += tokenizer.encode(context) if context else []
    uncounted = 0 if before else 1
    if len(ids) <= uncounted:
        raise UsageError(
            f"the text {text!r} is a single token, which first_token='skip' does not count; "
            "give a longer text or a context, or use first_token='start'"
        )
    spans = tokenizer.offsets(text, ids=ids)
    named: dict[int, str] = {}  # the same alternatives come again and again
    tokens: list[TokenScore] = []
    if uncounted:
        start, end = spans[0]
        tokens.append(TokenScore(ids[0], text[start:end], start, end, None, None, None, None, []))
    shown = tokens[0].end if tokens else 0
    with evaluation_mode(model):
        measured = _measure(model, before + ids, len(ids) - uncounted, top, window)
        for token, (start, end), (value, rank, entropy, best) in zip(
            ids[uncounted:], spans[uncounted:], measured, strict=True
        ):
            for other, _ in best:
                if other not in named:
                    named[other] = tokenizer.decode([other])
            others = [Alternative(other, named[other], nats) for other, nats in best]
            piece, bits = text[max(start, shown) : end], -value / math.log(2)
            tokens.append(TokenScore(token, piece, start, end, value, bits, rank, entropy, others))
            shown = end
    words = _words(text, tokens)
    total = math.fsum(t.log_probability for t in tokens if t.log_probability is not None)
    counted_words = sum(word.log_probability is not None for word in words)
    counted_bytes = len(text.encode("utf-8", "surrogatepass"))
    counted_bytes -= len(tokenizer.token_bytes(ids[0])) if uncounted else 0
    counted = len(tokens) - uncounted
    return Score(
        text=text,
        context=context,
        first_token=first_token,
        log_probability=total,
        bits=-total / math.log(2),
        perplexity=exponential(-total / counted),
        word_perplexity=exponential(-total / counted_words),
        bits_per_byte=-total / math.log(2) / counted_bytes,
        counted_tokens=counted,
        counted_words=counted_words,
        counted_bytes=counted_bytes,
        words=words,
        tokens=tokens,
    )


Measured = tuple[float, int, float, list[tuple[int, float]]]


def _measure(
    model: Decodable, ids: Sequence[int], last: int, top: int, window: int
) -> Iterator[Measured]:
    """Log-probability, rank, entropy and best tokens for each of the `last` tokens of `ids`."""
    sequence = torch.tensor([list(ids)], device=model.device)  # [1, time]
    inputs, targets = sequence[:, :-1], sequence[0, 1:]
    window = max(1, min(window, LOGITS_AT_ONCE // model.vocabulary_size))
    first = len(targets) - last
    state = model.start(1)
    for begin in range(0, len(targets), window):
        logits, state = model(inputs[:, begin : begin + window], state)
        skipped = max(0, first - begin)  # the context is read, but not measured
        if skipped >= logits.shape[1]:
            continue
        logs = torch.log_softmax(logits[0, skipped:].float(), -1)  # [time, vocabulary]
        chosen = logs.gather(1, targets[begin + skipped : begin + window].unsqueeze(1))
        values = chosen.squeeze(1).tolist()
        if any(value != value for value in values):
            raise UsageError("the model's output is not a number (NaN): its training has failed")
        ranks = ((logs > chosen).sum(1) + 1).tolist()
        entropies = torch.special.entr(logs.exp()).sum(1).tolist()
        best = logs.topk(min(top, logs.shape[1]))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        for value, rank, entropy, (others, nats) in zip(
            values, ranks, entropies, pairs, strict=True
        ):
            yield value, rank, entropy, list(zip(others, nats, strict=True))


def _words(text: str, tokens: Sequence[TokenScore]) -> list[WordScore]:
    stretches = [found.span() for found in re.finditer(r"\S+", text)] or [(0, len(text))]
    ends = [end for _, end in stretches]
    members: list[list[TokenScore]] = [[] for _ in stretches]
    visible = re.compile(r"\S")
    for token in tokens:
        found = visible.search(text, token.start, token.end)
        place = bisect.bisect_right(ends, found.start() if found else token.start)
        members[min(place, len(ends) - 1)].append(token)
    words = []
    for (start, end), inside in zip(stretches, members, strict=True):
        counted = [t.log_probability for t in inside if t.log_probability is not None]
        total = math.fsum(counted) if counted else None
        bits = None if total is None else -total / math.log(2)
        words.append(WordScore(text[start:end], start, end, total, bits, len(inside)))
    return words


def exponential(value: float) -> float:
    """Perplexity of so many nats a unit; infinite where a float has no room for it."""
    return math.exp(value) if value < 700 else math.inf


@torch.inference_mode()
def corpus_perplexity(
    model: Decodable,
    ids: np.ndarray,
    *,
    words: int | None = None,
    bytes: int | None = None,
    window: int = 256,
    streams: int = 1,
    start_id: int | None = None,
    independent_windows: bool = False,
) -> Perplexity:
    """Perplexity over an array of token ids (memory-mapped ones are read a window at a time).

    One pass with the state carried from the first token to the last: the exact value. `streams`
    above 1 cuts the array into as many equal stretches, read side by side: several times faster,
    every token still counted once, but at `streams` - 1 places the state begins anew.
    `independent_windows` begins anew every `window` tokens, as nanoGPT evaluates; else `window` is
    only how many tokens are read at a time. The first token of all is predicted from `start_id`,
    or not counted where that is None. `words` and `bytes` are the text's own counts.

    Raises UsageError for fewer than two tokens (one with `start_id`), for ids beyond the model's
    vocabulary, and for a model that gives NaN.
    """
    shift = 0 if start_id is None else 1
    count = len(ids) - 1 + shift
    if count < 1:
        raise UsageError(f"{len(ids)} tokens cannot be evaluated; at least {2 - shift} are needed")
    if window < 1 or streams < 1:
        raise UsageError(f"window is {window}, streams {streams}; expected at least 1 of each")

    def total(begins: Sequence[int], length: int, state: object = None) -> tuple[float, object]:
        """Nats of `length` predictions from each of `begins` on, side by side."""
        state = model.start(len(begins)) if state is None else state
        most = max(1, LOGITS_AT_ONCE // (len(begins) * model.vocabulary_size))
        step, nats = min(window, most), 0.0
        for at in range(0, length, step):
            size = min(step, length - at)
            rows = [_read(ids, begin + at - shift, size + 1, start_id) for begin in begins]
            block = torch.from_numpy(np.stack(rows))  # [rows, time + 1]
            if int(block.max()) >= model.vocabulary_size:
                raise UsageError(
                    f"the corpus holds token {int(block.max())}, but the model knows 0 to "
                    f"{model.vocabulary_size - 1}; encode it with the model's own tokenizer"
                )
            block = block.to(model.device)
            logits, state = model(block[:, :-1], state)
            nats += _cross_entropy(logits, block[:, 1:])
        return nats, state

    nats = 0.0
    with evaluation_mode(model):
        if independent_windows:
            together = max(1, LOGITS_AT_ONCE // (window * model.vocabulary_size))
            whole = range(0, count - count % window, window)
            for place in range(0, len(whole), together):
                nats += total(whole[place : place + together], window)[0]
            done, state = count - count % window, None
        else:
            lanes = min(streams, count)
            length = count // lanes
            nats, state = total(range(0, lanes * length, length), length)
            # What the division left over continues the last stretch.
            done, state = lanes * length, tuple(part[-1:] for part in state)  # type: ignore
        if done < count:
            nats += total([done], count - done, state)[0]
    if math.isnan(nats):
        raise UsageError("the model's output is not a number (NaN): its training has failed")
    return perplexity_of(nats, count, words, bytes)


def perplexity_of(nats: float, tokens: int, words: int | None, bytes: int | None) -> Perplexity:
    """A corpus of these counts whose tokens cost `nats` in all."""
    return Perplexity(
        per_token=exponential(nats / tokens),
        per_word=exponential(nats / words) if words else None,
        bits_per_byte=nats / math.log(2) / bytes if bytes else None,
        nats_per_token=nats / tokens,
        tokens=tokens,
    )


def _read(ids: np.ndarray, begin: int, size: int, start_id: int | None) -> np.ndarray:
    """`size` ids from `begin` on, where place -1 holds the start symbol."""
    if begin >= 0:
        return np.asarray(ids[begin : begin + size], dtype=np.int64)
    return np.concatenate([[start_id], np.asarray(ids[: size - 1])]).astype(np.int64)


def _cross_entropy(logits: Tensor, targets: Tensor) -> float:
    flat = logits.reshape(-1, logits.shape[-1]).float()
    return float(functional.cross_entropy(flat, targets.reshape(-1), reduction="sum"))


RESULT_COLUMNS = ("perplexity per token", "perplexity per word", "bits per byte")


def result_row(result: Perplexity) -> tuple[float | None, ...]:
    """The values of `RESULT_COLUMNS`."""
    return result.per_token, result.per_word, result.bits_per_byte


def in_units(loss: float, counts: Counts) -> dict[str, float]:
    """Nats per token as perplexity per token and bits per byte of a text with these counts."""
    bits = loss / math.log(2) * counts.tokens
    return {"perplexity": math.exp(min(loss, 700.0)), "bits_per_byte": bits / max(1, counts.bytes)}


@torch.no_grad()
def mean_loss(model: Any, windows: Windows) -> float:
    """Mean nats per token over an epoch of windows, the state carried through each stream."""
    total, count, carry = 0.0, 0, None
    for batch in windows.epoch(0):
        moved = type(batch)(*(part.to(model.device) for part in batch))
        mean, targets, carry = model.loss(moved, carry)
        total, count = total + float(mean) * targets, count + targets
    return total / count


def split_perplexity(model: Any, store: TokenStore, split: str, start_id: int) -> Perplexity:
    """Perplexity of a split of a token store, exactly: one pass with the state carried."""
    counts = store.header.splits[split]
    return corpus_perplexity(
        model, store.split(split), words=counts.words, bytes=counts.bytes, start_id=start_id
    )
