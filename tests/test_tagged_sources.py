"""Annotated texts of brat, and annotated datasets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tagged_reading import ALEX, MARTY, TEXT, complaint, plain, read

from corpora.schemes import Span, to_tags

# brat


def test_brat(write, tmp_path: Path) -> None:
    text = "Alex is in Los\r\nAngeles\n\n\u200bMarty A. of North and South Korea\n"
    places = [(0, 4, "PER"), (11, 23, "LOC"), (26, 34, "PER")]
    lines = [
        f"T{number}\t{label} {start} {end}\t{' '.join(text[start:end].split())}"
        for number, (start, end, label) in enumerate(places)
    ]
    lines += ["R1\tlives Arg1:T0 Arg2:T1", "#1\tAnnotatorNotes T1\twell", "", "*\tEquiv T0 T2"]
    lines.append("T9\tLOC 38 43;54 59\tNorth Korea")
    write(text, "brat/a.txt")
    annotations = write("\n".join(lines), "brat/a.ann")
    for source in (tmp_path / "brat", annotations):
        corpus = read(source)
        assert plain(corpus) == [
            ALEX,
            (
                ("\u200b", "Marty", "A.", "of", "North", "and", "South", "Korea"),
                ((1, 3, "PER"), (4, 8, "LOC")),
            ),
        ]
        assert corpus.sentences[0].text == "Alex is in Los\r\nAngeles"
        assert [one.begins_document for one in corpus.sentences] == [True, False]
        where = tmp_path / "brat" / "a.txt"
        assert [one.where for one in corpus.sentences] == [f"{where}, line 1", f"{where}, line 4"]
        assert corpus.remarks == [
            "brat's lines other than entities (relations, notes, ...) left out: 3 "
            f"(first: {annotations}, line 4)",
            "entities in several parts, read as all from the first to the last: 1 "
            f"({annotations}, line 8)",
            f"words cut where an entity begins or ends inside them: 1 ({where}, line 4)",
        ]
    assert plain(read(tmp_path / "brat" / "a.txt", format="brat")) == plain(read(annotations))


def test_a_folder_of_brat(write, tmp_path: Path) -> None:
    """Texts without entities count, texts without annotations do not."""
    write("\ufeffAlex", "brat/1.txt")
    write("T1\tPER 1 5\tAlex\n", "brat/1.ann")
    write("nothing here", "brat/deep/2.txt")
    write("", "brat/deep/2.ann")
    write("never annotated", "brat/3.txt")
    corpus = read(tmp_path / "brat")
    assert plain(corpus) == [(("Alex",), ((0, 1, "PER"),)), (("nothing", "here"), ())]
    left = tmp_path / "brat" / "3.txt"
    assert corpus.remarks == [f"texts without an .ann file left out: 1 ({left})"]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ("T1\tPER 0 4\tAlex\n\nT2\tPER 5 9\tAlex", "a.ann, line 3: characters 5 to 9 of a.txt are"),
        ("T1\tPER 40 44\tAlex", "a.ann, line 1: characters 40 to 44 of a.txt are ''"),
        ("T1\tPER 0\tAlex", "a.ann, line 1: 'T1\\tPER 0\\tAlex' was found"),
        ("x\n", "a.ann, line 1: 'x' was found"),
        ("T1\tA 0 7\tAlex is\nT2\tB 5 7\tis", "a.txt: two entities overlap: A 'Alex is'"),
        (b"T1\tPER 0 4\t\xe9", "a.ann: byte 0xe9"),
    ],
)
def test_wrong_brat(write, annotations, expected: str) -> None:
    write(TEXT, "a.txt")
    assert expected in complaint(write(annotations, "a.ann"))


def test_brat_without_a_text(write, tmp_path: Path) -> None:
    assert "there is no b.txt beside it" in complaint(write("T1\tA 0 1\ta", "b.ann"))
    assert "no sentence" in complaint(write("a", "c.txt"), format="brat")


# Datasets


def test_datasets(tmp_path: Path) -> None:
    import datasets

    tags = datasets.ClassLabel(names=["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(tags),
        }
    )
    rows = {
        "id": ["0", "1", "2"],
        "tokens": [list(ALEX[0]), [], list(MARTY[0])],
        "ner_tags": [[1, 0, 0, 3, 4], [], [1, 2]],
    }
    table = datasets.Dataset.from_dict(rows, features=features)
    test = datasets.Dataset.from_dict({"tokens": [["a"]], "tags": [[7]]})
    datasets.DatasetDict({"train": table, "test": test}).save_to_disk(tmp_path / "set")
    name = f"hf:{tmp_path / 'set'}"
    corpus = read(name, split="train")
    assert plain(corpus) == [ALEX, MARTY]
    assert corpus.scheme == "BIO"
    assert corpus.sentences[1].where == f"{name}, split train, row 3"
    assert corpus.remarks == [f"empty sentences left out: 1 ({name}, split train, row 2)"]
    assert plain(read(tmp_path / "set", format="hf", split="train")) == plain(corpus)
    assert "split test, row 1: 7 in 'tags'" in complaint(name)
    assert "no split 'dev'" in complaint(name, split="dev")


def test_a_dataset_read_as_a_stream(tmp_path: Path, monkeypatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    record = {"tokens": ALEX[0], "ner_tags": to_tags(map(Span._make, ALEX[1]), 5, "BIO"), "x": 1}
    (folder / "train.jsonl").write_text(json.dumps(record) + "\n")
    assert plain(read(f"hf:{folder}")) == [ALEX]
