"""The one training loop.

It asks a model for `loss(batch, carry)` and knows nothing else of it; it reports through one
callback and prints nothing; it runs on Hugging Face Accelerate, so that a CPU and a GPU run the
same lines. A run can be killed at any step: resumed, it ends with the weights it would have had,
bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Protocol

import torch
from torch import Tensor, nn

from corpora.errors import UsageError
from nlp.core.best_weights import BestWeights
from nlp.core.checkpoint import load_weights, save_weights
from nlp.core.device import Precision, choose_device, choose_precision
from nlp.core.events import Evaluation, Event, Progress, Remark
from nlp.core.interrupts import interruptible
from nlp.core.optimization import Averager, Plateau, build_optimizer, learning_rate_factor
from nlp.core.pace import Clock, LogWindow
from nlp.core.recipe import Loss, Recipe
from nlp.core.training_state import Counters, MetricsLog, load_state, save_state

EVALUATIONS = 12  # in a run, unless told otherwise


class Batches(Protocol):
    """Training data: the same epoch number gives the same batches."""

    def __len__(self) -> int: ...

    def epoch(self, number: int, skip: int = 0) -> Iterator[Any]: ...


class Measured(NamedTuple):
    """What an evaluation found, where that is more than a loss."""

    loss: float  # nats
    metrics: Mapping[str, float]
    score: float  # the model with the highest is kept


class Outcome(NamedTuple):
    """How a run ended."""

    step: int
    best_loss: float
    best_step: int
    seconds: float
    ended: Literal["finished", "early", "interrupted"]


class Diverged(RuntimeError):
    """The loss left the numbers or exploded; the last good model is kept."""


class _LossModule(nn.Module):
    """Accelerate wraps `forward`; what a model offers is `loss`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Any, carry: tuple[Tensor, ...] | None) -> Loss:
        return self.model.loss(batch, carry)  # type: ignore[operator]


def fit(
    model: nn.Module,
    batches: Batches,
    *,
    recipe: Recipe,
    folder: Path,
    evaluate: Callable[[], float | Measured],
    in_units: Callable[[float, str], Mapping[str, float]] = lambda loss, split: {},
    sample: Callable[[], str] | None = None,
    grows: float = 0.0,
    report: Callable[[Event], None] = lambda event: None,
    resume: bool = False,
) -> Outcome:
    """Trains `model`; the best weights on the validation data end in `folder` and in the model.

    Args:
        batches: what to train on.
        evaluate: the validation loss of the model as it stands, in nats; or that and a score by
            which the best is chosen instead.
        in_units: a loss on "train" or "validation" in the task's own units, say perplexity.
        sample: something the model makes, reported after each evaluation.
        grows: by how much an untrained model's loss grows after the first step, where more and more
            is asked of it: so much more is no explosion yet.
        report: hears what happens.
        resume: goes on from the state in `folder`.

    Raises:
        Diverged: the loss is no number any more, or has exploded.
        UsageError: nothing to resume, or no space for a checkpoint.
    """
    with torch.random.fork_rng(), interruptible() as interrupted:
        torch.manual_seed(recipe.seed)
        run = _Run(model, batches, recipe, folder, evaluate, in_units, sample, grows, report)
        run.begin(resume)
        ended = run.train(interrupted)
        run.keep_best(over=ended != "interrupted")
    counters = run.counters
    best = math.nan if counters.best_loss is None else counters.best_loss
    return Outcome(counters.step, best, counters.best_step, counters.seconds, ended)


def start_accelerator(precision: Precision, device: str, accumulate: int = 1) -> Any:
    """Accelerate's view of this machine, at the precision that suits it."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    chosen = choose_device(device)
    if chosen.type == "cuda" and chosen.index is not None:
        torch.cuda.set_device(chosen)  # what Accelerate takes in a run of one process
    mixed = "bf16" if choose_precision(precision, chosen) == torch.bfloat16 else "no"
    # It is one per process and keeps the first run's precision unless told to forget it.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        mixed_precision=mixed, cpu=chosen.type == "cpu", gradient_accumulation_steps=accumulate
    )
    if accelerator.num_processes > 1:
        raise UsageError(
            f"{accelerator.num_processes} processes were started: a run is one process as yet, "
            "so start it without a launcher"
        )
    return accelerator


class _Run:
    """The state of one run; `fit` is its face."""

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        recipe: Recipe,
        folder: Path,
        evaluate: Callable[[], float | Measured],
        in_units: Callable[[float, str], Mapping[str, float]],
        sample: Callable[[], str] | None,
        grows: float,
        report: Callable[[Event], None],
    ) -> None:
        self.batches, self.recipe, self.folder, self.grows = batches, recipe, folder, grows
        self.evaluate, self.in_units, self.sample, self.report = evaluate, in_units, sample, report
        self.accelerator = start_accelerator(recipe.precision, recipe.device, recipe.accumulate)
        self.device = self.accelerator.device
        self.model = model.to(self.device)
        optimizer = build_optimizer(
            recipe.optimizer, model, recipe.learning_rate, recipe.weight_decay
        )
        self.loss, self.optimizer = self.accelerator.prepare(_LossModule(model), optimizer)
        self.plateau = Plateau()
        self.best = BestWeights(folder, recipe.average) if recipe.average > 1 else None
        self.averager = Averager(model.parameters()) if recipe.optimizer == "nt-asgd" else None
        self.counters = Counters()
        self.carry: tuple[Tensor, ...] | None = None
        self.window = LogWindow()
        self.rate = 0.0

    def begin(self, resume: bool) -> None:
        if resume:
            self.counters, self.carry = load_state(
                self.folder, self.model, self.optimizer, self.plateau, self.averager, self.device
            )
            self.window = LogWindow(*self.counters.unreported)
            self.report(Remark(f"resumed at step {self.counters.step:,}"))
        self.log = MetricsLog(self.folder, self.counters.step)
        if self.best is not None:
            self.best.forget_after(self.counters.step)

    def train(self, interrupted: Callable[[], bool]) -> Literal["finished", "early", "interrupted"]:
        counters, recipe = self.counters, self.recipe
        self.model.train()
        clock = Clock(counters)
        while not self.is_over():
            if recipe.patience and counters.evaluations_since_best >= recipe.patience:
                reason = f"no better validation loss in {recipe.patience} evaluations: stopped"
                self.report(Remark(reason))
                return "early"
            if interrupted():
                self.save()
                self.report(Remark(f"interrupted at step {counters.step:,}; the state is saved"))
                return "interrupted"
            before = self.progress()
            norm = self.step()
            clock.tick()
            looking = self.is_time_to_look(before)
            saving = looking or bool(recipe.save_every and counters.step % recipe.save_every == 0)
            if counters.step % recipe.log_every == 0 or self.is_over():
                self.tell(float(norm))
                self.window = LogWindow()
            elif saving:
                self.watch(self.window.mean(), float(norm))
            if looking:
                began = time.perf_counter()
                self.look()
                self.window.begin += time.perf_counter() - began  # its speed is that of training
                clock.tick()
            if saving:
                self.save()
        return "finished"

    def is_over(self) -> bool:
        return self.progress() >= 1

    def progress(self) -> float:
        """How much of the run is done, by steps or by the clock: what ends first counts."""
        recipe, counters = self.recipe, self.counters
        by_step = counters.step / recipe.steps if recipe.steps else 0.0
        by_clock = counters.seconds / (60 * recipe.minutes) if recipe.minutes else 0.0
        return max(by_step, by_clock)

    def is_time_to_look(self, before: float) -> bool:
        """Whether the step that began at progress `before` ends with an evaluation."""
        if self.is_over():
            return True
        if self.recipe.evaluate_every:
            return self.counters.step % self.recipe.evaluate_every == 0
        return int(EVALUATIONS * before) < int(EVALUATIONS * self.progress())

    def next_batch(self) -> Any:
        counters = self.counters
        if not hasattr(self, "_epoch"):
            self._epoch = self.batches.epoch(counters.epoch, counters.batch)
        while True:
            batch = next(self._epoch, None)
            if batch is not None:
                counters.batch += 1
                return batch
            counters.epoch, counters.batch, self.carry = counters.epoch + 1, 0, None
            self._epoch = self.batches.epoch(counters.epoch)

    def step(self) -> Tensor:
        """One optimizer step; returns the length of the gradient."""
        from accelerate.utils import send_to_device

        recipe = self.recipe
        factor = learning_rate_factor(
            recipe.schedule, self.counters.step, self.progress(), recipe.warmup_steps
        )
        self.rate = recipe.learning_rate * factor * self.plateau.factor
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        norm = torch.zeros(())
        for _ in range(recipe.accumulate):
            batch = send_to_device(self.next_batch(), self.device)
            with self.accelerator.accumulate(self.loss):
                mean, count, self.carry = self.loss(batch, self.carry)
                if self.counters.step == 0:
                    first = self.counters.first_loss or 0.0
                    self.counters.first_loss = max(first, float(mean.detach()))
                self.window.add(mean, count)
                self.accelerator.backward(mean)
                if self.accelerator.sync_gradients:
                    norm = self.accelerator.clip_grad_norm_(
                        self.model.parameters(), recipe.clip_norm or math.inf
                    )
                self.optimizer.step()
                self.optimizer.zero_grad()
        self.counters.step += 1
        if self.averager is not None:
            self.averager.step()
        return norm

    def tell(self, norm: float) -> None:
        counters, window = self.counters, self.window
        loss = window.mean()
        self.watch(loss, norm)
        done = self.progress()
        event = Progress(
            counters.step,
            min(done, 1.0),
            counters.epoch,
            loss,
            self.in_units(loss, "train"),
            norm,
            self.rate,
            window.count / window.seconds(),
            counters.seconds * max(0.0, 1 - done) / done,
        )
        self.log.write(
            {
                "step": event.step,
                "epoch": event.epoch,
                "seconds": round(counters.seconds, 3),
                "train_loss": loss,
                "gradient_norm": event.gradient_norm,
                "learning_rate": event.learning_rate,
                "items_per_second": round(event.items_per_second, 1),
            }
        )
        self.report(event)

    def watch(self, loss: float, norm: float) -> None:
        """Stops a run that has left the numbers or explodes, before it overwrites anything good."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.diverge(f"the training loss is {loss:.3g}, the gradient norm {norm:.3g},")
        if loss > self.too_high():
            self.diverge(f"the training loss rose to {loss:.3g}, the gradient norm is {norm:.3g},")

    def too_high(self) -> float:
        """A loss no sound run comes to: twice that of the untrained model."""
        return 2 * max((self.counters.first_loss or 1.0) + self.grows, 1.0)

    def diverge(self, happened: str) -> NoReturn:
        counters = self.counters
        kept = (
            f"the model of step {counters.best_step:,} is kept"
            if counters.best_loss is not None
            else "there was no evaluation yet, so no model is kept"
        )
        raise Diverged(
            f"{happened} at step {counters.step:,} and learning rate {self.rate:.3g}: {kept}; "
            "try a lower learning rate, a longer warm-up or a shorter gradient norm"
        )

    def look(self) -> None:
        """Evaluates, and keeps the weights where they are the best so far."""
        counters = self.counters
        if self.averager is not None:
            self.averager.swap()
        self.model.eval()
        found = self.measure()
        loss = found.loss
        if not loss <= self.too_high():  # NaN neither
            self.diverge(f"the validation loss is {loss:.3g}")
        best = counters.best_score is None or found.score > counters.best_score
        if best:
            counters.best_score = found.score
            counters.best_loss, counters.best_step = loss, counters.step
            counters.evaluations_since_best = 0
            save_weights(self.model, self.folder)
        else:
            counters.evaluations_since_best += 1
        if self.best is not None:
            self.best.see(self.model, counters.step, found.score)
        if self.recipe.schedule == "plateau":
            self.plateau.see(best)
        self.log.write({"step": counters.step, "validation_loss": loss, **found.metrics})
        self.report(Evaluation(counters.step, loss, found.metrics, best))
        if self.sample is not None:
            self.report(Remark(self.sample(), "sample"))
        self.model.train()
        if self.averager is not None:
            self.averager.swap()
            self.averager.see(loss)

    def measure(self) -> Measured:
        with torch.no_grad(), self.accelerator.autocast():
            found = self.evaluate()
        if isinstance(found, Measured):
            return found
        return Measured(found, self.in_units(found, "validation"), -found)

    def save(self) -> None:
        window = self.window
        self.counters.unreported = [float(window.total), window.count, window.seconds()]
        save_state(
            self.folder,
            self.counters,
            self.model,
            self.optimizer,
            self.carry,
            self.plateau,
            self.averager,
        )

    def keep_best(self, over: bool) -> None:
        """The model in memory becomes the one in the folder; when the run is `over`, that is the
        mean of its best, where it is better than each."""
        self.model.eval()
        if over and self.best is not None and (mean := self.best.mean()) is not None:
            self.model.load_state_dict(mean)
            found = self.measure()
            best = self.counters.best_score
            better = best is None or found.score > best
            if better:
                save_weights(self.model, self.folder)
                self.counters.best_loss = found.loss
            told = "is taken" if better else "is not better: the best is taken"
            metrics = ", ".join(f"{name} {value:.4g}" for name, value in found.metrics.items())
            self.report(Remark(f"the mean of the best weights ({metrics}) {told}"))
            self.best.clear()
        if self.counters.best_loss is not None:
            load_weights(self.model, self.folder)
