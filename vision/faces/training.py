"""Training a face encoder on pictures of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sin
from pathlib import Path
from typing import Any, NamedTuple

import torch

from corpora.errors import UsageError
from corpora.generated_faces import NAME as SAMPLE
from corpora.identities import Portrait
from nlp.core import checkpoint
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.run import Run, check_training, config_of
from nlp.core.training import Measured, Outcome, fit
from vision.augment import Augmentation
from vision.backbone import load_weights
from vision.faces.aligned import aligned_portraits
from vision.faces.batches import FaceBatches
from vision.faces.evaluation import (
    MOST,
    RESULT_COLUMNS,
    FaceScores,
    measure,
    result_row,
    score_portraits,
)
from vision.faces.gradients import Gradients
from vision.faces.losses import Objective, collapse
from vision.faces.mining import Mining
from vision.faces.model import Config, FaceBackbone, FaceEncoder
from vision.faces.people import divide_people
from vision.faces.whitening import whiten
from vision.images import Preparation, Refused, Squares, left_out
from vision.picture_preparation import Resize

READING = ("images", "image_column", "person_column")
AT_ONCE = 64  # pictures that are encoded at an evaluation
AUGMENTING = ("flip", "crop", "jitter", "rotation", "shift")


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: FaceEncoder
    outcome: Outcome
    test: FaceScores | None  # on people of the test part


def train(
    identities: str | Path | None = None,
    images: str | Path | None = None,
    *,
    output: str | Path = "faces",
    validation: float | Sequence[str | Path] = 0.1,
    test: float | Sequence[str | Path] = 0.1,
    image_column: str | None = None,
    person_column: str | None = None,
    size: int = 96,
    resize: Resize = "stretch",
    flip: bool = True,
    crop: float = 0.5,
    jitter: float = 0.4,
    rotation: float = 20.0,
    shift: float = 0.1,
    backbone: FaceBackbone = "small",
    weights: str | Path | None = None,
    align: bool = False,
    embedding_size: int = 128,
    cells: int = 4,
    mirrored: bool = True,
    dropout: float = 0.4,
    whitening: bool = False,
    objective: Objective = "arcface",
    mining: Mining = "semi-hard",
    margin: float = 0.5,
    scale: float = 20.0,
    margin_steps: int = 200,
    people_per_batch: int = 16,
    pictures_per_person: int = 4,
    epochs: float = 30,
    steps: int | None = None,
    minutes: float | None = None,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 2e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 50,
    weight_decay: float = 0.05,
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
    """Trains a face encoder on pictures of people, and leaves it in the folder `output`.

    The model that tells the people of the validation part apart best is kept, by the ROC-AUC of all
    their pairs; they are people that it is not trained on.

    Args:
        identities, images, image_column, person_column: what to read, see
            `corpora.identities.read_identities`; no identities are the bundled generated faces.
        validation, test: fractions of the people, or sources of their own, where the data is not
            divided itself. A test of 0 is none. A validation of 0 trains on all people: those
            trained on are then looked at, which flatters, and the last model is about the best.
        size, resize: the side in pixels of the square that a picture is made, and how, see
            `vision.images.Preparation`.
        align: turns faces by their landmarks, which the data then has to have, see
            `vision.faces.aligned`.
        flip ... shift: how pictures are changed while training, see `vision.augment.Augmentation`.
        backbone, weights: see `vision.backbone.build` and `load_weights`; gradients, which suits
            a few dozen people, is `vision.faces.gradients` and has no published weights.
        embedding_size ... scale: see `vision.faces.Config`.
        whitening: the last layer is fitted anew at the end by how pictures of one person differ,
            see `vision.faces.whitening`: for a few dozen people, and an embedding of some hundred
            numbers. The scores while training are of the layer before.
        margin_steps: batches over which arcface's margin grows from 0: training may diverge where
            the whole margin is asked of an encoder that knows nothing.
        people_per_batch, pictures_per_person: a batch is so many groups of so many pictures.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
        plot: draws the loss curves into the folder, which takes the `plots` extra.
        resume: goes on with the run in `output`; give no other argument.
        overwrite: a model in `output` is moved to `output` + ".previous".
        report: hears what happens, see `nlp.core.events.Event`; also where all faces become one
            point, see `vision.faces.losses.collapse`.

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
    groups = arguments["people_per_batch"], arguments["pictures_per_person"]
    if min(groups) < 2:
        raise UsageError(
            f"a batch of {groups[0]} people with {groups[1]} pictures each: expected 2 or more of "
            "both, for a face is compared with one of the same person and one of another"
        )
    check_training({**arguments, "batch_size": groups[0] * groups[1]})
    config_of(Config, arguments, people=1, preparation=_preparation(arguments))
    _augmentation(arguments)
    if arguments["backbone"] == "gradients" and arguments["weights"] is not None:
        raise UsageError("there are no published weights of the backbone gradients: give none")
    if arguments["margin_steps"] < 0:
        raise UsageError(f"margin_steps is {arguments['margin_steps']}: expected 0 or more")


def _preparation(arguments: Mapping[str, Any]) -> Preparation:
    return Preparation(size=arguments["size"], resize=arguments["resize"])


def _augmentation(arguments: Mapping[str, Any]) -> Augmentation:
    return Augmentation(**{name: arguments[name] for name in AUGMENTING})


def _run(run: Run) -> Trained:
    arguments = run.arguments
    source = arguments["identities"] or SAMPLE
    parts = divide_people(source, arguments["validation"], arguments["test"], **run.pick(READING))
    preparation = _preparation(arguments)
    kept, squares = _readable(run, parts.train, "training", preparation)
    parts = parts._replace(train=kept)
    run.tell(*dict.fromkeys(parts.remarks), parts.counted)
    numbers = {name: n for n, name in enumerate(dict.fromkeys(one.person for one in parts.train))}
    if not parts.validation:
        run.tell("no people are held out: the scores while training are of those trained on")
    looked, seen = _readable(run, _some(parts.validation or parts.train), "validation", preparation)
    run.tell(f"{len(looked):,} pictures are looked at at each evaluation")
    pixels = preparation.normalize(seen[range(len(looked))])
    names = list(dict.fromkeys(one.person for one in looked))
    whose = torch.tensor([names.index(one.person) for one in looked])
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        config = config_of(Config, arguments, people=len(numbers), preparation=preparation)
        model = FaceEncoder(config)
    batches = FaceBatches(
        model,
        squares,
        [numbers[one.person] for one in parts.train],
        _augmentation(arguments),
        **run.pick(("people_per_batch", "pictures_per_person", "margin_steps", "seed")),
    )
    recipe = Recipe.of(arguments, len(batches))
    if not run.goes_on and arguments["weights"] is not None:
        assert not isinstance(model.backbone, Gradients)  # refused before
        run.tell(*load_weights(model.backbone, arguments["weights"]))
    model.save_config(run.path)
    run.place(model, "a face encoder")
    told: list[str] = []

    def look() -> Measured:
        vectors = torch.cat([model.vectors(part) for part in pixels.split(AT_ONCE)])
        explained = collapse(vectors, whose, config.margin, config.objective)
        if explained is not None and not told:  # once is enough
            told.append(explained)
            run.tell(explained)
        return measure(vectors, whose, config.margin)

    outcome = fit(
        model,
        batches,
        recipe=recipe,
        folder=run.path,
        evaluate=look,
        # An untrained cosine is 0, and with the margin it is -sin(margin).
        grows=config.scale * sin(config.margin) if config.objective == "arcface" else 0.0,
        report=run.report,
        resume=run.goes_on,
    )
    if outcome.ended != "interrupted" and arguments["whitening"]:
        count = whiten(
            model, squares, batches.people.tolist(), batches.augmentation, seed=arguments["seed"]
        )
        checkpoint.save_weights(model, run.path)
        run.tell(f"the last layer was fitted anew to {count:,} pictures, changed as for training")
    result = None
    if outcome.ended != "interrupted" and parts.test:
        result = score_portraits(model, parts.test, report=run.report)
    run.finish(
        title="Face encoder",
        about=(
            f"A face encoder of {checkpoint.parameter_count(model):,} parameters with the backbone "
            f"{config.backbone}, trained with Unrolled on {source} ({parts.counted}) by "
            f"{config.objective} for {outcome.step:,} steps. How alike two faces look to it is no "
            "proof of who someone is: calibrate the threshold on your own pairs, and ask people "
            "before you keep their pictures."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else {"people never seen": result_row(result)},
    )
    return Trained(model, outcome, result)


def _some(portraits: Sequence[Portrait]) -> list[Portrait]:
    """All pictures of some people, spread over all people, about `MOST` pictures; at least of two
    people, as far as there are."""
    own: dict[str, list[Portrait]] = {}
    for one in portraits:
        own.setdefault(one.person, []).append(one)
    groups = list(own.values())
    count = max(2, min(len(groups), len(groups) * MOST // len(portraits)))
    return [
        one
        for place in range(min(count, len(groups)))
        for one in groups[place * len(groups) // count]
    ]


def _readable(
    run: Run, portraits: Sequence[Portrait], part: str, preparation: Preparation
) -> tuple[list[Portrait], Squares]:
    """The portraits whose pictures can be read, and those."""
    kept, refused = list(portraits), list[Refused]()
    if run.arguments["align"]:
        kept, refused = aligned_portraits(portraits, preparation.size)
    squares = Squares([one.image for one in kept], preparation)
    refused += squares.check()
    if not refused:
        return kept, squares
    run.tell(left_out(refused, len(portraits), part))
    bad = {id(one.image) for one in refused}
    kept = [one for one in kept if id(one.image) not in bad]
    return kept, Squares([one.image for one in kept], preparation)
