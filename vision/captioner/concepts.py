"""Words and short phrases that the image encoder finds somewhere in a picture: its second task.

    captions  "a red circle above two blue squares"       cells      red   blue squares
    concepts  red, circle, red circle, above,             ┌──┬──┐
              two, two blue, blue squares, ...     ◄────  │.9│.0│     .9      .1
                                                          ├──┼──┤
                                                          │.0│.8│     .0      .8
                                                          └──┴──┘
    p(concept) = 1 - prod_cells (1 - p_cell(concept))                 .9      .8

No caption says where a thing is. That a phrase is true of a picture if some cell shows it, a noisy
or over the cells, is enough to learn which (Fang et al. 2015, "From Captions to Visual Concepts
and Back", section 3). A decoder alone needs longer to find out: until it looks at the right cell,
no word tells the encoder what to make of that cell. Concepts are read off the backbone, which knows
of no place: what else the decoder needs to know of a cell is not theirs to shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.caption_words import words_of

LONGEST = 2  # words of a phrase
LEAST = 10  # pictures that have a phrase in a caption
COMMON = 0.5  # the share of pictures above which a phrase tells nothing: "a", "of"


def phrases(captions: Sequence[str]) -> set[str]:
    """All words and pairs of words of a picture's captions."""
    found = set[str]()
    for caption in captions:
        words = words_of(caption)
        for length in range(1, LONGEST + 1):
            found |= {
                " ".join(words[start : start + length]) for start in range(len(words) - length + 1)
            }
    return found


def choose(pictures: Sequence[Sequence[str]], most: int) -> tuple[str, ...]:
    """The concepts of pictures with such captions: of the phrases that some pictures have and not
    most, those of the most pictures."""
    counts = Counter(phrase for captions in pictures for phrase in phrases(captions))
    known = [
        (-count, phrase)
        for phrase, count in counts.items()
        if LEAST <= count <= COMMON * len(pictures)
    ]
    return tuple(phrase for _, phrase in sorted(known)[:most])


class Concepts(nn.Module):
    """What each cell shows of a list of phrases.

    Args:
        features: of a cell, as the backbone sees it.
        names: the phrases.
        cells: of a picture, about: before training one in a hundred has a phrase at all.
    """

    def __init__(self, features: int, names: Sequence[str], cells: int) -> None:
        super().__init__()
        self.number = {name: place for place, name in enumerate(names)}
        self.output = nn.Linear(features, len(names))
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.constant_(self.output.bias, -torch.tensor(100.0 * cells).log().item())

    def targets(self, captions: Sequence[str]) -> Tensor:
        """`[concepts]` bool: which of them a picture's captions name."""
        named = torch.zeros(len(self.number), dtype=torch.bool)
        named[[self.number[one] for one in phrases(captions) if one in self.number]] = True
        return named

    def forward(self, cells: Tensor) -> Tensor:
        """The probability of each concept in each cell, `[batch, cells, concepts]`, of cells
        `[batch, cells, features]`."""
        found: Tensor = self.output(cells).sigmoid()
        return found

    def nats(self, cells: Tensor, targets: Tensor) -> Tensor:
        """What a picture's concepts `[batch, concepts]` cost in all, `[batch]`."""
        # log(1 - p) of a picture is the sum of its cells'.
        without = F.softplus(self.output(cells).float()).sum(1)
        found = -(-torch.expm1(-without)).clamp(min=1e-6).log()
        return torch.where(targets, found, without).sum(1)
