"""Training word vectors: both engines, their losses, and what a run leaves behind."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli import embeddings as command
from corpora.errors import UsageError
from nlp.core.events import Epoch, Event, Remark
from nlp.core.words import vector_formats
from nlp.core.words.word2vec import Word2Vec
from nlp.core.words.word_counts import WordCounts, Written
from nlp.core.words.word_loss import SampledLoss
from nlp.embeddings import Config, TrainedEmbeddings, _task, train_embeddings

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
        config=Config(algorithm=algorithm, window=1, negatives=3, subsample=0),  # type: ignore[arg-type]
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
        ({"start": "nowhere"}, "`unrolled train-embeddings --output nowhere`"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 5_000_000_000}, "seed is 5000000000"),
        ({"epochs": 0}, "epochs is 0"),
        ({"max_vocabulary": 1}, "is the only word kept"),
    ],
)
def test_wrong_arguments(corpus: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(corpus, "out", **arguments)
    assert not (corpus.parent / "out").exists()


@pytest.mark.parametrize("arguments", [{"engine": "torch", "subwords": True}, {"seed": -1}])
def test_what_can_be_refused_is_refused_before_the_corpus_is_read(
    corpus: Path, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*sources: object, **options: object) -> None:
        pytest.fail("the corpus was read")

    monkeypatch.setattr("nlp.embeddings.read", read)
    with pytest.raises(UsageError):
        run(corpus, "out", **arguments)


@pytest.mark.parametrize("engine", ["gensim", "torch"])
@pytest.mark.parametrize("objective", ["negative-sampling", "hierarchical-softmax"])
def test_one_word_has_no_neighbour_to_learn_from(
    engine: str, objective: str, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("word " * 50, encoding="utf-8")
    with pytest.raises(UsageError, match="'word' is the only word kept"):
        run(path, "out", engine=engine, objective=objective)


@pytest.mark.parametrize(
    "text",
    [
        "the cat " * 64,  # one word more than a whole batch, with the break behind it
        "the cat\n" + "\n" * 600 + "sat on the mat\n",
    ],
    ids=["a whole batch", "blank lines"],
)
@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
def test_batches_without_a_word_are_passed_over(text: str, algorithm: str, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(text, encoding="utf-8")
    trained = run(tmp_path / "corpus.txt", "out", engine="torch", algorithm=algorithm)
    assert np.isfinite(trained.vectors.matrix).all()
    assert trained.losses[-1] < trained.losses[0]


def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rates that the torch engine will go through."""
    found: list[float] = []
    step = Word2Vec.step

    def watched(self: Word2Vec, window: Any, learning_rate: float, drawn: Any = None) -> None:
        found.append(learning_rate)
        step(self, window, learning_rate, drawn)

    monkeypatch.setattr(Word2Vec, "step", watched)
    return found


def test_the_learning_rate_falls_to_its_end_also_when_going_on(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(corpus, "first", workers=1)
    more = corpus.parent / "more.txt"
    more.write_text("the cat eats hay\n" * 500, encoding="utf-8")
    found = rates(monkeypatch)
    train_embeddings(
        more, output=corpus.parent / "on", start=corpus.parent / "first", engine="torch", epochs=3
    )
    assert found == sorted(found, reverse=True)
    assert found[0] == 0.025
    assert found[-1] < 0.025 * 0.05  # as close to its end as a step of some forty can be


def test_a_low_learning_rate_does_not_rise(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rates(monkeypatch)
    run(corpus, "out", engine="torch", learning_rate=1e-6, epochs=1)
    assert set(found) == {1e-6}
    gensims: list[float] = []
    monkeypatch.setattr(
        "gensim.models.Word2Vec.__init__",
        lambda self, **settings: (
            gensims.extend((settings["alpha"], settings["min_alpha"])) or 1 / 0
        ),
    )
    with pytest.raises(ZeroDivisionError):
        run(corpus, "other", engine="gensim", learning_rate=1e-6)
    assert gensims == [1e-6, 1e-6]


def test_settings_that_differ_from_the_start_are_refused(corpus: Path) -> None:
    run(corpus, "first", size=20, algorithm="cbow", epochs=1)

    def go_on(**changes: Any) -> TrainedEmbeddings:
        start, output = corpus.parent / "first", corpus.parent / "on"
        given = {"min_count": 1, "epochs": 1, **changes}
        return train_embeddings(corpus, output=output, start=start, **given)

    with pytest.raises(UsageError, match=r"size is 300 here and 20 in .*: .* leave it out"):
        go_on(size=300)
    with pytest.raises(UsageError, match="lowercase is False here and True"):
        go_on(lowercase=False)
    assert not (corpus.parent / "on").exists()
    assert go_on(size=20, subsample=0).vectors.size == 20  # the same, or the default, may be given
    asked = json.loads((corpus.parent / "on/training/run.json").read_text(encoding="utf-8"))
    assert (asked["size"], asked["algorithm"], asked["window"]) == (20, "cbow", 2)
    card = (corpus.parent / "on/README.md").read_text(encoding="utf-8")
    assert "| size | 20 |" in card
    assert "| algorithm | cbow |" in card


def test_going_on_adds_the_most_frequent_words_up_to_a_limit(corpus: Path) -> None:
    first = run(corpus, "first", epochs=1)
    more = corpus.parent / "more.txt"
    more.write_text("the tram waits\n" * 9 + "the tram\n", encoding="utf-8")
    limits = {"min_count": 1, "max_vocabulary": len(first.vectors) + 2, "epochs": 1}
    second = train_embeddings(
        more, output=corpus.parent / "on", start=corpus.parent / "first", **limits
    )
    assert set(second.vectors.words) == {*first.vectors.words, "the", "tram"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"wings": 2}, "damaged"),
        ({"size": "many"}, "damaged"),
        ({"size": 0}, "damaged"),
        ({"size": 13}, "do not fit"),
    ],
)
def test_a_damaged_start_is_one_line(corpus: Path, changed: dict[str, Any], message: str) -> None:
    run(corpus, "first", epochs=1)
    path = corpus.parent / "first" / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["config"] |= changed
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as told:
        run(corpus, "second", start=corpus.parent / "first")
    assert "\n" not in str(told.value)


def test_small_texts_are_read_more_often_by_default(corpus: Path) -> None:
    events: list[Event] = []
    epochs = run(corpus, "out", epochs=None, size=2, report=events.append).losses[1:]
    assert len(epochs) == 50  # 4,500 words
    assert "50 epochs" in str(events[0])
    assert "| epochs | 50 |" in (corpus.parent / "out/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "epochs"), [(10, 50), (300_000, 50), (447_922, 34), (3_000_000, 5), (10**9, 5)]
)
def test_epochs_make_fifteen_million_words(words: int, epochs: int) -> None:
    counted = Counter({"a": words - 5, "b": 5})
    arguments = {"epochs": None, "learning_rate": None, "workers": 1, "seed": 0}
    limits = {"min_count": 1, "max_vocabulary": None}
    text = Written(Path("words.txt"), counted, 1)
    assert _task(text, {**arguments, **limits}, Config(), None).epochs == epochs


@pytest.mark.parametrize("engine", ["gensim", "torch"])
def test_an_interrupted_run_leaves_vectors_and_says_so(engine: str, corpus: Path) -> None:
    events: list[Event] = []

    def report(event: Event) -> None:
        events.append(event)
        if isinstance(event, Epoch) and event.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(corpus, "out", engine=engine, epochs=5, report=report)
    folder = corpus.parent / "out"
    told = events[-1]
    assert isinstance(told, Remark)
    assert told.text.startswith(f"interrupted after epoch 2 of 5, whose vectors are in {folder}")
    assert "interrupted after epoch 2 of 5" in (folder / "README.md").read_text(encoding="utf-8")
    assert not (folder / "training" / "words.txt").exists()
    assert "cat" in vector_formats.load(folder)
    # a second run is told what it can do
    with pytest.raises(UsageError, match="is not empty: --overwrite replaces it"):
        run(corpus, "out")
    assert run(corpus, "on", start=folder, epochs=1).losses[0] < 6 * np.log(2)


def test_a_run_interrupted_before_its_first_epoch_leaves_nothing(corpus: Path) -> None:
    before = run(corpus, "out", epochs=1).vectors.matrix
    events: list[Event] = []

    def report(event: Event) -> None:
        events.append(event)
        if len(events) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(corpus, "out", overwrite=True, report=report)
    assert "interrupted before the first epoch" in str(events[-1])
    assert np.array_equal(vector_formats.load(corpus.parent / "out").matrix, before)
    assert {path.name for path in corpus.parent.iterdir()} == {"corpus.txt", "out"}


def test_a_failed_run_leaves_no_copy_of_the_corpus(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise UsageError("no space is left on the disk")

    def after_the_first(event: Event) -> None:
        if isinstance(event, Epoch):
            monkeypatch.setattr("nlp.core.words.vector_formats.save_folder", full)

    with pytest.raises(UsageError, match="no space"):
        run(corpus, "out", report=after_the_first)
    assert not (corpus.parent / "out/training/words.txt").exists()
    assert "cat" in vector_formats.load(corpus.parent / "out")


def test_a_loss_of_nothing_is_not_zero(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("one\ntwo\nthree\n" * 20, encoding="utf-8")
    events: list[Event] = []
    trained = run(tmp_path / "corpus.txt", "out", report=events.append)
    assert np.isnan(trained.losses).all()
    assert any("no two known words stand on one line" in str(event) for event in events)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "not measured" in card
    assert "nan" not in card


def test_threads_are_told_as_threads(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    run(corpus, "out", workers=3, epochs=1, report=events.append)
    assert "gensim trains on 3 threads" in str(events[0])
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 5}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    run(corpus, "two", workers=None, epochs=1, report=events.append)
    assert "gensim trains on 2 threads" in str(events[-2])


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
