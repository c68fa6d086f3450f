"""Word vectors as the beginning of a language model's embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpora.errors import UsageError
from nlp.core.events import Evaluation, Event, Remark
from nlp.core.pretrained import fill
from nlp.core.words import vector_formats
from nlp.core.words.word_vectors import WordVectors
from nlp.language_model import LanguageModel, train

VECTORS = WordVectors(
    ["cat", "in", "mars"], np.array([[3, 0, 0, 1], [0, 2, 0, 2], [1, 1, 5, 0]], np.float32)
)
TINY: dict[str, Any] = {"steps": 3, "layers": 1, "hidden_size": 8, "batch_size": 4, "window": 8}


def test_words_get_their_vector_and_others_keep_theirs() -> None:
    texts = ["in", " in", " Cat", "xyz", "mars"]
    frequencies = torch.tensor([5.0, 3, 2, 8, 2])
    table = torch.full((5, 4), 0.1)
    before = table.clone()
    coverage = fill(table, texts, VECTORS, frequencies)
    assert coverage == (3, 5, pytest.approx(7 / 20))
    assert "3 of 5 entries" in str(coverage)
    assert "35.0%" in str(coverage)
    assert torch.equal(table[[0, 3]], before[[0, 3]])
    filled = table[[1, 2, 4]]
    expected = torch.from_numpy(VECTORS.matrix[[1, 0, 2]])
    torch.testing.assert_close(filled / filled.norm(), expected / expected.norm())
    assert float(filled.square().mean().sqrt()) == pytest.approx(0.1)


def test_wrong_vectors_are_refused() -> None:
    with pytest.raises(UsageError, match="4 features and the embedding 3"):
        fill(torch.zeros(1, 3), ["cat"], VECTORS, torch.ones(1))
    with pytest.raises(UsageError, match="no entry of the vocabulary"):
        fill(torch.zeros(1, 4), ["dog"], VECTORS, torch.ones(1))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("the cat in the cradle went to mars in a rocket\n" * 200, encoding="utf-8")
    vector_formats.save(VECTORS, tmp_path / "vectors.txt")
    return path


def trained(corpus: Path, **options: Any) -> tuple[LanguageModel, list[str]]:
    events: list[Event] = []
    arguments = {"vocabulary_size": 280, **TINY, **options}
    output = corpus.parent / "model"
    result = train(corpus, output=output, report=events.append, overwrite=True, **arguments)
    return result.model, [event.text for event in events if isinstance(event, Remark)]


def test_a_frozen_embedding_stays_and_another_learns(corpus: Path) -> None:
    vectors = corpus.parent / "vectors.txt"
    frozen, told = trained(corpus, embedding=vectors, freeze_embedding=True, tied=False)
    assert any("entries of the vocabulary" in text for text in told)
    assert frozen.config.embedding_size == 4
    tokenizer = frozen.tokenizer
    assert tokenizer is not None
    (entry,) = tokenizer.encode(" in")
    row = frozen.decoder.embedding[entry].detach()
    expected = torch.from_numpy(VECTORS["in"])
    torch.testing.assert_close(row / row.norm(), expected / expected.norm())
    tuned, _ = trained(corpus, embedding=vectors)
    row = tuned.decoder.embedding[entry].detach()
    assert not torch.allclose(row / row.norm(), expected / expected.norm(), atol=1e-6)
    assert float(torch.cosine_similarity(row, expected, dim=0)) > 0.9  # but began there


class Killed(BaseException):
    """Ends a run like SIGKILL."""


@pytest.mark.parametrize("when", ["after a checkpoint", "before any"])
def test_a_killed_run_goes_on_without_the_vectors(
    when: str, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once there is a checkpoint, which holds what the vectors began."""
    vectors, output = corpus.parent / "vectors.txt", corpus.parent / "model"
    loaded: list[str] = []
    load = vector_formats.load

    def watched(path: str | Path) -> WordVectors:
        loaded.append(str(path))
        return load(path)

    def kill(event: Event) -> None:
        if when == "before any" or (isinstance(event, Evaluation) and event.step == 6):
            raise Killed

    monkeypatch.setattr(vector_formats, "load", watched)
    settings = {**TINY, "vocabulary_size": 280, "embedding": vectors, "tied": False}
    settings |= {"freeze_embedding": True, "steps": 6, "evaluate_every": 3}
    whole = train(corpus, output=corpus.parent / "whole", **settings)
    assert loaded == [str(vectors)]  # once
    with pytest.raises(Killed):
        train(corpus, output=output, report=kill, **settings)
    if when == "after a checkpoint":
        vectors.unlink()
        resumed = train(output=output, resume=True)
        assert resumed.outcome.step == 6
        assert resumed.model.config == whole.model.config
        for name, weights in whole.model.state_dict().items():
            assert torch.equal(weights, resumed.model.state_dict()[name]), name
    else:
        vectors.rename(corpus.parent / "gone.txt")
        with pytest.raises(UsageError, match=r"no file or folder of word vectors"):
            train(output=output, resume=True)
        (corpus.parent / "gone.txt").rename(vectors)
        assert train(output=output, resume=True).model.config == whole.model.config


def test_one_hot_tokens_need_no_embedding(corpus: Path) -> None:
    model, _ = trained(corpus, embedding="one-hot", tied=False)
    assert not any("embedding" in name for name, _ in model.named_parameters())
    weights = model.decoder.recurrent.cells[0].input_weight
    assert weights.shape[1] == model.vocabulary_size
    again = LanguageModel.from_pretrained(corpus.parent / "model")
    assert again.score("the cat").log_probability == model.score("the cat").log_probability


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding": "nowhere.txt"}, "there is no file or folder of word vectors nowhere.txt"),
        ({"embedding": "one-hot"}, "no weights to tie: give --no-tied"),
        ({"freeze_embedding": True}, "must learn: give --no-tied"),
    ],
)
def test_wrong_options(corpus: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        trained(corpus, **options)
    assert not (corpus.parent / "model").exists()
