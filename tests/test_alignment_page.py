"""The page of aligned translations: read back as a browser would, and its words pointed at."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp.core.tokens.word_splitter import words_of
from nlp.core.translation.alignment_page import Piece, Translated, write_page


@dataclass(frozen=True)
class Made:
    """A translation as a page wants it."""

    source: str
    text: str
    attention: np.ndarray | None
    pieces: tuple[Piece, ...] = ()
    others: tuple[Made, ...] = ()
    score: float = -1.5

    @property
    def source_words(self) -> list[tuple[int, int]]:
        return words_of(self.source)

    @property
    def words(self) -> list[tuple[int, int]]:
        return words_of(self.text)

    @property
    def word_probabilities(self) -> list[float]:
        logarithms = (
            [piece[2] for piece in self.pieces if piece[0] < end and piece[1] > start]
            for start, end in self.words
        )
        return [math.exp(sum(mine)) for mine in logarithms]


class Page(HTMLParser):
    """The lines of a page: what kind each is, its text, its words, and its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []
        self.tags = Counter[str]()
        self._in_line = False
        self._in_word = False
        self.feed(page)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        attributes = dict(given)
        if tag == "div" and attributes["class"] in ("source", "target"):
            self.lines.append({**attributes, "text": "", "words": []})
            self._in_line = True
        if tag == "span":
            self.lines[-1]["words"].append({**attributes, "text": ""})
            self._in_word = True

    def handle_endtag(self, tag: str) -> None:
        self._in_line &= tag != "div"
        self._in_word &= tag != "span"

    def handle_data(self, data: str) -> None:
        if self._in_line:
            self.lines[-1]["text"] += data
        if self._in_word:
            self.lines[-1]["words"][-1]["text"] += data


def written(folder: Path, *made: Translated, title: str = "Alignments") -> tuple[str, Page]:
    with patch("os.fsync"):  # a disk that is busy would make these tests slow
        write_page(folder / "page.html", made, title=title)
    page = (folder / "page.html").read_text(encoding="utf-8")
    return page, Page(page)


TEXTS = st.lists(
    st.sampled_from(
        ["a", "<b>", "&amp;", '"', "'", "\n", " ", "e\u0301", "😀", "שלום", "中国", "$x", "</span>"]
    ),
    max_size=12,
).map("".join)


@st.composite
def translations(draw: st.DrawFn, deeper: bool = True) -> Made:
    source, text = draw(TEXTS), draw(TEXTS)
    shape = len(words_of(text)), len(words_of(source))
    weights = np.random.default_rng(draw(st.integers(0, 9))).random(shape)
    others = draw(st.lists(translations(deeper=False), max_size=2)) if deeper else []
    pieces = [(place, place + 1, -0.5) for place in range(len(text))]
    attention = weights if draw(st.booleans()) else None
    return Made(source, text, attention, tuple(pieces), tuple(others))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(translations(), max_size=8))
def test_texts_words_and_weights_are_read_back(tmp_path: Path, made: list[Made]) -> None:
    _, page = written(tmp_path, *made)
    expected: list[tuple[str, str, list[tuple[int, int]], np.ndarray | None]] = []
    for pair in made:
        expected.append(("source", pair.source, pair.source_words, None))
        for one in (pair, *pair.others):
            expected.append(("target", one.text, one.words, one.attention))
    assert len(page.lines) == len(expected)
    for line, (kind, text, words, weights) in zip(page.lines, expected, strict=True):
        assert (line["class"], line["text"]) == (kind, text)
        assert [word["text"] for word in line["words"]] == [text[slice(*word)] for word in words]
        if kind == "target":
            percent = np.zeros(0) if weights is None else np.rint(weights * 100)
            assert json.loads(line["data-weights"]) == percent.tolist()
    assert page.tags["script"] == 1  # its own
    assert page.tags["b"] == 0


def test_a_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    page, read = written(tmp_path, Made("a", "b", np.ones((1, 1))), title="<i>")
    assert not re.search(r"https?:|//|url\(|@import|\bsrc=|\bhref=", page)
    assert "default-src 'none'" in page
    assert not read.tags.keys() & {"link", "img", "iframe", "i"}


def test_words_that_were_unlikely_are_marked(tmp_path: Path) -> None:
    pieces = ((0, 5, math.log(0.8)), (5, 9, math.log(0.5)), (9, 12, math.log(0.6)))
    made = Made("warehouse there", "Lagerhaus da", np.ones((2, 2)), pieces)
    (_, line) = written(tmp_path, made)[1].lines
    assert [(word.get("class"), word["title"]) for word in line["words"]] == [
        ("low", "0.40: Lager 0.80 · haus 0.50"),
        (None, "0.60: da 0.60"),
    ]
    assert line["data-score"] == "-1.50"


BROWSER = """
const lines = LINES.map(given => {
  const line = {
    dataset: {weights: given["data-weights"]}, kind: given.class,
    closest: () => article, querySelectorAll: () => line.words,
  }
  line.words = given.words.map(word => {
    const style = {}, classes = new Set()
    return {
      tagName: "SPAN", parentNode: line, textContent: word.text, classes, shade: style,
      classList: {add: name => classes.add(name), remove: name => classes.delete(name)},
      style: {
        setProperty: (name, value) => { style[name] = value },
        removeProperty: name => { delete style[name] },
      },
    }
  })
  return line
})
const article = {
  querySelector: name => lines.find(line => "." + line.kind === name),
  querySelectorAll: name => lines.filter(line => "." + line.kind === name),
}
const document = {addEventListener: () => {}}
{ SCRIPT }
const seen = POINTED.map(([line, word]) => {
  document.onpointerover({target: line === null ? {tagName: "P"} : lines[line].words[word]})
  return lines.map(line => line.words.map(word =>
    word.classes.has("here") ? "here" : word.shade["--weight"] ?? null))
})
console.log(JSON.stringify(seen))
"""


def test_pointing_at_a_word_shades_the_other_side(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    other = Made("one two", "three", np.array([[0.3, 0.6]]))
    bare = Made("one two", "none", None)
    weights = np.array([[0.9, 0.1], [0.25, 0.75]])
    page, read = written(tmp_path, Made("one two", "eins zwei", weights, (), (other, bare)))
    script = re.search("<script>(.*)</script>", page, re.DOTALL)
    assert script
    code = BROWSER.replace("LINES", json.dumps(read.lines)).replace("SCRIPT", script[1])
    pointed = [[1, 1], [0, 0], [2, 0], [3, 0], [None, 0]]
    ran = subprocess.run(
        [node, "-e", code.replace("POINTED", json.dumps(pointed))], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    nothing: list[list[object]] = [[None, None], [None, None], [None], [None]]
    assert json.loads(ran.stdout) == [
        [[0.25, 0.75], [None, "here"], [None], [None]],
        [["here", None], [0.9, 0.25], [0.3], [0]],
        [[0.3, 0.6], [None, None], ["here"], [None]],
        [[0, 0], [None, None], [None], ["here"]],
        nothing,
    ]


def test_a_pair_without_attention_has_no_table(tmp_path: Path) -> None:
    assert written(tmp_path, Made("a", "b", np.ones((1, 1))))[1].tags["details"] == 1
    assert written(tmp_path, Made("a", "b", None))[1].tags["details"] == 0
    assert written(tmp_path, Made("", "", np.zeros((0, 0))))[1].tags["details"] == 0
    assert written(tmp_path)[1].lines == []
