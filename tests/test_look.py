"""Where a model looked, drawn on the picture and on a page."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from corpora.errors import UsageError
from vision import look_page
from vision.backbone import BackboneName, build
from vision.cells import region_of
from vision.images import Preparation
from vision.lettering import Lettering
from vision.look import AT_MOST, RAMP, Look, draw_looks, heat, look_at, overlay

Image = pytest.importorskip("PIL.Image")
RAW = np.random.default_rng(0)


@dataclass(frozen=True)
class Said:
    """A caption as it is drawn."""

    text: str
    attention: np.ndarray | None
    others: tuple[Said, ...] = ()

    @property
    def words(self) -> list[tuple[int, int]]:
        return [found.span() for found in re.finditer(r"\S+", self.text)]

    @property
    def word_probabilities(self) -> list[float]:
        return [0.5 + 0.01 * number for number in range(len(self.words))]


def picture(height: int = 30, width: int = 40) -> np.ndarray:
    return RAW.integers(0, 256, (height, width, 3), dtype=np.uint8)


def attention(words: int, rows: int = 3, columns: int = 4) -> np.ndarray:
    return RAW.dirichlet(np.ones(rows * columns), words).reshape(words, rows, columns)


# ── heat ────────────────────────────────────────────────────────────────────────────────────────


@given(*[st.integers(1, 9)] * 2, *[st.integers(1, 40)] * 2)
def test_heat_is_bilinear(rows: int, columns: int, height: int, width: int) -> None:
    weights = RAW.random((rows, columns))
    found = F.interpolate(
        torch.from_numpy(weights)[None, None], (height, width), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(heat(weights, height, width), found[0, 0].numpy(), atol=1e-9)


@given(*[st.integers(1, 6)] * 4)
def test_no_attention_is_lost(rows: int, columns: int, tall: int, wide: int) -> None:
    weights = RAW.dirichlet(np.ones(rows * columns)).reshape(rows, columns)
    assert heat(weights, rows * tall, columns * wide).sum() == pytest.approx(tall * wide)


def test_the_middle_of_a_cell_has_its_weight() -> None:
    weights = attention(1)[0]
    np.testing.assert_allclose(heat(weights, 9, 20)[1::3, 2::5], weights)


def test_a_grid_lies_where_its_region_is() -> None:
    weights = attention(1)[0]
    area = (0.25, 0.1, 0.75, 0.6)
    inside = heat(weights, 40, 60, area, area)
    np.testing.assert_allclose(inside[4:24, 15:45], heat(weights, 20, 30))
    assert inside.sum() == pytest.approx(inside[4:24, 15:45].sum())
    beyond = heat(weights, 20, 30, (-0.5, -0.1, 1.5, 1.9))  # a padded picture
    np.testing.assert_allclose(beyond, heat(weights, 40, 60)[2:22, 15:45])
    goes_on = heat(weights, 40, 60, area)
    np.testing.assert_allclose(goes_on[4:24, 15:45], inside[4:24, 15:45])
    np.testing.assert_allclose(goes_on[:, 50:], goes_on[:, 44:45] @ np.ones((1, 10)))


@pytest.mark.parametrize(
    ("name", "size"), [("small", 96), ("small", 100), ("resnet18", 160), ("vgg16", 224)]
)
def test_cells_lie_where_the_backbone_sees_them(name: BackboneName, size: int) -> None:
    """What a cell depends on most is around its middle."""
    torch.manual_seed(0)
    backbone = build(name).eval()
    pixels = torch.randn(1, 3, size, size, requires_grad=True)
    features = backbone(pixels)
    rows, columns = features.shape[2:]
    place = Preparation(size, "stretch").placement(300, 700)
    left, top, right, bottom = region_of(backbone, (rows, columns), place)
    row, column = rows // 2, columns // 2
    (slope,) = torch.autograd.grad(features[0, :, row, column].square().sum(), pixels)
    weight, at = slope.abs().sum((0, 1)), torch.arange(size) + 0.5
    found = [float((weight.sum(side) * at).sum() / weight.sum() / size) for side in (0, 1)]
    middle = (
        left + (column + 0.5) / columns * (right - left),
        top + (row + 0.5) / rows * (bottom - top),
    )
    assert middle == pytest.approx(found, abs=0.08 * backbone.stride / size)


def test_heat_covers_and_nothing_shows_the_picture() -> None:
    own = picture(4, 5)
    none, most = np.zeros((4, 5)), np.full((4, 5), 0.2)
    grey = own @ (0.299, 0.587, 0.114)
    faded = 50 + 0.7 * (0.4 * own + 0.6 * grey[..., None])
    np.testing.assert_allclose(overlay(own, none, 0.2), faded, atol=0.51)
    *colour, opaque = RAMP[-1]
    covered = faded + opaque * (np.array(colour) - faded)
    np.testing.assert_allclose(overlay(own, most, 0.2), covered, atol=0.51)
    np.testing.assert_allclose(overlay(own, none, 0.0), faded, atol=0.51)  # nothing was said


# ── PNG ─────────────────────────────────────────────────────────────────────────────────────────


def redness(part: np.ndarray) -> float:
    """How hot a part of a sheet is."""
    return float((part[..., 0].astype(float) - part[..., 2]).mean())


def test_each_word_is_hot_where_it_looked(tmp_path: Path) -> None:
    weights = np.zeros((2, 2, 2))
    weights[0, 0, 0] = weights[1, 1, 1] = 1.0
    grey = np.full((192, 192, 3), 128, np.uint8)
    path = tmp_path / "new" / "look.png"
    assert draw_looks(path, [Look("grey.png", grey, Said("one two", weights))]) == []
    sheet = np.asarray(Image.open(path))
    greys = (sheet == 128).all(-1)
    top, left = (int(np.flatnonzero(greys.sum(axis) > 96)[0]) for axis in (1, 0))
    for number, (row, column) in enumerate([(0, 0), (1, 1)], 1):
        x = left + number * (192 + 14)
        tile = sheet[top : top + 192, x : x + 192]
        parts = {
            (r, c): redness(tile[96 * r : 96 * r + 96, 96 * c : 96 * c + 96])
            for r in (0, 1)
            for c in (0, 1)
        }
        assert max(parts, key=lambda part: parts[part]) == (row, column)
        assert parts[row, column] > 100
        assert abs(parts[1 - row, 1 - column]) < 20


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (300, 2)])
def test_pictures_of_any_shape_are_drawn(size: tuple[int, int], tmp_path: Path) -> None:
    looks = [
        Look("a" * 300, picture(*size), Said("word " * 20 + "w" * 200, attention(21))),
        Look("empty", picture(*size), Said("", np.zeros((0, 3, 4)))),
    ]
    assert draw_looks(tmp_path / "a.png", looks) == []
    drawn = Image.open(tmp_path / "a.png")
    assert drawn.size[0] < 1500
    assert drawn.size[1] < 2500


def test_what_cannot_be_drawn_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    plain = Look("a.jpg", picture(), Said("a", attention(1)))
    for looks, message in (
        ([], "no picture"),
        ([Look("a.jpg", picture(), Said("a", None))], "a.jpg: a model without attention"),
        ([plain] * (AT_MOST + 1), "write an HTML page"),
    ):
        with pytest.raises(UsageError, match=message):
            draw_looks(path, looks)
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(UsageError, match=r"unrolled\[vision\]"):
        draw_looks(path, [plain])
    assert not path.exists()


def test_a_picture_is_read_again_and_no_larger_than_it_is_drawn(tmp_path: Path) -> None:
    own = np.full((1000, 2000, 3), 90, np.uint8)
    Image.fromarray(own).save(tmp_path / "a.png")
    found = look_at(tmp_path / "a.png", Said("a", attention(1)), (0.25, 0, 0.75, 1))
    assert found.name == str(tmp_path / "a.png")
    assert found.picture.shape == (192, 384, 3)
    assert (found.picture == 90).all()
    small = picture()
    np.testing.assert_array_equal(look_at(small, Said("a", None)).picture, small)


def test_letters_that_no_font_has_are_told(tmp_path: Path) -> None:
    odd = "\U0001f9ff\ud800 a\u0301b\u200dc"
    (told,) = draw_looks(tmp_path / "a.png", [Look(odd, picture(), Said(odd, attention(2)))])
    assert "stands for 1 characters" in told
    assert "(\U0001f9ff)" in told


def test_a_text_is_parted_where_it_finds_no_room() -> None:
    letters = Lettering(16)
    text = "a small red circle left of a verylongwordwithoutanyspace"
    lines = letters.lines(text, 100)
    assert " ".join(lines).replace(" ", "") == text.replace(" ", "")
    assert lines[0].startswith("a small")
    assert all(letters.width(line) <= 100 for line in lines)
    assert letters.cut(text, 100).endswith("…")
    assert letters.width(letters.cut(text, 100)) <= 100
    assert letters.cut("a", 100) == "a"


# ── the page ────────────────────────────────────────────────────────────────────────────────────


class Page(HTMLParser):
    """Pictures, names and captions of a page; a caption's words with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pictures: list[bytes] = []
        self.captions: list[dict[str, Any]] = []
        self.canvases: list[str] = []
        self.names: list[str] = []
        self.tags: list[str] = []
        self._in = ""
        self._word = False
        self.feed(page)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        attributes = {name: value or "" for name, value in given}
        if tag == "img":
            kind, _, data = attributes["src"].partition(",")
            assert kind.startswith("data:image/")
            self.pictures.append(base64.b64decode(data))
        if tag == "canvas":
            self.canvases.append(attributes["style"])
        if attributes.get("class") == "name":
            self.names.append("")
        if attributes.get("class") == "caption":
            self.captions.append({**attributes, "text": "", "words": []})
        if tag == "span":
            self.captions[-1]["words"].append({**attributes, "text": ""})
            self._word = True
        else:
            self._in = attributes.get("class", "")

    def handle_endtag(self, tag: str) -> None:
        self._word = False
        if tag != "span":
            self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "name":
            self.names[-1] += data
        if self._in == "caption":
            self.captions[-1]["text"] += data
        if self._word:
            self.captions[-1]["words"][-1]["text"] += data


def written(folder: Path, *looks: Look, title: str = "Captions") -> tuple[str, Page]:
    with patch("os.fsync"):  # a disk that is busy would make these tests slow
        look_page.write_page(folder / "page.html", looks, title=title)
    page = (folder / "page.html").read_text(encoding="utf-8")
    return page, Page(page)


TEXTS = st.lists(
    st.sampled_from(
        ["a", "<b>", "&amp;", '"', "'", " ", "\n", "</span>", "שלום", "中国", "$x", "😀"]
    ),
    max_size=8,
).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), max_size=3))
def test_names_captions_and_weights_are_read_back(
    tmp_path: Path, given: list[tuple[str, str, bool]]
) -> None:
    looks = []
    for name, text, is_told in given:
        count = len(Said(text, None).words)
        looks.append(Look(name, picture(), Said(text, attention(count) if is_told else None)))
    _, page = written(tmp_path, *looks)
    assert page.names == [one.name for one in looks]
    assert [found["text"] for found in page.captions] == [one.caption.text for one in looks]
    for one, found, data in zip(looks, page.captions, page.pictures, strict=True):
        assert [word["text"] for word in found["words"]] == one.words
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), one.picture)
        if one.caption.attention is not None and one.words:
            weights = np.array(json.loads(found["data-weights"]))
            np.testing.assert_allclose(
                weights.reshape(one.attention.shape), one.attention, atol=5.1e-5
            )
            assert json.loads(found["data-shape"]) == [3, 4]
            assert float(found["data-peak"]) == pytest.approx(one.peak, abs=1e-4)
    assert page.tags.count("script") == 1  # its own
    assert "b" not in page.tags


def test_a_page_asks_nothing_of_the_network_and_is_small(tmp_path: Path) -> None:
    large = np.full((3000, 2000, 3), 90, np.uint8)
    page, read = written(tmp_path, Look("<i>", large, Said("a", attention(1))), title="<i>")
    assert not re.search(r"https?:|url\(|@import|\bhref=", page)
    assert "default-src 'none'" in page
    assert not {"link", "iframe", "i"} & set(read.tags)
    assert Image.open(io.BytesIO(read.pictures[0])).size == (256, 384)
    assert len(page) < 20_000


def test_words_tell_their_values_and_a_grid_its_place(tmp_path: Path) -> None:
    weights = np.array([[[0.25, 0.75]]])
    others = (Said("two words", np.full((2, 1, 2), 0.5)), Said("none", None))
    places = (-0.3, 0.0, 1.2, 1.0), (-0.25, 0.0, 1.25, 1.0)
    one = Look("a.jpg", picture(), Said("dog", weights, others), *places)
    html, page = written(tmp_path, one, Look("b.jpg", picture(), Said("", None)))
    assert [found["text"] for found in page.captions] == ["dog", "two words", "none", ""]
    assert page.captions[0]["words"][0]["title"] == (
        "dog: probability 0.50, at most 0.75 of its attention in one cell"
    )
    assert page.captions[2]["words"][0]["title"] == "none: probability 0.50"
    # Relative to what was seen, and a row and a column larger than the grid.
    assert page.canvases[0] == "left:-3.333%;top:0.000%;width:150.000%;height:200.000%"
    assert 'class="seen" style="left:-25.000%;top:0.000%;width:150.000%;height:100.000%"' in html
    assert page.tags.count("details") == 1


BROWSER = """
const made = name => ({name, classes: new Set()})
const marks = one => ({
  add: name => one.classes.add(name), remove: name => one.classes.delete(name),
})
const set = (part, at) => part.forEach((value, number) => { pixels[at + number] = value })
const context = {
  createImageData: () => ({data: {set}}),
  putImageData: () => {}, clearRect: () => { pixels = [] },
}
let pixels = []
const seen = {getBoundingClientRect: () => ({left: 20, top: 20, width: 130, height: 90})}
const figure = {...made("figure"), tagName: "FIGURE",
                querySelector: name => name === "canvas" ? canvas : seen}
figure.classList = marks(figure)
figure.closest = () => figure
const canvas = {
  getContext: () => context,
  getBoundingClientRect: () => ({left: 10, top: 10, width: 150, height: 100}),
}
const output = {textContent: ""}
const article = {querySelector: name => ({output, canvas, figure})[name],
                 querySelectorAll: () => lines}
figure.closest = name => name === "article" ? article : figure
const lines = LINES.map(given => {
  const line = {dataset: {shape: given["data-shape"], weights: given["data-weights"],
                          peak: given["data-peak"]},
                closest: () => article, querySelectorAll: () => line.words}
  line.words = given.words.map(word => {
    const one = {...made("word"), tagName: "SPAN", parentNode: line, title: word.title, shade: {}}
    one.classList = marks(one)
    one.style = {setProperty: (name, value) => { one.shade[name] = value },
                 removeProperty: name => { delete one.shade[name] }}
    return one
  })
  return line
})
const document = {addEventListener: () => {}}
{ SCRIPT }
const found = EVENTS.map(([line, word, x, y]) => {
  const target = line === null ? figure : lines[line].words[word]
  document.onpointermove({target, clientX: x, clientY: y})
  return {told: output.textContent, pixels: [...pixels], looking: figure.classes.has("looking"),
          here: lines.map(line => line.words.map(word => word.classes.has("here"))),
          shades: lines.map(line => line.words.map(word => word.shade["--weight"] ?? null))}
})
console.log(JSON.stringify(found))
"""


def test_pointing_shows_where_and_which(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    weights = np.array([[[0.0, 0.8]], [[0.6, 0.4]]])
    other = (Said("none", None),)
    page, read = written(tmp_path, Look("a.jpg", picture(), Said("red dog", weights, other)))
    script = re.search("<script>(.*)</script>", page, re.DOTALL)
    assert script
    code = BROWSER.replace("LINES", json.dumps(read.captions)).replace("SCRIPT", script[1])
    places = [[None, 0, 40, 30], [None, 0, 70, 30], [None, 0, 140, 100], [None, 0, 15, 30]]
    events = [[0, 0, 0, 0], *places, [1, 0, 0, 0]]
    ran = subprocess.run(
        [node, "-e", code.replace("EVENTS", json.dumps(events))], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    word, first, second, end, outside, bare = json.loads(ran.stdout)
    assert word["here"] == [[True, False], [False]]
    assert word["looking"]
    assert word["told"].startswith("red: probability 0.50, at most 0.8 of")
    ends = [[*RAMP[number][:3], RAMP[number][3] * 255] for number in (0, -1)]
    assert word["pixels"] == pytest.approx([*ends[0], *ends[1], *ends[1]] * 2)
    assert first["shades"] == [[0, pytest.approx(0.75)], [0]]
    assert second["shades"] == end["shades"] == [[1, 0.5], [0]]
    assert (first["told"], first["looking"], first["pixels"]) == ("", False, [])
    assert outside["shades"] == [[None, None], [None]]
    assert (bare["here"], bare["looking"]) == ([[False, False], [True]], False)
