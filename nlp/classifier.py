"""Classifiers: what a whole text is, and which of its words say so.

    words     good      ,       not      bad
               │        │        │        │         vectors of words
    encoder  ◄ h1 ►── ◄ h2 ►── ◄ h3 ►── ◄ h4 ►      reads in both directions, so in order
               └────────┴───┬────┴────────┘
    pooling           max, mean, attention, last    one vector
                            │
                     positive 0.93                  a probability for each label

A bidirectional LSTM with pooling (Lai et al. 2015; attention: Yang et al. 2016) on locked dropout
(Gal and Ghahramani 2016). A text has one label (softmax) or any number of them (a sigmoid each).
Probabilities are calibrated by a temperature fitted on the validation part (Guo et al. 2017).

    from nlp.classifier import Classifier, train

    train("reviews.csv", output="my-classifier")
    classifier = Classifier.from_pretrained("my-classifier")
    answer = next(classifier.classify(["good, not bad"], explain="gradient"))
    print(answer.labels, answer.probabilities, answer.weights)
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.annotated_splits import Parts, divide
from corpora.errors import UsageError, check_choice, check_positive, check_probability
from corpora.reader import Source
from nlp.core import checkpoint, curves
from nlp.core.alphabet import Alphabet, Words
from nlp.core.batching import Buckets
from nlp.core.classes.bag_of_words import BagOfWords
from nlp.core.classes.bootstrap import f1
from nlp.core.classes.class_scores import (
    SUMMARY_COLUMNS,
    ClassEvaluation,
    choose,
    evaluate_classes,
    require,
)
from nlp.core.classes.explanation import ClassifiedText, ExplanationKind, gradient_times_input
from nlp.core.classes.labelled_texts import (
    Text,
    cut,
    find_labels,
    has_labels,
    label_weights,
    listed,
    named_weights,
    read_texts,
    same_texts,
)
from nlp.core.device import Precision, choose_device
from nlp.core.encoder import Encoder
from nlp.core.events import Event, Remark
from nlp.core.model_card import write_card
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.pooling import Pool, Pooled, Pooling
from nlp.core.recipe import Loss, Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run_folder import RunFolder
from nlp.core.tags.calibration import fit_temperature
from nlp.core.tokens.word_splitter import words_of
from nlp.core.training import Measured, Outcome, fit
from nlp.core.word_features import KnownWords, Spelling, WordFeatures
from nlp.core.words.own_vectors import own_vectors

KIND = "classifier"
AT_ONCE = 512  # texts that are sorted by length before they are classified
READING = ("text_column", "label_column", "separator", "encoding_errors")


@dataclass(frozen=True)
class Config:
    """What a classifier is built from. Dropouts are probabilities."""

    labels: tuple[str, ...]
    words: int  # learned vectors of words
    characters: int = 1  # learned vectors of characters
    multi_label: bool = False  # a text may have several labels, or none
    given: int = 1  # vectors from a file
    given_size: int = 0
    trained: int = 0  # of those, how many learn on
    word_size: int = 100  # features of a learned vector; 0 for none
    character_size: int = 50  # features of a word's spelling, of each kind
    spelling: Spelling = "none"
    shape_size: int = 0
    cell: CellKind = "lstm"
    hidden_size: int = 100  # units of each layer and direction
    layers: int = 1
    bidirectional: bool = True
    pooling: Pooling = "max"
    word_dropout: float = 0.3  # a word becomes an unknown one
    input_dropout: float = 0.5  # features of words
    dropout: float = 0.3  # between layers
    output_dropout: float = 0.5  # of the pooled vector

    def __post_init__(self) -> None:
        check_positive(hidden_size=self.hidden_size, layers=self.layers)
        check_choice("cell", self.cell, CellKind)
        check_choice("spelling", self.spelling, Spelling)
        check_choice("pooling", self.pooling, Pooling)
        names = ("word_dropout", "input_dropout", "dropout", "output_dropout")
        check_probability(**{name: getattr(self, name) for name in names})
        if len(self.labels) < (1 if self.multi_label else 2):
            found = f"the data has one label only ({self.labels[0]})" if self.labels else "no label"
            raise UsageError(f"{found}: there is nothing to tell apart")


class ClassBatch(NamedTuple):
    """Texts as numbers."""

    words: Tensor  # [types], and so on: see nlp.core.alphabet.Words
    given: Tensor
    shapes: Tensor
    letters: Tensor  # [types, characters]
    place: Tensor  # [batch, time]
    mask: Tensor  # [batch, time] bool
    labels: Tensor  # [batch, labels] 1 for those that a text has, else 0

    def to(self, device: torch.device) -> ClassBatch:
        return ClassBatch(*(part.to(device) for part in self))


class Classifier(nn.Module):
    """Vectors of words, an encoder, a pool, a linear layer."""

    temperature: Tensor
    label_weights: Tensor

    def __init__(self, config: Config, alphabet: Alphabet) -> None:
        super().__init__()
        self.config, self.alphabet = config, alphabet
        self.number = {label: number for number, label in enumerate(config.labels)}
        self.features = WordFeatures.of(asdict(config))
        self.encoder = Encoder(
            config.cell,
            self.features.size,
            config.hidden_size,
            config.layers,
            bidirectional=config.bidirectional,
            input_dropout=config.input_dropout,
            dropout=config.dropout,
        )
        self.pool = Pool(config.pooling, self.encoder.features)
        self.output = nn.Linear(self.encoder.features, len(config.labels))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("label_weights", torch.ones(len(config.labels)))

    @property
    def device(self) -> torch.device:
        return self.output.bias.device

    def batch(
        self, sentences: Sequence[Sequence[str]], labels: Sequence[Sequence[str]] = ()
    ) -> ClassBatch:
        """Texts of words, each of one or more, as numbers."""
        lengths = torch.tensor([len(sentence) for sentence in sentences])
        time = int(lengths.max())
        targets = torch.zeros(len(sentences), len(self.number))
        for row, names in enumerate(labels):
            targets[row, [self.number[name] for name in names]] = 1
        return ClassBatch(
            *self.alphabet.numbers(sentences, time),
            mask=torch.arange(time) < lengths[:, None],
            labels=targets,
        )

    def forward(self, batch: ClassBatch) -> Tensor:
        """Logits `[batch, labels]`, in nats."""
        return self.read(self.features(Words(*batch[:5])), batch.mask)[0]

    def read(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Pooled]:
        """Vectors of words `[batch, time, size]` to logits, and what was pooled on the way."""
        pooled = self.pool(self.encoder(vectors, mask))
        vector = F.dropout(pooled.vector, self.config.output_dropout, self.training)
        return self.output(vector), pooled

    def loss(self, batch: ClassBatch, carry: None = None) -> Loss:
        """Mean nats per text of the right labels, weighted as `label_weights` says."""
        targets, weights = batch.labels, self.label_weights
        nats = self.nats(self(batch).float(), targets, weights)
        if self.config.multi_label:
            return Loss(nats.mean(), len(targets))
        return Loss(nats.sum() / (targets @ weights).sum(), len(targets))

    def nats(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """- log P of the labels that each text has, `[batch]`."""
        if self.config.multi_label:
            return F.binary_cross_entropy_with_logits(
                logits, targets, pos_weight=weights, reduction="none"
            ).sum(1)
        counted = targets if weights is None else targets * weights
        return -(counted * logits.log_softmax(1)).sum(1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of each label, calibrated: `[batch, labels]`."""
        scores = logits.float() / self.temperature.to(logits.device)
        return scores.sigmoid() if self.config.multi_label else scores.softmax(1)

    def log_odds(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """log p - log (1 - p) of each label, `[batch, labels]`, before calibration."""
        logits = self.read(vectors, mask)[0]
        if self.config.multi_label:
            return logits
        itself = torch.eye(len(self.number), dtype=torch.bool, device=logits.device)
        others = logits[:, None].expand(-1, len(itself), -1).masked_fill(itself, -torch.inf)
        return logits - others.logsumexp(2)

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Which labels texts get, `[texts, labels]` bool."""
        return choose(probabilities, self.config.multi_label)

    def classify(
        self,
        texts: Iterable[str],
        *,
        explain: ExplanationKind | None = None,
        label: str | None = None,
        batch_size: int = 32,
    ) -> Iterator[ClassifiedText]:
        """The labels of each text and their probabilities.

        Args:
            explain: also tell how much each word mattered, see `nlp.core.classes.explanation`.
            label: to which label; None is each text's likeliest one.
        """
        if explain is not None:
            check_choice("explain", explain, ExplanationKind)
        if explain == "attention" and self.config.pooling != "attention":
            raise UsageError(
                f"this model pools by {self.config.pooling} and has no attention: ask for the "
                "gradient, or train with --pooling attention"
            )
        if label is not None and label not in self.number:
            raise UsageError(f"the label {label!r} is unknown: expected {listed(self.number)}")
        labels, texts = self.config.labels, iter(texts)
        while window := list(itertools.islice(texts, AT_ONCE)):
            places = [words_of(text) for text in window]
            sentences = [cut(text, own) for text, own in zip(window, places, strict=True)]
            logits, weights = self.read_all(sentences, batch_size, explain, label)
            found = self.probabilities(logits).numpy()
            rows = zip(window, places, found, self.choose(found), weights, strict=True)
            for text, words, probabilities, chosen, own_weights in rows:
                yield ClassifiedText(
                    text,
                    tuple(itertools.compress(labels, chosen)),
                    dict(zip(labels, probabilities.tolist(), strict=True)),
                    tuple(words),
                    (label or labels[probabilities.argmax()]) if explain else None,
                    tuple(own_weights[: len(words)]),
                )

    @torch.no_grad()
    def read_all(
        self,
        sentences: Sequence[Sequence[str]],
        batch_size: int = 32,
        explain: ExplanationKind | None = None,
        label: str | None = None,
    ) -> tuple[Tensor, list[list[float]]]:
        """Logits of texts of words, in their order, `[texts, labels]` on the CPU; and how much each
        word mattered, and maybe padding behind them, where an explanation is asked for."""
        self.eval()
        logits = torch.zeros(len(sentences), len(self.number))
        weights: list[list[float]] = [[] for _ in sentences]
        lengths = [len(sentence) for sentence in sentences]
        for rows in Buckets(lengths, batch_size, lambda rows: rows).epoch(0):
            batch = self.batch([sentences[row] for row in rows]).to(self.device)
            vectors = self.features(Words(*batch[:5]))
            found, pooled = self.read(vectors, batch.mask)
            logits[rows] = found.float().cpu()
            own = pooled.weights
            if explain == "gradient":
                wanted = found.argmax(1)
                if label is not None:
                    wanted = torch.full_like(wanted, self.number[label])
                own = gradient_times_input(vectors, batch.mask, wanted, self.log_odds)
            if explain is not None and own is not None:
                for row, row_weights in zip(rows, own.tolist(), strict=True):
                    weights[row] = row_weights
        return logits, weights

    def calibrate(self, texts: Sequence[Text]) -> None:
        """Sets the temperature at which the labels that texts have are likeliest."""
        gold = has_labels(texts, self.config.labels, self.config.multi_label)
        targets = torch.from_numpy(gold).double()
        logits = self.read_all([text.words for text in texts])[0].double()
        self.temperature.fill_(
            fit_temperature(
                lambda temperature: -float(self.nats(logits / temperature, targets).sum())
            )
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json`, `model.safetensors`, `lexicon.json`."""
        folder = Path(folder)
        self.alphabet.save(folder)
        checkpoint.save_config(folder, KIND, asdict(self.config), None)
        checkpoint.save_weights(self, folder)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Classifier:
        """The classifier in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id)
        settings, _ = checkpoint.read_config(folder, KIND)
        try:
            config = Config(**{**settings, "labels": tuple(settings["labels"])})
        except (TypeError, ValueError, KeyError) as error:
            raise UsageError(f"{folder / checkpoint.CONFIG} is damaged: {error}") from error
        model = cls(config, Alphabet.load(folder))
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Classifier
    outcome: Outcome
    test: ClassEvaluation | None  # on the test part
    baseline: ClassEvaluation | None  # of the same words in any order

    def results(self) -> dict[str, ClassEvaluation]:
        """Both, by name, where they are."""
        pairs = {"this model": self.test, "bag of words": self.baseline}
        return {name: found for name, found in pairs.items() if found is not None}


def train(
    data: Source | None = None,
    *,
    output: str | Path = "classifier",
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    text_column: str = "text",
    label_column: str = "label",
    separator: str | None = None,
    encoding_errors: str = "strict",
    multi_label: bool | None = None,
    class_weights: str | Mapping[str, float] = "none",
    embedding: str | Path | None = None,
    freeze_embedding: bool = True,
    word_size: int = 100,
    word_epochs: int = 15,
    min_count: int = 1,
    spelling: Spelling = "none",
    character_size: int = 50,
    shape_size: int = 0,
    cell: CellKind = "lstm",
    layers: int = 1,
    hidden_size: int = 100,
    bidirectional: bool = True,
    pooling: Pooling = "max",
    word_dropout: float = 0.3,
    input_dropout: float = 0.5,
    dropout: float = 0.3,
    output_dropout: float = 0.5,
    epochs: float = 6,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 50,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 2e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 50,
    weight_decay: float = 0.01,
    clip_norm: float = 1.0,
    accumulate: int = 1,
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
    """Trains a classifier on labelled texts and leaves it in the folder `output`.

    The model that is best on the validation part is kept: by accuracy, in which labels count as
    they are weighted; where a text may have several labels by micro F1, or macro F1 if they are
    weighted. Equal texts are never divided among the parts.

    Args:
        data, text_column ... encoding_errors: what to read, see `corpora.labelled.read_labelled`;
            only a run that is resumed knows its data.
        validation, test: fractions of the data, or sources of their own; a test of 0 is none.
        multi_label: a text may have several labels, or none; None finds out.
        class_weights: what a text of each label counts in training: none, that is the same;
            balanced, so that each label counts the same; or LABEL=WEIGHT,... where labels that are
            not named weigh 1. Of several labels, what having one counts against not having it.
        embedding: word vectors, a file or folder that `nlp.core.words.vector_formats.load` reads,
            beside those that are learned.
        freeze_embedding: leave them as they are; else those of the training text's words learn on.
        word_size, min_count: of the learned vectors, for words that occur so often; a size of 0 is
            none. The other sizes and dropouts are `Config`'s.
        word_epochs: of skip-gram over the training text, at whose vectors the learned ones begin;
            0 begins at random.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
        baseline: also measure logistic regression on the words in any order.
        plot: draws the loss curves into the folder, which takes the `plots` extra.
        resume: goes on with the run in `output`; give no other argument.
        overwrite: a model in `output` is moved to `output` + ".previous".
        report: hears what happens, see `nlp.core.events.Event`.

    Raises:
        UsageError: an argument or the data cannot be used; what the folder held is still there.
        Diverged: the loss exploded; the best model so far is kept.
    """
    arguments = dict(locals())
    for name in ("resume", "overwrite", "report"):
        del arguments[name]
    folder = RunFolder(output)
    if resume and overwrite:
        raise UsageError("resume and overwrite contradict each other: choose one")
    if resume:
        return _run(folder, folder.arguments(train, arguments), report, resume=True)
    if data is None:
        raise UsageError("no labelled texts are named: give a table, a folder or LABEL=FILE ...")
    # Everything that can be refused is refused before the folder is touched.
    Recipe.of(arguments, batches=1)
    _config(arguments, labels=("one", "other"), words=1)
    check_positive(batch_size=batch_size, min_count=min_count)
    if word_epochs < 0:
        raise UsageError(f"word_epochs is {word_epochs}: expected 0 or more")
    named_weights(class_weights)
    choose_device(device)
    if test != 0:
        require()
    if plot:
        curves.require()
    folder.create(arguments, overwrite=overwrite)
    try:
        return _run(folder, arguments, report, resume=False)
    except (Exception, KeyboardInterrupt):
        folder.discard_unstarted()
        raise


def _run(
    folder: RunFolder, arguments: Mapping[str, Any], report: Callable[[Event], None], resume: bool
) -> Trained:
    names = {name: arguments[name] for name in READING}
    source = arguments["data"]
    parts = divide(
        source,
        arguments["validation"],
        arguments["test"],
        read=lambda place, split: read_texts(place, split, names),
        groups=same_texts,
    )
    for text in [*dict.fromkeys(parts.remarks), _counted(parts)]:
        report(Remark(text))
    begun = resume and folder.has_state()
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        model = _build(parts, arguments, report, begun)
    if resume:
        model.alphabet.check_same(folder.path)
    model.alphabet.save(folder.path)
    checkpoint.save_config(folder.path, KIND, asdict(model.config), None)
    where = choose_device(arguments["device"])
    report(Remark(f"a classifier of {checkpoint.parameter_count(model):,} parameters, on {where}"))
    model.to(where)
    batches = _batches(model, parts.train, arguments["batch_size"], arguments["seed"])
    held_out = _batches(model, parts.validation, 64, None)
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=folder.path,
        evaluate=lambda: _measure(model, held_out),
        report=report,
        resume=begun,
    )
    test = baseline = None
    if outcome.ended != "interrupted":
        model.calibrate(parts.validation)
        checkpoint.save_weights(model, folder.path)
        if parts.test:
            test = _evaluate(model, parts.test)
        if parts.test and arguments["baseline"]:
            bag = BagOfWords(
                model.config.labels,
                multi_label=model.config.multi_label,
                balanced=arguments["class_weights"] == "balanced",
            )
            baseline = bag.fit(parts.train, parts.validation).measure(parts.test)
    trained = Trained(model, outcome, test, baseline)
    if arguments["plot"]:
        curves.draw(folder.path)
    write_card(
        folder.path,
        title="Classifier",
        about=(
            f"Tells apart {listed(model.config.labels)}. {checkpoint.parameter_count(model):,} "
            f"parameters, trained with Unrolled on {source} ({_counted(parts)}) for "
            f"{outcome.step:,} steps. The range of the accuracy is that of the middle 95 % of "
            "bootstrap samples of the test part."
        ),
        columns=SUMMARY_COLUMNS,
        results={name: found.summary() for name, found in trained.results().items()},
        arguments=arguments,
    )
    return trained


def _counted(parts: Parts[Text]) -> str:
    told = ", ".join(
        f"{name} {len(part):,} texts ({sum(len(text.words) for text in part):,} words)"
        for name, part in zip(("train", "validation", "test"), parts[:3], strict=True)
    )
    return f"{told}; {parts.rule}"


def _build(
    parts: Parts[Text],
    arguments: Mapping[str, Any],
    report: Callable[[Event], None],
    begun: bool,
) -> Classifier:
    """A classifier for these texts that has not begun to learn, or whose weights are elsewhere."""
    labels, multi_label = find_labels(
        parts[:3], arguments["multi_label"], lambda text: report(Remark(text))
    )
    occurring = [word for text in parts.train for word in text.words]
    known = KnownWords.of(arguments, occurring)
    counts = {**known.sizes(), "labels": labels, "multi_label": multi_label}
    model = Classifier(_config(arguments, **counts), known.alphabet)
    if told := known.fill(model.features, occurring):
        report(Remark(told))
    if arguments["word_epochs"] and model.features.words is not None and not begun:
        report(Remark("learning word vectors to begin with from the training text"))
        vectors = own_vectors(
            [text.words for text in parts.train],
            arguments["word_size"],
            epochs=arguments["word_epochs"],
            min_count=arguments["min_count"],
            seed=arguments["seed"],
        )
        model.features.begin_at(vectors, known.alphabet.words.entries)
    gold = has_labels(parts.train, labels, multi_label)
    weights = label_weights(arguments["class_weights"], labels, gold, multi_label)
    model.label_weights.copy_(torch.from_numpy(weights))
    return model


def _config(arguments: Mapping[str, Any], **counts: Any) -> Config:
    names = {field.name for field in fields(Config)}
    chosen = {name: value for name, value in arguments.items() if name in names}
    return Config(**{**chosen, **counts})


def _batches(
    model: Classifier, texts: Sequence[Text], batch_size: int, seed: int | None
) -> Buckets:
    def collate(rows: list[int]) -> ClassBatch:
        return model.batch([texts[row].words for row in rows], [texts[row].labels for row in rows])

    return Buckets([len(text.words) for text in texts], batch_size, collate, seed=seed)


def _measure(model: Classifier, batches: Buckets) -> Measured:
    """Loss, accuracy and F1 on the validation part."""
    total, golds, founds = 0.0, [], []
    for batch in batches.epoch(0):
        batch = batch.to(model.device)
        logits = model(batch).float()
        total += float(model.nats(logits, batch.labels, model.label_weights).sum())
        golds.append(batch.labels.cpu().numpy() > 0)
        founds.append(model.probabilities(logits).cpu().numpy())
    gold, chosen = np.concatenate(golds), model.choose(np.concatenate(founds))
    correct, weights = (gold == chosen).all(1), model.label_weights.cpu().numpy()
    macro, micro = f1(gold, chosen)
    if model.config.multi_label:
        loss, score = total / len(gold), micro if (weights == 1).all() else macro
    else:
        counts = gold @ weights
        loss, score = total / float(counts.sum()), float(correct @ counts / counts.sum())
    # Of looks that are equally good, that with the lower loss is kept.
    metrics = {"accuracy": float(correct.mean()), "macro_F1": macro}
    return Measured(loss, metrics, score - 1e-6 * loss)


def evaluate(
    model: Classifier | str | Path, data: Source, *, split: str | None = None, **reading: Any
) -> ClassEvaluation:
    """A classifier on labelled texts: scores and their ranges, calibration, the worst errors.

    Args:
        model: a classifier, or its folder.
        data, split, reading: what `corpora.labelled.read_labelled` takes.

    Raises:
        UsageError: a text has a label that the model does not know, or scikit-learn is missing.
    """
    if not isinstance(model, Classifier):
        model = Classifier.from_pretrained(model)
    require()
    texts, _ = read_texts(data, split, reading)
    return _evaluate(model, texts)


def _evaluate(model: Classifier, texts: Sequence[Text]) -> ClassEvaluation:
    began = time.perf_counter()
    logits, _ = model.read_all([text.words for text in texts])
    found = model.probabilities(logits).numpy()
    seconds = time.perf_counter() - began
    config = model.config
    return evaluate_classes(
        texts, config.labels, found, multi_label=config.multi_label, seconds=seconds
    )
