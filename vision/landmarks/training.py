"""Training a landmarker on pictures whose points are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from corpora.annotated_splits import Parts
from corpora.errors import UsageError
from corpora.face_parts import FaceScene
from corpora.generated_faces import NAME as SAMPLE
from corpora.generated_faces import cover
from corpora.identities import Portrait, read_identities
from corpora.picture_parts import divided
from corpora.reader import Source
from nlp.core import checkpoint
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.run import Run, check_training, config_of
from nlp.core.training import Outcome, fit
from vision.backbone import load_weights
from vision.images import Preparation
from vision.landmarks.batches import Change, LandmarkBatches, read_pointed
from vision.landmarks.evaluation import (
    RESULT_COLUMNS,
    LandmarkScores,
    Normalizer,
    measure,
    result_row,
    score_portraits,
)
from vision.landmarks.model import Config, Distance, Landmarker, mirrored
from vision.picture_preparation import Resize

READING = ("images", "image_column", "person_column")
CHANGING = ("flip", "rotation", "scale", "shift", "jitter", "hide")
COVERED = 0.25  # of the generated faces: else there is nothing to tell seen from hidden by
MOST = 1000  # pictures of the validation part that are looked at at each evaluation


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Landmarker
    outcome: Outcome
    test: LandmarkScores | None  # on the test part


def train(
    faces: str | Path | None = None,
    images: str | Path | None = None,
    *,
    output: str | Path = "landmarks",
    validation: float | Sequence[str | Path] = 0.1,
    test: float | Sequence[str | Path] = 0.1,
    image_column: str | None = None,
    person_column: str | None = None,
    size: int = 96,
    resize: Resize = "pad",
    flip: bool = True,
    rotation: float = 15.0,
    scale: float = 0.15,
    shift: float = 0.08,
    jitter: float = 0.2,
    hide: float = 0.2,
    backbone: str = "small",
    weights: str | Path | None = None,
    hidden_size: int = 128,
    distance: Distance = "wing",
    presence_weight: float = 1.0,
    cell_weight: float = 0.3,
    normalizer: Normalizer = "eyes",
    epochs: float = 20,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 32,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 2e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 50,
    weight_decay: float = 0.01,
    clip_norm: float = 5.0,
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
    """Trains a landmarker on pictures with points, and leaves it in the folder `output`.

    The model with the lowest normalized mean error on the validation part is kept.

    Args:
        faces, images, image_column, person_column: what to read, see
            `corpora.identities.read_identities`; no faces are the bundled generated ones, a quarter
            of which wear dark glasses or a mask, or hold a hand before their mouth.
        validation, test: fractions of the pictures, or sources of their own, where the data is not
            divided itself; a test of 0 is none. Divided by pictures, both show people that are
            trained on: sources of their own tell more of others.
        size, resize: the side in pixels of the square that a picture is made, and how, see
            `vision.images.Preparation`.
        flip ... hide: how pictures are changed while training, and their points with them, see
            `vision.landmarks.batches.Change`.
        backbone, weights: see `vision.backbone.build` and `load_weights`.
        hidden_size ... cell_weight: see `vision.landmarks.Config`.
        normalizer: what errors are divided by, see `vision.landmarks.evaluation`.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
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
    config_of(Config, arguments, points=("any",), preparation=_preparation(arguments))
    _change(arguments, ())


def _preparation(arguments: Mapping[str, Any]) -> Preparation:
    return Preparation(size=arguments["size"], resize=arguments["resize"])


def _change(arguments: Mapping[str, Any], points: Sequence[str]) -> Change:
    mirror = tuple(mirrored(points)) if arguments["flip"] else ()
    return Change(**{name: arguments[name] for name in CHANGING}, mirror=mirror)


def _run(run: Run) -> Trained:
    arguments, preparation = run.arguments, _preparation(run.arguments)
    source = arguments["faces"] or SAMPLE
    parts, names = _parts(run, source)
    counted = parts.counted(
        "pictures", "points", lambda item: len(item.landmarks) - item.landmarks.count(None)
    )
    pointed = read_pointed(parts.train, preparation, "training")
    looked = [parts.validation[n * len(parts.validation) // MOST] for n in range(MOST)]
    looked = looked if len(parts.validation) > MOST else parts.validation
    held_out = read_pointed(looked, preparation, "validation")
    remarks = (*parts.remarks, *pointed.remarks, *held_out.remarks, counted)
    run.tell(*dict.fromkeys(remarks), f"the points are: {', '.join(names)}")
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        config = config_of(Config, arguments, points=names, preparation=preparation)
        model = Landmarker(config)
    batches = LandmarkBatches(
        pointed, preparation, _change(arguments, names), **run.pick(("batch_size", "seed"))
    )
    if not run.goes_on and arguments["weights"] is not None:
        run.tell(*load_weights(model.backbone, arguments["weights"]))
    model.save_config(run.path)
    run.place(model, "a landmarker")
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=run.path,
        evaluate=lambda: measure(model, held_out, arguments["normalizer"]),
        report=run.report,
        resume=run.goes_on,
    )
    result = None
    if outcome.ended != "interrupted" and parts.test:
        result = score_portraits(model, parts.test, arguments["normalizer"], report=run.report)
    run.finish(
        title="Landmarker",
        about=(
            f"Finds {', '.join(names)}: {checkpoint.parameter_count(model):,} parameters with the "
            f"backbone {config.backbone}, trained with Unrolled on {source} ({counted}) for "
            f"{outcome.step:,} steps. Errors are divided by: {arguments['normalizer']}."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else {"this model": result_row(result)},
    )
    return Trained(model, outcome, result)


def _parts(run: Run, source: str | Path) -> tuple[Parts[Portrait], tuple[str, ...]]:
    """The portraits of each part that have points, and what these are called."""
    found: dict[str, list[str]] = {}

    def read(place: Source) -> tuple[list[Portrait], list[str]]:
        corpus = read_identities(place, **run.pick(READING))
        if not corpus.landmarks:
            raise UsageError(
                f"{place}: there are no points of the pictures in it; expected columns such as "
                "nose_x and nose_y, in pixels"
            )
        found[str(place)] = corpus.landmarks
        kept = [item for item in corpus.items if any(item.landmarks)]
        remarks = list(corpus.remarks)
        if left := len(corpus.items) - len(kept):
            remarks.append(f"pictures without any point, left out: {left:,}")
        drawn = [_covered(item) if isinstance(item.image, FaceScene) else item for item in kept]
        return drawn, remarks

    parts = divided(source, run.arguments["validation"], run.arguments["test"], read)
    names, *others = found.values()
    if any(other != names for other in others):
        listed = "; ".join(f"{place}: {', '.join(own)}" for place, own in found.items())
        raise UsageError(f"the parts have different points: {listed}")
    return parts, tuple(names)


def _covered(item: Portrait) -> Portrait:
    scene = cover(item.image, COVERED)
    return item._replace(image=scene, landmarks=scene.landmarks)
