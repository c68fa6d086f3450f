"""Tables: every format gives the same rows, and a damaged one is told with its line."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import Passage, UsageError, read

ROWS = ["first, with a comma", 'a "quoted" one\nof two lines', "", "déjà vu " * 30_000]


def complaint(source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        list(read(source, **options))
    message = str(caught.value)
    assert "\n" not in message
    return message


def write_table(folder: Path, ending: str, texts: list[str]) -> Path:
    file = folder / f"table{ending}"
    rows = [{"id": number, "text": text} for number, text in enumerate(texts)]
    if ending == ".jsonl":
        file.write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    elif ending == ".json":
        file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    elif ending == ".csv":
        with file.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.DictWriter(stream, ["id", "text"])
            writer.writeheader()
            writer.writerows(rows)
    elif ending == ".tsv":
        lines = ["id\ttext", *(f"{row['id']}\t{row['text']}" for row in rows)]
        file.write_text("\n".join(lines), encoding="utf-8")
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_tables(tmp_path, ending):
    texts = [text.replace("\n", " ") if ending == ".tsv" else text for text in ROWS]
    file = write_table(tmp_path, ending, texts)
    assert list(read(file)) == [Passage(text, True) for text in texts if text]
    message = complaint(file, text_column="body")
    assert "'body'" in message
    assert "id, text" in message
    if ending not in (".csv", ".tsv"):  # where a number cannot be told from text
        assert "text was expected" in complaint(file, text_column="id")


def test_compressed_table(tmp_path):
    (tmp_path / "table.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n{"text": null}\n'))
    assert list(read(tmp_path / "table.jsonl.gz")) == [Passage("a", True)]


@given(texts=st.lists(st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), min_size=1)))
@settings(deadline=None, max_examples=50)
def test_csv_round_trip(tmp_path_factory, texts):
    file = write_table(tmp_path_factory.mktemp("csv"), ".csv", [*texts, "last"])
    assert [passage.text for passage in read(file)] == [*texts, "last"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2: not JSON"),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', "line 2: ['b'] was found"),
        ("a.json", '[{"text": "a"},\n{"text"]', "line 2: not JSON"),
        ("a.csv", "id,text\n1,a\n1,a,b\n", "line 3: 3 fields, and the header has 2"),
        ("a.tsv", "id\ttext\n1\ta\n1\n", "line 3: 1 fields"),
        ("a.csv", "text\n", "no text"),
        ("a.parquet", "no such thing", "not a readable Parquet file"),
    ],
)
def test_damaged_tables(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content)
    assert expected in complaint(tmp_path / name)
