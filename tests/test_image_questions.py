"""Questions about pictures out of every form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpora.errors import UsageError
from corpora.image_questions import divide_questions, read_questions


def write(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def vqa(tmp_path: Path) -> Path:
    """The layout of VQA v2, with pictures 1 to 20 and two questions about each."""
    (tmp_path / "val2014").mkdir()
    for number in range(1, 21):
        (tmp_path / "val2014" / f"COCO_val2014_{number:012d}.jpg").touch()
    asked: list[dict[str, Any]] = [
        {"image_id": number, "question": text, "question_id": 10 * number + place}
        for number in range(1, 21)
        for place, text in enumerate(("what is it?", "is it red?"))
    ]
    told = [
        {
            "question_id": one["question_id"],
            "image_id": one["image_id"],
            "answer_type": "yes/no" if one["question_id"] % 10 else "other",
            "multiple_choice_answer": "yes",
            "answers": [{"answer": "yes", "answer_id": n} for n in range(9)] + [{"answer": "no"}],
        }
        for one in asked[:-1]
    ]
    write(tmp_path / "q.json", {"data_subtype": "val2014", "questions": asked})
    write(tmp_path / "a.json", {"data_subtype": "val2014", "annotations": told})
    return tmp_path


def test_vqa(vqa: Path) -> None:
    corpus = read_questions(vqa / "q.json", vqa / "a.json", images=vqa / "val2014")
    assert len(corpus.items) == 39
    item = corpus.items[1]
    assert item.image == vqa / "val2014" / "COCO_val2014_000000000001.jpg"
    assert (item.question, item.kind, item.id) == ("is it red?", "yes/no", "1")
    assert item.answers == ("yes",) * 9 + ("no",)
    assert item.split == "validation"
    assert corpus.remarks == [
        f"questions without an annotation left out: 1 ({vqa / 'q.json'}, question 40)"
    ]
    alone = read_questions(vqa / "q.json", images=vqa / "val2014")
    assert alone.items[0].answers == ()
    assert alone.remarks[0].startswith("questions without an answer, kept: 40")


def test_no_picture_is_in_two_parts(vqa: Path) -> None:
    parts = divide_questions(vqa / "q.json", vqa / "a.json", images=vqa / "val2014")
    pictures = [{item.image for item in part} for part in parts[:3]]
    assert sum(map(len, pictures)) == len(set.union(*pictures)) == 20
    assert all(pictures)
    both = [str(vqa / "q.json"), str(vqa / "a.json")]
    parts = divide_questions(*both, validation=both, test=0, images=vqa / "val2014")
    assert [len(part) for part in parts[:3]] == [39, 39, 0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.csv", "image,question,answer\na.jpg,how many?,2\na.jpg,is it?,yes\n"),
        (
            "q.jsonl",
            '{"path": "a.jpg", "question": "how many?", "answers": ["2"]}\n'
            '{"path": "a.jpg", "question": "is it?", "answers": [{"answer": "yes"}]}\n',
        ),
    ],
)
def test_tables(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "a.jpg").touch()
    corpus = read_questions(write(tmp_path / name, text))
    assert [item[1:3] for item in corpus.items] == [("how many?", ("2",)), ("is it?", ("yes",))]
    assert corpus.items[0].id == "a"
    assert corpus.remarks == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("q.json", '{"data": []}', r'expected VQA\'s {"questions"'),
        ("q.json", '{"questions": [{"question_id": 1}]}', "question 1: image_id is None"),
        ("q.csv", "image,answer\na.jpg,2\n", "line 2: no column such as question"),
        ("q.csv", "image,question,answer\nb.jpg,how?,2\n", r"none of its 1 pictures \(b.jpg\)"),
        ("q.txt", "image,question,answer\n", "expected VQA's .json or one of .csv"),
        ("q.jsonl", '{"image": "a.jpg", "question": 5, "answer": ""}', "the question is 5"),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UsageError, match=said) as raised:
        read_questions(write(tmp_path / name, text))
    assert "\n" not in str(raised.value)


def test_missing_pictures_and_empty_questions_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    text = "image,question,answer\na.jpg,how?,2\nb.jpg,how?,2\na.jpg, ,2\n"
    corpus = read_questions(write(tmp_path / "q.csv", text))
    assert len(corpus.items) == 1
    assert [remark.split(":")[0] for remark in corpus.remarks] == [
        "pictures that are not there, left out",
        "questions about pictures that are not there, left out",
        "empty questions left out",
    ]


def test_generated_scenes() -> None:
    parts = divide_questions("generated-scenes:30")
    for item in parts.train[:50]:
        assert (item.question, item.answers[0], item.kind) in [
            (asked.question, asked.answer, asked.kind) for asked in item.image.questions
        ]
    assert len({item.id for item in parts.train}) == 30
    assert len({item.id for item in parts.test}) == 3
