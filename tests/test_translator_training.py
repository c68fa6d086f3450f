"""Training translators: what they learn, that a killed run ends as one that was not, and what the
options of training do."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from corpora.errors import UsageError
from corpora.generated_pairs import pairs
from corpora.pairs import Pair, read_pairs
from nlp.core.checkpoint import read_tensors
from nlp.core.events import Evaluation, Event, Remark
from nlp.core.strategies import Beam
from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import Texts
from nlp.core.translation.translation_scores import score_translations
from nlp.core.words.vector_formats import save
from nlp.core.words.word_vectors import WordVectors
from nlp.translator import Config, Translator, evaluate, train
from nlp.translator.evaluation import mean_loss, measure
from nlp.translator.training import _batches

SMALL: dict[str, Any] = {
    **{"embedding_size": 24, "hidden_size": 32, "decoder_layers": 1, "vocabulary_size": 320},
    **{"input_dropout": 0.1, "dropout": 0.1, "output_dropout": 0.1, "label_smoothing": 0.1},
    **{"batch_size": 16, "learning_rate": 0.01, "warmup_steps": 2, "device": "cpu"},
}


def write(folder: Path, count: int = 100, seed: int = 0) -> tuple[Path, Path]:
    files = folder / "train.en", folder / "train.ta"
    for file, side in zip(files, zip(*pairs(seed, count), strict=True), strict=True):
        file.write_text("".join(f"{text}\n" for text in side), encoding="utf-8")
    return files


def equal(one: Translator, other: Translator) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)


class Killed(BaseException):
    """Ends a run like SIGKILL: nothing of ours catches it."""


def killing(step: int) -> Any:
    def report(event: Event) -> None:
        if isinstance(event, Evaluation) and event.step == step:
            raise Killed

    return report


# ── from files to a translator ──────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_it_learns_a_language(tmp_path: Path) -> None:
    big = {"hidden_size": 96, "embedding_size": 64, "vocabulary_size": 700, "batch_size": 64}
    result = train(
        *write(tmp_path, 3000),
        **{**SMALL, **big, "learning_rate": 0.01, "dropout": 0.2, "warmup_steps": 30},
        **{"output": tmp_path / "model", "epochs": 12, "average": 2},
    )
    assert result.test is not None
    assert result.test.bleu > 40
    again = evaluate(tmp_path / "model", *write(tmp_path, 3000))
    assert again.bleu >= result.test.bleu - 5


def test_a_run_leaves_a_model_and_says_what_it_did(tmp_path: Path) -> None:
    files, told = write(tmp_path), []
    result = train(
        *files, output=tmp_path / "m", steps=16, evaluate_every=8, report=told.append, **SMALL
    )
    looks = [event for event in told if isinstance(event, Evaluation)]
    losses = [event.loss for event in looks]
    assert len(losses) == 2
    assert losses[-1] < losses[0]
    assert all({*event.metrics} == {"perplexity", "BLEU"} for event in looks)
    assert any("90 pairs" in event.text for event in told if isinstance(event, Remark))
    again = Translator.from_pretrained(tmp_path / "m", device="cpu")
    assert equal(again, result.model)
    assert again.config == result.model.config
    assert again.config.target_form == "none"
    assert result.test is not None
    assert f"{result.test.chrf:.1f}"[:2] in (tmp_path / "m" / "README.md").read_text("utf-8")
    texts = [text for text, _ in pairs(3, 4)]
    before = [one.text for one in result.model.translate(texts)]
    assert [one.text for one in again.translate(texts)] == before


OPTIONS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "spelled and fed anew": {
        **{"bpe_dropout": 0.2, "scheduled_sampling": 0.3, "word_dropout": 0.1, "average": 2},
        **{"attention": "additive", "input_feeding": True, "coverage": True, "cell": "gru"},
    },
    "apart": {
        **{"shared_vocabulary": False, "attention": "none", "reverse_source": True},
        **{"layer_norm": True, "normalization": "NFD", "decoder_layers": 2, "accumulate": 2},
    },
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_a_killed_run_ends_as_one_that_was_not(options: dict[str, Any], tmp_path: Path) -> None:
    given = {**SMALL, **options, "steps": 9, "evaluate_every": 3, "test": 0}
    files = write(tmp_path)
    whole = train(*files, output=tmp_path / "whole", **given)
    with pytest.raises(Killed):
        train(*files, output=tmp_path / "cut", report=killing(6), **given)
    resumed = train(output=tmp_path / "cut", resume=True)
    assert equal(whole.model, resumed.model)
    assert resumed.outcome.best_loss == whole.outcome.best_loss
    # In the folders too.
    models = [Translator.from_pretrained(tmp_path / name, "cpu") for name in ("whole", "cut")]
    assert equal(*models)
    config = models[0].config
    assert config == models[1].config
    for name, value in options.items():
        if hasattr(config, name):
            assert getattr(config, name) == value
    if config.normalization == "NFD":
        assert config.target_form == "NFC"
    assert not [*tmp_path.rglob("best-*")]


def test_other_data_than_the_run_began_with_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path)
    with pytest.raises(Killed):
        train(*files, output=tmp_path / "m", steps=4, evaluate_every=2, report=killing(4), **SMALL)
    write(tmp_path, seed=1)
    with pytest.raises(UsageError, match="not what the run"):
        train(output=tmp_path / "m", resume=True)


# ── options ─────────────────────────────────────────────────────────────────────────────────────


def test_the_mean_is_kept_only_where_it_is_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path)
    options = {**SMALL, "steps": 6, "evaluate_every": 2, "test": 0, "average": 2}
    for last, words in ((9.0, "is taken"), (-9.0, "is not better: the best is taken")):
        # Of three evaluations the second is best; the fourth is of the mean.
        scores, told = iter([1.0, 3.0, 2.0, last]), []

        def rated(*arguments: Any, scores: Any = scores) -> Any:
            return measure(*arguments)._replace(score=next(scores))

        monkeypatch.setattr("nlp.translator.training.measure", rated)
        folder, seen = tmp_path / words, {}

        def look(event: Event, told: list = told, seen: dict = seen, folder: Path = folder) -> None:
            told.append(event)
            if isinstance(event, Evaluation):
                path = folder / "training" / f"best-{event.step:09d}.safetensors"
                seen[event.step] = read_tensors(path)[0]

        model = train(*files, output=folder, report=look, **options).model
        texts = [event.text for event in told if isinstance(event, Remark)]
        assert any(text.endswith(words) and "mean of the best" in text for text in texts)
        for name, value in model.state_dict().items():
            expected = seen[4][name]
            if last > 0:
                expected = (seen[4][name] + seen[6][name]) / 2
            torch.testing.assert_close(value, expected)
        assert equal(Translator.from_pretrained(folder, "cpu"), model)
        assert not [*folder.rglob("best-*")]


def fake_run(**arguments: Any) -> Any:
    return SimpleNamespace(arguments={"batch_size": 64, "seed": 0, "bpe_dropout": 0.0, **arguments})


@pytest.fixture(scope="module")
def corpus() -> tuple[Translator, list[Pair]]:
    """An untrained translator and all generated pairs."""
    found = read_pairs("generated-pairs").pairs
    learned = [f" {text}\n" for pair in found[:2000] for text in (pair.source, pair.target)]
    pieces = Tokenizer.train(learned, vocabulary_size=1000)
    size = pieces.vocabulary_size
    config = Config(size, size, embedding_size=8, hidden_size=8, decoder_layers=1)
    return Translator(config, Texts(pieces, pieces)), found


def test_little_of_a_batch_is_padding(corpus: tuple[Translator, list[Pair]]) -> None:
    batches = _batches(*corpus, fake_run()).buckets
    for epoch in (0, 1):
        made = [*batches.epoch(epoch)]
        masks = [mask for batch in made for mask in (batch.source_mask, batch.target_mask)]
        real = sum(int(mask.sum()) for mask in masks)
        assert 1 - real / sum(mask.numel() for mask in masks) < 0.1
        assert sum(len(batch.source) for batch in made) == len(corpus[1])


def test_bpe_dropout_spells_in_other_ways_and_is_drawn_again(
    corpus: tuple[Translator, list[Pair]],
) -> None:
    model, found = corpus[0], corpus[1][:300]
    plain = _batches(model, found, fake_run()).buckets
    dropped = _batches(model, found, fake_run(bpe_dropout=0.3)).buckets

    def texts(batches: Any, skip: int = 0) -> list[list[list[int]]]:
        return [
            [row[mask].tolist() for row, mask in zip(batch.source, batch.source_mask, strict=True)]
            for batch in batches.epoch(0, skip)
        ]

    torch.manual_seed(7)
    one, state = texts(dropped), torch.get_rng_state()
    two = texts(dropped)
    assert one != two  # another epoch is another spelling
    torch.set_rng_state(state)
    assert texts(dropped) == two
    whole = texts(plain)
    assert whole == texts(plain)
    decode = model.texts.source.decode
    for rows, others in zip(one, whole, strict=True):
        assert [decode(row) for row in rows] == [decode(row) for row in others]
        assert sum(map(len, rows)) > 1.2 * sum(map(len, others))
    # A run that goes on after two batches of an epoch draws what it would have drawn.
    torch.manual_seed(7)
    batches = dropped.epoch(0)
    next(batches), next(batches)
    assert texts(dropped, skip=2) == one[2:]


def test_pieces_begin_at_word_vectors(tmp_path: Path) -> None:
    files = write(tmp_path)
    matrix = torch.randn(3, 24, generator=torch.Generator().manual_seed(0)).numpy()
    save(WordVectors(["the", "not", "zebra-fish"], matrix), tmp_path / "vectors.txt")
    told: list[Event] = []
    found = {}

    def look(event: Event) -> None:
        told.append(event)

    options = {**SMALL, "steps": 1, "learning_rate": 1e-9, "weight_decay": 0.0, "test": 0}
    for shared in (True, False):
        model = train(
            *files,
            **{**options, "shared_vocabulary": shared, "output": tmp_path / f"m{shared}"},
            **{"embedding": tmp_path / "vectors.txt", "report": look},
        ).model
        (piece,) = model.texts.source.encode(" the")
        row = model.source_embedding[piece].detach()
        ratio = row / torch.from_numpy(matrix[0])
        torch.testing.assert_close(ratio, ratio[:1].expand(24), rtol=1e-3, atol=1e-3)
        found[shared] = model
    assert any("word vectors for" in event.text for event in told if isinstance(event, Remark))
    with pytest.raises(UsageError, match="24 features and the embedding 16"):
        train(
            *files,
            **{**options, "embedding_size": 16, "embedding": tmp_path / "vectors.txt"},
            output=tmp_path / "wrong",
        )
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attention": "none", "input_feeding": True}, "belong to attention"),
        ({"bpe_dropout": 2.0}, "bpe_dropout"),
        ({"pattern": "gpt3"}, "pattern"),
        ({"source": None}, "no source"),
        ({"hidden_size": 7}, "even"),
        ({"average": 0}, "average"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(
    options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    source, target = write(tmp_path, 9)
    with pytest.raises(UsageError, match=told):
        train(**{"source": source, "target": target, **SMALL, **options}, output=tmp_path / "m")
    assert not (tmp_path / "m").exists()


# ── measuring ───────────────────────────────────────────────────────────────────────────────────


def test_the_loss_is_that_of_single_pairs(corpus: tuple[Translator, list[Pair]]) -> None:
    model, found = corpus[0], corpus[1][:9]
    total, pieces = 0.0, 0
    for pair in found:
        source, target = model.texts.encode([pair.source, pair.target])
        batch = model.eval().batch([source], [target])
        mean, count, _ = model.loss(batch)
        total, pieces = total + mean.item() * count, pieces + count
    empty = Pair(" ", "x", "nowhere")
    assert mean_loss(model, [*found, empty]) == pytest.approx(total / pieces, rel=1e-5)
    measured = measure(model, found)
    assert measured.metrics["perplexity"] == pytest.approx(math.exp(measured.loss))


def test_evaluation_is_of_the_translations(
    corpus: tuple[Translator, list[Pair]], tmp_path: Path
) -> None:
    model, files = corpus[0], write(tmp_path, 12)
    found = evaluate(model, *files, strategy=Beam(2))
    given = read_pairs(*files).pairs
    sources, references = [p.source for p in given], [p.target for p in given]
    written = [one.text for one in model.translate(sources, strategy=Beam(2))]
    expected = score_translations(sources, written, references)
    assert (found.bleu, found.chrf, found.ter) == (expected.bleu, expected.chrf, expected.ter)
