"""A language model whose every probability is known: what it may write behind a text is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nlp.core.summary import HINT
from nlp.core.tokenizer import Tokenizer

BYTES = Tokenizer.train([], kind="bytes")
State = tuple[Tensor, Tensor]  # what was read, [batch, most]; how much of it, [batch]


class Scripted:
    """Writes bytes. `say` maps a text to what may be written behind its hint, with the probability
    of each; the next byte's is that of all that go on with it, and at their end comes the stop.

    `prompts` are those it was asked to go on from. Reading more than `context` is an error.
    """

    device = torch.device("cpu")
    vocabulary_size = BYTES.vocabulary_size
    tokenizer = BYTES

    def __init__(
        self,
        say: Callable[[str], Mapping[str, float]],
        context: int | None = None,
        hint: str = HINT,
        most: int = 3000,
    ) -> None:
        self.say, self.context, self.hint, self.most = say, context, hint.encode(), most
        self.prompts: list[str] = []

    def text_tokenizer(self) -> Tokenizer:
        return BYTES

    def start(self, batch_size: int) -> State:
        return torch.zeros(batch_size, self.most).long(), torch.zeros(batch_size).long()

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self(token.unsqueeze(1), state)
        return logits[:, -1], state

    def __call__(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        history, length = state[0].clone(), state[1].clone()
        logits = torch.zeros(*ids.shape, self.vocabulary_size)
        for row, own in enumerate(ids.tolist()):
            for time, token in enumerate(own):
                history[row, length[row]] = token
                length[row] += 1
                assert self.context is None or length[row] <= self.context
                read = BYTES.decode_bytes(history[row, : int(length[row])].tolist())
                before, hint, written = read.rpartition(self.hint)
                if hint:
                    logits[row, time] = self._next(before.decode(), written)
        return logits, (history, length)

    def _next(self, text: str, written: bytes) -> Tensor:
        if not written:
            self.prompts.append(text)
        chances = torch.zeros(self.vocabulary_size, dtype=torch.float64)
        for whole, chance in self.say(text).items():
            own = whole.encode()
            if own.startswith(written):
                rest = BYTES.encode_bytes(own[len(written) :])
                chances[rest[0] if rest else BYTES.end_of_text] += chance
        chances = chances if chances.any() else chances.index_fill(0, torch.tensor([256]), 1.0)
        return (chances / chances.sum()).log().float()
