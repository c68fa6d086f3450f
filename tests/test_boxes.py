from __future__ import annotations

import math
from fractions import Fraction
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vision import boxes as module
from vision.boxes import (
    Form,
    area,
    clip,
    convert,
    flip_across,
    flip_down,
    iou,
    paired_ciou,
    paired_giou,
    paired_iou,
    scale,
)

whole = st.integers(0, 12)
any_box = st.tuples(whole, whole, whole, whole)
full_box = st.tuples(whole, whole, st.integers(1, 9), st.integers(1, 9)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def tensor(boxes: list[tuple[int, ...]]) -> Tensor:
    return torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)


def pixels(box: tuple[int, ...]) -> set[tuple[int, int]]:
    """A box of whole numbers is the set of its pixels: IoU by counting."""
    left, top, right, bottom = box
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


def plain_iou(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    both, either = pixels(a) & pixels(b), pixels(a) | pixels(b)
    return float(Fraction(len(both), len(either))) if either else 0.0


def plain_ciou(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """By the paper, of boxes with an inside."""
    wide = max(a[2], b[2]) - min(a[0], b[0])
    high = max(a[3], b[3]) - min(a[1], b[1])
    apart = math.dist(
        ((a[0] + a[2]) / 2, (a[1] + a[3]) / 2), ((b[0] + b[2]) / 2, (b[1] + b[3]) / 2)
    )
    slopes = [math.atan((c[2] - c[0]) / (c[3] - c[1])) for c in (a, b)]
    v = 4 / math.pi**2 * (slopes[0] - slopes[1]) ** 2
    overlap = plain_iou(a, b)
    alpha = v / (1 - overlap + v) if v else 0.0
    return overlap - apart**2 / (wide**2 + high**2) - alpha * v


@given(st.lists(any_box, max_size=5), st.lists(any_box, max_size=5))
@settings(max_examples=60, deadline=None)
def test_iou_counts_pixels(a: list[tuple[int, ...]], b: list[tuple[int, ...]]) -> None:
    expected = torch.tensor([[plain_iou(x, y) for y in b] for x in a], dtype=torch.float64)
    found = iou(tensor(a), tensor(b))
    torch.testing.assert_close(found, expected.reshape(len(a), len(b)))
    with_gradient = iou(tensor(a).requires_grad_(), tensor(b))
    torch.testing.assert_close(with_gradient.detach(), found)


@given(st.lists(st.tuples(full_box, full_box), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_paired_measures_are_those_of_the_papers(
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]],
) -> None:
    a, b = tensor([x for x, _ in pairs]), tensor([y for _, y in pairs])
    assert paired_iou(a, b).tolist() == pytest.approx([plain_iou(x, y) for x, y in pairs])
    giou = []
    for x, y in pairs:
        around = (max(x[2], y[2]) - min(x[0], y[0])) * (max(x[3], y[3]) - min(x[1], y[1]))
        giou.append(plain_iou(x, y) - (around - len(pixels(x) | pixels(y))) / around)
    assert paired_giou(a, b).tolist() == pytest.approx(giou)
    assert paired_ciou(a, b).tolist() == pytest.approx([plain_ciou(x, y) for x, y in pairs])


def test_iou_in_steps_is_iou_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.rand(37, 4), torch.rand(11, 4)
    once = iou(a, b)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 25)
    assert torch.equal(iou(a, b), once)


def test_half_precision_and_whole_numbers_are_widened() -> None:
    boxes = torch.tensor([[0, 0, 300, 300], [0, 0, 300, 299]])
    for kind in (torch.int64, torch.bfloat16, torch.float16):
        given = boxes.to(kind)
        assert iou(given, given).dtype == torch.float32
        expected = 1 if kind == torch.bfloat16 else 299 / 300  # bfloat16 cannot say 299
        assert iou(given, given)[0, 1].item() == pytest.approx(expected)
        assert paired_ciou(given, given).tolist() == [1, 1]


def test_gradients_are_those_of_the_numbers() -> None:
    torch.manual_seed(0)
    first = torch.rand(6, 2, dtype=torch.float64) * 4
    a = torch.cat([first, first + 1 + torch.rand(6, 2, dtype=torch.float64) * 4], -1)
    b = a.roll(1, 0) + 0.3
    a.requires_grad_()
    assert torch.autograd.gradcheck(paired_iou, (a, b))
    assert torch.autograd.gradcheck(paired_giou, (a, b))
    assert torch.autograd.gradcheck(lambda x: iou(x, b), (a,))


def test_ciou_holds_its_alpha_fixed() -> None:
    def value(box: Tensor, alpha: float | None = None) -> Tensor:
        truth = torch.tensor([0.0, 0.0, 4.0, 2.0], dtype=torch.float64)
        overlap = paired_iou(box, truth)
        around = torch.stack([*torch.minimum(box, truth)[:2], *torch.maximum(box, truth)[2:]])
        middles = (box[:2] + box[2:] - truth[:2] - truth[2:]) / 2
        v = 4 / math.pi**2 * ((box[2] - box[0]).div(box[3] - box[1]).atan() - math.atan(2)) ** 2
        if alpha is None:
            alpha = (v / (1 - overlap + v)).item()
        return (
            overlap - middles.square().sum() / (around[2:] - around[:2]).square().sum() - alpha * v
        )

    box = torch.tensor([1.0, 0.5, 3.0, 4.0], dtype=torch.float64, requires_grad=True)
    truth = torch.tensor([0.0, 0.0, 4.0, 2.0], dtype=torch.float64)
    (found,) = torch.autograd.grad(paired_ciou(box, truth), box)
    (expected,) = torch.autograd.grad(value(box), box)
    torch.testing.assert_close(found, expected)


def test_a_box_without_inside_has_no_iou_and_a_gradient_of_numbers() -> None:
    empty = torch.tensor([[3.0, 3, 3, 3], [5, 5, 2, 9], [0, 0, 0, 4]], requires_grad=True)
    for measure in (paired_iou, paired_giou, paired_ciou):
        found = measure(empty, empty.detach())
        (gradient,) = torch.autograd.grad(found.sum(), empty)
        assert gradient.isfinite().all()
    assert paired_iou(empty, empty).tolist() == [0, 0, 0]
    assert iou(empty.detach(), empty.detach()).count_nonzero() == 0


def test_giou_and_ciou_draw_boxes_together_that_do_not_meet() -> None:
    truth = torch.tensor([0.0, 0, 2, 2])
    far = torch.tensor([6.0, 0, 8, 2], requires_grad=True)
    for measure in (paired_giou, paired_ciou):
        (gradient,) = torch.autograd.grad(measure(far, truth), far)
        assert gradient[[0, 2]].sum() < 0  # it becomes better to the left
    (gradient,) = torch.autograd.grad(paired_iou(far, truth), far)
    assert gradient.count_nonzero() == 0


@given(st.lists(full_box, min_size=1), st.sampled_from(get_args(Form)))
@settings(max_examples=40, deadline=None)
def test_forms_come_back(boxes: list[tuple[int, ...]], form: Form) -> None:
    given = tensor(boxes)
    for other in get_args(Form):
        there = convert(given, form, other)
        torch.testing.assert_close(convert(there, other, form), given)


def test_forms_are_the_ones_defined() -> None:
    box = torch.tensor([2.0, 3.0, 8.0, 5.0])
    assert convert(box, "xyxy", "xywh").tolist() == [2, 3, 6, 2]
    assert convert(box, "xyxy", "cxcywh").tolist() == [5, 4, 6, 2]
    assert convert(convert(box, "xyxy", "xywh"), "xywh", "cxcywh").tolist() == [5, 4, 6, 2]
    same = convert(box, "xyxy", "xyxy")
    same[0] = 9
    assert box[0] == 2
    for source, target in (("yxyx", "xyxy"), ("xyxy", "yxyx")):
        with pytest.raises(ValueError, match="'yxyx'"):
            convert(box, source, target)  # type: ignore[arg-type]


@given(st.lists(full_box, min_size=1))
@settings(max_examples=40, deadline=None)
def test_flips_and_scales_move_the_pixels(boxes: list[tuple[int, ...]]) -> None:
    given = tensor(boxes)
    for box, across, down in zip(
        boxes,
        flip_across(given, 30).int().tolist(),
        flip_down(given, 30).int().tolist(),
        strict=True,
    ):
        assert pixels(tuple(across)) == {(29 - x, y) for x, y in pixels(box)}
        assert pixels(tuple(down)) == {(x, 29 - y) for x, y in pixels(box)}
    assert torch.equal(area(scale(given, 2, 3)), 6 * area(given))
    assert torch.equal(scale(given, 2, 3)[:, 1::2], 3 * given[:, 1::2])


@given(st.lists(full_box, min_size=1))
@settings(max_examples=40, deadline=None)
def test_clipped_boxes_hold_the_pixels_of_the_picture(boxes: list[tuple[int, ...]]) -> None:
    picture = pixels((0, 0, 7, 5))
    clipped = clip(tensor(boxes) - 2, 7, 5)
    for box, found in zip(boxes, clipped, strict=True):
        moved = {(x - 2, y - 2) for x, y in pixels(box)}
        assert area(found) == len(moved & picture)
        assert (found >= 0).all()
        assert (found[0::2] <= 7).all()
        assert (found[1::2] <= 5).all()
