"""Training a captioner on pictures and their captions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from corpora.captions import Captioned, divide_captions
from corpora.errors import UsageError, check_choice
from corpora.scenes import NAME as SAMPLE
from nlp.core import checkpoint
from nlp.core.batching import token_frequencies
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run import Run, check_training, config_of
from nlp.core.tokenizer import Pattern, Tokenizer
from nlp.core.tokens.token_engine import learn_merges
from nlp.core.tokens.vocabulary import PRE_TOKENIZERS
from nlp.core.training import Outcome, fit
from nlp.core.translation.texts import Texts
from vision.augment import Augmentation
from vision.backbone import load_weights
from vision.caption_scores import CaptionScores
from vision.captioner.batches import CaptionBatches
from vision.captioner.concepts import choose
from vision.captioner.evaluation import RESULT_COLUMNS, measure, result_row, score_items
from vision.captioner.model import Captioner, Config
from vision.images import Preparation, Squares, left_out
from vision.picture_preparation import Resize

READING = ("images", "image_column", "caption_column", "encoding_errors")
AUGMENTING = ("flip", "crop", "jitter", "rotation", "shift")
CHECKED = 1000  # pictures of the validation part that are captioned at each evaluation


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Captioner
    outcome: Outcome
    test: CaptionScores | None  # on the test part


def train(
    captions: str | Path | None = None,
    images: str | Path | None = None,
    *,
    output: str | Path = "captioner",
    validation: float | Sequence[str | Path] = 0.05,
    test: float | Sequence[str | Path] = 0.05,
    image_column: str | None = None,
    caption_column: str | None = None,
    encoding_errors: str = "strict",
    size: int = 96,
    resize: Resize = "crop",
    flip: bool = False,
    crop: float = 1.0,
    jitter: float = 0.0,
    rotation: float = 0.0,
    shift: float = 0.0,
    vocabulary_size: int = 6000,
    pattern: Pattern = "gpt2",
    backbone: str = "small",
    weights: str | Path | None = None,
    freeze_backbone: bool = False,
    concepts: int = 600,
    context: int = 2,
    features: int = 256,
    embedding_size: int = 256,
    hidden_size: int = 256,
    decoder_layers: int = 1,
    cell: CellKind = "lstm",
    attention: str = "general",
    gate: bool = True,
    doubly_stochastic: float = 0.0,
    tied: bool = True,
    word_dropout: float = 0.0,
    input_dropout: float = 0.1,
    dropout: float = 0.1,
    output_dropout: float = 0.1,
    label_smoothing: float = 0.0,
    captions_per_image: int = 1,
    epochs: float = 12,
    steps: int | None = None,
    minutes: float | None = None,
    self_critical_epochs: int = 0,
    batch_size: int = 64,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 2e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 200,
    weight_decay: float = 0.01,
    clip_norm: float = 1.0,
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
    """Trains a captioner on pictures and their captions, and leaves it in the folder `output`.

    The model that captions the validation part best is kept, by CIDEr of its likeliest words.

    Args:
        captions, images, image_column, caption_column, encoding_errors: what to read, see
            `corpora.captions.read_captions`; no captions are the bundled generated scenes.
        validation, test: fractions of the data, or sources of their own, where the data is not
            divided itself; a test of 0 is none.
        size, resize: the side in pixels of the square that a picture is made, and how, see
            `vision.images.Preparation`.
        flip ... shift: how pictures are changed while training, see `vision.augment.Augmentation`.
            A caption that says "left" or "red" does not survive all of them.
        vocabulary_size, pattern: of the byte-pair encoding that is learned from the captions of
            the training part, at most: all of its words may be fewer pieces.
        backbone: see `vision.backbone.build`.
        weights: trained weights of the backbone, a file or a repository of the Hub, see
            `vision.backbone.load_weights`.
        freeze_backbone: the backbone does not learn.
        concepts: phrases of the captions that the image encoder learns to find, too, at most, see
            `vision.captioner.concepts`; 0 for none.
        context: how many times the cells of a picture look at each other before they are read, see
            `vision.image_encoder.Context`: for captions that count, or say what is beside what.
        captions_per_image: captions of a picture that an epoch reads, drawn anew each time; the
            picture is looked at once for all of them. 0 reads all.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        self_critical_epochs: epochs behind those, in which captions that the model draws are
            judged by CIDEr-D, see `vision.captioner.self_critical`; the captions per image are
            then drawn ones.
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
    known = {"vocabulary_size": 1, "preparation": _preparation(arguments), "concepts": ()}
    config_of(Config, arguments, **known)
    _augmentation(arguments)
    check_choice("pattern", arguments["pattern"], Pattern)
    for name in ("captions_per_image", "concepts", "context", "self_critical_epochs"):
        if arguments[name] < 0:
            raise UsageError(f"{name} is {arguments[name]}: expected 0 or more")
    if arguments["self_critical_epochs"] and (arguments["steps"] or arguments["minutes"]):
        raise UsageError("self-critical epochs follow on epochs: leave out steps and minutes")
    if arguments["freeze_backbone"] and arguments["weights"] is None:
        raise UsageError("a backbone that does not learn needs weights: name a file of them")
    if arguments["captions"] is None and arguments["images"] is not None:
        raise UsageError("there are pictures but no captions: name the file that holds them")


def _preparation(arguments: Mapping[str, Any]) -> Preparation:
    return Preparation(size=arguments["size"], resize=arguments["resize"])


def _augmentation(arguments: Mapping[str, Any]) -> Augmentation:
    return Augmentation(**{name: arguments[name] for name in AUGMENTING})


def _run(run: Run) -> Trained:
    arguments = run.arguments
    source = arguments["captions"] or SAMPLE
    parts = divide_captions(source, arguments["validation"], arguments["test"], **run.pick(READING))
    preparation = _preparation(arguments)
    # Spread over all of them, for they may be sorted.
    whole, count = parts.validation, min(CHECKED, len(parts.validation))
    looked = [whole[place * len(whole) // count] for place in range(count)]
    if count < len(whole):
        run.tell(f"{count:,} of the validation pictures are captioned at each evaluation")
    squares, rows = _readable(run, parts.train, "training", preparation)
    kept, good = _readable(run, looked, "validation", preparation)
    # Read and scaled once; a square of the right size stays as it is.
    held_out = [looked[row]._replace(image=kept[[row]][0].permute(1, 2, 0).numpy()) for row in good]
    tested = _readable(run, parts.test, "test", preparation, most_bytes=0)[1] if parts.test else []
    parts = parts._replace(
        train=[parts.train[row] for row in rows], test=[parts.test[row] for row in tested]
    )
    counted = parts.counted("pictures", "captions", lambda item: len(item.captions))
    run.tell(*dict.fromkeys(parts.remarks), counted)
    texts = _texts(run, parts.train)
    if run.resumed:
        texts.check_same(run.path)
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        size = texts.target.vocabulary_size
        config = config_of(
            Config,
            arguments,
            vocabulary_size=size,
            preparation=preparation,
            concepts=choose([item.captions for item in parts.train], arguments["concepts"]),
        )
        model = Captioner(config, texts)
    batches = CaptionBatches(
        model,
        parts.train,
        squares,
        rows,
        _augmentation(arguments),
        batch_size=arguments["batch_size"],
        captions_per_image=arguments["captions_per_image"],
        critical_from=arguments["epochs"] if arguments["self_critical_epochs"] else None,
        seed=arguments["seed"],
    )
    if not run.goes_on:
        frequencies = token_frequencies(np.concatenate(batches.pieces()), size)
        model.decoder.begin_at(frequencies)
        if arguments["weights"] is not None:
            run.tell(*load_weights(model.encoder.backbone, arguments["weights"]))
    model.save_texts(run.path)
    run.place(model, "a captioner")
    epochs = arguments["epochs"] + arguments["self_critical_epochs"]
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of({**arguments, "epochs": epochs}, len(batches)),
        folder=run.path,
        evaluate=lambda: measure(model, held_out),
        report=run.report,
        resume=run.goes_on,
    )
    result = None
    if outcome.ended != "interrupted" and parts.test:
        known = {text for item in parts.train for text in item.captions}
        result = score_items(model, parts.test, training=known)
    run.finish(
        title="Captioner",
        about=(
            f"A {config.cell} captioner of {checkpoint.parameter_count(model):,} parameters with "
            f"the backbone {config.backbone}, trained with Unrolled on {source} ({counted}) for "
            f"{outcome.step:,} steps."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else {"this model": result_row(result)},
    )
    return Trained(model, outcome, result)


def _readable(
    run: Run, items: Sequence[Captioned], part: str, preparation: Preparation, **options: Any
) -> tuple[Squares, list[int]]:
    """The pictures of some items, and the numbers of those that can be read."""
    squares = Squares([item.image for item in items], preparation, **options)
    refused = squares.check()
    if not refused:
        return squares, list(range(len(items)))
    run.tell(left_out(refused, len(items), part))
    bad = {id(one.image) for one in refused}
    return squares, [row for row, item in enumerate(items) if id(item.image) not in bad]


def _texts(run: Run, items: Sequence[Captioned]) -> Texts:
    """The pieces of words, learned from the training part; as many as it has, at most."""
    size, pattern = run.arguments["vocabulary_size"], run.arguments["pattern"]
    captions = [f" {text}\n" for item in items for text in item.captions]
    there, _ = learn_merges(captions, size, 2, PRE_TOKENIZERS[pattern])
    tokenizer = Tokenizer.train(
        captions, vocabulary_size=min(size, len(there) + 1), pattern=pattern
    )
    return Texts(tokenizer, tokenizer)
