"""Pairs of texts: every form gives the same pairs; what is wrong is told with its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_files import EN_DE, PAIRS, complaint, texts, write

from corpora import generated_pairs
from corpora.pairs import Pair, read_pairs

ENDINGS = [
    *(".jsonl", ".jsonl.gz", ".json", ".nested.jsonl", ".parquet", ".nested.parquet"),
    *(".csv", ".tsv", ".txt", ".tmx"),
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_form(tmp_path: Path, ending: str) -> None:
    file = write(tmp_path, ending, PAIRS)
    corpus = read_pairs(file, **EN_DE)
    assert texts(corpus) == PAIRS
    assert corpus.remarks == []
    second = {".json": "row 2", ".tmx": "line 5"} | dict.fromkeys(
        (".csv", ".tsv", ".txt"), "line 3"
    )
    expected = "row 2" if ending.endswith(".parquet") else second.get(ending, "line 2")
    assert corpus.pairs[1].where == f"{file}, {expected}"
    back = read_pairs(file, source_column="de", target_column="en")
    assert texts(back) == [(target, source) for source, target in PAIRS]
    told = complaint(file, source_column="en", target_column="fr")
    assert "'fr'" in told
    assert "--target-column" in told
    assert "--text-column" not in told


@given(
    st.lists(
        st.tuples(
            *[st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=9)] * 2
        ).filter(lambda pair: all(map(str.strip, pair))),
        min_size=1,
    )
)
@settings(max_examples=30, deadline=None)
def test_nothing_is_changed(tmp_path_factory, rows) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    for ending in (".csv", ".tsv", ".jsonl"):
        assert texts(read_pairs(write(folder, ending, rows), **EN_DE)) == rows
    for number, name in enumerate(("en", "de")):
        (folder / name).write_text("".join(f"{row[number]}\n" for row in rows), encoding="utf-8")
    assert texts(read_pairs(folder / "en", folder / "de")) == rows


def test_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_bytes(b"\xef\xbb\xbfone\r\ntwo\x0btwo\r\n\r\nfour\r\n")
    with gzip.open(tmp_path / "a.de.gz", "wt", encoding="utf-8") as stream:
        stream.write("eins\nzwei\ndrei\n")
    told = complaint(tmp_path / "a.en", tmp_path / "a.de.gz")
    assert f"{tmp_path}/a.en has 4 lines and {tmp_path}/a.de.gz has 3" in told
    with gzip.open(tmp_path / "a.de.gz", "at", encoding="utf-8") as stream:
        stream.write(" ")
    corpus = read_pairs(tmp_path / "a.en", str(tmp_path / "a.de.gz"))
    assert corpus.pairs == [
        Pair("one", "eins", f"{tmp_path}/a.en, line 1"),
        Pair("two\x0btwo", "zwei", f"{tmp_path}/a.en, line 2"),
    ]
    assert corpus.remarks == [
        f"pairs with an empty source left out: 1 ({tmp_path}/a.en, line 3)",
        f"pairs with an empty target left out: 1 ({tmp_path}/a.en, line 4)",
    ]


def test_counts_come_before_any_other_work(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a").write_text("1\n2\n" * 600)
    (tmp_path / "b").write_text("1\n2\n")

    def filtered(*_: object) -> bool:
        raise AssertionError("a pair was looked at")

    monkeypatch.setattr("corpora.pairs.Sieve.keeps", filtered)
    assert "a has 1,200 lines" in (told := complaint(tmp_path / "a", tmp_path / "b"))
    assert "b has 2;" in told


def test_wrong_pairs_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "empty").touch()
    (tmp_path / "latin").write_bytes("eins\nschön\n".encode("latin-1"))
    (tmp_path / "wide").write_text("eins\n", encoding="utf-16")
    table = write(tmp_path, ".tsv", PAIRS)
    assert "empty: the file is empty" in complaint(tmp_path / "a", tmp_path / "empty")
    told = complaint(tmp_path / "a", tmp_path / "latin")
    assert "latin: byte 0xf6" in told
    assert "line 2" in told
    assert "--encoding-errors replace" in told
    assert "UTF-16" in complaint(tmp_path / "a", tmp_path / "wide")
    assert "no such file" in complaint(tmp_path / "a", tmp_path / "none")
    assert "a table of both sides" in complaint(tmp_path / "a", table)
    assert "no single text file" in complaint(tmp_path / "a", tmp_path)
    assert "no single text file" in complaint("hf:some/set", tmp_path / "a")
    assert "only hf: datasets" in complaint(tmp_path / "a", tmp_path / "a", split="train")
    assert "only hf: datasets" in complaint(table, split="train")
    assert "name the file of its translations too" in complaint(tmp_path / "a")
    assert "encoding_errors" in complaint(table, encoding_errors="ignore")
    assert "holds no translations" in complaint("wikipedia-sample")
    (tmp_path / "latin").write_bytes("schön\n".encode("latin-1"))
    corpus = read_pairs(tmp_path / "a", tmp_path / "latin", encoding_errors="replace")
    assert texts(corpus) == [("one", "sch\N{REPLACEMENT CHARACTER}n")]


def test_columns_without_a_header(tmp_path: Path) -> None:
    file = tmp_path / "fra.txt"
    rows = ["Go.\tVa !\tCC-BY", "", '"Run!"\t"Cours !\tCC-BY']
    file.write_text("\n".join(rows), encoding="utf-8")
    corpus = read_pairs(file)
    assert texts(corpus) == [("Go.", "Va !"), ('"Run!"', '"Cours !')]
    assert corpus.pairs[1].where == f"{file}, line 3"
    assert corpus.remarks == [
        "files without a header that names the columns, of which the first two are read: "
        f"1 ({file})",
        f"blank lines left out: 1 ({file}, line 2)",
    ]
    swapped = read_pairs(file, source_column="1", target_column="-3")
    assert texts(swapped) == [("Va !", "Go."), ('"Cours !', '"Run!"')]
    assert "there are 3, counted from 0" in complaint(file, source_column="0", target_column="3")
    assert "no column 'en'; the columns are: Go." in complaint(file, **EN_DE)
    (tmp_path / "a.csv").write_text('"one, two","a ""b""\nc"\nthree,d\n')
    assert [pair[1:] for pair in read_pairs(tmp_path / "a.csv").pairs] == [
        ('a "b"\nc', f"{tmp_path}/a.csv, line 1"),
        ("d", f"{tmp_path}/a.csv, line 3"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv", "source\ttarget\na\tb\nc\n", "line 3: one column ('c'), and two were expected"),
        ("a.tsv", "a\nb\tc\n", "line 1: one column ('a'), and two were expected"),
        ("a.tsv", "a\tb\nc\td\te\n", "line 2: 3 columns, and the first line has 2"),
        ("a.tsv", "source\tcible\na\tb\n", "no column 'target'; the columns are: source, cible"),
        ("a.tsv", "", "the file is empty"),
        ("a.tsv", "source\ttarget\n", "there is no pair in it"),
        ("a.csv", "source,target\na,b\nc\n", "line 3: one column ('c')"),
        ("a.csv", "a;b\n", "parted by a comma"),
        ("a.csv", 'a,b\n"c,d\n', "line 2: not CSV"),
        (
            "a.jsonl",
            '{"source": "a", "target": "b"}\n{"source": "c"}\n',
            "line 2: no column 'target'",
        ),
        ("a.jsonl", '{"src": "a", "target": "b"}\n', "line 1: no column 'source'"),
        ("a.jsonl", '{"translation": {"en": "a", "de": "b"}}\n', "the columns are: en, de"),
        ("a.jsonl", '{"source": "a", "target": "b"}\n{"source": \n', "line 2: not JSON"),
        ("a.jsonl", '{"source": "a", "target": 1}\n', "line 1: column 'target' holds 1"),
        ("a.jsonl", '["a", "b"]\n', '{"source": "...", "target": "..."}'),
        (
            "a.json",
            '[{"source": "a", "target": "b"}, {"source": "a"}]',
            "row 2: no column 'target'",
        ),
        ("a.parquet", "no", "not a readable Parquet file"),
        ("a.txt", "a text\n", "a text without a tab"),
        ("a.tmx", "", "the file is empty"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: str, expected: str) -> None:
    (tmp_path / name).write_text(content)
    told = complaint(tmp_path / name)
    assert name in told
    assert expected in told


def test_nested_rows_that_are_damaged(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"translation": {"en": "a", "de": "b"}}\n{"translation": {"en": "a"}}\n')
    assert "line 2, translation: no column 'de'; the columns are: en" in complaint(file, **EN_DE)
    file.write_text('{"translation": {"en": "a", "de": "b"}}\n{"translation": "a"}\n')
    assert "line 2: 'translation' holds 'a'" in complaint(file, **EN_DE)
    file.write_text(
        '{"translation": {"en": "a", "de": "b"}}\n{"translation": {"en": null, "de": "b"}}'
    )
    assert read_pairs(file, **EN_DE).remarks == [
        f"pairs with an empty source left out: 1 ({file}, line 2)"
    ]


def test_a_folder_of_tables(tmp_path: Path) -> None:
    write(tmp_path, ".csv", PAIRS[:1])
    write(tmp_path, ".jsonl", PAIRS[1:])
    assert texts(read_pairs(tmp_path, **EN_DE)) == PAIRS
    assert texts(read_pairs(f"{tmp_path}/*.csv", **EN_DE)) == PAIRS[:1]


def test_datasets(tmp_path: Path) -> None:
    import datasets

    nested = [{"translation": {"en": source, "de": target}} for source, target in PAIRS]
    flat = datasets.Dataset.from_list([{"en": "a", "de": "b", "id": 1}])
    kind = datasets.Features({"translation": datasets.Translation(languages=["de", "en"])})
    train = datasets.Dataset.from_list(nested[:2], features=kind)
    test = datasets.Dataset.from_list(nested[2:], features=kind)
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(tmp_path / "nested")
    flat.save_to_disk(tmp_path / "flat")
    name = f"hf:{tmp_path / 'nested'}"
    corpus = read_pairs(name, split="train", **EN_DE)
    assert texts(corpus) == PAIRS[:2]
    assert corpus.pairs[1].where == f"{name}, split train, row 2"
    assert texts(read_pairs(name, **EN_DE)) == PAIRS
    assert "the columns are: de, en" in (told := complaint(name)) or "en, de" in told
    assert "no split 'dev'" in complaint(name, split="dev", **EN_DE)
    assert texts(read_pairs(f"hf:{tmp_path / 'flat'}", **EN_DE)) == [("a", "b")]
    assert "row 1: no column 'source'" in complaint(f"hf:{tmp_path / 'flat'}")


def test_the_generated_sample() -> None:
    corpus = read_pairs(generated_pairs.NAME)
    assert texts(corpus) == list(generated_pairs.pairs())
    assert corpus.pairs[1].where == "generated-pairs, pair 2"
    assert corpus.remarks == []
