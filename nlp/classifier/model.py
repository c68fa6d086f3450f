"""The classifier itself: vectors of words, an encoder, a pool; texts in, labels out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_choice, check_positive, check_probability
from nlp.core import checkpoint
from nlp.core.alphabet import Alphabet, Words
from nlp.core.batching import of_like_length
from nlp.core.classes.class_scores import choose
from nlp.core.classes.explanation import ClassifiedText, ExplanationKind, gradient_times_input
from nlp.core.classes.labelled_texts import Text, cut, has_labels, listed
from nlp.core.device import choose_device
from nlp.core.encoder import Encoder
from nlp.core.pooling import Pool, Pooled, Pooling
from nlp.core.recipe import Loss
from nlp.core.recurrent import CellKind
from nlp.core.tags.calibration import fit_temperature
from nlp.core.tokens.word_splitter import words_of
from nlp.core.word_features import Spelling, WordFeatures

KIND = "classifier"
AT_ONCE = 512  # texts that are sorted by length before they are classified


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
        for rows in of_like_length(lengths, batch_size):
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
        folder = checkpoint.locate(folder_or_hub_id, f"train-{KIND}")
        config, _ = checkpoint.read_model_config(
            folder, KIND, lambda known: Config(**{**known, "labels": tuple(known["labels"])})
        )
        model = cls(config, Alphabet.load(folder))
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()
