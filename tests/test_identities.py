"""People and their pictures out of every form, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from corpora.errors import UsageError
from corpora.identities import Portrait, read_identities
from corpora.pictures import load


def touch(*paths: Path) -> None:
    """Files that are there; nothing here opens them."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def seen(items: list[Portrait]) -> list[tuple[str, str]]:
    return [(item.person, Path(item.image).name) for item in items]


def test_a_folder_a_person_in_the_order_of_numbers(tmp_path: Path) -> None:
    names = ("s1/1.pgm", "s1/2.pgm", "s1/10.pgm", "s2/x.pgm", "s2/more/y.JPG", "s10/1.pgm")
    touch(*(tmp_path / name for name in (*names, "s1/.hidden.pgm", "s1/notes.txt", "README")))
    corpus = read_identities(tmp_path)
    assert [item.id for item in corpus.items] == [
        *("s1/1.pgm", "s1/2.pgm", "s1/10.pgm", "s2/more/y.JPG", "s2/x.pgm", "s10/1.pgm")
    ]
    assert {name: len(held) for name, held in corpus.people.items()} == {"s1": 3, "s2": 2, "s10": 1}
    assert corpus.remarks == ["people with one picture only: 1 (s10)"]
    assert {item.split for item in corpus.items} == {""}


def test_folders_of_parts_and_what_is_left_out(tmp_path: Path) -> None:
    touch(*(tmp_path / f"{part}/{who}/{n}.png" for part, who in
            (("train", "a"), ("train", "b"), ("val", "c")) for n in (1, 2)))  # fmt: skip
    touch(tmp_path / "train" / "stray.png")
    (tmp_path / "train" / "nobody").mkdir()
    corpus = read_identities(tmp_path)
    assert {part: seen(items) for part, items in corpus.splits.items()} == {
        "train": [("a", "1.png"), ("a", "2.png"), ("b", "1.png"), ("b", "2.png")],
        "validation": [("c", "1.png"), ("c", "2.png")],
    }
    assert corpus.remarks == [
        f"pictures in no person's folder, left out: 1 ({tmp_path / 'train' / 'stray.png'})",
        f"folders without a picture, left out: 1 ({tmp_path / 'train' / 'nobody'})",
    ]
    assert {item.person for item in read_identities(tmp_path, split="validation").items} == {"c"}


def test_tables(tmp_path: Path) -> None:
    touch(*(tmp_path / "images" / f"{name}.jpg" for name in "abc"))
    header = "path,person,split,left_eye_x,left_eye_y,nose_x,nose_y"
    rows = ["a.jpg,Ann,train,1,2,3.5,4", "b.jpg,Ann,train,,,5,6", "a.jpg,Bob,train,1,2,3,4"]
    path = write(tmp_path / "x.csv", "\n".join([header, *rows, "c.jpg,7,test,,,,", "z.jpg,7,,,,,"]))
    corpus = read_identities(path)
    assert [(item.person, item.landmarks, item.split) for item in corpus.items] == [
        ("Ann", ((1, 2), (3.5, 4)), "train"),
        ("Ann", (None, (5, 6)), "train"),
        ("7", (None, None), "test"),
    ]
    assert corpus.landmarks == ["left_eye", "nose"]
    assert corpus.remarks == [
        "pictures that are not there, left out: 1 (z.jpg)",
        f"pictures told twice, read the first time: 1 ({path}, line 4)",
        "people with one picture only: 1 (7)",
    ]
    rows_of = [{"file": "a.jpg", "who": 3}, {"file": "b.jpg", "who": 3}]
    other = write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows_of)))
    corpus = read_identities(other, person_column="who", images=tmp_path / "images")
    assert seen(corpus.items) == [("3", "a.jpg"), ("3", "b.jpg")]
    plain = write(tmp_path / "y.csv", "path,person\na.jpg,Ann\n")
    with pytest.raises(UsageError, match="its points are none, and those of the source before it"):
        read_identities([path, plain], images=tmp_path / "images")


def test_a_dataset(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    image = pytest.importorskip("PIL.Image")
    image.new("L", (4, 6)).save(tmp_path / "a.png")
    pixels = (tmp_path / "a.png").read_bytes()
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["Ann", "Bob"])}
    )
    rows = {"image": [str(tmp_path / "a.png")] * 3, "label": [0, 1, 1]}
    table = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": table}).save_to_disk(str(tmp_path / "set"))
    corpus = read_identities(f"hf:{tmp_path / 'set'}")
    assert [item.person for item in corpus.items] == ["Ann", "Bob", "Bob"]
    loaded = load(corpus.items[0].image)
    assert loaded == pixels


def test_generated_faces() -> None:
    corpus = read_identities("generated-faces:10:3")
    parts = {part: {item.person for item in held} for part, held in corpus.splits.items()}
    assert {part: len(people) for part, people in parts.items()} == {
        "train": 10,
        "validation": 2,
        "test": 2,
    }
    assert len(set.union(*parts.values())) == 14
    assert all(len(held) == 3 for held in corpus.people.values())
    assert corpus.remarks == []
    assert len({item.id for item in corpus.items}) == 42
    first = corpus.items[0]
    assert len(first.landmarks) == len(corpus.landmarks) == 5
    pytest.importorskip("PIL")
    drawn = load(first.image)
    assert isinstance(drawn, np.ndarray)
    assert drawn.shape == (96, 96, 3)
    test = read_identities("generated-faces:10:3", split="test")
    assert {item.person for item in test.items} == parts["test"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "path,person\na.jpg,\n", "line 2: a row without a picture or a person"),
        ("x.csv", "path,who\na.jpg,b\n", "line 2: no column such as person, .*--person-column"),
        ("x.csv", "path,person,e_x,e_y\na.jpg,b,1,\n", "line 2: .*numbers in e_x and e_y, or neit"),
        ("x.csv", "path,person\nz.jpg,b\n", "none of its 1 pictures"),
        ("x.csv", "path,person\n", "there is no picture of a person in it"),
        ("x.md", "people", "x.md: not a table; expected .csv"),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    touch(tmp_path / "a.jpg")
    with pytest.raises(UsageError, match=said) as raised:
        read_identities(write(tmp_path / name, text))
    assert "\n" not in str(raised.value)


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folders are in it; expected one of pictures for each"):
        read_identities(tmp_path)
    (tmp_path / "nobody").mkdir()
    with pytest.raises(UsageError, match=r"no picture of a person in it \(folders without a pic"):
        read_identities(tmp_path)
    for name in ("generated-faces:0", "generated-faces:a", "generated-faces:9:9:1"):
        with pytest.raises(UsageError, match="generated-faces:PEOPLE"):
            read_identities(name)
