"""The model of a translator: an encoder, a decoder that looks at it, and the pieces of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_choice, check_positive, check_probability
from nlp.core import checkpoint
from nlp.core.attention import AttentionKind
from nlp.core.attentive_decoder import AttentiveDecoder, Reading, new_embedding
from nlp.core.device import choose_device
from nlp.core.encoder import Encoder, Memory
from nlp.core.recipe import Loss
from nlp.core.recurrent import CellKind, keep_mask
from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import SOURCE_TOKENIZER, Normalization, Texts
from nlp.translator.translation import Translation, translate

KIND = "translator"
NO_ATTENTION = "none"


@dataclass(frozen=True)
class Config:
    """What a translator is built from. Dropouts are probabilities."""

    source_vocabulary_size: int
    target_vocabulary_size: int
    shared_vocabulary: bool = True  # one vocabulary and one embedding for both languages
    source_tokenizer: str | None = None  # its fingerprint, where the vocabulary is not shared
    embedding_size: int = 256  # features of a piece's vector
    hidden_size: int = 384  # units of each layer of the decoder, and of both directions together
    encoder_layers: int = 1
    decoder_layers: int = 2
    cell: CellKind = "lstm"
    bidirectional: bool = True
    attention: str = "general"  # an AttentionKind, or none
    input_feeding: bool = False
    coverage: bool = False
    reverse_source: bool = False  # read the source from its end (Sutskever et al. 2014)
    tied: bool = True  # the output layer's weights are the embedding's
    layer_norm: bool = False
    normalization: Normalization = "none"  # of Unicode, before a text is read
    target_form: Normalization = "none"  # of Unicode, in which translations are written
    word_dropout: float = 0.0  # a piece's vector is hidden
    input_dropout: float = 0.4  # features of pieces
    dropout: float = 0.4  # between layers, and on the encoder's states
    output_dropout: float = 0.4  # on what the output layer reads
    label_smoothing: float = 0.1
    scheduled_sampling: float = 0.0  # a true piece is replaced by the model's own

    def __post_init__(self) -> None:
        check_positive(
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
        )
        check_choice("cell", self.cell, CellKind)
        check_choice("normalization", self.normalization, Normalization)
        if self.attention not in (*get_args(AttentionKind), NO_ATTENTION):
            kinds = ", ".join(get_args(AttentionKind))
            raise UsageError(f"attention is {self.attention!r}: expected {kinds} or {NO_ATTENTION}")
        if self.attention == NO_ATTENTION and (self.input_feeding or self.coverage):
            raise UsageError("input feeding and coverage belong to attention: name its kind")
        if self.bidirectional and self.hidden_size % 2:
            raise UsageError(
                f"hidden_size is {self.hidden_size}: two directions share it, so make it even"
            )
        names = ("word_dropout", "input_dropout", "dropout", "output_dropout", "label_smoothing")
        check_probability(**{name: getattr(self, name) for name in names})
        check_probability(scheduled_sampling=self.scheduled_sampling)


class TranslatorBatch(NamedTuple):
    """Pairs of sentences as numbers."""

    source: Tensor  # [batch, positions]
    source_mask: Tensor  # [batch, positions] bool, True for a real piece
    inputs: Tensor  # [batch, time]: the start symbol, then the target
    targets: Tensor  # [batch, time]: the target, then the stop symbol
    target_mask: Tensor  # [batch, time] bool

    def to(self, device: torch.device) -> TranslatorBatch:
        return TranslatorBatch(*(part.to(device) for part in self))


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of ids, none empty: `[batch, time]`, and a mask that is True where they are real."""
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.zeros(mask.shape, dtype=torch.int64)
    ids[mask] = torch.tensor([piece for row in rows for piece in row])
    return ids, mask


class Translator(nn.Module):
    """Embedding, encoder, decoder with attention; and the texts they were made for."""

    def __init__(self, config: Config, texts: Texts) -> None:
        super().__init__()
        self.config, self.texts = config, texts
        self._copied: tuple[torch.dtype, Any, Translator] | None = None
        size = config.embedding_size
        self.embedding = None  # of the source's pieces, where the decoder's is not theirs too
        if not config.shared_vocabulary:
            self.embedding = new_embedding(config.source_vocabulary_size, size)
        directions = 2 if config.bidirectional else 1
        self.encoder = Encoder(
            config.cell,
            size,
            config.hidden_size // directions,
            config.encoder_layers,
            bidirectional=config.bidirectional,
            input_dropout=config.input_dropout,
            dropout=config.dropout,
            output_dropout=config.dropout,
        )
        self.norm = nn.LayerNorm(self.encoder.features) if config.layer_norm else nn.Identity()
        self.decoder = AttentiveDecoder(
            config.target_vocabulary_size,
            size,
            config.hidden_size,
            config.decoder_layers,
            config.cell,
            memory_size=self.encoder.features,
            summary_size=self.encoder.features,
            attention=None if config.attention == NO_ATTENTION else config.attention,  # type: ignore[arg-type]
            input_feeding=config.input_feeding,
            coverage=config.coverage,
            tied=config.tied,
            layer_norm=config.layer_norm,
            input_dropout=config.input_dropout,
            dropout=config.dropout,
            output_dropout=config.output_dropout,
            word_dropout=config.word_dropout,
        )

    @property
    def device(self) -> torch.device:
        return self.decoder.embedding.device

    @property
    def source_embedding(self) -> Tensor:
        """Vectors of the source's pieces, `[source vocabulary, embedding_size]`."""
        return self.decoder.embedding if self.embedding is None else self.embedding

    @property
    def start_id(self) -> int:
        """The symbol before and after every sentence."""
        return self.texts.target.end_of_text

    @property
    def reverses(self) -> bool:
        """Whether sources are read from their end."""
        return self.config.reverse_source

    def batch(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]] = ()
    ) -> TranslatorBatch:
        """Sentences as ids, of one or more sources each; the targets may be empty sentences."""
        symbol = self.start_id
        read = [row[::-1] for row in sources] if self.reverses else sources
        whole, mask = padded([[symbol, *row, symbol] for row in targets or [[]] * len(sources)])
        return TranslatorBatch(*padded(read), whole[:, :-1], whole[:, 1:], mask[:, 1:])

    def encode(self, source: Tensor, mask: Tensor) -> Memory:
        """Reads sources, both `[batch, positions]`."""
        vectors = F.embedding(source, self.source_embedding)
        if self.training and self.config.word_dropout:
            vectors = vectors * keep_mask(vectors, (*source.shape, 1), self.config.word_dropout)
        memory = self.encoder(vectors, mask)
        return memory._replace(states=self.norm(memory.states))

    def read(self, sources: Sequence[Sequence[int]]) -> Reading:
        """Sources as ids, ready to be translated."""
        batch = self.batch(sources)
        return Reading.of(
            self.decoder,
            self.encode(batch.source.to(self.device), batch.source_mask.to(self.device)),
        )

    def to_search_in(self, dtype: torch.dtype) -> Translator:
        """This model, or a copy of it whose weights are of another type; the same copy as long as
        the weights stay the same."""
        if self.decoder.embedding.dtype == dtype:
            return self
        version = [(id(part), part._version) for part in self.parameters()]
        if self._copied is None or self._copied[:2] != (dtype, version):
            with torch.random.fork_rng(devices=[]):  # a new model is random at first
                copied = Translator(self.config, self.texts)
            copied.load_state_dict(self.state_dict())
            # In a tuple, so that it is no part of this module.
            self._copied = dtype, version, copied.to(self.device, dtype).eval()
        return self._copied[2]

    def forward(self, batch: TranslatorBatch) -> tuple[Tensor, Tensor | None]:
        """Logits `[batch, time, target vocabulary]` given all true pieces before each, and the
        attention's weights `[batch, time, positions]`."""
        memory = self.encode(batch.source, batch.source_mask)
        hidden, weights = self.decoder(batch.inputs, memory)
        return self.decoder.logits(hidden), weights

    def loss(self, batch: TranslatorBatch, carry: None = None) -> Loss:
        """Mean nats per piece of the target, its end included; smoothed while training."""
        memory = self.encode(batch.source, batch.source_mask)
        inputs, mask = batch.inputs, batch.target_mask
        if self.training and self.config.scheduled_sampling:
            inputs = self._own(inputs, memory)
        hidden = self.decoder(inputs, memory).hidden[mask]
        smoothing = self.config.label_smoothing if self.training else 0.0
        return Loss(self.decoder.loss(hidden, batch.targets[mask], smoothing), len(hidden))

    @torch.no_grad()
    def _own(self, inputs: Tensor, memory: Memory) -> Tensor:
        """Inputs, of which some are what the model would have written there.

        Scheduled sampling (Bengio et al. 2015) in two passes over whole sentences (Mihaylova and
        Martins 2019), for which no step needs the one before it.
        """
        guesses = self.decoder.logits(self.decoder(inputs, memory).hidden).argmax(2)
        own = torch.cat([inputs[:, :1], guesses[:, :-1]], 1)
        chance = torch.rand(inputs.shape, device=inputs.device)
        taken = chance < self.config.scheduled_sampling
        taken[:, 0] = False
        return torch.where(taken, own, inputs)

    def translate(self, texts: Iterable[str], **options: Any) -> Iterator[Translation]:
        """The translation of each text; the options are those of
        `nlp.translator.translation.translate`."""
        return translate(self, texts, **options)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json`, `model.safetensors`, `tokenizer.json` and,
        where the source is spelled in other pieces, `source-tokenizer.json`."""
        folder = Path(folder)
        self.save_texts(folder)
        checkpoint.save_weights(self, folder)

    def save_texts(self, folder: Path) -> None:
        """Writes what is known before any training."""
        self.texts.save(folder)
        fingerprint = self.texts.target.fingerprint
        checkpoint.save_config(folder, KIND, asdict(self.config), fingerprint)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Translator:
        """The translator in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, f"train-{KIND}")
        config, fingerprint = checkpoint.read_model_config(
            folder, KIND, lambda known: Config(**known)
        )
        target = Tokenizer.load(folder / checkpoint.TOKENIZER, fingerprint=fingerprint)
        source = target
        own, known = folder / SOURCE_TOKENIZER, config.source_tokenizer
        if known is not None or (not config.shared_vocabulary and own.is_file()):
            source = Tokenizer.load(own, fingerprint=known)
        model = cls(config, Texts(source, target, config.normalization, config.target_form))
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()
