"""Captioning: pictures in, their captions out in the same order, with all that is known of them.

Pictures are read ahead in threads, many at a time are searched as one batch; which pictures share
a batch changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from corpora.errors import check_positive
from nlp.core.attentive_decoder import Reading
from nlp.core.device import Precision, choose_precision
from nlp.core.search.beam import Hypothesis, search
from nlp.core.search.constraints import Constraints
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.translation.alignment import Place, merge_pieces, word_pieces
from nlp.core.translation.texts import Texts
from vision.images import Placement, Preparation, Refused, load_many


class Model(Protocol):
    """What this needs of a captioner."""

    texts: Texts

    @property
    def device(self) -> torch.device: ...
    @property
    def start_id(self) -> int: ...
    @property
    def preparation(self) -> Preparation: ...
    @property
    def grid(self) -> tuple[int, int]: ...
    def eval(self) -> Any: ...
    def read(self, pixels: Tensor, dtype: torch.dtype = ...) -> Reading: ...


class Piece(NamedTuple):
    """A piece of a caption, as the model wrote it."""

    start: int  # characters of the caption's text
    end: int
    log_probability: float  # nats, given all before it


@dataclass(frozen=True, eq=False)
class Caption:
    """A picture and one caption of it."""

    image: Any  # as it was given
    text: str
    score: float  # by which the search ranked it
    log_probability: float  # nats, of all pieces and of the end
    finished: bool  # False where the longest allowed length ended it
    pieces: tuple[Piece, ...] = ()
    piece_weights: np.ndarray | None = None  # [pieces, rows, columns] of the attention
    placement: Placement | None = None  # where in the picture the cells lie
    others: tuple[Caption, ...] = ()  # where several were asked for, the next best

    @cached_property
    def _words(self) -> tuple[list[Place], list[list[int]]]:
        return word_pieces(self.text, [(piece.start, piece.end) for piece in self.pieces])

    @property
    def words(self) -> list[Place]:
        """The words of the caption: characters from `start` to before `end`."""
        return self._words[0]

    @cached_property
    def attention(self) -> np.ndarray | None:
        """How much of each cell of the picture each word read, `[words, rows, columns]`, each word
        1 in all; None without attention."""
        if self.piece_weights is None:
            return None
        cells = self.piece_weights.reshape(
            len(self.piece_weights), prod(self.piece_weights.shape[1:])
        )
        own = [[cell] for cell in range(cells.shape[1])]
        words = merge_pieces(cells, own, self._words[1])
        return words.reshape(len(words), *self.piece_weights.shape[1:])

    @property
    def word_probabilities(self) -> list[float]:
        """Of each word, that of all its pieces: 0 to 1."""
        own = [sum(self.pieces[n].log_probability for n in numbers) for numbers in self._words[1]]
        return np.exp(own).tolist()


def caption(
    model: Model,
    images: Iterable[Any],
    *,
    strategy: Beam | Greedy | Sampling = Beam(3),  # noqa: B008 - frozen
    n_best: int = 1,
    max_length: int = 50,
    batch_size: int = 32,
    forbidden: Sequence[str] = (),
    no_repeat: int = 0,
    prefix: str = "",
    seed: int = 0,
    precision: Precision = "float32",
    threads: int = 4,
    refused: Callable[[Refused], None] | None = None,
) -> Iterator[Caption]:
    """The caption of each picture.

    Args:
        images: what `vision.images.read` takes each of: paths, files' bytes, pixels, scenes.
        strategy: `Beam`, `Greedy` or `Sampling`.
        n_best: captions of each picture; samples, where they are drawn.
        max_length: pieces of a caption.
        forbidden: words whose pieces no caption holds in a row, as they are written and behind a
            space; a longer word that begins with the same pieces cannot be written either.
        no_repeat: no run of so many pieces occurs twice in a caption; 0 allows all.
        prefix: what every caption begins with.
        seed: of samples.
        precision: what matrices are multiplied in. In bfloat16, where the device has it (auto
            finds out), which of two words that are about as likely is taken may depend on which
            pictures are in a batch.
        threads: that read pictures ahead.
        refused: hears of each picture that cannot be read, which then has no caption; None: the
            first one is an error.

    Raises:
        UsageError: a count below 1, or a picture that cannot be read.
    """
    check_positive(n_best=n_best, max_length=max_length, batch_size=batch_size, threads=threads)
    dtype = choose_precision(precision, model.device)
    model.eval()
    forced = model.texts.encode([prefix], target=True)[0]
    ready = [f" {word}" for word in forbidden]
    banned = model.texts.target.encode_batch(ready, disallowed_special=())
    pictures = load_many(images, model.preparation, threads=threads, refused=refused)
    while batch := list(islice(pictures, batch_size)):
        found = _search(
            model,
            torch.stack([picture.pixels for picture in batch]),
            dtype,
            strategy=strategy,
            max_tokens=max_length + len(forced),
            n_best=n_best,
            seed=seed,
            constraints=Constraints(
                prefixes=[forced] * len(batch), forbidden=banned, no_repeat=no_repeat
            ),
        )
        for picture, hypotheses in zip(batch, found, strict=True):
            best, *others = (
                _told(model, picture.image, picture.placement, one) for one in hypotheses
            )
            yield Caption(**best, others=tuple(Caption(**other) for other in others))


@torch.inference_mode()
def _search(
    model: Model, pixels: Tensor, dtype: torch.dtype, **options: Any
) -> list[list[Hypothesis]]:
    symbol = model.start_id
    return search(model.read(pixels, dtype), start_id=symbol, stop_id=symbol, **options)


def _told(model: Model, image: Any, placement: Placement, found: Hypothesis) -> dict[str, Any]:
    ranges = model.texts.written_places(found.ids)
    weights = found.attention
    return {
        "image": image,
        "text": model.texts.decode(found.ids),
        "score": found.score,
        "log_probability": sum(found.log_probabilities) + (found.end or 0.0),
        "finished": found.end is not None,
        "pieces": tuple(
            Piece(start, end, chance)
            for (start, end), chance in zip(ranges, found.log_probabilities, strict=True)
        ),
        "piece_weights": None if weights is None else weights.numpy().reshape(-1, *model.grid),
        "placement": placement,
    }
