"""Pictures and captions out of every form, and what is told of what is left out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpora.captions import Captioned, divide_captions, load, read_captions
from corpora.errors import UsageError
from corpora.pictures import split_named
from corpora.scenes import HELD_OUT, draw

A, B, C = "a.jpg", "b.jpg", "c.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files that are there; nothing here opens them."""
    (tmp_path / "images").mkdir()
    for name in (A, B, C):
        (tmp_path / "images" / name).write_bytes(b"picture")
    return tmp_path


def write(folder: Path, name: str, text: str | list[Any] | dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def seen(items: list[Captioned]) -> list[tuple[str, tuple[str, ...], str]]:
    return [(Path(item.image).name, item.captions, item.split) for item in items]


COCO = {
    "images": [{"id": 7, "file_name": A}, {"id": 8, "file_name": B}, {"id": 9, "file_name": C}],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "a dog "},
        {"id": 2, "image_id": 8, "caption": "a cat"},
        {"id": 3, "image_id": 7, "caption": "a  brown\ndog"},
        {"id": 4, "image_id": 1000, "caption": "nothing"},
    ],
}


def test_coco(folder: Path) -> None:
    corpus = read_captions(write(folder, "captions.json", COCO))
    assert seen(corpus.items) == [(A, ("a dog", "a brown dog"), ""), (B, ("a cat",), "")]
    assert [item.id for item in corpus.items] == ["7", "8"]
    assert len(corpus.remarks) == 3
    assert any("not listed, left out: 1 (image_id 1000)" in told for told in corpus.remarks)
    assert any("without a caption left out: 1" in told for told in corpus.remarks)
    assert any("read with one space: 1" in told for told in corpus.remarks)


def test_coco_finds_the_folder_that_its_file_is_named_after(folder: Path) -> None:
    (folder / "images").rename(folder / "val2017")
    path = write(folder, "captions_val2017.json", COCO)
    assert len(read_captions(path, images=folder).items) == 2


def test_karpathy(folder: Path) -> None:
    (folder / "val2014").mkdir()
    (folder / "val2014" / "d.jpg").touch()
    images = [
        {"filename": A, "split": "train", "imgid": 0, "sentences": [{"raw": "a dog"}]},
        {"filename": B, "split": "restval", "sentences": [{"tokens": ["a", "cat"]}]},
        {"filename": C, "split": "val", "sentences": [{"raw": "one"}, {"raw": ""}]},
        {"filepath": "val2014", "filename": "d.jpg", "cocoid": 5, "split": "test",
         "sentences": [{"raw": "two"}]},
        {"filename": "e.jpg", "split": "test", "sentences": [{"raw": "three"}]},
    ]  # fmt: skip
    path = write(folder, "dataset.json", {"dataset": "flickr8k", "images": images})
    corpus = read_captions(path)
    assert seen(corpus.items) == [
        (A, ("a dog",), "train"),
        (B, ("a cat",), "train"),
        (C, ("one",), "validation"),
        ("d.jpg", ("two",), "test"),
    ]
    assert [item.id for item in corpus.items] == ["0", "b", "c", "5"]
    assert corpus.remarks == [
        "pictures that are not there, left out: 1 (e.jpg)",
        f"empty captions left out: 1 ({path}, image 3)",
    ]
    assert {name: len(items) for name, items in corpus.splits.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    assert seen(read_captions(path, split="dev").items) == [(C, ("one",), "validation")]
    with pytest.raises(UsageError, match="its parts are: test, train, validation"):
        read_captions(path, split="extra")


TOKENS = "a.jpg#0\ta dog\na.jpg#1\tits #1 friend\nb.jpg#0\ta cat\nc.jpg#0\ta cow\n"


def test_flickr_tokens_with_their_lists(folder: Path) -> None:
    path = write(folder, "Flickr8k.token.txt", TOKENS)
    assert [item.split for item in read_captions(path).items] == ["", "", ""]
    write(folder, "Flickr_8k.trainImages.txt", "a.jpg\n")
    write(folder, "Flickr_8k.devImages.txt", "b.jpg\n")
    corpus = read_captions(path)
    assert seen(corpus.items) == [
        (A, ("a dog", "its #1 friend"), "train"),
        (B, ("a cat",), "validation"),
    ]
    where = f"{path}, line 4"
    assert corpus.remarks == [
        f"captions of pictures in none of the lists of parts, left out: 1 ({where})"
    ]


def test_kaggles_captions_and_pipes(folder: Path) -> None:
    path = write(folder, "captions.txt", 'image,caption\na.jpg,"A dog, a ""big"" one"\nb.jpg,Cat\n')
    assert seen(read_captions(path).items) == [(A, ('A dog, a "big" one',), ""), (B, ("Cat",), "")]
    path = write(
        folder, "results.csv", 'image_name| comment_number| comment\na.jpg| 0| Say "hi, you" .\n'
    )
    assert seen(read_captions(path).items) == [(A, ('Say "hi, you" .',), "")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.csv", "split,path,caption\ntrain,a.jpg,one\nval,b.jpg,three\ntrain,a.jpg,two\n"),
        (
            "c.tsv",
            "split\tpath\tcaption\ntrain\ta.jpg\tone\n\nval\tb.jpg\tthree\ntrain\ta.jpg\ttwo",
        ),
        (
            "c.csv",
            'raw,split,filename\n"[""one"", ""two""]",train,a.jpg\n"[""three""]",val,b.jpg\n',
        ),
        (
            "c.jsonl",
            '{"path": "a.jpg", "captions": ["one", "two"], "split": "train2017"}\n'
            '{"path": "b.jpg", "captions": ["three"], "split": "val2017"}\n',
        ),
        (
            "c.json",
            '[{"image": "a.jpg", "caption_0": "one", "caption_1": "two", "split": "training"},\n'
            '{"image": "b.jpg", "caption_0": "three", "caption_1": null, "split": "valid"}]',
        ),
    ],
)
def test_tables(folder: Path, name: str, text: str) -> None:
    corpus = read_captions(write(folder, name, text))
    assert seen(corpus.items) == [(A, ("one", "two"), "train"), (B, ("three",), "validation")]
    assert corpus.remarks == []


def test_a_parquet_table_and_a_compressed_one(folder: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"image": [A, B], "captions": [["one", "two"], ["three"]]})
    parquet.write_table(table, folder / "c.parquet")
    expected = [(A, ("one", "two"), ""), (B, ("three",), "")]
    assert seen(read_captions(folder / "c.parquet").items) == expected
    packed = folder / "c.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(COCO).encode()))
    assert len(read_captions(packed).items) == 2


def test_columns_by_name(folder: Path) -> None:
    path = write(folder, "c.csv", "photo,legend\nimages\\a.jpg,one\n")
    corpus = read_captions(path, image_column="photo", caption_column="legend")
    assert seen(corpus.items) == [(A, ("one",), "")]
    with pytest.raises(UsageError, match=r"line 2: no column such as .*are: photo, legend; .*--im"):
        read_captions(path)


def test_a_folder_of_pictures_with_texts(folder: Path) -> None:
    images = folder / "images"
    write(images, "a.txt", "one\ntwo\n")
    write(images, "b.txt", "three")
    corpus = read_captions(images)
    assert seen(corpus.items) == [(A, ("one", "two"), ""), (B, ("three",), "")]
    assert "without a .txt" in corpus.remarks[0]
    write(images, "metadata.jsonl", '{"file_name": "c.jpg", "text": "four"}\n')
    assert seen(read_captions(images).items) == [(C, ("four",), "")]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.token.txt", "a.jpg#0\tone\na.jpg one\n", r"txt, line 2: 'a.jpg one'; expected 'name"),
        ("x.csv", "image,caption\na.jpg,one\nb.jpg,two,three\n", "csv, line 3: 3 columns, and the"),
        ("x.csv", 'image,caption\na.jpg,"one\n', r"csv, line \d: not CSV"),
        ("x.jsonl", '{"image": "a.jpg", "caption": "one"}\n{oops\n', "jsonl, line 2: not JSON"),
        ("x.jsonl", '{"image": "a.jpg", "caption": 5}\n', "line 1: 'caption' holds 5; expected a"),
        ("x.jsonl", '{"image": null, "caption": "one"}\n', "line 1: no picture in 'image'"),
        ("x.json", '{"images": [{"id": 1}], "annotations": []}', r"image 1: .* id, file_name"),
        ("x.json", '{"images": [], "annotations": [{"caption": 1}]}', "annotation 1: .* image_id"),
        ("x.json", '{"images": [{"filename": "a.jpg"}]}', "image 1: .* filename, sentences"),
        ("x.json", '{"videos": []}', "an object with videos; expected COCO's"),
        ("x.json", '{"images": [', "line 1: not JSON"),
        ("x.txt", "what is this\n", "line 1: 'what is this'; expected 'name.jpg#0<TAB>caption'"),
        ("x.csv", "image,caption\n", "there is no picture with a caption in it"),
        ("x.csv", "image,caption\nz.jpg,one\ny.jpg,one\n", r"none of its 2 pictures \(z.jpg, y.jp"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(folder: Path, name: str, text: str, said: str) -> None:
    path = write(folder, name, text)
    with pytest.raises(UsageError, match=said) as raised:
        read_captions(path)
    assert "\n" not in str(raised.value)


def test_missing_pictures_are_counted_and_named(folder: Path) -> None:
    rows = "".join(f"x{number}.jpg,text\n" for number in range(7))
    path = write(folder, "c.csv", f"image,caption\na.jpg,one\n{rows}{rows}")
    corpus = read_captions(path, images=folder / "images")
    assert len(corpus.items) == 1
    assert corpus.remarks == [
        "pictures that are not there, left out: 7 (x0.jpg, x1.jpg, x2.jpg, x3.jpg, x4.jpg, ...)"
    ]
    with pytest.raises(UsageError, match="no such folder; name the one that holds the pictures"):
        read_captions(path, images=folder / "nowhere")


def test_a_picture_stays_in_its_first_part(folder: Path) -> None:
    path = write(folder, "c.csv", "image,caption,split\na.jpg,one,train\na.jpg,two,test\n")
    corpus = read_captions(path)
    assert seen(corpus.items) == [(A, ("one", "two"), "train")]
    assert "second part" in corpus.remarks[0]


def test_generated_scenes() -> None:
    corpus = read_captions("generated-scenes:40:64")
    assert {name: len(items) for name, items in corpus.splits.items()} == {
        "train": 40,
        "validation": 2,
        "test": 4,
    }
    first = corpus.items[0]
    assert first.captions == first.image.captions
    assert (first.image.width, first.id, first.split) == (64, "train-1", "train")
    drawn = load(first.image)
    assert isinstance(drawn, np.ndarray)
    assert np.array_equal(drawn, draw(first.image))

    def odd(item: Captioned) -> bool:
        return any((thing.colour, thing.shape) in HELD_OUT for thing in item.image.things)

    assert not any(map(odd, corpus.items))
    held_out = read_captions("generated-scenes:40", split="held_out").items
    assert len(held_out) == 4
    assert all(map(odd, held_out))
    assert read_captions("generated-scenes:20").items[0].captions == first.captions
    for name in ("generated-scenes:0", "generated-scenes:a", "generated-scenes:9:96:1"):
        with pytest.raises(UsageError, match="generated-scenes:COUNT"):
            read_captions(name)


def test_parts_are_the_sources_own_and_fractions_of_the_others(folder: Path) -> None:
    for number in range(40):
        (folder / "images" / f"{number}.jpg").touch()
    rows = [(f"{number}.jpg", "test" if number < 10 else "train") for number in range(40)]
    text = "".join(f"{name},one {name},{part}\n{name},two,{part}\n" for name, part in rows)
    path = write(folder, "c.csv", f"image,caption,split\n{text}a.jpg,one,extra\n")
    parts = divide_captions(path, 0.1, 0.5)
    assert [len(part) for part in parts[:3]] == [27, 3, 10]
    assert {item.split for item in parts.validation} == {"train"}
    assert "pictures of the part extra, left out: 1" in parts.remarks
    assert divide_captions(path, 0.1, 0).test == []
    assert [len(part) for part in divide_captions(path, str(path), 0.1)[:3]] == [30, 41, 10]
    plain = write(
        folder, "d.csv", f"image,caption\n{text}".replace(",train\n", "\n").replace(",test\n", "\n")
    )
    parts = divide_captions(plain)
    assert [len(part) for part in parts[:3]] == [32, 4, 4]
    names = [{str(item.image) for item in part} for part in parts[:3]]
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]


def test_a_dataset_with_pictures_in_it(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    image.fromarray(pixels).save(tmp_path / "a.png")
    rows = {"image": [str(tmp_path / "a.png")], "caption": [["one", "two"]], "filename": ["a.png"]}
    table = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    datasets.DatasetDict({"train": table, "val": table}).save_to_disk(str(tmp_path / "set"))
    corpus = read_captions(f"hf:{tmp_path / 'set'}")
    assert [item.captions for item in corpus.items] == [("one", "two")] * 2
    assert [item.split for item in corpus.items] == ["train", "validation"]
    loaded = load(corpus.items[0].image)
    if isinstance(loaded, np.ndarray):
        assert np.array_equal(loaded, pixels)
    assert len(read_captions(f"hf:{tmp_path / 'set'}", split="validation").items) == 1


def test_what_is_loaded() -> None:
    assert load("a.jpg") == Path("a.jpg")
    assert load({"bytes": b"x", "path": None}) == b"x"
    assert load({"bytes": None, "path": "a.jpg"}) == Path("a.jpg")
    names = {"val2014": "validation", "Train": "train", "restval": "train", None: "", "x": "x"}
    assert {name: split_named(name) for name in names} == names
