"""Turn a model's next-token distributions into text: one call, one shape of answer.

    logits, state = model(prompt, model.start(1))      the prompt is read once
    repeat:  token ~ strategy(logits)                  one choice per row
             logits, state = model.step(token, state)  the state is carried, never recomputed

Anything with `start`, `step` and a forward of many steps can be decoded: a recurrent language
model, GPT-2 with its cache as the state, a translator, a captioner. How a token is chosen is a
value, `Greedy()` or `Sampling(temperature=0.8, top_k=50)`, so adding a strategy adds no flags.

    from nlp.core.decoding import Sampling, generate
    for sample in generate(model, prompt_ids, strategy=Sampling(top_p=0.9), max_tokens=100,
                           samples=3, seed=1, tokenizer=tokenizer, stop=["\\n\\n"]):
        print(sample.text)

`log_probabilities` are always the model's own: before temperature, truncation and penalty, in
nats, so that they can be compared between strategies and with `nlp.core.scoring`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.strategies import Greedy, Sampling, Strategy, exact
from nlp.core.tokens.detokenizer import IncrementalDetokenizer, stop_strings

if TYPE_CHECKING:
    from nlp.core.tokenizer import Tokenizer

__all__ = [
    "Decodable",
    "Generation",
    "Greedy",
    "IncrementalDetokenizer",
    "Sampling",
    "Strategy",
    "evaluation_mode",
    "generate",
    "read_prompt",
    "step_of",
    "stop_ids",
    "stream",
    "stream_ids",
]

PROMPT_WINDOW = 256  # tokens of a prompt read at once: bounds what they take in memory


class Decodable(Protocol):
    """What decoding and scoring need of a model.

    A state is a tuple of parts, each of them rows: tensors `[batch, ...]`, or what can be indexed
    by rows as they can. It is a value: two may go on from the same.

    Two more methods are used where there are any: `read`, a forward that gives the last position's
    logits only, and `fast_step`, which makes a quick `step` for a single row.
    """

    @property
    def vocabulary_size(self) -> int: ...
    @property
    def device(self) -> torch.device: ...
    def start(self, batch_size: int) -> Any: ...
    def step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]: ...
    def __call__(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True)
class Generation:
    """One sample.

    ids                the tokens written, without the prompt and without the stop id; where a stop
                       string ended the text, up to the token in which the text is cut
    log_probabilities  the model's own log-probability of each, in nats
    finished           True where a stop id or a stop string ended it, False where max_tokens did
    text               what was written, cut exactly before the stop string; None where there was
                       no tokenizer
    seed               the seed that writes this sample again, alone
    """

    ids: list[int]
    log_probabilities: list[float]
    finished: bool
    text: str | None
    seed: int


def read_prompt(model: Decodable, prompt: Sequence[int]) -> tuple[Tensor, Any]:
    """The logits behind a prompt `[1, vocabulary_size]`, and the state."""
    ids = torch.tensor([list(prompt)], device=model.device)  # [1, time]
    read, state = getattr(model, "read", None), model.start(1)
    for window in ids.split(PROMPT_WINDOW, dim=1):
        if read:
            logits, state = read(window, state)
        else:
            outputs, state = model(window, state)
            logits = outputs[:, -1]
    return logits, state


def step_of(model: Decodable, rows: int) -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
    """How the model is best read for so many rows: many share a reading of its weights."""
    fast_step = getattr(model, "fast_step", None)
    return fast_step() if fast_step and rows == 1 else model.step


def stop_ids(model: Any) -> frozenset[int]:
    """What ends a text: `end_of_text`, and what else a model's makers stop at (its `stop_ids`)."""
    end = model.text_tokenizer().end_of_text
    return frozenset({end, *getattr(model, "stop_ids", ())})


@contextlib.contextmanager
def evaluation_mode(model: Decodable) -> Iterator[None]:
    """Dropout off while the block runs, and back as it was: dropped units would be noise here."""
    training = bool(getattr(model, "training", False))
    if training:
        model.eval()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if training:
            model.train()  # type: ignore[attr-defined]


class _Rows:
    """The samples still being written, as one batch: their state, and one generator each."""

    def __init__(
        self, model: Decodable, prompt: Sequence[int], strategy: Strategy, seeds: Sequence[int]
    ) -> None:
        self.model, self.strategy = model, strategy
        self.step = step_of(model, len(seeds))
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.uniforms: list[Tensor] = []
        self.token: Tensor | None = None
        logits, self.state = read_prompt(model, prompt)
        self.logits = logits.expand(len(seeds), -1)  # [rows, vocabulary]
        self.penalties: Tensor | None = None
        if strategy.repetition_penalty != 1:
            self.penalties = torch.ones(1, model.vocabulary_size, device=model.device)
            read = torch.tensor([list(prompt)], device=model.device)
            self.penalties.scatter_(1, read, strategy.repetition_penalty)
        if len(seeds) > 1:  # the prompt was read once, for all of them
            self._select([0] * len(seeds))

    def advance(self) -> tuple[list[int], list[float]]:
        """One more token on every row: the tokens and their log-probabilities."""
        if self.token is not None:
            self.logits, self.state = self.step(self.token, self.state)
        if not self.uniforms:
            self._draw()
        self.token, log_probability = self.strategy.choose(
            self.logits.float(), self.penalties, self.uniforms.pop()
        )
        if self.penalties is not None:
            self.penalties.scatter_(1, self.token.unsqueeze(-1), self.strategy.repetition_penalty)
        values = log_probability.tolist()
        if any(value != value for value in values):
            raise UsageError(
                "the model's output is not a number (NaN), so there is nothing to choose from; "
                "its training has failed: train again with a smaller learning rate"
            )
        return self.token.tolist(), values

    def keep(self, places: list[int]) -> None:
        """Go on with these rows only: a finished one costs nothing and disturbs nothing."""
        self.generators = [self.generators[place] for place in places]
        self.uniforms = [column[places] for column in self.uniforms]
        self.token = None if self.token is None else self.token[places]
        self._select(places)

    def _select(self, places: list[int]) -> None:
        self.state = tuple(part[places] for part in self.state)
        self.penalties = None if self.penalties is None else self.penalties[places]

    def _draw(self, ahead: int = 64) -> None:
        # Each row has its own generator, on the CPU, so that a sample depends on its seed alone,
        # and not on the device or on how many others are written beside it.
        drawn = [
            1 - torch.rand(ahead, generator=generator, dtype=torch.float64)
            for generator in self.generators
        ]
        columns = torch.stack(drawn, 1).flip(0).unsqueeze(-1)  # [ahead, rows, 1], popped from end
        self.uniforms = list(columns.to(exact(self.model.device)).to(self.model.device).unbind())


class _Writing:
    """One sample while it is written."""

    def __init__(self, seed: int, tokenizer: Tokenizer | None, stop: Sequence[str]) -> None:
        self.seed = seed
        self.ids: list[int] = []
        self.log_probabilities: list[float] = []
        self.finished = False
        self.tokenizer = tokenizer
        self.reader = IncrementalDetokenizer(tokenizer, stop) if tokenizer else None
        self.text = ""

    def take(self, token: int, log_probability: float) -> None:
        self.ids.append(token)
        self.log_probabilities.append(log_probability)
        if self.reader:
            self.text += self.reader.push(token)
            self.finished = self.reader.stopped

    def done(self) -> Generation:
        if self.reader:
            self.text += self.reader.flush()
        if self.tokenizer and self.reader and self.reader.stopped:
            self.finished = True
            count = _tokens_within(self.ids, self.text, self.tokenizer)
            del self.ids[count:], self.log_probabilities[count:]
        text = self.text if self.reader else None
        return Generation(self.ids, self.log_probabilities, self.finished, text, self.seed)


def _tokens_within(ids: list[int], text: str, tokenizer: Tokenizer) -> int:
    """How many of the tokens it takes to write `text`, the last one perhaps in part."""
    reader, written = IncrementalDetokenizer(tokenizer), 0
    for count, token in enumerate(ids):
        if written >= len(text):
            return count
        written += len(reader.push(token))
    return len(ids)


def _prompt(model: Decodable, ids: Sequence[int], tokenizer: Tokenizer | None) -> list[int]:
    prompt = [int(token) for token in ids]
    if not prompt:
        if tokenizer is None:
            raise UsageError(
                "the prompt is empty and there is no tokenizer to name the start symbol; "
                "give a prompt or a tokenizer"
            )
        prompt = [tokenizer.end_of_text]
    if min(prompt) < 0 or max(prompt) >= model.vocabulary_size:
        raise UsageError(
            f"the prompt holds token {min(prompt) if min(prompt) < 0 else max(prompt)}, but the "
            f"model knows 0 to {model.vocabulary_size - 1}; encode it with the model's tokenizer"
        )
    return prompt


def _at_least_one(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"{name} is {count}; expected a whole number of at least 1")


def _seed(seed: int | None) -> int:
    if seed is not None and not 0 <= seed < 2**63:
        raise UsageError(f"seed is {seed}; expected a whole number from 0 to 2**63 - 1")
    return torch.Generator().seed() % 2**31 if seed is None else seed


@torch.inference_mode()
def generate(
    model: Decodable,
    prompt_ids: Sequence[int],
    *,
    strategy: Strategy,
    max_tokens: int,
    samples: int = 1,
    stop_ids: Collection[int] = (),
    seed: int | None = None,
    tokenizer: Tokenizer | None = None,
    stop: Sequence[str] = (),
) -> list[Generation]:
    """Continue a prompt `samples` times, as one batch; a `Generation` for each.

    The prompt is read as it is; an empty one is read as the start symbol, `end_of_text`. A sample
    ends at a token of `stop_ids`, at a string of `stop` (wherever tokens begin and end), or after
    `max_tokens`. Sample i is written with `seed` + i, so each can be written again alone (but for
    the rounding of a batch of another size); without a seed one is drawn, and told in the answer.
    `tokenizer` is the model's own unless given.

    Raises UsageError for an empty prompt or stop strings without a tokenizer, for counts below 1,
    for token ids the model does not know, and for a model that gives NaN.
    """
    _at_least_one(max_tokens=max_tokens, samples=samples)
    tokenizer = tokenizer or getattr(model, "tokenizer", None)
    prompt, stop, seed = _prompt(model, prompt_ids, tokenizer), stop_strings(stop), _seed(seed)
    if stop and tokenizer is None:
        raise UsageError("stop strings were given without a tokenizer to find them in the text")
    written = [_Writing(seed + number, tokenizer, stop) for number in range(samples)]
    alive, ends = written, frozenset(stop_ids)
    with evaluation_mode(model):
        rows = _Rows(model, prompt, strategy, [sample.seed for sample in written])
        for _ in range(max_tokens):
            for sample, token, log_probability in zip(alive, *rows.advance(), strict=True):
                if token in ends:
                    sample.finished = True
                else:
                    sample.take(token, log_probability)
            places = [place for place, sample in enumerate(alive) if not sample.finished]
            if not places:
                break
            if len(places) < len(alive):
                alive = [alive[place] for place in places]
                rows.keep(places)
    return [sample.done() for sample in written]


def stream_ids(
    model: Decodable,
    prompt_ids: Sequence[int],
    *,
    strategy: Strategy,
    max_tokens: int,
    stop_ids: Collection[int] = (),
    seed: int | None = None,
    tokenizer: Tokenizer | None = None,
) -> Iterator[int]:
    """The tokens of one sample, each as soon as it is chosen; the same as `generate` writes."""
    _at_least_one(max_tokens=max_tokens)
    prompt = _prompt(model, prompt_ids, tokenizer or getattr(model, "tokenizer", None))
    return _stream(model, prompt, strategy, max_tokens, frozenset(stop_ids), _seed(seed))


@torch.inference_mode()
def _stream(
    model: Decodable,
    prompt: list[int],
    strategy: Strategy,
    max_tokens: int,
    stop_ids: frozenset[int],
    seed: int,
) -> Iterator[int]:
    with evaluation_mode(model):
        rows = _Rows(model, prompt, strategy, [seed])
        for _ in range(max_tokens):
            token = rows.advance()[0][0]
            if token in stop_ids:
                return
            yield token


def stream(
    model: Decodable,
    prompt_ids: Sequence[int],
    *,
    strategy: Strategy,
    max_tokens: int,
    stop_ids: Collection[int] = (),
    seed: int | None = None,
    tokenizer: Tokenizer | None = None,
    stop: Sequence[str] = (),
) -> Iterator[str]:
    """The text of one sample in pieces; joined, they are the text that `generate` writes.

    Arguments and errors are those of `generate`. A piece is never empty, never half a character,
    and never text that may still turn out to belong to a stop string.
    """
    tokenizer = tokenizer or getattr(model, "tokenizer", None)
    if tokenizer is None:
        raise UsageError("streaming text needs a tokenizer; give one, or use stream_ids")
    reader = IncrementalDetokenizer(tokenizer, stop)
    tokens = stream_ids(
        model,
        prompt_ids,
        strategy=strategy,
        max_tokens=max_tokens,
        stop_ids=stop_ids,
        seed=seed,
        tokenizer=tokenizer,
    )
    return _pieces(tokens, reader)


def _pieces(tokens: Iterator[int], reader: IncrementalDetokenizer) -> Iterator[str]:
    for token in tokens:
        if piece := reader.push(token):
            yield piece
        if reader.stopped:
            return
    if piece := reader.flush():
        yield piece
