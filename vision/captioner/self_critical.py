"""Self-critical training (Rennie, Marcheret, Mroueh, Ross and Goel 2017).

    gradient  =  -(r(drawn) - r(likeliest)) grad log p(drawn)        equation 9

Captions are drawn from the model and judged by CIDEr-D. One that is better than what the model
writes when it takes the likeliest word each time becomes more probable, one that is worse less so.
The pictures are looked at with the statistics that batch norm has, for so were the captions drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nlp.core.search.beam import Hypothesis, search
from nlp.core.strategies import Greedy, Sampling
from vision.captioner.model import CaptionBatch, Captioner

# So many texts, and the number of the picture that each is of, to so many rewards.
Reward = Callable[[Sequence[str], Sequence[int]], Sequence[float]]


def self_critical_batch(
    model: Captioner,
    pixels: Tensor,
    pictures: Sequence[int],
    reward: Reward,
    *,
    draws: int,
    max_length: int,
) -> CaptionBatch:
    """Captions that the model draws of prepared pictures, with what they are better by.

    The model is left in training, its image encoder in evaluation. Chance is torch's own.

    Args:
        pixels: `[batch, 3, size, size]`.
        pictures: the numbers by which `reward` knows them.
        draws: captions of each picture.
        max_length: pieces of a caption.
    """
    model.eval()
    with torch.inference_mode():
        reading = model.read(pixels)
    seed = int(torch.randint(1 << 62, ()))
    limits = {"start_id": model.start_id, "stop_id": model.start_id, "max_tokens": max_length}
    greedy = search(reading, Greedy(), **limits)  # type: ignore[arg-type]
    drawn = search(reading, Sampling(), n_best=draws, seed=seed, **limits)  # type: ignore[arg-type]
    model.train()
    model.encoder.eval()

    def rewards(found: Sequence[Sequence[Hypothesis]]) -> list[list[float]]:
        texts = [model.texts.decode(one.ids) for own in found for one in own]
        numbers = [number for number, own in zip(pictures, found, strict=True) for _ in own]
        told = iter(reward(texts, numbers))
        return [[float(next(told)) for _ in own] for own in found]

    baselines = [own[0] for own in rewards(greedy)]
    batch = model.batch(
        pixels,
        [one.ids for own in drawn for one in own],
        [row for row, own in enumerate(drawn) for _ in own],
        [
            got - baseline
            for own, baseline in zip(rewards(drawn), baselines, strict=True)
            for got in own
        ],
    )
    # A caption that was cut has drawn no end.
    for row, one in enumerate(one for own in drawn for one in own):
        batch.mask[row, len(one.ids)] &= one.end is not None
    return batch
