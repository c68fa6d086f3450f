"""Average precision: equal to pycocotools on random finds, and to what one counts by hand."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from vision.average_precision import DetectionScores, overlaps, score_detections
from vision.found import Found

LABELS = ("cell", "plate", "other")


class True_(NamedTuple):
    label: str
    left: float
    top: float
    right: float
    bottom: float
    difficult: bool = False
    crowd: bool = False


def by_pycocotools(
    found: Sequence[Sequence[Found]], truth: Sequence[Sequence[True_]], labels: Sequence[str]
) -> tuple[Any, Any, Any]:
    """Precision, recall and the twelve numbers of the reference."""
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Evaluation(COCOeval):
        """The reference overwrites "ignore", which is put back."""

        def _prepare(self) -> None:
            super()._prepare()
            for boxes in self._gts.values():
                for box in boxes:
                    box["ignore"] = box["iscrowd"] or box["difficult"]

    def sides(box: Any) -> dict[str, Any]:
        width, height = box.right - box.left, box.bottom - box.top
        return {"bbox": [box.left, box.top, width, height], "area": width * height}

    with contextlib.redirect_stdout(io.StringIO()):
        there, answers = COCO(), COCO()
        common = {
            "images": [{"id": number} for number, _ in enumerate(truth)],
            "categories": [{"id": number} for number, _ in enumerate(labels)],
        }
        sources: list[tuple[Any, Any]] = [(there, truth), (answers, found)]
        for coco, boxes in sources:
            coco.dataset = {
                **common,
                "annotations": [
                    {
                        "id": 0,
                        "image_id": picture,
                        "category_id": labels.index(box.label),
                        "iscrowd": int(getattr(box, "crowd", False)),
                        "difficult": int(getattr(box, "difficult", False)),
                        "score": getattr(box, "score", 1.0),
                        **sides(box),
                    }
                    for picture, own in enumerate(boxes)
                    for box in own
                ],
            }
            for number, one in enumerate(coco.dataset["annotations"], 1):
                one["id"] = number
            coco.createIndex()
        evaluation = Evaluation(there, answers, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.eval["precision"], evaluation.eval["recall"], evaluation.stats


def check_equal(
    found: Sequence[Sequence[Found]], truth: Sequence[Sequence[True_]], labels: Sequence[str]
) -> DetectionScores:
    scores = score_detections(found, truth, labels)
    precision, recall, twelve = by_pycocotools(found, truth, labels)
    np.testing.assert_allclose(scores.precision, precision, rtol=0, atol=1e-12)
    np.testing.assert_allclose(scores.recall, recall, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.nan_to_num(scores.summary, nan=-1.0), twelve, rtol=0, atol=1e-12)
    return scores


@st.composite
def pictures(draw: st.DrawFn) -> tuple[list[list[Found]], list[list[True_]]]:
    """Crowded pictures; sides are small numbers, so that IoUs and scores are often alike."""
    number = st.integers(0, 6)
    step = draw(st.sampled_from([4, 30]))  # 30: medium and large boxes
    label = st.sampled_from(LABELS)

    def box() -> tuple[float, float, float, float]:
        left, top, width, height = (draw(number) * step for _ in range(4))
        return float(left), float(top), float(left + width), float(top + height)

    found: list[list[Found]] = []
    truth: list[list[True_]] = []
    for _ in range(draw(st.integers(0, 3))):
        there = [
            True_(draw(label), *box(), draw(st.integers(0, 5)) == 0, draw(st.integers(0, 5)) == 0)
            for _ in range(draw(number))
        ]
        own = [
            Found(draw(label), draw(st.integers(0, 4)) / 4, *box())
            for _ in range(draw(st.integers(0, 8)))
        ]
        # Finds that are nearly right, and doubles of them.
        for one in there:
            for _ in range(draw(st.integers(0, 2))):
                moved = step * draw(st.integers(0, 1))
                own.append(
                    Found(
                        one.label,
                        draw(st.integers(0, 4)) / 4,
                        *(one.left, one.top, one.right + moved, one.bottom),
                    )
                )
        found.append(own)
        truth.append(there)
    return found, truth


@settings(max_examples=80, deadline=None)
@given(pictures())
def test_equals_pycocotools(drawn: tuple[list[list[Found]], list[list[True_]]]) -> None:
    if drawn[0]:  # of no picture at all the reference makes no array
        check_equal(*drawn, LABELS)


@pytest.mark.parametrize("seed", range(3))
def test_equals_pycocotools_on_many_boxes(seed: int) -> None:
    """Also above the hundred of a picture and class that count."""
    chance = np.random.default_rng(seed)
    found: list[list[Found]] = []
    truth: list[list[True_]] = []
    for count in (3, 40, 0, 150):
        corner, side = chance.uniform(0, 400, (count, 2)), chance.lognormal(3.5, 0.8, (count, 2))
        names = chance.integers(0, 3, count)
        rare = chance.random((count, 2)) < 0.1
        boxes = np.concatenate([corner, corner + side], 1)
        truth.append(
            [
                True_(LABELS[name], *box, *flags)
                for name, box, flags in zip(names, boxes.tolist(), rare.tolist(), strict=True)
            ]
        )
        many = np.repeat(boxes, 3, 0)
        many += chance.normal(0, 0.08, many.shape) * np.repeat(side, 3, 0).mean(1)[:, None]
        many[:, 2:] = np.maximum(many[:, :2], many[:, 2:])
        wrong = np.where(chance.random(len(many)) < 0.2, 1, 0)
        found.append(
            [
                Found(LABELS[(name + other) % 3], score, *box)
                for name, other, score, box in zip(
                    np.repeat(names, 3),
                    wrong,
                    chance.random(len(many)).tolist(),
                    many.tolist(),
                    strict=True,
                )
            ]
        )
    scores = check_equal(found, truth, LABELS)
    assert 0.1 < scores.ap < scores.ap50 < 1
    assert scores.ar[1] < scores.ar[10] <= scores.ar[100]


def test_counted_by_hand() -> None:
    """Three true boxes; right, wrong, right: precision 1 up to a third, 2/3 up to two thirds."""
    boxes = [(0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (40.0, 0.0, 50.0, 10.0)]
    truth = [[True_("cell", *box) for box in boxes]]
    found = [
        [
            Found("cell", 0.7, *boxes[1]),
            Found("cell", 0.9, *boxes[0]),
            Found("cell", 0.8, 60, 0, 70, 10),
        ]
    ]
    scores = score_detections(found, truth, ["cell", "plate"])
    assert scores.ap50 == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)
    assert scores.ap == pytest.approx(scores.ap50)
    assert scores.per_class["cell"][4:] == (3, 3)
    assert math.isnan(scores.per_class["plate"].ap)
    curve = scores.curves["cell"]
    np.testing.assert_allclose(curve.recall, [1 / 3, 1 / 3, 2 / 3])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.score, [0.9, 0.8, 0.7])
    assert curve.best_f1 == (pytest.approx(2 / 3), 0.7)
    assert len(scores.curves["plate"].score) == 0
    assert scores.curves["plate"].best_f1 == (0.0, 1.0)


def test_a_second_find_of_a_thing_is_wrong_but_not_in_a_crowd() -> None:
    box = (0.0, 0.0, 10.0, 10.0)
    found = [[Found("cell", 0.9, *box), Found("cell", 0.8, *box), Found("cell", 0.7, 50, 0, 60, 9)]]
    elsewhere = True_("cell", 50, 0, 60, 9)
    for true, expected in (
        (True_("cell", *box), (51 * 1 + 50 * 2 / 3) / 101),
        (True_("cell", *box, difficult=True), 1 / 2),  # takes one; the second is wrong
        (True_("cell", *box, crowd=True), 1.0),  # takes both
    ):
        scores = score_detections(found, [[true, elsewhere]], ["cell"])
        assert scores.ap50 == pytest.approx(expected)


def test_nothing_found_and_nothing_there() -> None:
    box = True_("cell", 0, 0, 9, 9)
    assert score_detections([[]], [[box]], ["cell"]).ap == 0
    assert math.isnan(score_detections([[]], [[]], ["cell"]).ap)
    assert math.isnan(score_detections([], [], []).ap50)
    found = [[Found("cell", 1, 0, 0, 9, 9)]]
    assert score_detections(found, [[box]], ["cell"]).ap == pytest.approx(1)


def test_what_cannot_be_scored_is_told() -> None:
    box = True_("cell", 0, 0, 9, 9)
    with pytest.raises(UsageError, match="2 pictures and true boxes of 1"):
        score_detections([[], []], [[box]], ["cell"])
    with pytest.raises(UsageError, match=r"picture 0: .*'cell'; the classes are plate"):
        score_detections([[]], [[box]], ["plate"])
    with pytest.raises(UsageError, match="no number"):
        score_detections([[Found("cell", math.nan, 0, 0, 9, 9)]], [[box]], ["cell"])


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=2, max_size=2))
def test_overlaps_count_pixels(boxes: list[tuple[int, int, int, int]]) -> None:
    first, second = ((min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes)
    filled = np.zeros((2, 9, 9), bool)
    for part, (left, top, right, bottom) in zip(filled, (first, second), strict=True):
        part[top:bottom, left:right] = True
    common, whole = (filled[0] & filled[1]).sum(), (filled[0] | filled[1]).sum()
    one, other = (np.array([box], float) for box in (first, second))
    assert overlaps(one, other)[0, 0] == pytest.approx(common / max(whole, 1))
    inside = overlaps(one, other, np.array([True]))[0, 0]
    assert inside == pytest.approx(common / max(filled[0].sum(), 1))
