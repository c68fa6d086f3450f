"""The tagger itself: vectors of words, an encoder, a CRF; sentences in, entities out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from corpora.errors import UsageError, check_choice, check_positive, check_probability
from corpora.schemes import Scheme, Span, is_allowed, tag_set, to_tags
from corpora.tagged import Sentence
from nlp.core import checkpoint
from nlp.core.alphabet import Alphabet, Words
from nlp.core.batching import of_like_length
from nlp.core.contextual import Reader
from nlp.core.crf import Allowed, LinearChainCRF
from nlp.core.device import choose_device
from nlp.core.encoder import Encoder
from nlp.core.recipe import Loss
from nlp.core.recurrent import CellKind
from nlp.core.tags.calibration import fit_temperature
from nlp.core.tags.entities import Entity, TaggedText
from nlp.core.tags.finding import Found, best_threshold, candidates, choose
from nlp.core.tokenizer import Tokenizer
from nlp.core.tokens.word_splitter import words_of
from nlp.core.word_features import Spelling, WordFeatures

KIND = "tagger"
SCHEME: Scheme = "IOBES"  # within the model; data may be in any
AT_ONCE = 512  # sentences that are sorted by length before they are tagged


@dataclass(frozen=True)
class Config:
    """What a tagger is built from. Dropouts are probabilities."""

    labels: tuple[str, ...]  # kinds of entities
    words: int  # learned vectors of words
    characters: int  # learned vectors of characters
    given: int = 1  # vectors from a file
    given_size: int = 0
    trained: int = 0  # of those, how many learn on
    word_size: int = 50  # features of a learned vector; 0 for none
    character_size: int = 50  # features of a word's spelling, of each kind
    spelling: Spelling = "both"
    shape_size: int = 16
    readers: tuple[Mapping[str, Any], ...] = ()  # configurations of language models
    cell: CellKind = "lstm"
    hidden_size: int = 200  # units of each layer and direction
    layers: int = 1
    bidirectional: bool = True
    crf: bool = True  # without it each tag is chosen for itself
    word_dropout: float = 0.5  # a word becomes an unknown one
    input_dropout: float = 0.25  # features of words
    dropout: float = 0.3  # between layers
    output_dropout: float = 0.25  # states

    def __post_init__(self) -> None:
        check_positive(hidden_size=self.hidden_size, layers=self.layers)
        check_choice("cell", self.cell, CellKind)
        check_choice("spelling", self.spelling, Spelling)
        names = ("word_dropout", "input_dropout", "dropout", "output_dropout")
        check_probability(**{name: getattr(self, name) for name in names})
        if not self.labels:
            raise UsageError("the training data names no entity: there is nothing to learn")


class TaggerBatch(NamedTuple):
    """Sentences as numbers."""

    words: Tensor  # [types], and so on: see nlp.core.word_features.Words
    given: Tensor
    shapes: Tensor
    letters: Tensor  # [types, characters]
    place: Tensor  # [batch, time]
    context: Tensor  # [batch, time, features of the language models]
    mask: Tensor  # [batch, time] bool
    tags: Tensor  # [batch, time]; 0 at padding, and where they are to be found

    def to(self, device: torch.device) -> TaggerBatch:
        return TaggerBatch(*(part.to(device) for part in self))


class Tagger(nn.Module):
    """Vectors of words, an encoder, a CRF."""

    temperature: Tensor  # []; makes confidences what they say
    threshold: Tensor  # []: what is surer is an entity

    def __init__(self, config: Config, alphabet: Alphabet, readers: Sequence[Reader] = ()) -> None:
        super().__init__()
        self.config, self.alphabet = config, alphabet
        self.tags = tag_set(config.labels, SCHEME)
        self.number = {tag: number for number, tag in enumerate(self.tags)}
        self.readers = nn.ModuleList(readers)
        self.features = WordFeatures.of(asdict(config))
        self.encoder = Encoder(
            config.cell,
            self.features.size + sum(reader.size for reader in readers),
            config.hidden_size,
            config.layers,
            bidirectional=config.bidirectional,
            input_dropout=config.input_dropout,
            dropout=config.dropout,
            output_dropout=config.output_dropout,
        )
        self.output = nn.Linear(self.encoder.features, len(self.tags))
        self.crf = LinearChainCRF(
            len(self.tags), allowed=_allowed(self.tags) if config.crf else None, learned=config.crf
        )
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("threshold", torch.tensor(0.5))

    @property
    def device(self) -> torch.device:
        return self.output.bias.device

    def _readers(self) -> list[Reader]:
        return list(self.readers)  # type: ignore[arg-type]

    def batch(
        self,
        sentences: Sequence[Sequence[str]],
        spans: Sequence[Sequence[Span]] | None = None,
        context: Tensor | None = None,
    ) -> TaggerBatch:
        """Sentences of words, each of one or more, as numbers; `context` where it is known."""
        lengths = torch.tensor([len(sentence) for sentence in sentences])
        time = int(lengths.max())
        tags = torch.zeros(len(sentences), time, dtype=torch.int64)
        for row, found in enumerate(spans or ()):
            named = to_tags(found, len(sentences[row]), SCHEME)
            tags[row, : len(named)] = torch.tensor([self.number[tag] for tag in named])
        return TaggerBatch(
            *self.alphabet.numbers(sentences, time),
            context=self.context(sentences) if context is None else context,
            mask=torch.arange(time) < lengths[:, None],
            tags=tags,
        )

    def context(self, sentences: Sequence[Sequence[str]]) -> Tensor:
        """What the language models make of words: `[batch, time, features]`."""
        if not self.readers:
            return torch.zeros(len(sentences), max(map(len, sentences)), 0)
        return torch.cat([reader(sentences) for reader in self._readers()], dim=2)

    def forward(self, batch: TaggerBatch) -> Tensor:
        """Emissions `[batch, time, tags]`, in nats."""
        vectors = self.features(Words(*batch[:5]))
        if batch.context.shape[2]:
            vectors = torch.cat([vectors, batch.context.to(vectors.dtype)], dim=2)
        return self.output(self.encoder(vectors, batch.mask).states)

    def loss(self, batch: TaggerBatch, carry: None = None) -> Loss:
        """Mean nats per word of the right sequence of tags."""
        emissions = self(batch).float()
        mean = self.crf.loss(emissions, batch.tags, batch.mask)
        return Loss(mean, int(batch.mask.sum()))

    def tag(
        self,
        texts: Iterable[str],
        *,
        min_confidence: float | None = None,
        second_choices: bool = False,
        batch_size: int = 32,
    ) -> Iterator[TaggedText]:
        """The entities of each text, with their places in it; each line is read for itself.

        Args:
            min_confidence: what is less sure than this is no entity; None takes the threshold with
                the best F1 on the validation data.
            second_choices: also what is less sure than that, or than an entity that it overlaps;
                such have `rank` 1. For finding much, rather than only what is sure.
        """
        texts = iter(texts)
        while window := list(itertools.islice(texts, AT_ONCE)):
            ranges = [words_of(text) for text in window]
            lines = [_lines(text, words) for text, words in zip(window, ranges, strict=True)]
            found = self.tag_words(
                (
                    [text[begin:end] for begin, end in line]
                    for text, own in zip(window, lines, strict=True)
                    for line in own
                ),
                min_confidence=min_confidence,
                second_choices=second_choices,
                batch_size=batch_size,
            )
            for text, words, own in zip(window, ranges, lines, strict=True):
                entities, before = [], 0
                for line in own:
                    for span, confidence, rank in next(found):
                        start, end = line[span.start][0], line[span.end - 1][1]
                        first, last = before + span.start, before + span.end
                        entity = text[start:end], start, end, confidence, first, last, rank
                        entities.append(Entity(span.label, *entity))
                    before += len(line)
                yield TaggedText(text, tuple(words), tuple(entities))

    @torch.no_grad()
    def calibrate(self, sentences: Sequence[Sentence]) -> None:
        """Sets the temperature under which these sentences' own tags are likeliest, and the
        confidence from which on a candidate is an entity, by F1."""
        self.eval()
        read = []
        for rows in of_like_length([len(s.words) for s in sentences], 32):
            own = [sentences[row] for row in rows]
            batch = self.batch([s.words for s in own], [self.known(s.spans) for s in own])
            batch = batch.to(self.device)
            read.append((self(batch).float(), batch, [s.spans for s in own]))

        def log_likelihood(temperature: float) -> float:
            total = 0.0
            for emissions, batch, _ in read:
                marginals = self.crf.marginals(emissions, batch.mask, temperature)
                scores = self.crf.score(emissions, batch.tags, batch.mask) / temperature
                total += float((scores - marginals.log_partition).sum())
            return total

        self.temperature.fill_(fit_temperature(log_likelihood))
        gold = [spans for _, _, own in read for spans in own]
        found = [self.candidates(emissions, batch.mask) for emissions, batch, _ in read]
        self.threshold.fill_(best_threshold(gold, list(itertools.chain(*found))))

    def candidates(self, emissions: Tensor, mask: Tensor) -> list[list[Found]]:
        """All that may be entities in a batch, surest first; see `nlp.core.tags.finding`."""
        temperature = float(self.temperature)
        return candidates(self.crf, self.tags, emissions, mask, temperature=temperature)

    def known(self, spans: Sequence[Span]) -> list[Span]:
        """Those of a kind that the tagger has learned."""
        return [span for span in spans if span.label in self.config.labels]

    @torch.no_grad()
    def tag_words(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        min_confidence: float | None = None,
        second_choices: bool = False,
        batch_size: int = 32,
    ) -> Iterator[list[Found]]:
        """The entities of sentences of words, in the order of both; see `tag`."""
        self.eval()
        threshold = float(self.threshold) if min_confidence is None else min_confidence
        sentences = iter(sentences)
        while window := list(itertools.islice(sentences, AT_ONCE)):
            found: dict[int, list[Found]] = {}
            real = [number for number, sentence in enumerate(window) if sentence]
            for rows in of_like_length([len(window[n]) for n in real], batch_size):
                numbers = [real[row] for row in rows]
                batch = self.batch([window[number] for number in numbers]).to(self.device)
                for number, own in zip(
                    numbers, self.candidates(self(batch).float(), batch.mask), strict=True
                ):
                    found[number] = choose(own, threshold, second_choices=second_choices)
            yield from (found.get(number, []) for number in range(len(window)))

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json`, `model.safetensors`, `lexicon.json`, and the
        tokenizers of its language models."""
        folder = Path(folder)
        self.save_words(folder)
        checkpoint.save_config(folder, KIND, asdict(self.config), None)
        checkpoint.save_weights(self, folder)

    def save_words(self, folder: Path) -> None:
        """Writes what is known before any training."""
        self.alphabet.save(folder)
        for number, reader in enumerate(self._readers()):
            reader.tokenizer.save(folder / _reader_file(number))

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> Tagger:
        """The tagger in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, f"train-{KIND}")
        config, _ = checkpoint.read_model_config(
            folder, KIND, lambda known: Config(**{**known, "labels": tuple(known["labels"])})
        )
        readers = [
            Reader(reader, Tokenizer.load(folder / _reader_file(number)))
            for number, reader in enumerate(config.readers)
        ]
        model = cls(config, Alphabet.load(folder), readers)
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()


def _reader_file(number: int) -> str:
    return f"reader-{number}.tokenizer.json"


def _lines(text: str, words: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """The words of each line that has some."""
    lines: list[list[tuple[int, int]]] = []
    before = None
    for begin, end in words:
        if before is None or "\n" in text[before:begin]:
            lines.append([])
        lines[-1].append((begin, end))
        before = end
    return lines


def _allowed(tags: Sequence[str]) -> Allowed:
    def bools(pairs: Iterable[tuple[str | None, str | None]]) -> Tensor:
        return torch.tensor([is_allowed(before, after, SCHEME) for before, after in pairs])

    return Allowed(
        bools((None, tag) for tag in tags),
        torch.stack([bools((before, after) for after in tags) for before in tags]),
        bools((tag, None) for tag in tags),
    )
