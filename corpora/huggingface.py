"""Datasets of the Hugging Face hub, or in a folder, by the name `hf:NAME[:CONFIG]`."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from corpora.errors import UsageError
from corpora.passage import Passage
from corpora.table import missing_column

PREFIX = "hf:"
_ROWS = 256  # fetched at a time
# Offline, the hub's client logs two lines for each of five attempts before it gives up.
_ATTEMPTS = logging.getLogger("huggingface_hub.utils._http")


class Dataset(NamedTuple):
    """The name of a dataset and of its configuration ("" for the only one)."""

    path: str
    configuration: str

    @property
    def name(self) -> str:
        """As the user wrote it, for messages."""
        return PREFIX + ":".join(part for part in self if part)

    @classmethod
    def parse(cls, source: str) -> Dataset:
        """`hf:wikitext:wikitext-2-raw-v1` and the like. `UsageError` without a name."""
        path, _, configuration = source.removeprefix(PREFIX).partition(":")
        if not path:
            raise UsageError(f"{source!r}: the dataset's name is missing; write hf:NAME[:CONFIG]")
        return cls(path, configuration)


def split_names(dataset: Dataset, *, streaming: bool = True) -> list[str]:
    """The names of the dataset's own splits, such as ["train", "validation", "test"]."""
    return list(_load(dataset, streaming))


def documents(
    dataset: Dataset, text_column: str, split: str | None = None, *, streaming: bool = True
) -> Iterator[Passage]:
    """The text of each row of one split, or of all of them in the dataset's order.

    Raises `UsageError` where dataset, configuration, split or column is not to be found.
    """
    found = numbered_documents(dataset, text_column, split, streaming=streaming)
    return (document for _, document in found)


def numbered_documents(
    dataset: Dataset, text_column: str, split: str | None = None, *, streaming: bool = True
) -> Iterator[tuple[int, Passage]]:
    """The same, each with the number of its row, from 1 and on through the splits; rows without
    text are passed over, and count too."""
    number = 0
    with _reading(dataset):
        for name, table in _splits(dataset, split, streaming):
            for text in _texts(table, f"{dataset.name}, split {name}", text_column):
                number += 1
                if text:
                    yield number, Passage(text, True)


def rows(
    dataset: Dataset, columns: Collection[str], split: str | None = None, *, streaming: bool = True
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of its split and the fields of each row, for annotated data.

    Of the columns only `columns` are read where there are some of them. Class labels are given by
    their names, and a missing one (-1) is None. Pictures are not decoded: they are
    `{"bytes": ..., "path": ...}`.

    Raises `UsageError` where dataset, configuration or split is not to be found.
    """
    with _reading(dataset):
        for name, table in _splits(dataset, split, streaming):
            if held := [column for column in table.column_names or () if column in columns]:
                table = table.select_columns(held)
            features = table.features or {}
            classes = {name: kind for name, kind in features.items() if _has_classes(kind)}
            for column in _pictures(table):  # as bytes: who reads pictures knows the bad ones
                table = table.cast_column(column, _undecoded())
            for row in table:
                for column, kind in classes.items():
                    row[column] = _named(row[column], kind)
                yield name, row


def _has_classes(feature: Any) -> bool:
    """Whether class labels are in a column, in its lists or in its objects' fields."""
    from datasets import ClassLabel

    inside = feature.values() if isinstance(feature, dict) else [getattr(feature, "feature", None)]
    return isinstance(feature, ClassLabel) or any(map(_has_classes, filter(None, inside)))


def _pictures(table: Any) -> list[str]:
    """The columns of pictures."""
    from datasets import Image

    return [name for name, kind in (table.features or {}).items() if isinstance(kind, Image)]


def _undecoded() -> Any:
    """The kind of a column whose pictures are `{"bytes": ..., "path": ...}`."""
    from datasets import Image

    return Image(decode=False)


def _named(value: Any, feature: Any) -> Any:
    """A value with the names of classes in place of their numbers, wherever in it they are."""
    if isinstance(value, dict):
        return {key: _named(inside, feature[key]) for key, inside in value.items()}
    if isinstance(value, list):
        return [_named(one, getattr(feature, "feature", None)) for one in value]
    names = getattr(feature, "names", None)
    return value if names is None else None if value is None or value < 0 else names[value]


def _splits(dataset: Dataset, split: str | None, streaming: bool) -> Iterator[tuple[str, Any]]:
    """The tables of one split or of all."""
    splits = _load(dataset, streaming)
    if split is not None and split not in splits:
        raise UsageError(f"{dataset.name}: no split {split!r}; the splits are: {', '.join(splits)}")
    return ((name, table) for name, table in splits.items() if split in (None, name))


@contextmanager
def _reading(dataset: Dataset) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # the connection's and the disk's
        raise UsageError(f"{dataset.name}: reading it failed ({_reason(error)})") from error


def _texts(table: Any, name: str, text_column: str) -> Iterator[str | None]:
    if table.column_names is not None:  # a stream may not know its columns before its first row
        if text_column not in table.column_names:
            raise missing_column(name, text_column, table.column_names)
        table = table.select_columns([text_column])
    for batch in table.iter(batch_size=_ROWS):
        if text_column not in batch:
            raise missing_column(name, text_column, batch)
        for text in batch[text_column]:
            if text is not None and not isinstance(text, str):
                raise UsageError(
                    f"{name}: column {text_column!r} holds {text!r:.40}, and text was expected; "
                    "name another with `--text-column`"
                )
            yield text


def _load(dataset: Dataset, streaming: bool) -> dict[str, Any]:
    """Split name to table. A folder may hold data files or what `save_to_disk` wrote."""
    import datasets
    from datasets.exceptions import DatasetsError

    _ATTEMPTS.addFilter(_tells_more_than_a_retry)
    folder = Path(dataset.path).expanduser()
    path = str(folder) if folder.is_dir() else dataset.path
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            loaded = datasets.load_from_disk(path)
        else:
            loaded = datasets.load_dataset(path, dataset.configuration or None, streaming=streaming)
    except (ImportError, OSError, RuntimeError, ValueError, DatasetsError) as error:
        raise UsageError(
            f"{dataset.name}: the dataset cannot be loaded ({_reason(error)}); "
            "write hf:NAME[:CONFIG] with a name of huggingface.co/datasets or a folder"
        ) from error
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def _tells_more_than_a_retry(record: logging.LogRecord) -> bool:
    """False for what the one line of our `UsageError` says too; a rate limit is worth telling."""
    message = record.getMessage()
    return "thrown while requesting" not in message and not message.startswith("Retrying in ")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
