"""What is drawn of pairs of faces, and of a gallery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corpora.errors import UsageError
from vision.calibration import Pairs, all_pairs
from vision.face_map import draw_map
from vision.look_faces import AT_MOST, Section, Shown, draw_pairs, mistakes, shown

Image = pytest.importorskip("PIL.Image")


def test_the_worst_mistakes_come_first() -> None:
    draw = np.random.default_rng(0)
    distances, same = draw.random(200), draw.random(200) < 0.4
    accepts, rejects = mistakes(Pairs.of(distances, same), 0.5, most=1000)
    rows = range(200)
    wrong = sorted((row for row in rows if distances[row] <= 0.5 and not same[row]),
                   key=lambda row: distances[row])  # fmt: skip
    missed = sorted((row for row in rows if distances[row] > 0.5 and same[row]),
                    key=lambda row: -distances[row])  # fmt: skip
    assert accepts.tolist() == wrong
    assert rejects.tolist() == missed
    assert mistakes(Pairs.of(distances, same), 0.5, most=3)[0].tolist() == wrong[:3]


def test_two_people_do_not_fill_the_page() -> None:
    vectors = np.random.default_rng(0).normal(size=(12, 3))
    pairs = all_pairs(vectors, list("abcabcabcabc"))  # a and b, and b and a
    accepts, rejects = mistakes(pairs, 1.5, most=50)
    for rows in (accepts, rejects):
        assert pairs.people is not None
        two = np.sort([pairs.people[pairs.first[rows]], pairs.people[pairs.second[rows]]], axis=0)
        assert np.unique(two, axis=1, return_counts=True)[1].max() <= 2


def test_pairs_are_drawn(tmp_path: Path) -> None:
    red, wide = np.zeros((9, 9, 3), np.uint8), np.full((10, 40, 3), 200, np.uint8)
    red[..., 0] = 255
    pairs = Pairs(np.array([0.25]), np.array([False]), np.array([0]), np.array([1]))
    told = shown(pairs, np.array([0]), [red, wide], ["Ada", ""])
    assert told[0].names == ("Ada", "a picture of shape [10, 40, 3]")
    path = tmp_path / "pairs.png"
    assert draw_pairs(path, [Section("wrong", told, "#e45756"), Section("none", [], "#000")]) == []
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert (pixels == (255, 0, 0)).all(-1).sum() == 104 * 104  # the red one, whole
    assert (pixels == 200).all(-1).sum() > 104 * 20  # the wide one, no higher than its share
    many = [Shown(red, red, 0.1, ("a", "b"))] * (AT_MOST + 1)
    with pytest.raises(UsageError, match="too many for one PNG"):
        draw_pairs(path, [Section("wrong", many, "#000")])


def test_maps_that_cannot_be_drawn_are_told(tmp_path: Path) -> None:
    vectors, people = np.eye(5, dtype=np.float32), np.arange(5)
    names = [*"abcde"]
    with pytest.raises(UsageError, match=r"ends in .png or .html"):
        draw_map(tmp_path / "map.pdf", names, people, vectors)
    with pytest.raises(UsageError, match="takes 4 or more"):
        draw_map(tmp_path / "map.png", names[:3], people[:3], vectors[:3])
    with pytest.raises(UsageError, match="all faces are one point"):
        draw_map(tmp_path / "map.png", names, people, vectors[[0] * 5])
