"""Boxes out of every form are the same boxes, and what is wrong with them is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.coco import write_results
from corpora.detections import Annotated, Box, divide_detections, read_detections
from corpora.errors import UsageError
from corpora.picture_sizes import size_of
from corpora.scenes import SHAPES

pytest.importorskip("PIL")
from PIL import Image

DOG, CAT = Box("dog", 10, 20, 40, 60), Box("cat", 0, 0, 100, 80)
THERE = {"a": (DOG, CAT), "b": (Box("cat", 50, 4, 70, 14),), "c": ()}


def picture(path: Path, width: int = 100, height: int = 80, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), "teal").save(path, **options)
    return path


def write(path: Path, text: str | dict[str, Any] | list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def seen(items: Iterable[Annotated]) -> dict[str, tuple[Box, ...]]:
    return {Path(item.image).stem: item.boxes for item in items}


def voc(path: Path, *objects: str, name: str = "", size: tuple[int, int] = (100, 80)) -> Path:
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    told = f"<filename>{name or path.stem + '.png'}</filename>"
    return write(path, f"<annotation>{told}{sides}{''.join(objects)}</annotation>")


def thing(label: str, *edges: object, more: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True)
    inside = "".join(f"<{name}>{edge}</{name}>" for name, edge in sides)
    return f"<object><name>{label}</name>{more}<bndbox>{inside}</bndbox></object>"


def of(box: Box) -> str:
    """As VOC has it: from 1, with both ends inside."""
    return thing(box.label, int(box.left) + 1, int(box.top) + 1, int(box.right), int(box.bottom))


def as_voc(folder: Path) -> Path:
    for name, boxes in THERE.items():
        picture(folder / "JPEGImages" / f"{name}.png")
        voc(folder / "Annotations" / f"{name}.xml", *map(of, boxes))
    write(folder / "ImageSets" / "Main" / "train.txt", "a\nb\n")
    write(folder / "ImageSets" / "Main" / "val.txt", "c\n")
    write(folder / "ImageSets" / "Main" / "trainval.txt", "a\nb\nc\n")
    write(folder / "ImageSets" / "Main" / "dog_train.txt", "a 1\nb -1\n")
    return folder


def coco(boxes: Mapping[str, tuple[Box, ...]] = THERE) -> dict[str, Any]:
    ids = {name: number for number, name in enumerate(boxes, start=7)}
    classes = {"dog": 18, "cat": 17}
    return {
        "images": [
            {"id": number, "file_name": f"{name}.png", "width": 100, "height": 80}
            for name, number in ids.items()
        ],
        "categories": [{"id": number, "name": name} for name, number in classes.items()],
        "annotations": [
            {
                "id": 100 * ids[name] + place,
                "image_id": ids[name],
                "category_id": classes[box.label],
                "bbox": [box.left, box.top, box.right - box.left, box.bottom - box.top],
                "iscrowd": int(box.crowd),
            }
            for name, held in boxes.items()
            for place, box in enumerate(held)
        ],
    }


def as_coco(folder: Path) -> Path:
    for name in THERE:
        picture(folder / "train2017" / f"{name}.png")
    write(folder / "annotations" / "captions_train2017.json", {"images": [], "annotations": []})
    write(folder / "annotations" / "instances_train2017.json", coco())
    return folder


def shares(box: Box) -> str:
    middle = (box.left + box.right) / 200, (box.top + box.bottom) / 160
    sides = (box.right - box.left) / 100, (box.bottom - box.top) / 80
    return " ".join(map(str, (("dog", "cat").index(box.label), *middle, *sides)))


def as_yolo(folder: Path, *, split: str = "train") -> Path:
    for name, boxes in THERE.items():
        picture(folder / "images" / split / f"{name}.png")
        write(folder / "labels" / split / f"{name}.txt", "\n".join(map(shares, boxes)))
    write(folder / "data.yaml", f"path: /nowhere/at/all\ntrain: images/{split}\nnames: [dog, cat]")
    return folder


def as_table(folder: Path) -> Path:
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for name, boxes in THERE.items():
        picture(folder / "images" / f"{name}.png")
        for box in boxes:
            lines.append(",".join(map(str, (f"{name}.png", 100, 80, *box[:5]))))
    return write(folder / "boxes.csv", "\n".join([*lines, "c.png,,,,,,,"]))


def as_objects(folder: Path) -> Path:
    rows = []
    for name, boxes in THERE.items():
        picture(folder / f"{name}.png")
        objects = {
            "bbox": [[*box[1:3], box[3] - box[1], box[4] - box[2]] for box in boxes],
            "category": [box.label for box in boxes],
        }
        rows.append({"file_name": f"{name}.png", "split": "train", "objects": objects})
    write(folder / "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    return folder


@pytest.mark.parametrize("form", [as_voc, as_coco, as_yolo, as_table, as_objects])
def test_every_form_gives_the_same_boxes(tmp_path: Path, form: Any) -> None:
    corpus = read_detections(form(tmp_path))
    assert seen(corpus.items) == THERE
    assert corpus.remarks == []
    assert sorted(corpus.labels) == ["cat", "dog"]
    assert {(item.width, item.height) for item in corpus.items} == {(100, 80)}
    if form is not as_table:
        assert seen(read_detections(tmp_path, split="train").items).keys() >= {"a", "b"}
    chosen = read_detections(form(tmp_path), labels=["cat"])
    assert chosen.labels == ["cat"]
    assert seen(chosen.items) == {"a": (CAT,), "b": THERE["b"], "c": ()}
    assert chosen.mistakes.keys() == {"boxes of the class dog, left out"}


def test_voc_in_its_parts(tmp_path: Path) -> None:
    corpus = read_detections(as_voc(tmp_path))
    assert {name: seen(part).keys() for name, part in corpus.splits.items()} == {
        "train": {"a", "b"},
        "validation": {"c"},
    }
    assert seen(read_detections(tmp_path / "Annotations").items) == THERE
    voc(tmp_path / "Annotations" / "d.xml", of(DOG))
    write(tmp_path / "ImageSets" / "Main" / "test.txt", "e\n")
    corpus = read_detections(tmp_path)
    assert corpus.mistakes == {
        "pictures in none of the lists of parts, left out": [
            str(tmp_path / "Annotations" / "d.xml")
        ],
        "pictures in a list of parts, without an XML file": ["e"],
    }


def test_a_stray_xml_is_told_and_left_out(tmp_path: Path) -> None:
    as_voc(tmp_path)
    strays = [
        write(tmp_path / "Annotations" / "notes.xml", "<html/>"),
        write(tmp_path / "Annotations" / "plist.xml", "<!DOCTYPE plist>\n<plist/>"),
    ]
    for source in (tmp_path, tmp_path / "Annotations"):
        corpus = read_detections(source)
        assert seen(corpus.items) == THERE
        assert corpus.mistakes == {
            "XML files that are no annotations of VOC's, left out": list(map(str, strays))
        }
    picture(tmp_path / "flat" / "a.png")
    voc(tmp_path / "flat" / "a.xml", of(DOG))
    write(tmp_path / "flat" / "b.xml", "<html/>")
    assert "left out: 1" in read_detections(tmp_path / "flat").remarks[0]
    write(tmp_path / "flat" / "b.xml", "<annotation>")  # one that is damaged is none to leave out
    with pytest.raises(UsageError, match=r"b.xml, line 1: not well-formed"):
        read_detections(tmp_path / "flat")


@pytest.mark.parametrize("name", ["labels.txt", "classes.txt"])
def test_a_stray_list_of_classes_hides_no_other_form(tmp_path: Path, name: str) -> None:
    for form in ("coco", "table", "voc"):
        picture(tmp_path / form / "a.png")
        write(tmp_path / form / name, "dog\ncat\n")
    write(tmp_path / "coco" / "instances.json", coco({"a": (DOG, CAT)}))
    rows = "".join(f"a.png,{','.join(map(str, box[:5]))}\n" for box in (DOG, CAT))
    write(tmp_path / "table" / "boxes.csv", f"path,label,left,top,right,bottom\n{rows}")
    voc(tmp_path / "voc" / "a.xml", of(DOG), of(CAT))
    for form in ("coco", "table", "voc"):
        assert seen(read_detections(tmp_path / form).items) == {"a": (DOG, CAT)}, form
    write(tmp_path / "coco" / "a.txt", shares(CAT))
    both = read_detections(tmp_path / "coco")
    assert both.items[0].boxes == (DOG, CAT)
    assert both.mistakes == {
        "folders with COCO's boxes and texts like YOLO's, which are not read": [
            str(tmp_path / "coco")
        ]
    }
    (tmp_path / "voc" / "a.xml").unlink()
    with pytest.raises(UsageError, match=f"{name}: no picture has a text of boxes"):
        read_detections(tmp_path / "voc")
    write(tmp_path / "voc" / "a.txt", shares(DOG))
    assert seen(read_detections(tmp_path / "voc").items) == {"a": (DOG,)}


def test_voc_counts_from_one_but_where_a_box_begins_at_zero(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    hard = "<difficult>1</difficult>"
    voc(tmp_path / "a.xml", thing("dog", 1, 1, 100, 80), thing("cat", 5.5, 3, 9, 8, more=hard))
    (item,) = read_detections(tmp_path).items
    assert item.boxes == (Box("dog", 0, 0, 100, 80), Box("cat", 4.5, 2, 9, 8, difficult=True))
    voc(tmp_path / "a.xml", thing("dog", 0, 1, 100, 80), thing("cat", 5, 5, 9, 8))
    corpus = read_detections(tmp_path)
    assert corpus.items[0].boxes == (Box("dog", 0, 1, 100, 80), Box("cat", 5, 5, 9, 8))
    assert "begin at 0, so all are taken to count from 0: 1" in corpus.remarks[0]


def test_folders_of_xml_are_parts_and_pictures_are_found_by_the_name_of_the_xml(
    tmp_path: Path,
) -> None:
    for part in ("train", "valid", "test"):
        picture(tmp_path / part / "x y.JPG")
        voc(tmp_path / part / "x y.xml", of(DOG), name="renamed.bmp")
    corpus = read_detections(tmp_path)
    assert [item.split for item in corpus.items] == ["test", "train", "validation"]
    assert all(item.boxes == (DOG,) for item in corpus.items)


class Wrong(NamedTuple):
    edges: tuple[float, float, float, float]  # in pixels of 100 x 80
    read: tuple[float, float, float, float] | None
    said: str | None


WRONG = [
    Wrong((-10, 20, 40, 100), (0, 20, 40, 80), "that reach out of their picture"),
    Wrong((100, 10, 120, 20), None, "outside of their picture"),
    Wrong((-30, -30, -1, -1), None, "outside of their picture"),
    Wrong((10, 10, 10, 20), None, "of no size"),
    Wrong((10, 30, 20, 20), None, "of no size"),
    Wrong((0.0, 0.0, 100.01, 80), (0, 0, 100, 80), None),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_boxes_that_cannot_be_are_told_with_their_file(tmp_path: Path, wrong: Wrong) -> None:
    picture(tmp_path / "a.png")
    boxes = {"a": (Box("dog", *wrong.edges), CAT)}
    corpus = read_detections(write(tmp_path / "instances.json", coco(boxes)))
    expected = (*([Box("dog", *wrong.read)] if wrong.read else []), CAT)
    assert corpus.items[0].boxes == expected
    told = [f"{tmp_path / 'instances.json'}, annotation 1"]
    assert list(corpus.mistakes.values()) == ([told] if wrong.said else [])
    assert all(wrong.said in what for what in corpus.mistakes if wrong.said)


def test_every_mistake_is_counted_and_nothing_else_is_lost(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    write(tmp_path / "b.png", "no picture")
    objects = [of(DOG), of(DOG), thing("cat", 504, 337, 504, 337), of(CAT)]
    voc(tmp_path / "a.xml", *objects, size=(0, 0))
    voc(tmp_path / "b.xml", of(DOG))
    voc(tmp_path / "c.xml", of(DOG))
    picture(tmp_path / "d.png", 50, 50)
    voc(tmp_path / "d.xml", of(DOG))
    corpus = read_detections(tmp_path)
    assert seen(corpus.items) == {"a": (DOG, CAT), "d": (DOG._replace(bottom=50),)}
    place = tmp_path / "a.xml"
    assert corpus.mistakes["pictures that are not there, left out"] == ["c.png"]
    assert corpus.remarks == [
        "pictures that are not there, left out: 1 (c.png)",
        f"boxes told twice, read once: 1 ({place}, object 2)",
        f"boxes of no size, left out: 1 ({place}, object 3)",
        f"pictures that cannot be read, left out: 1 ({tmp_path / 'b.png'}: no picture that is "
        "known here, or a damaged one)",
        "pictures of another size than their labels say, whose boxes are taken as they are: 1 "
        f"({tmp_path / 'd.xml'}: 100 x 80, and is 50 x 50)",
        "boxes that reach out of their picture, cut off at its edge: 1 "
        f"({tmp_path / 'd.xml'}, object 1)",
    ]  # fmt: skip


def test_remarks_name_five_places_and_mistakes_all(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    empty = [Box("dog", number, 1, number, 2) for number in range(7)]
    corpus = read_detections(write(tmp_path / "x.json", coco({"a": (*empty, CAT)})))
    (remark, absent) = corpus.remarks
    assert remark.startswith("boxes of no size, left out: 7 (")
    assert remark.endswith("annotation 5; ...)")
    assert len(corpus.mistakes["boxes of no size, left out"]) == 7
    assert absent == "classes without a box: dog"


def test_coco(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    whole = coco({"a": (DOG, CAT._replace(crowd=True))})
    first = whole["annotations"][0]
    whole["annotations"] += [
        {**first, "image_id": 1000},
        {**first, "category_id": 99},
        {**first, "bbox": []},
    ]
    path = write(tmp_path / "instances_val2014.json", whole)
    corpus = read_detections(path, images=tmp_path)
    assert corpus.items[0].boxes == (DOG, CAT._replace(crowd=True))
    assert (corpus.items[0].id, corpus.items[0].split) == ("7", "validation")
    assert (corpus.labels, corpus.category_ids) == (["cat", "dog"], {"cat": 17, "dog": 18})
    assert list(corpus.mistakes.values()) == [
        [f"{path}, annotation 5"],
        [f"{path}, annotation 3"],
        [f"{path}, annotation 4"],
    ]
    out = tmp_path / "out" / "results.json"

    class Found(NamedTuple):
        label: str
        score: float
        left: float
        top: float
        right: float
        bottom: float

    write_results(out, [("7", [Found("dog", 0.5, *DOG[1:5])]), ("x7", [])], corpus.category_ids)
    assert json.loads(out.read_text(encoding="utf-8")) == [
        {"image_id": 7, "category_id": 18, "bbox": [10, 20, 30, 40], "score": 0.5}
    ]
    with pytest.raises(UsageError, match="class 'cow' has no number"):
        write_results(out, [("7", [Found("cow", 0.5, *DOG[1:5])])], corpus.category_ids)


def test_yolo(tmp_path: Path) -> None:
    as_yolo(tmp_path)
    text = tmp_path / "labels" / "train" / "b.txt"
    corners = "0 0.1 0.25 0.4 0.25 0.4 0.75 0.1 0.75"  # the dog as a polygon
    write(text, f"{corners}\n7 0.5 0.5 0.1 0.1\n")
    (tmp_path / "labels" / "train" / "c.txt").unlink()
    corpus = read_detections(tmp_path)
    assert seen(corpus.items) == {"a": (DOG, CAT), "b": (DOG,), "c": ()}
    assert corpus.labels == ["dog", "cat"]
    assert corpus.mistakes == {
        "polygons, read as the boxes around them": [f"{text}, line 1"],
        "boxes of a class that the source does not name, left out": [f"{text}, line 2"],
        "pictures without a text of boxes, read as showing nothing": [
            str(tmp_path / "images" / "train" / "c.png")
        ],
    }


def test_yolo_as_roboflow_writes_it_and_by_a_list_of_names(tmp_path: Path) -> None:
    yolo = tmp_path / "set"
    for part in ("train", "valid"):
        picture(yolo / part / "images" / "a.png")
        write(yolo / part / "labels" / "a.txt", shares(DOG))
    told = "train: ../train/images\nval: ../valid/images\nnames:\n  0: dog\n  1: cat\n"
    write(yolo / "data.yaml", told)
    by_file = read_detections(yolo / "data.yaml")
    assert [(item.split, item.boxes) for item in by_file.items] == [
        ("train", (DOG,)),
        ("validation", (DOG,)),
    ]
    (yolo / "data.yaml").unlink()
    write(yolo / "classes.txt", "dog\ncat\n")
    assert read_detections(yolo).items == by_file.items
    listed = write(yolo / "list.txt", "train/images/a.png\n")
    write(yolo / "own.yaml", f"train: {listed}\nval: [valid/images]\nnames: [dog]\n")
    assert read_detections(yolo).items == by_file.items


def test_tables_by_other_names_and_numbers_for_classes(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    rows = [
        {"path": "a.png", "label": 0, "left": 10, "top": 20, "right": 40, "bottom": 60},
        {"path": "a.png", "label": 1, "x1": 0, "y1": 0, "x2": 100, "y2": 80},
    ]
    path = write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)))
    assert read_detections(path, labels=["dog", "cat"]).items[0].boxes == (DOG, CAT)
    corpus = read_detections(path)
    assert [box.label for box in corpus.items[0].boxes] == ["0", "1"]
    assert "taken for their names" in corpus.remarks[0]
    # A model that learned numbers asks for them by these names, not by their places.
    again = read_detections(path, labels=["1"]).items[0].boxes
    assert again == (CAT._replace(label="1"),)
    table = write(tmp_path / "x.csv", "path,label,left,top,right,bottom\na.png,0,10,20,40,60\n")
    assert read_detections(table, labels=["dog", "cat"]).items[0].boxes == (DOG,)


def test_objects_whose_boxes_can_only_be_corners(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    boxes = [(place, place, 90 + place, 50 + place) for place in range(10)]
    objects = [{"bbox": box, "category": "dog"} for box in boxes]
    path = write(tmp_path / "x.jsonl", json.dumps({"image": "a.png", "objects": objects}))
    corpus = read_detections(path)
    assert [box[1:5] for box in corpus.items[0].boxes] == boxes
    assert "left, top, right and bottom" in corpus.remarks[0]
    large = [{"bbox": (5, place, 60, 50), "category": "dog"} for place in range(10)]
    row = {"image": "a.png", "width": 100, "height": 80, "objects": large}
    corpus = read_detections(write(path, json.dumps(row)))  # as sides they are inside
    assert [box[1:5] for box in corpus.items[0].boxes] == [(5, n, 65, 50 + n) for n in range(10)]
    assert corpus.remarks == []


def test_a_picture_that_its_file_turns(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    path = picture(tmp_path / "a.jpg", 100, 80, exif=turned)
    assert size_of(path) == (80, 100, (100, 80))
    picture(tmp_path / "b.jpg", 80, 100)
    voc(tmp_path / "a.xml", of(DOG), name="a.jpg", size=(80, 100))
    voc(tmp_path / "b.xml", of(DOG), name="b.jpg", size=(80, 100))
    assert seen(read_detections(tmp_path).items) == {"a": (DOG,), "b": (DOG,)}
    voc(tmp_path / "a.xml", of(DOG), name="a.jpg", size=(100, 80))
    corpus = read_detections(tmp_path)
    assert seen(corpus.items) == {"b": (DOG,)}
    assert "turn the files" in corpus.remarks[0]


def test_sizes(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    for image in (str(path), path.read_bytes(), np.zeros((80, 100, 3), np.uint8)):
        assert size_of(image)[:2] == (100, 80)
    with Image.open(path) as opened:
        assert size_of(opened)[:2] == (100, 80)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.xml", "<annotation>\n<object></annotation>", r"a.xml, line 2: not well-formed XML"),
        ("a.xml", "<!DOCTYPE x [\n<!ENTITY a 'b'>]><annotation/>", "line 1: .* document type"),
        ("a.xml", "<html/>", "a.xml: <html>; expected VOC's <annotation>"),
        ("a.xml", f"<annotation>{thing('', 1, 1, 2, 2)}</annotation>", "object 1: it has no <name"),
        ("a.xml", f"<annotation>{thing('x', 1, 1, 'y', 2)}</annotation>", "object 1: .*'y'.*bndb"),
        ("a.xml", f"<annotation>{thing('x', 1, 1, 'nan', 2)}</annotation>", "object 1: .*finite"),
        ("a.json", {"images": [], "annotations": []}, "a.json: an object with images, annotation"),
        ("a.json", {"images": [{}], "annotations": [], "categories": []}, "image 1: .* id, file_n"),
        ("a.json", {"images": [], "annotations": [], "categories": [1]}, "category 1: 1; expected"),
        ("a.json", coco() | {"annotations": [{"image_id": 7, "category_id": 18, "bbox": [1, 2]}]},
         r"annotation 1: \[1, 2\]; expected four numbers"),
        ("a.csv", "path,label\na.png,dog\n", "line 2: the columns are: path, label; expected"),
        ("a.csv", "path,label,left,top,right,bottom\na.png,dog,1,2,3,x\n", "line 2: .*numbers in"),
        ("a.csv", "path,label,left,top,right,bottom\na.png,,1,2,3,4\n", "line 2: '' is no class"),
        ("a.jsonl", '{"image": "a.png", "objects": {"bbox": [[1, 2, 3, 4]]}}', "line 1: .*categ"),
        ("a.yaml", "train: images\nnames: [a", "line 2: not YAML"),
        ("a.yaml", "date: 2023-13-45\nnames: [a]", "not YAML .month"),
        ("a.jsonl", {"image": "a.png", "objects": {"bbox": [[1, 2, 3, 4]], "category": ["x"],
         "iscrowd": 1}}, "line 1: 'iscrowd' is 1; expected one for each box"),
        ("a.yaml", "train: nowhere\nnames: [a]", "train: there is no .*nowhere"),
        ("a.yaml", "names: [a]", "no pictures by train, val or test"),
        ("a.yaml", "train: .\nnames: {1: a}", "'names' is {1: 'a'}; expected a list"),
        ("a.md", "boxes", "not a form of boxes that is known; expected VOC's"),
        ("a.csv", "path,label,left,top,right,bottom\nz.png,dog,1,2,3,4", "none of its 1 pictures"),
        ("a.csv", "path,label,left,top,right,bottom\na.png,,,,,", "no picture with a box in it"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_a_line_with_its_place(
    tmp_path: Path, name: str, text: Any, said: str
) -> None:
    picture(tmp_path / "a.png")
    path = write(tmp_path / name, text)
    with pytest.raises(UsageError, match=said) as raised:
        read_detections(tmp_path if name == "a.xml" else path)
    assert "\n" not in str(raised.value)


def test_a_line_of_yolo_that_is_no_box(tmp_path: Path) -> None:
    as_yolo(tmp_path)
    text = write(tmp_path / "labels" / "train" / "a.txt", "0 0.5 0.5 0.1 0.1\ndog 1 1 1 1\n")
    for line in ("dog 1 1 1 1", "0 0.5 0.5 0.1", "0 0.5 0.5 0.1 0.1 0.9"):
        write(text, f"0 0.5 0.5 0.1 0.1\n{line}\n")
        with pytest.raises(UsageError, match=r"a.txt, line 2: .*expected the class's number"):
            read_detections(tmp_path)


def test_a_folder_without_boxes(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(UsageError, match="no boxes are in it; expected VOC's"):
        read_detections(tmp_path)
    with pytest.raises(UsageError, match="labels are dog, dog: expected one or more, each once"):
        read_detections("generated-scenes:10", labels=["dog", "dog"])


def test_generated_scenes_and_parts() -> None:
    corpus = read_detections("generated-scenes:40:64")
    assert {name: len(part) for name, part in corpus.splits.items()} == {
        "train": 40,
        "validation": 2,
        "test": 4,
    }
    assert corpus.labels == list(SHAPES)
    for item in corpus.items:
        assert (item.width, item.height) == (64, 64)
        expected = [(thing.shape, *thing.box) for thing in item.image.things]
        assert [box[:5] for box in item.boxes] == expected
    parts, labels = divide_detections("generated-scenes:40", 0.1, 0.5)
    assert [len(part) for part in parts[:3]] == [40, 2, 4]
    assert labels == list(SHAPES)


def test_what_validates_is_read_with_the_classes_of_training(tmp_path: Path) -> None:
    as_yolo(tmp_path / "one")
    picture(tmp_path / "two" / "a.png")
    other = write(tmp_path / "two" / "x.csv", "path,label,x1,y1,x2,y2\na.png,cow,1,1,5,5\n"
                  "a.png,cat,0,0,100,80\n")  # fmt: skip
    parts, labels = divide_detections(tmp_path / "one", str(other), 0.0)
    assert labels == ["dog", "cat"]
    assert [item.boxes for item in parts.validation] == [(CAT,)]
    assert any("boxes of the class cow, left out: 1" in told for told in parts.remarks)


def test_a_dataset_with_pictures_in_it(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    path = str(picture(tmp_path / "a.png"))
    objects = {"bbox": [[10, 20, 30, 40], [0, 0, 100, 80]], "category": ["dog", "cat"]}
    table = datasets.Dataset.from_dict({"image": [path], "objects": [objects]})
    table = table.cast_column("image", datasets.Image())
    datasets.DatasetDict({"train": table, "val": table}).save_to_disk(str(tmp_path / "set"))
    corpus = read_detections(f"hf:{tmp_path / 'set'}")
    assert [item.boxes for item in corpus.items] == [(DOG, CAT)] * 2
    assert [item.split for item in corpus.items] == ["train", "validation"]
    assert (corpus.items[0].width, corpus.items[0].height) == (100, 80)


edges = st.tuples(*[st.integers(-20, 120)] * 4)


@settings(max_examples=40, deadline=None)
@given(held=st.lists(edges, min_size=1, max_size=12))
def test_what_is_read_is_the_part_of_each_box_that_is_inside(
    held: list[tuple[int, int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a mask of pixels."""
    folder = tmp_path_factory.mktemp("boxes")
    picture(folder / "a.png")
    boxes = tuple(Box("dog", *one) for one in held)
    corpus = read_detections(write(folder / "x.json", coco({"a": (*boxes, CAT)})))
    expected = dict[tuple[int, ...], None]()
    rows, columns = np.mgrid[:80, :100] + 0.5
    for left, top, right, bottom in held:
        inside = (columns > left) & (columns < right) & (rows > top) & (rows < bottom)
        if inside.any():
            down, across = np.nonzero(inside)
            found = (across.min(), down.min(), across.max() + 1, down.max() + 1)
            expected[tuple(map(int, found))] = None
    read = [box for box in corpus.items[0].boxes if box.label == "dog"]
    assert [box[1:5] for box in read] == list(expected)
    left_out = sum(map(len, (v for k, v in corpus.mistakes.items() if "cut off" not in k)))
    assert len(read) + left_out == len(held)
