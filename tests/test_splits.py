"""Splits: every part of the source is in one of them, always the same one."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora.text
from corpora import UsageError, splits
from corpora.splits import NAMES, deal


def texts(split) -> list[str]:
    """Whole documents."""
    found = [""]
    for text, ends_document in split:
        found[-1] += text
        if ends_document:
            found.append("")
    assert found.pop() == ""
    return found


def parts(source, **options) -> dict[str, list[str]]:
    result = splits(source, **options)
    found = {split.name: texts(split) for split in result}
    assert found == {split.name: texts(split) for split in result}, "a second reading is the same"
    assert list(found) == list(NAMES)
    return found


def lines_file(folder, count: int):
    file = folder / "lines.txt"
    file.write_text("".join(f"document {number}\n" for number in range(count)))
    return file


shares = st.integers(0, 45).map(lambda percent: Fraction(percent, 100))


@given(validation=shares, test=shares, windows=st.integers(1, 20), seed=st.integers())
@settings(deadline=None, max_examples=60)
def test_each_window_keeps_the_shares(validation, test, windows, seed):
    size = max(10, *(-(-1 // share) for share in (validation, test) if share), 10)
    dealt = [name for w in range(windows) for name in deal(w, size, validation, test, seed)]
    assert len(dealt) == windows * size
    assert dealt.count("test") == len(dealt) * test // 1
    assert dealt.count("test") + dealt.count("validation") == len(dealt) * (validation + test) // 1
    for name, share in (("validation", validation), ("test", test)):
        assert (name in dealt[:size]) == bool(share)


@given(count=st.integers(10, 60), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=30)
def test_documents_are_partitioned_in_order(tmp_path_factory, count, seed):
    file = lines_file(tmp_path_factory.mktemp("lines"), count)
    found = parts(file, document="line", seed=seed)
    everything = [f"document {number}" for number in range(count)]
    assert sorted(chain.from_iterable(found.values())) == sorted(everything)
    for documents in found.values():
        assert documents == [document for document in everything if document in documents]
        assert documents


def test_more_text_moves_no_document(tmp_path):
    """A split by number: a corpus that grows keeps its old test set."""
    before = parts(lines_file(tmp_path, 40), document="line")
    after = parts(lines_file(tmp_path, 400), document="line")
    assert all(set(before[name]) <= set(after[name]) for name in NAMES)
    other = parts(lines_file(tmp_path, 400), document="line", seed=1)
    assert other["test"] != after["test"]
    assert {name: len(found) for name, found in other.items()} == {
        "train": 320,
        "validation": 40,
        "test": 40,
    }


def test_files_are_documents(tmp_path):
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text(f"text {number}" * number or "zero")
    result = splits(tmp_path)
    assert [len(texts(split)) for split in result] == [16, 2, 2]
    assert result.rule == "by document, 80% / 10% / 10%, seed 0"


@given(
    text=st.text(st.sampled_from("ab \n"), min_size=10, max_size=300),
    block=st.integers(3, 80),
    validation=st.sampled_from([0.1, 0.25, 0.5]),
    test=st.sampled_from([0, 0.1, 0.25]),
)
@settings(deadline=None, max_examples=200)
def test_one_text_gives_its_end(tmp_path_factory, text, block, validation, test):
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora.text, "BLOCK", block)
        found = parts(file, validation=validation, test=test)
    assert "".join(chain.from_iterable(found.values())) == text
    assert [len(documents) for documents in found.values()] == [1, 1, 1 if test else 0]
    wanted = {"validation": validation, "test": test}
    for name, share in wanted.items():
        size = len("".join(found[name]))
        assert 0.5 * share * len(text) - 1 <= size <= 2 * share * len(text) + 1


def test_the_end_begins_at_a_line_or_a_space(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("a line of some length\n" * 500)
    found = parts(file)
    assert all(documents[0].startswith("a line") for documents in found.values())
    assert abs(len(found["validation"][0]) - 1100) <= 22
    file.write_text("words without end " * 500)
    found = parts(file)
    assert all(found[name][0].startswith(" ") for name in ("validation", "test"))
    assert splits(file).rule == "by position in the text, 80% / 10% / 10%, its end held out"


def test_few_documents_are_split_by_position(tmp_path):
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"text": f"{number} is " + "long " * 100}) + "\n" for number in range(9))
    )
    found = parts(tmp_path / "rows.jsonl")
    assert [len(documents) for documents in found.values()] == [8, 2, 1]
    assert "".join(chain.from_iterable(found.values())).count("long ") + 2 >= 900


def test_a_small_share_needs_more_documents(tmp_path):
    file = lines_file(tmp_path, 200)
    found = parts(file, document="line", validation=0.01, test=0.01)
    assert [len(found[name]) for name in NAMES] == [196, 2, 2]
    assert "by position" in splits(file, document="line", validation=0.004).rule


def test_files_of_ones_own(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text(f"this is {name}, and more than a few words")
    a, b, c = (tmp_path / f"{name}.txt" for name in "abc")
    whole = {name: [file.read_text()] for name, file in zip(NAMES, (a, b, c), strict=True)}
    assert parts(a, validation=b, test=c) == whole
    assert parts({"train": a, "validation": b, "test": c}) == whole
    assert parts({"train": a, "validation": b}) == {**whole, "test": []}
    assert splits(a, validation=b, test=c).rule == "as given"
    found = parts(a, validation=b, test=0.2)
    assert found["validation"] == whole["validation"]
    assert "".join(found["train"] + found["test"]) == a.read_text()
    assert found["test"]
    for wrong in ({"training": a}, {"validation": b}, {}):
        with pytest.raises(UsageError, match="expected train"):
            splits(wrong)


@pytest.mark.parametrize(
    "options",
    [
        {"validation": 0},
        {"validation": -0.1},
        {"validation": 1},
        {"test": 1.5},
        {"test": -1},
        {"validation": float("nan")},
        {"validation": 0.5, "test": 0.5},
    ],
)
def test_shares_that_cannot_be(tmp_path, options):
    with pytest.raises(UsageError, match=r"validation|test"):
        splits(lines_file(tmp_path, 100), **options)


def test_too_short_a_text(tmp_path):
    (tmp_path / "a.txt").write_text("short")
    with pytest.raises(UsageError, match="5 characters"):
        splits(tmp_path / "a.txt")


def test_standard_input_is_read_once_and_leaves_no_file(tmp_path):
    program = (
        "import corpora\n"
        "parts = corpora.splits('-')\n"
        "print([sum(len(p.text) for p in part) for part in parts for _ in range(2)])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        input=b"a line of text\n" * 1000,
        stdout=subprocess.PIPE,
        check=True,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    sizes = json.loads(found.stdout)
    assert sizes[::2] == sizes[1::2]
    assert sum(sizes[::2]) == 15_000
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_called_by_its_name():
    found = subprocess.run(
        [sys.executable, "-c", "import corpora; corpora.splits('-')"],
        input=b"\xff\xfe",
        capture_output=True,
        check=False,
    )
    assert b"UsageError: standard input: byte 0xff" in found.stderr


def test_datasets_keep_their_own_splits(tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.jsonl").write_text(
            "\n".join(json.dumps({"text": f"{split} {number}"}) for number in range(20))
        )
    found = parts(f"hf:{tmp_path}")
    assert {name: len(documents) for name, documents in found.items()} == dict.fromkeys(NAMES, 20)
    assert found["validation"][0] == "valid 0"
    (tmp_path / "valid.jsonl").unlink()
    found = parts(f"hf:{tmp_path}")
    assert [len(found[name]) for name in NAMES] == [18, 2, 20]
    assert all(text.startswith("train") for text in found["validation"])
    (tmp_path / "test.jsonl").unlink()
    assert [len(found) for found in parts(f"hf:{tmp_path}").values()] == [16, 2, 2]
