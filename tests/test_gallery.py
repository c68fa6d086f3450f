"""Galleries of faces: who is known, who somebody is, and what a file survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from corpora.errors import UsageError
from nlp.core.checkpoint import read_arrays, write_arrays
from vision.gallery import Gallery
from vision.gallery_search import Search

ROOT = Path(__file__).parent.parent


class Refused(NamedTuple):
    image: Any
    reason: str


class Words:
    """An encoder whose pictures are texts "ada 1": one direction for a person, a little noise for a
    picture; what has no number cannot be read."""

    embedding_size = 16

    def __init__(self, fingerprint: str = "words") -> None:
        self.fingerprint = fingerprint

    def encode(
        self, images: Iterable[Any], *, refused: Callable[[Any], None] | None = None
    ) -> np.ndarray:
        rows = [np.zeros((0, self.embedding_size), np.float32)]
        for image in images:
            person, _, number = image.partition(" ")
            if not number:
                if refused is None:
                    raise UsageError(f"{image}: there is no such file")
                refused(Refused(image, f"{image}: there is no such file"))
                continue
            row = direction(person) + 0.1 * direction(image)
            rows.append(row[None] / np.linalg.norm(row))
        return np.concatenate(rows).astype(np.float32)


def direction(text: str) -> np.ndarray:
    row = np.random.default_rng(list(text.encode())).normal(size=Words.embedding_size)
    return row / np.linalg.norm(row)


@pytest.fixture
def gallery() -> Gallery:
    made = Gallery(Words(), threshold=0.5)
    made.add("Ada", ["ada 1"])
    made.add("Grace", ["grace 1", "grace 2"])
    return made


def test_one_picture_makes_a_person_known(gallery: Gallery) -> None:
    names = [found.name for found in gallery.recognise(["grace 7", "ada 8", "mary 1"])]
    assert names == ["Grace", "Ada", None]
    assert gallery.add("Mary", ["mary 5"]).added == 1
    (found,) = gallery.recognise(["mary 1"])
    assert (found.name, found.image) == ("Mary", "mary 1")
    apart = gallery.verify("mary 1", "mary 5").distance
    assert found.distance == pytest.approx(apart, rel=1e-5)
    assert gallery.pictures == {"Ada": 1, "Grace": 2, "Mary": 1}
    assert "Mary" in gallery


def test_the_distance_is_that_of_the_nearest_picture(gallery: Gallery) -> None:
    (found,) = gallery.recognise(["grace 3"], top=5)
    own = [gallery.verify("grace 3", f"grace {number}").distance for number in (1, 2)]
    assert found.distance == pytest.approx(min(own), rel=1e-5)
    assert [name for name, _ in found.nearest] == ["Grace", "Ada"]
    assert found.nearest[1][1] > 0.5


def test_two_pictures_are_of_one_person_or_not(gallery: Gallery) -> None:
    same, other = gallery.verify("ada 5", "ada 6"), gallery.verify("ada 5", "grace 6")
    assert (same.same, other.same) == (True, False)
    assert gallery.verify("ada 5", "ada 6", threshold=0.001).same is False
    assert Gallery(Words()).verify("ada 5", "ada 6").same is None
    with pytest.raises(UsageError, match="lost: there is no such file"):
        gallery.verify("ada 5", "lost")


def test_pictures_that_cannot_be_read_lose_nothing(gallery: Gallery) -> None:
    added = gallery.add("Mary", ["mary 1", "lost", "mary 2"])
    assert added.added == 2
    assert [one.image for one in added.refused] == ["lost"]
    heard: list[Any] = []
    asked = ["lost", "mary 4", "ada 4", "gone"]
    found = list(gallery.recognise(asked, refused=heard.append))
    assert [(one.image, one.name) for one in found] == [("mary 4", "Mary"), ("ada 4", "Ada")]
    assert [one.image for one in heard] == ["lost", "gone"]
    with pytest.raises(UsageError, match="lost: there is no such file"):
        list(gallery.recognise(asked))
    assert gallery.add("Nobody", ["lost"]).added == 0
    assert "Nobody" not in gallery


def test_a_picture_that_is_there_is_not_added_again(gallery: Gallery) -> None:
    assert gallery.add("Ada", ["ada 1", "ada 2", "ada 2"])[:2] == (1, 2)
    assert gallery.add("Grace", ["ada 1"])[:2] == (1, 0)  # somebody else's is
    assert gallery.pictures == {"Ada": 2, "Grace": 3}


def test_who_is_removed_is_not_recognized(gallery: Gallery) -> None:
    gallery.add("Mary", ["mary 1"])
    gallery.add("Ada", ["ada 2"])
    assert [found.name for found in gallery.recognise(["ada 3", "mary 3"])] == ["Ada", "Mary"]
    assert gallery.remove("Ada") == 2
    assert [found.name for found in gallery.recognise(["ada 3", "mary 3"])] == [None, "Mary"]
    assert gallery.pictures == {"Grace": 2, "Mary": 1}
    with pytest.raises(UsageError, match=r"'Grase' is not among the 2 people known; .* Grace"):
        gallery.remove("Grase")


def test_what_cannot_be_asked_is_told(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="nobody is in the gallery"):
        list(Gallery(Words(), 0.5).recognise(["ada 1"]))
    gallery.threshold = None
    with pytest.raises(UsageError, match="no threshold"):
        list(gallery.recognise(["ada 1"]))
    for threshold in (-1, 3, float("nan")):
        with pytest.raises(UsageError, match="0 to 2"):
            list(gallery.recognise(["ada 1"], threshold=threshold))
    for name in ("", " ", "a\nb", "a\n", "\udcff"):
        with pytest.raises(UsageError, match="is no name"):
            gallery.add(name, ["ada 1"])
    with pytest.raises(UsageError, match="no picture of 'Mary'"):
        gallery.add("Mary", [])
    with pytest.raises(UsageError, match="zero or no number"):
        gallery.add_vectors("Mary", np.zeros((1, 16)))
    with pytest.raises(UsageError, match=r"expected \[pictures, 16\]"):
        gallery.add_vectors("Mary", np.ones((1, 8)))


# ── searching ───────────────────────────────────────────────────────────────────────────────────


def crowd(seed: int, pictures: int, people: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    whose = np.concatenate([np.arange(people), draw.integers(people, size=pictures - people)])
    rows = draw.normal(size=(people, size))[whose] + 0.3 * draw.normal(size=(pictures, size))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), whose.astype(np.int32)


@pytest.mark.parametrize(("pictures", "people"), [(1, 1), (7, 7), (300, 40), (300, 300)])
def test_the_search_is_that_of_all_distances(
    pictures: int, people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vision.gallery_search._PRODUCT", 1000)  # several blocks
    vectors, whose = crowd(0, pictures, people)
    queries, _ = crowd(1, 30, 30)
    for query, found in zip(queries, Search(vectors, whose).nearest(queries, 5), strict=True):
        apart = np.linalg.norm(vectors - query, axis=1)
        own = sorted((apart[whose == person].min(), person) for person in range(people))[:5]
        assert [person for person, _ in found] == [person for _, person in own]
        np.testing.assert_allclose([one for _, one in found], [one for one, _ in own], rtol=1e-5)


def test_the_graph_finds_nearly_all() -> None:
    pytest.importorskip("usearch", reason="the extra 'search' is not installed")
    vectors, whose = crowd(0, 3000, 600)
    queries, _ = crowd(1, 100, 100)
    exact = list(Search(vectors, whose).nearest(queries, 3))
    found = list(Search(vectors, whose, approximate=True).nearest(queries, 3))
    assert np.mean([one[0] == other[0] for one, other in zip(exact, found, strict=True)]) > 0.95
    assert all(len(one) == 3 for one in found)


def test_the_graph_tells_all_people_of_a_small_gallery(gallery: Gallery) -> None:
    pytest.importorskip("usearch", reason="the extra 'search' is not installed")
    (exact,) = gallery.recognise(["grace 3"], top=5)
    (found,) = gallery.recognise(["grace 3"], top=5, approximate=True)
    assert found == exact


def test_without_the_library_the_extra_is_named(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(UsageError, match=r"unrolled\[search\]"):
        list(gallery.recognise(["ada 1"], approximate=True))


# ── on disk ─────────────────────────────────────────────────────────────────────────────────────


def test_a_gallery_comes_back_whole(gallery: Gallery, tmp_path: Path) -> None:
    gallery.add("Mañana ☃ \U0001f600", ["mary 1"])
    gallery.calibration = {"far": 0.01, "tar_at": [0.5, float("nan")]}
    gallery.save(tmp_path / "g")
    again = Gallery.load(tmp_path / "g", Words())
    assert again.pictures == gallery.pictures
    assert (again.threshold, again.calibration["far"]) == (0.5, 0.01)
    np.testing.assert_array_equal(again.vectors, gallery.vectors)
    asked = ["mary 3", "ada 4", "eve 1"]
    assert list(again.recognise(asked)) == list(gallery.recognise(asked))
    again.add("Eve", ["eve 2"])
    again.save(tmp_path / "g")
    listed = Gallery.load(tmp_path / "g")  # without an encoder
    assert listed.names == [*gallery.names, "Eve"]
    listed.remove("Ada")
    with pytest.raises(UsageError, match="without an encoder"):
        listed.add("Ada", ["ada 1"])
    listed.save(tmp_path / "g")
    assert "Ada" not in Gallery.load(tmp_path / "g", Words())
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


def test_an_empty_gallery_is_one(tmp_path: Path) -> None:
    Gallery(Words()).save(tmp_path / "g")
    again = Gallery.load(tmp_path / "g", Words())
    assert (len(again), again.size, again.threshold) == (0, 16, None)


def test_vectors_of_another_encoder_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    gallery.save(tmp_path / "g")
    with pytest.raises(UsageError, match=r"another encoder \(words, this one is others\)"):
        Gallery.load(tmp_path / "g", Words("others"))


def test_files_that_are_cut_or_changed_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "g"
    gallery.save(path)
    whole = path.read_bytes()
    for end in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(UsageError, match="is damaged, was changed by hand or is no gallery"):
            Gallery.load(path)
    place = whole.index(b"Grace")
    for changed in (
        whole.replace(b"Grace", b"Gracy"),  # a name
        whole.replace(b"0.5", b"0.9"),  # the threshold
        whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],  # a bit of a vector
        whole[:place] + b"\xff" + whole[place + 1 :],
    ):
        assert changed != whole
        path.write_bytes(changed)
        with pytest.raises(UsageError, match="damaged, was changed by hand") as error:
            Gallery.load(path)
        assert "\n" not in str(error.value)
    path.write_bytes(whole)
    assert len(Gallery.load(path)) == 2


def test_what_is_no_gallery_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no gallery"):
        Gallery.load(tmp_path / "missing")
    path = tmp_path / "g"
    write_arrays(path, {"vectors": np.zeros((1, 2), np.float32)}, {})
    with pytest.raises(UsageError, match="is no gallery: name one"):
        Gallery.load(path)
    write_arrays(path, {"vectors": np.zeros((1, 2), np.float32)}, [])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is no gallery: name one"):
        Gallery.load(path)
    header = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    with pytest.raises(UsageError, match="or is no gallery"):
        Gallery.load(path)
    gallery.save(path)
    arrays, about = read_arrays(path)
    write_arrays(path, arrays, {**about, "format": 9})
    with pytest.raises(UsageError, match="another Unrolled"):
        Gallery.load(path)


def test_of_two_who_change_a_gallery_the_second_is_told(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "g"
    gallery.save(path)
    one, other = Gallery.load(path, Words()), Gallery.load(path, Words())
    one.add("Mary", ["mary 1"])
    one.save(path)
    other.add("Eve", ["eve 1"])
    with pytest.raises(UsageError, match="changed by another program since"):
        other.save(path)
    assert Gallery.load(path).names == ["Ada", "Grace", "Mary"]


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
import safetensors.numpy
from vision.gallery import Gallery

written = safetensors.numpy.save_file
def slow(arrays, path, metadata):
    written(arrays, path, metadata=metadata)
    Path(path).write_bytes(Path(path).read_bytes()[:200])  # half of it
    Path("writing").touch()
    time.sleep(60)
safetensors.numpy.save_file = slow
gallery = Gallery.load("g")
gallery.add_vectors("Mary", np.ones((1, 16)))
gallery.save("g")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_who_is_killed_while_adding_leaves_the_old_gallery(
    gallery: Gallery, tmp_path: Path
) -> None:
    gallery.save(tmp_path / "g")
    whole = (tmp_path / "g").read_bytes()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment)
    end = time.monotonic() + 60
    while not (tmp_path / "writing").exists() and time.monotonic() < end:
        assert ran.poll() is None
        time.sleep(0.02)
    ran.send_signal(signal.SIGKILL)
    ran.wait()
    assert (tmp_path / "writing").exists()
    assert (tmp_path / "g").read_bytes() == whole
    assert Gallery.load(tmp_path / "g").names == ["Ada", "Grace"]
