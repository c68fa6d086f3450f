from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from corpora.errors import UsageError
from vision import suppression as module
from vision.boxes import iou as iou_of
from vision.suppression import suppress, suppress_batch, suppress_softly


def greedy(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor | None = None,
    *,
    iou: float = 0.5,
    threshold: float = 0.0,
    most: int | None = 300,
) -> list[int]:
    """The textbook's loop."""
    overlap = iou_of(boxes, boxes)
    left = [n for n, score in enumerate(scores.tolist()) if score >= threshold]
    kept: list[int] = []
    while left and (most is None or len(kept) < most):
        best = max(left, key=lambda n: (scores[n].item(), -n))
        kept.append(best)
        left = [
            n
            for n in left
            if n != best
            and not (overlap[best, n] > iou and (labels is None or labels[n] == labels[best]))
        ]
    return kept


def crowd(count: int, seed: int, *, objects: int = 6, side: float = 60.0) -> tuple[Tensor, Tensor]:
    """Boxes around a few objects, with scores of which some are equal."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(objects, 2, generator=generator) * side
    own = torch.randint(objects, (count,), generator=generator)
    middle = centre[own] + torch.randn(count, 2, generator=generator) * 3
    size = 4 + torch.rand(count, 2, generator=generator) * 16
    boxes = torch.cat([middle - size / 2, middle + size / 2], 1)
    return boxes, torch.rand(count, generator=generator).mul(20).round() / 20


@given(
    st.integers(0, 40),
    st.integers(0, 10**6),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]),
    st.sampled_from([0.0, 0.25, 0.75]),
    st.sampled_from([None, 0, 3, 300]),
    st.sampled_from([2, 8, 256]),
)
@settings(max_examples=80, deadline=None)
def test_the_same_boxes_stay_as_in_the_loop(
    count: int,
    seed: int,
    kinds: int,
    iou: float,
    threshold: float,
    most: int | None,
    block: int,
) -> None:
    """With one block, and with so many that what is left is compared from left to right."""
    boxes, scores = crowd(count, seed)
    labels = torch.randint(kinds, (count,)) if kinds else None
    before = module.BLOCK, module.GROUP
    module.BLOCK = module.GROUP = block
    try:
        found = suppress(boxes, scores, labels, iou=iou, threshold=threshold, most=most)
    finally:
        module.BLOCK, module.GROUP = before
    assert found.tolist() == greedy(boxes, scores, labels, iou=iou, threshold=threshold, most=most)


@pytest.mark.parametrize("objects", [5, 400])
def test_many_boxes_in_many_blocks(objects: int) -> None:
    boxes, scores = crowd(700, 1, objects=objects, side=300)
    found = suppress(boxes, scores, most=None)
    assert found.tolist() == greedy(boxes, scores, most=None)
    assert suppress(boxes, scores, most=7).tolist() == found[:7].tolist()


def test_a_long_chain_of_overlaps() -> None:
    """Each box beats the next only: every other one stays."""
    left = torch.arange(600) * 3.0
    boxes = torch.stack([left, torch.zeros(600), left + 10, torch.full((600,), 10.0)], 1)
    found = suppress(boxes, torch.linspace(1, 0.1, 600), most=None)
    assert found.tolist() == list(range(0, 600, 2))


def test_wide_and_narrow_boxes_in_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Widths of one to a thousand: what the bounds leave out must not matter."""
    monkeypatch.setattr(module, "BLOCK", 16)
    monkeypatch.setattr(module, "GROUP", 16)
    monkeypatch.setattr(module, "NEAR", 32)
    generator = torch.Generator().manual_seed(4)
    middle = torch.rand(500, 2, generator=generator) * 100
    size = 10 ** (torch.rand(500, 2, generator=generator) * 3 - 1)
    boxes = torch.cat([middle - size / 2, middle + size / 2], 1)
    scores = torch.rand(500, generator=generator)
    for iou in (0.0, 0.02, 0.2, 0.5, 0.8):
        found = suppress(boxes, scores, iou=iou, most=None)
        assert found.tolist() == greedy(boxes, scores, iou=iou, most=None)


@given(st.lists(st.integers(0, 30), max_size=5), st.integers(0, 10**6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_batch_is_its_pictures(counts: list[int], seed: int, with_labels: bool) -> None:
    rows = [crowd(count, seed + number) for number, count in enumerate(counts)]
    labels = [torch.randint(3, (count,)) for count in counts] if with_labels else None
    together = suppress_batch([b for b, _ in rows], [s for _, s in rows], labels, most=4)
    alone = [
        suppress(*row, None if labels is None else labels[number], most=4).tolist()
        for number, row in enumerate(rows)
    ]
    assert [kept.tolist() for kept in together] == alone


def test_a_batch_may_be_one_tensor() -> None:
    boxes, scores = (
        torch.stack(parts) for parts in zip(*(crowd(9, n) for n in range(3)), strict=True)
    )
    together = suppress_batch(boxes, scores)
    for number, kept in enumerate(together):
        assert kept.tolist() == suppress(boxes[number], scores[number]).tolist()


def test_the_course_discards_first() -> None:
    """Of two cars, each found several times, the surest stay; what is unsure is discarded first."""
    boxes = torch.tensor(
        [[0.0, 0, 10, 10], [1, 0, 11, 10], [1, 1, 11, 11], [30, 0, 40, 10], [31, 0, 41, 10]]
    )
    scores = torch.tensor([0.8, 0.9, 0.7, 0.6, 0.7])
    assert suppress(boxes, scores, threshold=0.65).tolist() == [1, 4]
    assert suppress(boxes, scores, threshold=0.75).tolist() == [1]
    assert suppress(boxes, scores, torch.tensor([0, 1, 0, 0, 0])).tolist() == [1, 0, 4]


def test_equal_scores_keep_the_first_and_an_equal_overlap_stays() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 2]])
    assert suppress(boxes, torch.ones(3)).tolist() == [0, 2]  # 0.5 is not above 0.5
    assert suppress(boxes, torch.ones(3), iou=0.49).tolist() == [0]


def test_what_is_no_number_is_discarded_and_touches_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [math.nan, 0, 4, 4], [0, 0, math.inf, 4], [0, 0, 4, 4]])
    scores = torch.tensor([0.5, 0.9, 0.9, math.nan])
    assert suppress(boxes, scores).tolist() == [0]
    assert suppress_softly(boxes, scores)[0].tolist() == [0]
    empty = torch.tensor([[3.0, 3, 3, 3], [3, 3, 3, 3], [5, 5, 2, 2]])
    assert suppress(empty, torch.ones(3)).tolist() == [0, 1, 2]  # without inside, no overlap


def test_no_boxes_and_wrong_shares() -> None:
    nothing = torch.zeros(0, 4), torch.zeros(0)
    assert suppress(*nothing).tolist() == []
    assert suppress_softly(*nothing)[0].tolist() == []
    assert suppress_batch([], []) == []
    with pytest.raises(UsageError, match=r"iou is 1\.5: expected 0 to 1"):
        suppress(*nothing, iou=1.5)


@pytest.mark.parametrize(
    "scores",
    [
        torch.tensor([3, 250, 250, 0, 7], dtype=torch.uint8),
        torch.tensor([3, -(1 << 40), 1 << 40, 3, 0]),
        torch.tensor([0.0, -0.0, -1.5, 0.0, 1e-30]),
        torch.tensor([0.1, 0.1 + 1e-15, -math.inf, 0.1, math.inf], dtype=torch.float64),
        torch.tensor([-3.0, -3.0, 65504.0, -0.0, 0.0], dtype=torch.float16),
        torch.tensor([0.5, 0.25, 0.75, 0.5, 0.5], requires_grad=True),
    ],
    ids=lambda scores: str(scores.dtype),
)
def test_scores_of_all_kinds_are_ordered(scores: Tensor) -> None:
    """Apart from each other all stay, and of equal scores the first comes first."""
    left = torch.arange(5.0) * 10
    boxes = torch.stack([left, left, left + 5, left + 5], 1)
    order = sorted(range(5), key=lambda place: -scores[place].item())
    labels = torch.tensor([5, -(1 << 50), 1 << 50, 5, 0])
    lowest = 0 if scores.dtype == torch.uint8 else -math.inf
    assert suppress(boxes, scores, threshold=lowest).tolist() == order
    assert suppress(boxes, scores, labels, threshold=lowest).tolist() == order


def test_half_precision_is_widened() -> None:
    boxes, scores = crowd(50, 3)
    half = boxes.bfloat16()
    assert suppress(half, scores).tolist() == greedy(half.float(), scores)


@given(
    st.integers(0, 15),
    st.integers(0, 10**6),
    st.sampled_from(["linear", "gaussian"]),
    st.booleans(),
    st.sampled_from([None, 4]),
)
@settings(max_examples=60, deadline=None)
def test_soft_scores_are_those_of_the_paper(
    count: int, seed: int, how: str, with_labels: bool, most: int | None
) -> None:
    boxes, scores = crowd(count, seed, objects=3)
    boxes = boxes.double()
    scores = torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    labels = torch.randint(2, (count,)) if with_labels else None
    overlap = iou_of(boxes, boxes)
    left = {n: s for n, s in enumerate(scores.tolist()) if s >= 0.05}
    expected: list[tuple[int, float]] = []
    while left and (most is None or len(expected) < most):
        best = max(left, key=lambda n: left[n])
        expected.append((best, left.pop(best)))
        for n in left:
            o = overlap[best, n].item()
            if labels is not None and labels[n] != labels[best]:
                continue
            if how == "gaussian":
                left[n] *= math.exp(-(o**2) / 0.4)
            elif o > 0.3:
                left[n] *= 1 - o
        left = {n: s for n, s in left.items() if s >= 0.05}
    before = scores.clone()
    kept, sure = suppress_softly(
        boxes,
        scores,
        labels,
        how=how,  # type: ignore[arg-type]
        sigma=0.4,
        threshold=0.05,
        most=most,
    )
    assert kept.tolist() == [n for n, _ in expected]
    assert sure.tolist() == pytest.approx([s for _, s in expected])
    assert torch.equal(scores, before)  # the caller's own are left as they are


@pytest.mark.gpu
def test_a_gpu_keeps_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    corner = 200 * torch.rand(3000, 2, generator=generator)
    boxes = torch.cat([corner, corner + 5 + 40 * torch.rand(3000, 2, generator=generator)], 1)
    scores, labels = torch.rand(3000, generator=generator), torch.arange(3000) % 3
    wanted = suppress(boxes, scores, labels, most=None)
    found = suppress(boxes.cuda(), scores.cuda(), labels.cuda(), most=None)
    assert found.is_cuda
    assert torch.equal(found.cpu(), wanted)
