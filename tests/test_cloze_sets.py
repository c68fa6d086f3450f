"""Sets in their published layouts, and our own few examples in them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from corpora import cloze_sets
from corpora.cloze_sets import (
    BLANK,
    read_last_words,
    read_missing_words,
    read_running_text,
    read_schemas,
)
from corpora.errors import UsageError

CBTEST = """\
1 Once there was a miller .
2 He had a donkey .
3 The XXXXX ran away .\tdonkey\t\tdonkey|miller|river

1 Lena flew a kite .
2 XXXXX was glad .\tLena\t\tBruno|Lena|Odo
"""
COLLECTION = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<collection>
<schema>
  <text>
    <txt1>The ladder would not go through
      the hatch because</txt1>
    <pron> it </pron>
    <txt2>was too long. </txt2>
  </text>
  <quote><quote1></quote1><pron>it</pron><quote2>was too long</quote2></quote>
  <answers><answer>the ladder</answer><answer> the hatch </answer></answers>
  <correctAnswer> A. </correctAnswer>
</schema>
<schema>
  <text><txt1>Ann saw that Ruth knew</txt1><pron>her</pron><txt2>.</txt2></text>
  <answers><answer>Ann</answer><answer>Ruth</answer></answers>
  <correctAnswer>B</correctAnswer>
</schema>
</collection>
"""


def put(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_last_words_in_both_layouts(tmp_path: Path) -> None:
    rows = [{"text": "He ran home with the scarf"}, {"text": "Alone"}, {"text": " to  her piano "}]
    lines = put(tmp_path / "lambada.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    read = read_last_words(lines)
    assert [example[:2] for example in read.examples] == [
        ("He ran home with the", "scarf"),
        ("to  her", "piano"),
    ]
    assert read.remarks == [f"texts of a single word left out: 1 ({lines}, line 2)"]
    plain = tmp_path / "lambada_test.txt.gz"
    plain.write_bytes(gzip.compress(b"he ran home\n\nto her piano\n"))
    found = read_last_words(plain)
    assert [example.word for example in found.examples] == ["home", "piano"]
    assert found.examples[1].where.endswith("line 3")
    assert len(read_last_words(plain, limit=1).examples) == 1


def test_missing_words_as_facebook_published_them(tmp_path: Path) -> None:
    first, second = read_missing_words(put(tmp_path / "cbtest_CN_test_2500ep.txt", CBTEST)).examples
    assert first.sentences == ("Once there was a miller .", "He had a donkey .")
    assert first.question == f"The {BLANK} ran away ."
    assert first.options == ("donkey", "miller", "river")
    assert (first.answer, second.answer) == (0, 1)
    assert first.kind == "common nouns"
    row = {"sentences": ["A ."], "question": "XXXXX .", "answer": "b", "options": ["a", "b"]}
    (plain,) = read_missing_words(put(tmp_path / "mine.jsonl", json.dumps(row))).examples
    assert (plain.kind, plain.answer) == ("", 1)


def test_schemas_as_davis_published_them(tmp_path: Path) -> None:
    first, second = read_schemas(put(tmp_path / "WSCollection.xml", COLLECTION)).examples
    assert first[:5] == (
        "The ladder would not go through the hatch because ", "it", " was too long.",
        ("the ladder", "the hatch"), 0,
    )  # fmt: skip
    assert second[:3] == ("Ann saw that Ruth knew ", "her", ".")
    assert second.answer == 1


def test_running_text_by_lines(tmp_path: Path) -> None:
    path = put(tmp_path / "wiki.test.tokens", " = A = \n \n B . \n")
    assert read_running_text(path).examples[0].lines == (" = A = ", " ", " B . ")
    assert read_running_text(path, limit=1).examples[0].lines == (" = A = ",)
    with pytest.raises(UsageError, match="there is no text in it"):
        read_running_text(put(tmp_path / "blank.txt", " \n\n"))


def test_public_names_are_asked_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def rows(dataset, columns, split):  # type: ignore[no-untyped-def]
        asked.append((dataset.name, split))
        if "cbt" in dataset.name:
            answer = {"answer": "a", "options": ["a", "b"]}
            return iter([(split, {"sentences": ["A ."], "question": "An XXXXX .", **answer})] * 3)
        if "wsc" in dataset.name:
            place = {"pronoun": "it", "pronoun_loc": 0, "options": ["a", "b"]}
            return iter([(split, {"text": "it was.", "label": "1", **place})])
        return iter([(split, {"text": "one two\n"})] * 3)

    monkeypatch.setattr(cloze_sets.huggingface, "rows", rows)
    assert read_last_words("hf", limit=2).source == cloze_sets.LAMBADA
    read = read_missing_words("hf", limit=2)
    assert [example.kind for example in read.examples] == ["common nouns"] * 2 + [
        "named entities"
    ] * 2
    assert read_schemas("hf").examples[0].answer == 1
    assert read_running_text("hf:mine:raw").examples[0].lines == ("one two",) * 3
    assert asked == [
        (cloze_sets.LAMBADA, "test"),
        *((name, "test") for name in cloze_sets.CBT),
        (cloze_sets.WINOGRAD, "test"),
        ("hf:mine:raw", "test"),
    ]


@pytest.mark.parametrize(
    ("read", "name", "text", "told"),
    [
        (read_last_words, "a.jsonl", '{"txt": "a b"}', "no field 'text'; the fields are: txt"),
        (read_last_words, "a.jsonl", "[1]", "line 1: [1], and an object was expected"),
        (read_last_words, "a.jsonl", '{"text": 3}', "'text' holds 3; expected a text"),
        (read_last_words, "a.txt", "alone", "there is no example in it"),
        (read_missing_words, "a.txt", "no number", "line 1: 'no number'; expected lines that"),
        (read_missing_words, "a.txt", "1 A XXXXX\tc\t\ta|b", "an answer among the options"),
        (read_missing_words, "a.txt", "1 A .", "it ends before the question"),
        (read_schemas, "a.xml", "<a><b></a>", "line 1: not XML"),
        (read_schemas, "a.jsonl", '{"text": "a it", "pronoun": "it", "pronoun_loc": 1, '
         '"options": ["a", "b"], "label": 0}', "does not stand at pronoun_loc 1"),
        (read_schemas, "a.jsonl", '{"text": "a it", "pronoun": "it", "pronoun_loc": 2, '
         '"options": ["a", "b"], "label": 2}', "label 2; expected the place of the right option"),
    ],
)  # fmt: skip
def test_another_layout_is_one_line(read, name: str, text: str, told: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = put(tmp_path / name, text)
    with pytest.raises(UsageError) as error:
        read(path)
    assert told in str(error.value)
    assert str(error.value).startswith(path)
    assert "\n" not in str(error.value)


def test_our_own_examples_are_sound() -> None:
    last_words = read_last_words().examples
    assert 5 <= len(last_words) <= 12
    # As in LAMBADA most of the words stand in their text before; flour has to be thought of.
    assert sum(last.word in last.context for last in last_words) >= 0.8 * len(last_words)
    clozes = read_missing_words().examples
    assert {example.kind for example in clozes} == {"common nouns", "named entities"}
    for example in clozes:
        assert len(example.sentences) == 20
        assert len(set(example.options)) == len(example.options)
        context = " ".join(example.sentences).split()
        assert example.options[example.answer] in context
    schemas = read_schemas().examples
    assert [schema.answer for schema in schemas] == [0, 1] * (len(schemas) // 2)
    assert all(schema.pronoun.isalpha() for schema in schemas)
