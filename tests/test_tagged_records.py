"""Annotated records: texts with spans, words with tags."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagged_reading import ALEX, TEXT, complaint, plain, read, words_of

from corpora.schemes import Span, to_tags
from corpora.sentence import Tally, from_text

SPANS = [[0, 4, "PER"], [11, 22, "LOC"]]
NAMED = [dict(zip(("start", "end", "label"), span, strict=True)) for span in SPANS]


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "entities": NAMED},
        {"text": TEXT, "entities": SPANS[::-1]},
        {"text": TEXT, "spans": NAMED, "tokens": [{"text": "Alex", "start": 0}]},
        {"id": 1, "text": TEXT, "label": SPANS},
        {
            "text": TEXT,
            "entities": [
                {"id": 1, "start_offset": start, "end_offset": end, "label": label}
                for start, end, label in SPANS
            ],
            "relations": [],
        },
        [TEXT, {"entities": SPANS}],
        {"tokens": TEXT.split(), "ner_tags": ["B-PER", "O", "O", "B-LOC", "I-LOC"]},
        {"words": TEXT.split(), "tags": ["U-PER", "O", "O", "B-LOC", "L-LOC"]},
        {"text": TEXT, "tokens": TEXT.split(), "labels": ["PER", "O", "O", "LOC", "LOC"]},
    ],
)
def test_records(write, record) -> None:
    file = write("\n" + json.dumps(record) + "\n", "a.jsonl")
    corpus = read(file)
    assert plain(corpus) == [ALEX]
    assert corpus.sentences[0].where == f"{file}, line 2"
    has_tags = isinstance(record, dict) and record.keys() & {"tags", "ner_tags", "labels"}
    assert corpus.sentences[0].text == (None if has_tags else TEXT)
    array = write(json.dumps([record] * 2, indent=1), "a.json")
    corpus = read(array)
    assert plain(corpus) == [ALEX] * 2
    assert corpus.sentences[1].where == f"{array}, row 2"
    assert plain(read(write(json.dumps(record), "a.annotations"), format="jsonl")) == [ALEX]


def test_lines_of_a_text(write) -> None:
    """A sentence each; but lines that an entity runs over stay together."""
    text = "One in\r\n\r\nNew\nYork now.\nTwo"
    entities = [(10, 18, "LOC"), (24, 27, "NUM")]
    assert [text[start:end] for start, end, _ in entities] == ["New\nYork", "Two"]
    corpus = read(write(json.dumps({"text": text, "entities": entities}), "a.jsonl"))
    assert plain(corpus) == [
        (("One", "in"), ()),
        (("New", "York", "now."), ((0, 2, "LOC"),)),
        (("Two",), ((0, 1, "NUM"),)),
    ]
    assert [one.text for one in corpus.sentences] == ["One in\r", "New\nYork now.", "Two"]
    assert [one.begins_document for one in corpus.sentences] == [True, False, False]


def test_spans_that_do_not_fit_words(write) -> None:
    spans = [[0, 4, "A"], [5, 8, "B"], [8, 11, "C"], [12, 13, "D"], [5, 8, "B"], [11, 12, "E"]]
    file = write(json.dumps({"text": "the NewYork -based", "entities": spans}), "a.jsonl")
    corpus = read(file)
    assert plain(corpus) == [
        (
            ("the", "N", "ewY", "ork", "-", "based"),
            ((0, 1, "A"), (2, 3, "B"), (3, 4, "C"), (4, 5, "D")),
        )
    ]
    assert corpus.remarks == [
        f"spans with white space at an end, which was taken off: 1 ({file}, line 1)",
        f"spans of nothing but white space left out: 1 ({file}, line 1)",
        f"spans given more than once: 1 ({file}, line 1)",
        f"words cut where an entity begins or ends inside them: 2 (first: {file}, line 1)",
    ]


@st.composite
def annotated_texts(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """A text of many scripts, and spans in it that do not overlap and hold more than space."""
    pieces = [
        "a",
        "Bc",
        " ",
        "\n",
        "\r\n",
        "\t",
        "👩‍👧",
        "e\u0301",
        "שלום",
        "\u00a0",
        "\u200b",
        "京",
        ".",
    ]
    text = draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=30).map("".join))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = [
        Span(start, end, draw(st.sampled_from("XY")))
        for start, end in zip(edges[::2], edges[1::2], strict=False)
    ]
    return text, [span for span in spans if text[span.start : span.end].strip()]


@given(annotated_texts())
@settings(max_examples=200)
def test_entities_of_any_text_keep_their_signs(annotated: tuple[str, list[Span]]) -> None:
    text, spans = annotated
    sentences = list(from_text(text, spans, "here", words_of, Tally()))
    found = []
    for sentence in sentences:
        assert sentence.text is not None
        assert sentence.offsets is not None
        assert "".join(sentence.words) == "".join(sentence.text.split())
        to_tags(sentence.spans, len(sentence.words), "BIO")  # they lie within, and do not overlap
        for start, end, label in sentence.spans:
            begin, stop = sentence.offsets[start][0], sentence.offsets[end - 1][1]
            found.append((sentence.text[begin:stop], label))
    assert found == [(text[span.start : span.end].strip(), span.label) for span in spans]
    assert "".join(word for one in sentences for word in one.words) == "".join(text.split())


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"text": TEXT, "entities": [[0, 4, "A"], [2, 7, "B"]]},
            "overlap: A 'Alex' (0 to 4) and B",
        ),
        ({"text": TEXT, "entities": [[0, 4, "A"], [0, 4, "B"]]}, "two entities overlap"),
        ({"text": TEXT, "entities": [[20, 23, "A"]]}, "not within the text, which has 22"),
        ({"text": TEXT, "entities": [[4, 4, "A"]]}, "from 4 to 4 is not within"),
        ({"text": TEXT, "entities": [[-4, 4, "A"]]}, "from -4 to 4 is not within"),
        ({"text": TEXT, "entities": [[0, 4]]}, "is not a span"),
        ({"text": TEXT, "entities": [[0, 4, ""]]}, "is not a span"),
        ({"text": TEXT, "entities": [{"start": 0, "end": "4", "label": "A"}]}, "is not a span"),
        ({"text": TEXT}, "found the fields text; expected"),
        ({"text": None, "entities": []}, "found the fields text, entities"),
        ({"tokens": ["a"], "ner_tags": ["O", "O"]}, "2 tags in 'ner_tags' for 1 words"),
        ({"tokens": ["a"], "ner_tags": [3]}, "3 in 'ner_tags'; expected the tags' names"),
        ({"tokens": [1], "ner_tags": ["O"]}, "1 among the words"),
        ({"tokens": ["a", "b"], "ner_tags": ["B-X", "X"]}, "tag 'X' fits no scheme"),
        ("text", "found 'text'; expected"),
        (None, "found None; expected"),
    ],
)
def test_wrong_records(write, record, expected: str) -> None:
    good = json.dumps({"text": "Alex", "entities": [], "tokens": ["a"], "tags": ["O"]})
    told = complaint(write(f"{good}\n{json.dumps(record)}\n", "a.jsonl"))
    assert "a.jsonl, line 2: " in told
    assert expected in told


def test_wrong_json(write) -> None:
    assert "line 2: not JSON" in complaint(write('{"text": "a", "label": []}\n{"text"', "a.jsonl"))
    assert "line 2: not JSON" in complaint(
        write('[{"text": "a", "label": []},\n{"text"]', "a.json")
    )


def test_empty_records_and_words_are_counted(write) -> None:
    records = [
        {"text": " \n", "entities": []},
        {"tokens": [], "tags": []},
        {"tokens": ["", "b"], "tags": ["B-X", "O"]},
    ]
    file = write("\n".join(map(json.dumps, records)), "a.jsonl")
    corpus = read(file)
    assert plain(corpus) == [(("\N{REPLACEMENT CHARACTER}", "b"), ((0, 1, "X"),))]
    assert corpus.remarks == [
        f"texts without a word left out: 1 ({file}, line 1)",
        f"empty sentences left out: 1 ({file}, line 2)",
        f"empty words, read as \N{REPLACEMENT CHARACTER}: 1 ({file}, line 3)",
    ]
    assert "no sentence" in complaint(write(json.dumps(records[0]), "b.jsonl"))


def test_a_brace_is_a_word(write) -> None:
    assert read(write("{ O\n} O\n")).sentences[0].words == ("{", "}")
