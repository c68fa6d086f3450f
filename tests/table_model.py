"""A language model that is a table of probabilities, with words as tokens: what is to be scored
with it can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

END = "<|endoftext|>"


class Pieces:
    """A tokenizer that always takes the longest of its pieces."""

    end_of_text = 0

    def __init__(self, pieces: Sequence[str]) -> None:
        signs = [chr(code) for code in range(32, 127)]
        self.pieces = list(dict.fromkeys([END, *pieces, *signs, "\n"]))
        self.vocabulary_size = len(self.pieces)

    def encode(self, text: str, *, disallowed_special: object = ()) -> list[int]:
        ids, at = [], 0
        while at < len(text):
            fitting = [p for p in self.pieces[1:] if text.startswith(p, at)]
            ids.append(self.pieces.index(max(fitting, key=len)))
            at += len(self.pieces[ids[-1]])
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.pieces[token] for token in ids)

    def token_bytes(self, token: int) -> bytes:
        return self.pieces[token].encode()

    def offsets(self, text: str, *, ids: Sequence[int]) -> list[tuple[int, int]]:
        spans, at = [], 0
        for token in ids:
            spans.append((at, at + len(self.pieces[token])))
            at = spans[-1][1]
        return spans


class Table:
    """P(token | the token before it) of a table `[vocabulary, vocabulary]`."""

    device = torch.device("cpu")

    def __init__(self, pieces: Sequence[str], seed: int = 0, sharpness: float = 2.0) -> None:
        self.tokenizer = Pieces(pieces)
        self.vocabulary_size = self.tokenizer.vocabulary_size
        generator = torch.Generator().manual_seed(seed)
        heights = sharpness * torch.randn(
            self.vocabulary_size, self.vocabulary_size, generator=generator, dtype=torch.float64
        )
        self.table = heights.softmax(-1)
        self.context: int | None = None

    def text_tokenizer(self) -> Pieces:
        return self.tokenizer

    def put(self, before: str, **probabilities: float) -> None:
        """What comes behind a piece: `put(" the", _Rome=0.6)`, where _ is a space."""
        row = torch.zeros(self.vocabulary_size, dtype=torch.float64)
        for piece, probability in probabilities.items():
            row[self.tokenizer.pieces.index(piece.replace("_", " "))] = probability
        rest = row == 0
        row[rest] = (1 - row.sum()) / rest.sum()
        self.table[self.tokenizer.pieces.index(before)] = row

    def start(self, batch_size: int) -> tuple[Tensor, ...]:
        return (torch.zeros(batch_size, 1),)

    def __call__(self, ids: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.table[ids].log(), (ids[:, -1:].float(),)

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.table[token].log(), (token[:, None].float(),)
