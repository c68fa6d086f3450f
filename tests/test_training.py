"""The training loop on a model small enough to follow by hand."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError
from nlp.core import training
from nlp.core.checkpoint import WEIGHTS, read_tensors
from nlp.core.events import Evaluation, Event, Progress, Remark
from nlp.core.recipe import Loss, Recipe
from nlp.core.training import Diverged, Outcome, fit
from nlp.core.training_state import FOLDER, METRICS, STATE, read_metrics

Batch = tuple[Tensor, Tensor]


class Line(nn.Module):
    """Fits a line through noise, with dropout and a state that it carries from batch to batch."""

    def __init__(self, dropout: float = 0.0, carries: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.dropout, self.carries = dropout, carries
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def loss(self, batch: Batch, carry: tuple[Tensor, ...] | None = None) -> Loss:
        features, values = batch
        if carry is not None:
            features = features + 0.1 * carry[0]
        features = F.dropout(features, self.dropout, self.training)
        mean = (self.layer(features).squeeze(-1) - values).square().mean()
        state = (features.mean(dim=0, keepdim=True).detach(),) if self.carries else None
        return Loss(mean, len(values), state)


class Examples:
    """Batches drawn anew for each epoch, by its number."""

    def __init__(self, rows: int = 64, batches: int = 5) -> None:
        self.rows, self.batches = rows, batches

    def __len__(self) -> int:
        return self.batches

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        features = torch.randn(self.batches * self.rows, 3, generator=generator)
        values = features @ torch.tensor([1.0, -2.0, 3.0]) + 0.5
        pairs = zip(features.split(self.rows), values.split(self.rows), strict=True)
        yield from list(pairs)[skip:]


def run(
    folder: Path,
    model: nn.Module | None = None,
    *,
    batches: Any = None,
    evaluate: Callable[[], float] | None = None,
    report: Callable[[Event], None] = lambda event: None,
    grows: float = 0.0,
    resume: bool = False,
    **recipe: Any,
) -> tuple[nn.Module, Outcome]:
    """`fit` with what most tests do not care about."""
    model = Line() if model is None else model
    held_out = next(Examples(rows=50).epoch(1000))
    settings = {"steps": 12, "learning_rate": 0.05, "warmup_steps": 0, "device": "cpu"}
    outcome = fit(
        model,
        batches or Examples(),
        recipe=Recipe(**{**settings, "precision": "float32", **recipe}),
        folder=folder,
        evaluate=evaluate or (lambda: float(model.loss(held_out).mean)),  # type: ignore[operator]
        grows=grows,
        report=report,
        resume=resume,
    )
    return model, outcome


def answers(*losses: float) -> Callable[[], float]:
    """An evaluation that says these, one after the other."""
    left = iter(losses)
    return lambda: next(left)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The metrics, without what the clock says."""
    clock = ("seconds", "items_per_second")
    rows = read_metrics(folder / METRICS)
    return [{key: row[key] for key in row if key not in clock} for row in rows]


def state_of(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state, without what the clock says."""
    tensors, about = read_tensors(folder / FOLDER / STATE)
    return tensors, {**about, "seconds": 0, "unreported": about["unreported"][:2]}


def assert_same_run(folder: Path, expected: Path) -> None:
    for tensors, others in (
        (read_tensors(folder / WEIGHTS)[0], read_tensors(expected / WEIGHTS)[0]),
        (state_of(folder)[0], state_of(expected)[0]),
    ):
        assert tensors.keys() == others.keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, others[name]), name
    assert state_of(folder)[1] == state_of(expected)[1]
    assert rows_of(folder) == rows_of(expected)


# ── exact resume ────────────────────────────────────────────────────────────────────────────────


class Killed(BaseException):
    """Ends a run like SIGKILL: nothing of ours catches it."""


RECIPES = {
    "adamw": {"steps": 30, "evaluate_every": 7, "log_every": 4},
    "often saved": {"steps": 20, "evaluate_every": 9, "log_every": 6, "save_every": 4},
    "accumulated": {"steps": 14, "accumulate": 3, "evaluate_every": 5, "log_every": 2},
    "plateau": {
        **{"steps": 30, "evaluate_every": 2, "log_every": 5},
        **{"optimizer": "sgd", "schedule": "plateau", "learning_rate": 0.4},
    },
    "nt-asgd": {
        **{"steps": 36, "evaluate_every": 2, "log_every": 5},
        **{"optimizer": "nt-asgd", "schedule": "constant", "learning_rate": 0.6},
    },
    "early": {"steps": 60, "evaluate_every": 2, "patience": 3, "learning_rate": 0.4},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_run_killed_at_any_event_ends_as_if_it_had_not_been(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    def build() -> Line:
        return Line(dropout=0.3, carries=True)

    events: list[Event] = []
    whole, outcome = run(tmp_path / "whole", build(), report=events.append, **recipe)
    expected = whole.state_dict()
    # One after the other where there are few, else some of each kind.
    for last in range(1, len(events) + 1, 1 + len(events) // 12):
        folder = tmp_path / str(last)
        left = last

        def die(event: Event) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        with pytest.raises(Killed):
            run(folder, build(), report=die, **recipe)
        resume = (folder / FOLDER / STATE).is_file()
        again, ended = run(folder, build(), resume=resume, **recipe)
        assert_same_run(folder, tmp_path / "whole")
        assert all(torch.equal(value, expected[name]) for name, value in again.state_dict().items())
        assert (ended.step, ended.best_loss, ended.best_step, ended.ended) == (
            *(outcome.step, outcome.best_loss, outcome.best_step),
            outcome.ended,
        )


def test_these_runs_do_what_they_are_named_for(tmp_path: Path) -> None:
    model = Line(dropout=0.3, carries=True)
    run(tmp_path / "plateau", model, **RECIPES["plateau"])
    assert state_of(tmp_path / "plateau")[1]["plateau_factor"] < 1
    model = Line(dropout=0.3, carries=True)
    run(tmp_path / "asgd", model, **RECIPES["nt-asgd"])
    assert state_of(tmp_path / "asgd")[1]["averaged_steps"] > 2
    _, outcome = run(tmp_path / "early", Line(dropout=0.3, carries=True), **RECIPES["early"])
    assert outcome.ended == "early"


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    model, outcome = run(tmp_path)
    before = (tmp_path / WEIGHTS).read_bytes()
    again, ended = run(tmp_path, Line(), resume=True)
    assert ended == outcome
    assert (tmp_path / WEIGHTS).read_bytes() == before
    assert torch.equal(model.layer.weight, again.layer.weight)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_the_run(number: int, tmp_path: Path) -> None:
    recipe = {"steps": 20, "log_every": 5, "evaluate_every": 4}
    run(tmp_path / "whole", Line(dropout=0.3, carries=True), **recipe)
    before = signal.getsignal(number)
    told = []

    def interrupt(event: Event) -> None:
        told.append(event)
        if isinstance(event, Progress) and event.step == 10:
            os.kill(os.getpid(), number)

    folder = tmp_path / "run"
    _, outcome = run(folder, Line(dropout=0.3, carries=True), report=interrupt, **recipe)
    assert (outcome.step, outcome.ended) == (10, "interrupted")
    assert signal.getsignal(number) == before
    assert any(isinstance(event, Remark) and "state is saved" in event.text for event in told)
    run(folder, Line(dropout=0.3, carries=True), resume=True, **recipe)
    assert_same_run(folder, tmp_path / "whole")


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, Progress):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, report=interrupt, log_every=1)


@pytest.mark.parametrize("size", [0, 5, 1000, -1])
def test_a_state_cut_short_is_refused(size: int, tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / FOLDER / STATE
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UsageError, match=r"state\.safetensors is damaged"):
        run(tmp_path, resume=True)


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    other = Line()
    other.layer = nn.Linear(3, 2)
    with pytest.raises(UsageError, match="does not belong to this run"):
        run(tmp_path, other, resume=True)
    with pytest.raises(UsageError, match="is missing"):
        run(tmp_path / "nowhere", resume=True)


def test_weights_in_place_of_a_state_are_refused(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / FOLDER / STATE).write_bytes((tmp_path / WEIGHTS).read_bytes())
    with pytest.raises(UsageError, match="does not belong to this run"):
        run(tmp_path, resume=True)


def test_a_damaged_log_does_not_stop_a_resumed_run(tmp_path: Path) -> None:
    run(tmp_path, steps=12, log_every=3)
    path = tmp_path / METRICS
    path.write_bytes(path.read_bytes()[:-5])
    run(tmp_path, resume=True, log_every=3)
    assert [row["step"] for row in rows_of(tmp_path) if "train_loss" in row] == [3, 6, 9, 12]
    path.unlink()
    run(tmp_path, resume=True)
    assert rows_of(tmp_path) == []


# ── leaving the numbers ─────────────────────────────────────────────────────────────────────────


class Poisoned(Line):
    """Its loss is no number from a certain batch on."""

    def __init__(self, healthy: int) -> None:
        super().__init__()
        self.left = healthy

    def loss(self, batch: Batch, carry: tuple[Tensor, ...] | None = None) -> Loss:
        mean, targets, state = super().loss(batch, carry)
        if self.training:
            self.left -= 1
        return Loss(mean if self.left >= 0 else mean * math.nan, targets, state)


def test_no_number_stops_the_run_and_keeps_the_last_good_model(tmp_path: Path) -> None:
    recipe = {"steps": 40, "evaluate_every": 6, "log_every": 10}
    model, _ = run(tmp_path / "good", Line(), **{**recipe, "steps": 12}, schedule="constant")
    folder = tmp_path / "bad"
    with pytest.raises(Diverged, match="the training loss is nan") as error:
        run(folder, Poisoned(14), schedule="constant", **recipe)
    assert "the model of step 12 is kept" in str(error.value)
    assert "lower learning rate" in str(error.value)
    kept = read_tensors(folder / WEIGHTS)[0]
    assert torch.equal(kept["layer.weight"], model.layer.weight)  # type: ignore[union-attr, arg-type]
    assert all(torch.isfinite(tensor).all() for tensor in state_of(folder)[0].values())


@pytest.mark.parametrize("every", [{"save_every": 1}, {"evaluate_every": 3}])
def test_what_is_no_number_is_never_saved(every: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        run(tmp_path, Poisoned(4), log_every=100, **every)
    tensors = state_of(tmp_path)[0]
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_a_validation_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="the validation loss is nan at step 8"):
        run(tmp_path, evaluate=answers(1.0, math.nan), evaluate_every=4)
    assert [row["step"] for row in rows_of(tmp_path) if "validation_loss" in row] == [4]


class Harder(Line):
    """Of which a hundred nats more are asked from the second step on."""

    asked = 0.0

    def loss(self, batch: Batch, carry: tuple[Tensor, ...] | None = None) -> Loss:
        found = super().loss(batch, carry)
        mean, self.asked = found.mean + self.asked, 100.0
        return found._replace(mean=mean)


def test_a_loss_that_is_known_to_grow_does_not_explode(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="rose to"):
        run(tmp_path / "unknown", Harder(), log_every=2, evaluate=lambda: 1.0)
    run(tmp_path / "known", Harder(), log_every=2, evaluate=lambda: 1.0, grows=100.0)


def test_an_exploding_loss_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="rose to") as error:
        run(
            tmp_path,
            optimizer="sgd",
            learning_rate=3.0,
            clip_norm=0,
            evaluate_every=99,
            log_every=2,
        )
    assert "no evaluation yet, so no model is kept" in str(error.value)
    assert not (tmp_path / WEIGHTS).exists()


# ── the loop ────────────────────────────────────────────────────────────────────────────────────


def test_two_half_batches_are_one_batch(tmp_path: Path) -> None:
    for optimizer in ("sgd", "adamw"):
        whole, _ = run(tmp_path, batches=Examples(rows=8, batches=4), optimizer=optimizer)
        halves, _ = run(
            tmp_path, batches=Examples(rows=4, batches=8), optimizer=optimizer, accumulate=2
        )
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(value, halves.state_dict()[name])


def test_the_gradient_is_clipped_and_its_length_told(tmp_path: Path) -> None:
    told: list[Event] = []
    model = Line()
    batch = next(Examples().epoch(0))
    gradient = torch.autograd.grad(model.loss(batch).mean, list(model.parameters()))
    length = math.sqrt(sum(float(part.square().sum()) for part in gradient))
    before = model.layer.weight.detach().clone()
    recipe = {"steps": 1, "optimizer": "sgd", "learning_rate": 0.1, "schedule": "constant"}
    run(tmp_path, model, clip_norm=0.5, report=told.append, **recipe)
    (progress,) = (event for event in told if isinstance(event, Progress))
    assert progress.gradient_norm == pytest.approx(length, rel=1e-5)
    assert length > 0.5
    expected = before - 0.1 * gradient[0] * 0.5 / length
    torch.testing.assert_close(model.layer.weight.detach(), expected, rtol=1e-4, atol=1e-5)
    assert rows_of(tmp_path)[0]["gradient_norm"] == progress.gradient_norm
    free = Line()
    run(tmp_path, free, clip_norm=0.0, **recipe)
    torch.testing.assert_close(free.layer.weight.detach(), before - 0.1 * gradient[0])


def test_the_model_of_the_best_evaluation_is_kept(tmp_path: Path) -> None:
    model, seen = Line(), []
    losses = iter((3.0, 1.0, 2.0, 1.0))

    def evaluate() -> float:
        assert not model.training
        seen.append(model.layer.weight.detach().clone())
        return next(losses)

    told: list[Event] = []
    _, outcome = run(tmp_path, model, evaluate=evaluate, evaluate_every=3, report=told.append)
    assert (outcome.best_loss, outcome.best_step, outcome.ended) == (1.0, 6, "finished")
    assert torch.equal(model.layer.weight, seen[1])
    assert torch.equal(read_tensors(tmp_path / WEIGHTS)[0]["layer.weight"], seen[1])
    assert not model.training
    evaluations = [event for event in told if isinstance(event, Evaluation)]
    assert [event.best for event in evaluations] == [True, True, False, False]
    assert [event.step for event in evaluations] == [3, 6, 9, 12]


def test_patience_ends_a_run_early(tmp_path: Path) -> None:
    told: list[Event] = []
    evaluate = answers(3.0, 2.0, 4.0, 1.0, 2.0, 2.0)
    recipe = {"evaluate_every": 1, "patience": 2, "steps": 50}
    _, outcome = run(tmp_path, evaluate=evaluate, report=told.append, **recipe)
    assert (outcome.step, outcome.best_step, outcome.ended) == (6, 4, "early")
    assert isinstance(told[-1], Remark)
    assert "2 evaluations" in told[-1].text
    # Resumed, it is still over.
    assert run(tmp_path, evaluate=answers(), resume=True, **recipe)[1].step == 6


def test_the_clock_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10_000))
    monkeypatch.setattr(training.time, "perf_counter", lambda: float(next(now)))
    told: list[Event] = []
    _, outcome = run(tmp_path, steps=None, minutes=1.0, report=told.append, log_every=1)
    assert outcome.ended == "finished"
    assert 60 <= outcome.seconds < 70
    fractions = [event.fraction for event in told if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9
    rates = [event.learning_rate for event in told if isinstance(event, Progress)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.2 * rates[0]
    assert isinstance(told[-1], Evaluation)
    # What ends first counts.
    assert run(tmp_path, steps=3, minutes=1e9)[1].step == 3


def test_a_run_looks_twelve_times_unless_told_otherwise(tmp_path: Path) -> None:
    told: list[Event] = []
    run(tmp_path, steps=60, report=told.append)
    steps = [event.step for event in told if isinstance(event, Evaluation)]
    assert steps == [5 * number for number in range(1, 13)]


def test_what_is_evaluated_and_kept_is_the_average(tmp_path: Path) -> None:
    """NT-ASGD by hand: the loop's steps done again, and averaged."""
    losses = [9.0, 1.0, *[2.0] * 6, 0.5]  # the eighth is worse than the best of the first two
    recipe = {
        **{"optimizer": "nt-asgd", "schedule": "constant", "learning_rate": 0.1},
        **{"evaluate_every": 2, "steps": 18, "clip_norm": 0.0},
    }
    model = Line()
    run(tmp_path, model, evaluate=answers(*losses), **recipe)
    walker, walked = Line(), []
    optimizer = torch.optim.SGD(walker.parameters(), lr=0.1)
    batches = [batch for epoch in range(4) for batch in Examples().epoch(epoch)]
    for batch in batches[:18]:
        optimizer.zero_grad()
        walker.loss(batch).mean.backward()
        optimizer.step()
        walked.append(walker.layer.weight.detach().clone())
    expected = torch.stack(walked[15:]).mean(dim=0)  # from the eighth evaluation, after step 16
    torch.testing.assert_close(model.layer.weight.detach(), expected)
    # The run itself went on from the last weights, not from the average.
    torch.testing.assert_close(state_of(tmp_path)[0]["model.layer.weight"], walked[-1])


def test_plateau_divides_the_learning_rate_that_is_told(tmp_path: Path) -> None:
    told: list[Event] = []
    run(
        tmp_path,
        evaluate=answers(2.0, 3.0, 1.0, 1.0),
        report=told.append,
        **{"schedule": "plateau", "evaluate_every": 3, "log_every": 3, "learning_rate": 0.4},
    )
    rates = [event.learning_rate for event in told if isinstance(event, Progress)]
    assert rates == pytest.approx([0.4, 0.4, 0.1, 0.1])
    assert state_of(tmp_path)[1]["plateau_factor"] == pytest.approx(1 / 16)


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    weights = [
        run(tmp_path, Line(dropout=0.5), seed=seed)[0].layer.weight.detach().clone()  # type: ignore[union-attr, operator]
        for seed in (1, 1, 2)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_callers_random_numbers_stay(tmp_path: Path) -> None:
    model = Line(dropout=0.5)
    before = torch.get_rng_state()
    run(tmp_path, model)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_in_another_thread(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, tmp_path).result()[1].ended == "finished"


def test_the_log_tells_the_mean_loss(tmp_path: Path) -> None:
    told: list[Event] = []
    run(tmp_path, steps=7, log_every=3, report=told.append, learning_rate=1e-9)
    batches = [batch for epoch in range(2) for batch in Examples().epoch(epoch)][:3]
    with torch.no_grad():
        expected = sum(float(Line().loss(batch).mean) for batch in batches) / 3
    progress = [event for event in told if isinstance(event, Progress)]
    assert [event.step for event in progress] == [3, 6, 7]
    assert progress[0].loss == pytest.approx(expected, rel=1e-4)
    assert [event.epoch for event in progress] == [0, 1, 1]
    rows = [row for row in rows_of(tmp_path) if "train_loss" in row]
    assert [row["train_loss"] for row in rows] == [event.loss for event in progress]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("learning_rate", "accumulate", "log_every", "steps", "minutes")),
        *((name, 0) for name in ("evaluate_every", "save_every", "patience")),
        *((name, -1) for name in ("warmup_steps", "weight_decay", "clip_norm", "seed", "steps")),
        *((name, math.nan) for name in ("learning_rate", "minutes", "weight_decay", "clip_norm")),
        *((name, "x") for name in ("optimizer", "schedule", "precision")),
        ("learning_rate", math.inf),
        ("seed", 1 << 64),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name):
        Recipe(**{"steps": 1, "learning_rate": 0.1, name: value})


def test_a_recipe_without_an_end_is_refused() -> None:
    with pytest.raises(UsageError, match="how long"):
        Recipe(steps=None, learning_rate=0.1)


def test_a_disk_that_fills_up_ends_the_run_and_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"evaluate_every": 3}
    run(tmp_path / "whole", Line(dropout=0.3), **recipe)
    folder = tmp_path / "run"

    def full(*arguments: object, **options: object) -> None:
        import safetensors

        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    def fill(event: Event) -> None:
        if isinstance(event, Evaluation) and event.step == 6:
            monkeypatch.setattr("safetensors.torch.save_file", full)

    with pytest.raises(UsageError, match=r"state\.safetensors: no space is left"):
        run(folder, Line(dropout=0.3), report=fill, **recipe)
    assert state_of(folder)[1]["step"] == 3
    monkeypatch.undo()
    run(folder, Line(dropout=0.3), resume=True, **recipe)
    assert_same_run(folder, tmp_path / "whole")
