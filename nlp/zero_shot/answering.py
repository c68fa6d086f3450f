"""What a model writes behind one prompt after the other, greedily, up to the end of the line.

    Q: what is the capital of japan          read once: what prompts have in common
    A: ──► Tokyo ──► "\\n": the end          read anew: what follows

Prompts of a task begin alike: with the same examples, or with the same story and what was asked
about it so far. States are values, so the model goes on from where a prompt parts from the one
before it, and the answers are the same as if each prompt were read from its start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from corpora.errors import UsageError, check_positive
from nlp.core.decoding import (
    Decodable,
    evaluation_mode,
    generate,
    read_prompt,
    step_of,
    stop_ids,
)
from nlp.core.strategies import Greedy
from nlp.core.tokens.special_tokens import ordinary
from nlp.zero_shot.task import Watch

WORTH = 16  # tokens read again that are worth a reading of their own
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Answer(NamedTuple):
    """What was written.

    probability   the model's, of the tokens that take to write `text`; 0 of an empty one, which
                  would be as sure as it is worthless
    finished      False where `max_tokens` cut the text
    cut_tokens    of the prompt, left out at its beginning for want of room
    """

    text: str
    probability: float
    finished: bool
    cut_tokens: int


class _Behind:
    """A model that has read something already, as a model of one row that begins there."""

    def __init__(self, model: Decodable, step: Step, state: Any) -> None:
        self.model, self.step, self.state = model, step, state
        self.vocabulary_size, self.device = model.vocabulary_size, model.device
        if hasattr(model, "read"):
            self.read = model.read

    def start(self, batch_size: int) -> Any:
        return self.state

    def __call__(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.model(ids, state)


class _Read(NamedTuple):
    """The state behind the first tokens of a prompt."""

    ids: list[int]
    state: Any


class Writer:
    """Answers of one model, which remembers what the prompt before has in common with the next.

    The white space around an answer is taken off. `stop` are strings that end it, besides the
    model's end of text.

    Raises UsageError for a model without a tokenizer.
    """

    def __init__(self, model: Any, *, stop: Sequence[str] = ("\n",)) -> None:
        self.model, self.stop = model, tuple(stop)
        self.tokenizer = model.text_tokenizer()
        with evaluation_mode(model):
            self._step = step_of(model, 1)  # made once: it may copy the weights
        self._last: list[int] = []
        self._kept: list[_Read] = []  # of the prompt before, shorter ones first

    @torch.inference_mode()
    def write(self, prompt: str, *, max_tokens: int) -> Answer:
        """What the model writes behind a prompt.

        A prompt that is too long for the model's context loses its beginning, and this is counted.

        Raises UsageError where `max_tokens` leave no room for a prompt, and for an empty prompt.
        """
        check_positive(max_tokens=max_tokens)
        ids, cut = self._fitting(ordinary(self.tokenizer, prompt), max_tokens)
        with evaluation_mode(self.model):
            (written,) = generate(
                self._behind(ids),
                ids[-1:],
                strategy=Greedy(),
                max_tokens=max_tokens,
                stop_ids=stop_ids(self.model),
                stop=self.stop,
                tokenizer=self.tokenizer,
            )
        text = (written.text or "").strip()
        probability = math.exp(sum(written.log_probabilities)) if text else 0.0
        return Answer(text, probability, written.finished, cut)

    def answers(
        self, prompts: Sequence[str], max_tokens: int | Sequence[int], watch: Watch
    ) -> list[Answer]:
        """What the model writes behind each prompt; `watch` hears how far it is."""
        most = [max_tokens] * len(prompts) if isinstance(max_tokens, int) else max_tokens
        found = []
        for prompt, tokens in zip(prompts, most, strict=True):
            found.append(self.write(prompt, max_tokens=tokens))
            watch.tell(len(found))
        return found

    def _fitting(self, ids: list[int], max_tokens: int) -> tuple[list[int], int]:
        if not ids:
            raise UsageError("the prompt is empty: there is nothing to answer")
        context = getattr(self.model, "context", None)
        if context is None:
            return ids, 0
        room = int(context) - max_tokens
        if room < 1:
            raise UsageError(
                f"the model looks at {context:,} tokens and max_tokens is {max_tokens:,}: no room "
                "is left for a prompt; lower max_tokens"
            )
        cut = max(0, len(ids) - room)
        return ids[cut:], cut

    def _behind(self, ids: list[int]) -> _Behind:
        """The model behind all but the last token of a prompt."""
        goal = len(ids) - 1
        common = 0
        while common < min(goal, len(self._last)) and ids[common] == self._last[common]:
            common += 1
        self._last = ids
        known = [read for read in self._kept if len(read.ids) <= common]
        read = known[-1] if known else _Read([], self.model.start(1))
        self._kept = [read] if read.ids else []
        places = {len(read.ids), goal}
        if common - len(read.ids) >= WORTH:  # the next prompt is likely to part there too
            places.add(common)
        behind = _Behind(self.model, self._step, read.state)
        for begin, end in pairwise(sorted(places)):
            _, state = read_prompt(behind, ids[begin:end])
            behind = _Behind(self.model, self._step, state)
            self._kept.append(_Read(ids[:end], state))
        return behind


def remarks_of(answers: Sequence[Answer], what: str) -> list[str]:
    """What is to be told of answers: prompts that were cut, answers that are empty or unended."""
    cut = [answer.cut_tokens for answer in answers if answer.cut_tokens]
    told = []
    if cut:
        told.append(
            f"prompts cut at their beginning to fit the context: {len(cut):,}, by {sum(cut):,} "
            "tokens in all"
        )
    if empty := sum(not answer.text for answer in answers):
        told.append(f"empty {what}: {empty:,}")
    if unended := sum(not answer.finished for answer in answers):
        told.append(f"{what} cut at max_tokens: {unended:,}")
    return told
