"""Boxes as tensors: their forms, their overlap, and what flips and scalings do to them.

A box is four numbers in pixels, the first pixel's middle at 0.5; the picture's right edge is its
width. Unless a function says otherwise a box is left, top, right, bottom:

    xyxy      left, top, right, bottom
    xywh      left, top, width, height
    cxcywh    the middle's x and y, width, height

Two boxes are compared by intersection over union (IoU). As a loss it has no gradient where boxes do
not meet; GIoU subtracts the empty share of the box around both (Rezatofighi et al. 2019), CIoU the
distance of the middles and the difference of the shapes (Zheng et al. 2020):

    GIoU = IoU - (|C| - |A or B|) / |C|
    CIoU = IoU - distance(middles)² / diagonal(C)² - alpha v
    v = 4 / pi² (arctan(w / h) - arctan(w' / h'))²,   alpha = v / (1 - IoU + v)

    close = iou(found, truth) > 0.5                   # [found, truth]
    loss = (1 - paired_ciou(found, truth)).mean()     # the two of a kind, row by row

A box without inside, whose right is not right of its left, has area 0 and an IoU of 0 with any box.
Half precision and whole numbers are computed in float32.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Form = Literal["xyxy", "xywh", "cxcywh"]

PAIRS_AT_ONCE = 1 << 15  # of boxes, in one step on a CPU: what its cache holds


def convert(boxes: Tensor, source: Form, target: Form) -> Tensor:
    """Boxes `[..., 4]` of one form in another.

    Raises:
        ValueError: a form that there is not.
    """
    first, last = boxes[..., :2], boxes[..., 2:]
    if source == target:
        return boxes.clone()
    if source == "xywh":
        last = first + last
    elif source == "cxcywh":
        first, last = first - last / 2, first + last / 2
    elif source != "xyxy":
        raise ValueError(f"boxes are xyxy, xywh or cxcywh, not {source!r}")
    if target == "xywh":
        last = last - first
    elif target == "cxcywh":
        first, last = (first + last) / 2, last - first
    elif target != "xyxy":
        raise ValueError(f"boxes are xyxy, xywh or cxcywh, not {target!r}")
    return torch.cat([first, last], -1)


def area(boxes: Tensor) -> Tensor:
    """Pixels in each of the boxes `[..., 4]`: `[...]`."""
    width, height = _sizes(boxes)
    return width * height


def clip(boxes: Tensor, width: float, height: float) -> Tensor:
    """Boxes `[..., 4]` cut at the edges of a picture; one beside it is left with area 0."""
    across, down = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([across, down], -1).flatten(-2)


def scale(boxes: Tensor, across: float, down: float) -> Tensor:
    """Boxes `[..., 4]` of any form in a picture stretched `across` and `down` times."""
    return boxes * boxes.new_tensor([across, down, across, down])


def flip_across(boxes: Tensor, width: float) -> Tensor:
    """Boxes `[..., 4]` in the mirror image, left and right exchanged, of a picture so wide."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([width - right, top, width - left, bottom], -1)


def flip_down(boxes: Tensor, height: float) -> Tensor:
    """Boxes `[..., 4]` in a picture so high that was turned upside down."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([left, height - bottom, right, height - top], -1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of each of the boxes `a [n, 4]` with each of `b [m, 4]`: `[n, m]`.

    Without gradients, on a CPU, it is computed in steps that the cache holds.
    """
    a, b = _wide(a), _wide(b)
    wants_gradient = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    if wants_gradient:
        return paired_iou(a[:, None], b[None])
    found = torch.empty(len(a), len(b), dtype=torch.result_type(a, b), device=a.device)
    if not found.numel():
        return found
    step = len(a) if a.is_cuda else max(1, PAIRS_AT_ONCE // len(b))
    columns, own, others = b.T.contiguous(), area(a), area(b)
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        overlap_into(found[rows], a[rows], own[rows], columns, others)
    return found


def overlap_into(out: Tensor, a: Tensor, own: Tensor, columns: Tensor, others: Tensor) -> None:
    """Write the IoU of `a [..., n, 4]` with `columns [..., 4, m]` into `out [..., n, m]`.

    The second boxes come turned, so that each of their numbers lies in one piece of memory. `own
    [..., n]` and `others [..., m]` are the areas. Few passes over few buffers: twice as fast as the
    same in an expression.
    """
    left, top, right, bottom = (a[..., k, None] for k in range(4))
    lefts, tops, rights, bottoms = (columns[..., k, None, :] for k in range(4))
    torch.minimum(right, rights, out=out)
    height = torch.maximum(left, lefts)
    out.sub_(height).clamp_(min=0)
    torch.maximum(top, tops, out=height)
    height.neg_().add_(torch.minimum(bottom, bottoms)).clamp_(min=0)
    out.mul_(height)
    union = torch.add(own[..., None], others[..., None, :], out=height).sub_(out)
    out.div_(union.clamp_(min=torch.finfo(out.dtype).tiny))


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes `a [..., 4]` with those at the same places of `b [..., 4]`: `[...]`."""
    overlap, union = _overlap_and_union(_wide(a), _wide(b))
    return _ratio(overlap, union)


def paired_giou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU, from -1 to 1, of boxes `a [..., 4]` with those at the same places of `b [..., 4]`."""
    a, b = _wide(a), _wide(b)
    overlap, union = _overlap_and_union(a, b)
    around = area(_around(a, b))
    return _ratio(overlap, union) - _ratio(around - union, around)


def paired_ciou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU, from -2 to 1, of boxes `a [..., 4]` with those at the same places of `b [..., 4]`.

    `alpha` weighs the shapes and is given no gradient, as in the paper's appendix.
    """
    a, b = _wide(a), _wide(b)
    overlap = paired_iou(a, b)
    around = _around(a, b)
    diagonal = (around[..., 2:] - around[..., :2]).square().sum(-1)
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(-1) / 4
    v = 4 / math.pi**2 * (_slope(a) - _slope(b)).square()
    with torch.no_grad():
        alpha = _ratio(v, 1 - overlap + v)
    return overlap - _ratio(apart, diagonal) - alpha * v


def _wide(boxes: Tensor) -> Tensor:
    return boxes if boxes.dtype == torch.float64 else boxes.float()


def _sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    left, top, right, bottom = boxes.unbind(-1)
    return (right - left).clamp(min=0), (bottom - top).clamp(min=0)


def _overlap_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    shared = torch.cat(
        [torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])], -1
    )
    overlap = area(shared)
    return overlap, area(a) + area(b) - overlap


def _around(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat(
        [torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])], -1
    )


def _slope(boxes: Tensor) -> Tensor:
    width, height = _sizes(boxes)
    return torch.atan2(width, height.clamp(min=1e-9))  # atan2(0, 0) has no gradient


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Part of a whole, 0 where there is no whole; a gradient everywhere that is a number."""
    return torch.where(whole > 0, part / torch.where(whole > 0, whole, 1), 0)
