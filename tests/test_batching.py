"""Windows of a language model over one long text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from nlp.core.batching import Buckets, Windows, token_frequencies

sizes = {
    "tokens": st.integers(2, 200),
    "batch_size": st.integers(1, 9),
    "window": st.integers(1, 9),
}


@settings(deadline=None, max_examples=200)
@given(**sizes, seed=st.none() | st.integers(0, 5), number=st.integers(0, 3))
def test_targets_follow_their_inputs_and_windows_follow_each_other(
    tokens: int, batch_size: int, window: int, seed: int | None, number: int
) -> None:
    ids = np.arange(tokens, dtype=np.uint16)  # a token is its own position
    if tokens < window + 1:
        with pytest.raises(UsageError, match="tokens long"):
            Windows(ids, batch_size, window)
        return
    windows = Windows(ids, batch_size, window, seed=seed)
    batches = list(windows.epoch(number))
    assert len(batches) == len(windows)
    assert all(batch.inputs.shape[1] == window for batch in batches[:-1])
    for batch in batches:
        assert torch.equal(batch.inputs + 1, batch.targets)
        assert batch.inputs.dtype == torch.int64
    for batch, following in pairwise(batches):
        assert torch.equal(batch.targets[:, -1], following.inputs[:, 0])
    predicted = torch.cat([batch.targets for batch in batches], dim=1).flatten().tolist()
    assert len(set(predicted)) == len(predicted)
    # What is left out is no more than a shift and what does not fill the streams.
    assert tokens - 1 - len(predicted) < window + windows.batch_size


@settings(deadline=None, max_examples=50)
@given(**sizes, skip=st.integers(0, 30))
def test_skipping_is_starting_later(tokens: int, batch_size: int, window: int, skip: int) -> None:
    if tokens <= window:
        return
    windows = Windows(np.arange(tokens), batch_size, window, seed=3)
    rest, whole = list(windows.epoch(2, skip)), list(windows.epoch(2))
    assert len(rest) == max(0, len(whole) - skip)
    for batch, same in zip(rest, whole[skip:], strict=True):
        assert torch.equal(batch.inputs, same.inputs)


def test_an_epoch_depends_on_the_seed_and_its_number_alone() -> None:
    def begin(seed: int, number: int) -> int:
        windows = Windows(np.arange(1000), 4, 20, seed=seed)
        return int(next(windows.epoch(number)).inputs[0, 0])

    assert len({begin(0, number) for number in range(20)}) > 5
    assert len({begin(seed, 0) for seed in range(20)}) > 5
    assert begin(1, 7) == begin(1, 7)


def test_without_a_seed_every_epoch_begins_at_the_first_token() -> None:
    windows = Windows(np.arange(100), 4, 5)
    assert {int(next(windows.epoch(number)).inputs[0, 0]) for number in range(9)} == {0}


def test_a_short_text_fills_fewer_streams() -> None:
    windows = Windows(np.arange(31), 64, 10)
    assert windows.batch_size == 3
    assert next(windows.epoch(0)).inputs.shape == (3, 10)


def test_token_frequencies_count_across_blocks() -> None:
    ids = np.arange((1 << 20) + 3, dtype=np.uint16) % 5
    assert token_frequencies(ids, 6).tolist() == [*np.bincount(ids).tolist(), 0]


def test_buckets_hold_every_sequence_once_and_little_padding() -> None:
    lengths = [int(n) for n in np.random.default_rng(0).integers(1, 60, 500)]
    buckets = Buckets(lengths, 16, lambda rows: rows, seed=1)
    for epoch in range(3):
        batches = list(buckets.epoch(epoch))
        assert sorted(row for rows in batches for row in rows) == list(range(500))
        assert max(map(len, batches)) <= 16
        padded = sum(len(rows) * max(lengths[row] for row in rows) for rows in batches)
        assert padded < 1.1 * sum(lengths)
        assert list(buckets.epoch(epoch, skip=5)) == batches[5:]
    assert list(buckets.epoch(0)) != list(buckets.epoch(1))
    ordered = list(Buckets(lengths, 16, lambda rows: rows).epoch(3))
    assert [lengths[row] for rows in ordered for row in rows] == sorted(lengths)


def test_buckets_keep_to_the_limit_but_for_single_sequences() -> None:
    lengths = [5, 5, 5, 90, 200, 5]
    batches = list(Buckets(lengths, 16, lambda rows: rows, limit=100).epoch(0))
    for rows in batches:
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= 100
    assert [rows for rows in batches if lengths[rows[0]] > 100] == [[4]]
