"""What a model of transformers has read, as a state that is a value.

The state is transformers' own cache, of which every reading makes a copy that shares its tensors:
they are never written in, only replaced.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from corpora.errors import UsageError

JOINABLE = ("DynamicLayer", "DynamicSlidingWindowLayer", "DummyLayer")


class Reading:
    """What has been read: `rows` texts side by side, and transformers' cache of them.

    ids    the tokens, `[rows, length]`
    own    which of them belong to the text, `[rows, length]`; None where all do. False is padding
           before shorter texts
    cache  a `transformers.DynamicCache`; None before the first token
    """

    def __init__(self, ids: Tensor, own: Tensor | None = None, cache: Any = None) -> None:
        self.ids, self.own, self.cache = ids, own, cache

    @property
    def length(self) -> int:
        return self.ids.shape[1]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Any) -> Reading:
        """These rows, in this order; a list, a slice or a tensor of places or of bools."""
        places = torch.arange(len(self), device=self.ids.device)[rows]
        cache = None if self.cache is None else copied(self.cache)
        if cache is not None:
            cache.reorder_cache(places)
        return Reading(self.ids[places], None if self.own is None else self.own[places], cache)

    @classmethod
    def joined(cls, readings: Sequence[Reading]) -> Reading:
        """The rows of several under each other, shorter ones with padding at their left.

        Raises:
            UsageError: the model's memory is not keys and values alone (Mamba and its like).
        """
        if len(readings) == 1:
            return readings[0]
        length = max(reading.length for reading in readings)
        ids = [F.pad(r.ids, (length - r.length, 0)) for r in readings]
        masks = [torch.ones_like(r.ids).bool() if r.own is None else r.own for r in readings]
        own = torch.cat([F.pad(mask, (length - mask.shape[1], 0)) for mask in masks])
        cache = _joined([r.cache for r in readings], [len(r) for r in readings]) if length else None
        return cls(torch.cat(ids), None if bool(own.all()) else own, cache)


def copied(cache: Any) -> Any:
    """Another cache with the same content: going on from one leaves the other as it is.

    Keys and values are replaced by longer ones and never written in, so both share them; the states
    of linear attention, in dictionaries, are written in.
    """
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in twin.layers:
        for name, value in vars(layer).items():
            if isinstance(value, dict):
                own = {k: v.clone() if isinstance(v, Tensor) else v for k, v in value.items()}
                setattr(layer, name, own)
    return twin


def _joined(caches: Sequence[Any], rows: Sequence[int]) -> Any:
    """One cache for the rows of several, whose latest tokens stand in one column.

    Args:
        caches: None stands for one in which nothing was read.
        rows: how many texts each has.
    """
    whole = copied(max((c for c in caches if c is not None), key=lambda c: c.get_seq_length()))
    for place, layer in enumerate(whole.layers):
        if type(layer).__name__ not in JOINABLE:
            raise UsageError(
                f"texts of different lengths cannot be read side by side by this model: a "
                f"{type(layer).__name__} has no places to fill; take one text at a time"
            )
        if layer.keys is None:
            continue
        for name in ("keys", "values"):
            longest = getattr(layer, name)  # [rows, heads, length, features]
            parts = []
            for cache, count in zip(caches, rows, strict=True):
                if cache is None:
                    part = longest.new_zeros((count, *longest.shape[1:]))
                else:
                    part = getattr(cache.layers[place], name)
                parts.append(F.pad(part, (0, 0, longest.shape[2] - part.shape[2], 0)))
            setattr(layer, name, torch.cat(parts))
    return whole
