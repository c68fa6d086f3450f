"""What a transformer has read is a value: nobody who goes on from it changes it for another."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nlp.core.kv_cache import STEP, Cache

LAYERS, HEADS, SIZE = 2, 3, 4


def keys_of(ids: Tensor, layer: int) -> Tensor:
    """Numbers that tell their token and layer: [rows, heads, time, size]."""
    values = ids.float() + 1000 * layer
    return values[:, None, :, None].expand(-1, HEADS, -1, SIZE)


def read(cache: Cache, ids: Tensor) -> Cache:
    longer = cache.extended(ids, most=10**6)
    for layer in range(LAYERS):
        longer.write(layer, keys_of(ids, layer), -keys_of(ids, layer))
    return longer


def held(cache: Cache) -> list[Tensor]:
    """Keys and values of all layers, as they are seen by whoever reads one more token."""
    one = torch.zeros(len(cache), 1, dtype=torch.long)
    longer = cache.extended(one, most=10**6)
    found = []
    for layer in range(LAYERS):
        keys, values = longer.write(layer, keys_of(one, layer), keys_of(one, layer))
        found += [keys[:, :, :-1].clone(), values[:, :, :-1].clone()]
    return found


def empty(rows: int, capacity: int = 2) -> Cache:
    return Cache.empty(rows, LAYERS, HEADS, SIZE, like=torch.zeros(1), capacity=capacity)


def assert_holds(cache: Cache, rows: list[list[int]]) -> None:
    assert cache.ids.tolist() == rows
    ids = torch.tensor(rows).view(len(rows), -1)
    for layer in range(LAYERS):
        keys, values = held(cache)[2 * layer : 2 * layer + 2]
        assert torch.equal(keys, keys_of(ids, layer))
        assert torch.equal(values, -keys_of(ids, layer))


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.lists(st.integers(0, 99), min_size=1, max_size=5)),
        max_size=12,
    )
)
def test_every_state_of_a_tree_of_texts_stays_what_it_was(growth: list[tuple[int, list[int]]]):
    states, texts = [empty(1)], [[]]
    for choice, tokens in growth:
        parent = choice % len(states)
        states.append(read(states[parent], torch.tensor([tokens])))
        texts.append([*texts[parent], *tokens])
    for state, text in list(zip(states, texts, strict=True))[1:]:
        assert_holds(state, [text])


def test_reading_on_is_done_in_place_and_a_second_branch_takes_a_copy():
    state = read(empty(1, capacity=8), torch.tensor([[1, 2]]))
    first = read(state, torch.tensor([[3]]))
    second = read(state, torch.tensor([[4]]))
    assert first._room is state._room
    assert second._room is not state._room
    assert_holds(first, [[1, 2, 3]])
    assert_holds(second, [[1, 2, 4]])


def test_a_room_grows_by_steps_and_never_beyond_what_is_needed():
    state = read(empty(1), torch.tensor([list(range(3))]))
    assert state._room.capacity == 3 + STEP
    longer = state.extended(torch.zeros(1, STEP + 5, dtype=torch.long), most=STEP + 10)
    assert longer._room.capacity == STEP + 10


def test_rows_are_taken_in_any_order_and_a_slice_is_a_copy():
    state = read(empty(3), torch.tensor([[1, 2], [3, 4], [5, 6]]))
    assert_holds(state[[2, 0, 2]], [[5, 6], [1, 2], [5, 6]])
    assert_holds(state[torch.tensor([1])], [[3, 4]])
    last = state[-1:]
    read(last, torch.tensor([[9]]))
    assert_holds(read(state, torch.tensor([[7], [7], [7]])), [[1, 2, 7], [3, 4, 7], [5, 6, 7]])


def test_texts_of_several_lengths_join_with_padding_at_their_left():
    short, long = (read(empty(1), torch.tensor([ids])) for ids in ([8], [1, 2, 3]))
    both = Cache.joined([short, long, Cache.joined([long, short])])
    assert both.ids.tolist() == [[0, 0, 8], [1, 2, 3], [1, 2, 3], [0, 0, 8]]
    assert both.padding is not None
    assert both.padding.tolist() == [2, 0, 0, 2]
    longer = read(both, torch.tensor([[4]] * 4))
    assert longer.positions(2).tolist() == [[0, 1], [2, 3], [2, 3], [0, 1]]
    seen = longer.visible(1)
    assert seen is not None
    short_row, long_row = [False, False, True, True], [True] * 4
    assert seen[:, 0, 0].tolist() == [short_row, long_row, long_row, short_row]
    assert both[[1, 2]].padding.tolist() == [0, 0]  # type: ignore[union-attr]


def test_what_is_visible_is_all_before_and_itself():
    state = read(empty(1), torch.tensor([[1, 2]]))
    assert state.visible(2) is None  # nothing before these: the usual triangle
    assert state.visible(1) is None  # a single one sees all
    state = read(state, torch.tensor([[3, 4]]))
    seen = state.visible(2)
    assert seen is not None
    assert seen[0, 0].tolist() == [[True, True, True, False], [True] * 4]
