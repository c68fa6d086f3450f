"""Questions about pictures as a model takes them, and batches of them: a picture is looked at once
for all its questions in a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from corpora.errors import UsageError
from corpora.image_questions import ImageQuestion
from corpora.scenes import Scene
from nlp.core.classes.labelled_texts import cut
from nlp.core.tokens.word_splitter import words_of
from vision.augment import Augmentation
from vision.images import Preparation, Squares
from vision.question_answering.answers import normalized

if TYPE_CHECKING:
    from vision.question_answering.model import Answerer, QuestionBatch

TOLD = 3  # pictures that cannot be read


class Asked(NamedTuple):
    """A question about a picture."""

    picture: int  # its number among those of the data
    words: list[str]  # one or more
    question: str
    answers: tuple[str, ...]  # one or more, normalized, one of each person
    kind: str  # as the data says, else how it begins: "how many"
    where: str


class Asking:
    """Questions with answers about pictures that can be read; what else there was is told.

    Raises:
        UsageError: nothing is left.
    """

    def __init__(
        self, items: Sequence[ImageQuestion], preparation: Preparation, **options: Any
    ) -> None:
        numbers: dict[Any, int] = {}
        images: list[Any] = []
        for item in items:
            if _key(item) not in numbers:
                numbers[_key(item)] = len(images)
                images.append(item.image)
        self.squares = Squares(images, preparation, **options)
        refused = self.squares.check()
        bad = {id(one.image) for one in refused}
        readable = [item for item in items if id(images[numbers[_key(item)]]) not in bad]
        asked = [_asked(item, numbers[_key(item)]) for item in readable]
        self.questions = [one for one in asked if one.answers]
        self.remarks: list[str] = []
        if refused:
            reasons = "; ".join(one.reason for one in refused[:TOLD])
            reasons += "; ..." if len(refused) > TOLD else ""
            self.remarks.append(
                f"pictures that cannot be read: {len(refused):,}, and with them "
                f"{len(items) - len(readable):,} questions left out ({reasons})"
            )
        if unanswered := len(asked) - len(self.questions):
            self.remarks.append(f"questions without an answer, left out: {unanswered:,}")
        if not self.questions:
            why = f" ({'; '.join(self.remarks)})" if self.remarks else ""
            raise UsageError(f"no question about a picture is left{why}")

    def keep(self, known: Sequence[str]) -> None:
        """Leaves out the questions that have none of these answers, and tells how many."""
        kept = [one for one in self.questions if not set(one.answers).isdisjoint(known)]
        if left := len(self.questions) - len(kept):
            self.remarks.append(f"questions with rarer answers only, left out: {left:,}")
        self.questions = kept


def _key(item: ImageQuestion) -> Any:
    """What two questions about the same picture share."""
    return item.image if isinstance(item.image, Path | Scene) else item.id


def _asked(item: ImageQuestion, picture: int) -> Asked:
    words = cut(item.question, words_of(item.question))
    answers = tuple(text for answer in item.answers if (text := normalized(answer)))
    kind = item.kind or " ".join(words[:2]).lower()
    return Asked(picture, words, item.question, answers, kind, item.where)


class QuestionBatches:
    """The batches of some questions, an epoch at a time; `epoch(n)` is a function of the seed, n
    and, where pictures are changed, of torch's own generator.

    Args:
        batch_size: questions of a batch, at most.
        seed: of the order of pictures; None keeps them in theirs.
    """

    def __init__(
        self,
        model: Answerer,
        asking: Asking,
        batch_size: int,
        *,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
        seed: int | None = None,
    ) -> None:
        self.model, self.asking, self.seed = model, asking, seed
        self.batch_size, self.augmentation = batch_size, augmentation
        own: dict[int, list[int]] = {}
        for row, one in enumerate(asking.questions):
            own.setdefault(one.picture, []).append(row)
        # About one picture at most as many as a batch holds.
        self.groups = [
            rows[start : start + batch_size]
            for rows in own.values()
            for start in range(0, len(rows), batch_size)
        ]

    def __len__(self) -> int:
        """Batches of the first epoch; another may have one or two more or less."""
        return len(self._cut(0))

    def _cut(self, number: int) -> list[list[int]]:
        order = np.arange(len(self.groups))
        if self.seed is not None:
            np.random.default_rng((self.seed, number)).shuffle(order)
        batches: list[list[int]] = []
        for group in order:
            rows = self.groups[group]
            if not batches or len(batches[-1]) + len(rows) > self.batch_size:
                batches.append([])
            batches[-1] += rows
        return batches

    def epoch(self, number: int, skip: int = 0) -> Iterator[QuestionBatch]:
        """The batches of an epoch, without its first `skip`."""
        for batch, _ in self.with_questions(number, skip):
            yield batch

    def with_questions(
        self, number: int = 0, skip: int = 0
    ) -> Iterator[tuple[QuestionBatch, list[Asked]]]:
        """The same, and what is asked in each."""
        questions = self.asking.questions
        batches = [[questions[row] for row in rows] for rows in self._cut(number)[skip:]]
        pictures = [list(dict.fromkeys(one.picture for one in batch)) for batch in batches]
        squares = self.asking.squares
        for batch, own, pixels in zip(batches, pictures, squares.batches(pictures), strict=True):
            if self.augmentation != Augmentation():
                # Drawn from the loop's own generator, so that a resumed run draws the same.
                chance = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
                pixels = self.augmentation(pixels, chance)
            place = {picture: row for row, picture in enumerate(own)}
            yield (
                self.model.batch(
                    squares.preparation.normalize(pixels),
                    [place[one.picture] for one in batch],
                    [one.words for one in batch],
                    [one.answers for one in batch],
                ),
                batch,
            )
