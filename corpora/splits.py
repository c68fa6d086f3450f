"""Training, validation and test text out of one source, in a fixed way that needs no second copy.

    >>> parts = splits("books/", validation=0.05, test=0.05)
    >>> parts.rule
    'by document, 90% / 5% / 5%, seed 0'
    >>> for passage in parts.train: ...

A source that has splits of its own keeps them. Of any other, documents are dealt out in windows of
ten or more by a hash of their number, so that a stream can be split without knowing its length; a
source of fewer documents, such as one long file, gives its end to validation and test.
"""

from __future__ import annotations

import atexit
import hashlib
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from corpora import huggingface
from corpora.errors import UsageError, writing_to
from corpora.huggingface import Dataset
from corpora.passage import Passage
from corpora.reader import Input, Options, Sample, Source, passages, resolve
from corpora.text import File, blocks

NAMES = ("train", "validation", "test")
FEWEST_DOCUMENTS = 10
_NEARBY = 4096  # characters after a nominal cut that are searched for a line break or a space
OWN_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test",),
}


@dataclass(frozen=True)
class Split:
    """The passages of one split, read anew from the source by each iteration."""

    name: str
    open: Callable[[], Iterator[Passage]] = field(repr=False)

    def __iter__(self) -> Iterator[Passage]:
        return self.open()


@dataclass(frozen=True)
class Splits:
    """The three splits. `rule` tells in words how the source was split, for logs and model cards.
    The test split is empty where none was asked for.
    """

    train: Split
    validation: Split
    test: Split
    rule: str

    def __iter__(self) -> Iterator[Split]:
        return iter((self.train, self.validation, self.test))


def splits(
    source: Source | Mapping[str, Source],
    *,
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    seed: int = 0,
    text_column: str = "text",
    document: str = "file",
    encoding_errors: str = "strict",
    streaming: bool = True,
) -> Splits:
    """Split a source for training, validation and test.

    `validation` and `test` are each a fraction of the source or another source, which is used
    whole; so is every value of a source that is a mapping of "train", "validation" and "test".
    The bundled sample and Hugging Face datasets give the splits they have, and fractions of
    "train" for those they lack. `seed` changes which documents go where. The other keywords are
    those of `corpora.read`. Standard input is kept in a temporary file until the program ends.

    Raises `UsageError` for a validation split of nothing, fractions that leave nothing to train on
    and text too short to split, besides all that `read` raises.
    """
    options = Options(text_column, document, encoding_errors, None, streaming).checked()
    if isinstance(source, Mapping):
        if "train" not in source or not set(source) <= set(NAMES):
            raise UsageError(
                f"splits {', '.join(map(str, source)) or 'none'} were given; expected train, and "
                "validation and test where wanted"
            )
        validation = source.get("validation", validation)
        test = source.get("test", 0.0)
        source = source["train"]
    inputs = [_repeatable(item) for item in resolve(source)]
    own = _own_splits(inputs, options)
    for name, wanted in (("validation", validation), ("test", test)):
        if not isinstance(wanted, float | int):
            held_out = [_repeatable(item) for item in resolve(wanted)]
            own[name] = Split(name, partial(passages, held_out, options))
    shares = {
        name: Fraction(0) if name in own else share(name, wanted)
        for name, wanted in (("validation", validation), ("test", test))
    }
    whole = own["train"].open if "train" in own else partial(passages, inputs, options)
    rest, rule = _divide(whole, shares["validation"], shares["test"], seed)
    taken = {**rest, **{name: split for name, split in own.items() if name != "train"}}
    if own:
        rule = "as given" if not any(shares.values()) else f"{rule}; the others as given"
    return Splits(taken["train"], taken["validation"], taken["test"], rule)


def share(name: str, fraction: Any) -> Fraction:
    """What is held out, exactly as it was typed. `UsageError` where it is no such share."""
    lowest = "above 0" if name == "validation" else "0 or above"
    if not (0 <= fraction < 1) or (name == "validation" and fraction == 0):
        raise UsageError(
            f"{name} is {fraction}: expected a fraction {lowest} and below 1, or a source"
        )
    return Fraction(str(fraction))


def _own_splits(inputs: list[Input], options: Options) -> dict[str, Split]:
    """The splits that the bundled sample or a dataset has itself."""
    if len(inputs) != 1 or not isinstance(inputs[0], Sample | Dataset):
        return {}
    found: list[str] = list(NAMES)
    if isinstance(inputs[0], Dataset):
        found = huggingface.split_names(inputs[0], streaming=options.streaming)
    own = {
        name: Split(name, partial(passages, inputs, options._replace(split=split)))
        for name, aliases in OWN_NAMES.items()
        if (split := next((alias for alias in aliases if alias in found), None))
    }
    return own if "train" in own else {}


def _divide(
    whole: Callable[[], Iterator[Passage]], validation: Fraction, test: Fraction, seed: int
) -> tuple[dict[str, Split], str]:
    """Splits of one source, by document where it has enough of them, else by its end."""
    nothing: dict[str, Split] = {name: Split(name, lambda: iter(())) for name in NAMES}
    if validation + test >= 1:
        raise UsageError(
            f"validation {float(validation)} and test {float(test)} leave nothing to train on; "
            "their sum is to be below 1"
        )
    if not validation + test:
        return {**nothing, "train": Split("train", whole)}, "whole"
    window = max(FEWEST_DOCUMENTS, *(math.ceil(1 / part) for part in (validation, test) if part))
    documents, characters = 0, 0
    for text, ends_document in whole():
        characters += len(text)
        documents += ends_document
        if documents == window:
            break
    shares = " / ".join(
        f"{float(part):.4g}%"
        for part in (100 * (1 - validation - test), 100 * validation, 100 * test)
    )
    divided: Callable[[], Iterator[tuple[str, Passage]]]
    by_document = documents == window
    if by_document:
        divided = partial(_by_document, whole, window, validation, test, seed)
        rule = f"by document, {shares}, seed {seed}"
    else:
        first = math.floor(characters * (1 - validation - test))
        second = math.floor(characters * (1 - test))
        if first == 0 or (validation and first == second) or (test and second == characters):
            raise UsageError(
                f"the text is too short to split: {characters} characters cannot give {shares} "
                "for training, validation and test; supply more text"
            )
        divided = partial(_by_position, whole, first, second, characters)
        rule = f"by position in the text, {shares}, its end held out"
    return {
        **nothing,
        **{
            name: Split(name, partial(_only, name, divided, not by_document))
            for name, part in zip(NAMES, (1 - validation - test, validation, test), strict=True)
            if part
        },
    }, rule


def _only(
    name: str, divided: Callable[[], Iterator[tuple[str, Passage]]], in_one_stretch: bool
) -> Iterator[Passage]:
    found = False
    for split, passage in divided():
        if split == name:
            found = True
            yield passage
        elif found and in_one_stretch:  # the rest of the source need not be read
            return


def _by_document(
    whole: Callable[[], Iterator[Passage]],
    window: int,
    validation: Fraction,
    test: Fraction,
    seed: int,
) -> Iterator[tuple[str, Passage]]:
    number = 0
    dealt: list[str] = []
    for passage in whole():
        if number % window == 0:
            dealt = deal(number // window, window, validation, test, seed)
        yield dealt[number % window], passage
        number += passage.ends_document


def deal(
    number: int, window: int, validation: Fraction, test: Fraction, seed: int = 0
) -> list[str]:
    """The splits of the documents of window `number`, each window of `window` documents in a row.

    After every window, each split has its exact share of all documents so far, rounded; which
    ones of a window are held out is drawn by a hash, so that no period of the source meets it.
    """
    before, after = number * window, (number + 1) * window
    for_test = math.floor(after * test) - math.floor(before * test)
    both = validation + test
    held_out = math.floor(after * both) - math.floor(before * both)
    drawn = sorted(
        range(before, after),
        key=lambda document: hashlib.blake2b(f"{seed}/{document}".encode()).digest(),
    )
    names = ["train"] * window
    for rank, document in enumerate(drawn[:held_out]):
        names[document - before] = "test" if rank < for_test else "validation"
    return names


def _by_position(
    whole: Callable[[], Iterator[Passage]], first: int, second: int, end: int
) -> Iterator[tuple[str, Passage]]:
    """Train up to about character `first`, validation up to about `second`, test up to `end`."""
    nearby = min(_NEARBY, *(size // 2 for size in (second - first, end - second) if size))
    cuts = [(first, "train"), (second, "validation")][: 2 if first < second else 1]
    position = 0
    for text, ends_document in whole():
        while cuts and cuts[0][0] <= position + len(text):
            cut, name = cuts.pop(0)
            length = _tidy_cut(text, max(0, cut - position), nearby)
            if length:
                yield name, Passage(text[:length], True)
            text, position = text[length:], position + length
        if text:
            yield (cuts[0][1] if cuts else "test"), Passage(text, ends_document)
        position += len(text)


def _tidy_cut(text: str, cut: int, nearby: int) -> int:
    """After the next line break, else before the next space after a word, else at `cut` itself."""
    stop = min(len(text), cut + nearby)
    if newline := text.find("\n", cut, stop) + 1:
        return newline
    space = re.compile(r"(?<=\S) ").search(text, cut, stop)
    return space.start() if space else cut


def _repeatable(item: Input) -> Input:
    """Standard input and pipes can be read once only: their bytes go to a temporary file."""
    if not isinstance(item, File) or (item.path is not None and item.path.is_file()):
        return item
    with (
        writing_to(tempfile.gettempdir()),
        tempfile.NamedTemporaryFile(prefix="unrolled-", delete=False) as spool,
    ):
        path = Path(spool.name)
        atexit.register(path.unlink, missing_ok=True)
        for block in blocks(item):
            spool.write(block)
    return File(path, item.name)
