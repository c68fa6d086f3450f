"""Questions about pictures: trained, asked and judged, from Python and from the command line."""

from __future__ import annotations

import inspect
import itertools
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cli.main import main
from cli.question_answering import train_vqa
from corpora.errors import UsageError
from corpora.image_questions import ImageQuestion
from corpora.scenes import draw, scenes
from nlp.core.alphabet import Alphabet
from nlp.core.checkpoint import WEIGHTS
from nlp.core.events import Event, Remark
from vision.augment import Augmentation
from vision.images import Preparation
from vision.question_answering import Answerer, Config, evaluate, train
from vision.question_answering.answers import (
    CommonAnswers,
    accuracy,
    classes_of,
    normalized,
)
from vision.question_answering.evaluation import measure, score_answers
from vision.question_answering.questions import Asked, Asking, QuestionBatches

Image = pytest.importorskip("PIL.Image")
SAMPLE = "generated-scenes:60:48"
TINY: dict[str, Any] = {
    **{"size": 48, "features": 24, "hidden_size": 16, "word_size": 16, "steps": 12},
    **{"batch_size": 32, "warmup_steps": 4, "device": "cpu"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("vqa")
    train(SAMPLE, output=place / "v", **TINY)
    for number, scene in enumerate(scenes(seed=3, count=2, size=48)):
        Image.fromarray(draw(scene)).save(place / f"{number}.png")
    return place


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command, function = (
        {name: p.default for name, p in inspect.signature(one).parameters.items()}
        for one in (train_vqa, train)
    )
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # a list of texts on the command line
        command[name] = float(command[name][0])
    assert command == function


def test_an_answer_is_a_class_with_its_probability_and_where_it_looked(folder: Path) -> None:
    model = Answerer.from_pretrained(folder / "v", "cpu")
    asked = ["how many things are there?", "is there a red ring?"]
    found = list(model.answer([folder / "0.png"] * 2, asked))
    assert [one.question for one in found] == asked
    for one in found:
        assert one.answer in model.config.answers
        assert 0 < one.probability <= 1
        np.testing.assert_allclose(np.sum(one.attention, axis=(-2, -1)), 1, atol=1e-4)
    alone = list(model.answer([folder / "0.png"], asked[1:]))
    assert alone[0].probability == pytest.approx(found[1].probability, abs=1e-5)


def test_scores_are_of_all_questions(folder: Path) -> None:
    found = evaluate(folder / "v", SAMPLE, split="test")
    assert found.questions > 0
    assert found.range[0] <= found.accuracy <= found.range[1]


def test_the_command_asks_and_evaluates(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    code, out, _ = run(capsys, "ask", "v", "1.png", "how many things are there?", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["answer"] in Answerer.from_pretrained(folder / "v", "cpu").config.answers
    code, out, _ = run(capsys, "evaluate", "v", SAMPLE, "--json")
    assert (code, json.loads(out)["kind"]) == (0, "vqa")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.png", "what?"), "missing.png"),
        (("0.png", ""), "question is empty"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["unrolled"])
    code, _, err = run(capsys, "ask", "v", *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


# ── answers ─────────────────────────────────────────────────────────────────────────────────────


def test_the_consensus_of_people_is_counted_as_vqa_does() -> None:
    people = ["yes"] * 2 + ["no"] * 8
    # The mean over leaving out each of the ten: min(1, those that agree / 3).
    assert accuracy("yes", people) == pytest.approx((2 * (1 / 3) + 8 * (2 / 3)) / 10)
    assert accuracy("no", people) == 1
    assert accuracy("maybe", people) == 0


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.sampled_from("abcd"))
def test_accuracy_is_the_mean_over_leaving_each_person_out(people: list[str], answer: str) -> None:
    others = [people[:place] + people[place + 1 :] for place in range(len(people))]
    if len(people) == 1:
        expected = float(people == [answer])
    else:
        needed = min(3, len(people) - 1)
        expected = np.mean([min(1, group.count(answer) / needed) for group in others])
    assert accuracy(answer, people) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (" The  Two. ", "2"),
        ("A red  dog", "red dog"),
        ("don't know", "dont know"),
        ("don’t know!", "dont know"),
        ("1,000", "1000"),
        ("3.5 feet", "3.5 feet"),
        ("black/white", "black white"),
        ("None", "0"),
        ("a", "a"),
        ("Yes.", "yes"),
        ("$5", "$5"),
        ("straße", "straße"),
        ("?", ""),
    ],
)
def test_answers_are_compared_in_one_form(written: str, expected: str) -> None:
    assert normalized(written) == expected
    assert normalized(expected) == expected


def test_the_commonest_answers_are_classes() -> None:
    people = [["yes"], ["no"], ["yes"], ["cat", "cat", "dog"], ["dog"], [""]]
    assert classes_of(people, 9) == ("dog", "yes", "cat", "no")  # questions, not people
    assert classes_of(people, 3) == ("dog", "yes", "cat")
    assert classes_of(people, 9, min_count=2) == ("dog", "yes")
    with pytest.raises(UsageError, match=r"0 may be learned.*--min-answers"):
        classes_of(people, 9, min_count=3)


def test_without_a_look_the_longest_known_beginning_decides() -> None:
    told = ["what colour is", "what colour is", "what shape is", "How many"]
    common = CommonAnswers(
        [text.split() for text in told], [("red",), ("red", "blue"), ("ring",), ("2",)]
    )
    assert common.answer(["what", "colour", "is", "it"]) == ("red", 2 / 3)
    assert common.answer(["What", "is"]) == ("red", 2 / 4)
    assert common.answer(["how", "many"]) == ("2", 1.0)
    assert common.answer(["where"])[0] == "red"
    assert CommonAnswers([], []).answer(["where"]) == ("", 0.0)


# ── what is asked ───────────────────────────────────────────────────────────────────────────────


def questions(count: int = 6) -> list[ImageQuestion]:
    return [
        ImageQuestion(scene, one.question, (one.answer,), f"scene {row}", str(row), "", one.kind)
        for row, scene in enumerate(scenes(seed=2, count=count, size=48))
        for one in scene.questions
    ]


def asking(items: Sequence[ImageQuestion]) -> Asking:
    return Asking(items, Preparation(size=48))


def build(items: Sequence[ImageQuestion], **options: Any) -> Answerer:
    torch.manual_seed(0)
    asked = asking(items).questions
    alphabet, _ = Alphabet.build([word for one in asked for word in one.words])
    known = {
        **{"answers": classes_of([one.answers for one in asked], 99)},
        **{"words": len(alphabet.words), "preparation": Preparation(size=48)},
        **{"features": 32, "hidden_size": 24, "word_size": 24, "output_dropout": 0.0},
        **{"word_dropout": 0.0, "input_dropout": 0.0, "dropout": 0.0, **options},
    }
    return Answerer(Config(**known), alphabet).eval()


def test_a_picture_is_looked_at_once_for_all_its_questions() -> None:
    items = questions()
    batches = QuestionBatches(build(items), asking(items), 24, seed=1)
    seen: Counter[str] = Counter()
    for batch, asked in batches.with_questions():
        assert len(asked) == len(batch.picture) <= 24
        assert len(batch.pixels) == len({one.picture for one in asked})
        for row, one in enumerate(asked):
            expected = Preparation(size=48)(draw(image_of(items, one)))
            torch.testing.assert_close(batch.pixels[batch.picture[row]], expected)
        seen.update(one.question + one.where for one in asked)
    assert seen == Counter(item.question + item.where for item in items)
    assert len([*batches.epoch(0)]) == len(batches)


def image_of(items: Sequence[ImageQuestion], asked: Asked) -> Any:
    return next(item.image for item in items if item.where == asked.where)


def test_an_epoch_is_a_function_of_its_number_and_may_be_entered_anywhere() -> None:
    items = questions()
    batches = QuestionBatches(build(items), asking(items), 16, seed=1)
    first, again, other = ([*batches.epoch(number)] for number in (0, 0, 1))
    assert all(torch.equal(a.place, b.place) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a.pixels, b.pixels) for a, b in zip(first, other, strict=False))
    rest = [*batches.epoch(0, skip=2)]
    assert len(rest) == len(first) - 2
    assert torch.equal(rest[0].answers, first[2].answers)
    changed = QuestionBatches(
        build(items), asking(items), 16, augmentation=Augmentation(shift=0.2), seed=1
    )
    assert not torch.equal(next(changed.epoch(0)).pixels, first[0].pixels)


def test_many_questions_about_one_picture_are_several_batches() -> None:
    items = questions(1) * 9
    sizes = [
        len(batch.picture) for batch in QuestionBatches(build(items), asking(items), 10).epoch(0)
    ]
    assert sum(sizes) == len(items)
    assert max(sizes) == 10


def test_an_answer_of_several_people_is_learned_in_their_shares() -> None:
    item = questions(1)[0]._replace(answers=("Two", "2", "the two", "three", "a lot"))
    others = [item._replace(answers=("2",)), item._replace(answers=("3",))]
    model = build(others)
    (batch,) = QuestionBatches(model, asking([item]), 8).epoch(0)
    assert dict(zip(model.config.answers, batch.answers[0].tolist(), strict=True)) == (
        pytest.approx({"2": 0.6, "3": 0.2})
    )


def test_pictures_and_answers_that_are_not_there_are_left_out_and_told(tmp_path: Path) -> None:
    items, bad = questions(2), tmp_path / "bad.png"
    bad.write_bytes(b"")
    items += [items[0]._replace(image=bad, id="bad"), items[0]._replace(answers=())]
    items += [items[0]._replace(image=bad, id="bad", question="where?")]
    found = asking(items)
    assert len(found.questions) == len(items) - 3
    pictures, answers = found.remarks
    assert "cannot be read: 1, and with them 2 questions left out" in pictures
    assert "bad.png" in pictures
    assert answers == "questions without an answer, left out: 1"
    count = sum(one.answers == ("yes",) for one in found.questions)
    found.keep(["yes"])
    assert len(found.questions) == count
    with pytest.raises(UsageError, match=r"no question about a picture is left.*cannot be read"):
        asking(items[-1:])


# ── the model ───────────────────────────────────────────────────────────────────────────────────


def test_looks_and_answers_do_not_depend_on_who_else_asks() -> None:
    items = questions(4)
    model = build(items)
    (whole,) = QuestionBatches(model, asking(items), 999).epoch(0)
    with torch.no_grad():
        logits, weights, grid = model(whole)
        assert weights.shape == (len(items), 2, grid[0] * grid[1])
        torch.testing.assert_close(weights.sum(2), torch.ones(len(items), 2))
        assert (weights[0, 0] - weights[0, 1]).abs().max() > 1e-4  # a look of its own
        for row, item in itertools.islice(enumerate(items), 0, None, 9):
            (alone,) = QuestionBatches(model, asking([item]), 9).epoch(0)
            torch.testing.assert_close(model(alone).logits[0], logits[row], atol=1e-5, rtol=1e-4)


def test_the_picture_and_the_question_both_count() -> None:
    items = questions(2)
    model = build(items)
    first, other = items[0].image, items[-1].image
    texts = ["how many rings are there?", "what colour is the star?"]
    found = list(model.answer([first, other, first], [texts[0], texts[0], texts[1]], n_best=99))
    shares = [dict(one.alternatives) for one in found]
    assert shares[0] != shares[1]
    assert shares[0] != shares[2]
    assert all(sum(share.values()) == pytest.approx(1) for share in shares)


@pytest.mark.parametrize("options", [{}, {"cell": "gru", "attention": "general", "looks": 1}])
def test_a_few_pictures_are_learned_by_heart(options: dict[str, Any]) -> None:
    items = questions(4)
    model = build(items, **options)
    batches = QuestionBatches(model, asking(items), 999)
    (batch,) = batches.epoch(0)
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=4e-3)
    for step in range(120):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1, (step + 1) / 10, 2 * (120 - step) / 120)
        model.loss(batch).mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        found = measure(model.eval(), batches)
    assert found.metrics["accuracy"] == 1
    answers = [
        one.answer for one in model.answer((i.image for i in items), (i.question for i in items))
    ]
    assert answers == [item.answers[0] for item in items]


def test_what_is_unknown_of_a_question_is_told() -> None:
    items = questions(2)
    model = build(items)
    (found,) = model.answer([items[0].image], ["how many Zorps are there?"])
    assert found.unknown == ("Zorps",)
    assert found.placement.size == 48
    with pytest.raises(UsageError, match="question is empty"):
        list(model.answer([items[0].image], [" "]))
    with pytest.raises(ValueError, match=r"(longer|shorter) than"):
        list(model.answer([items[0].image], ["how many?", "what?"]))


# ── scores ──────────────────────────────────────────────────────────────────────────────────────


def test_scores_are_those_of_counting() -> None:
    people = [("yes",) * 10, ("no",) * 7 + ("yes",) * 3, ("2",), ("2",), ("red", "blue")]
    kinds = ["is", "is", "count", "count", "colour"]
    asked = [
        Asked(row // 2, ["?"], f"question {row}", own, kind, f"line {row}")
        for row, (own, kind) in enumerate(zip(people, kinds, strict=True))
    ]
    found = score_answers(asked, ["yes", "yes", "2", "3", "blue"], [0.9, 0.8, 0.7, 0.6, 0.5])
    rights = [1, accuracy("yes", people[1]), 1, 0, 0.5]
    assert found.accuracy == pytest.approx(np.mean(rights))
    assert found.commonest == 3 / 5
    assert found.correct == (True, False, True, False, True)
    assert found.by_kind["count"] == (0.5, 0.5, 2)
    assert found.by_kind["is"].accuracy == pytest.approx((1 + rights[1]) / 2)
    assert [one.question for one in found.worst] == ["question 3"]  # others were somebody's
    assert found.worst[0].answers == ("2",)
    assert (found.pictures, found.questions) == (3, 5)
    low, high = found.range
    assert 0 <= low <= found.accuracy <= high <= 1


# ── training ────────────────────────────────────────────────────────────────────────────────────


def test_training_tells_what_it_does_and_goes_on_where_it_was_stopped(
    folder: Path, tmp_path: Path
) -> None:
    told: list[Event] = []
    trained = train(SAMPLE, output=tmp_path / "v", **TINY, report=told.append)
    remarks = [event.text for event in told if isinstance(event, Remark)]
    assert any("different answers" in text for text in remarks)
    assert trained.test is not None
    assert trained.baseline is not None
    assert set(trained.results()) == {"this model", "without a look"}
    card = (tmp_path / "v" / "README.md").read_text()
    assert "| without a look |" in card
    assert (tmp_path / "v" / WEIGHTS).read_bytes() == (folder / "v" / WEIGHTS).read_bytes()

    class Stopped(Exception):
        pass

    def stop(event: Event) -> None:
        if getattr(event, "step", 0) == 6:
            raise Stopped

    with pytest.raises(Stopped):
        train(SAMPLE, output=tmp_path / "s", **TINY, evaluate_every=3, report=stop)
    train(output=tmp_path / "s", resume=True)
    train(SAMPLE, output=tmp_path / "whole", **TINY, evaluate_every=3)
    assert (tmp_path / "s" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"looks": 0}, "looks is 0"),
        ({"attention": "none"}, "attention"),
        ({"most_answers": 0}, "most_answers is 0"),
        ({"freeze_backbone": True}, "needs weights"),
        ({"backbone": "huge"}, "backbone"),
        ({"resize": "squeeze"}, "resize"),
        ({"epochs": 0}, "epochs is 0"),
        ({"questions": None, "images": "photos"}, "images but no questions"),
        ({"questions": "missing.json"}, "missing.json"),
        ({"weights": "missing.pth"}, "missing.pth"),
    ],
)
def test_what_cannot_be_used_is_told_and_leaves_no_folder(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    arguments = {"questions": SAMPLE, **{**TINY, **options}}
    arguments.pop("steps") if "epochs" in options else None
    with pytest.raises(UsageError, match=message):
        train(output=tmp_path / "v", **arguments)
    assert not (tmp_path / "v").exists()
