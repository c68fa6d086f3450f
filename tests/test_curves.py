"""Pictures of a run."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from corpora.errors import UsageError
from nlp.core import curves
from nlp.core.training_state import METRICS


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [
        *({"step": step, "train_loss": 5.0 - step / 10} for step in range(10)),
        {"step": 9, "validation_loss": 4.5},
    ]
    (tmp_path / METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert curves.draw(tmp_path).read_bytes().startswith(b"\x89PNG")


def test_a_run_without_steps_is_drawn_without_complaint(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert curves.draw(tmp_path).is_file()


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"unrolled\[plots\]"):
        curves.draw(tmp_path)
