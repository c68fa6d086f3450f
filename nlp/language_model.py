"""Language models: the probability of a text, one token after the other.

A recurrent language model (Mikolov et al. 2010) is a decoder without memory; with the locked and
weight dropout and the tied weights it is the AWD-LSTM of Merity, Keskar and Socher (2018). GPT-2
(Radford et al. 2019) has blocks of attention instead. The model itself is in
`nlp.core.language.model`; here it is trained and measured.

    from nlp.language_model import LanguageModel, train

    train("books/", output="my-model", layers=2, hidden_size=512)
    model = LanguageModel.from_pretrained("my-model")
    print(model.sample("The history of", max_tokens=50)[0])
    print(model.score("take me to Mars").log_probability)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from corpora.errors import UsageError, check_choice, check_positive
from corpora.reader import Source
from corpora.wikipedia import LICENCE
from nlp.core import checkpoint, pretrained, scoring, transformer
from nlp.core.batching import token_frequencies
from nlp.core.decoder import Decoder
from nlp.core.device import Precision
from nlp.core.events import Event
from nlp.core.language.baselines import measure_baselines
from nlp.core.language.config import Config
from nlp.core.language.foreign import Foreign
from nlp.core.language.loading import load
from nlp.core.language.model import LanguageModel
from nlp.core.language.preparation import encode_whole, prepare, windows
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.recipe import Recipe
from nlp.core.recurrent import CellKind
from nlp.core.run import Run, check_training, config_of
from nlp.core.scoring import Perplexity, corpus_perplexity
from nlp.core.tokenizer import Kind, Pattern
from nlp.core.training import Outcome, fit
from nlp.core.words import vector_formats
from nlp.core.words.word_vectors import WordVectors

Network = Literal["recurrent", "gpt2"]
__all__ = ["Config", "LanguageModel", "Trained", "evaluate", "train"]

SAMPLE = "wikipedia-sample"
READING = ("validation", "test", "text_column", "document", "encoding_errors")
# Learning rates that suit AdamW; nothing bounds the state of the last, so it must learn slowly.
LEARNING_RATES: dict[CellKind, float] = {"lstm": 4e-3, "gru": 4e-3, "rnn": 2e-3, "relu-rnn": 1e-4}
HEAD_SIZE = 64  # features that a head of GPT-2 compares, in all its sizes
WINDOWS: dict[Network, int] = {"recurrent": 32, "gpt2": 128}
# What only one of the networks has.
RECURRENT = (
    *("cell", "embedding_size", "embedding", "freeze_embedding", "tied", "backward"),
    *("embedding_dropout", "input_dropout", "output_dropout", "locked_dropout", "weight_drop"),
)
VOCABULARY = ("kind", "vocabulary_size", "pattern")
BATCHING = ("batch_size", "window", "seed", "backward")


class Trained(NamedTuple):
    """What `train` leaves behind; the results are in the folder's README.md too."""

    model: LanguageModel
    outcome: Outcome
    results: Mapping[str, Perplexity]  # on the test split: "this model" and the baselines


def train(
    corpus: Source | None = None,
    *,
    output: str | Path = "language-model",
    validation: float | Source = 0.1,
    test: float | Source = 0.1,
    text_column: str = "text",
    document: str = "file",
    encoding_errors: str = "strict",
    tokenizer: str | Path | None = None,
    kind: Kind = "bpe",
    vocabulary_size: int = 4096,
    pattern: Pattern = "gpt2",
    model: Network = "recurrent",
    cell: CellKind = "lstm",
    layers: int = 1,
    hidden_size: int = 512,
    heads: int | None = None,
    embedding_size: int | None = None,
    embedding: str | Path = "learned",
    freeze_embedding: bool = False,
    tied: bool = True,
    backward: bool = False,
    embedding_dropout: float = 0.0,
    input_dropout: float = 0.15,
    dropout: float = 0.2,
    output_dropout: float = 0.25,
    locked_dropout: bool = True,
    weight_drop: float = 0.2,
    epochs: float = 10,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int = 32,
    window: int | None = None,
    optimizer: OptimizerKind = "adamw",
    learning_rate: float | None = None,
    schedule: ScheduleKind = "cosine",
    warmup_steps: int = 100,
    weight_decay: float = 0.01,
    clip_norm: float = 1.0,
    accumulate: int = 1,
    evaluate_every: int | None = None,
    patience: int | None = None,
    baselines: bool = False,
    plot: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> Trained:
    """Trains a language model on a corpus and leaves it in the folder `output`.

    Args:
        corpus, text_column, document, encoding_errors: what to read, see `corpora.read`; a corpus
            of None is the bundled Wikipedia sample.
        validation, test: fractions of the corpus, or sources of their own; a test of 0 is none.
        tokenizer: a `tokenizer.json` or a model folder to take it from; None learns one of `kind`,
            `vocabulary_size` and `pattern` from the training text.
        model: recurrent, or gpt2: a transformer. Of the options below the latter has `layers`,
            `hidden_size`, `heads`, `dropout` and those of training.
        embedding_size: None takes `hidden_size`, or the size of the word vectors. The other sizes
            and dropouts are `Config`'s.
        heads: of attention in each layer of a GPT-2; None has one for 64 of the hidden size.
        embedding: learned from nothing; one-hot, that is none; or word vectors to begin with, a
            file or folder that `nlp.core.words.vector_formats.load` reads.
        freeze_embedding: leave the embedding as it begins; not with tied weights.
        backward: reads every text from its end to its beginning; for taggers, which need a model
            of each direction.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        batch_size, window: streams of text side by side, and tokens of each in a step; None takes
            32 for a recurrent model, whose state is carried on, and 128 for a GPT-2, whose
            context it is.
        learning_rate: at its highest; None takes what suits the network under AdamW, and 1 under
            SGD.
        optimizer ... patience: see `nlp.core.recipe.Recipe`. evaluate_every None evaluates about
            twelve times.
        baselines: also measures a unigram and a 5-gram Kneser-Ney model on the same tokens.
        plot: draws the loss curves into the folder, which takes the `plots` extra.
        resume: goes on with the run in `output`; give no other argument.
        overwrite: a model in `output` is moved to `output` + ".previous".
        report: hears what happens, see `nlp.core.events.Event`.

    Raises:
        UsageError: an argument or the text cannot be used; what the folder held is still there.
        Diverged: the loss exploded; the best model so far is kept.
    """
    run = Run.of(train, locals())
    if not run.resumed:
        _check(run.arguments)
    vectors = _vectors(run)
    with run.started():
        return _run(run, vectors)


def _check(arguments: dict[str, Any]) -> None:
    network = arguments["model"]
    check_choice("model", network, Network)
    _check_network(arguments)
    if arguments["window"] is None:
        arguments["window"] = WINDOWS[network]
    if arguments["learning_rate"] is None:
        usual = LEARNING_RATES.get(arguments["cell"], 1e-3) if network == "recurrent" else 1e-3
        arguments["learning_rate"] = usual if arguments["optimizer"] == "adamw" else 1.0
    check_training(arguments)
    if arguments["freeze_embedding"] and arguments["tied"]:
        raise UsageError("tied weights are the output's too and must learn: give --no-tied as well")
    _config(arguments, vocabulary_size=1)
    check_positive(window=arguments["window"])
    check_choice("kind", arguments["kind"], Kind)
    check_choice("pattern", arguments["pattern"], Pattern)


def _check_network(arguments: dict[str, Any]) -> None:
    """Refuses options that the chosen network does not have, and fills in its heads."""
    if arguments["model"] == "recurrent":
        if arguments["heads"] is not None:
            raise UsageError("a recurrent model has no heads of attention: choose the model gpt2")
        return
    if arguments["heads"] is None:
        arguments["heads"] = _heads(arguments["hidden_size"])
    defaults = inspect.signature(train).parameters
    given = [name for name in RECURRENT if arguments[name] != defaults[name].default]
    if given:
        raise UsageError(
            f"{', '.join(given)}: of recurrent models only, and gpt2 was chosen: leave them out"
        )


def _heads(hidden_size: int) -> int:
    """As many as divide the hidden size and compare about as many features as GPT-2's."""
    dividing = [count for count in range(1, hidden_size + 1) if hidden_size % count == 0]
    return min(dividing, key=lambda count: abs(count - hidden_size / HEAD_SIZE), default=1)


def _vectors(run: Run) -> WordVectors | None:
    """The word vectors that the embedding begins with, if it does; they give it its size."""
    arguments = run.arguments
    if arguments["embedding"] in ("learned", "one-hot"):
        return None
    if run.goes_on and arguments["embedding_size"] is not None:
        return None  # what they began is in the weights, and they may be gone
    vectors = vector_formats.load(arguments["embedding"])
    if arguments["embedding_size"] is None:
        arguments["embedding_size"] = vectors.size
    return vectors


def _run(run: Run, vectors: WordVectors | None) -> Trained:
    arguments = run.arguments
    corpus = SAMPLE if arguments["corpus"] is None else arguments["corpus"]
    licence = f" {LICENCE}" if corpus == SAMPLE else ""
    if arguments["corpus"] is None:
        run.tell(f"no corpus named: training on the bundled {SAMPLE}.{licence}")
    data = prepare(
        corpus,
        run.folder.tokens,
        run.folder.tokenizer,
        reading=run.pick(READING),
        vocabulary=run.pick(VOCABULARY),
        tokenizer=arguments["tokenizer"],
        report=run.tell,
    )
    store, tokenizer = data
    seed, counts = arguments["seed"], store.header.splits["train"]
    batches, held_out = windows(data, **run.pick(BATCHING))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LanguageModel(_config(arguments, tokenizer.vocabulary_size), tokenizer)
    if isinstance(model.decoder, Decoder):
        frequencies = token_frequencies(store.split("train"), tokenizer.vocabulary_size)
        model.decoder.begin_at(frequencies)
        if vectors is not None:
            known = range(tokenizer.vocabulary_size)
            texts = [tokenizer.token_bytes(token).decode(errors="replace") for token in known]
            coverage = pretrained.fill(model.decoder.embedding, texts, vectors, frequencies)
            run.tell(str(coverage))
        if arguments["freeze_embedding"] and not model.decoder.one_hot:
            model.decoder.embedding.requires_grad_(False)
    model.save_config(run.path)
    run.place(model, "a model")
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=run.path,
        evaluate=lambda: scoring.mean_loss(model, held_out),
        in_units=lambda loss, split: scoring.in_units(loss, store.header.splits[split]),
        sample=None if model.backward else lambda: model.sample(max_tokens=60, seed=seed)[0],
        report=run.report,
        resume=run.goes_on,
    )
    results: dict[str, Perplexity] = {}
    measurable = outcome.ended != "interrupted" and not model.backward
    if measurable and store.header.splits["test"].tokens:
        begin = tokenizer.end_of_text
        results["this model"] = scoring.split_perplexity(model, store, "test", begin)
        if arguments["baselines"]:
            run.tell("counting n-grams for the baselines")
            results |= measure_baselines(store)
    run.finish(
        title="Language model",
        about=(
            f"A {model.config.layers}-layer {model.network} language model of "
            f"{checkpoint.parameter_count(model):,} parameters, trained with Unrolled on "
            f"{corpus} ({counts.tokens:,} tokens, {counts.words:,} words) for "
            f"{outcome.step:,} steps.{licence}"
        ),
        columns=scoring.RESULT_COLUMNS,
        results={name: scoring.result_row(result) for name, result in results.items()},
        idle=RECURRENT if arguments["model"] == "gpt2" else ("heads",),
    )
    return Trained(model, outcome, results)


def _config(arguments: Mapping[str, Any], vocabulary_size: int) -> Config | transformer.Config:
    hidden_size = arguments["hidden_size"]
    if arguments["model"] == "gpt2":
        return transformer.Config(
            vocabulary_size,
            context=arguments["window"],
            layers=arguments["layers"],
            heads=arguments["heads"],
            hidden_size=hidden_size,
            embedding_dropout=arguments["dropout"],
            attention_dropout=arguments["dropout"],
            residual_dropout=arguments["dropout"],
        )
    size = arguments["embedding_size"]
    return config_of(
        Config,
        arguments,
        vocabulary_size=vocabulary_size,
        embedding_size=hidden_size if size is None else size,
        one_hot=arguments["embedding"] == "one-hot",
    )


def evaluate(
    model: LanguageModel | Foreign | str | Path,
    corpus: Source,
    *,
    independent_windows: bool = False,
    window: int = 256,
    **reading: Any,
) -> Perplexity:
    """Perplexity of a whole corpus under a model, per token and word, and its bits per byte.

    Args:
        model: a model, or what `nlp.core.language.loading.load` takes.
        corpus, reading: what `corpora.read` takes.
        independent_windows: forget the state every `window` tokens instead of carrying it on.
    """
    if isinstance(model, str | Path):
        model = load(model)
    tokenizer = model.text_tokenizer()
    ids, counts = encode_whole(tokenizer, corpus, reading)
    return corpus_perplexity(
        model,
        ids,
        words=counts.words,
        bytes=counts.bytes,
        window=window,
        start_id=tokenizer.end_of_text,
        independent_windows=independent_windows,
    )
