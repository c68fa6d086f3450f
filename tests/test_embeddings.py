"""Training word vectors: both engines, their losses, and what a run leaves behind."""

from __future__ import annotations

import inspect
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli import embeddings as command
from corpora.errors import UsageError
from nlp.core.events import Epoch, Event
from nlp.core.words import vector_formats
from nlp.core.words.word_counts import WordCounts
from nlp.core.words.word_loss import SampledLoss
from nlp.embeddings import TrainedEmbeddings, train_embeddings

pytest.importorskip("gensim")

SETTINGS: dict[str, Any] = {
    "size": 12,
    "epochs": 3,
    "min_count": 1,
    "window": 2,
    "subsample": 0,
    "learning_rate": 0.1,
    "workers": 1,
}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two worlds that never mix: animals with meals, engines with fuels."""
    draw = np.random.default_rng(0)
    worlds = (("cat dog horse cow", "eats bites", "meat hay"), ("car bus", "burns", "diesel gas"))
    sentences = []
    for _ in range(1500):
        world = worlds[int(draw.integers(2))]
        sentences.append(" ".join(str(draw.choice(part.split())) for part in world))
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(sentences), encoding="utf-8")
    return path


def run(corpus: Path, name: str, **changes: Any) -> TrainedEmbeddings:
    return train_embeddings(corpus, output=corpus.parent / name, **{**SETTINGS, **changes})


@pytest.mark.parametrize("engine", ["gensim", "torch"])
@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
@pytest.mark.parametrize("objective", ["negative-sampling", "hierarchical-softmax"])
def test_the_loss_falls_and_the_worlds_part(
    corpus: Path, engine: str, algorithm: str, objective: str
) -> None:
    trained = run(corpus, "out", engine=engine, algorithm=algorithm, objective=objective)
    assert len(trained.losses) == 4
    assert trained.losses[-1] < 0.6 * trained.losses[0]
    # Of eleven words the drawn ones are often the right ones, so one pair after the other wobbles.
    if engine == "torch" or objective == "hierarchical-softmax":
        assert all(later < earlier for earlier, later in pairwise(trained.losses))
    vectors = trained.vectors
    near = [word for word, _ in vectors.nearest("cat", top=3)]
    assert not {"car", "bus", "burns", "diesel", "gas"} & set(near), near
    assert vectors.odd_one_out(["cat", "dog", "horse", "bus"]) == "bus"


def test_before_training_the_loss_is_that_of_guessing(corpus: Path) -> None:
    trained = run(corpus, "out", negatives=4)
    assert trained.losses[0] == pytest.approx(5 * np.log(2))
    with_tree = run(corpus, "tree", objective="hierarchical-softmax")
    assert 1 * np.log(2) < with_tree.losses[0] < 5 * np.log(2)  # the mean length of a way


@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
def test_the_loss_is_the_definition(algorithm: str) -> None:
    draw = np.random.default_rng(0)
    vocabulary = WordCounts(list("abcd"), np.array([8, 4, 2, 2]))
    index = {word: number for number, word in enumerate(vocabulary.words)}
    loss = SampledLoss(
        ["a b c\nd x a a"],
        vocabulary,
        index,
        algorithm=algorithm,  # type: ignore[arg-type]
        window=1,
        negatives=3,
        subsample=0,
        tree=None,
        seed=5,
    )
    lines = [[0, 1, 2], [3, 0, 0]]
    expected = [
        (line[i], line[j]) for line in lines for i in range(3) for j in (i - 1, i + 1) if 0 <= j < 3
    ]
    if algorithm == "skip-gram":
        assert list(zip(loss.read[:, 0].tolist(), loss.told.tolist(), strict=True)) == expected
    else:
        assert loss.told.tolist() == [word for line in lines for word in line]
    assert loss.drawn.shape == (len(loss), 3)
    vectors, output = draw.normal(size=(4, 6)), draw.normal(size=(4, 6))
    total = 0.0
    for row in range(len(loss)):
        v = sum(
            share * vectors[word]
            for word, share in zip(loss.read[row], loss.share[row], strict=True)
        )
        total -= np.log(1 / (1 + np.exp(-output[loss.told[row]] @ v)))
        total -= sum(np.log(1 / (1 + np.exp(output[word] @ v))) for word in loss.drawn[row])
    assert loss.measure(vectors, output) == pytest.approx(total / len(loss), rel=1e-6)


def test_the_loss_does_not_depend_on_the_workers(corpus: Path) -> None:
    """Several workers end at other vectors, but what they are measured with is the same."""
    one, two = (run(corpus, f"{workers}", workers=workers) for workers in (1, 2))
    assert one.losses[0] == two.losses[0]
    assert one.losses[-1] == pytest.approx(two.losses[-1], rel=0.05)


@pytest.mark.parametrize("engine", ["gensim", "torch"])
def test_the_same_seed_gives_the_same_vectors(corpus: Path, engine: str) -> None:
    matrices = [
        run(corpus, f"{number}", engine=engine, seed=seed).vectors.matrix
        for number, seed in enumerate((1, 1, 2))
    ]
    assert np.array_equal(matrices[0], matrices[1])
    assert not np.array_equal(matrices[0], matrices[2])


def test_both_engines_reach_the_same_loss(corpus: Path) -> None:
    settings = {"epochs": 8, "learning_rate": 0.03}
    losses = [run(corpus, name, engine=name, **settings).losses[-1] for name in ("gensim", "torch")]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_a_run_leaves_a_folder_that_loads(corpus: Path) -> None:
    trained = run(corpus, "out")
    folder = corpus.parent / "out"
    loaded = vector_formats.load(folder)
    assert loaded.words == trained.vectors.words
    assert loaded.counts is not None
    assert loaded.counts.tolist() == sorted(loaded.counts.tolist(), reverse=True)
    assert np.array_equal(loaded.matrix, trained.vectors.matrix)
    assert not (folder / "training" / "words.txt").exists()
    assert f"{trained.losses[-1]:.4f}" in (folder / "README.md").read_text(encoding="utf-8")


def test_going_on_keeps_the_old_words_and_adds_new_ones(corpus: Path) -> None:
    first = run(corpus, "first")
    more = corpus.parent / "more.txt"
    more.write_text("the tram burns diesel\n" * 50, encoding="utf-8")
    events: list[Event] = []
    second = train_embeddings(
        more,
        output=corpus.parent / "second",
        start=corpus.parent / "first",
        min_count=1,
        epochs=20,
        learning_rate=0.1,
        workers=1,
        report=events.append,
    )
    assert set(second.vectors.words) == {*first.vectors.words, "the", "tram"}
    for word in ("cat", "hay"):  # the new text says nothing about them
        assert np.array_equal(second.vectors[word], first.vectors[word])
    assert not np.array_equal(second.vectors["burns"], first.vectors["burns"])
    assert second.vectors.similarity("tram", "diesel") > second.vectors.similarity("tram", "hay")
    assert [event.number for event in events if isinstance(event, Epoch)] == [*range(1, 21)]
    # what it begins from is what the first run ended with
    assert second.losses[0] < 6 * np.log(2)


def test_subwords_give_unknown_words_a_vector(corpus: Path) -> None:
    trained = run(corpus, "out", subwords=True, buckets=500)
    assert "cats" not in trained.vectors
    assert trained.vectors.similarity("cats", "cat") > trained.vectors.similarity("cats", "diesel")
    assert trained.losses[-1] < 0.6 * trained.losses[0]
    again = train_embeddings(
        corpus, output=corpus.parent / "on", start=corpus.parent / "out", epochs=1, workers=1
    )
    assert again.losses[0] == pytest.approx(trained.losses[-1], rel=1e-3)


def test_phrases_join_what_goes_together(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    lines = ["she went to new york by train", "he saw york and a new house", "a train to the sea"]
    path.write_text("\n".join(lines[:1] * 60 + lines[1:] * 4), encoding="utf-8")
    trained = run(path, "out", phrases=True, phrase_threshold=1.0, min_count=2)
    joined = [word for word in trained.vectors.words if "_" in word]
    assert joined, trained.vectors.words
    plain = run(path, "plain", min_count=2)
    assert not [word for word in plain.vectors.words if "_" in word]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"algorithm": "glove"}, "algorithm 'glove' is unknown"),
        ({"size": 0}, "size is 0"),
        ({"subsample": 1.0}, "subsample is 1.0"),
        ({"min_count": 5000}, r"no word occurs 5000 times .* smaller --min-count"),
        ({"engine": "torch", "subwords": True}, "engine gensim only"),
        ({"max_n": 2}, "max_n is 2"),
        ({"workers": 0}, "workers is 0"),
        ({"start": "nowhere"}, "no model folder nowhere"),
    ],
)
def test_wrong_arguments(corpus: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(corpus, "out", **arguments)
    assert not (corpus.parent / "out").exists()


def test_an_existing_folder_is_kept(corpus: Path) -> None:
    before = run(corpus, "out").vectors.matrix
    with pytest.raises(UsageError, match="not empty"):
        run(corpus, "out")
    with pytest.raises(UsageError, match="no word occurs"):
        run(corpus, "out", min_count=10**6, overwrite=True)
    assert np.array_equal(vector_formats.load(corpus.parent / "out").matrix, before)


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    theirs = inspect.signature(command.train_embeddings).parameters
    names = {name: parameter.default for name, parameter in theirs.items()}
    function = inspect.signature(train_embeddings).parameters
    expected = {name: parameter.default for name, parameter in function.items()}
    assert names.pop("as_json") is False
    del expected["report"]
    assert names == expected


def test_the_command_tells_each_epoch(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = corpus.parent / "out"
    command.train_embeddings(
        [str(corpus)], output=str(output), min_count=1, epochs=2, size=8, as_json=True
    )
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["event"] for row in rows] == ["remark", "epoch", "epoch", "end"]
    assert rows[-1]["losses"][-1] == rows[-2]["loss"]
