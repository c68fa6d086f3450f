"""Attention as text and as a picture."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import UsageError
from nlp.core.translation import heatmap
from nlp.core.translation.heatmap import CELLS, draw_heatmap, text_heatmap

SIDE = st.lists(st.sampled_from(["the", "中国", "e\u0301", "👨‍👩‍👧", "שלום", "."]), max_size=30)


def test_text_by_hand() -> None:
    weights = np.array([[1.0, 0, 0], [0, 0.25, 0.75], [0.1, 0.5, 0.9]])
    assert text_heatmap(weights, ["The", "white", "house"], ["La", "maison", "blanche"]) == [
        "The",
        "│ white",
        "│ │ house",
        "██· ·  La",
        "· ░░▓▓ maison",
        "· ▒▒██ blanche",
    ]


@given(SIDE, SIDE, st.integers(0, 60), st.integers(0, 99))
def test_every_word_and_weight_is_drawn_once(
    source: list[str], target: list[str], width: int, seed: int
) -> None:
    weights = np.random.default_rng(seed).random((len(target), len(source)))
    lines = text_heatmap(weights, source, target, width=width)
    parts = "\n".join(lines).split("\n\n") if lines else []
    names: list[str] = []
    cells = [""] * len(target)
    for part in parts:
        rows = part.split("\n")
        above = rows[: len(rows) - len(target)]
        assert all(row.startswith("│ " * place) for place, row in enumerate(above))
        names += [row[2 * place :] for place, row in enumerate(above)]
        for number, row in enumerate(rows[len(above) :]):
            assert row[2 * len(above) :] == f" {target[number]}"
            cells[number] += row[: 2 * len(above)]
            if len(above) > 1:
                assert len(above) * 2 + 1 <= width
    assert names == source
    if source:
        levels = np.rint(weights * 4).astype(int)
        assert cells == ["".join(CELLS[level] for level in row) for row in levels]


def test_a_wide_word_has_a_part_to_itself_where_it_must() -> None:
    lines = text_heatmap(np.ones((1, 3)), ["a", "b", "中国中国"], ["x"], width=11)
    assert lines == ["a", "│ b", "████ x", "", "中国中国", "██ x"]
    assert (
        text_heatmap(np.ones((1, 3)), ["a", "b", "中国中国"], ["x"], width=12)[2] == "│ │ 中国中国"
    )


def dark(path: Path) -> float:
    from matplotlib.image import imread

    picture = imread(path)[..., :3]
    assert picture.min() < 0.5
    return float((picture < 0.2).all(-1).mean())


def test_pictures_are_dark_where_the_weight_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib.figure")
    words = ["a", "$b$ $", "{}", "%"]
    shares = []
    for number, weights in enumerate([np.zeros((4, 4)), np.eye(4), np.ones((4, 4))]):
        path = tmp_path / f"{number}.png"
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            assert draw_heatmap(path, weights, words, words, title="$x$") == []
        shares.append(dark(path))
    none, quarter, all_of_it = shares
    assert quarter - none == pytest.approx((all_of_it - none) / 4, rel=0.1)
    assert all_of_it > 0.2


def test_a_character_that_no_font_has_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib.figure")
    own = set("abc▯ ")
    monkeypatch.setattr(heatmap, "installed_fonts", lambda: (["DejaVu Sans"], own))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        told = draw_heatmap(tmp_path / "a.png", np.ones((1, 2)), ["a\u200db", "中"], ["国\ufe0f"])
    assert len(told) == 1
    assert "2 characters that no font installed can write (中 国)" in told[0]


def test_words_from_right_to_left_are_told_of_where_they_come_out_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.setattr(matplotlib, "__version_info__", (3, 8, 0))
    (told,) = draw_heatmap(tmp_path / "a.png", np.ones((1, 1)), ["שלום"], ["a"])
    assert "stand in reverse" in told


def test_nothing_to_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib.figure")
    with pytest.raises(UsageError, match="words on both sides"):
        draw_heatmap(tmp_path / "a.png", np.zeros((0, 1)), ["a"], [])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"unrolled\[plots\]"):
        draw_heatmap(tmp_path / "a.png", np.ones((1, 1)), ["a"], ["b"])
