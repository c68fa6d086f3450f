from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from corpora.errors import UsageError
from vision.anchors import (
    Assignment,
    Choice,
    Coding,
    Grid,
    assign,
    decode,
    encode,
    k_means_anchors,
    label_grid,
    shape_iou,
)
from vision.boxes import convert

GRIDS = [Grid(6, 8, 8), Grid(3, 4, 16)]
ANCHORS = torch.tensor([[[6.0, 8], [12, 7]], [[20, 30], [30, 20]]])


def plain_assign(
    boxes: Tensor, pictures: list[int], choice: Choice, neighbours: bool
) -> dict[tuple[int, ...], int]:
    """Which box owns which (picture, scale, anchor, row, column), one candidate after another."""
    wishes: dict[tuple[int, ...], list[tuple[float, ...]]] = {}
    for number, (left, top, right, bottom) in enumerate(boxes.tolist()):
        wide, high = right - left, bottom - top
        x, y = (left + right) / 2, (top + bottom) / 2
        fits = {}
        for scale, anchor in itertools.product(range(2), range(2)):
            w, h = ANCHORS[scale, anchor].tolist()
            both = min(w, wide) * min(h, high)
            fits[scale, anchor] = (both / (w * h + wide * high - both), w, h)
        best = max(fits, key=lambda place: fits[place][0])
        for place, (fit, w, h) in fits.items():
            near = max(wide / w, w / wide, high / h, h / high) < 4
            if place != best and not (choice == "several" and near):
                continue
            grid = GRIDS[place[0]]
            cx, cy = x / grid.stride, y / grid.stride
            if not (0 <= cx <= grid.columns and 0 <= cy <= grid.rows):
                continue
            column, row = min(int(cx), grid.columns - 1), min(int(cy), grid.rows - 1)
            cells = [(row, column, 0)]
            if neighbours:
                across, down = cx - column, cy - row
                if across != 0.5:
                    cells.append((row, column + (-1 if across < 0.5 else 1), 1))
                if down != 0.5:
                    cells.append((row + (-1 if down < 0.5 else 1), column, 1))
            for r, c, beside in cells:
                if 0 <= r < grid.rows and 0 <= c < grid.columns:
                    key = (pictures[number], *place, r, c)
                    wishes.setdefault(key, []).append((beside, -fit, number))
    return {key: int(min(wish)[2]) for key, wish in wishes.items()}


def places(owned: Assignment) -> dict[tuple[int, ...], int]:
    parts = (owned.picture, owned.scale, owned.anchor, owned.row, owned.column)
    keys = torch.stack(parts, -1).tolist()
    found = {tuple(key): box for key, box in zip(keys, owned.box.tolist(), strict=True)}
    assert len(found) == len(keys)  # no place twice
    return found


halves = st.integers(0, 127).map(lambda number: number / 2)
box = st.tuples(halves, halves, st.integers(1, 60), st.integers(1, 60)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(
    st.lists(st.tuples(box, st.integers(0, 1)), max_size=12),
    st.sampled_from(["best", "several"]),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_places_are_those_of_a_plain_loop(
    given: list[tuple[tuple[float, ...], int]], choice: Choice, neighbours: bool
) -> None:
    boxes = torch.tensor([b for b, _ in given], dtype=torch.float64).reshape(-1, 4)
    pictures = [number for _, number in given]
    owned = assign(
        boxes,
        GRIDS,
        ANCHORS,
        pictures=torch.tensor(pictures, dtype=torch.long),
        choice=choice,
        neighbours=neighbours,
    )
    expected = plain_assign(boxes, pictures, choice, neighbours)
    assert places(owned) == expected
    assert set(owned.left_out.tolist()) == set(range(len(boxes))) - set(expected.values())
    strides = torch.tensor([8, 16])[owned.scale]
    assert torch.equal(owned.stride, strides[:, None])
    assert owned.collisions >= 0
    if not neighbours and choice == "best":  # each box has one place, or lost it, or lies outside
        middle = convert(boxes, "xyxy", "cxcywh")[:, :2]
        inside = ((middle >= 0) & (middle <= torch.tensor([64, 48]))).all(-1).sum().item()
        assert len(owned.box) + owned.collisions == inside


def test_a_place_owns_one_box_and_the_loser_is_counted() -> None:
    boxes = torch.tensor([[1.0, 1, 6, 7], [1, 0, 7, 8], [1, 0, 7, 8]])
    owned = assign(boxes, GRIDS, ANCHORS)
    assert owned.box.tolist() == [1]  # of the anchor's very shape, and the first of these
    assert owned.collisions == 2
    assert owned.left_out.tolist() == [0, 2]
    apart = assign(boxes, GRIDS, ANCHORS, pictures=torch.tensor([0, 1, 2]))
    assert apart.box.tolist() == [1, 2, 0]
    assert apart.collisions == 0


def test_boxes_outside_and_empty_ones_are_left_out() -> None:
    boxes = torch.tensor([[70.0, 0, 80, 9], [5, 5, 5, 9], [-9, -9, -1, -1], [60, 40, 68, 56]])
    owned = assign(boxes, GRIDS, ANCHORS)
    assert owned.left_out.tolist() == [0, 1, 2]
    assert (owned.row.tolist(), owned.column.tolist()) == ([5], [7])  # on the far corner itself
    nothing = assign(boxes[:0], GRIDS, ANCHORS)
    assert len(nothing.box) == nothing.collisions == len(nothing.left_out) == 0


def test_several_leaves_no_box_without_an_anchor() -> None:
    giant = torch.tensor([[0.0, 0, 1, 40]])  # more than four times off from all of them
    assert len(assign(giant, GRIDS, ANCHORS, choice="several").box) == 1


codings = st.sampled_from(["exponential", "bounded"])


@given(st.lists(st.tuples(*[st.floats(-6, 6)] * 4), min_size=1, max_size=8), codings)
@settings(max_examples=60, deadline=None)
def test_coding_comes_back(raw: list[tuple[float, ...]], coding: Coding) -> None:
    t = torch.tensor(raw, dtype=torch.float64)
    cells, anchors = torch.tensor([3, 5]), torch.tensor([10.0, 20.0], dtype=torch.float64)
    boxes = decode(t, cells, anchors, 8, coding)
    torch.testing.assert_close(encode(boxes, cells, anchors, 8, coding), t, rtol=1e-6, atol=1e-6)
    across, down, wide, high = (v.tolist() for v in convert(boxes, "xyxy", "cxcywh").unbind(-1))
    for row, x, y, w, h in zip(raw, across, down, wide, high, strict=True):
        s = torch.tensor(row, dtype=torch.float64).sigmoid().tolist()
        if coding == "exponential":
            e = torch.tensor(row, dtype=torch.float64).exp().tolist()
            expected = [(s[0] + 3) * 8, (s[1] + 5) * 8, 10 * e[2], 20 * e[3]]
        else:
            expected = [
                (2 * s[0] - 0.5 + 3) * 8,
                (2 * s[1] - 0.5 + 5) * 8,
                10 * (2 * s[2]) ** 2,
                20 * (2 * s[3]) ** 2,
            ]
        assert [x, y, w, h] == pytest.approx(expected)


@given(st.lists(box, min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_every_owned_box_can_be_said(boxes: list[tuple[float, ...]]) -> None:
    """By its own cell and by neighbours, by every anchor that is less than four times off."""
    given = torch.tensor(boxes, dtype=torch.float64)
    owned = assign(given, GRIDS, ANCHORS, choice="several", neighbours=True)
    anchors = ANCHORS[owned.scale, owned.anchor].double()
    truth = given[owned.box]
    t = encode(truth, owned.cell, anchors, owned.stride)
    assert t.isfinite().all()
    ratios = convert(truth, "xyxy", "xywh")[:, 2:] / anchors
    near = (ratios < 3.9).all(-1)  # the best anchor is taken even where it is too small
    said = decode(t, owned.cell, anchors, owned.stride)
    torch.testing.assert_close(said[near], truth[near], rtol=0, atol=1e-3)


def test_a_whole_grid_is_decoded_at_once() -> None:
    grid = GRIDS[0]
    raw = torch.randn(2, 2, 6, 8, 4)
    boxes = decode(raw, grid.cells, ANCHORS[0][:, None, None], grid.stride)
    assert boxes.shape == raw.shape
    for anchor, row, column in ((0, 0, 0), (1, 5, 7), (1, 2, 3)):
        one = decode(
            raw[1, anchor, row, column], torch.tensor([column, row]), ANCHORS[0, anchor], 8
        )
        torch.testing.assert_close(boxes[1, anchor, row, column], one)


def test_sizes_that_cannot_be_said_become_the_nearest() -> None:
    truth = torch.tensor([[0.0, 0, 100, 8]])  # ten times the anchor
    anchors, cell = torch.tensor([10.0, 8]), torch.tensor([6, 0])
    said = decode(encode(truth, cell, anchors, 8), cell, anchors, 8)
    assert (said[0, 2] - said[0, 0]).item() == pytest.approx(40, rel=1e-3)
    free = encode(truth, cell, anchors, 8, "exponential")
    torch.testing.assert_close(
        decode(free, cell, anchors, 8, "exponential"), truth, atol=1e-3, rtol=0
    )
    assert decode(torch.full((4,), 1e9), cell, anchors, 8, "exponential").isfinite().all()


def test_rows_of_the_course() -> None:
    """The example of a pedestrian before a car: 3 x 3 cells of 100 pixels, two anchors, 3 classes.

    Both middles lie in the lower middle cell. The tall anchor owns the pedestrian (class 1), the
    wide one the car (class 2). A second car at bx 0.4, by 0.3 of the cell beside has the width 0.9
    and the height 0.5 of a cell, as in the course's slide of sizes.
    """
    anchors = torch.tensor([[60.0, 160], [160, 60]])
    pedestrian = [120.0, 130, 170, 290]  # middle 145, 210: sizes 50 x 160
    car = [60.0, 190, 240, 250]  # middle 150, 220: sizes 180 x 60
    second = [195.0, 205, 285, 255]  # middle 240, 230: sizes 90 x 50
    rows = label_grid(
        torch.tensor([car, pedestrian, second]),
        torch.tensor([1, 0, 1]),
        Grid(3, 3, 100),
        anchors,
        classes=3,
    )
    assert rows.shape == (3, 3, 2, 8)
    expected = torch.zeros(3, 3, 2, 8)
    expected[2, 1, 0] = torch.tensor([1, 0.45, 0.10, 0.5, 1.6, 1, 0, 0])
    expected[2, 1, 1] = torch.tensor([1, 0.50, 0.20, 1.8, 0.6, 0, 1, 0])  # wider than its cell
    expected[2, 2, 1] = torch.tensor([1, 0.40, 0.30, 0.9, 0.5, 0, 1, 0])
    torch.testing.assert_close(rows, expected)
    nothing = label_grid(torch.zeros(0, 4), torch.zeros(0).long(), Grid(3, 3, 100), anchors, 3)
    assert nothing.count_nonzero() == 0  # p = 0 everywhere; the rest does not matter


def test_shape_iou_is_that_of_boxes_on_one_corner() -> None:
    found = shape_iou(torch.tensor([[2.0, 3], [0, 0]]), torch.tensor([[2.0, 3], [4, 1], [0, 0]]))
    torch.testing.assert_close(found, torch.tensor([[1, 2 / 8, 0], [0, 0, 0]]))


def test_k_means_finds_the_sizes_that_are_there() -> None:
    torch.manual_seed(0)
    truth = torch.tensor([[10.0, 10], [20, 60], [60, 20], [150, 150]])
    sizes = (truth[:, None] * (1 + 0.05 * torch.randn(4, 80, 2))).reshape(-1, 2)
    found = k_means_anchors(sizes, 4, seed=3)
    torch.testing.assert_close(found.prod(-1), found.prod(-1).sort().values)
    order = shape_iou(truth, found).argmax(1)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    torch.testing.assert_close(found[order], truth, rtol=0.05, atol=0)
    assert torch.equal(found, k_means_anchors(sizes, 4, seed=3))


def test_k_means_is_a_fixed_point_of_its_own_step() -> None:
    torch.manual_seed(1)
    sizes = torch.rand(300, 2) * 100 + 2
    anchors = k_means_anchors(sizes, 5)
    nearest = shape_iou(sizes, anchors).argmax(1)
    means = torch.stack([sizes[nearest == number].mean(0) for number in range(5)])
    assert shape_iou(sizes, anchors).amax(1).mean() >= shape_iou(sizes, means).amax(1).mean() - 1e-3
    equal = torch.tensor([[20.0, 20], [40, 40], [60, 60], [80, 80], [99, 99]])
    assert shape_iou(sizes, anchors).amax(1).mean() > shape_iou(sizes, equal).amax(1).mean()


def test_few_sizes_give_as_many_anchors_and_none_is_said() -> None:
    found = k_means_anchors(torch.tensor([[8.0, 4], [8, 4], [0, 3], [float("nan"), 1]]), 9)
    assert found.shape == (9, 2)
    assert len(found.unique(dim=0)) == 9
    assert [8, 4] in found.tolist()
    with pytest.raises(UsageError, match="no box with a width and a height"):
        k_means_anchors(torch.zeros(3, 2), 9)
