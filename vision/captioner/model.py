"""The model of a captioner: an image encoder, a decoder that looks at it, the pieces of words."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_positive, check_probability
from nlp.core import checkpoint
from nlp.core.attention import AttentionKind
from nlp.core.attentive_decoder import AttentiveDecoder, Reading
from nlp.core.device import choose_device
from nlp.core.encoder import Memory
from nlp.core.recipe import Loss
from nlp.core.recurrent import CellKind, dropout
from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import Texts
from vision.captioner.captioning import Caption, caption
from vision.captioner.concepts import Concepts
from vision.image_encoder import Grid, ImageEncoder
from vision.images import Preparation

KIND = "captioner"
NO_ATTENTION = "none"


@dataclass(frozen=True)
class Config:
    """What a captioner is built from. Dropouts are probabilities."""

    vocabulary_size: int
    backbone: str = "small"  # see `vision.backbone.build`
    preparation: Preparation = field(default_factory=Preparation)
    freeze_backbone: bool = False  # it learns nothing, its batch norms neither
    concepts: tuple[str, ...] = ()  # phrases that the encoder finds, see `captioner.concepts`
    context: int = 0  # how many times cells look at each other, see `image_encoder.Context`
    features: int = 256  # of each cell's state
    embedding_size: int = 256  # features of a piece's vector
    hidden_size: int = 256  # units of each layer of the decoder
    decoder_layers: int = 1
    cell: CellKind = "lstm"
    attention: str = "general"  # an AttentionKind, or none
    gate: bool = True  # scales what attention reads
    doubly_stochastic: float = 0.0  # lambda, see `doubly_stochastic`; without attention it is idle
    tied: bool = True  # the output layer's weights are the embedding's
    word_dropout: float = 0.0  # a piece's vector is hidden
    input_dropout: float = 0.1  # features of pieces
    dropout: float = 0.1  # on the cells' states, and between layers
    output_dropout: float = 0.1  # on what the output layer reads
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_positive(features=self.features, decoder_layers=self.decoder_layers)
        if self.attention not in (*get_args(AttentionKind), NO_ATTENTION):
            kinds = ", ".join(get_args(AttentionKind))
            raise UsageError(f"attention is {self.attention!r}: expected {kinds} or {NO_ATTENTION}")
        if not 0 <= self.doubly_stochastic < float("inf"):
            raise UsageError(f"doubly_stochastic is {self.doubly_stochastic}: expected 0 or more")
        names = ("word_dropout", "input_dropout", "dropout", "output_dropout", "label_smoothing")
        check_probability(**{name: getattr(self, name) for name in names})

    @classmethod
    def of(cls, known: dict[str, Any]) -> Config:
        """From what `dataclasses.asdict` made of it."""
        preparation = Preparation(**known["preparation"])
        concepts = tuple(known.get("concepts", ()))
        return cls(**{**known, "preparation": preparation, "concepts": concepts})


class CaptionBatch(NamedTuple):
    """Pictures and captions as numbers; a picture may have several."""

    pixels: Tensor  # [pictures, 3, size, size] float32, prepared
    picture: Tensor  # [rows]: the number of the picture that each caption is of
    inputs: Tensor  # [rows, time]: the start symbol, then the caption
    targets: Tensor  # [rows, time]: the caption, then the stop symbol
    mask: Tensor  # [rows, time] bool, True for a real target
    advantages: Tensor  # [rows] of captions that the model has drawn; [0] of true ones
    concepts: Tensor  # [pictures, concepts] bool, see `Concepts`; [0] where they are not learned

    def to(self, device: torch.device) -> CaptionBatch:
        return CaptionBatch(*(part.to(device) for part in self))


def doubly_stochastic(weights: Tensor, mask: Tensor) -> Tensor:
    """Of each text sum_i (1 - sum_t a_ti)^2, the penalty of Xu et al. (2015), equation 14: all of a
    picture is to be looked at, each cell about as much as any other.

    Args:
        weights: `[rows, time, positions]` of the attention.
        mask: `[rows, time]`, True for a real step.
    """
    looked = (weights * mask[..., None]).sum(1)
    return (1 - looked).square().sum(1)


class Captioner(nn.Module):
    """Image encoder and decoder with attention; and the texts they were made for."""

    def __init__(self, config: Config, texts: Texts) -> None:
        super().__init__()
        self.config, self.texts = config, texts
        self._copied: tuple[torch.dtype, Any, AttentiveDecoder] | None = None
        self.encoder = ImageEncoder(
            config.backbone,
            config.features,
            freeze=config.freeze_backbone,
            context=config.context,
        )
        seen, (rows, columns) = self.encoder.backbone.features, self.grid
        self.concepts = Concepts(seen, config.concepts, rows * columns) if config.concepts else None
        attentive = config.attention != NO_ATTENTION
        self.decoder = AttentiveDecoder(
            config.vocabulary_size,
            config.embedding_size,
            config.hidden_size,
            config.decoder_layers,
            config.cell,
            memory_size=config.features,
            summary_size=config.features,
            attention=config.attention if attentive else None,  # type: ignore[arg-type]
            gate=config.gate and attentive,
            tied=config.tied,
            input_dropout=config.input_dropout,
            dropout=config.dropout,
            output_dropout=config.output_dropout,
            word_dropout=config.word_dropout,
        )

    @property
    def device(self) -> torch.device:
        return self.decoder.embedding.device

    @property
    def preparation(self) -> Preparation:
        """How a picture is made ready."""
        return self.config.preparation

    @property
    def start_id(self) -> int:
        """The symbol before and after every caption."""
        return self.texts.target.end_of_text

    @property
    def grid(self) -> Grid:
        """Rows and columns of the cells that a picture is read in."""
        return self.encoder.grid(self.preparation.size)

    def batch(
        self,
        pixels: Tensor,
        captions: Sequence[Sequence[int]],
        picture: Sequence[int] | None = None,
        advantages: Sequence[float] = (),
        concepts: Tensor | None = None,
    ) -> CaptionBatch:
        """Prepared pictures `[pictures, 3, size, size]` and captions as ids, of the pictures with
        these numbers; None: one of each."""
        numbers = range(len(captions)) if picture is None else picture
        symbol = self.start_id
        lengths = torch.tensor([len(row) + 1 for row in captions])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        inputs, targets = torch.zeros(2, *mask.shape, dtype=torch.int64)
        inputs[mask] = torch.tensor([piece for row in captions for piece in (symbol, *row)])
        targets[mask] = torch.tensor([piece for row in captions for piece in (*row, symbol)])
        own = torch.tensor(list(numbers)), inputs, targets, mask
        known = torch.zeros(0, dtype=torch.bool) if concepts is None else concepts
        weights = torch.tensor(list(advantages), dtype=torch.float32)
        return CaptionBatch(pixels, *own, weights, known)

    def encode(self, pixels: Tensor) -> Memory:
        """Reads prepared pictures `[pictures, 3, size, size]`, whose states are `[pictures, cells,
        features]`, row by row of `grid`."""
        return self._placed(*self.encoder.look(pixels))

    def _placed(self, cells: Tensor, grid: Grid) -> Memory:
        memory = self.encoder.place_in(cells, grid)
        states = dropout(memory.states, self.config.dropout, self.training, locked=True)
        return memory._replace(states=states)

    def read(self, pixels: Tensor, dtype: torch.dtype = torch.float32) -> Reading:
        """Prepared pictures, ready to be captioned, with matrices multiplied in `dtype`."""
        with _multiplying_in(dtype, self.device):
            memory = self.encode(pixels.to(self.device))
        states, summary = memory.states.to(dtype), memory.summary.to(dtype)
        return Reading.of(self._decoder_in(dtype), Memory(states, summary, memory.mask))

    def _decoder_in(self, dtype: torch.dtype) -> AttentiveDecoder:
        """The decoder, or a copy of it whose weights are of another type; the same copy as long as
        the weights stay the same."""
        if self.decoder.embedding.dtype == dtype:
            return self.decoder
        version = [(id(part), part._version) for part in self.decoder.parameters()]
        if self._copied is None or self._copied[:2] != (dtype, version):
            # In a tuple, so that it is no part of this module.
            self._copied = dtype, version, copy.deepcopy(self.decoder).to(dtype).eval()
        return self._copied[2]

    def forward(self, batch: CaptionBatch) -> tuple[Tensor, Tensor | None]:
        """Logits `[rows, time, vocabulary]` given all true pieces before each, and the attention's
        weights `[rows, time, cells]`."""
        hidden, weights = self.decoder(batch.inputs, self.encode(batch.pixels), batch.picture)
        return self.decoder.logits(hidden), weights

    def loss(self, batch: CaptionBatch, carry: None = None) -> Loss:
        """Mean nats per piece of the captions, their ends included; while training smoothed, and
        with the doubly stochastic penalty of each caption and what the concepts of each picture
        cost as if they were nats of it.

        Of captions that the model has drawn, with their advantages: minus their log-probability
        times that, the gradient of which is that of the expected reward (Rennie et al. 2017).
        """
        mask, count = batch.mask, int(batch.mask.sum())
        cells, grid = self.encoder.look(batch.pixels)
        hidden, weights = self.decoder(batch.inputs, self._placed(cells, grid), batch.picture)
        targets = batch.targets[mask]
        if len(batch.advantages):
            logits = self.decoder.logits(hidden[mask]).float()
            advantages = batch.advantages[:, None].expand(mask.shape)[mask]
            nats = F.cross_entropy(logits, targets, reduction="none")
            return Loss((advantages * nats).mean(), count)
        smoothing = self.config.label_smoothing if self.training else 0.0
        mean = self.decoder.loss(hidden[mask], targets, smoothing)
        if self.training and weights is not None and self.config.doubly_stochastic:
            penalty = doubly_stochastic(weights.float(), mask).sum() / count
            mean = mean + self.config.doubly_stochastic * penalty
        if self.training and self.concepts is not None and len(batch.concepts):
            mean = mean + self.concepts.nats(cells, batch.concepts).sum() / count
        return Loss(mean, count)

    def caption(self, images: Iterable[Any], **options: Any) -> Iterator[Caption]:
        """The caption of each picture; the options are those of
        `vision.captioner.captioning.caption`."""
        return caption(self, images, **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json`, `model.safetensors` and `tokenizer.json`."""
        folder = Path(folder)
        self.save_texts(folder)
        checkpoint.save_weights(self, folder)

    def save_texts(self, folder: Path) -> None:
        """Writes what is known before any training."""
        self.texts.save(folder)
        fingerprint = self.texts.target.fingerprint
        checkpoint.save_config(folder, KIND, asdict(self.config), fingerprint)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Captioner:
        """The captioner in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, f"train-{KIND}")
        config, fingerprint = checkpoint.read_model_config(folder, KIND, Config.of)
        tokenizer = Tokenizer.load(folder / checkpoint.TOKENIZER, fingerprint=fingerprint)
        model = cls(config, Texts(tokenizer, tokenizer))
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()


def _multiplying_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
