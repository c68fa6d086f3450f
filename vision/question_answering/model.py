"""The model: a picture's memory, a question's words, looks at the one for the other; answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_choice, check_positive, check_probability
from nlp.core import checkpoint
from nlp.core.alphabet import Alphabet, Words
from nlp.core.attention import Attention, AttentionKind
from nlp.core.device import choose_device
from nlp.core.encoder import Encoder
from nlp.core.pooling import Pool
from nlp.core.recipe import Loss
from nlp.core.recurrent import CellKind
from nlp.core.word_features import WordFeatures
from vision.image_encoder import Grid, ImageEncoder
from vision.images import Preparation
from vision.question_answering.answering import Answer, answer

KIND = "vqa"
WORD_SCALE = 0.5  # of a learned vector's features, when it begins


@dataclass(frozen=True)
class Config:
    """What a model is built from. Dropouts are probabilities."""

    answers: tuple[str, ...]  # that it tells apart, normalized
    words: int  # learned vectors of words
    given: int = 1  # vectors from a file
    given_size: int = 0
    trained: int = 0  # of those, how many learn on
    word_size: int = 100  # features of a learned vector; 0 for none
    cell: CellKind = "lstm"
    hidden_size: int = 64  # units of each layer and direction that reads questions
    layers: int = 1
    backbone: str = "small"  # see vision.backbone.build
    freeze_backbone: bool = False
    preparation: Preparation = field(default_factory=Preparation)  # of pictures
    features: int = 128  # of a position's state, and of what is sought
    looks: int = 2  # at the picture, each knowing what the one before saw
    attention: AttentionKind = "additive"
    word_dropout: float = 0.02  # a word becomes an unknown one
    input_dropout: float = 0.1  # features of words
    dropout: float = 0.1  # between layers
    output_dropout: float = 0.2  # of what the answer is told from

    def __post_init__(self) -> None:
        check_positive(
            hidden_size=self.hidden_size,
            layers=self.layers,
            features=self.features,
            looks=self.looks,
        )
        check_choice("cell", self.cell, CellKind)
        check_choice("attention", self.attention, AttentionKind)
        names = ("word_dropout", "input_dropout", "dropout", "output_dropout")
        check_probability(**{name: getattr(self, name) for name in names})
        if len(self.answers) < 2:
            raise UsageError("there are not two answers to tell apart")

    @classmethod
    def of(cls, known: dict[str, Any]) -> Config:
        """That of a `config.json`."""
        return cls(
            **{
                **known,
                "answers": tuple(known["answers"]),
                "preparation": Preparation(**known["preparation"]),
            }
        )


class QuestionBatch(NamedTuple):
    """Questions as numbers, and the pictures that they ask: several may ask the same one."""

    pixels: Tensor  # [pictures, 3, size, size]
    picture: Tensor  # [questions] int64: which of them each asks
    words: Tensor  # [types], and so on: see nlp.core.alphabet.Words
    given: Tensor
    shapes: Tensor
    letters: Tensor
    place: Tensor  # [questions, time]
    mask: Tensor  # [questions, time] bool
    answers: Tensor  # [questions, answers]: the share of people who gave each

    def to(self, device: torch.device) -> QuestionBatch:
        return QuestionBatch(*(part.to(device) for part in self))


class Looked(NamedTuple):
    """What became of a batch."""

    logits: Tensor  # [questions, answers], in nats
    weights: Tensor  # [questions, looks, positions], each look's sum to 1
    grid: Grid  # rows and columns that the positions are


class Question(nn.Module):
    """A question's words as one vector: where each direction ended, and the most that any word has
    of each feature, in which single words are not lost."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.features = WordFeatures(
            words=config.words,
            word_size=config.word_size,
            given=config.given,
            given_size=config.given_size,
            trained=config.trained,
            characters=1,
            character_size=0,
            spelling="none",
            shape_size=0,
            word_dropout=config.word_dropout,
        )
        if self.features.words is not None:  # of short ones little is learned for long
            nn.init.normal_(self.features.words.weight, std=WORD_SCALE)
        self.encoder = Encoder(
            config.cell,
            self.features.size,
            config.hidden_size,
            config.layers,
            input_dropout=config.input_dropout,
            dropout=config.dropout,
        )
        self.pool = Pool("max", self.encoder.features)
        self.output = nn.Linear(2 * self.encoder.features, config.features)

    def forward(self, batch: QuestionBatch) -> Tensor:
        """`[questions, features]`."""
        memory = self.encoder(self.features(Words(*batch[2:7])), batch.mask)
        read: Tensor = self.output(torch.cat([memory.summary, self.pool(memory).vector], 1))
        return read


class Match(nn.Module):
    """What each cell of a picture is to a question: products of their features, by which it is
    seen whether a cell has what is asked for (Kim et al. 2017), weighed against how much is."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.sought, self.shown = nn.Linear(features, features), nn.Linear(features, features)
        self.both, self.asked = nn.Linear(features, features), nn.Linear(features, features)
        self.output, self.norm = nn.Linear(features, features), nn.LayerNorm(features)

    def forward(self, states: Tensor, picture: Tensor, question: Tensor) -> Tensor:
        """States `[pictures, positions, features]`, each question's picture and the questions
        `[questions, features]` to states of each `[questions, positions, features]`."""
        shown = self.shown(states)[picture] * self.sought(question)[:, None]
        matched = (self.both(shown) + self.asked(question)[:, None]).relu()
        together: Tensor = self.norm(states[picture] + self.output(matched))
        return together


class Answerer(nn.Module):
    """A picture's cells matched with a question, then looks at them one after the other (stacked
    attention, Yang et al. 2016); and what all cells have in all and at most, since a look, whose
    weights always sum to 1, cannot count."""

    temperature: Tensor

    def __init__(self, config: Config, alphabet: Alphabet) -> None:
        super().__init__()
        self.config, self.alphabet = config, alphabet
        self.number = {answer: number for number, answer in enumerate(config.answers)}
        features, looks = config.features, config.looks
        self.images = ImageEncoder(config.backbone, features, freeze=config.freeze_backbone)
        self.question, self.match = Question(config), Match(features)
        self.attentions = nn.ModuleList(
            Attention(config.attention, features, features) for _ in range(looks)
        )
        self.asking = nn.ModuleList(nn.Linear(2 * features, features) for _ in range(looks))
        self.counted, self.norm = nn.Linear(features, features), nn.LayerNorm(features)
        self.hidden = nn.Linear((looks + 3) * features, 2 * features)
        self.output = nn.Linear(2 * features, len(config.answers))
        self.register_buffer("temperature", torch.ones(()))

    @property
    def device(self) -> torch.device:
        return self.output.bias.device

    def forward(self, batch: QuestionBatch) -> Looked:
        """Logits of the answers, and where it looked for them."""
        memory, grid = self.images(batch.pixels)
        question = self.question(batch)
        states = self.match(memory.states, batch.picture, question)
        mask = memory.mask[batch.picture]
        read, weights, seen = [question], [], torch.zeros_like(question)
        for attention, asking in zip(self.attentions, self.asking, strict=True):
            assert isinstance(attention, Attention)
            query = asking(torch.cat([question, seen], 1))
            context, look = attention(query[:, None], attention.keys(states, mask))
            seen = context.squeeze(1)
            read.append(seen)
            weights.append(look)
        counted = self.counted(states).relu()
        in_all = self.norm(counted.sum(1) / counted.shape[1] ** 0.5)
        vector = self.hidden(torch.cat([*read, in_all, counted.amax(1)], 1)).relu()
        vector = F.dropout(vector, self.config.output_dropout, self.training)
        return Looked(self.output(vector), torch.cat(weights, 1), grid)

    def loss(self, batch: QuestionBatch, carry: None = None) -> Loss:
        """Mean nats a question of the answers that people gave."""
        return Loss(nats(self(batch).logits.float(), batch.answers).mean(), len(batch.picture))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of each answer, calibrated: `[questions, answers]`."""
        return (logits.float() / self.temperature.to(logits.device)).softmax(1)

    def batch(
        self,
        pixels: Tensor,
        picture: Sequence[int],
        questions: Sequence[Sequence[str]],
        answers: Sequence[Sequence[str]] = (),
    ) -> QuestionBatch:
        """Questions as numbers.

        Args:
            pixels: `[pictures, 3, size, size]`, prepared.
            picture: which of them each question asks.
            questions: words, one or more of each.
            answers: normalized, those of every person; such as are no class count for nothing.
        """
        lengths = torch.tensor([len(words) for words in questions])
        time = int(lengths.max())
        targets = torch.zeros(len(questions), len(self.number))
        for row, given in enumerate(answers):
            for one in given:
                if one in self.number:
                    targets[row, self.number[one]] += 1 / len(given)
        return QuestionBatch(
            pixels,
            torch.tensor(picture),
            *self.alphabet.numbers(questions, time),
            mask=torch.arange(time) < lengths[:, None],
            answers=targets,
        )

    def answer(
        self, images: Iterable[Any], questions: Iterable[str], **options: Any
    ) -> Iterator[Answer]:
        """The answer to each question about its picture; the options are those of
        `vision.question_answering.answering.answer`."""
        return answer(self, images, questions, **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json`, `model.safetensors`, `lexicon.json`."""
        self.save_config(Path(folder))
        checkpoint.save_weights(self, Path(folder))

    def save_config(self, folder: Path) -> None:
        """Of these all but the weights."""
        self.alphabet.save(folder)
        checkpoint.save_config(folder, KIND, asdict(self.config), None)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Answerer:
        """The model in a folder, or in a repository of the Hugging Face Hub, ready to be asked.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, f"train-{KIND}")
        config, _ = checkpoint.read_model_config(folder, KIND, Config.of)
        model = cls(config, Alphabet.load(folder))
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()


def nats(logits: Tensor, targets: Tensor) -> Tensor:
    """- log P of the answers that people gave, `[questions]`, each by the share who gave it."""
    return -(targets * logits.log_softmax(1)).sum(1)
