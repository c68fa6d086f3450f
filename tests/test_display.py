"""What a terminal shows of a training run and of a surprisal."""

from __future__ import annotations

import json

import pytest

from cli import display
from cli.format import clock, number, percentage
from nlp.core.events import Evaluation, Progress, Remark


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
        "The history of [bold] Mars",
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
