"""Training a detector on pictures and the boxes of what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from corpora.detections import Annotated, divide_detections
from corpora.errors import UsageError, check_positive, check_probability
from corpora.scenes import NAME as SAMPLE
from nlp.core import checkpoint
from nlp.core.device import Precision
from nlp.core.events import Event, Progress
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.run import Run, check_training, config_of
from nlp.core.training import Outcome, fit
from vision.anchors import Choice, k_means_anchors
from vision.augment import Augmentation
from vision.average_precision import DetectionScores
from vision.backbone import load_weights
from vision.detector.batches import DetectionBatches, Examples
from vision.detector.evaluation import RESULT_COLUMNS, measure, result_row, score_items
from vision.detector.model import STRIDES, BackboneName, Config, Detector
from vision.detector.mosaic import Changes
from vision.images import Preparation, left_out

CHANGING = ("flip", "turn", "zoom", "mosaic")
CHECKED = 500  # pictures of the validation part that are looked at in each evaluation


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Detector
    outcome: Outcome
    test: DetectionScores | None  # on the test part


def train(
    data: str | Path | None = None,
    images: str | Path | None = None,
    *,
    labels: Sequence[str] | None = None,
    output: str | Path = "detector",
    validation: float | str | Path = 0.1,
    test: float | str | Path = 0.1,
    size: int = 320,
    backbone: BackboneName = "small",
    weights: str | Path | None = None,
    features: int = 96,
    anchors: int = 3,
    owners: Choice = "several",
    judge_overlap: bool = True,
    box_weight: float = 3.0,
    object_weight: float = 1.0,
    class_weight: float = 1.0,
    flip: bool = True,
    turn: bool = False,
    zoom: float = 0.5,
    mosaic: float = 0.7,
    plain: float = 0.2,
    jitter: float = 0.3,
    multi_scale: float = 0.1,
    epochs: float = 60,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 16,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 2e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 200,
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
    """Trains a detector on pictures and their boxes, and leaves it in the folder `output`.

    The model that finds most of the validation part is kept, by mean average precision.

    Args:
        data, images: what to read, see `corpora.detections.read_detections`; no data are the
            bundled generated scenes.
        labels: the classes to learn, in this order, and the names of classes that the data has as
            numbers; None learns all that it has.
        validation, test: fractions of the data, or sources of their own, where the data is not
            divided itself; a test of 0 is none.
        size: side in pixels of the square in which a whole picture lies, a multiple of 32.
        backbone: "small" or "base" from scratch, "resnet18" of published weights.
        weights: trained weights of the backbone, a file or a repository of the Hub, see
            `vision.backbone.load_weights`.
        features, owners, judge_overlap, box_weight, object_weight, class_weight: see
            `vision.detector.model.Config`.
        anchors: sizes of each scale, learned from the boxes of the training part.
        flip, turn, zoom, mosaic: how pictures are changed, see `vision.detector.mosaic.Changes`.
        plain: the last share of the run, which is without mosaics: the pictures are whole again.
        jitter: how far colours are changed, see `vision.augment.Augmentation`.
        multi_scale: a batch's pictures are up to so much smaller or larger than `size`.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
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
    check_positive(anchors=arguments["anchors"])
    none = tuple(((1.0, 1.0),) for _ in STRIDES)
    config_of(Config, arguments, labels=("any",), anchors=none, preparation=_preparation(arguments))
    Changes(**{name: arguments[name] for name in CHANGING})
    Augmentation(jitter=arguments["jitter"])
    check_probability(multi_scale=arguments["multi_scale"])
    if not 0 <= arguments["plain"] <= 1:
        raise UsageError(f"plain is {arguments['plain']}: expected 0 to 1")
    if arguments["weights"] is not None and arguments["backbone"] != "resnet18":
        raise UsageError("there are published weights of the backbone resnet18 only")
    if arguments["data"] is None and arguments["images"] is not None:
        raise UsageError("there are pictures but no boxes: name the data that holds them")


def _preparation(arguments: Mapping[str, Any]) -> Preparation:
    return Preparation(size=arguments["size"], resize="pad")


def _run(run: Run) -> Trained:
    arguments = run.arguments
    source = arguments["data"] or SAMPLE
    parts, labels = divide_detections(
        source,
        arguments["validation"],
        arguments["test"],
        images=arguments["images"],
        labels=arguments["labels"],
    )
    preparation = _preparation(arguments)
    examples = _readable(run, parts.train, labels, "training", preparation.size)
    # Spread over all of them, for they may be sorted.
    whole, count = parts.validation, min(CHECKED, len(parts.validation))
    looked = [whole[place * len(whole) // count] for place in range(count)]
    if count < len(whole):
        run.tell(f"{count:,} of the validation pictures are looked at in each evaluation")
    held_out = _readable(run, looked, labels, "validation", preparation.size, most_bytes=0).items
    tested: Sequence[Annotated] = []
    if parts.test:
        tested = _readable(run, parts.test, labels, "test", preparation.size, most_bytes=0).items
    parts = parts._replace(train=list(examples.items), test=list(tested))
    counted = parts.counted("pictures", "boxes", lambda item: len(item.boxes))
    run.tell(*dict.fromkeys(parts.remarks), counted)
    known = {
        "labels": tuple(labels),
        "anchors": _anchors(run, examples, preparation.size),
        "preparation": preparation,
    }
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        config = config_of(Config, arguments, **known)
        model = Detector(config)
    if not run.goes_on and arguments["weights"] is not None:
        run.tell(*load_weights(model.backbone, arguments["weights"]))
    model.save_config(run.path)
    run.place(model, "a detector")
    count = -(-len(examples) // arguments["batch_size"])
    recipe = Recipe.of(arguments, count)
    pace = _Pace(recipe.steps, count / recipe.accumulate, run.report, bool(recipe.minutes))
    batches = DetectionBatches(
        model,
        examples,
        Changes(**run.pick(CHANGING)),
        progress=pace.progress,
        plain_from=1 - arguments["plain"],
        **run.pick(("jitter", "batch_size", "multi_scale", "seed")),
    )
    outcome = fit(
        model,
        batches,
        recipe=recipe,
        folder=run.path,
        evaluate=lambda: measure(model, held_out),
        report=pace.hear,
        resume=run.goes_on,
    )
    result = None
    if outcome.ended != "interrupted" and parts.test:
        result = score_items(model, parts.test)
    run.finish(
        title="Detector",
        about=(
            f"A detector of {checkpoint.parameter_count(model):,} parameters with the backbone "
            f"{config.backbone} for {', '.join(config.labels)}, trained with Unrolled on {source} "
            f"({counted}) for {outcome.step:,} steps."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else {"this model": result_row(result)},
    )
    return Trained(model, outcome, result)


class _Pace:
    """How much of a run is done, which its batches ask for: by their number where it ends at a
    step, else as it was last told."""

    def __init__(
        self, steps: int | None, batches: float, report: Callable[[Event], None], minutes: bool
    ) -> None:
        self.steps, self.batches, self.report, self.minutes = steps, batches, report, minutes
        self.told = 0.0

    def hear(self, event: Event) -> None:
        if self.minutes and isinstance(event, Progress):
            self.told = event.fraction
        self.report(event)

    def progress(self, epoch: float) -> float:
        """At a place in an epoch, say 2.5 in the middle of the third."""
        return max(self.told, epoch * self.batches / self.steps if self.steps else 0.0)


def _readable(
    run: Run,
    items: Sequence[Annotated],
    labels: Sequence[str],
    part: str,
    size: int,
    **options: Any,
) -> Examples:
    """The pictures of some items that can be read."""
    examples = Examples(items, labels, size, **options)
    refused = examples.check()
    if refused:
        run.tell(left_out(refused, len(items), part))
        bad = {id(one.image) for one in refused}
        examples.keep([row for row, item in enumerate(items) if id(item.image) not in bad])
    if examples.left_out:
        run.tell(
            f"{part} boxes that are crowds or difficult, not learned from: {examples.left_out:,}"
        )
    return examples


def _anchors(run: Run, examples: Examples, size: int) -> Any:
    """Sizes of boxes in pixels of the square, the smallest for the finest scale."""
    many = run.arguments["anchors"]
    found = k_means_anchors(torch.from_numpy(examples.sizes()), many * len(STRIDES))
    rounded = [[round(side, 1) for side in pair] for pair in found.tolist()]
    told = ", ".join(f"{width:.0f} x {height:.0f}" for width, height in rounded)
    run.tell(f"anchors, in pixels of {size}: {told}")
    own = [rounded[place : place + many] for place in range(0, len(rounded), many)]
    return tuple(tuple((width, height) for width, height in scale) for scale in own)
