"""Taggers: what they learn, what they answer, and what becomes of bad data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import UsageError, generated_people
from corpora.schemes import to_tags
from nlp import language_model, tagger
from nlp.core.events import Event, Remark
from nlp.tagger import Tagger, evaluate, train

SMALL: dict[str, Any] = {
    **{"word_size": 16, "character_size": 12, "shape_size": 4, "hidden_size": 24},
    **{"word_dropout": 0.2, "input_dropout": 0.1, "dropout": 0.0, "output_dropout": 0.1},
    **{
        "device": "cpu",
        "precision": "float32",
        "learning_rate": 1e-2,
        "spelling": "cnn",
        "warmup_steps": 10,
    },
}


def write(path: Path, annotated: Any) -> Path:
    """Annotated sentences as CoNLL columns."""
    with path.open("w", encoding="utf-8") as file:
        for words, spans in annotated:
            tags = to_tags(spans, len(words), "BIO")
            file.writelines(f"{w}\t{t}\n" for w, t in zip(words, tags, strict=True))
            file.write("\n")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tagger.Trained]:
    folder = tmp_path_factory.mktemp("people")
    data = write(folder / "people.conll", generated_people.sentences(seed=0, count=600))
    return folder, train(data, output=folder / "model", epochs=10, **SMALL)


def test_it_learns_and_says_how_good_it_is(trained: tuple[Path, tagger.Trained]) -> None:
    folder, result = trained
    assert result.test is not None
    assert result.test.scores.micro.f1 > 0.8
    assert 0 <= result.test.ece < 0.2
    assert 0 < float(result.model.threshold) < 1
    again = evaluate(folder / "model", folder / "people.conll")
    assert again.sentences == 600
    assert again.scores.micro.f1 > 0.85
    assert "| all |" in (folder / "model" / "README.md").read_text(encoding="utf-8")


def test_confidence_is_of_the_whole_span(trained: tuple[Path, tagger.Trained]) -> None:
    model = trained[1].model
    text = "Noor Bellweather left Lisbon ."
    (found,) = model.tag([text], second_choices=True, min_confidence=0.5)
    batch = model.batch([text.split()])
    unary = model.crf.marginals(model(batch), batch.mask, float(model.temperature)).unary[0]
    for entity in found.entities:
        first = "S" if entity.last_word - entity.first_word == 1 else "B"
        number = model.number[f"{first}-{entity.label}"]
        assert entity.confidence <= float(unary[entity.first_word, number]) + 1e-5


def test_batches_and_order_change_nothing(trained: tuple[Path, tagger.Trained]) -> None:
    model = trained[1].model
    texts = ["Noor Bellweather left Lisbon.", "", "No.", "Ida Karvin and Noor came.\n\nHe left."]
    whole = list(model.tag(texts))
    single = [next(iter(model.tag([text], batch_size=1))) for text in texts]
    for one, other in zip(whole, single, strict=True):
        assert [e.text for e in one.entities] == [e.text for e in other.entities]
        for a, b in zip(one.entities, other.entities, strict=True):
            assert a.confidence == pytest.approx(b.confidence, abs=1e-4)


@settings(max_examples=60)
@given(text=st.text(max_size=60) | st.text("aB é\u0301\u200d👩🏽\r\n\t\u05e9\u05dc.", max_size=60))
def test_offsets_are_those_of_the_text(text: str, trained: tuple[Path, tagger.Trained]) -> None:
    (found,) = trained[1].model.tag([text], min_confidence=0.02, second_choices=True)
    for entity in found.entities:
        assert text[entity.start : entity.end] == entity.text
        assert entity.text.strip() == entity.text != ""
        words = found.words[entity.first_word : entity.last_word]
        assert (words[0][0], words[-1][1]) == (entity.start, entity.end)
        assert 0 < entity.confidence <= 1


def test_only_both_directions_tell_teddy_from_teddy_bears(tmp_path: Path) -> None:
    """What tells them apart comes after the word: who reads forward only cannot know."""
    data = write(tmp_path / "train.conll", generated_people.ambiguous(seed=1, count=600))
    test = write(tmp_path / "test.conll", generated_people.ambiguous(seed=2, count=200))
    f1 = {}
    for both in (True, False):
        result = train(
            data, output=tmp_path / f"{both}", test=test, bidirectional=both, epochs=8, **SMALL
        )
        assert result.test is not None
        f1[both] = result.test.scores.micro.f1
        if both:
            said = [
                "He said , Teddy Roosevelt was a great President",
                "He said , Teddy bears are on sale",
            ]
            named = [[e.text for e in found.entities] for found in result.model.tag(said)]
            assert named == [["Teddy Roosevelt"], []]
    assert f1[True] > 0.9
    assert f1[False] < 0.8


def test_language_models_are_read(tmp_path: Path) -> None:
    data = write(tmp_path / "data.conll", generated_people.sentences(seed=0, count=120))
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(w) for w, _ in generated_people.sentences(1, 300)))
    folders = []
    for backward in (False, True):
        folders.append(tmp_path / f"lm-{backward}")
        language_model.train(
            text,
            output=folders[-1],
            kind="characters",
            hidden_size=16,
            embedding_size=8,
            tied=False,
            backward=backward,
            steps=20,
            device="cpu",
            window=16,
            batch_size=4,
            test=0,
        )
    model = train(data, output=tmp_path / "m", language_models=folders, epochs=1, **SMALL).model
    assert not any(p.requires_grad for p in model.readers.parameters())
    # each direction knows only what it has read
    for number, (same, other) in enumerate([("a b c", "a b d"), ("c b a", "d b a")]):
        reader = model._readers()[number]
        one, two = reader([same.split()]), reader([other.split()])
        keep = slice(0, 2) if number == 0 else slice(1, 3)
        torch.testing.assert_close(one[:, keep], two[:, keep])
        assert not torch.allclose(one, two)
    # padding and company change nothing
    pair = model._readers()[1]([["a", "b"], ["a", "longer", "sentence", "than", "that"]])
    torch.testing.assert_close(pair[:1, :2], model._readers()[1]([["a", "b"]]))
    again = Tagger.from_pretrained(tmp_path / "m", device="cpu")
    sentences = [words for words, _ in generated_people.sentences(3, 5)]
    torch.testing.assert_close(again(again.batch(sentences)), model(model.batch(sentences)))


def test_resumed_it_ends_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write(tmp_path / "data.conll", generated_people.sentences(seed=0, count=100))
    whole = train(data, output=tmp_path / "whole", steps=12, evaluate_every=4, **SMALL)

    class Killed(Exception):
        pass

    def kill(event: Event) -> None:
        if getattr(event, "step", 0) == 8:
            raise Killed

    with pytest.raises(Killed):
        train(data, output=tmp_path / "cut", steps=12, evaluate_every=4, report=kill, **SMALL)
    resumed = train(output=tmp_path / "cut", resume=True)
    for one, other in zip(
        whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
    write(data, generated_people.sentences(seed=9, count=100))
    with pytest.raises(UsageError, match="not what the run"):
        train(output=tmp_path / "cut", resume=True)


def test_what_was_skipped_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data.conll"
    write(data, generated_people.sentences(seed=0, count=60))
    data.write_text("# a remark\n" + data.read_text(encoding="utf-8"), encoding="utf-8")
    told: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Remark):
            told.append(event.text)

    train(data, output=tmp_path / "m", steps=2, report=report, **SMALL)
    assert any("comment" in text and "line 1" in text for text in told)


def test_a_tag_unseen_in_training_counts_as_missed(trained: tuple[Path, tagger.Trained]) -> None:
    folder, result = trained
    data = folder / "other.conll"
    data.write_text("Noor\tB-creature\nleft\tO\n\n", encoding="utf-8")
    scores = evaluate(result.model, data).scores
    assert scores.by_label["creature"].gold == 1
    assert scores.by_label["creature"].recall == 0


def test_a_very_long_sentence(trained: tuple[Path, tagger.Trained]) -> None:
    words = ["Noor", "Bellweather", "left", "Lisbon", "."] * 600
    (found,) = trained[1].model.tag_words([words])
    assert all(found[i].span < found[i + 1].span for i in range(len(found) - 1))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "empty"),
        ("a\tO\n\nb\tO\n", "no entity"),
        ("a\tO\nb\n", "line 2"),
        ("a\tQ-X\nb\tI-X\n", "line 1"),
    ],
)
def test_bad_data_is_told_and_nothing_is_left(tmp_path: Path, content: str, told: str) -> None:
    data = tmp_path / "data.conll"
    data.write_text(content, encoding="utf-8")
    valid = write(tmp_path / "valid.conll", generated_people.sentences(0, 5))
    with pytest.raises(UsageError, match=told):
        train(data, validation=valid, test=0.0, output=tmp_path / "m", steps=1, **SMALL)
    assert not (tmp_path / "m").exists()
