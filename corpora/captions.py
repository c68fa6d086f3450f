"""Pictures with what people wrote under them, from whatever form a user has them in.

    corpus = read_captions("dataset_flickr8k.json", images="Flicker8k_Dataset")
    for image, captions, where, name, split in corpus.items:
        print(image, captions[0])

A source is one of these, or a list of them:

    .json                  COCO's captions, Karpathy's dataset.json (with its parts), or an array
    .csv, .tsv, .jsonl     a row a picture or a row a caption, in columns that are named, or have a
    .json, .parquet        usual name: image, path, file_name; caption, captions, text; split
    a file of Flickr's     "name.jpg#0<TAB>caption" a line; lists of the parts, such as
                           Flickr_8k.trainImages.txt, are found beside it
    captions.txt           "image,caption" a line, as Kaggle's copies have it
    a folder               pictures, each with a .txt of its name and a caption a line in it, or
                           with one of the files above, called captions.* or metadata.*
    "hf:NAME[:CONFIG]"     a dataset of Hugging Face
    "generated-scenes"     pictures that the project draws and describes, see corpora/scenes.py;
                           "generated-scenes:COUNT[:PIXELS]" of another number or size

Files may be compressed. Questions about pictures are read by corpora/image_questions.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpora import huggingface
from corpora.annotated_splits import Parts
from corpora.caption_formats import (
    CAPTIONS,
    Described,
    Reading,
    dataset_captions,
    file_captions,
    folder_captions,
)
from corpora.errors import UsageError
from corpora.picture_parts import divided, generated, is_generated, of_split
from corpora.picture_tables import IMAGE, Column
from corpora.pictures import Pictures, load, split_named
from corpora.reader import Folder, Options, Sample, Source, resolve
from corpora.sentence import Tally

__all__ = ["CaptionCorpus", "Captioned", "divide_captions", "load", "read_captions"]


class Captioned(NamedTuple):
    """A picture and its captions, of which there is at least one."""

    image: Any
    """A path, a scene, or the payload of a dataset; `load` makes pixels or a file of it."""
    captions: tuple[str, ...]
    where: str
    """Such as "captions.csv, line 12"."""
    id: str
    """What the source calls the picture."""
    split: str = ""
    """"train", "validation", "test", another name of the source's, or "" where it has no parts."""


@dataclass
class CaptionCorpus:
    """What was read."""

    items: list[Captioned]
    remarks: list[str]
    """What was left out or changed, how often and where first."""

    @property
    def splits(self) -> dict[str, list[Captioned]]:
        """The items of each part by its name, in the order of the source."""
        parts: dict[str, list[Captioned]] = {}
        for item in self.items:
            parts.setdefault(item.split, []).append(item)
        return parts


def read_captions(
    source: Source,
    *,
    images: str | Path | None = None,
    split: str | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
    encoding_errors: str = "strict",
) -> CaptionCorpus:
    """Reads pictures and their captions; rows of one picture are one item.

    Args:
        images: the folder of the pictures; None looks beside the file that names them.
        split: a part of the source, by our name or its own; None is all (of the generated scenes
            all but "held_out", whose shapes have colours that they never have in the others).
        image_column, caption_column: of tables and datasets, where they have no usual name.

    Raises:
        UsageError: a source that is missing, damaged, of another form or without an item, a line
            that cannot be read, and where no picture is to be found; the message names the place.
    """
    Options(encoding_errors=encoding_errors).checked()
    reading = Reading(
        Column(image_column, IMAGE, "--image-column"),
        Column(caption_column, CAPTIONS, "--caption-column"),
        encoding_errors,
    )
    folder = None if images is None else Path(images).expanduser()
    tally, told = Tally(), list[str]()
    items: list[Captioned] = []
    for one in [source] if isinstance(source, str | Path) else list(source):
        name = os.fspath(one)
        if is_generated(name):
            items += _scenes(name, split)
            continue
        pictures = Pictures(folder)
        items += _merged(_described(name, split, reading, tally), pictures, tally)
        told += pictures.remarks(name)
    remarks = [*told, *tally.remarks()]
    kept = of_split(items, split, str(source))
    if not kept:
        why = f" ({'; '.join(remarks)})" if remarks else ""
        raise UsageError(f"{source}: there is no picture with a caption in it{why}")
    return CaptionCorpus(kept, remarks)


def divide_captions(
    source: Source,
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    *,
    images: str | Path | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
    encoding_errors: str = "strict",
) -> Parts[Captioned]:
    """Reads a source for training, validation and test.

    A source that has such parts itself keeps them; of those that it lacks, `validation` and `test`
    are fractions of what is trained on, or sources of their own. A picture is in one part only.

    Raises:
        UsageError: what `read_captions` raises, fractions that leave nothing, and an empty part.
    """

    def read(place: Source) -> tuple[list[Captioned], list[str]]:
        corpus = read_captions(
            place,
            images=images,
            image_column=image_column,
            caption_column=caption_column,
            encoding_errors=encoding_errors,
        )
        return corpus.items, corpus.remarks

    return divided(source, validation, test, read)


def _scenes(name: str, split: str | None) -> Iterator[Captioned]:
    for part, number, scene in generated(name, split):
        where = f"{name}, {part}, scene {number}"
        yield Captioned(scene, scene.captions, where, f"{part}-{number}", part)


def _described(name: str, split: str | None, reading: Reading, tally: Tally) -> Iterator[Described]:
    if name.startswith(huggingface.PREFIX):
        yield from dataset_captions(name, split, reading)
        return
    path = Path(name).expanduser()
    if path.is_dir():
        yield from folder_captions(path, reading, tally)
        return
    for found in resolve(name):
        if isinstance(found, Sample | huggingface.Dataset):
            raise UsageError(f"{name}: it holds no pictures; name a file of captions or a folder")
        for file in found.files if isinstance(found, Folder) else (found,):
            yield from file_captions(file, reading, tally)


def _merged(rows: Iterator[Described], pictures: Pictures, tally: Tally) -> Iterator[Captioned]:
    """One item for each picture, at the place of its first row."""
    items: dict[object, tuple[Described, Any, str, list[str]]] = {}
    paths: dict[object, Path | None] = {}
    for row in rows:
        captions = [text for caption in row.captions if (text := _tidy(caption, row.where, tally))]
        if len(captions) < len(row.captions):
            for _ in range(len(row.captions) - len(captions)):
                tally.note("empty captions left out", row.where)
        if not row.names:
            items[len(items)] = (row, row.image, split_named(row.split), captions)
            continue
        key = (row.beside, *row.names)
        if key not in paths:
            paths[key] = pictures.find(row.beside, *row.names)
        if (path := paths[key]) is None:
            continue
        part = split_named(row.split)
        first = items.setdefault(path, (row, path, part, []))
        if first[2] != part:
            tally.note("rows that put a picture into a second part, read into its first", row.where)
        first[3].extend(captions)
    for row, image, part, captions in items.values():
        if captions:
            yield Captioned(image, tuple(captions), row.where, row.id, part)
        else:
            tally.note("pictures without a caption left out", row.where)


def _tidy(caption: str, where: str, tally: Tally) -> str:
    """The caption on one line; white space around it, which many sets have, is not worth a word."""
    text = " ".join(caption.split())
    if text != caption.strip():
        tally.note("captions with line breaks or several spaces, read with one space", where)
    return text
