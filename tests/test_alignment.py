"""Attention from pieces to words, and links that are read, written and judged."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from corpora.errors import UsageError
from nlp.core.tokens.word_splitter import words_of
from nlp.core.translation.alignment import (
    Link,
    Links,
    alignment_error_rate,
    hard_alignment,
    merge_pieces,
    pharaoh,
    read_pharaoh,
    word_pieces,
)

TEXTS = st.lists(
    st.sampled_from(
        ["a", "dog", " ", "  ", "\n", "don't", ".", "中国", "👨‍👩‍👧", "e\u0301", "שלום"]
    ),
    max_size=12,
).map("".join)
LINKS = st.frozensets(st.tuples(st.integers(0, 30), st.integers(0, 30)))
WEIGHTS = arrays(
    np.float32,
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    elements=st.sampled_from([0.0, 0.125, 0.25, 0.5]),
)


@given(TEXTS, st.data())
def test_a_token_is_of_the_words_it_shares_a_character_with(text: str, data: st.DataObject) -> None:
    numbers = st.integers(0, len(text))
    pairs = st.lists(st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair))))
    offsets = data.draw(pairs)
    places, tokens = word_pieces(text, offsets)
    assert places == words_of(text)
    for place, mine in zip(places, tokens, strict=True):
        assert mine == [
            number
            for number, offset in enumerate(offsets)
            if set(range(*place)) & set(range(*offset))
        ]


def test_pieces_of_an_emoji_and_of_chinese_are_those_of_their_words() -> None:
    places, tokens = word_pieces("中国 👍!", [(0, 2), (2, 4), (3, 4), (4, 5), (5, 5)])
    assert places == [(0, 1), (1, 2), (3, 4), (4, 5)]
    assert tokens == [[0], [0], [1, 2], [3]]


def test_merging_equals_the_drawn_example() -> None:
    attention = torch.tensor([[0.9, 0.1, 0.0], [0.0, 0.4, 0.6], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5]])
    merged = merge_pieces(attention, [[0], [1, 2]], [[0], [1, 2, 3]])
    assert merged.dtype == np.float32
    np.testing.assert_allclose(merged, np.array([[0.9, 0.1], [0.2 / 3, 2.8 / 3]]), atol=1e-6)


@given(st.data())
def test_merging_equals_loops(data: st.DataObject) -> None:
    tokens = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    attention = data.draw(arrays(np.float32, tokens, elements=st.floats(0, 1, width=16)))
    target, source = (
        data.draw(st.lists(st.lists(st.integers(0, count - 1), unique=True), max_size=4))
        for count in tokens
    )
    merged = merge_pieces(attention, source, target)
    assert merged.shape == (len(target), len(source))
    for row, mine in enumerate(target):
        for column, others in enumerate(source):
            shares = [
                attention[:, other] / sum(other in word for word in source) for other in others
            ]
            expected = sum(share[token] for share in shares for token in mine) / max(len(mine), 1)
            assert merged[row, column] == pytest.approx(expected, abs=1e-5)


def test_what_falls_on_no_word_is_left_out_and_all_else_is_kept() -> None:
    attention = np.array([[0.5, 0.2, 0.3], [0.0, 0.0, 1.0]])
    merged = merge_pieces(attention, [[0], [0, 1]], [[0], [1], []])  # the last token ends the text
    assert merged.tolist() == [pytest.approx([0.25, 0.45]), [0, 0], [0, 0]]


def test_links_of_each_kind() -> None:
    weights = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.0, 0.0, 0.0], [0.4, 0.1, 0.4]])
    assert hard_alignment(weights) == [(0, 0), (0, 1), (0, 3)]
    assert hard_alignment(weights, least=0.5) == [(0, 0), (0, 1)]
    assert hard_alignment(weights, "mutual") == [(0, 0)]
    assert hard_alignment(weights, "all", least=0.25) == [(0, 0), (0, 1), (0, 3), (1, 1), (2, 3)]
    with pytest.raises(UsageError, match="alignment 'most' is unknown"):
        hard_alignment(weights, "most")  # type: ignore[arg-type]


@given(WEIGHTS)
def test_argmax_gives_each_target_word_its_first_best(weights: np.ndarray) -> None:
    expected = {(int(row.argmax()), number) for number, row in enumerate(weights) if row.any()}
    links = hard_alignment(weights)
    assert set(links) == expected
    mutual = {(i, j) for i, j in expected if weights[:, i].argmax() == j}
    assert hard_alignment(weights, "mutual") == sorted(mutual)
    assert links == sorted(links)
    assert set(links) <= set(hard_alignment(weights, "all"))


@given(LINKS, LINKS)
def test_pharaoh_lines_are_read_back(sure: frozenset[Link], others: frozenset[Link]) -> None:
    assert read_pharaoh(pharaoh(sure)) == Links(sure, sure)
    line = f"{pharaoh(sure)} {re.sub('-', 'p', pharaoh(others))}"
    assert read_pharaoh(line) == Links(sure, sure | others)


def test_pharaoh_is_in_order() -> None:
    assert pharaoh([(1, 2), (0, 0), (2, 1), (10, 0)]) == "0-0 1-2 2-1 10-0"
    assert read_pharaoh("0?1 \n") == Links(frozenset(), frozenset({(0, 1)}))


@pytest.mark.parametrize("line", ["0", "0-", "0:1", "0-1-2", "a-b", "-1-0", "²-0"])
def test_what_is_no_link_is_named_with_its_place(line: str) -> None:
    with pytest.raises(UsageError, match=rf"gold\.align, line 3: '{re.escape(line)}' is no link"):
        read_pharaoh(f"0-0 {line}", "gold.align, line 3")


def test_error_rate_by_hand() -> None:
    gold = [read_pharaoh("0-0 1-1 2p1"), read_pharaoh("0-1")]
    assert alignment_error_rate([[(0, 0), (1, 1)], [(0, 1)]], gold) == 0
    assert alignment_error_rate([[(0, 0), (1, 1), (2, 1)], [(0, 1)]], gold) == 0  # possible is free
    # |A and S| = 1, |A and P| = 2, |A| = 3, |S| = 3
    assert alignment_error_rate([[(0, 0), (2, 1), (3, 3)], []], gold) == pytest.approx(1 - 3 / 6)
    assert alignment_error_rate([[], []], gold) == 1
    assert alignment_error_rate([], []) == 0
    with pytest.raises(UsageError, match="1 alignments and 2 gold ones"):
        alignment_error_rate([[]], gold)


@given(LINKS, LINKS)
def test_where_all_links_are_sure_the_error_rate_is_that_of_f1(
    found: frozenset[Link], sure: frozenset[Link]
) -> None:
    rate = alignment_error_rate([found], [Links(sure, sure)])
    f1 = 2 * len(found & sure) / (len(found) + len(sure)) if found | sure else 1.0
    assert rate == pytest.approx(1 - f1)
