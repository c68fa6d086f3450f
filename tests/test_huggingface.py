"""Hugging Face datasets, from folders: the tests need no network."""

from __future__ import annotations

import json
import logging

import pytest

from corpora import UsageError, read
from corpora.reader import Options, numbered, resolve


def documents(source, **options) -> list[str]:
    passages = list(read(source, **options))
    assert all(passage.ends_document for passage in passages)
    return [passage.text for passage in passages]


def complaint(source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        list(read(source, **options))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A dataset folder as the hub has them: a file a split."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "dataset"
    folder.mkdir()
    for split in ("train", "test"):
        rows = [{"text": f"{split} {number}", "label": number} for number in range(300)]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.mark.parametrize("streaming", [True, False])
def test_datasets(dataset, streaming, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(dataset.parent / "cache"))
    expected = [f"train {number}" for number in range(300)]
    assert documents(f"hf:{dataset}", split="train", streaming=streaming) == expected
    assert len(documents(f"hf:{dataset}", streaming=streaming)) == 600
    assert "test" in complaint(f"hf:{dataset}", split="validation", streaming=streaming)
    assert "'body'" in complaint(f"hf:{dataset}", text_column="body", streaming=streaming)
    assert "text was expected" in complaint(
        f"hf:{dataset}", text_column="label", streaming=streaming
    )


def test_rows_are_numbered_on_through_the_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "dataset"
    folder.mkdir()
    for split, texts in (("train", ["a", "", "c"]), ("test", ["d"])):
        rows = [json.dumps({"text": text}) for text in texts]
        (folder / f"{split}.jsonl").write_text("\n".join(rows))
    found = numbered(resolve(f"hf:{folder}"), Options())
    assert [(number, passage.text) for number, passage in found] == [(1, "a"), (3, "c"), (4, "d")]


def test_dataset_of_save_to_disk(tmp_path):
    import datasets

    table = datasets.Dataset.from_dict({"text": ["one", "", "two"]})
    table.save_to_disk(tmp_path / "saved")
    assert documents(f"hf:{tmp_path / 'saved'}", split="train") == ["one", "two"]


def test_missing_dataset(tmp_path, monkeypatch):
    import datasets
    import huggingface_hub

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "cannot be loaded" in complaint("hf:nobody/nothing-of-this-name")
    (tmp_path / "empty").mkdir()
    assert "cannot be loaded" in complaint(f"hf:{tmp_path / 'empty'}")
    assert "name is missing" in complaint("hf:")


def test_only_our_line_tells_that_the_hub_is_out_of_reach(tmp_path, caplog):
    (tmp_path / "empty").mkdir()
    complaint(f"hf:{tmp_path / 'empty'}")  # any dataset: whoever loads one has its client quiet
    client = logging.getLogger("huggingface_hub.utils._http")
    client.addHandler(caplog.handler)
    try:
        client.warning("'[Errno 111] Connection refused' thrown while requesting HEAD https://hub")
        client.warning("Retrying in 1s [Retry 1/5].")
        client.warning("Rate limited. Waiting 60.0s before retry [Retry 1/5].")
    finally:
        client.removeHandler(caplog.handler)
    assert {record.getMessage()[:12] for record in caplog.records} == {"Rate limited"}
