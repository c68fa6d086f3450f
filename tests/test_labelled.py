"""Texts with classes: every form gives the same examples; what is wrong is told with its line."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from corpora.labelled import Example, LabelledCorpus, read_labelled

ROWS = [("a good, long film", "pos"), ('a "bad" one', "neg"), ("schön", "pos")]


def complaint(source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        read_labelled(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def pairs(corpus: LabelledCorpus) -> list[tuple[str, str]]:
    return [(text, *labels) for text, labels, _ in corpus.examples]


def write(folder: Path, ending: str, rows) -> Path:
    file = folder / f"table{ending}"
    objects = [{"id": n, "text": text, "label": label} for n, (text, label) in enumerate(rows)]
    if ending == ".jsonl":
        file.write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    elif ending == ".jsonl.gz":
        file.write_bytes(gzip.compress("\n".join(map(json.dumps, objects)).encode()))
    elif ending == ".json":
        file.write_text(json.dumps(objects, indent=1), encoding="utf-8")
    elif ending == ".csv":
        with file.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.DictWriter(stream, ["id", "text", "label"])
            writer.writeheader()
            writer.writerows(objects)
    elif ending == ".tsv":
        lines = ["label\ttext", *(f"{label}\t{text}" for text, label in rows)]
        file.write_text("\r\n".join(lines), encoding="utf-8", newline="")
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(objects), file)
    return file


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".csv", ".tsv", ".parquet"])
def test_tables(tmp_path: Path, ending: str) -> None:
    file = write(tmp_path, ending, ROWS)
    corpus = read_labelled(file)
    assert pairs(corpus) == ROWS
    assert corpus.labels == ("neg", "pos")
    assert corpus.remarks == []
    second = {".csv": "line 3", ".tsv": "line 3", ".json": "row 2", ".parquet": "row 2"}
    assert corpus.examples[1].where == f"{file}, {second.get(ending, 'line 2')}"
    assert "'body'" in (told := complaint(file, text_column="body"))
    assert "--text-column" in told
    assert "'stars'" in (told := complaint(file, label_column="stars"))
    assert "holds the label with `--label-column`" in told


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), min_size=1).filter(
                str.strip
            ),
            st.sampled_from(["a", "b c", "ä"]),
        ),
        min_size=1,
    )
)
@settings(max_examples=40)
def test_csv_round_trip(tmp_path_factory, rows) -> None:
    assert pairs(read_labelled(write(tmp_path_factory.mktemp("csv"), ".csv", rows))) == rows


def test_files_by_class(tmp_path: Path) -> None:
    (tmp_path / "rt.pos").write_text("one\n\n two \r\n", newline="")
    (tmp_path / "rt.neg").write_text("three")
    corpus = read_labelled([f"pos={tmp_path / 'rt.pos'}", f"neg={tmp_path / 'rt.neg'}"])
    assert corpus.examples == [
        Example("one", ("pos",), f"{tmp_path / 'rt.pos'}, line 1"),
        Example(" two ", ("pos",), f"{tmp_path / 'rt.pos'}, line 3"),
        Example("three", ("neg",), f"{tmp_path / 'rt.neg'}, line 1"),
    ]
    assert corpus.remarks == [f"empty texts left out: 1 ({tmp_path / 'rt.pos'}, line 2)"]
    assert "LABEL=FILE" in complaint(tmp_path / "rt.pos")
    assert "no such file" in complaint(f"pos={tmp_path / 'none'}")


def test_a_file_in_latin_1(tmp_path: Path) -> None:
    (tmp_path / "rt.neg").write_bytes("a film\nclichés just pile up\n".encode("latin-1"))
    told = complaint(f"neg={tmp_path / 'rt.neg'}")
    assert "rt.neg: byte 0xe9" in told
    assert "line 2" in told
    assert "not UTF-8" in told
    assert "--encoding-errors replace" in told
    corpus = read_labelled(f"neg={tmp_path / 'rt.neg'}", encoding_errors="replace")
    assert corpus.examples[1].text == "clich\N{REPLACEMENT CHARACTER}s just pile up"


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name, text in [
        ("pos/1.txt", "one\ntwo\n"),
        ("pos/deep/2.txt", "three"),
        ("neg/1.txt", "4"),
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "readme").write_text("about")
    (tmp_path / "neg" / "empty.txt").touch()
    corpus = read_labelled(tmp_path)
    assert pairs(corpus) == [("4", "neg"), ("one\ntwo\n", "pos"), ("three", "pos")]
    assert corpus.examples[1].where == str(tmp_path / "pos" / "1.txt")
    assert corpus.remarks == [
        f"files beside the folders of the classes left out: 1 ({tmp_path / 'readme'})",
        f"files that are hidden, empty or not text left out: 1 ({tmp_path / 'neg' / 'empty.txt'})",
    ]


def test_a_folder_of_tables(tmp_path: Path) -> None:
    write(tmp_path, ".csv", ROWS[:2])
    write(tmp_path, ".jsonl", ROWS[2:])
    assert pairs(read_labelled(tmp_path)) == ROWS
    assert pairs(read_labelled(f"{tmp_path}/*.csv")) == ROWS[:2]


def test_several_labels(tmp_path: Path) -> None:
    cells = write(tmp_path, ".csv", [("a", "x| y"), ("b", ""), ("c", "y"), ("d", "y|y")])
    corpus = read_labelled(cells, separator="|")
    assert [labels for _, labels, _ in corpus.examples] == [("x", "y"), (), ("y",), ("y",)]
    assert corpus.labels == ("x", "y")
    assert corpus.remarks == [f"examples with none of the labels: 1 ({cells}, line 3)"]
    lists = write(tmp_path, ".jsonl", [("a", ["x", "y"]), ("b", []), ("c", [1])])
    found = [labels for _, labels, _ in read_labelled(lists).examples]
    assert found == [("x", "y"), (), ("1",)]


def test_labels_that_are_no_text(tmp_path: Path) -> None:
    file = write(tmp_path, ".jsonl", [("a", 1), ("b", 2.0), ("c", True), ("d", 0.5), ("e", " x ")])
    found = [label for _, (label,), _ in read_labelled(file).examples]
    assert found == ["1", "2", "true", "0.5", "x"]


@pytest.mark.parametrize("label", [None, "", "  ", float("nan"), {"a": 1}, [None]])
def test_an_example_without_a_label(tmp_path: Path, label) -> None:
    file = write(tmp_path, ".jsonl", [("a", "x"), ("b", label)])
    assert "table.jsonl, line 2: no label" in complaint(file)


def test_duplicates_are_kept_and_counted(tmp_path: Path) -> None:
    rows = [("a", "x"), ("a", "x"), ("b", "y"), ("a", "y"), ("a", "x"), (" ", "x")]
    corpus = read_labelled(write(tmp_path, ".jsonl", rows))
    assert pairs(corpus) == rows[:5]
    file = tmp_path / "table.jsonl"
    assert corpus.remarks == [
        f"texts that are there already, kept: 2 (first: {file}, line 2)",
        f"texts that are there already, with another label, kept: 1 ({file}, line 4)",
        f"empty texts left out: 1 ({file}, line 6)",
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n', "line 2: no column 'label'"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": \n', "line 2: not JSON"),
        ("a.jsonl", '{"text": 5, "label": "x"}\n', "line 1: column 'text' holds 5"),
        ("a.csv", "text,label\na,x\na\n", "line 3: 1 fields"),
        ("a.csv", "text,label\n", "no labelled text in it"),
        ("a.csv", "text,label\n ,x\n", "no labelled text in it"),
        ("a.csv", "", "the file is empty"),
        ("a.txt", "a\n", "its texts have no labels"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: str, expected: str) -> None:
    (tmp_path / name).write_text(content)
    told = complaint(tmp_path / name)
    assert name in told
    assert expected in told


def test_wrong_sources(tmp_path: Path) -> None:
    file = write(tmp_path, ".csv", ROWS)
    assert "no labelled texts were given" in complaint([])
    assert "only hf: datasets" in complaint(file, split="train")
    assert "have no labels" in complaint("wikipedia-sample")
    assert "encoding_errors" in complaint(file, encoding_errors="ignore")
    assert "no such file" in complaint(tmp_path / "none.csv")


def test_datasets(tmp_path: Path) -> None:
    import datasets

    names = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"body": datasets.Value("string"), "kind": names})
    several = datasets.Features(
        {"body": datasets.Value("string"), "kind": datasets.Sequence(names)}
    )
    one = datasets.Dataset.from_dict({"body": ["a", "b"], "kind": [1, 0]}, features=features)
    hidden = datasets.Dataset.from_dict({"body": ["c"], "kind": [-1]}, features=features)
    lists = datasets.Dataset.from_dict({"body": ["a"], "kind": [[1, 0]]}, features=several)
    datasets.DatasetDict({"train": one, "test": hidden}).save_to_disk(tmp_path / "one")
    lists.save_to_disk(tmp_path / "several")
    columns = {"text_column": "body", "label_column": "kind"}
    corpus = read_labelled(f"hf:{tmp_path / 'one'}", split="train", **columns)
    assert pairs(corpus) == [("a", "pos"), ("b", "neg")]
    assert corpus.examples[1].where == f"hf:{tmp_path / 'one'}, split train, row 2"
    assert "split test, row 1: no label" in complaint(f"hf:{tmp_path / 'one'}", **columns)
    assert "no column 'text'" in complaint(f"hf:{tmp_path / 'one'}")
    assert "no split 'dev'" in complaint(f"hf:{tmp_path / 'one'}", split="dev")
    found = read_labelled(f"hf:{tmp_path / 'several'}", **columns).examples[0].labels
    assert found == ("pos", "neg")
