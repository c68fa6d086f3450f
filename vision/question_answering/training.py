"""Training on questions about pictures and their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from corpora.errors import UsageError, check_positive
from corpora.image_questions import divide_questions
from corpora.reader import Source
from corpora.scenes import NAME as SAMPLE
from nlp.core import checkpoint
from nlp.core.attention import AttentionKind
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run import Run, check_training, config_of
from nlp.core.tags.calibration import fit_temperature
from nlp.core.training import Outcome, fit
from nlp.core.word_features import KnownWords
from vision.augment import Augmentation
from vision.backbone import load_weights
from vision.images import Preparation
from vision.picture_preparation import Resize
from vision.question_answering.answers import CommonAnswers, classes_of
from vision.question_answering.evaluation import (
    SUMMARY_COLUMNS,
    AnswerScores,
    evaluate_questions,
    measure,
    score_answers,
)
from vision.question_answering.model import Answerer, Config, nats
from vision.question_answering.questions import Asking, QuestionBatches

READING = ("images", "image_column", "question_column", "answer_column", "encoding_errors")
AUGMENTING = ("flip", "crop", "jitter", "rotation", "shift")


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Answerer
    outcome: Outcome
    test: AnswerScores | None  # on the test part
    baseline: AnswerScores | None  # there, of the commonest answers to questions that begin alike

    def results(self) -> dict[str, AnswerScores]:
        """Both, by name, where they are."""
        pairs = {"this model": self.test, "without a look": self.baseline}
        return {name: found for name, found in pairs.items() if found is not None}


def train(
    questions: Source | None = None,
    *,
    annotations: str | Path | None = None,
    images: str | Path | None = None,
    output: str | Path = "vqa",
    validation: float | Source = 0.05,
    test: float | Source = 0.05,
    image_column: str | None = None,
    question_column: str | None = None,
    answer_column: str | None = None,
    encoding_errors: str = "strict",
    most_answers: int = 3000,
    min_answers: int = 1,
    size: int = 96,
    resize: Resize = "crop",
    flip: bool = False,
    crop: float = 1.0,
    jitter: float = 0.0,
    rotation: float = 0.0,
    shift: float = 0.0,
    backbone: str = "small",
    weights: str | Path | None = None,
    freeze_backbone: bool = False,
    features: int = 128,
    looks: int = 2,
    attention: AttentionKind = "additive",
    embedding: str | Path | None = None,
    freeze_embedding: bool = True,
    word_size: int = 100,
    min_count: int = 1,
    cell: CellKind = "lstm",
    layers: int = 1,
    hidden_size: int = 64,
    word_dropout: float = 0.02,
    input_dropout: float = 0.1,
    dropout: float = 0.1,
    output_dropout: float = 0.2,
    epochs: float = 12,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 256,
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
    baseline: bool = True,
    plot: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Trains a model on questions about pictures and leaves it in the folder `output`.

    The model that answers the validation part best is kept. All questions about one picture are
    in one part.

    Args:
        questions, annotations, images, image_column ... encoding_errors: what to read, see
            `corpora.image_questions.read_questions`; no questions are the bundled generated
            scenes.
        validation, test: fractions of the data, or sources of their own, where the data is not
            divided itself; a test of 0 is none.
        most_answers, min_answers: what may be answered: the most frequent answers, as many at
            most, that so many questions have at least.
        size, resize: the side in pixels of the square that a picture is made, and how, see
            `vision.images.Preparation`.
        flip ... shift: how pictures are changed while training, see `vision.augment.Augmentation`.
            A question about "left" does not survive a flip.
        backbone: see `vision.backbone.build`.
        weights: trained weights of the backbone, a file or a repository of the Hub, see
            `vision.backbone.load_weights`.
        freeze_backbone: the backbone does not learn.
        looks: at the picture, one after the other.
        embedding: word vectors, a file or folder that `nlp.core.words.vector_formats.load` reads,
            beside those that are learned.
        freeze_embedding: leave them as they are; else those of the training text's words learn on.
        word_size, min_count: of the learned vectors, for words that occur so often; a size of 0 is
            none. The other sizes and dropouts are `Config`'s.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        batch_size: questions of a step, at most; their pictures come with them.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
        average: the mean of so many of the best evaluations' weights is the model, where it is
            better than the best of them.
        baseline: also measure what can be answered without a look at the picture.
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
    preparation = _preparation(arguments)
    config_of(Config, arguments, answers=("yes", "no"), words=1, preparation=preparation)
    _augmentation(arguments)
    check_positive(
        **{name: arguments[name] for name in ("most_answers", "min_answers", "min_count")}
    )
    if arguments["freeze_backbone"] and arguments["weights"] is None:
        raise UsageError("a backbone that does not learn needs weights: name a file of them")
    named = [name for name in ("annotations", "images") if arguments[name] is not None]
    if arguments["questions"] is None and named:
        raise UsageError(f"there are {named[0]} but no questions: name the file that holds them")


def _preparation(arguments: Mapping[str, Any]) -> Preparation:
    return Preparation(size=arguments["size"], resize=arguments["resize"])


def _augmentation(arguments: Mapping[str, Any]) -> Augmentation:
    return Augmentation(**{name: arguments[name] for name in AUGMENTING})


def _run(run: Run) -> Trained:
    arguments = run.arguments
    source = arguments["questions"] or SAMPLE
    parts = divide_questions(
        source,
        arguments["annotations"],
        validation=arguments["validation"],
        test=arguments["test"],
        **run.pick(READING),
    )
    counted = parts.counted("questions", "words", lambda item: len(item.question.split()))
    run.tell(*dict.fromkeys(parts.remarks), counted)
    preparation = _preparation(arguments)
    training, held_out = Asking(parts.train, preparation), Asking(parts.validation, preparation)
    answers = classes_of(
        [one.answers for one in training.questions],
        arguments["most_answers"],
        arguments["min_answers"],
    )
    training.keep(answers)
    run.tell(*training.remarks, *(f"validation: {text}" for text in held_out.remarks))
    run.tell(f"{len(answers):,} different answers")
    model = _build(training, answers, run)
    if run.resumed:
        model.alphabet.check_same(run.path)
    model.save_config(run.path)
    run.place(model, "a model of questions about pictures")
    size, seed = arguments["batch_size"], arguments["seed"]
    augmentation = _augmentation(arguments)
    batches = QuestionBatches(model, training, size, augmentation=augmentation, seed=seed)
    checked = QuestionBatches(model, held_out, size)
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=run.path,
        evaluate=lambda: measure(model, checked),
        report=run.report,
        resume=run.goes_on,
    )
    test = baseline = None
    if outcome.ended != "interrupted":
        calibrate(model, checked)
        checkpoint.save_weights(model, run.path)
        if parts.test:
            asked = Asking(parts.test, preparation)
            run.tell(*(f"test: {text}" for text in asked.remarks))
            test = evaluate_questions(model, asked)
            baseline = _without_a_look(training, asked) if arguments["baseline"] else None
    trained = Trained(model, outcome, test, baseline)
    run.finish(
        title="Questions about pictures",
        about=(
            f"Gives one of {len(answers):,} answers to a question about a picture. "
            f"{checkpoint.parameter_count(model):,} parameters with the backbone "
            f"{model.config.backbone}, trained with Unrolled on {source} ({counted}) for "
            f"{outcome.step:,} steps. The range of the accuracy is that of the middle 95 % of "
            "bootstrap samples of the test part's pictures."
        ),
        columns=SUMMARY_COLUMNS,
        results={name: found.summary() for name, found in trained.results().items()},
    )
    return trained


def _build(training: Asking, answers: tuple[str, ...], run: Run) -> Answerer:
    """A model for these questions that has not begun to learn, or whose weights are elsewhere."""
    arguments = run.arguments
    occurring = [word for one in training.questions for word in one.words]
    known = KnownWords.of(arguments, occurring)
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        config = config_of(
            Config,
            arguments,
            answers=answers,
            preparation=training.squares.preparation,
            **{name: size for name, size in known.sizes().items() if name != "characters"},
        )
        model = Answerer(config, known.alphabet)
    if told := known.fill(model.question.features, occurring):
        run.tell(told)
    if arguments["weights"] is not None and not run.goes_on:
        run.tell(*load_weights(model.images.backbone, arguments["weights"]))
    return model


@torch.no_grad()
def calibrate(model: Answerer, batches: QuestionBatches) -> None:
    """Sets the temperature at which the answers that people gave are likeliest."""
    model.eval()
    found = [
        (model(batch.to(model.device)).logits.double().cpu(), batch.answers.double())
        for batch in batches.epoch(0)
    ]
    logits, targets = map(torch.cat, zip(*found, strict=True))
    model.temperature.fill_(
        fit_temperature(lambda temperature: -float(nats(logits / temperature, targets).sum()))
    )


def _without_a_look(training: Asking, asked: Asking) -> AnswerScores:
    common = CommonAnswers(
        (one.words for one in training.questions), (one.answers for one in training.questions)
    )
    found = [common.answer(one.words) for one in asked.questions]
    return score_answers(
        asked.questions, [answer for answer, _ in found], [share for _, share in found]
    )
