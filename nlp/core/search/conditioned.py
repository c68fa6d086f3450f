"""What a search needs of a model: a decoder together with what it looks at.

A translator with its encoded sentences, a captioner with its images and a language model with its
prompt are all a `Conditioned`: a number of `sources`, each of which gets texts of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.decoding import Decodable, read_prompt, step_of
from nlp.core.recurrent import State


class Conditioned(Protocol):
    """A decoder and its sources; row = source * width + place in a batch of `width` a source.

    Rows of one source share what is looked at, so a beam reorders its state within the source:
    `tuple(part[rows] for part in state)`. `source_mask` `[sources, source positions]` is True at
    real positions, or None where there is no padding; coverage is summed over real ones.
    """

    @property
    def vocabulary_size(self) -> int: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def sources(self) -> int: ...
    @property
    def source_mask(self) -> Tensor | None: ...

    def start(self, width: int) -> State:
        """The state before the first token, `[sources * width, ...]`."""

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """One more `token` `[rows]`: logits `[rows, vocabulary_size]` and the state behind it."""

    def keep(self, sources: Tensor) -> Conditioned:
        """The same with these of its sources only, in this order."""

    def attention(self, state: State) -> Tensor | None:
        """`[rows, source positions]` of the step that gave `state`; None where there is none."""


class Prompted:
    """A language model that goes on from prompts, as a `Conditioned` of as many sources.

    Each prompt is read once, all but its last token: those are the `start_id` of a search.

        prompted = Prompted(model, [tokenizer.encode("Once upon a"), tokenizer.encode("The")])
        search(prompted, Beam(4), start_id=prompted.start_id, stop_id=0, max_tokens=50)

    Raises UsageError for an empty prompt and for token ids that the model does not know.
    """

    source_mask: Tensor | None = None

    def __init__(self, model: Decodable, prompts: Sequence[Sequence[int]]) -> None:
        if not all(prompts):
            raise UsageError("a prompt is empty; begin it with the model's start symbol")
        wrong = [
            token
            for prompt in prompts
            for token in prompt
            if not 0 <= token < model.vocabulary_size
        ]
        if wrong:
            raise UsageError(
                f"the prompt holds token {wrong[0]}, but the model knows 0 to "
                f"{model.vocabulary_size - 1}; encode it with the model's tokenizer"
            )
        self.model, self.prompts, self.sources = model, prompts, len(prompts)
        self.start_id = [prompt[-1] for prompt in prompts]
        self.vocabulary_size, self.device = model.vocabulary_size, model.device
        self._step: Callable[[Tensor, Any], tuple[Tensor, Any]] = model.step

    def start(self, width: int) -> State:
        self._step = step_of(self.model, self.sources * width)
        # One after the other: reading is bound by arithmetic, and so nothing of it is padding.
        states = [
            read_prompt(self.model, prompt[:-1])[1] if len(prompt) > 1 else self.model.start(1)
            for prompt in self.prompts
        ]
        state = joined(states)
        if width == 1:
            return state
        rows = [source for source in range(self.sources) for _ in range(width)]
        return tuple(part[rows] for part in state)

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        return self._step(token, state)

    def keep(self, sources: Tensor) -> Prompted:
        kept = copy.copy(self)
        kept.sources = len(sources)
        return kept

    def attention(self, state: State) -> Tensor | None:
        return None

    # For `evaluation_mode`: dropout is off while a search runs.
    @property
    def training(self) -> bool:
        return bool(getattr(self.model, "training", False))

    def train(self) -> None:
        self.model.train()  # type: ignore[attr-defined]

    def eval(self) -> None:
        self.model.eval()  # type: ignore[attr-defined]


def joined(states: Sequence[State]) -> State:
    """The rows of several states under each other. What is no tensor joins itself."""
    parts = zip(*states, strict=True)
    return tuple(
        torch.cat(part) if isinstance(part[0], Tensor) else type(part[0]).joined(part)
        for part in parts
    )
