"""Non-maximum suppression: of boxes that show the same object, the surest stays.

Boxes surer than the threshold are looked at from the surest on; one that overlaps one already kept,
by more than `iou` and of the same class, is left out. The textbook's loop looks at one box after
the other. The same boxes are found here by few steps over many, and exactly:

    the boxes, surest first    [ block ][ the rest ]
    in the block               which pairs overlap: S, above the diagonal; then keep = not keep S,
                               again and again, until nothing changes: that is the loop's answer,
                               as the first box is right at once, then what depends on it, ...
    in the rest                only the kept of the block are compared with it, and what they
                               overlap is gone before the next block is taken

Classes, and pictures of a batch, never meet: those of few boxes are worked at side by side, as one
block each. No table of all pairs is ever made of many boxes.

Soft suppression (Bodla et al. 2017) lowers the score of what overlaps instead of leaving it out.

    kept = suppress(boxes, scores, labels, iou=0.5, threshold=0.25)
    boxes[kept], scores[kept], labels[kept]           # the surest first
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Literal

import torch
from torch import Tensor

from corpora.errors import UsageError
from vision.boxes import area, overlap_into, paired_iou

BLOCK = 192  # of many boxes, compared with each other at once
GROUP = 512  # boxes up to which a group is one block
NEAR = 1 << 15  # pairs of kept boxes and their neighbours at once, on a CPU
PAIRS_AT_ONCE = 1 << 17  # of small groups side by side, on a CPU: what its cache holds
FARTHEST = 1e15  # pixels: an area of boxes farther out is no number


def suppress(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor | None = None,
    *,
    iou: float = 0.5,
    threshold: float = 0.0,
    most: int | None = 300,
) -> Tensor:
    """Numbers of the boxes that stay, the surest first; of equals the first.

    Args:
        boxes: left, top, right, bottom `[n, 4]`.
        scores: how sure each is `[n]`.
        labels: the class of each `[n]`: a box is left out for one of its own class only. Without
            them all are of one class.
        iou: overlap above which the less sure box is left out.
        threshold: boxes with a score below it are discarded first; and so are those with a score or
            a corner that is no number.
        most: boxes to keep at most; all with None.

    Raises:
        UsageError: an `iou` that is no share.
    """
    return _suppressed(boxes, scores, labels, None, iou, threshold, most)


def suppress_batch(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    labels: Sequence[Tensor] | None = None,
    *,
    iou: float = 0.5,
    threshold: float = 0.0,
    most: int | None = 300,
) -> list[Tensor]:
    """`suppress` for each of several pictures, `[n, 4]` and `[n]` or `[pictures, n, ...]`, at once.

    Returns:
        For each picture the numbers of its boxes that stay, the surest first.
    """
    if not len(boxes):
        return []
    counts = torch.tensor([len(own) for own in boxes], device=boxes[0].device)
    pictures = torch.repeat_interleave(counts)
    joined = None if labels is None else torch.cat(tuple(labels))
    kept = _suppressed(
        torch.cat(tuple(boxes)), torch.cat(tuple(scores)), joined, pictures, iou, threshold, most
    )
    starts = counts.cumsum(0) - counts
    own = torch.bincount(pictures[kept], minlength=len(boxes))
    parts = (kept - starts[pictures[kept]]).split(own.tolist())
    return list(parts)


def suppress_softly(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor | None = None,
    *,
    how: Literal["linear", "gaussian"] = "gaussian",
    iou: float = 0.3,
    sigma: float = 0.5,
    threshold: float = 0.001,
    most: int | None = 300,
) -> tuple[Tensor, Tensor]:
    """Soft suppression: what overlaps a surer box of its class becomes less sure.

    The score of a box is multiplied by 1 - IoU where that is above `iou` ("linear"), or always by
    exp(-IoU² / sigma) ("gaussian"). A box whose score has fallen below the threshold is gone.

    Returns:
        Numbers of the boxes that stay, the surest first, and their new scores.
    """
    _check_share(iou)
    places = _is_sure(boxes, scores, threshold).nonzero()[:, 0]
    boxes, scores = boxes[places], scores[places].clone()
    labels = None if labels is None else labels[places]
    kept: list[Tensor] = []
    sure: list[Tensor] = []
    while len(kept) < len(places) and (most is None or len(kept) < most):
        score, first = scores.max(0)
        if score < threshold:
            break
        kept.append(first)
        sure.append(score)
        overlap = paired_iou(boxes[first], boxes)
        if labels is not None:
            overlap *= labels == labels[first]
        if how == "linear":
            scores *= torch.where(overlap > iou, 1 - overlap, 1).to(scores)
        else:
            scores *= (-overlap.square() / sigma).exp().to(scores)
        scores[first] = -torch.inf
    if not kept:
        return places[:0], scores[:0]
    return places[torch.stack(kept)], torch.stack(sure)


def _check_share(iou: float) -> None:
    if not 0 <= iou <= 1:
        raise UsageError(f"iou is {iou}: expected 0 to 1")


def _is_sure(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    return (scores >= threshold) & (boxes.abs().amax(-1) < FARTHEST)  # neither is true of NaN


def _suppressed(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor | None,
    pictures: Tensor | None,
    iou: float,
    threshold: float,
    most: int | None,
) -> Tensor:
    """Numbers of the boxes that stay, picture by picture, in each the surest first."""
    _check_share(iou)
    places = _is_sure(boxes, scores, threshold).nonzero()[:, 0]
    places = places[_order(scores[places], descending=True)]
    groups = None if pictures is None else pictures[places]
    if labels is not None and len(places):
        kinds = labels[places].unique(return_inverse=True)[1]
        groups = kinds if groups is None else groups * (kinds.max() + 1) + kinds
    if groups is None:
        order, counts = None, torch.full((1,), len(places), device=boxes.device)
    else:
        order = _order(groups)
        counts = groups[order].unique_consecutive(return_counts=True)[1]
    # index_select takes rows many times faster than boxes[places]
    by_group = boxes.index_select(0, places if order is None else places[order])
    by_group = by_group if boxes.dtype == torch.float64 else by_group.float()
    stays = _in_groups(by_group, counts, iou, most)
    if order is not None:
        stays = torch.empty_like(stays).index_copy_(0, order, stays)
    kept = places[stays]
    if pictures is None:
        return kept if most is None else kept[:most]
    kept = kept[_order(pictures[kept])]
    if most is not None and len(kept) > most:
        own = torch.bincount(pictures[kept])
        ranks = torch.arange(len(kept), device=kept.device)
        kept = kept[ranks - (own.cumsum(0) - own)[pictures[kept]] < most]
    return kept


def _order(numbers: Tensor, *, descending: bool = False) -> Tensor:
    """The order of `[n]`, of equals the first one first: a stable argsort.

    On a CPU what fits into 32 bits is sorted together with its places, by numpy, which takes a
    fraction of the time.
    """
    fits = numbers.dtype in (torch.float32, torch.float16, torch.bfloat16)
    if numbers.dtype == torch.int64 and len(numbers) and not descending:
        low, high = numbers.aminmax()
        fits = bool((low >= -(1 << 31)) & (high < 1 << 31))
    if numbers.device.type != "cpu" or not fits:
        return numbers.argsort(stable=True, descending=descending)
    if numbers.is_floating_point():
        numbers = numbers.detach().float()
        bits = ((-numbers if descending else numbers) + 0.0).view(torch.int32)  # -0.0 is 0.0
        numbers = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # as whole numbers in the same order
    keys = (numbers.long() << 32) | torch.arange(len(numbers))
    keys.numpy().sort()
    return keys & 0xFFFFFFFF


def _in_groups(boxes: Tensor, counts: Tensor, iou: float, most: int | None) -> Tensor:
    """Which boxes `[n, 4]` stay, of groups that lie one after the other, the surest first."""
    stays = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    starts = counts.cumsum(0) - counts
    for start, count in zip(*(t[counts > GROUP].tolist() for t in (starts, counts)), strict=True):
        stays[start : start + count] = _in_blocks(boxes[start : start + count], iou, most)
    at_once = PAIRS_AT_ONCE << 8 if boxes.is_cuda else PAIRS_AT_ONCE
    few = (counts > 1) & (counts <= GROUP)
    starts, counts = starts[few], counts[few]
    # Groups of like sizes are filled up to the same size.
    powers = torch.bucketize(counts, 1 << torch.arange(32, device=boxes.device))
    for power in powers.unique().tolist():
        chosen = powers == power
        for some, sizes in zip(
            *(t[chosen].split(max(1, at_once >> 2 * power)) for t in (starts, counts)),
            strict=True,
        ):
            ranks = torch.arange(int(sizes.max()), device=boxes.device)
            is_box = ranks < sizes[:, None]
            numbers = some[:, None] + ranks * is_box
            kept = _in_block(boxes[numbers], iou)
            stays[numbers[is_box]] = kept[is_box]
    return stays


def _in_block(boxes: Tensor, iou: float) -> Tensor:
    """Which of few boxes `[groups, n, 4]` stay: `[groups, n]`."""
    overlap = torch.empty(*boxes.shape[:2], boxes.shape[1], dtype=boxes.dtype, device=boxes.device)
    areas = area(boxes)
    overlap_into(overlap, boxes, areas, boxes.mT.contiguous(), areas)
    ranks = torch.arange(boxes.shape[1], device=boxes.device, dtype=boxes.dtype)
    beats = overlap.gt_(iou).mul_((ranks - ranks[:, None]).clamp_(0, 1))  # far faster than triu_
    kept = torch.ones_like(beats[:, :1])
    while True:
        now = torch.bmm(kept, beats).eq_(0)
        if torch.equal(now, kept):
            return kept[:, 0].bool()
        kept = now


def _in_blocks(boxes: Tensor, iou: float, most: int | None) -> Tensor:
    """Which of many boxes `[n, 4]` stay: `[n]`; less sure ones than the `most` surest may not."""
    stays = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    is_open = torch.ones_like(stays)  # neither kept nor beaten
    # The rest lies from left to right, so that a box is compared with few of its neighbours only.
    rest = _order(boxes[:, 0])
    ordered = boxes.index_select(0, rest)
    columns, areas = ordered.T.contiguous(), area(ordered)
    count = 0
    while most is None or count < most:
        block = is_open.nonzero()[:BLOCK, 0]
        if not len(block):
            break
        winners = block[_in_block(boxes.index_select(0, block)[None], iou)[0]]
        stays[winners] = True
        count += len(winners)
        is_open[block] = False
        still = is_open[rest].nonzero()[:, 0]
        if not len(still):
            break
        rest, columns, areas = rest[still], columns.index_select(1, still), areas[still]
        chosen = boxes.index_select(0, winners)
        chosen = chosen.index_select(0, chosen[:, 0].argsort())
        is_open[rest[_beaten(chosen, columns, areas, iou)]] = False
    return stays


def _beaten(winners: Tensor, columns: Tensor, areas: Tensor, iou: float) -> Tensor:
    """Which boxes `[4, m]` a winner `[n, 4]` overlaps; both lie from left to right.

    IoU is at most the shared width by the greater one. So a box is beaten only by one less than
    1 / iou times as wide and with its left edge between two bounds.
    """
    beaten = torch.zeros_like(areas, dtype=torch.bool)
    left, width = winners[:, 0], (winners[:, 2] - winners[:, 0]).clamp(min=0)
    slack = 0.01 * width + 1e-5 * winners.abs().amax()  # for what rounding does
    first = torch.searchsorted(columns[0], left - width * (1 / max(iou, 1e-9) - 1) - slack)
    last = torch.searchsorted(columns[0], left + width * (1 - iou) + slack, right=True)
    own = area(winners)
    firsts, lasts = first.tolist(), last.tolist()
    # the more there are, the fewer at once, so that they have few neighbours
    step = BLOCK if winners.is_cuda else max(1, isqrt(BLOCK * NEAR // max(1, len(areas))))
    for start in range(0, len(winners), step):
        some = slice(start, start + step)
        near = slice(min(firsts[some]), max(lasts[some]))
        few = columns[:, near]
        overlap = few.new_empty(len(winners[some]), few.shape[1])
        overlap_into(overlap, winners[some], own[some], few, areas[near])
        beaten[near] |= overlap.amax(0) > iou
    return beaten
