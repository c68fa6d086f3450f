"""The page of tagged texts: read back as a browser would, and its slider moved."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp.core.tags.entities import Entity, TaggedText
from nlp.core.tags.entity_page import write_page

LABELS = ("PER", "LOC", 'A"><script>alert(1)</script>')


class Page(HTMLParser):
    """The texts of a page, its marks by what they stand in, and every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.marks: dict[str, list[dict[str, str]]] = {"header": [], "text": [], "others": []}
        self.tags = Counter[str]()
        self.title = ""
        self._room = ""
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in given}
        self.tags[tag] += 1
        self._in = tag
        if tag in ("header", "div"):
            self._room = attributes.get("class", tag)
            if self._room == "text":
                self.texts.append("")
        if tag == "mark":
            self.marks[self._room].append({**attributes, "text": ""})

    def handle_endtag(self, tag: str) -> None:
        self._in = self._in if tag != self._in else ""
        if tag in ("header", "div"):
            self._room = ""

    def handle_data(self, data: str) -> None:
        if self._in == "title":
            self.title += data
        if self._room == "text":
            self.texts[-1] += data
        if self._in == "mark":
            self.marks[self._room][-1]["text"] += data


def tagged(text: str, *entities: tuple[str, str, float, int]) -> TaggedText:
    made = []
    for surface, label, confidence, rank in entities:
        start = text.index(surface)
        made.append(Entity(label, surface, start, start + len(surface), confidence, 0, 1, rank))
    return TaggedText(text, (), tuple(made))


def written(folder: Path, *texts: TaggedText, title: str = "Entities") -> tuple[str, Page]:
    write_page(folder / "page.html", texts, title=title)
    page = (folder / "page.html").read_text(encoding="utf-8")
    return page, Page(page)


@st.composite
def tagged_texts(draw: st.DrawFn) -> TaggedText:
    pieces = [
        "a",
        "<b>",
        "&amp;",
        '"',
        "'",
        "\n",
        "\t",
        "  ",
        "é",
        "e\u0301",
        "😀",
        "שלום",
        "$x",
        "{}",
    ]
    text = draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=20).map("".join))
    entities = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        label = draw(st.sampled_from(LABELS))
        confidence, rank = draw(st.floats(0, 1)), draw(st.integers(0, 2))
        entities.append(Entity(label, text[start:end], start, end, confidence, 0, 1, rank))
    return TaggedText(text, (), tuple(entities))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(tagged_texts(), max_size=4))
def test_texts_and_every_entity_are_read_back(tmp_path: Path, texts: list[TaggedText]) -> None:
    _, read = written(tmp_path, *texts)
    assert read.texts == [text.text for text in texts]
    entities = [entity for text in texts for entity in text.entities]
    told = Counter(
        (mark["data-label"], mark["text"], mark["data-told"])
        for mark in read.marks["text"] + read.marks["others"]
    )
    assert told == Counter(
        (entity.label, entity.text, f"{entity.label} {entity.confidence:.2f}")
        for entity in entities
    )
    legend = {mark["data-label"]: int(mark["data-told"]) for mark in read.marks["header"]}
    assert legend == Counter(entity.label for entity in entities)
    assert read.tags["script"] == 1  # its own
    assert read.tags["b"] == 0


def test_a_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    page, read = written(tmp_path, tagged("Ada", ("Ada", "PER", 0.9, 0)))
    assert not re.search(r"https?:|//|url\(|@import|\bsrc=|\bhref=", page)
    assert "default-src 'none'" in page
    assert not read.tags.keys() & {"link", "img", "iframe"}


def test_markup_is_text(tmp_path: Path) -> None:
    text = tagged('<i>Ada</i> & "Co" \0 \ud83d', ('<i>Ada</i> & "Co"', LABELS[2], 0.5, 0))
    _, read = written(tmp_path, text, title="</title><script>alert(1)</script> $legend")
    assert read.title == "</title><script>alert(1)</script> $legend"
    assert read.texts == ['<i>Ada</i> & "Co" \ufffd \ufffd']  # what no page can hold
    assert read.marks["text"][0]["data-label"] == LABELS[2]
    assert read.tags["script"] == 1


def test_any_direction_and_line_break(tmp_path: Path) -> None:
    page, read = written(tmp_path, tagged("דנה כהן\r\n\tin Paris", ("דנה כהן", "PER", 0.9, 0)))
    assert '<div class="text" dir="auto">' in page
    assert "white-space: pre-wrap; unicode-bidi: plaintext" in page
    assert read.texts == ["דנה כהן\n\tin Paris"]  # as a browser reads CR LF too


def test_second_choices_are_told_apart_and_what_overlaps_is_listed(tmp_path: Path) -> None:
    text = tagged(
        "Teddy Roosevelt was president",
        ("Teddy Roosevelt", "PER", 0.6, 0),
        ("Teddy", "ORG", 0.7, 1),  # surer, but not on the best path
        ("president", "TITLE", 0.2, 1),
    )
    _, read = written(tmp_path, text)
    assert [(mark["text"], "second" in mark["class"]) for mark in read.marks["text"]] == [
        ("Teddy Roosevelt", False),
        ("president", True),
    ]
    assert [mark["text"] for mark in read.marks["others"]] == ["Teddy"]


def test_a_page_without_entities(tmp_path: Path) -> None:
    page, read = written(tmp_path, tagged("Nothing here."))
    assert read.texts == ["Nothing here."]
    assert "no entities" in page
    assert Page(written(tmp_path)[0]).texts == []


BROWSER = """
const made = given => {
  const classes = new Set()
  const dataset = {label: given["data-label"], sure: given["data-sure"], told: given["data-told"]}
  return {classes, dataset, classList: {
    toggle: (name, on) => on ? classes.add(name) : classes.delete(name)
  }}
}
const marks = MARKS.map(made), names = NAMES.map(made)
const slider = {value: "0"}, output = {}
const document = {
  querySelector: name => ({input: slider, output})[name],
  querySelectorAll: name => ({"main mark": marks, "header mark": names})[name],
}
{ SCRIPT }
const seen = VALUES.map(value => {
  slider.value = value
  slider.oninput()
  return [marks.map(mark => !mark.classes.has("low")), names.map(name => name.dataset.told),
          output.textContent]
})
console.log(JSON.stringify(seen))
"""


def test_the_slider_hides_what_is_less_sure(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    text = tagged("Ada in Paris", ("Ada", "__proto__", 0.95, 0), ("Paris", "LOC", 0.4, 0))
    page, read = written(tmp_path, text, tagged("Rome", ("Rome", "LOC", 1.0, 0)))
    script = re.search("<script>(.*)</script>", page, re.DOTALL)
    assert script
    code = BROWSER.replace("MARKS", json.dumps(read.marks["text"]))
    code = code.replace("NAMES", json.dumps(read.marks["header"]))
    code = code.replace("VALUES", json.dumps(["0.4", "0.41", "1", "0"]))
    code = code.replace("SCRIPT", script[1])
    ran = subprocess.run([node, "-e", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    seen: list[list[Any]] = json.loads(ran.stdout)
    assert [name["text"] for name in read.marks["header"]] == ["LOC", "__proto__"]
    assert seen == [
        [[True, True, True], [2, 1], "0.40"],
        [[True, False, True], [1, 1], "0.41"],
        [[False, False, True], [1, 0], "1.00"],
        [[True, True, True], [2, 1], "0.00"],
    ]
