"""What language models make of a word in its place: contextual string embeddings.

    forward   T a k e   m e ─►        the state behind a word's last character
    backward      ◄─ e k a T   e m    the state before its first, of a model that reads backward

Akbik, Blythe and Vollgraf (2018). The models are trained on raw text, which costs nobody any
annotation, and then stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from corpora.errors import UsageError
from nlp.core import checkpoint
from nlp.core.decoder import Decoder
from nlp.core.language.config import read_folder
from nlp.core.tokenizer import Tokenizer


class Reader(nn.Module):
    """A language model as a reader of sentences; never trained."""

    def __init__(self, config: Mapping[str, Any], tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config, self.tokenizer = dict(config), tokenizer
        self.backward = bool(config.get("backward", False))
        self.decoder = Decoder.of(config)
        self.requires_grad_(False)

    @classmethod
    def of_folder(cls, folder: str | Path) -> Reader:
        """The language model in a folder. `UsageError` where its tokens are not characters."""
        path = checkpoint.locate(folder)
        config, tokenizer = read_folder(path)
        kind = "other" if tokenizer is None else tokenizer.kind
        if tokenizer is None or kind != "characters":
            raise UsageError(
                f"{path} reads {kind} tokens: words are read by a language model of characters, "
                "train one with `unrolled train-lm --kind characters`"
            )
        reader = cls(asdict(config), tokenizer)
        checkpoint.load_weights(reader, path)
        return reader.eval()

    @property
    def size(self) -> int:
        """Features of a word."""
        return self.decoder.recurrent.output_size

    def train(self, mode: bool = True) -> Reader:
        """Stays in evaluation: nothing is ever dropped."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, sentences: Sequence[Sequence[str]]) -> Tensor:
        """The states at each word of sentences, padded: `[batch, time, size]`."""
        device = self.decoder.output_bias.device
        rows, ends = zip(*map(self._read, sentences), strict=True)
        longest, time = max(map(len, rows)), max(map(len, ends))
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)
        places = torch.zeros(len(rows), time, dtype=torch.int64)
        for row, (read, end) in enumerate(zip(rows, ends, strict=True)):
            ids[row, : len(read)] = torch.tensor(read)
            places[row, : len(end)] = torch.tensor(end)
        # Padding stands behind the text, where nothing that is read depends on it.
        vectors = self.decoder.embed(ids.to(device))
        states, _ = self.decoder.recurrent(vectors, mask=None)
        places = places.to(device)[..., None].expand(-1, -1, states.shape[2])
        return states.gather(1, places)

    def _read(self, sentence: Sequence[str]) -> tuple[list[int], list[int]]:
        """The ids of a sentence in the order of reading, behind the start symbol, and the position
        at which each word has been read."""
        words = sentence[::-1] if self.backward else sentence
        ids, ends = [self.tokenizer.end_of_text], []
        for place, word in enumerate(words):
            text = f" {word}" if place else word
            read = self._ids(f"{word} " if self.backward and place else text)
            ids += read[::-1] if self.backward else read
            ends.append(len(ids) - 1)
        return ids, ends[::-1] if self.backward else ends

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, allowed_special=())


def readers(folders: Sequence[str | Path]) -> nn.ModuleList:
    """The language models of a tagger, in the order given."""
    return nn.ModuleList(Reader.of_folder(folder) for folder in folders)
