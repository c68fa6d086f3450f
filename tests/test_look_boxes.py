"""Boxes drawn on pictures, a detector's mistakes told apart, and the page of the worst."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from corpora.scenes import scene
from vision.average_precision import score_detections
from vision.detection_mistakes import KINDS, count, judge, worst
from vision.found import Found
from vision.look_boxes import (
    AT_MOST,
    ROLES,
    draw_curves,
    draw_found,
    draw_mistakes,
    look_at,
)
from vision.look_boxes_page import write_page

Image = pytest.importorskip("PIL.Image")


class There(NamedTuple):
    label: str
    left: float
    top: float
    right: float
    bottom: float
    difficult: bool = False
    crowd: bool = False


TRUTH = [
    There("cell", 10, 10, 50, 50),
    There("cell", 100, 10, 140, 50),
    There("plate", 10, 100, 50, 140),
    There("cell", 100, 100, 140, 140),
    There("cell", 60, 60, 80, 80, difficult=True),
    There("plate", 150, 150, 200, 200, crowd=True),
    There("plate", 150, 10, 160, 20, difficult=True),  # nobody looks for it
]
FOUND = [
    Found("cell", 0.95, 10, 10, 50, 51),
    Found("cell", 0.9, 110, 10, 160, 50),  # IoU 0.5
    Found("cell", 0.8, 11, 10, 50, 50),
    Found("cell", 0.7, 10, 100, 50, 140),
    Found("cell", 0.6, 100, 70, 140, 110),
    Found("plate", 0.5, 0, 180, 20, 199),
    Found("cell", 0.45, 60, 60, 80, 80),
    Found("plate", 0.4, 150, 150, 170, 170),
    Found("plate", 0.4, 180, 150, 190, 170),
    Found("plate", 0.1, 100, 100, 140, 140),
]


def test_mistakes_are_of_their_kinds() -> None:
    judged = judge(FOUND, TRUTH)
    assert [(find.score, box) for find, box in judged.right] == [(0.95, TRUTH[0]), (0.9, TRUTH[1])]
    assert [(one.kind, one.cost, one.truth) for one in judged.mistakes] == [
        ("double", 0.8, TRUTH[0]),
        ("wrong class", 0.7, TRUTH[2]),
        ("badly placed", 0.6, TRUTH[3]),
        ("false", 0.5, None),
    ]
    assert judged.mistakes[2].overlap == pytest.approx(10 / 70)
    assert [find.score for find in judged.ignored] == [0.45, 0.4, 0.4]
    assert judged.cost == pytest.approx(2.6)
    unsure = judge(FOUND, TRUTH, threshold=0.65)
    assert [one.kind for one in unsure.mistakes] == ["missed", "double", "wrong class"]
    assert count([judged, unsure]) == {
        "missed": 1,
        "wrong class": 2,
        "badly placed": 1,
        "double": 2,
        "false": 1,
    }
    assert judge([], []).mistakes == ()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_is_counted_twice(data: st.DataObject) -> None:
    number = st.integers(0, 5)

    def box() -> tuple[float, float, float, float]:
        left, top, width, height = (float(data.draw(number)) for _ in range(4))
        return left, top, left + width, top + height

    label, flag = st.sampled_from(["a", "b"]), st.booleans()
    truth = [
        There(data.draw(label), *box(), data.draw(flag), data.draw(flag))
        for _ in range(data.draw(number))
    ]
    found = [
        Found(data.draw(label), data.draw(number) / 5, *box()) for _ in range(data.draw(number))
    ]
    judged = judge(found, truth, threshold=0.3)
    kept = [one for one in found if one.score >= 0.3]
    wrong = [one.found for one in judged.mistakes if one.found is not None]
    assert len(judged.right) + len(wrong) + len(judged.ignored) == len(kept)
    wanted = [one for one in truth if not one.difficult and not one.crowd]
    told = [box for _, box in judged.right]
    told += [one.truth for one in judged.mistakes if one.truth is not None and one.kind != "double"]
    assert sorted(map(id, told)) == sorted(map(id, wanted))
    # A right find takes a box of its class, as average precision counts it.
    scores = score_detections([kept], [truth], ["a", "b"])
    for name in "ab":
        reached = sum(box.label == name for _, box in judged.right)
        if scores.per_class[name].truth:
            most = scores.recall[0, "ab".index(name), 0, -1]
            assert reached == pytest.approx(most * scores.per_class[name].truth)


def near(sheet: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """Where a picture has a colour."""
    return np.all(abs(sheet.astype(int) - colour) <= 2, axis=-1)


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_boxes_are_drawn_where_they_are(ground: int, tmp_path: Path) -> None:
    picture = np.full((400, 500, 3), ground, np.uint8)
    path = tmp_path / "new" / "found.png"
    boxes = [Found("cell", 0.5, 100, 100, 300, 200), Found("红血球", 1.0, 0, 0, 500, 400)]
    draw_found(path, picture, boxes, ["plate", "cell"])
    drawn = np.asarray(Image.open(path))
    assert drawn.shape == picture.shape
    colour = near(drawn, (86, 180, 233))  # the second class
    rows, columns = np.flatnonzero(colour.sum(1) > 150), np.flatnonzero(colour.sum(0) > 80)
    assert rows.min() == 100
    assert abs(rows.max() - 200) <= 1
    assert columns.min() == 100
    assert abs(columns.max() - 300) <= 1
    # Beside the line there is a dark and a light one, whatever the ground.
    assert (drawn[99, 200:250] == 0).all()
    assert (drawn[102, 200:250] == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (30, 40)])
def test_pictures_of_any_shape_are_drawn(size: tuple[int, int], tmp_path: Path) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    own = Found("a class of a very long name " * 3, 0.5, 0, 0, size[1], size[0])
    there = There("cell", 0, 0, size[1] / 2, size[0])
    draw_found(tmp_path / "a.png", picture, [own] * 9)
    assert max(Image.open(tmp_path / "a.png").size) >= 320
    looks = [look_at(picture, judge([own], [there]))]
    draw_mistakes(tmp_path / "b.png", looks)
    write_page(tmp_path / "b.html", looks)


def test_sheets_and_pages_show_the_worst(tmp_path: Path) -> None:
    drawn = [scene(number) for number in range(4)]
    truth = [[There(thing.shape, *thing.box) for thing in one.things] for one in drawn]
    found = [[Found(box.label, 0.9, *box[1:5]) for box in own] for own in truth]
    found[1] = []
    found[2].append(Found("<b>", 0.5, 0, 0, 9, 9))
    labels = sorted({box.label for own in truth for box in own} | {"<b>"})
    judged = [judge(own, there) for own, there in zip(found, truth, strict=True)]
    assert worst(judged, 3) == [1, 2]
    looks = [look_at(drawn[row], judged[row], name=f"scene {row}") for row in range(4)]
    chosen = [looks[row] for row in worst(judged, 3)]
    assert chosen[0].picture.shape == (480, 480, 3)
    np.testing.assert_allclose(chosen[0].marks[-1].corners, np.array(truth[1][0][1:5]) * 5)
    draw_mistakes(tmp_path / "worst.png", looks, columns=2)
    sheet = np.asarray(Image.open(tmp_path / "worst.png"))
    assert sheet.shape[1] == 2 * 480 + 3 * 12
    below = sheet[40:]
    for role in ("right", "missed", "false"):
        assert near(below, ROLES[role]).sum() > 100
    assert not near(below, ROLES["double"]).any()

    scores = score_detections(found, truth, labels)
    write_page(tmp_path / "worst.html", chosen, scores, title="Shapes & more")
    page = (tmp_path / "worst.html").read_text()
    assert "Shapes &amp; more" in page
    assert "<b>" not in page
    assert "scene 2" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/jpeg") == 2
    assert f"{scores.ap50:.3f}" in page
    drawings = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", page)]
    titles = [one.text or "" for svg in drawings for one in svg.iter("title")]
    assert sum(one.startswith("missed") for one in titles) == len(truth[1])
    assert sum(one.startswith("right") for one in titles) == len(truth[2])
    assert "false: <b> 0.50" in titles
    for kind in KINDS:
        assert f'id="{kind.replace(" ", "-")}"' in page


def test_curves_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    labels = ["cell", "plate", "none"]
    scores = score_detections([FOUND], [TRUTH], labels)
    draw_curves(tmp_path / "curves.png", scores)
    drawn = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB"))
    assert drawn.std() > 10
    draw_curves(tmp_path / "none.png", score_detections([[]], [[]], []))


def test_what_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(UsageError, match="no picture"):
        draw_mistakes(path, [])
    look = look_at(np.zeros((5, 5, 3), np.uint8), judge([], []))
    with pytest.raises(UsageError, match="write an HTML page"):
        draw_mistakes(path, [look] * (AT_MOST + 1))
    with pytest.raises(UsageError, match=r"missing\.png"):
        draw_found(path, tmp_path / "missing.png", [])
    assert not path.exists()
