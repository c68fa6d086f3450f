"""People that are known, and who of them a face is.

    gallery                            d = |a - b| of unit vectors, 0 to 2

    Ada    ● ●         a picture ─► encoder ─► ○      nearest: Ada, d = 0.41 <= threshold: Ada
    Grace  ●                                          nearest: Ada, d = 1.20 >  threshold: nobody
    Mary   ● ● ●                                                    of them, "not recognized"

One picture makes a person known (one shot); the encoder has never seen them. Somebody is as far as
the nearest of their pictures is.

    gallery = Gallery(encoder, threshold=0.9)       # see vision.calibration for the threshold
    gallery.add("Ada", ["ada.jpg"])
    for found in gallery.recognise(["a.jpg", "b.jpg"]):
        print(found.name or "not recognized", found.distance)
    gallery.save("people.gallery")
    gallery = Gallery.load("people.gallery", encoder)

It is one safetensors file: vectors, whose each is, and JSON about them in its header, with a
checksum. It is written beside its place and renamed into it. No picture is kept, but vectors of
faces are personal data too: who is in a gallery should have agreed to it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from corpora.errors import UsageError, check_positive
from vision.gallery_file import checksum_of, read, write
from vision.gallery_search import Search

_AT_ONCE = 256  # pictures that are encoded before they are answered
_ALIKE = 1e-4  # largest difference of two vectors of the same picture, in any of their numbers


class Encoder(Protocol):
    """What makes vectors of faces; `vision.faces.FaceEncoder` is one."""

    @property
    def fingerprint(self) -> str:
        """Another encoder has another one; the vectors of two cannot be compared."""

    @property
    def embedding_size(self) -> int: ...

    def encode(
        self, images: Iterable[Any], *, refused: Callable[[Any], None] | None = None
    ) -> np.ndarray:
        """Unit vectors, float32 `[pictures, embedding_size]`. `refused` hears of each picture that
        cannot be read, which has no row."""


@dataclass(frozen=True)
class Verified:
    """Whether two pictures are of one person."""

    distance: float
    threshold: float | None
    same: bool | None  # None without a threshold


@dataclass(frozen=True)
class Recognised:
    """Who is on a picture."""

    image: Any  # as it was given
    name: str | None  # None: not recognized
    distance: float  # of the nearest person
    nearest: tuple[tuple[str, float], ...]  # names and distances, the nearest first


class Added(NamedTuple):
    """What became of the pictures that were given."""

    added: int
    known: int  # left out: the same picture of this person is there
    refused: tuple[Any, ...]  # that cannot be read, see `vision.images.Refused`


class Gallery:
    """People and the vectors of their pictures.

    Args:
        encoder: None for one that is only listed, or changed by taking people out.
        threshold: the largest distance at which a face is somebody's; None as long as that is not
            known.
    """

    def __init__(self, encoder: Encoder | None, threshold: float | None = None) -> None:
        self._encoder = encoder
        self.fingerprint = "" if encoder is None else encoder.fingerprint
        self.threshold = checked_threshold(threshold)
        self.calibration: dict[str, Any] = {}  # how the threshold was found, where that is known
        size = 0 if encoder is None else encoder.embedding_size
        self._people: dict[str, int] = {}  # names and their numbers, 0, 1, ...
        # Vectors and whose they are, in parts: to copy a million for each new one takes too long.
        self._parts = [(np.zeros((0, size), np.float32), np.zeros(0, np.int32))]
        self._loaded: str | None = None  # checksum of the file that this was read from
        self._searches: dict[bool, Search] = {}

    def __len__(self) -> int:
        """How many people are known."""
        return len(self._people)

    def __contains__(self, name: object) -> bool:
        return name in self._people

    @property
    def names(self) -> list[str]:
        """The people, in the order in which they came."""
        return list(self._people)

    @property
    def vectors(self) -> np.ndarray:
        """Of all pictures, float32 `[pictures, size]`, each of length 1."""
        return self._joined()[0]

    @property
    def people(self) -> np.ndarray:
        """`[pictures]`, the place of each one's person among `names`."""
        return self._joined()[1]

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return int(self._parts[0][0].shape[1])

    @property
    def pictures(self) -> dict[str, int]:
        """How many pictures of each person there are."""
        counts = np.bincount(self.people, minlength=len(self)).tolist()
        return dict(zip(self._people, counts, strict=True))

    @property
    def encoder(self) -> Encoder:
        """What makes its vectors.

        Raises:
            UsageError: it was opened without one.
        """
        if self._encoder is None:
            raise UsageError("this gallery was opened without an encoder: name the model")
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: Encoder) -> None:
        if encoder.fingerprint != self.fingerprint:
            raise UsageError(
                f"the gallery was made with another encoder ({self.fingerprint}, this one is "
                f"{encoder.fingerprint}), whose vectors cannot be compared: name that model, or "
                "add the people anew to another gallery"
            )
        self._encoder = encoder

    def _joined(self) -> tuple[np.ndarray, np.ndarray]:
        if len(self._parts) > 1:
            vectors, people = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(vectors), np.concatenate(people))]
        return self._parts[0]

    # ── who is known ────────────────────────────────────────────────────────────────────────────

    def add(self, name: str, images: Iterable[Any]) -> Added:
        """Makes a person known by one picture or several, or better known. Pictures that cannot be
        read are left out and told.

        Raises:
            UsageError: the name is empty or has line breaks, or no picture is given.
        """
        named = [(name, image) for image in images]
        if not named:
            raise UsageError(f"no picture of {name!r}: a person takes one at least")
        return self.add_all(named)

    def add_all(self, named: Iterable[tuple[str, Any]]) -> Added:
        """As `add`, of pictures of many people, each with its name; they are read together."""
        given = list(named)
        for name in dict.fromkeys(name for name, _ in given):
            _check_name(name)
        vectors, refused = self._encode([image for _, image in given], lambda one: None)
        bad = {id(one.image) for one in refused}
        rows: dict[str, list[np.ndarray]] = {}
        kept = (name for name, image in given if id(image) not in bad)
        for name, vector in zip(kept, vectors, strict=True):
            rows.setdefault(name, []).append(vector)
        counts = [self.add_vectors(name, np.stack(own)) for name, own in rows.items()]
        added, known = (sum(column) for column in zip((0, 0), *counts, strict=True))
        return Added(added, known, tuple(refused))

    def add_vectors(self, name: str, vectors: np.ndarray) -> tuple[int, int]:
        """As `add`, of vectors `[pictures, size]`: how many were added, and how many were there."""
        _check_name(name)
        rows = _checked(vectors, self.size)
        own = self._people.get(name)
        there = rows[:0] if own is None else self.vectors[self.people == own]
        new: list[np.ndarray] = []
        for row in rows:
            if not any(_is_in(row, kept) for kept in (there, new)):
                new.append(row)
        if new:
            number = self._people.setdefault(name, len(self))
            self._parts.append((np.stack(new), np.full(len(new), number, np.int32)))
            self._searches.clear()
        return len(new), len(rows) - len(new)

    def remove(self, name: str) -> int:
        """Forgets a person; returns how many pictures that were.

        Raises:
            UsageError: there is no such person.
        """
        if name not in self:
            near = difflib.get_close_matches(name, self.names, cutoff=0.6)
            spelled = f"similar names are {', '.join(near)}" if near else "nor is any name like it"
            raise UsageError(f"{name!r} is not among the {len(self):,} people known; {spelled}")
        own = self._people.pop(name)
        self._people = {other: number for number, other in enumerate(self._people)}
        vectors, people = self._joined()
        out = people == own
        kept = people[~out]
        self._parts = [(vectors[~out], np.where(kept > own, kept - 1, kept).astype(np.int32))]
        self._searches.clear()
        return int(out.sum())

    # ── who somebody is ─────────────────────────────────────────────────────────────────────────

    def verify(self, first: Any, second: Any, threshold: float | None = None) -> Verified:
        """Whether two pictures are of one person, known or not.

        Args:
            threshold: instead of the gallery's own.

        Raises:
            UsageError: a picture cannot be read.
        """
        limit = self.threshold if threshold is None else checked_threshold(threshold)
        a, b = self.encoder.encode([first, second])
        distance = float(np.linalg.norm(a - b))
        return Verified(distance, limit, None if limit is None else distance <= limit)

    def recognise(
        self,
        images: Iterable[Any],
        *,
        threshold: float | None = None,
        top: int = 1,
        approximate: bool = False,
        refused: Callable[[Any], None] | None = None,
    ) -> Iterator[Recognised]:
        """Who is on each picture; nobody where the nearest person is further than the threshold.

        Args:
            threshold: instead of the gallery's own.
            top: nearest people that are told of each picture.
            approximate: see `vision.gallery_search.Search`.
            refused: hears of each picture that cannot be read, which then has no answer; None: the
                first one is an error.

        Raises:
            UsageError: nobody is known, or there is no threshold.
        """
        limit = self._limit(threshold)
        coming = iter(images)
        while block := list(islice(coming, _AT_ONCE)):
            vectors, bad = self._encode(block, refused)
            left_out = {id(one.image) for one in bad}
            kept = [image for image in block if id(image) not in left_out]
            found = self.nearest(vectors, top, approximate=approximate)
            for image, nearest in zip(kept, found, strict=True):
                name, distance = nearest[0]
                yield Recognised(image, name if distance <= limit else None, distance, nearest)

    def nearest(
        self, vectors: np.ndarray, top: int = 1, *, approximate: bool = False
    ) -> Iterator[tuple[tuple[str, float], ...]]:
        """The nearest people to each vector of `[queries, size]`: names and distances, the nearest
        first; fewer than `top` where fewer are known."""
        check_positive(top=top)
        if not len(self):
            raise UsageError("nobody is in the gallery: add people first")
        if approximate not in self._searches:
            self._searches[approximate] = Search(*self._joined(), approximate=approximate)
        names = self.names
        for found in self._searches[approximate].nearest(_checked(vectors, self.size), top):
            yield tuple((names[person], distance) for person, distance in found)

    def _limit(self, threshold: float | None) -> float:
        limit = self.threshold if threshold is None else checked_threshold(threshold)
        if limit is None:
            raise UsageError(
                "the gallery has no threshold, which says how near is near enough: calibrate it on "
                "pairs of your own (unrolled faces calibrate), or give one"
            )
        return limit

    def _encode(
        self, images: Sequence[Any], hears: Callable[[Any], None] | None
    ) -> tuple[np.ndarray, list[Any]]:
        """Vectors, and what was refused; None hears: the first of these is an error."""
        if hears is None:
            return self.encoder.encode(images), []
        refused: list[Any] = []
        vectors = self.encoder.encode(images, refused=refused.append)
        for one in refused:
            hears(one)
        return vectors, refused

    # ── on disk ─────────────────────────────────────────────────────────────────────────────────

    def save(self, path: str | Path) -> None:
        """Replaces the file; whoever reads it finds the old gallery or the new one.

        Raises:
            UsageError: it cannot be written, or somebody else has changed it since it was read.
        """
        path = Path(path)
        if self._loaded is not None and path.is_file() and checksum_of(path) != self._loaded:
            raise UsageError(
                f"{path} was changed by another program since it was read: do it again"
            )
        about = {
            **{"fingerprint": self.fingerprint, "threshold": self.threshold},
            **{"calibration": self.calibration, "names": self.names},
        }
        self._loaded = write(path, *self._joined(), about)

    @classmethod
    def load(cls, path: str | Path, encoder: Encoder | None = None) -> Gallery:
        """The gallery in a file.

        Args:
            encoder: the one that it was made with; None to list people or to take some out.

        Raises:
            UsageError: there is no such file, it is cut short, changed or no gallery, or it was
                made with another encoder.
        """
        vectors, people, about, checksum = read(Path(path))
        gallery = cls(None, about["threshold"])
        gallery.fingerprint, gallery.calibration = about["fingerprint"], about["calibration"]
        if encoder is not None:
            gallery.encoder = encoder
        gallery._people = {name: number for number, name in enumerate(about["names"])}
        gallery._parts = [(vectors, people)]
        gallery._loaded = checksum
        return gallery


def checked_threshold(threshold: float | None) -> float | None:
    """The threshold, where it is a distance of unit vectors or None."""
    if threshold is not None and not 0 <= threshold <= 2:
        raise UsageError(
            f"threshold is {threshold}: expected a distance of unit vectors, 0 to 2, see `unrolled "
            "faces calibrate`"
        )
    return threshold


def _check_name(name: str) -> None:
    is_text = name.encode(errors="replace").decode() == name
    if not name.strip() or name.splitlines() != [name] or not is_text:
        raise UsageError(f"{name!r} is no name: expected one line of text")


def _checked(vectors: np.ndarray, size: int) -> np.ndarray:
    """Vectors at length 1.

    Raises:
        UsageError: they are of another size, or no directions.
    """
    rows = np.asarray(vectors, np.float32)
    if rows.ndim != 2 or rows.shape[1] != size:
        raise UsageError(f"vectors of shape {list(rows.shape)}: expected [pictures, {size}]")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise UsageError("a vector of a face is zero or no number: train the encoder anew")
    return rows / lengths


def _is_in(row: np.ndarray, kept: Sequence[np.ndarray] | np.ndarray) -> bool:
    return len(kept) > 0 and bool((np.abs(np.asarray(kept) - row).max(1) < _ALIKE).any())
