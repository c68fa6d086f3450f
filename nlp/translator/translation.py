"""Translating: texts in, their translations out in the same order, with all that is known of them.

Texts are read many at a time, those of about the same length together, and searched as one batch;
which texts share a batch changes nothing. What has no visible character translates to nothing.
What the model cannot write is brought over from the source, see `nlp.core.translation.copies`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from corpora.errors import UsageError, check_positive
from nlp.core.batching import of_like_length
from nlp.core.device import Precision, choose_precision
from nlp.core.search.beam import Conditioned, Hypothesis, search
from nlp.core.search.constraints import Constraints
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.translation.alignment import Link, Place, hard_alignment, merge_pieces, word_pieces
from nlp.core.translation.copies import UNKNOWN, Copy, place_copies
from nlp.core.translation.texts import Normalization, Texts, normalized
from nlp.translator.ensemble import Together

AT_ONCE = 1024  # texts that are sorted by length before they are translated


class Model(Protocol):
    """What this needs of a translator."""

    texts: Texts

    @property
    def device(self) -> torch.device: ...
    @property
    def start_id(self) -> int: ...
    @property
    def reverses(self) -> bool: ...
    def eval(self) -> Any: ...
    def to_search_in(self, dtype: torch.dtype) -> Any: ...
    def read(self, sources: Sequence[Sequence[int]]) -> Any: ...


class Piece(NamedTuple):
    """A piece of a translation, as the model wrote it; or all that a source word now stands for."""

    start: int  # characters of the translation's text
    end: int
    log_probability: float  # nats, given all before it


@dataclass(frozen=True, eq=False)
class Translation:
    """A text and one translation of it."""

    source: str
    text: str
    score: float  # by which the search ranked it
    log_probability: float  # nats, of all pieces and of the end
    finished: bool  # False where the longest allowed length ended it
    pieces: tuple[Piece, ...] = ()
    source_places: tuple[Place, ...] = ()  # of the source's pieces: characters
    piece_weights: np.ndarray | None = None  # [pieces, source pieces] of the attention
    copied: tuple[Copy, ...] = ()  # source words that stand for what the model wrote
    others: tuple[Translation, ...] = ()  # where several were asked for, the next best

    @cached_property
    def _source(self) -> tuple[list[Place], list[list[int]]]:
        return word_pieces(self.source, self.source_places)

    @cached_property
    def _target(self) -> tuple[list[Place], list[list[int]]]:
        return word_pieces(self.text, [(piece.start, piece.end) for piece in self.pieces])

    @property
    def source_words(self) -> list[Place]:
        """The words of the source: characters from `start` to before `end`."""
        return self._source[0]

    @property
    def words(self) -> list[Place]:
        """The words of the translation."""
        return self._target[0]

    @cached_property
    def attention(self) -> np.ndarray | None:
        """How much of each source word each word read, `[words, source words]`."""
        if self.piece_weights is None:
            return None
        return merge_pieces(self.piece_weights, self._source[1], self._target[1])

    @property
    def alignment(self) -> list[Link]:
        """Each word of the translation with the source word that it read most of."""
        return [] if self.attention is None else hard_alignment(self.attention)

    @property
    def word_probabilities(self) -> list[float]:
        """Of each word, that of all its pieces: 0 to 1."""
        own = [sum(self.pieces[n].log_probability for n in numbers) for numbers in self._target[1]]
        return np.exp(own).tolist()

    def with_copies(
        self,
        *,
        unknown: bool,
        like: re.Pattern[str] | None = None,
        kept: int = 0,
        form: Normalization = "none",
    ) -> Translation:
        """The same with source words in it, and in the others, as
        `nlp.core.translation.copies.place_copies` puts them; in this form of Unicode.

        Scores stay those of what the model wrote. A source word has the attention and the
        probability of what it stands for.

        Raises:
            UsageError: words like these are to be copied, and the model has no attention.
        """
        options: dict[str, Any] = {"unknown": unknown, "like": like, "kept": kept}
        others = tuple(one.with_copies(**options, form=form) for one in self.others)
        weights, found = self.piece_weights, replace(self, others=others)
        if like is not None and self.pieces and weights is None:
            raise UsageError("a model without attention has no words to copy: leave out copy_words")
        if weights is None or not (like or (unknown and UNKNOWN in self.text)):
            return found
        text, copied, places, groups = place_copies(
            self.text,
            [(piece.start, piece.end) for piece in self.pieces],
            merge_pieces(weights, self._source[1], [[row] for row in range(len(weights))]),
            [normalized(self.source[start:end], form) for start, end in self.source_words],
            **options,
        )
        if not copied:
            return found
        nats = [sum(self.pieces[number].log_probability for number in group) for group in groups]
        return replace(
            found,
            text=text,
            copied=tuple(copied),
            pieces=tuple(Piece(*place, own) for place, own in zip(places, nats, strict=True)),
            piece_weights=np.stack([weights[group].mean(0) for group in groups]),
        )


def translate(
    model: Model,
    texts: Iterable[str],
    *,
    strategy: Beam | Greedy | Sampling = Beam(),  # noqa: B008 - frozen
    n_best: int = 1,
    max_length: int | None = None,
    batch_size: int = 64,
    forbidden: Sequence[str] = (),
    no_repeat: int = 0,
    prefixes: Sequence[str] | None = None,
    seed: int = 0,
    others: Sequence[Model] = (),
    precision: Precision = "float32",
    copy_unknown: bool = True,
    copy_words: str | None = None,
) -> Iterator[Translation]:
    """The translation of each text.

    Args:
        strategy: `Beam`, `Greedy` or `Sampling`.
        n_best: translations of each text; samples, where they are drawn.
        max_length: pieces of a translation; None is twice those of its source, and ten.
        forbidden: words whose pieces no translation holds in a row, as they are written and
            behind a space; a longer word that begins with the same pieces cannot be written either.
        no_repeat: no run of so many pieces occurs twice in a translation; 0 allows all.
        prefixes: what each translation begins with, one for each text.
        seed: of samples.
        others: models that translate together with the first: the mean of their probabilities
            counts. They have the same pieces of words.
        precision: what matrices are multiplied in while searching. In bfloat16, where the device
            has it (auto finds out), a CPU is several times as fast; log-probabilities are then
            some hundredths of a nat off, and where two words are about as likely, which one is
            taken may depend on which texts are in a batch.
        copy_unknown: where a model with attention has written bytes that are no text, U+FFFD, the
            source word stands that it looked at most.
        copy_words: a regular expression. A whole word of the translation that it matches and that
            the source has not, such as a number, becomes the source word that was looked at most,
            where it matches that, too. A prefix stays. `Translation.copied` tells what was done.

    Raises:
        UsageError: a count below 1, models that do not fit each other, or words to be copied by
            what is no regular expression or by a model without attention.
    """
    check_positive(n_best=n_best, batch_size=batch_size)
    if max_length is not None:
        check_positive(max_length=max_length)
    like = _pattern(copy_words)
    dtype = choose_precision(precision, model.device)
    models = [one.eval().to_search_in(dtype) for one in (model, *others)]
    for other in others:
        if other.texts.target.fingerprint != model.texts.target.fingerprint:
            raise UsageError(
                "the models write in different pieces of words: train them together with "
                "translators that have the same tokenizer"
            )
    texts = iter(texts)
    begun = iter(prefixes) if prefixes is not None else itertools.repeat("")
    banned = _spellings(model, forbidden)
    while window := list(itertools.islice(texts, AT_ONCE)):
        starts = list(itertools.islice(begun, len(window)))
        if len(starts) < len(window):
            raise UsageError("there are more texts than prefixes: give one for each text")
        forced = model.texts.encode(starts, target=True)
        rows = [one.texts.encode(window) for one in models]
        found: dict[int, list[Hypothesis]] = {}
        real = [number for number, row in enumerate(rows[0]) if row]
        lengths = [len(rows[0][number]) for number in real]
        for batch in of_like_length(lengths, batch_size):
            numbers = [real[row] for row in batch]
            limits = [max_length or 2 * len(rows[0][n]) + 10 + len(forced[n]) for n in numbers]
            answers = _search(
                models,
                [[own[n] for n in numbers] for own in rows],
                strategy=strategy,
                max_tokens=limits,
                n_best=n_best,
                seed=seed,
                constraints=Constraints(
                    prefixes=[forced[n] for n in numbers] if prefixes is not None else None,
                    forbidden=banned,
                    no_repeat=no_repeat,
                ),
            )
            found.update(zip(numbers, answers, strict=True))
        for number, text in enumerate(window):
            answer = told(model, text, rows[0][number], found.get(number, []))
            yield answer.with_copies(
                unknown=copy_unknown,
                like=like,
                kept=len(forced[number]),
                form=model.texts.target_form,
            )
    if prefixes is not None and next(begun, None) is not None:
        raise UsageError("there are more prefixes than texts: give one for each text")


def _pattern(copy_words: str | None) -> re.Pattern[str] | None:
    try:
        return None if copy_words is None else re.compile(copy_words)
    except (re.error, OverflowError) as error:
        raise UsageError(
            f"copy_words is {copy_words!r}, which is no regular expression ({error}): "
            r"expected one such as \d.*"
        ) from error


@torch.inference_mode()
def _search(
    models: Sequence[Model], rows: Sequence[list[list[int]]], **options: Any
) -> list[list[Hypothesis]]:
    readings = [model.read(own) for model, own in zip(models, rows, strict=True)]
    reading: Conditioned = readings[0]
    if len(readings) > 1:
        reading = Together(readings, [_reads_like(models[0], model) for model in models])
    symbol = models[0].start_id
    return search(reading, start_id=symbol, stop_id=symbol, **options)


def _reads_like(first: Model, other: Model) -> bool:
    """Whether the positions of both models' attention are the same places of a source."""
    one, two = first.texts, other.texts
    same = one.source.fingerprint == two.source.fingerprint
    return same and one.normalization == two.normalization and first.reverses == other.reverses


def _spellings(model: Model, words: Sequence[str]) -> list[list[int]]:
    """The ids of words behind a space, as most are written."""
    ready = [f" {normalized(word, model.texts.normalization)}" for word in words]
    return model.texts.target.encode_batch(ready, disallowed_special=())


def told(model: Model, text: str, ids: list[int], found: list[Hypothesis]) -> Translation:
    if not found:
        return Translation(text, "", 0.0, 0.0, True)
    places = model.texts.places(text, ids)
    if model.reverses:
        places = places[::-1]
    best, *others = (_one(model, text, places, hypothesis) for hypothesis in found)
    return Translation(**{**best, "others": tuple(Translation(**other) for other in others)})


def _one(model: Model, text: str, places: list[Place], found: Hypothesis) -> dict[str, Any]:
    written = model.texts.decode(found.ids)
    ranges = model.texts.written_places(found.ids)
    return {
        "source": text,
        "text": written,
        "score": found.score,
        "log_probability": sum(found.log_probabilities) + (found.end or 0.0),
        "finished": found.end is not None,
        "pieces": tuple(
            Piece(start, end, chance)
            for (start, end), chance in zip(ranges, found.log_probabilities, strict=True)
        ),
        "source_places": tuple(places),
        # A batch's padding is none of its business.
        "piece_weights": (
            None if found.attention is None else found.attention[:, : len(places)].numpy()
        ),
    }
