"""What a terminal shows of a training run and of a surprisal."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cli import display
from cli.format import clock, harmless, number, percentage, visible
from nlp.core.events import Evaluation, Progress, Remark
from nlp.core.scoring import Alternative, Score, TokenScore, WordScore


def progress(step: int, loss: float = 4.5) -> Progress:
    return Progress(
        step=step,
        fraction=step / 100,
        epoch=1,
        loss=loss,
        metrics={"perplexity": 90.017, "bits_per_byte": 1.95},
        gradient_norm=0.5,
        learning_rate=1e-3,
        items_per_second=12345.6,
        seconds_left=3723.0,
    )


EVENTS = (
    Remark("a model of 1,234 parameters"),
    *(progress(step, 5 - step / 50) for step in range(1, 100)),
    Evaluation(step=99, loss=4.6, metrics={"perplexity": 99.5}, best=True),
    Remark("The history of [bold] Mars", "sample"),
    progress(100),
)


def shown(style: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with display.TrainingDisplay(style) as report:
        for event in EVENTS:
            report(event)
    return capsys.readouterr().out.splitlines()


def test_training_is_shown_in_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown("auto", capsys) == [
        "a model of 1,234 parameters",
        "step 1 (1%)  loss 4.98  perplexity 90.02  bits per byte 1.95  gradient 0.5  "
        "12,346 tokens/s  1:02:03 left",
        "validation at step 99: loss 4.6  perplexity 99.5  (best so far)",
        "sample: The history of [bold] Mars",
        "step 100 (100%)  loss 4.5  perplexity 90.02  bits per byte 1.95  gradient 0.5  "
        "12,346 tokens/s  1:02:03 left",
    ]


def test_training_is_shown_live_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen = "\n".join(shown("live", capsys))
    for part in ("90.02", "1.95", "12,346", "1:02:03 left", "99.5", "The history of [bold] Mars"):
        assert part in screen


def test_training_is_shown_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    events = [json.loads(line) for line in shown("json", capsys)]
    assert len(events) == len(EVENTS)
    assert events[0] == {"event": "remark", "text": EVENTS[0].text, "kind": "note"}
    assert events[-1]["metrics"] == {"perplexity": 90.017, "bits_per_byte": 1.95}
    display.TrainingDisplay("json")(progress(1, float("nan")))
    assert json.loads(capsys.readouterr().out)["loss"] is None
    assert shown("quiet", capsys) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (0.5, "0.5"),
        (90.017, "90.02"),
        (12345.6, "12,346"),
        (1e9, "1e+09"),
    ],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "0:05"), (65.4, "1:05"), (3723, "1:02:03"), (float("inf"), "-")]
)
def test_times_are_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("probability", "text"), [(0.999, "100%"), (0.123, "12%"), (0.0173, "1.7%"), (2e-5, "0.002%")]
)
def test_probabilities_are_in_per_cent(probability: float, text: str) -> None:
    assert percentage(probability) == text


def test_surprisal_colours_go_from_green_to_red() -> None:
    colours = [display.surprisal_style(bits)[-6:] for bits in (0.0, 3.0, 9.0, 15.0, 18.0, 40.0)]
    redness = [int(colour[:2], 16) - int(colour[2:4], 16) for colour in colours]
    assert redness == sorted(redness)
    assert colours[-1] == colours[-2]
    assert display.surprisal_style(None) == "dim"


def test_control_characters_are_shown_and_not_obeyed() -> None:
    text = "a\tb\n\x1b[31mred\x07\r\x7f\x9b0m"
    assert visible(text) == "a⇥b⏎␛[31mred␇␍␡\ufffd0m"
    assert harmless(text) == "a\tb\n␛[31mred␇␍␡\ufffd0m"
    assert visible("naïve 火星 👋") == harmless("naïve 火星 👋") == "naïve 火星 👋"


@pytest.mark.parametrize("style", ["plain", "live"])
def test_a_sample_cannot_command_the_terminal(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with display.TrainingDisplay(style) as report:
        report(Remark("one\ntwo \x1b]0;title\x07", "sample"))
        report(progress(100))
    told = capsys.readouterr().out
    assert "two ␛]0;title␇" in told
    assert ("sample: one⏎two" in told) == (style == "plain")


def test_a_comparison_in_a_pipe_is_not_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    names = [f"a column of some width {number}" for number in range(4)]
    display.comparison("on the test split", names, {"this model": [1.0, 2.0, 3.0, None]})
    header, row = capsys.readouterr().out.splitlines()
    assert header.rstrip().endswith("  ".join(names))
    assert row.split() == ["this", "model", "1", "2", "3", "-"]


def scored() -> Score:
    """A text of which every token has alternatives that begin with a space, or are one."""
    others = [" Mars", " astronomical", " ", " of", "history", " the", " 火星"]
    top = [Alternative(place, text, -0.5 - place) for place, text in enumerate(others)]
    texts = ["take", " me", " to", " unquestionably", "\n"]
    tokens = [
        TokenScore(place, text, 0, len(text), -3.2, 3.2 / math.log(2), 1234, 5.4, top)
        for place, text in enumerate(texts)
    ]
    word = WordScore("take", 0, 4, -3.2, 4.6, 1)
    text = "".join(texts)
    return Score(text, "a context", "start", -16, 23, 24, 55, 2.1, 5, 4, 25, [word], tokens)


@pytest.mark.parametrize(("width", "in_a_line"), [(72, 2), (80, 2), (120, 5)])
def test_an_alternative_is_not_torn_from_its_probability(
    width: int,
    in_a_line: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(display, "console", lambda: display.Console(highlight=False, width=width))
    display.scores([scored()], top=7)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    told = "\n".join(lines)
    for pair in (" Mars 61%", " astronomical 22%", " of 3%", "history 1.1%", " the 0.41%"):
        assert told.count(pair) == 5
    assert max(line.count("%") for line in lines) == in_a_line


def test_a_narrow_terminal_folds_rather_than_loses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "console", lambda: display.Console(highlight=False, width=60))
    display.scores([scored()], top=7)
    assert capsys.readouterr().out.count("%") == 5 * 7


def test_the_picture_is_whole_and_needs_no_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    display.scores([scored()], top=3)
    alone = capsys.readouterr().out
    file = tmp_path / "score.svg"
    file.write_text("old")
    display.scores([scored()], top=3, svg=file)
    assert capsys.readouterr().out == alone  # the terminal is no narrower for it
    assert list(tmp_path.iterdir()) == [file]
    picture = file.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    assert "font-face" not in picture
    texts = list(ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"))
    assert any("astronomical" in (text.text or "") for text in texts)
    for text in texts:
        assert text.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no regular file"):
        display.scores([scored()], svg=tmp_path)
