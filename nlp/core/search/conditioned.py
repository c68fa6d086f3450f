"""What a search needs of a model: a decoder together with what it looks at.

A translator with its encoded sentences, a captioner with its images and a language model with its
prompt are all a `Conditioned`: a number of `sources`, each of which gets texts of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.decoding import PROMPT_WINDOW, Decodable
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
    """A language model that goes on from one prompt, as a `Conditioned` of one source.

    The prompt is read once, all but its last token: that one is the `start_id` of a search.

        prompted = Prompted(model, tokenizer.encode("Once upon a"))
        search(prompted, Beam(4), start_id=prompted.start_id, stop_id=0, max_tokens=50)

    Raises UsageError for an empty prompt and for token ids that the model does not know.
    """

    sources = 1
    source_mask: Tensor | None = None

    def __init__(self, model: Decodable, prompt: Sequence[int]) -> None:
        if not prompt:
            raise UsageError("the prompt is empty; begin it with the model's start symbol")
        wrong = [token for token in prompt if not 0 <= token < model.vocabulary_size]
        if wrong:
            raise UsageError(
                f"the prompt holds token {wrong[0]}, but the model knows 0 to "
                f"{model.vocabulary_size - 1}; encode it with the model's tokenizer"
            )
        self.model, self.prompt = model, list(prompt)
        self.start_id = self.prompt[-1]
        self.vocabulary_size, self.device = model.vocabulary_size, model.device

    def start(self, width: int) -> State:
        state = self.model.start(1)
        if len(self.prompt) > 1:
            ids = torch.tensor([self.prompt[:-1]], device=self.device)
            for window in ids.split(PROMPT_WINDOW, dim=1):
                _, state = self.model(window, state)
        return tuple(part[[0] * width] for part in state)

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self.model.step(token, state)
        return logits, state

    def keep(self, sources: Tensor) -> Prompted:
        return self

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
