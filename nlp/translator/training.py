"""Training a translator on pairs of sentences."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from corpora.annotated_splits import divide
from corpora.errors import UsageError, check_choice, check_probability
from corpora.pairs import Filters, Pair, filtered, read_pairs
from nlp.core import checkpoint, pretrained
from nlp.core.batching import Buckets, token_frequencies
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run import Run, check_training, config_of
from nlp.core.tokenizer import Pattern, Tokenizer
from nlp.core.training import Outcome, fit
from nlp.core.translation.texts import Normalization, Texts, form_of, normalized
from nlp.core.translation.translation_scores import TranslationScores
from nlp.core.words import vector_formats
from nlp.translator.evaluation import AS_IT_IS, RESULT_COLUMNS, measure, result_row, score_pairs
from nlp.translator.model import Config, Translator, TranslatorBatch

SAMPLE = "generated-pairs"
READING = ("source_column", "target_column", "encoding_errors")
FILTERS = ("max_length", "max_ratio", "drop_duplicates", "languages")
CHECKED = 1000  # pairs of the validation part that are translated at each evaluation


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: Translator
    outcome: Outcome
    test: TranslationScores | None  # on the test part


def train(
    source: str | Path | None = None,
    target: str | Path | None = None,
    *,
    output: str | Path = "translator",
    validation: float | Sequence[str | Path] = 0.05,
    test: float | Sequence[str | Path] = 0.05,
    source_column: str = "source",
    target_column: str = "target",
    encoding_errors: str = "strict",
    max_length: int = 250,
    max_ratio: float = 9.0,
    drop_duplicates: bool = False,
    languages: tuple[str, str] | None = None,
    normalization: Normalization = "none",
    vocabulary_size: int = 6000,
    pattern: Pattern = "gpt2",
    shared_vocabulary: bool = True,
    bpe_dropout: float = 0.0,
    embedding: str | Path | None = None,
    embedding_size: int = 256,
    hidden_size: int = 384,
    encoder_layers: int = 1,
    decoder_layers: int = 2,
    cell: CellKind = "lstm",
    bidirectional: bool = True,
    attention: str = "general",
    input_feeding: bool = False,
    coverage: bool = False,
    reverse_source: bool = False,
    tied: bool = True,
    layer_norm: bool = False,
    word_dropout: float = 0.0,
    input_dropout: float = 0.4,
    dropout: float = 0.4,
    output_dropout: float = 0.4,
    label_smoothing: float = 0.1,
    scheduled_sampling: float = 0.0,
    epochs: float = 12,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 64,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float = 4e-3,
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
    """Trains a translator on pairs of sentences and leaves it in the folder `output`.

    The model that translates the validation part best is kept, by BLEU of its likeliest words.

    Args:
        source, target, source_column, target_column, encoding_errors: what to read, see
            `corpora.pairs.read_pairs`; no source is the bundled generated language.
        validation, test: fractions of the data, or sources of their own, each one file of pairs or
            two aligned files; a test of 0 is none.
        max_length, max_ratio, drop_duplicates, languages: pairs that are left out of the training
            part, see `corpora.pairs.Filters`.
        normalization: the form of Unicode in which sources and targets are read; translations are
            written in the form that most targets have.
        vocabulary_size, pattern: of the byte-pair encoding that is learned from the training part,
            one for both languages if `shared_vocabulary`, else one for each.
        bpe_dropout: probability of leaving out a merge while training, so that words are spelled
            in ever new ways (Provilkov, Emelianenko and Voita 2020).
        embedding: word vectors at which the source's pieces begin, a file or folder that
            `nlp.core.words.vector_formats.load` reads, of `embedding_size` features.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
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
    config_of(Config, arguments, source_vocabulary_size=1, target_vocabulary_size=1)
    check_probability(bpe_dropout=arguments["bpe_dropout"])
    check_choice("pattern", arguments["pattern"], Pattern)
    _filters(arguments).checked()
    if arguments["source"] is None and arguments["target"] is not None:
        raise UsageError("there is a target but no source: name both files")


def _filters(arguments: Mapping[str, Any]) -> Filters:
    return Filters(**{name: arguments[name] for name in FILTERS})


def _run(run: Run) -> Trained:
    arguments, reading = run.arguments, run.pick(READING)
    source = arguments["source"] or SAMPLE
    named = (source,) if arguments["target"] is None else (source, arguments["target"])

    def read(place: Any, split: str | None) -> tuple[list[Pair], list[str]]:
        files = (place,) if isinstance(place, str | Path) else tuple(place)
        corpus = read_pairs(*files, split=split, filters=AS_IT_IS, **reading)
        return corpus.pairs, corpus.remarks

    parts = divide(
        source if len(named) == 1 else list(named),
        arguments["validation"],
        arguments["test"],
        read=read,
        groups=_same_sources,
    )
    # What is measured on is taken as it is.
    training, remarks = filtered(parts.train, _filters(arguments))
    parts = parts._replace(train=training)
    counted = parts.counted("pairs", "words", lambda pair: len(pair.target.split()))
    run.tell(*dict.fromkeys([*parts.remarks, *remarks]), counted)
    texts = _texts(run, parts.train)
    if run.resumed:
        texts.check_same(run.path)
    with torch.random.fork_rng():
        torch.manual_seed(arguments["seed"])
        model = Translator(_config(run, texts), texts)
    batches = _batches(model, parts.train, run)
    if not run.goes_on:
        _begin(model, batches, run)
    model.save_texts(run.path)
    run.place(model, "a translator")
    # Spread over all of them, for they may be sorted.
    whole, count = parts.validation, min(CHECKED, len(parts.validation))
    held_out = [whole[place * len(whole) // count] for place in range(count)]
    if count < len(whole):
        run.tell(f"{len(held_out):,} of the validation pairs are translated at each evaluation")
    outcome = fit(
        model,
        batches.buckets,
        recipe=Recipe.of(arguments, len(batches.buckets)),
        folder=run.path,
        evaluate=lambda: measure(model, held_out),
        report=run.report,
        resume=run.goes_on,
    )
    result = None
    if outcome.ended != "interrupted" and parts.test:
        result = score_pairs(model, parts.test)
    run.finish(
        title="Translator",
        about=(
            f"A {model.config.cell} translator of {checkpoint.parameter_count(model):,} "
            f"parameters, trained with Unrolled on {', '.join(map(str, named))} ({counted}) for "
            f"{outcome.step:,} steps."
        ),
        columns=RESULT_COLUMNS,
        results={} if result is None else {"this model": result_row(result)},
    )
    return Trained(model, outcome, result)


def _same_sources(pairs: Sequence[Pair]) -> list[int]:
    """The number of each pair's source text: one that has several translations is not divided."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(pair.source, len(numbers)) for pair in pairs]


def _texts(run: Run, pairs: Sequence[Pair]) -> Texts:
    """The pieces of words, learned from the training part."""
    arguments = run.arguments
    form = arguments["normalization"]
    sources = [f" {normalized(pair.source, form)}\n" for pair in pairs]
    targets = [f" {normalized(pair.target, form)}\n" for pair in pairs]
    learned = {"vocabulary_size": arguments["vocabulary_size"], "pattern": arguments["pattern"]}
    if arguments["shared_vocabulary"]:
        target = source = Tokenizer.train([*sources, *targets], **learned)
    else:
        source, target = Tokenizer.train(sources, **learned), Tokenizer.train(targets, **learned)
    written = form_of([pair.target for pair in pairs]) if form != "none" else "none"
    return Texts(source, target, form, written)


def _config(run: Run, texts: Texts) -> Config:
    return config_of(
        Config,
        run.arguments,
        source_vocabulary_size=texts.source.vocabulary_size,
        target_vocabulary_size=texts.target.vocabulary_size,
        target_form=texts.target_form,
        source_tokenizer=None if texts.shared else texts.source.fingerprint,
    )


class _Batches(NamedTuple):
    buckets: Buckets
    sources: list[list[int]]
    targets: list[list[int]]


def _batches(model: Translator, pairs: Sequence[Pair], run: Run) -> _Batches:
    texts, dropped = model.texts, run.arguments["bpe_dropout"]
    sources = texts.encode([pair.source for pair in pairs])
    targets = texts.encode([pair.target for pair in pairs], target=True)

    def collate(rows: list[int]) -> TranslatorBatch:
        if dropped:
            # Drawn from the loop's own generator, so that a resumed run draws the same.
            chance = random.Random(int(torch.randint(1 << 62, ())))
            own = [pairs[row] for row in rows]
            return model.batch(
                [texts.spell(pair.source, dropped, chance) for pair in own],
                [texts.spell(pair.target, dropped, chance, target=True) for pair in own],
            )
        return model.batch([sources[row] for row in rows], [targets[row] for row in rows])

    lengths = [(len(target), len(source)) for source, target in zip(sources, targets, strict=True)]
    buckets = Buckets(lengths, run.arguments["batch_size"], collate, seed=run.arguments["seed"])
    return _Batches(buckets, sources, targets)


def _begin(model: Translator, batches: _Batches, run: Run) -> None:
    """What is known before any training: how frequent pieces are, and vectors of words."""
    ends = [model.start_id] * len(batches.targets)
    written = np.concatenate([*map(np.asarray, batches.targets), np.asarray(ends)])
    size = model.config.target_vocabulary_size
    model.decoder.begin_at(token_frequencies(written.astype(np.int64), size))
    if run.arguments["embedding"] is not None:
        vectors = vector_formats.load(run.arguments["embedding"])
        tokenizer, size = model.texts.source, model.config.source_vocabulary_size
        pieces = [tokenizer.token_bytes(piece).decode(errors="replace") for piece in range(size)]
        read = np.concatenate([*map(np.asarray, batches.sources)]).astype(np.int64)
        counts = token_frequencies(read, size)
        run.tell(str(pretrained.fill(model.source_embedding, pieces, vectors, counts)))
