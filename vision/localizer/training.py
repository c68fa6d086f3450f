"""Training the simple detectors on pictures and the boxes of what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from corpora.detections import Annotated, divide_detections
from corpora.errors import UsageError, check_choice, check_positive
from corpora.scenes import NAME as SAMPLE
from nlp.core import checkpoint
from nlp.core.batching import Buckets
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.run import Run, check_training, config_of
from nlp.core.training import Outcome, fit
from vision.anchors import k_means_anchors
from vision.augment import Augmentation
from vision.average_precision import DetectionScores
from vision.backbone import BackboneName
from vision.boxes import flip_across
from vision.images import Preparation, Squares, left_out
from vision.localizer.evaluation import RESULT_COLUMNS, learned, measure, result_row, score_items
from vision.localizer.model import Config, Localizer, LocalizerBatch
from vision.localizer.windows import SlidingWindow, WindowBatch, WindowConfig
from vision.picture_preparation import Resize

Form = Literal["one-object", "sliding-window"]
CHECKED = 500  # pictures of the validation part that are looked at in each evaluation


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Localizer | SlidingWindow
    outcome: Outcome
    test: DetectionScores | None  # on the test part


def train(
    data: str | Path | None = None,
    images: str | Path | None = None,
    *,
    output: str | Path = "localizer",
    validation: float | str | Path = 0.1,
    test: float | str | Path = 0.1,
    form: Form = "one-object",
    size: int = 96,
    resize: Resize = "pad",
    backbone: BackboneName = "small",
    hidden_size: int = 256,
    dropout: float = 0.1,
    levels: int = 3,
    flip: bool = True,
    jitter: float = 0.0,
    epochs: float = 20,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 32,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 2e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 100,
    weight_decay: float = 0.05,
    clip_norm: float = 10.0,
    accumulate: int = 1,
    average: int = 1,
    evaluate_every: int | None = None,
    patience: int | None = None,
    plot: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Trains a simple detector and leaves it in the folder `output`; the model with the best mean
    average precision on the validation part is kept.

    Args:
        data, images: what to read, see `corpora.detections.read_detections`; no data are the
            bundled generated scenes.
        validation, test: fractions of the data, or sources of their own, where the data is not
            divided itself; a test of 0 is none.
        form: "one-object" for classification with localization, or "sliding-window".
        size, resize: the square that a picture is made, see `vision.images.Preparation`.
        backbone: see `vision.backbone.build`.
        levels: scales at which windows slide; their sizes are learned from the training boxes.
        flip: half of the pictures are mirrored.
        jitter: how far colours are changed, see `vision.augment.Augmentation`.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`.
        average: the mean of so many of the best evaluations' weights is the model, where it is
            better than the best of them.
        plot: draws the loss curves into the folder, which takes the `plots` extra.
        resume: goes on with the run in `output`; give no other argument.
        overwrite: a model in `output` is moved to `output` + ".previous".
        report: hears what happens, see `nlp.core.events.Event`.

    Raises:
        UsageError: an argument or the data cannot be used; what the folder held is still there.
        Diverged: the loss exploded; the best model so far is kept.
    """
    run = Run.of(train, locals())
    if not run.resumed:
        _check(run.arguments)
    with run.started():
        return _run(run)


def _check(arguments: Mapping[str, Any]) -> None:
    check_training(arguments)
    check_choice("form", arguments["form"], Form)
    check_positive(levels=arguments["levels"])
    Augmentation(jitter=arguments["jitter"])
    config_of(Config, arguments, labels=("any",), preparation=_preparation(arguments))
    if arguments["data"] is None and arguments["images"] is not None:
        raise UsageError("there are pictures but no boxes: name the data that holds them")


def _preparation(arguments: Mapping[str, Any]) -> Preparation:
    return Preparation(size=arguments["size"], resize=arguments["resize"])


def _run(run: Run) -> Trained:
    arguments = run.arguments
    source = arguments["data"] or SAMPLE
    parts, labels = divide_detections(
        source, arguments["validation"], arguments["test"], images=arguments["images"]
    )
    preparation = _preparation(arguments)
    whole, count = parts.validation, min(CHECKED, len(parts.validation))
    looked = [whole[place * len(whole) // count] for place in range(count)]
    if count < len(whole):
        run.tell(f"{count:,} of the validation pictures are looked at in each evaluation")
    squares, learnt = _readable(run, parts.train, "training", preparation)
    _, looked = _readable(run, looked, "validation", preparation, most_bytes=0)
    _, tested = _readable(run, parts.test, "test", preparation, most_bytes=0)
    parts = parts._replace(train=learnt, test=tested)
    counted = parts.counted("pictures", "boxes", lambda item: len(item.boxes))
    run.tell(*dict.fromkeys(parts.remarks), counted)
    true = [learned(item.boxes) for item in parts.train]
    if left_out := sum(len(item.boxes) for item in parts.train) - sum(map(len, true)):
        run.tell(f"training boxes that are crowds or difficult, not learned from: {left_out:,}")
    boxes = [
        torch.from_numpy(
            preparation.placement(item.height, item.width)
            .to_square([box[1:5] for box in own])
            .reshape(-1, 4)
        ).float()
        for item, own in zip(parts.train, true, strict=True)
    ]
    numbers = [[labels.index(box.label) for box in own] for own in true]
    known: dict[str, Any] = {"labels": tuple(labels), "preparation": preparation}
    model: Localizer | SlidingWindow
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        if arguments["form"] == "one-object":
            several = sum(len(own) > 1 for own in true)
            run.tell(
                f"one object is told of a picture, the largest: {several:,} of the "
                f"{len(true):,} training pictures have more"
            )
            model = Localizer(config_of(Config, arguments, **known))
        else:
            known["sides"] = _sides(run, boxes)
            model = SlidingWindow(config_of(WindowConfig, arguments, **known))
    model.save_config(run.path)
    run.place(model, f"a detector ({arguments['form']})")
    batches = BoxBatches(
        model,
        squares,
        boxes,
        numbers,
        **run.pick(("flip", "jitter", "batch_size", "seed")),
    )
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=run.path,
        evaluate=lambda: measure(model, looked),
        report=run.report,
        resume=run.goes_on,
    )
    result = None
    if outcome.ended != "interrupted" and parts.test:
        result = score_items(model, parts.test)
    run.finish(
        title="Localizer",
        about=(
            f"A detector ({arguments['form']}) of {checkpoint.parameter_count(model):,} parameters "
            f"with the backbone {model.config.backbone} for {', '.join(labels)}, trained with "
            f"Unrolled on {source} ({counted}) for {outcome.step:,} steps."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else {"this model": result_row(result)},
    )
    return Trained(model, outcome, result)


class BoxBatches:
    """The batches of an epoch, each picture once, half of them mirrored.

    Args:
        boxes: of each picture `[n, 4]`, in pixels of its square.
        numbers: of each picture the classes of these.
    """

    def __init__(
        self,
        model: Localizer | SlidingWindow,
        squares: Squares,
        boxes: Sequence[Tensor],
        numbers: Sequence[Sequence[int]],
        *,
        flip: bool,
        jitter: float,
        batch_size: int,
        seed: int,
    ) -> None:
        self.model, self.squares, self.boxes, self.numbers = model, squares, boxes, numbers
        self.flip, self.augmentation = flip, Augmentation(jitter=jitter)
        self.buckets = Buckets([1] * len(boxes), batch_size, lambda rows: rows, seed=seed)

    def __len__(self) -> int:
        return len(self.buckets)

    def epoch(self, number: int, skip: int = 0) -> Iterator[LocalizerBatch | WindowBatch]:
        """The batches of an epoch, without its first `skip`."""
        rows = list(self.buckets.epoch(number, skip))
        for own, squares in zip(rows, self.squares.batches(rows), strict=True):
            # From torch's own generator, so that a resumed run draws the same.
            chance = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
            pixels = self.augmentation(squares, chance)
            mirrored = (torch.rand(len(own), generator=chance) < 0.5 * self.flip).tolist()
            boxes = [
                flip_across(self.boxes[row], pixels.shape[-1]) if turned else self.boxes[row]
                for row, turned in zip(own, mirrored, strict=True)
            ]
            turns = zip(pixels, mirrored, strict=True)
            pixels = torch.stack([one.flip(-1) if turned else one for one, turned in turns])
            prepared = self.squares.preparation.normalize(pixels)
            yield self.model.batch(prepared, boxes, [self.numbers[row] for row in own])


def _readable(
    run: Run, items: Sequence[Annotated], part: str, preparation: Preparation, **options: Any
) -> tuple[Squares, list[Annotated]]:
    """The items whose pictures can be read, and the squares of these."""
    squares = Squares([item.image for item in items], preparation, **options)
    refused = squares.check()
    if not refused:
        return squares, list(items)
    run.tell(left_out(refused, len(items), part))
    bad = {id(one.image) for one in refused}
    kept = [item for item in items if id(item.image) not in bad]
    return Squares([item.image for item in kept], preparation, **options), kept


def _sides(run: Run, boxes: Sequence[Tensor]) -> tuple[float, ...]:
    """Sides of windows for boxes of such sizes, in pixels of the square."""
    flat = torch.cat(list(boxes))
    sizes = k_means_anchors(flat[:, 2:] - flat[:, :2], run.arguments["levels"])
    most = float(run.arguments["size"])
    sides = sorted({min(most, round(side, 1)) for side in sizes.prod(-1).sqrt().tolist()})
    told = ", ".join(f"{side:g}" for side in sides)
    run.tell(f"sides of the windows, in pixels of {most:g}: {told}")
    return tuple(sides)
