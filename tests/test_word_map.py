"""Words in the plane: where they stand, that their names can be read, and pages that do no harm."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import warnings
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from nlp.core.words import word_map, word_page
from nlp.core.words.subwords import Subwords
from nlp.core.words.word_map import draw_map, draw_pairs, project
from nlp.core.words.word_page import write_page
from nlp.core.words.word_vectors import WordVectors

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = [
    *("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!--", "]]>"),
    *("a&amp;b", "&lt;", "\"'`\\", "{{ 7*7 }}", "{% raw %}", "@word", "$index", "$$x$$", "$x$"),
    *("日本", "שלום", "\u2028", "naïve", "__proto__", "constructor"),
]


def blobs(each: int = 15, kinds: int = 3, size: int = 10, seed: int = 0) -> WordVectors:
    """Words of a few kinds, the kind being the first letter; those of a kind are alike."""
    chance = np.random.default_rng(seed)
    centres = np.eye(size)[:kinds]
    matrix = np.repeat(centres, each, 0) + chance.normal(0, 0.05, (kinds * each, size))
    words = [f"{'abcdef'[kind]}{number}" for kind in range(kinds) for number in range(each)]
    return WordVectors(words, matrix, np.arange(len(words), 0, -1))


def kind_of_nearest(points: np.ndarray, words: list[str]) -> list[str]:
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return [words[row][0] for row in apart.argmin(1)]


# ── the points ──────────────────────────────────────────────────────────────────────────────────


def test_pca_is_that_of_the_directions() -> None:
    pytest.importorskip("sklearn")
    vectors = blobs(seed=3)
    rows = vectors.unit - vectors.unit.mean(0)
    _, _, axes = np.linalg.svd(rows)
    wanted = rows @ axes[:2].T
    found = project(vectors, vectors.words, "pca")
    assert found.shape == (len(vectors), 2)
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), atol=1e-5)  # but for the signs


@pytest.mark.parametrize("method", ["pca", "tsne", pytest.param("umap", marks=pytest.mark.slow)])
def test_words_that_are_alike_stand_together(method: Any) -> None:
    pytest.importorskip("umap" if method == "umap" else "sklearn")
    vectors = blobs()
    points = project(vectors, vectors.words, method, seed=1)
    assert points.dtype == np.float32
    assert kind_of_nearest(points, vectors.words) == [word[0] for word in vectors.words]
    np.testing.assert_array_equal(project(vectors, vectors.words, method, seed=1), points)


def test_the_length_of_a_vector_moves_no_point() -> None:
    pytest.importorskip("sklearn")
    vectors = blobs()
    scaled = vectors.matrix * np.arange(1, len(vectors) + 1)[:, None]
    np.testing.assert_allclose(
        project(WordVectors(vectors.words, scaled), vectors.words, "pca"),
        project(vectors, vectors.words, "pca"),
        atol=1e-5,
    )


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_words_zeros_and_copies_have_points_too(method: Any) -> None:
    pytest.importorskip("sklearn")
    few = WordVectors(["a", "b", "c"], np.eye(3))
    assert np.isfinite(project(few, few.words, method)).all()
    chance = np.random.default_rng(0)
    some = WordVectors(
        list("abcdefgh"), np.repeat(chance.normal(size=(4, 5)), 2, 0) * [[0], *[[1]] * 7]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(project(some, some.words, method)).all()


def test_what_cannot_be_projected_is_told() -> None:
    pytest.importorskip("sklearn")
    vectors = blobs()
    with pytest.raises(UsageError, match="expected pca, tsne or umap"):
        project(vectors, vectors.words, "mds")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="2 words: a map by pca needs 3"):
        project(vectors, vectors.words[:2], "pca")
    with pytest.raises(UsageError, match="'nowhere'"):
        project(vectors, ["a1", "a2", "nowhere"], "pca")
    same = WordVectors(["a", "b", "c"], np.array([[1, 2], [2, 4], [3, 6]]))
    with pytest.raises(UsageError, match="3 words that all point the same way"):
        project(same, same.words)
    flat = WordVectors(["a", "b", "c"], np.ones((3, 1)))
    with pytest.raises(UsageError, match="single number"):
        project(flat, flat.words)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, points = blobs(), np.zeros((45, 2))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"need scikit-learn: .*unrolled\[plots\]"):
        project(vectors, vectors.words)
    with pytest.raises(UsageError, match=r"need umap-learn: .*unrolled\[umap\]"):
        project(vectors, vectors.words, "umap")
    with pytest.raises(UsageError, match=r"need bokeh: .*unrolled\[plots\]"):
        write_page(tmp_path / "map.html", vectors, vectors.words, points)
    with pytest.raises(UsageError, match=r"need matplotlib: .*unrolled\[plots\]"):
        draw_map(tmp_path / "map.png", vectors.words, points)
    assert not list(tmp_path.iterdir())


# ── pictures ────────────────────────────────────────────────────────────────────────────────────


def boxes_of_names(words: list[str], points: np.ndarray) -> dict[str, Any]:
    """Where the names of a picture stand, in pixels."""
    figure, axes = word_map._canvas("")
    axes.scatter(points[:, 0], points[:, 1])
    named = list(word_map._name(figure, words, points, size=8))
    texts = [word for word, is_named in zip(words, named, strict=True) if is_named]
    assert [text.get_text() for text in axes.texts] == texts
    page = axes.get_window_extent()
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    for box in boxes.values():
        assert page.x0 < box.x0 < box.x1 < page.x1
        assert page.y0 < box.y0 < box.y1 < page.y1
    return boxes


coordinate = st.floats(-1, 1, width=16)


@settings(max_examples=15)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=25))
def test_no_name_covers_another(places: list[tuple[float, float]]) -> None:
    pytest.importorskip("matplotlib")
    words = [f"word{number}" for number in range(len(places))]
    boxes = boxes_of_names(words, np.array(places))
    assert "word0" in boxes  # the most frequent word chooses first
    for one, other in combinations(boxes.values(), 2):
        assert not one.overlaps(other)


def test_words_apart_are_all_named_and_words_in_one_place_are_not() -> None:
    pytest.importorskip("matplotlib")
    words = [f"w{number}" for number in range(100)]
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), -1).reshape(-1, 2)
    assert len(boxes_of_names(words, grid)) == 100
    assert 1 <= len(boxes_of_names(words, np.zeros((100, 2)))) <= len(word_map._PLACES)


def test_a_map_is_drawn_of_any_words(tmp_path: Path) -> None:
    """Dollars are no formulas, letters that no font has are no boxes: they stay dots."""
    pytest.importorskip("matplotlib")
    words = ["good", "$x^2$", "$\\bad{$", "", " ", "\ue000", *HOSTILE]
    points = np.random.default_rng(0).normal(size=(len(words), 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = draw_map(tmp_path / "map.png", words, points, title="$\\bad{ & <b>")
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)
    assert 3 <= named <= len(words) - 3
    with pytest.raises(UsageError, match="no font installed"):
        draw_map(tmp_path / "none.png", ["\ue000"], np.zeros((1, 2)))
    assert [file.name for file in tmp_path.iterdir()] == ["map.png"]


def test_the_offsets_of_pairs_are_drawn_and_compared(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    words = ["man", "woman", "king", "queen", "uncle", "aunt"]
    matrix = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 3], [0, 1, 3], [1, 0, -2], [0, 1, -2]], float)
    vectors = WordVectors(words, matrix)
    pairs = [("man", "woman"), ("king", "queen"), ("uncle", "aunt")]
    found = draw_pairs(tmp_path / "pairs.png", vectors, pairs)
    assert (tmp_path / "pairs.png").read_bytes().startswith(PNG)
    assert found == pytest.approx(1.0)  # the lengths differ, the directions do not
    assert draw_pairs(tmp_path / "p.png", vectors, [pairs[0], pairs[1][::-1]]) == pytest.approx(-1)

    vectors = blobs(each=4, kinds=2)
    pairs = [("a0", "b0"), ("a1", "b1"), ("b2", "a3")]
    offsets = [vectors.unit[vectors.index[b]] - vectors.unit[vectors.index[a]] for a, b in pairs]
    cosines = [
        float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other))
        for one, other in combinations(offsets, 2)
    ]
    found = draw_pairs(tmp_path / "pairs.png", vectors, pairs)
    assert found == pytest.approx(np.mean(cosines), abs=1e-5)


def test_pairs_that_cannot_be_drawn_are_told(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(UsageError, match="1 pairs: expected two"):
        draw_pairs(tmp_path / "pairs.png", blobs(), [("a0", "b0")])
    with pytest.raises(UsageError, match="1 words that all point the same way"):
        draw_pairs(tmp_path / "pairs.png", blobs(), [("a0", "a0")] * 2)
    with pytest.raises(UsageError, match="'nowhere'"):
        draw_pairs(tmp_path / "pairs.png", blobs(), [("a0", "b0"), ("a1", "nowhere")])
    assert not list(tmp_path.iterdir())


# ── pages ───────────────────────────────────────────────────────────────────────────────────────


def columns(page: str) -> dict[str, list[Any]]:
    """The columns that a page shows, read back from it as its own script does."""
    stored = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert stored
    found: list[dict[str, list[Any]]] = []

    def search(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("name") == "ColumnDataSource" and part.get("type") == "object":
                found.append(dict(part["attributes"]["data"]["entries"]))
            part = list(part.values())
        if isinstance(part, list):
            for child in part:
                search(child)

    search(json.loads(html.unescape(stored[1])))
    return next(data for data in found if "nearest" in data)


def test_a_page_holds_words_counts_and_neighbours(tmp_path: Path) -> None:
    pytest.importorskip("bokeh")
    vectors = blobs()
    words, points = vectors.words[:20], np.random.default_rng(0).normal(size=(20, 2))
    write_page(tmp_path / "map.html", vectors, words, points, neighbours=4)
    data = columns((tmp_path / "map.html").read_text(encoding="utf-8"))
    assert data["word"] == words
    assert data["count"][:2] == ["45 times", "44 times"]
    np.testing.assert_allclose(np.array([data["x"], data["y"]]).T, points)
    for word, nearest, cosines in zip(words, data["nearest"], data["cosine"], strict=True):
        wanted = vectors.nearest(word, 4)
        assert nearest == [answer.word for answer in wanted]
        assert cosines == pytest.approx([answer.similarity for answer in wanted], abs=1e-3)


def test_a_page_needs_no_network(tmp_path: Path) -> None:
    pytest.importorskip("bokeh")
    vectors = blobs()
    write_page(tmp_path / "map.html", vectors, vectors.words, np.zeros((45, 2)))
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link)\s[^>]*(src|href)\s*=", page)
    assert 1_000_000 < len(page) < 2_000_000


def test_hostile_words_do_no_harm_to_a_page(tmp_path: Path) -> None:
    pytest.importorskip("bokeh")
    vectors = WordVectors(HOSTILE, np.random.default_rng(0).normal(size=(len(HOSTILE), 5)))
    points = np.zeros((len(HOSTILE), 2))
    write_page(tmp_path / "map.html", vectors, HOSTILE, points, title="</title><script>bad()")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert "<script>bad()" not in page
    assert "{{ 7*7 }}" in page  # a word is no template
    assert page.count("</script>") == page.count("<script")
    assert columns(page)["word"] == HOSTILE
    assert set(columns(page)["count"]) == {"count unknown"}


def test_a_word_of_its_ngrams_is_on_a_page(tmp_path: Path) -> None:
    pytest.importorskip("bokeh")
    chance = np.random.default_rng(0)
    ngrams = Subwords(chance.normal(size=(50, 5)).astype(np.float32))
    vectors = WordVectors(["red", "blue"], chance.normal(size=(2, 5)), None, ngrams)
    write_page(tmp_path / "map.html", vectors, ["red", "reddish"], np.zeros((2, 2)))
    data = columns((tmp_path / "map.html").read_text(encoding="utf-8"))
    assert data["count"] == ["count unknown", "built from its n-grams"]
    assert sorted(data["nearest"][1]) == ["blue", "red"]


BROWSER = """
'use strict'
class Element {
  constructor(tag) { this.tag = tag; this.children = []; this.value = "" }
  appendChild(child) { this.children.push(child); return child }
  replaceChildren(...children) { this.children = children }
  getContext() { return {measureText: text => ({width: 7 * text.length})} }
  set innerHTML(text) { throw new Error("text as HTML") }
  get texts() { return [this.textContent, ...this.children.flatMap(c => c.texts)] }
}
const elements = {search: new Element(), found: new Element(), word: new Element()}
const document = {
  getElementById: name => elements[name], createElement: tag => new Element(tag)
}
const range = (start, end) => ({start, end, setv(values) { Object.assign(this, values) }})
const plot = {
  inner_width: 400, inner_height: 300, x_range: range(-1, 1), y_range: range(-1, 1)
}
const points = {data: DATA, selected: {indices: []}}
const names = {data: null}
const run = code =>
  new Function('points', 'names', 'plot', 'document', code)(points, names, plot, document)
"""


def in_browser(data: dict[str, list[Any]], steps: str) -> Any:
    """What the page's scripts do, in as little of a browser as they need."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    scripts = {name: getattr(word_page, name) for name in ("NAMES", "CHOSEN", "SEARCH")}
    code = [
        BROWSER.replace("DATA", json.dumps(data)),
        *(f"const {name} = {json.dumps(script)}" for name, script in scripts.items()),
        f"console.log(JSON.stringify((() => {{ {steps} }})()))",
    ]
    ran = subprocess.run([node, "-e", "\n".join(code)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_names_on_a_page_cover_none_at_any_zoom() -> None:
    chance = np.random.default_rng(0)
    x, y = chance.uniform(-1, 1, (2, 300)).tolist()
    data = {"x": x, "y": y, "word": [f"word{number}" for number in range(300)]}
    for zoom, selected in ((1.0, []), (0.2, []), (1.0, [299, 298])):
        shown = in_browser(
            data,
            f"plot.x_range = range(-{zoom}, {zoom}); plot.y_range = range(-{zoom}, {zoom});"
            f"points.selected.indices = {selected}; run(NAMES); return names.data",
        )
        left = np.array(shown["x"]) * 200 / zoom
        middle = np.array(shown["y"]) * 150 / zoom
        right = left + [7 * len(word) for word in shown["word"]]
        seen = [max(abs(a), abs(b)) < zoom for a, b in zip(x, y, strict=True)]
        assert 10 < len(shown["word"]) <= sum(seen)
        assert shown["word"][0] == (f"word{selected[0] if selected else seen.index(True)}")
        assert len(set(shown["word"])) == len(shown["word"])
        for i, j in combinations(range(len(left)), 2):
            beside = left[i] >= right[j] or left[j] >= right[i]
            assert beside or abs(middle[i] - middle[j]) >= 13.9


def test_a_word_is_found_on_a_page_and_shown_with_its_neighbours() -> None:
    data: dict[str, list[Any]] = {
        "x": [0, 5, 6, 7],
        "y": [0, 1, 2, 3],
        "word": ["looking", "King", "<b>", "kings"],
        "count": ["9 times", "8 times", "7 times", "6 times"],
        "nearest": [["King"], ["elsewhere", "<b>", "looking"], ["King"], ["King"]],
        "cosine": [[0.5], [0.9, 0.8, 0.7], [0.4], [0.3]],
    }
    found = in_browser(
        data,
        "run(SEARCH); elements.search.value = ' kIng'; elements.search.oninput();"
        "const listed = elements.found.texts;"
        "elements.search.onkeydown({key: 'Enter'}); run(CHOSEN);"
        "return {listed, indices: points.selected.indices, card: elements.word.texts,"
        " x: plot.x_range, y: plot.y_range, left: elements.found.children.length}",
    )
    assert [text for text in found["listed"] if text] == ["King", "kings", "looking"]
    assert found["indices"] == [1, 2, 0]  # the word, and those of its neighbours that are shown
    assert [text for text in found["card"] if text] == [
        *("King", "8 times", "elsewhere", "0.90", "<b>", "0.80", "looking", "0.70"),
    ]
    assert (found["x"]["start"], found["x"]["end"]) == (4.8, 5.2)  # a tenth of what was seen
    assert found["y"]["start"] < 1 < found["y"]["end"]
    assert found["left"] == 0
    moved = in_browser(
        data,
        "points.selected.indices = [1]; run(CHOSEN); const seen = {...plot.x_range};"
        "points.selected.indices = [0]; plot.x_range = range(-2, 1); run(CHOSEN);"
        "return [seen.start, seen.end, plot.x_range.start, plot.x_range.end]",
    )
    assert moved == [4, 6, -2, 1]  # a word out of sight is brought there, others stay in place
