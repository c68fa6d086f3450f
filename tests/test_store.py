"""The token store: what is appended comes back, and a kill leaves the old store or the new one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import Passage, TokenStore, TokenStoreWriter, UsageError
from corpora.store import Counts

KIND = {"vocabulary_size": 1000, "tokenizer_fingerprint": "abc"}


def write(folder, ids=(1, 2, 3), **changed):
    with TokenStoreWriter(folder, **{**KIND, **changed}) as writer:
        writer.append("train", np.array(ids), documents=1, words=2, bytes=9)
        writer.append("test", [])
    return folder


def complaint(folder, **options) -> str:
    with pytest.raises(UsageError) as caught:
        TokenStore.open(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(["train", "validation"]),
            st.lists(st.integers(0, 99_999), max_size=20),
            st.sampled_from([np.uint32, np.int64, np.int32, list]),
        ),
        max_size=10,
    ),
    large=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_round_trip(tmp_path_factory, parts, large):
    size = 100_000 if large else 1 << 16
    parts = [(split, [number % size for number in ids], kind) for split, ids, kind in parts]
    folder = tmp_path_factory.mktemp("store") / "deep" / "tokens"
    with TokenStoreWriter(folder, vocabulary_size=size, tokenizer_fingerprint="f") as writer:
        for split, ids, kind in parts:
            writer.append(split, kind(ids) if kind is list else np.array(ids, kind))
    store = TokenStore.open(folder, tokenizer_fingerprint="f")
    assert store.header.vocabulary_size == size
    assert store.header.dtype == ("uint32" if large else "uint16")
    assert set(store.header.splits) == {split for split, _, _ in parts}
    for split in store.header.splits:
        expected = [number for part, ids, _ in parts if part == split for number in ids]
        found = store.split(split)
        assert found.tolist() == expected
        assert found.dtype == store.header.dtype
        assert store.header.splits[split].tokens == len(expected)
        if expected:
            assert isinstance(found, np.memmap)
            with pytest.raises(ValueError, match="read-only"):
                found[0] = 1


def test_counts(tmp_path):
    passages = [Passage("One, two —", False), Passage(" drei\n", True), Passage("vier", True)]
    with TokenStoreWriter(tmp_path / "s", **KIND) as writer:
        assert list(writer.counting("train", passages)) == passages
        writer.append("train", [5, 6])
    size = sum(len(text.encode()) for text, _ in passages)
    assert TokenStore.open(tmp_path / "s").header.splits == {"train": Counts(2, 2, 5, size, 20)}


def test_ids_outside_the_vocabulary(tmp_path):
    for ids in ([1, 1000], [-1, 3], np.array([1 << 40]), [0.5], [[1], [2]]):
        with (
            pytest.raises(ValueError, match="token id"),
            TokenStoreWriter(tmp_path / "store", **KIND) as writer,
        ):
            writer.append("train", ids)
    assert list(tmp_path.iterdir()) == []
    with TokenStoreWriter(tmp_path / "store", **KIND) as writer:
        writer.append("train", [0, 999])
        with pytest.raises(ValueError, match="split"):
            writer.append("../train", [1])


def test_a_new_store_replaces_the_old(tmp_path):
    folder = write(tmp_path / "store", [1, 2, 3])
    old = TokenStore.open(folder).split("train")
    write(folder, [4, 5])
    assert TokenStore.open(folder).split("train").tolist() == [4, 5]
    assert old.tolist() == [1, 2, 3], "who has the old one open keeps it"
    assert len(list(folder.glob("*.tokens"))) == 2
    assert list(tmp_path.iterdir()) == [folder]


def test_an_exception_leaves_the_old_store(tmp_path):
    folder = write(tmp_path / "store", [1, 2, 3])

    def interrupted():
        yield Passage("some text", True)
        raise KeyboardInterrupt

    def write_interrupted():
        with TokenStoreWriter(folder, **KIND) as writer:
            for _ in writer.counting("train", interrupted()):
                writer.append("train", [4])

    with pytest.raises(KeyboardInterrupt):
        write_interrupted()
    assert TokenStore.open(folder).split("train").tolist() == [1, 2, 3]
    assert list(tmp_path.iterdir()) == [folder]


def test_only_a_store_is_overwritten(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("dear")
    (tmp_path / "file").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "header.json").write_text("{}")
    for name, reason in (("letters", "something else"), ("file", "file"), ("model", "else")):
        with pytest.raises(UsageError, match=reason):
            write(tmp_path / name)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty")
    assert (tmp_path / "letters" / "love.txt").read_text() == "dear"


WRITER = """
import sys, time
from corpora import TokenStoreWriter
with TokenStoreWriter(sys.argv[1], vocabulary_size=10, tokenizer_fingerprint="new") as writer:
    print("started", flush=True)
    for _ in range(int(sys.argv[2])):
        writer.append("train", [7] * 5000)
    if sys.argv[2] == "0":
        time.sleep(60)
"""


def start(folder, appends: int) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, str(appends)], stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_a_kill_at_any_moment_leaves_one_whole_store(tmp_path):
    folder = tmp_path / "store"
    seen = set()
    for attempt in range(8):
        write(folder)
        process = start(folder, 100)
        time.sleep(0.004 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        store = TokenStore.open(folder)
        seen.add(store.header.tokenizer_fingerprint)
        expected = {"abc": [1, 2, 3], "new": [7] * 500_000}
        assert store.split("train").tolist() == expected[store.header.tokenizer_fingerprint]
    write(folder)
    assert list(tmp_path.iterdir()) == [folder], "what the killed runs left is cleaned away"
    assert len(list(folder.glob("*.tokens"))) == 2
    assert "abc" in seen


@pytest.mark.parametrize("steps", range(7))
def test_every_step_of_the_replacement_may_be_the_last(tmp_path, monkeypatch, steps):
    """The same without luck: the run dies after so many of the calls that change names."""
    folder = write(tmp_path / "store")
    left = steps

    def dying(call):
        def step(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                raise SystemExit("killed")
            return call(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        with nullcontext() if steps > 4 else pytest.raises(SystemExit):
            write(folder, [4, 5])
    # Two files are moved, then the header, then the two old files are removed.
    expected = [4, 5] if steps > 2 else [1, 2, 3]
    assert TokenStore.open(folder).split("train").tolist() == expected
    write(folder, [6])
    assert TokenStore.open(folder).split("train").tolist() == [6]
    assert len(list(folder.glob("*.tokens"))) == 2


def test_a_running_writer_is_not_cleaned_away(tmp_path):
    process = start(tmp_path / "store", 0)
    partial = next(tmp_path.iterdir())
    write(tmp_path / "store")
    assert partial.exists()
    process.kill()
    process.communicate()
    write(tmp_path / "store")
    assert not partial.exists()


def test_damaged_stores_are_refused(tmp_path):
    folder = write(tmp_path / "store")
    assert "another" not in str(TokenStore.open(folder, tokenizer_fingerprint="abc"))
    assert "made with tokenizer abc" in complaint(folder, tokenizer_fingerprint="xyz")
    with pytest.raises(UsageError, match="the splits are: train, test"):
        TokenStore.open(folder).split("validation")
    file = next(folder.glob("train*.tokens"))
    content = file.read_bytes()
    for damaged in (content[:-1], content + b"x", b""):
        file.write_bytes(damaged)
        assert f"{len(damaged)} bytes and should have 6" in complaint(folder)
    file.unlink()
    assert "is missing" in complaint(folder)
    file.write_bytes(content)

    header = folder / "header.json"
    whole = header.read_text()
    fields = json.loads(whole)
    for field in fields:
        header.write_text(json.dumps({**fields, field: None}))
        assert str(folder) in complaint(folder)
    for length in range(0, len(whole), 7):
        header.write_text(whole[:length])
        assert str(folder) in complaint(folder)
    header.write_text(json.dumps({**fields, "files": {"train": "../x", "test": "y"}}))
    assert "damaged" in complaint(folder)
    header.write_text(json.dumps({**fields, "version": 99}))
    assert "version 99" in complaint(folder)
    header.unlink()
    assert "no header.json" in complaint(folder)
    assert "no such folder" in complaint(tmp_path / "nowhere")


@pytest.mark.skipif(sys.platform != "linux", reason="relies on Linux's file size limit")
def test_no_space_is_told_in_one_line(tmp_path):
    """A limit on the size of files stands for the full disk: the write fails half way."""
    program = f"""
import resource, signal
from corpora import TokenStoreWriter, UsageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with TokenStoreWriter({str(tmp_path / "store")!r}, vocabulary_size=9, tokenizer_fingerprint="")\
 as writer:
        writer.append("train", [1] * 200_000)
except UsageError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "cannot write" in found.stdout
    assert found.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_full_disk(tmp_path, monkeypatch):
    import errno
    import os

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = write(tmp_path / "store")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="no space is left on the disk"):
        write(folder, [9])
    assert TokenStore.open(folder).split("train").tolist() == [1, 2, 3]
    assert list(tmp_path.iterdir()) == [folder]
