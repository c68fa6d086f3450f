"""What a transformer has read: keys and values of every layer, as a state that is a value.

    Cache ──► Room  [2, layers, rows, heads, capacity, head_size]
    length      ▲      ■ ■ ■ ■ ■ □ □ □      filled: 5
                │
    Cache ──────┘   the same tokens and one more were read: it wrote behind, in place

A state may be gone on from twice, as when ten endings of one story are compared. Whoever comes
first writes behind it in place; the second finds the room written and takes a copy. So reading on
costs what the new tokens cost, and no state ever changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

STEP = 128  # tokens by which a room that is too small grows


class Room:
    """Memory that several caches share; columns from `filled` on are nobody's yet."""

    def __init__(self, data: Tensor, ids: Tensor, filled: int = 0) -> None:
        self.data = data  # [2, layers, rows, heads, capacity, head_size]: keys, values
        self.ids = ids  # [rows, capacity]
        self.filled = filled

    @property
    def capacity(self) -> int:
        return self.ids.shape[1]

    def copied(self, length: int, capacity: int) -> Room:
        """Another room with the first `length` columns of this one."""
        data = self.data.new_empty((*self.data.shape[:4], capacity, self.data.shape[5]))
        ids = self.ids.new_empty((len(self.ids), capacity))
        data[..., :length, :] = self.data[..., :length, :]
        ids[:, :length] = self.ids[:, :length]
        return Room(data, ids, length)


class Cache:
    """The first `length` columns of a room, a row for each text.

    `padding` `[rows]` counts columns at the left of a row that are not its own; None where all
    texts are of one length. `cache[rows]` are these of its rows, as of any part of a state.
    """

    def __init__(self, room: Room, length: int, padding: Tensor | None = None) -> None:
        self._room, self.length, self.padding = room, length, padding

    @classmethod
    def empty(
        cls, rows: int, layers: int, heads: int, head_size: int, *, like: Tensor, capacity: int
    ) -> Cache:
        """Nothing read yet; numbers are kept in the type of `like` and on its device."""
        data = like.new_empty((2, layers, rows, heads, capacity, head_size))
        return cls(
            Room(data, torch.empty((rows, capacity), dtype=torch.long, device=like.device)), 0
        )

    @property
    def ids(self) -> Tensor:
        """The tokens read, `[rows, length]`."""
        return self._room.ids[:, : self.length]

    def __len__(self) -> int:
        return len(self._room.ids)

    def __getitem__(self, rows: Any) -> Cache:
        data, ids = self._room.data[:, :, rows], self._room.ids[rows]
        if isinstance(rows, slice):  # a view, in which nobody may write
            data, ids = data.clone(), ids.clone()
        padding = None if self.padding is None else self.padding[rows]
        return Cache(Room(data, ids, self.length), self.length, padding)

    @staticmethod
    def joined(caches: Sequence[Cache]) -> Cache:
        """The rows of several under each other, those of shorter texts with padding at their
        left."""
        if len(caches) == 1:
            return caches[0]
        length = max(cache.length for cache in caches)
        rows = sum(len(cache) for cache in caches)
        like = caches[0]._room.data
        data = like.new_zeros((2, like.shape[1], rows, like.shape[3], length + STEP, like.shape[5]))
        ids = caches[0].ids.new_zeros((rows, length + STEP))
        padding = torch.zeros(rows, dtype=torch.long, device=like.device)
        at = 0
        for cache in caches:
            here, begin = slice(at, at + len(cache)), length - cache.length
            data[:, :, here, :, begin:length] = cache._room.data[..., : cache.length, :]
            ids[here, begin:length] = cache.ids
            padding[here] = begin if cache.padding is None else begin + cache.padding
            at += len(cache)
        return Cache(Room(data, ids, length), length, padding if bool(padding.any()) else None)

    @property
    def longest(self) -> int:
        """Tokens of the longest text, its padding not counted."""
        return self.length - (0 if self.padding is None else int(self.padding.min()))

    def trimmed(self) -> Cache:
        """The same without the columns that are padding in every row."""
        if self.padding is None:
            return self
        gone, length = self.length - self.longest, self.longest
        padding = self.padding - gone if bool((self.padding > gone).any()) else None
        if not gone:
            return Cache(self._room, length, padding)
        columns = slice(gone, self.length)
        room = Room(self._room.data[..., columns, :].clone(), self.ids[:, columns].clone(), length)
        return Cache(room, length, padding)

    def extended(self, ids: Tensor, most: int) -> Cache:
        """The cache with `ids` `[rows, time]` behind it, whose keys and values are to be written;
        `most` is as large as a room ever needs to be."""
        room, length = self._room, self.length + ids.shape[1]
        if room.filled > self.length or length > room.capacity:
            room = room.copied(self.length, max(length, min(most, length + STEP)))
        room.ids[:, self.length : length] = ids
        room.filled = length
        return Cache(room, length, self.padding)

    def write(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Puts a layer's keys and values of the latest tokens `[rows, heads, time, head_size]` in
        their place; returns those of all tokens `[rows, heads, length, head_size]`, in the type
        that they are kept in."""
        columns = slice(self.length - key.shape[2], self.length)
        keys, values = self._room.data[0, layer], self._room.data[1, layer]
        keys[:, :, columns], values[:, :, columns] = key.detach(), value.detach()
        if torch.is_grad_enabled() and key.requires_grad:  # the room itself knows no gradients
            before = slice(0, columns.start)
            return (
                torch.cat([keys[:, :, before].to(key.dtype), key], 2),
                torch.cat([values[:, :, before].to(value.dtype), value], 2),
            )
        return keys[:, :, : self.length], values[:, :, : self.length]

    def positions(self, time: int) -> Tensor:
        """Of the latest `time` tokens in their own texts: `[time]`, or `[rows, time]`."""
        columns = torch.arange(self.length - time, self.length, device=self._room.ids.device)
        if self.padding is None:
            return columns
        return (columns - self.padding.unsqueeze(1)).clamp_(min=0)

    def visible(self, time: int) -> Tensor | None:
        """What the latest `time` tokens may look at, `[rows or 1, 1, time, length]`, True where
        they may; None where that is all before them and nothing was read before these."""
        if self.padding is None and time in (1, self.length):
            return None
        columns = torch.arange(self.length, device=self._room.ids.device)
        seen = columns <= columns[self.length - time :].unsqueeze(1)  # [time, length]
        if self.padding is None:
            return seen[None, None]
        own = columns >= self.padding.unsqueeze(1)  # [rows, length]
        # A column of padding looks at itself: a softmax over nothing would be NaN.
        itself = columns == columns[self.length - time :].unsqueeze(1)
        return (own[:, None] & seen | itself).unsqueeze(1)
