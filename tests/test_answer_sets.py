"""Conversations, questions, articles and translations, in each published layout."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpora import answer_examples
from corpora.answer_sets import (
    Turn,
    read_articles,
    read_conversations,
    read_questions,
    read_translations,
)
from corpora.errors import UsageError

Write = Callable[..., Path]

STORY = {
    "source": "wikipedia",
    "id": "x1",
    "filename": "x.txt",
    "story": "Ann has a red hat.",
    "questions": [
        {"input_text": "Who has a hat?", "turn_id": 1},
        {"input_text": "Which?", "turn_id": 2},
    ],
    "answers": [
        {"span_start": 0, "span_end": 3, "span_text": "Ann", "input_text": "Ann", "turn_id": 1},
        {"span_start": 8, "span_end": 17, "span_text": "a red", "input_text": "red", "turn_id": 2},
    ],
    "additional_answers": {
        "0": [{"input_text": "she", "turn_id": 1}, {"input_text": "a red one", "turn_id": 2}],
        "1": [{"input_text": "Ann", "turn_id": 1}, {"input_text": "the red", "turn_id": 2}],
    },
    "name": "x.txt",
}
TURNS = (
    Turn("Who has a hat?", ("Ann", "she", "Ann")),
    Turn("Which?", ("red", "a red one", "the red")),
)


def lines_of(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def complaint(read: Callable[..., Any], source: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_coqa(write: Write) -> None:
    whole = json.dumps({"version": "1.0", "data": [STORY, STORY]}, indent=1)
    read = read_conversations(write(whole, "coqa.json"))
    assert [one.story for one in read.examples] == ["Ann has a red hat."] * 2
    assert [one.turns for one in read.examples] == [TURNS] * 2
    assert read.examples[1].where.endswith("coqa.json, number 2")
    assert read.remarks == []
    for name, text in (("coqa.jsonl", lines_of(STORY)), ("coqa2.json", json.dumps([STORY]))):
        assert read_conversations(write(text, name)).examples[0].turns == TURNS


@pytest.mark.parametrize(
    ("questions", "answers"),
    [
        (  # stanfordnlp/coqa
            ["Who has a hat?", "Which?"],
            {"input_text": ["Ann", "red"], "answer_start": [0, 8], "answer_end": [3, 17]},
        ),
        (  # EleutherAI/coqa
            {"input_text": ["Who has a hat?", "Which?"], "turn_id": [1, 2]},
            {"input_text": ["Ann", "red"], "turn_id": [1, 2]},
        ),
    ],
)
def test_copies_of_coqa(questions: Any, answers: Any, write: Write) -> None:
    row = {"story": STORY["story"], "questions": questions, "answers": answers}
    read = read_conversations(write(lines_of(row), "a.jsonl"))
    assert read.examples[0].turns == tuple(
        turn._replace(answers=turn.answers[:1]) for turn in TURNS
    )
    assert len(read.remarks) == 1
    assert "one answer a question" in read.remarks[0]
    more = {"additional_answers": {"0": {"input_text": ["she", "a red one"], "turn_id": [1, 2]}}}
    read = read_conversations(write(lines_of(row | more), "b.jsonl"))
    assert read.examples[0].turns[1].answers == ("red", "a red one")
    assert read.remarks == []


def test_a_limit_counts_turns(write: Write) -> None:
    file = write(lines_of(STORY, STORY, STORY), "a.jsonl")
    for limit, expected in ((1, [1]), (2, [2]), (3, [2, 1]), (6, [2, 2, 2]), (9, [2, 2, 2])):
        read = read_conversations(file, limit=limit)
        assert [len(one.turns) for one in read.examples] == expected
    assert "limit is 0" in complaint(read_conversations, file, limit=0)
    # What is behind the limit is not looked at.
    broken = write(lines_of(STORY, {"story": 1}), "b.jsonl")
    assert len(read_conversations(broken, limit=2).examples) == 1


def test_stories_without_a_question_are_counted(write: Write) -> None:
    bare = {"story": "Nothing.", "questions": [], "answers": []}
    read = read_conversations(write(lines_of(bare, STORY), "a.jsonl"))
    assert len(read.examples) == 1
    assert "stories without a question left out: 1" in read.remarks[0]
    told = complaint(read_conversations, write(lines_of(bare), "b.jsonl"))
    assert "no example" in told
    assert "without a question" in told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answers": STORY["answers"][:1]}, "2 questions and 1 answers"),
        ({"story": None}, "'story' holds None; expected a text"),
        ({"questions": "Who?"}, "'questions' holds 'Who?'; expected a list of texts"),
        ({"answers": [{"text": "Ann"}, {}]}, "'answers' holds"),
        ({"additional_answers": {"0": STORY["answers"][:1]}}, "not as many additional answers"),
    ],
)
def test_conversations_of_another_form(change: Any, expected: str, write: Write) -> None:
    told = complaint(read_conversations, write(lines_of(STORY, {**STORY, **change}), "a.jsonl"))
    assert expected in told
    assert "a.jsonl, line 2" in told


def test_questions(write: Write) -> None:
    rows = [
        {"question": "who sang it", "answer": ["Ann", "Ann Lee"]},
        {"question": "where", "answer": "Rome"},
        {"question": "  ", "answer": ["x"]},
        {"question": "why", "answer": []},
    ]
    read = read_questions(write(lines_of(*rows), "nq.jsonl"))
    assert [(one.text, one.answers) for one in read.examples] == [
        ("who sang it", ("Ann", "Ann Lee")),
        ("where", ("Rome",)),
    ]
    assert "without a text or an answer left out: 2" in read.remarks[0]
    assert len(read_questions(write(lines_of(*rows), "nq.jsonl"), limit=1).examples) == 1
    told = complaint(read_questions, write(lines_of({"question": "who", "answers": []}), "b.jsonl"))
    assert "no field 'answer'; the fields are: question, answers" in told
    told = complaint(read_questions, write(lines_of({"question": 3, "answer": "x"}), "c.jsonl"))
    assert "c.jsonl, line 1: 'question' holds 3; expected a text" in told


def test_articles(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "article": "Long. Text.", "highlights": "Short .\nTwo ."},
        {"id": "2", "article": "", "highlights": "Short"},
    ]
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(lines_of(*rows).encode()))
    read = read_articles(file)
    assert [one[:2] for one in read.examples] == [("Long. Text.", "Short .\nTwo .")]
    assert "left out: 1" in read.remarks[0]


def test_files_that_cannot_be_read(write: Write, tmp_path: Path) -> None:
    assert "no.jsonl" in complaint(read_articles, tmp_path / "no.jsonl")
    told = complaint(read_articles, write('{"article": "a"\n', "a.jsonl"))
    assert "a.jsonl, line 1: not JSON" in told
    assert "a.json, line 2: not JSON" in complaint(read_articles, write("[{},\n]", "a.json"))
    assert 'an array "data"' in complaint(read_articles, write('{"rows": []}', "b.json"))
    assert "an object was expected" in complaint(read_articles, write("[1]", "c.json"))
    assert "is empty" in complaint(read_articles, write("", "d.jsonl"))
    assert "no example" in complaint(read_articles, write("\n", "e.jsonl"))
    assert "not a file" in complaint(read_articles, tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", lines_of({"translation": {"en": "A dog.", "fr": "Un chien."}})),
        ("b.jsonl", lines_of({"en": "A dog.", "fr": "Un chien."})),
        ("fra.txt", "A dog.\tUn chien.\tCC-BY 2.0\n"),
        ("c.tsv", "fr\ten\nUn chien.\tA dog.\n"),
        ("d.csv", '"A dog.","Un chien."\n'),
    ],
)
def test_translations(name: str, text: str, write: Write) -> None:
    read = read_translations(write(text, name))
    assert [pair[:2] for pair in read.examples] == [("A dog.", "Un chien.")]


def test_long_and_uneven_translations_are_kept(write: Write) -> None:
    """Filters are for training."""
    file = write("a " * 300 + "\tb\nc\td\n", "a.tsv")
    assert len(read_translations(file).examples) == 2
    assert len(read_translations(file, limit=1).examples) == 1


def test_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    row = {
        "story": STORY["story"],
        "questions": ["Who has a hat?", "Which?"],
        "answers": {"input_text": ["Ann", "red"], "answer_start": [0, 8]},
    }
    folder = tmp_path / "coqa"
    folder.mkdir()
    (folder / "train.jsonl").write_text(lines_of(row | {"story": "Of training."}))
    (folder / "validation.jsonl").write_text(lines_of(row))
    read = read_conversations(f"hf:{folder}")
    assert [one.story for one in read.examples] == [STORY["story"]]
    assert read.examples[0].turns[0] == Turn("Who has a hat?", ("Ann",))
    assert read.examples[0].where.endswith("split validation, row 1")
    assert read_conversations(f"hf:{folder}", split="train").examples[0].story == "Of training."
    told = complaint(read_questions, f"hf:{folder}", split="test")
    assert "no split 'test'; the splits are: train, validation" in told


def test_our_own_examples_are_read_as_the_public_ones() -> None:
    conversations = read_conversations().examples
    assert 5 <= sum(len(one.turns) for one in conversations) <= 20
    assert {len(turn.answers) for one in conversations for turn in one.turns} == {2}
    for read in (read_questions(), read_articles(), read_translations()):
        assert read.source == "our own examples"
        assert 5 <= len(read.examples) <= 12
        assert read.remarks == []
    assert len(read_articles(limit=2).examples) == 2
    for article in read_articles().examples:
        assert len(article.summary.splitlines()) == 3
        assert len(article.text) > 3 * len(article.summary)


def test_pairs_of_prompts_are_none_of_the_examples() -> None:
    questions = {one.text for one in read_questions().examples}
    assert not questions & {question for question, _ in answer_examples.QUESTION_PAIRS}
    sentences = {text for pair in read_translations().examples for text in pair[:2]}
    assert not sentences & {text for pair in answer_examples.TRANSLATION_PAIRS for text in pair}
