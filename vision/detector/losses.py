"""What a detector's answers cost: how well boxes fit, objectness, classes.

Each part is divided by the number of places that own a box, objectness too, whose sum goes over
all places: nearly all of them hold nothing and are soon sure of it. It is at least the number of
pictures: a batch that shows little or nothing would else count as one box, and weigh as much more
as it is empty.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.boxes import paired_ciou, paired_iou


class Parts(NamedTuple):
    """The parts of a loss, [] each, with gradient."""

    box: Tensor  # 1 - CIoU
    objectness: Tensor  # nats, of all places
    classes: Tensor  # nats, of all classes


class Owned(NamedTuple):
    """Places that own a box, which is what they are to find. A place occurs once."""

    picture: Tensor  # [owners] int64
    place: Tensor  # [owners] int64, its number in the picture
    boxes: Tensor  # [owners, 4] left, top, right, bottom in pixels
    labels: Tensor  # [owners] int64


def detection_loss(
    found: Tensor, boxes: Tensor, owned: Owned, *, judge_overlap: bool = True
) -> Parts:
    """The parts of the loss of a batch, not weighted.

    Args:
        found: logits `[pictures, places, 5 + classes]`: objectness, the box, the classes.
        boxes: those that the owners have found, `[owners, 4]` in pixels, with gradient.
        owned: what they are to find.
        judge_overlap: an owner's objectness is to be the IoU of the two boxes, as they stand; else
            1. All others' is to be 0.
    """
    count = max(len(owned.place), len(found))
    own = found[owned.picture, owned.place]
    target = torch.zeros_like(found[..., 0])
    good = paired_iou(boxes.detach(), owned.boxes) if judge_overlap else boxes.new_ones(len(boxes))
    target[owned.picture, owned.place] = good.to(target)
    objectness = F.binary_cross_entropy_with_logits(found[..., 0], target, reduction="sum")
    wanted = F.one_hot(owned.labels, found.shape[2] - 5).to(found)
    classes = F.binary_cross_entropy_with_logits(own[:, 5:], wanted, reduction="sum")
    box = (1 - paired_ciou(boxes, owned.boxes)).sum()
    return Parts(box / count, objectness / count, classes / count)
