"""Language models: the probability of a text, one token after the other.

    token   <|endoftext|>    take       me        to
                 │            │         │         │
    state  0 ──► f ─────────► f ──────► f ──────► f ──►    log P(w1 ... wn) =
                 │            │         │         │            sum of log P(wi | w1 ... w(i-1))
    guess      take           me        to       Mars

A recurrent language model (Mikolov et al. 2010) is a decoder without memory; with the locked and
weight dropout and the tied weights it is the AWD-LSTM of Merity, Keskar and Socher (2018).

    from nlp.language_model import LanguageModel, train

    train("books/", output="my-model", layers=2, hidden_size=512)
    model = LanguageModel.from_pretrained("my-model")
    print(model.sample("The history of", max_tokens=50)[0])
    print(model.score("take me to Mars").log_probability)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from corpora.errors import UsageError, check_choice, check_positive
from corpora.reader import Source
from corpora.wikipedia import LICENCE
from nlp.core import checkpoint, curves, pretrained, scoring
from nlp.core.baselines import measure_baselines
from nlp.core.batching import Window, token_frequencies
from nlp.core.decoder import Decoder
from nlp.core.decoding import Sampling, Strategy, generate
from nlp.core.device import Precision, choose_device
from nlp.core.events import Event
from nlp.core.language_config import KIND, Config, read_folder
from nlp.core.model_card import write_card
from nlp.core.optimization import OptimizerKind, ScheduleKind
from nlp.core.preparation import encode_whole, prepare, windows
from nlp.core.recipe import Loss, Recipe
from nlp.core.recurrent import CellKind, State
from nlp.core.run import Run, check_training, config_of
from nlp.core.scoring import Perplexity, Score, corpus_perplexity
from nlp.core.tokenizer import Kind, Pattern, Tokenizer
from nlp.core.training import Outcome, fit
from nlp.core.words import vector_formats
from nlp.core.words.word_vectors import WordVectors

SAMPLE = "wikipedia-sample"
READING = ("validation", "test", "text_column", "document", "encoding_errors")
# Learning rates that suit AdamW; nothing bounds the state of the last, so it must learn slowly.
LEARNING_RATES: dict[CellKind, float] = {"lstm": 4e-3, "gru": 4e-3, "rnn": 2e-3, "relu-rnn": 1e-4}
VOCABULARY = ("kind", "vocabulary_size", "pattern")
BATCHING = ("batch_size", "window", "seed", "backward")


class LanguageModel(nn.Module):
    """Embedding, recurrent core, softmax over the vocabulary; and the tokenizer it was made for."""

    def __init__(self, config: Config, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        self.decoder = Decoder.of(asdict(config))

    @property
    def device(self) -> torch.device:
        return self.decoder.output_bias.device

    @property
    def vocabulary_size(self) -> int:
        return self.config.vocabulary_size

    def start(self, batch_size: int) -> State:
        """The state before the first token: a tuple of tensors `[batch, hidden_size]`."""
        return self.decoder.start(batch_size)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """`[batch, time]` to logits `[batch, time, vocabulary_size]` and the state at the end."""
        return self.decoder(ids, state)

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """`[batch]` to logits `[batch, vocabulary_size]` and the next state."""
        return self.decoder.step(token, state)

    def fast_step(self) -> Callable[[Tensor, State], tuple[Tensor, State]]:
        """A quicker `step` for writing a single text; see `Decoder.fast_step`."""
        return self.decoder.fast_step()

    def loss(self, batch: Window, carry: State | None = None) -> Loss:
        """Mean nats per token of a window, which goes on from the state `carry`."""
        mean, state = self.decoder.loss(batch.inputs, batch.targets, carry)
        return Loss(mean, batch.targets.numel(), tuple(part.detach() for part in state))

    def sample(
        self,
        prompt: str = "",
        *,
        strategy: Strategy = Sampling(temperature=0.8),  # noqa: B008 - frozen
        max_tokens: int = 100,
        samples: int = 1,
        seed: int | None = None,
        stop: tuple[str, ...] = (),
    ) -> list[str]:
        """Continuations of `prompt`, without it; see `nlp.core.decoding.generate` for more."""
        tokenizer = self.text_tokenizer()
        generations = generate(
            self,
            tokenizer.encode(prompt, allowed_special="all"),
            strategy=strategy,
            max_tokens=max_tokens,
            samples=samples,
            stop_ids=(tokenizer.end_of_text,),
            seed=seed,
            stop=stop,
        )
        return [generation.text or "" for generation in generations]

    def score(self, text: str, *, context: str = "", top: int = 3) -> Score:
        """The probability of `text`, token by token; see `nlp.core.scoring.score` for more."""
        return scoring.score(self, self.text_tokenizer(), text, context=context, top=top)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json`, `model.safetensors`, `tokenizer.json`."""
        folder = Path(folder)
        fingerprint = self.tokenizer.fingerprint if self.tokenizer else None
        if self.tokenizer is not None:
            self.tokenizer.save(folder / checkpoint.TOKENIZER)
        checkpoint.save_config(folder, KIND, asdict(self.config), fingerprint)
        checkpoint.save_weights(self, folder)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> LanguageModel:
        """The model in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id)
        model = cls(*read_folder(folder))
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()

    def text_tokenizer(self) -> Tokenizer:
        """What texts are scored and written with. `UsageError` where the model does neither."""
        if self.tokenizer is None:
            raise UsageError("this model has no tokenizer: it knows token ids only")
        if self.config.backward:
            raise UsageError("this model reads backward: it is for taggers, and knows no beginning")
        return self.tokenizer


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
    cell: CellKind = "lstm",
    layers: int = 1,
    hidden_size: int = 512,
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
    window: int = 32,
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
        embedding_size: None takes `hidden_size`, or the size of the word vectors. The other sizes
            and dropouts are `Config`'s.
        embedding: learned from nothing; one-hot, that is none; or word vectors to begin with, a
            file or folder that `nlp.core.words.vector_formats.load` reads.
        freeze_embedding: leave the embedding as it begins; not with tied weights.
        backward: reads every text from its end to its beginning; for taggers, which need a model
            of each direction.
        epochs, steps, minutes: how long to train. `steps` and `minutes` replace `epochs`; of the
            two, what ends first counts.
        batch_size, window: streams of text side by side, and tokens of each in a step.
        learning_rate: at its highest; None takes what suits the cell under AdamW, and 1 under SGD.
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
    if arguments["learning_rate"] is None:
        usual = LEARNING_RATES.get(arguments["cell"], 1e-3)
        arguments["learning_rate"] = usual if arguments["optimizer"] == "adamw" else 1.0
    check_training(arguments)
    if arguments["freeze_embedding"] and arguments["tied"]:
        raise UsageError("tied weights are the output's too and must learn: give --no-tied as well")
    _config(arguments, vocabulary_size=1)
    check_positive(window=arguments["window"])
    check_choice("kind", arguments["kind"], Kind)
    check_choice("pattern", arguments["pattern"], Pattern)


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
    frequencies = token_frequencies(store.split("train"), tokenizer.vocabulary_size)
    model.decoder.begin_at(frequencies)
    if vectors is not None:
        known = range(tokenizer.vocabulary_size)
        texts = [tokenizer.token_bytes(token).decode(errors="replace") for token in known]
        coverage = pretrained.fill(model.decoder.embedding, texts, vectors, frequencies)
        run.tell(str(coverage))
    if arguments["freeze_embedding"] and not model.config.one_hot:
        model.decoder.embedding.requires_grad_(False)
    checkpoint.save_config(run.path, KIND, asdict(model.config), tokenizer.fingerprint)
    run.place(model, "a model")
    outcome = fit(
        model,
        batches,
        recipe=Recipe.of(arguments, len(batches)),
        folder=run.path,
        evaluate=lambda: scoring.mean_loss(model, held_out),
        in_units=lambda loss, split: scoring.in_units(loss, store.header.splits[split]),
        sample=None if model.config.backward else lambda: model.sample(max_tokens=60, seed=seed)[0],
        report=run.report,
        resume=run.goes_on,
    )
    results: dict[str, Perplexity] = {}
    measurable = outcome.ended != "interrupted" and not model.config.backward
    if measurable and store.header.splits["test"].tokens:
        begin = tokenizer.end_of_text
        results["this model"] = scoring.split_perplexity(model, store, "test", begin)
        if arguments["baselines"]:
            run.tell("counting n-grams for the baselines")
            results |= measure_baselines(store)
    if arguments["plot"]:
        curves.draw(run.path)
    write_card(
        run.path,
        title="Language model",
        about=(
            f"A {model.config.layers}-layer {model.config.cell} language model of "
            f"{checkpoint.parameter_count(model):,} parameters, trained with Unrolled on "
            f"{corpus} ({counts.tokens:,} tokens, {counts.words:,} words) for "
            f"{outcome.step:,} steps.{licence}"
        ),
        columns=scoring.RESULT_COLUMNS,
        results={name: scoring.result_row(result) for name, result in results.items()},
        arguments=arguments,
    )
    return Trained(model, outcome, results)


def _config(arguments: Mapping[str, Any], vocabulary_size: int) -> Config:
    size = arguments["embedding_size"]
    return config_of(
        Config,
        arguments,
        vocabulary_size=vocabulary_size,
        embedding_size=arguments["hidden_size"] if size is None else size,
        one_hot=arguments["embedding"] == "one-hot",
    )


def evaluate(
    model: LanguageModel | str | Path,
    corpus: Source,
    *,
    independent_windows: bool = False,
    window: int = 256,
    **reading: Any,
) -> Perplexity:
    """Perplexity of a whole corpus under a model, per token and word, and its bits per byte.

    Args:
        model: a model, or its folder.
        corpus, reading: what `corpora.read` takes.
        independent_windows: forget the state every `window` tokens instead of carrying it on.
    """
    if not isinstance(model, LanguageModel):
        model = LanguageModel.from_pretrained(model)
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
