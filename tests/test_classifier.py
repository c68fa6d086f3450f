"""Classifiers: what they must learn, what changes nothing, and what is refused."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from corpora.errors import UsageError
from nlp import classifier
from nlp.classifier import Classifier, Config, evaluate, train
from nlp.core import alphabet
from nlp.core.alphabet import Alphabet
from nlp.core.checkpoint import CARD, CONFIG, WEIGHTS, read_tensors
from nlp.core.classes.labelled_texts import NOTHING, Text
from nlp.core.events import Evaluation, Event, Remark
from nlp.core.training_state import METRICS, read_metrics
from nlp.core.words.vector_formats import save
from nlp.core.words.word_vectors import WordVectors

GOOD = ["good", "fine", "lovely", "bright", "clever", "moving", "warm", "witty"]
BAD = ["bad", "dull", "awful", "grim", "silly", "boring", "cold", "flat"]
FORMS = ["{}, not {}", "it is {} and not {} at all", "truly {}: never {}", "{}, I say, not {}!"]
TINY = {
    **{"word_size": 16, "hidden_size": 16, "steps": 24, "batch_size": 16, "evaluate_every": 6},
    **{"warmup_steps": 2, "word_epochs": 0, "device": "cpu"},
}

Rows = Sequence[tuple[str, str]]


def write(path: Path, rows: Rows) -> Path:
    lines = (json.dumps({"text": text, "label": label}) for text, label in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def reviews(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each pair of words in both orders, of which each speaks for another label."""
    return [
        row
        for form, (good, bad) in itertools.product(FORMS, pairs)
        for row in ((form.format(good, bad), "pos"), (form.format(bad, good), "neg"))
    ]


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Training, validation and test file, which share no pair."""
    pairs = list(itertools.product(GOOD, BAD))
    random.Random(0).shuffle(pairs)
    folder = tmp_path_factory.mktemp("orders")
    parts = {"train": pairs[:40], "validation": pairs[40:52], "test": pairs[52:]}
    train, validation, test = (
        write(folder / f"{name}.jsonl", reviews(own)) for name, own in parts.items()
    )
    return train, validation, test


@pytest.fixture(scope="module")
def finished(orders: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished") / "model"
    learn(orders, folder)
    return folder


def learn(
    files: tuple[Path, Path, Path], output: Path, heard: list[Event] | None = None, **options: Any
) -> classifier.Trained:
    given = {"validation": files[1], "test": files[2], **TINY, **options}
    report = [].append if heard is None else heard.append
    return train(files[0], output=output, report=report, **given)  # type: ignore[arg-type]


def remarks(heard: Sequence[Event]) -> list[str]:
    return [event.text for event in heard if isinstance(event, Remark)]


# ── order earns its keep ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pooling", ["last", "max", "mean", "attention"])
def test_good_not_bad_is_told_from_bad_not_good(
    pooling: str, orders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    options = {"word_dropout": 0.0, "input_dropout": 0.2, "output_dropout": 0.2}
    trained = learn(
        orders,
        tmp_path / "model",
        **{"pooling": pooling, "steps": 60, "learning_rate": 2e-2, **options},
    )
    assert trained.test is not None
    assert trained.baseline is not None
    assert trained.test.accuracy == 1
    assert trained.baseline.accuracy == 0.5  # the words of both are the same
    answers = list(trained.model.classify(["good, not bad", "bad, not good"], explain="gradient"))
    assert [answer.labels for answer in answers] == [("pos",), ("neg",)]
    assert min(max(answer.probabilities.values()) for answer in answers) > 0.9


def test_the_report_has_both(finished: Path) -> None:
    card = (finished / CARD).read_text()
    assert "Tells apart neg, pos." in card
    assert "| |accuracy|from|to|macro F1|" in card
    assert "| this model |" in card
    assert "| bag of words |0.500|" in card


# ── several labels ──────────────────────────────────────────────────────────────────────────────


def test_several_labels_are_learned(tmp_path: Path) -> None:
    kinds = {"r": "red", "b": "blue", "g": "green"}
    chance = random.Random(0)
    rows = []
    for _ in range(300):
        own = [label for label in kinds if chance.random() < 0.4]
        words = ["the", *(kinds[label] for label in own), "thing"]
        rows.append((" ".join(words), "+".join(own)))
    data = write(tmp_path / "colours.jsonl", rows)
    dropouts = {"word_dropout": 0.0, "input_dropout": 0.1, "output_dropout": 0.1}
    options = {**TINY, **dropouts, "steps": 120, "learning_rate": 1e-2, "evaluate_every": 30}
    trained = train(data, output=tmp_path / "model", separator="+", **options)  # type: ignore[arg-type]
    assert trained.model.config.multi_label
    assert trained.test is not None
    assert trained.test.accuracy == 1
    assert trained.test.confusion == ()
    texts = ["a green and red door", "the thing", "red blue green"]
    answers = list(trained.model.classify(texts, explain="gradient"))
    assert [answer.labels for answer in answers] == [("g", "r"), (), ("b", "g", "r")]
    assert sum(answers[2].probabilities.values()) > 2  # they do not exclude each other
    found = evaluate(tmp_path / "model", data, separator="+")
    assert found.accuracy == 1
    with pytest.raises(UsageError, match="one label was expected; train with --multi-label"):
        train(data, output=tmp_path / "other", multi_label=False, separator="+")
    assert not (tmp_path / "other").exists()


# ── loss, weights, calibration ──────────────────────────────────────────────────────────────────


def build(labels: tuple[str, ...] = ("neg", "pos", "so-so"), **options: Any) -> Classifier:
    torch.manual_seed(0)
    known, _ = Alphabet.build(" ".join(text for text, _ in reviews([("good", "bad")])).split())
    sizes = {"word_size": 8, "hidden_size": 8, **known.sizes()}
    return Classifier(Config(labels, **{**sizes, **options}), known).eval()


SENTENCES = [["good", ",", "not", "bad"], ["bad"], ["it", "is", "good"]]


def test_the_loss_is_that_of_torch() -> None:
    made = build()
    made.label_weights.copy_(torch.tensor([1.0, 3.0, 0.5]))
    batch = made.batch(SENTENCES, [["pos"], ["neg"], ["so-so"]])
    targets = torch.tensor([1, 0, 2])
    expected = F.cross_entropy(made(batch), targets, weight=made.label_weights)
    torch.testing.assert_close(made.loss(batch).mean, expected)
    several = build(multi_label=True)
    several.label_weights.copy_(made.label_weights)
    batch = several.batch(SENTENCES, [["pos", "neg"], [], ["so-so"]])
    wanted = torch.tensor([[1.0, 1, 0], [0, 0, 0], [0, 0, 1]])
    expected = F.binary_cross_entropy_with_logits(
        several(batch), wanted, pos_weight=made.label_weights
    )
    torch.testing.assert_close(several.loss(batch).mean, 3 * expected)  # a sum over the labels


def test_weights_move_decisions(tmp_path: Path) -> None:
    """Where the words say nothing, the heavier label is the answer."""
    rows = [("a film", "common")] * 4 + [("a film", "rare")]
    rows = [(f"{text} {number}", label) for number in range(40) for text, label in rows]
    data = write(tmp_path / "films.jsonl", rows)
    options = {**TINY, "test": 0, "min_count": 50, "steps": 60, "learning_rate": 1e-2}
    shares = {}
    for weights in ("none", "balanced", "rare=16"):
        made = train(
            data,
            output=tmp_path / weights,
            class_weights=weights,
            **options,  # type: ignore[arg-type]
        ).model
        made.temperature.fill_(1)
        shares[weights] = next(made.classify(["a film"])).probabilities["rare"]
    assert shares["none"] == pytest.approx(0.2, abs=0.06)
    assert shares["balanced"] == pytest.approx(0.5, abs=0.1)
    assert shares["rare=16"] > 0.65


def test_the_temperature_makes_the_validation_part_likeliest() -> None:
    made = build()
    with torch.no_grad():
        made.output.weight.normal_(std=8)  # far too sure of itself
    likeliest = made.read_all(SENTENCES)[0].argmax(1).tolist()
    right = [made.config.labels[number] for number in likeliest]
    texts = [
        Text(words, (label if number % 3 else "so-so",), " ".join(words), "line 1")
        for number in range(30)
        for words, label in zip(SENTENCES, right, strict=True)
    ]

    def likelihood() -> float:
        logits, _ = made.read_all([text.words for text in texts])
        targets = torch.tensor([made.number[text.labels[0]] for text in texts])
        found = made.probabilities(logits)
        return float(found.gather(1, targets[:, None]).log().mean())

    before = likelihood()
    logits, _ = made.read_all(SENTENCES)
    made.calibrate(texts)
    best, temperature = likelihood(), made.temperature.clone()
    assert temperature > 1
    assert best > before
    for factor in (0.8, 1.25):
        made.temperature.copy_(factor * temperature)
        assert likelihood() < best
    assert torch.equal(made.read_all(SENTENCES)[0], logits)


# ── texts of any kind ───────────────────────────────────────────────────────────────────────────


def test_any_text_gets_an_answer(finished: Path) -> None:
    made = Classifier.from_pretrained(finished, device="cpu")
    texts = ["", " \n\t", "good", "\N{GRINNING FACE} שלום", "good, " * 20_000, "x" * 3000, NOTHING]
    answers = list(made.classify(iter(texts), explain="gradient"))
    assert [answer.text for answer in answers] == texts
    for answer in answers:
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert len(answer.weights) == len(answer.words)
        assert np.isfinite(answer.weights).all()
    assert answers[0].words == ()
    assert len(answers[4].words) == 40_000


def test_answers_come_in_order_whatever_is_read_together(finished: Path) -> None:
    made = Classifier.from_pretrained(finished, device="cpu")
    texts = [text for text, _ in reviews(list(zip(GOOD, BAD, strict=True)))] * 9
    assert len(texts) > classifier.AT_ONCE
    answers = list(made.classify(texts))
    for text, answer in itertools.islice(zip(texts, answers, strict=True), 0, None, 37):
        alone = next(made.classify([text], batch_size=1))
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_a_stream_is_read_no_further_than_it_must(finished: Path) -> None:
    made = Classifier.from_pretrained(finished, device="cpu")
    read = itertools.count()
    texts = (f"good {next(read)}" for _ in range(10**9))
    next(made.classify(texts))
    assert next(read) == classifier.AT_ONCE


# ── the folder ──────────────────────────────────────────────────────────────────────────────────


def test_a_folder_gives_the_same_model_and_scores(
    finished: Path, orders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    made = Classifier.from_pretrained(finished, device="cpu")
    made.save_pretrained(tmp_path / "copy")
    one, other = (evaluate(folder, orders[2]) for folder in (finished, tmp_path / "copy"))
    assert one.summary() == other.summary()
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {
        CONFIG,
        WEIGHTS,
        alphabet.FILE,
    }


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (CONFIG, None, "no model folder"),
        (alphabet.FILE, None, "lexicon.json is missing"),
        (alphabet.FILE, "{", "lexicon.json is damaged"),
        (alphabet.FILE, '{"words": []}', "lexicon.json is damaged"),
        (alphabet.FILE, '{"words": ["a"], "given": [], "characters": []}', "does not fit"),
        (WEIGHTS, None, "model.safetensors is missing"),
    ],
)
def test_a_damaged_folder_is_told(
    file: str, content: str | None, message: str, finished: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(finished, tmp_path / "model")
    (model / file).unlink()
    if content is not None:
        (model / file).write_text(content)
    if message == "does not fit":
        settings = json.loads((model / CONFIG).read_text())
        settings["config"]["words"] += 1
        (model / CONFIG).write_text(json.dumps(settings))
    with pytest.raises(UsageError, match=message):
        Classifier.from_pretrained(model)


def test_a_wrong_config_is_told(finished: Path, tmp_path: Path) -> None:
    model = shutil.copytree(finished, tmp_path / "model")
    settings = json.loads((model / CONFIG).read_text())
    for change, message in (
        ({"config": {"labels": ["a", "b"]}}, "config.json is damaged"),
        ({"kind": "tagger"}, "tagger.*classifier"),
    ):
        (model / CONFIG).write_text(json.dumps({**settings, **change}))
        with pytest.raises(UsageError, match=message):
            Classifier.from_pretrained(model)


# ── training ────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_model(
    finished: Path, orders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    learn(orders, tmp_path / "same")
    assert torch.equal(torch.get_rng_state(), before)
    learn(orders, tmp_path / "other", seed=1)
    weights = [
        read_tensors(folder / WEIGHTS)[0]
        for folder in (finished, tmp_path / "same", tmp_path / "other")
    ]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert not torch.equal(weights[0]["output.weight"], weights[2]["output.weight"])


class Stop(Exception):
    """Ends a run from outside, as a kill would."""


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    finished: Path, orders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Evaluation) and event.step == 18:
            raise Stop

    given = {"validation": orders[1], "test": orders[2], **TINY}
    with pytest.raises(Stop):
        train(orders[0], output=tmp_path / "model", report=stop, **given)  # type: ignore[arg-type]
    trained = train(output=tmp_path / "model", resume=True)
    assert trained.outcome.ended == "finished"
    tensors, others = (read_tensors(place / WEIGHTS)[0] for place in (tmp_path / "model", finished))
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    with pytest.raises(UsageError, match="learning_rate is 1"):
        train(output=tmp_path / "model", resume=True, learning_rate=1.0)
    write(tmp_path / "train.jsonl", [("other words", "pos"), ("and more of them", "neg")])
    run = tmp_path / "model" / "training" / "run.json"
    arguments = {**json.loads(run.read_text()), "data": str(tmp_path / "train.jsonl")}
    run.write_text(json.dumps(arguments))
    with pytest.raises(UsageError, match=r"the data is not what the run in .* began with"):
        train(output=tmp_path / "model", resume=True)


def test_the_best_by_accuracy_is_kept_and_training_tells_what_it_does(
    orders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    heard: list[Event] = []
    trained = learn(orders, tmp_path / "model", heard, plot=True)
    told = remarks(heard)
    assert told[0] == (
        "train 320 texts (2,000 words), validation 96 texts (600 words), test 96 texts "
        "(600 words); as given"
    )
    assert "a classifier of" in told[1]
    looks = [event for event in heard if isinstance(event, Evaluation)]
    assert [look.step for look in looks] == [6, 12, 18, 24]
    best = max(look.metrics["accuracy"] for look in looks)
    kept = min((look for look in looks if look.metrics["accuracy"] == best), key=lambda e: e.loss)
    assert trained.outcome.best_step == kept.step
    rows = read_metrics(tmp_path / "model" / METRICS)
    assert any("accuracy" in row for row in rows)
    assert (tmp_path / "model" / "curves.png").is_file()
    found = evaluate(tmp_path / "model", orders[1])
    assert found.accuracy == pytest.approx(best)


def test_equal_texts_are_not_divided(tmp_path: Path) -> None:
    rows = [(f"{good} film", "pos") for good in GOOD] + [(f"{bad} film", "neg") for bad in BAD]
    data = write(tmp_path / "films.jsonl", rows * 6)
    trained = train(data, output=tmp_path / "model", validation=0.2, test=0.2, **TINY)  # type: ignore[arg-type]
    assert trained.test is not None
    assert trained.test.texts % 6 == 0  # all six of each
    assert 0 < trained.test.texts < len(rows) * 6 / 2


def test_vectors_from_a_file_are_read(orders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    words = [*GOOD, *BAD, "never-seen"]
    matrix = np.random.default_rng(0).normal(size=(len(words), 5)).astype(np.float32)
    save(WordVectors(words, matrix), tmp_path / "vectors.safetensors")
    for freeze in (True, False):
        heard: list[Event] = []
        options = {"embedding": tmp_path / "vectors.safetensors", "freeze_embedding": freeze}
        folder = tmp_path / str(freeze)
        trained = learn(orders, folder, heard, word_size=0, overwrite=True, **options)
        assert any(text.startswith("word vectors for 32.0% of") for text in remarks(heard))
        given = trained.model.features.given
        assert given is not None
        assert len(given.learned) == (0 if freeze else 1 + len(GOOD) + len(BAD))
        again = Classifier.from_pretrained(folder, device="cpu")
        known = next(again.classify(["never-seen"])).probabilities
        assert known != next(again.classify(["unheard-of"])).probabilities


def test_labels_that_training_lacks_are_told(tmp_path: Path) -> None:
    data = write(tmp_path / "train.jsonl", [("good", "pos"), ("bad", "neg")] * 8)
    held_out = write(tmp_path / "validation.jsonl", [("good", "pos"), ("meh", "so-so")])
    heard: list[Event] = []
    trained = train(
        data,
        output=tmp_path / "model",
        validation=held_out,
        test=0,
        report=heard.append,
        **TINY,  # type: ignore[arg-type]
    )
    assert trained.model.config.labels == ("neg", "pos", "so-so")
    assert trained.test is trained.baseline is None
    told = "no training text has these labels, so they cannot be learned: so-so"
    assert told in remarks(heard)
    other = write(tmp_path / "other.jsonl", [("good", "pos"), ("fine", "great")])
    with pytest.raises(UsageError, match=r"other.jsonl, line 2: the label 'great' is not one of"):
        evaluate(trained.model, other)


def test_evaluating_tells_what_is_odd_about_the_data(finished: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "odd.jsonl", [("good, not bad", "pos"), (" ", "neg")])
    heard: list[Event] = []
    assert evaluate(finished, data, report=heard.append).texts == 1
    assert remarks(heard) == [f"empty texts left out: 1 ({data}, line 2)"]
    with pytest.raises(UsageError, match="unrolled train-classifier --output"):
        evaluate(tmp_path / "none", data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": None}, "no labelled texts are named"),
        ({"pooling": "sum"}, "pooling 'sum' is unknown"),
        ({"cell": "mlp"}, "cell 'mlp' is unknown"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"word_dropout": 1.0}, "word_dropout is 1.0"),
        ({"class_weights": "heavy"}, "class_weights is 'heavy'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"device": "abacus"}, "device 'abacus' is unknown"),
        ({"resume": True, "overwrite": True}, "contradict"),
        ({"validation": 0.6, "test": 0.5}, "leave nothing to train on"),
        ({"label_column": "stars"}, "no column 'stars'"),
        ({"class_weights": "great=2"}, "which no text has"),
        ({"word_size": 0}, "nothing of a word is read"),
        ({"embedding": "missing.txt"}, "missing.txt"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_left(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = write(tmp_path / "films.jsonl", [("good", "pos"), ("bad", "neg")] * 20)
    output = tmp_path / "model"
    with pytest.raises(UsageError, match=message):
        train(**{"data": data, "output": output, **options})
    assert not output.exists()


def test_one_label_is_nothing_to_learn(tmp_path: Path) -> None:
    data = write(tmp_path / "films.jsonl", [(f"good {number}", "pos") for number in range(30)])
    with pytest.raises(UsageError, match=r"the data has one label only \(pos\)"):
        train(data, output=tmp_path / "model")


def test_a_failed_run_puts_back_the_model_that_was_there(
    finished: Path, orders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    model = shutil.copytree(finished, tmp_path / "model")
    with pytest.raises(UsageError, match="is not empty"):
        learn(orders, model)
    with pytest.raises(UsageError, match="which no text has"):
        learn(orders, model, overwrite=True, class_weights="great=2")
    assert evaluate(model, orders[2]).summary() == evaluate(finished, orders[2]).summary()
