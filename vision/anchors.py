"""Anchors: sizes that a detector starts from, and which of its places owns which box.

A detector looks at a picture through grids of cells, and in every cell through a few anchors: sizes
of boxes that are common. Every object belongs to the cell that holds its middle and to the anchor
of the most similar shape; the network corrects the anchor by four numbers t (Redmon & Farhadi 2017,
2018; s is the logistic function, c the cell's column and row, a the anchor):

    "exponential"   middle = c + s(t)             size = a exp(t)
    "bounded"       middle = c + 2 s(t) - 0.5     size = a (2 s(t))²

The bounded form is that of YOLOv5. It reaches the edges of a cell, and half a cell beyond them,
without t running away; and a size cannot exceed four times the anchor, so an anchor that is more
than four times off is of no use to an object. A size may exceed its cell in both.

    anchors = k_means_anchors(sizes, 9).view(3, 3, 2)        # small, middle and large ones
    owned = assign(boxes, grids, anchors)
    t = encode(boxes[owned.box], owned.cell, anchors[owned.scale, owned.anchor], owned.stride)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from corpora.errors import UsageError
from vision.boxes import convert

Coding = Literal["exponential", "bounded"]
Choice = Literal["best", "several"]

WIDEST = 4.0  # times that a box may exceed an anchor, or an anchor a box, with "several"
LONGEST = 10.0  # exponent of a size: beyond e^10 times an anchor there are no pictures
EPSILON = 1e-6  # how near to its ends the inverse of the logistic function is asked


class Grid(NamedTuple):
    """A grid of square cells over a picture."""

    rows: int
    columns: int
    stride: int  # pixels from one cell to the next

    @property
    def cells(self) -> Tensor:
        """Column and row of every cell: `[rows, columns, 2]`."""
        down, across = torch.meshgrid(
            torch.arange(self.rows), torch.arange(self.columns), indexing="ij"
        )
        return torch.stack([across, down], -1)


class Assignment(NamedTuple):
    """Which places own which boxes; all tensors are `[owners]`, and a place occurs once.

    A box has one owner, or several with `choice="several"`.
    """

    box: Tensor  # number of the box
    picture: Tensor  # number of its picture
    scale: Tensor  # number of the grid
    anchor: Tensor  # number of the anchor among those of its grid
    row: Tensor
    column: Tensor
    stride: Tensor  # pixels, of the grid; [owners, 1]
    collisions: int  # places that a box would have had but for a better one
    left_out: Tensor  # boxes without a place: those that lost all, lie outside or are empty

    @property
    def cell(self) -> Tensor:
        """Column and row: `[owners, 2]`."""
        return torch.stack([self.column, self.row], -1)


def shape_iou(sizes: Tensor, anchors: Tensor) -> Tensor:
    """IoU of sizes `[n, 2]` with anchors `[m, 2]`, all laid on one corner: `[n, m]`."""
    shared = torch.minimum(sizes[:, None], anchors[None]).prod(-1)
    both = sizes.prod(-1)[:, None] + anchors.prod(-1)[None] - shared
    return torch.where(both > 0, shared / both, 0)


def k_means_anchors(sizes: Tensor, k: int, seed: int = 0, *, draws: int = 5) -> Tensor:
    """The `k` sizes that are most like the boxes of a training set, the smallest first.

    k-means with the distance 1 - IoU (Redmon & Farhadi 2017), begun `draws` times with boxes far
    from each other (k-means++); the one with the highest mean IoU is kept. Where there are fewer
    than `k` different sizes, their halves and doubles are taken for sizes too.

    Args:
        sizes: widths and heights of boxes `[n, 2]`, in pixels of the network's input.

    Returns:
        Widths and heights `[k, 2]`, by their area.

    Raises:
        UsageError: no box with an inside to learn them from.
    """
    sizes = sizes.detach().cpu().double()
    sizes = sizes[(sizes > 0).all(-1) & sizes.isfinite().all(-1)]
    if not len(sizes):
        raise UsageError("no anchors can be learned: there is no box with a width and a height")
    while len(different := sizes.unique(dim=0)) < k:
        sizes = torch.cat([different, different / 2, different * 2])
    generator = torch.Generator().manual_seed(seed)
    best, fit = sizes[:k], -1.0
    for _ in range(draws):
        anchors = _far_apart(sizes, k, generator)
        nearest = None
        for _ in range(300):
            overlap, now = shape_iou(sizes, anchors).max(1)
            mean = overlap.mean().item()
            if mean > fit:
                best, fit = anchors, mean
            if nearest is not None and torch.equal(now, nearest):
                break
            nearest = now
            counts = torch.bincount(now, minlength=k)[:, None]
            sums = torch.zeros_like(anchors).index_add_(0, now, sizes)
            # an anchor that has lost its boxes goes to the one that is served worst
            anchors = torch.where(counts > 0, sums / counts.clamp(min=1), sizes[overlap.argmin()])
    return best[best.prod(-1).argsort(stable=True)].float()


def _far_apart(sizes: Tensor, k: int, generator: torch.Generator) -> Tensor:
    chosen = sizes[torch.randint(len(sizes), (1,), generator=generator)]
    apart = torch.ones(len(sizes), dtype=sizes.dtype)
    for _ in range(k - 1):
        apart = torch.minimum(apart, 1 - shape_iou(sizes, chosen[-1:])[:, 0]).clamp_(min=0)
        # the running sum, as multinomial takes no more than 2^24 of them
        place = torch.rand(1, generator=generator, dtype=sizes.dtype) * apart.sum()
        number = torch.searchsorted(apart.cumsum(0), place, right=True).clamp_(max=len(sizes) - 1)
        chosen = torch.cat([chosen, sizes[number]])
    return chosen


def assign(
    boxes: Tensor,
    grids: Sequence[Grid],
    anchors: Tensor | Sequence[Tensor],
    *,
    pictures: Tensor | None = None,
    choice: Choice = "best",
    neighbours: bool = False,
) -> Assignment:
    """Which cell, anchor and scale owns each box.

    A place, that is a cell's anchor in a picture, owns one box at most. Where two want it, it goes
    to the one whose middle the cell holds; then to the one of the more similar shape; then to the
    earlier. The loser is counted, not moved.

    Args:
        boxes: left, top, right, bottom `[n, 4]` in pixels of the network's input.
        grids: of each scale.
        anchors: widths and heights in pixels, of each scale: `[scales, anchors, 2]`.
        pictures: the number of each box's picture in the batch `[n]`; all of one without it.
        choice: "best" takes the anchor of the most similar shape among all scales (YOLOv2, YOLOv3);
            "several" also every other whose width and height are less than four times off either
            way (YOLOv5), so that there is more to learn from few boxes.
        neighbours: also the two cells nearest to the middle beside the one that holds it, as YOLOv5
            does. Their middles lie up to half a cell beyond the cell: the "bounded" coding only.
    """
    device = boxes.device
    if pictures is None:
        pictures = torch.zeros(len(boxes), dtype=torch.long, device=device)
    middles, sizes = convert(boxes, "xyxy", "cxcywh").split(2, -1)
    every = torch.cat(list(anchors)).to(boxes)
    fits = shape_iou(sizes, every)
    wanted = torch.zeros_like(fits, dtype=torch.bool)
    if len(boxes):
        wanted.scatter_(1, fits.argmax(1, keepdim=True), True)
    if choice == "several":
        ratios = sizes[:, None] / every[None]
        wanted |= torch.maximum(ratios, 1 / ratios).amax(-1) < WIDEST
    wanted &= (sizes > 0).all(-1)[:, None]
    wishes: list[Tensor] = []  # of: box, scale, anchor, row, column, stride, is neighbour
    fit: list[Tensor] = []
    first = 0
    for number, (grid, own) in enumerate(zip(grids, anchors, strict=True)):
        place, cell, beside = _cells(middles / grid.stride, grid, neighbours)
        box, anchor = wanted[place, first : first + len(own)].nonzero(as_tuple=True)
        fit.append(fits[place[box], first + anchor])
        scale, stride = torch.full_like(box, number), torch.full_like(box, grid.stride)
        column, row = cell[box].unbind(1)
        wish = [place[box], scale, anchor, row, column, stride, beside[box]]
        wishes.append(torch.stack(wish))
        first += len(own)
    order = torch.cat(fit).argsort(descending=True, stable=True)
    table = torch.cat(wishes, 1)[:, order]
    table = table[:, table[6].argsort(stable=True)]
    box, scale, anchor, row, column, stride = table[:6]
    picture = pictures.to(device)[box]
    # one number for a place
    side = max((max(grid.rows, grid.columns) for grid in grids), default=1)
    most = max(map(len, anchors), default=1)
    places = (((picture * len(grids) + scale) * most + anchor) * side + row) * side + column
    winners = _first_of_each(places)
    collisions = len(box) - len(winners)
    has_place = torch.zeros(len(boxes), dtype=torch.bool, device=device)
    has_place[box[winners]] = True
    lost = (~has_place).nonzero()[:, 0]
    kept = torch.stack([box, picture, scale, anchor, row, column, stride])[:, winners]
    box, picture, scale, anchor, row, column, stride = kept
    return Assignment(box, picture, scale, anchor, row, column, stride[:, None], collisions, lost)


def _cells(middles: Tensor, grid: Grid, neighbours: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Which box, column and row, and whether it is a neighbour; middles are in cells."""
    ends = middles.new_tensor([grid.columns, grid.rows])
    inside = ((middles >= 0) & (middles <= ends)).all(-1)
    place = inside.nonzero()[:, 0]
    # a middle on the far edge is in the last cell
    cell = torch.minimum(middles[place].floor(), ends - 1)
    places, cells, besides = [place], [cell], [torch.zeros_like(place)]
    if neighbours:
        within = middles[place] - cell
        for axis in (0, 1):
            step = torch.where(within[:, axis] < 0.5, -1, 1)
            beside = cell.clone()
            beside[:, axis] += step
            held = (within[:, axis] != 0.5) & (beside[:, axis] >= 0)
            held &= beside[:, axis] < ends[axis]
            places.append(place[held])
            cells.append(beside[held])
            besides.append(torch.ones_like(place[held]))
    return torch.cat(places), torch.cat(cells).long(), torch.cat(besides)


def _first_of_each(numbers: Tensor) -> Tensor:
    """Where each different one of `numbers [n]` occurs first, in their order."""
    ordered, order = numbers.sort(stable=True)
    is_first = torch.ones_like(ordered, dtype=torch.bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return order[is_first].sort().values


def decode(
    raw: Tensor,
    cells: Tensor,
    anchors: Tensor,
    stride: int | Tensor,
    coding: Coding = "bounded",
) -> Tensor:
    """Boxes, left, top, right, bottom in pixels, from what a network says of its places.

    Args:
        raw: t for x, y, width, height `[..., 4]`.
        cells: column and row `[..., 2]`; `Grid.cells` for a whole grid.
        anchors: width and height in pixels `[..., 2]`; with `raw [batch, anchors, rows, columns,
            4]` they are `[anchors, 1, 1, 2]`.
        stride: pixels of a cell; a number or `[..., 1]`.
    """
    if coding == "exponential":
        middles = raw[..., :2].sigmoid() + cells
        sizes = anchors * raw[..., 2:].clamp(max=LONGEST).exp()
    else:
        middles = 2 * raw[..., :2].sigmoid() - 0.5 + cells
        sizes = anchors * (2 * raw[..., 2:].sigmoid()).square()
    return convert(torch.cat([middles * stride, sizes.expand_as(middles)], -1), "cxcywh", "xyxy")


def encode(
    boxes: Tensor,
    cells: Tensor,
    anchors: Tensor,
    stride: int | Tensor,
    coding: Coding = "bounded",
) -> Tensor:
    """What a network would have to say for these boxes: `decode` turned round, `[..., 4]`.

    A middle or a size that the coding cannot say becomes the nearest that it can.
    """
    middles, sizes = convert(boxes, "xyxy", "cxcywh").split(2, -1)
    within, ratios = middles / stride - cells, sizes / anchors
    if coding == "exponential":
        return torch.cat([within.logit(EPSILON), ratios.log().clamp(max=LONGEST)], -1)
    return torch.cat([((within + 0.5) / 2).logit(EPSILON), (ratios.sqrt() / 2).logit(EPSILON)], -1)


def label_grid(boxes: Tensor, labels: Tensor, grid: Grid, anchors: Tensor, classes: int) -> Tensor:
    """The rows of the textbooks for one picture: `[rows, columns, anchors, 5 + classes]`.

    A row is `[p, bx, by, bw, bh, c1 .. cn]`: whether the cell and anchor own an object; where its
    middle lies in the cell, from 0 to 1; its width and height in cells, which may exceed 1; and a 1
    for its class. All is 0 where there is none.

    Args:
        boxes: left, top, right, bottom in pixels `[n, 4]`.
        labels: number of each box's class `[n]`.
        anchors: widths and heights in pixels `[anchors, 2]`.
    """
    shape = grid.rows, grid.columns, len(anchors), 5 + classes
    rows = torch.zeros(shape, dtype=boxes.dtype, device=boxes.device)
    owned = assign(boxes, [grid], [anchors])
    middles, sizes = (convert(boxes[owned.box], "xyxy", "cxcywh") / grid.stride).split(2, -1)
    kinds = one_hot(labels.to(boxes.device)[owned.box], classes).to(boxes)
    present = torch.ones_like(middles[:, :1])
    within = middles - owned.cell
    rows[owned.row, owned.column, owned.anchor] = torch.cat([present, within, sizes, kinds], -1)
    return rows
