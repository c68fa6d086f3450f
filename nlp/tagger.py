"""Taggers: which words of a text name something, and how sure that is.

    words     Hermione   Granger    reads           vectors of words, letters and shapes, and of
                 │          │         │             language models where there are any
    encoder   ◄─ h1 ─►   ◄─ h2 ─►  ◄─ h3 ─►         reads in both directions
                 │          │         │
    CRF       B-person ─ E-person ──  O             the best whole sequence, and its probability

A bidirectional LSTM under a CRF (Huang, Xu and Yu 2015) that reads letters (Lample et al. 2016; Ma
and Hovy 2016) and the states of language models (Akbik et al. 2018). An entity's confidence is the
marginal probability that all its words have its tags (Culotta and McCallum 2004), after a
temperature fitted on the validation part (Guo et al. 2017).

    from nlp.tagger import Tagger, train

    train("entities.conll", output="my-tagger")
    tagger = Tagger.from_pretrained("my-tagger")
    for entity in next(tagger.tag(["Hermione Granger reads."])).entities:
        print(entity.text, entity.label, entity.confidence)
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from corpora.annotated_splits import Parts, divide
from corpora.errors import UsageError, check_choice, check_positive, check_probability
from corpora.reader import Source
from corpora.schemes import Scheme, Span, is_allowed, tag_set, to_spans, to_tags
from corpora.tagged import Sentence, read_tagged
from nlp.core import checkpoint, curves
from nlp.core.alphabet import Alphabet, Words
from nlp.core.batching import Buckets
from nlp.core.contextual import Reader
from nlp.core.crf import Allowed, LinearChainCRF
from nlp.core.device import Precision, choose_device
from nlp.core.encoder import Encoder
from nlp.core.events import Event, Remark
from nlp.core.model_card import write_card
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Loss, Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run_folder import RunFolder
from nlp.core.tags.calibration import draw_reliability, fit_temperature, reliability
from nlp.core.tags.entities import Entity, TaggedText
from nlp.core.tags.entity_scores import score_entities
from nlp.core.tags.finding import Found, best_threshold, candidates, choose, probabilities
from nlp.core.tags.tag_evaluation import RESULT_COLUMNS, TagEvaluation, judge
from nlp.core.tokenizer import Tokenizer
from nlp.core.tokens.word_splitter import words_of
from nlp.core.training import Measured, Outcome, fit
from nlp.core.word_features import KnownWords, Spelling, WordFeatures

KIND = "tagger"
RELIABILITY = "reliability.png"
SAMPLE = "generated-people"
SCHEME: Scheme = "IOBES"  # within the model; data may be in any
AT_ONCE = 512  # sentences that are sorted by length before they are tagged
READING = ("format", "separator", "word_column", "tag_column", "scheme", "encoding_errors")


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
        for rows in self._rows([sentence.words for sentence in sentences], 32):
            own = [sentences[row] for row in rows]
            batch = self.batch([s.words for s in own], [self._known(s.spans) for s in own])
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

    def _known(self, spans: Sequence[Span]) -> list[Span]:
        """Those of a kind that the tagger has learned."""
        return [span for span in spans if span.label in self.config.labels]

    @staticmethod
    def _rows(sentences: Sequence[Sequence[str]], batch_size: int) -> Iterator[list[int]]:
        """The numbers of sentences that are read together."""
        lengths = [len(sentence) for sentence in sentences]
        return Buckets(lengths, batch_size, lambda rows: rows).epoch(0)

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
            for rows in self._rows([window[number] for number in real], batch_size):
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
        settings, _ = checkpoint.read_config(folder, KIND)
        try:
            config = Config(**{**settings, "labels": tuple(settings["labels"])})
        except (TypeError, ValueError, KeyError) as error:
            raise UsageError(f"{folder / checkpoint.CONFIG} is damaged: {error}") from error
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


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Tagger
    outcome: Outcome
    test: TagEvaluation | None  # on the test part


def train(
    data: Source | None = None,
    *,
    output: str | Path = "tagger",
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    format: str = "auto",
    separator: str | None = None,
    word_column: int | None = None,
    tag_column: int | None = None,
    scheme: str = "auto",
    encoding_errors: str = "strict",
    embedding: str | Path | None = None,
    freeze_embedding: bool = True,
    language_models: Sequence[str | Path] = (),
    word_size: int = 50,
    min_count: int = 1,
    spelling: Spelling = "both",
    character_size: int = 50,
    shape_size: int = 16,
    cell: CellKind = "lstm",
    layers: int = 1,
    hidden_size: int = 200,
    bidirectional: bool = True,
    crf: bool = True,
    word_dropout: float = 0.5,
    input_dropout: float = 0.25,
    dropout: float = 0.3,
    output_dropout: float = 0.25,
    epochs: float = 20,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 16,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 3e-3,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 100,
    weight_decay: float = 0.01,
    clip_norm: float = 5.0,
    accumulate: int = 1,
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
    """Trains a tagger on annotated text and leaves it in the folder `output`.

    The model that finds the entities of the validation part best is kept, by F1.

    Args:
        data, format ... encoding_errors: what to read, see `corpora.tagged.read_tagged`; None is
            the bundled generated sample.
        validation, test: fractions of the data, or sources of their own; a test of 0 is none.
        embedding: word vectors, a file or folder that `nlp.core.words.vector_formats.load` reads,
            beside those that are learned.
        freeze_embedding: leave them as they are; else those of the training text's words learn on.
        language_models: folders of language models of characters, whose states at each word are
            read too; best one of each direction, see `nlp.language_model.train`.
        word_size, min_count: of the learned vectors, for words that occur so often; a size of 0 is
            none. The other sizes and dropouts are `Config`'s.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
        plot: draws the loss curves and the reliability of confidences into the folder, which
            takes the `plots` extra.
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
    # Everything that can be refused is refused before the folder is touched.
    Recipe.of(arguments, batches=1)
    _config(arguments, labels=("any",), words=1, characters=1)
    check_positive(batch_size=batch_size, min_count=min_count)
    choose_device(device)
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
    source = SAMPLE if arguments["data"] is None else arguments["data"]
    parts = divide(
        source,
        arguments["validation"],
        arguments["test"],
        read=lambda place, split: _read(place, split, names),
        groups=_documents,
    )
    for text in [*dict.fromkeys(parts.remarks), _counted(parts)]:
        report(Remark(text))
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        model = _build(parts.train, arguments, report)
    if resume:
        model.alphabet.check_same(folder.path)
    model.save_words(folder.path)
    checkpoint.save_config(folder.path, KIND, asdict(model.config), None)
    where = choose_device(arguments["device"])
    report(Remark(f"a tagger of {checkpoint.parameter_count(model):,} parameters, on {where}"))
    model.to(where)
    batches = _batches(model, parts.train, arguments["batch_size"], arguments["seed"])
    held_out = _batches(model, parts.validation, 32, None)
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=folder.path,
        evaluate=lambda: _measure(model, held_out),
        report=report,
        resume=resume and folder.has_state(),
    )
    result = None
    if outcome.ended != "interrupted":
        model.calibrate(parts.validation)
        checkpoint.save_weights(model, folder.path)
        if parts.test:
            result = _evaluate(model, parts.test)
    if arguments["plot"]:
        curves.draw(folder.path)
        if result is not None:
            rows = reliability(result.confidences, result.correct)
            draw_reliability(folder.path / RELIABILITY, rows)
    write_card(
        folder.path,
        title="Tagger",
        about=(
            f"Finds {', '.join(model.config.labels)}. {checkpoint.parameter_count(model):,} "
            f"parameters, trained with Unrolled on {source} ({_counted(parts)}) for "
            f"{outcome.step:,} steps."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else result.rows(),
        arguments=arguments,
    )
    return Trained(model, outcome, result)


def _read(
    source: Source, split: str | None, reading: Mapping[str, Any]
) -> tuple[list[Sentence], list[str]]:
    corpus = read_tagged(source, split=split, words_of=words_of, **reading)
    return corpus.sentences, corpus.remarks


def _documents(sentences: Sequence[Sentence]) -> list[int]:
    """The number of each sentence's document."""
    numbers = itertools.accumulate(int(sentence.begins_document) for sentence in sentences)
    return [max(0, number - 1) for number in numbers]


def _counted(parts: Parts[Sentence]) -> str:
    told = ", ".join(
        f"{name} {len(part):,} sentences ({sum(len(s.spans) for s in part):,} entities)"
        for name, part in zip(("train", "validation", "test"), parts[:3], strict=True)
    )
    return f"{told}; {parts.rule}"


def _build(
    train_part: Sequence[Sentence], arguments: Mapping[str, Any], report: Callable[[Event], None]
) -> Tagger:
    """An untrained tagger for these sentences."""
    labels = tuple(sorted({span.label for s in train_part for span in s.spans}))
    occurring = [word for sentence in train_part for word in sentence.words]
    known = KnownWords.of(arguments, occurring)
    readers = [Reader.of_folder(folder) for folder in arguments["language_models"]]
    configs = tuple(reader.config for reader in readers)
    config = _config(arguments, **known.sizes(), labels=labels, readers=configs)
    model = Tagger(config, known.alphabet, readers)
    if told := known.fill(model.features, occurring):
        report(Remark(told))
    return model


def _config(arguments: Mapping[str, Any], **counts: Any) -> Config:
    names = {field.name for field in fields(Config)}
    chosen = {name: value for name, value in arguments.items() if name in names}
    return Config(**{**chosen, **counts})


def _batches(
    model: Tagger, sentences: Sequence[Sentence], batch_size: int, seed: int | None
) -> Buckets:
    """Batches of sentences; what the language models make of them is found out only once."""
    context: dict[int, Tensor] = {}
    if model.readers:
        for rows in Tagger._rows([sentence.words for sentence in sentences], 32):
            states = model.context([sentences[row].words for row in rows]).half().cpu()
            for row, state in zip(rows, states, strict=True):
                context[row] = state[: len(sentences[row].words)].clone()

    def collate(rows: list[int]) -> TaggerBatch:
        known = [context[row] for row in rows] if context else None
        return model.batch(
            [sentences[row].words for row in rows],
            [sentences[row].spans for row in rows],
            nn.utils.rnn.pad_sequence(known, batch_first=True) if known else None,
        )

    return Buckets([len(s.words) for s in sentences], batch_size, collate, seed=seed)


def _measure(model: Tagger, batches: Buckets) -> Measured:
    """Loss and F1 on the validation part."""
    total, words = 0.0, 0
    gold, found = [], []
    for batch in batches.epoch(0):
        batch = batch.to(model.device)
        emissions = model(batch).float()
        count = int(batch.mask.sum())
        total += float(model.crf.loss(emissions, batch.tags, batch.mask)) * count
        words += count
        found += model.candidates(emissions, batch.mask)
        for row, length in zip(batch.tags.tolist(), batch.mask.sum(1).tolist(), strict=True):
            gold.append(to_spans([model.tags[number] for number in row[:length]], SCHEME))
    threshold = best_threshold(gold, found)
    chosen = [[one.span for one in choose(own, threshold)] for own in found]
    f1 = score_entities(gold, chosen).micro.f1
    return Measured(total / words, {"F1": f1}, f1)


def evaluate(
    model: Tagger | str | Path,
    data: Source,
    *,
    split: str | None = None,
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> TagEvaluation:
    """A tagger on annotated text: precision, recall and F1, calibration, the worst errors.

    Args:
        model: a tagger, or its folder.
        data, split, reading: what `corpora.tagged.read_tagged` takes.
        report: hears what was left out or repaired of the data.
    """
    if not isinstance(model, Tagger):
        model = Tagger.from_pretrained(model)
    sentences, remarks = _read(data, split, reading)
    for text in remarks:
        report(Remark(text))
    return _evaluate(model, sentences)


@torch.no_grad()
def _evaluate(model: Tagger, sentences: Sequence[Sentence]) -> TagEvaluation:
    model.eval()
    found: dict[int, list[Found]] = {}
    sure: dict[int, list[float]] = {}
    temperature, threshold = float(model.temperature), float(model.threshold)
    seconds = 0.0
    for rows in Tagger._rows([sentence.words for sentence in sentences], 32):
        began = time.perf_counter()
        spans = [model._known(sentences[row].spans) for row in rows]
        batch = model.batch([sentences[row].words for row in rows], spans).to(model.device)
        emissions = model(batch).float()
        entities = [choose(own, threshold) for own in model.candidates(emissions, batch.mask)]
        seconds += time.perf_counter() - began
        marginals = model.crf.marginals(emissions, batch.mask, temperature)
        wanted = probabilities(marginals, batch.tags, spans)
        for row, own, right, chances in zip(rows, entities, spans, wanted, strict=True):
            found[row] = own
            chance = dict(zip(right, chances, strict=True))
            sure[row] = [chance.get(span, 0.0) for span in sentences[row].spans]
    order = range(len(sentences))
    return judge(
        [sentence.words for sentence in sentences],
        [sentence.where for sentence in sentences],
        [sentence.spans for sentence in sentences],
        [sure[row] for row in order],
        [found[row] for row in order],
        seconds,
    )
