"""The README.md of a model folder."""

from __future__ import annotations

from pathlib import Path

from nlp.core.model_card import write_card


def test_a_card_says_what_was_measured_and_how(tmp_path: Path) -> None:
    write_card(
        tmp_path,
        title="Model",
        about="It was trained.",
        columns=("perplexity", "bits"),
        results={"this model": (12.5, None), "unigram": (1234.0, 2.0)},
        arguments={"corpus": ["a|b.txt", "c.txt"], "layers": 2, "steps": None},
    )
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# Model\n\nIt was trained.\n")
    assert "| this model |12.500||" in text
    assert "| unigram |1,234.000|2.000|" in text
    assert r"| corpus | ['a\|b.txt', 'c.txt'] |" in text
    assert "| layers | 2 |" in text
    assert "steps" not in text


def test_a_card_without_results_has_no_table_of_them(tmp_path: Path) -> None:
    write_card(tmp_path, title="M", about="A.", columns=(), results={}, arguments={})
    assert "Measured" not in (tmp_path / "README.md").read_text()
