"""Answers to questions about pictures, with how sure they are and where the model looked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError, check_positive
from nlp.core.tokens.word_splitter import words_of
from vision.images import Placement, read

if TYPE_CHECKING:
    from vision.question_answering.model import Answerer

AT_ONCE = 32  # questions that are read together


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model answers to a question about a picture."""

    image: Any  # as it was given
    question: str
    answer: str
    probability: float
    alternatives: tuple[tuple[str, float], ...]
    """The likeliest answers and their probabilities, of which the first is the answer."""
    attention: np.ndarray
    """Of each look on the cells of the picture, `[looks, rows, columns]`; a look's sum is 1."""
    placement: Placement
    """Where in the picture the cells lie."""
    unknown: tuple[str, ...]
    """Words of the question that the model has never seen."""


@torch.no_grad()
def answer(
    model: Answerer,
    images: Iterable[Any],
    questions: Iterable[str],
    *,
    n_best: int = 3,
    batch_size: int = AT_ONCE,
) -> Iterator[Answer]:
    """The answer to each question, in order.

    Args:
        images: what each question asks, as `vision.images.read` takes it; the same one for several
            questions is read once.
        questions: as many.

    Raises:
        UsageError: a picture cannot be read, or a question is empty.
    """
    check_positive(n_best=n_best, batch_size=batch_size)
    pairs = iter(zip(images, questions, strict=True))
    while window := list(itertools.islice(pairs, batch_size)):
        model.eval()
        preparation, numbers = model.config.preparation, dict[Any, int]()
        squares: list[tuple[Tensor, Placement]] = []
        for image, _ in window:
            if _key(image) not in numbers:
                numbers[_key(image)] = len(squares)
                squares.append(preparation.square(read(image)))
        asked = [numbers[_key(image)] for image, _ in window]
        words = [_words(question) for _, question in window]
        pixels = preparation.normalize(torch.stack([square for square, _ in squares]))
        batch = model.batch(pixels, asked, words)
        logits, weights, grid = model(batch.to(model.device))
        best = model.probabilities(logits).topk(min(n_best, len(model.number)), dim=1)
        for row, (image, question) in enumerate(window):
            names = [model.config.answers[number] for number in best.indices[row].tolist()]
            ranked = tuple(zip(names, best.values[row].tolist(), strict=True))
            seen = weights[row].float().unflatten(1, grid).cpu().numpy()
            unknown = tuple(word for word in words[row] if not _is_known(model, word))
            placement = squares[asked[row]][1]
            yield Answer(image, question, *ranked[0], ranked, seen, placement, unknown)


def _key(image: Any) -> Any:
    return str(image) if hasattr(image, "__fspath__") or isinstance(image, str) else id(image)


def _words(question: str) -> Sequence[str]:
    words = [question[start:end] for start, end in words_of(question)]
    if not words:
        raise UsageError("a question is empty: ask something")
    return words


def _is_known(model: Answerer, word: str) -> bool:
    """Whether the model has a vector for it."""
    alphabet = model.alphabet
    return word.lower() in alphabet.words or alphabet.coverage([word]) > 0
