"""Answers to a long input that a killed run leaves whole, and that are gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.partial import RECORD, Partial
from corpora.errors import UsageError

ROOT = Path(__file__).parent.parent


def test_a_kill_leaves_whole_lines(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal\n"
        "from cli.partial import Partial\n"
        "with Partial(pathlib.Path('out'), {'a': 1}, resume=True) as partial:\n"
        "    for texts in partial.unanswered([[str(n) for n in range(10)]]):\n"
        "        for text in texts:\n"
        "            partial.write(text, f'{text} one\\n{text} two\\n')\n"
        "            if partial.answered in (4, 7):\n"
        "                os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ends = []
    for _ in range(3):
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        ends.append((ran.returncode, (tmp_path / "out").read_text().count("\n")))
    assert ends == [(-signal.SIGKILL, 8), (-signal.SIGKILL, 14), (0, 20)]
    lines = [f"{number} {word}\n" for number in range(10) for word in ("one", "two")]
    assert (tmp_path / "out").read_text() == "".join(lines)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_fails_at_once_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("before\n")
    with pytest.raises(UsageError), Partial(tmp_path / "out", {}, overwrite=True):
        raise UsageError("nothing was translated")
    assert (tmp_path / "out").read_text() == "before\n"
    with Partial(tmp_path / "out", {}, overwrite=True):  # no text at all
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "")]
    (tmp_path / f"out{RECORD}").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        Partial(tmp_path / "out", {}, resume=True)
