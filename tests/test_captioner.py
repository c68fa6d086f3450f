"""Captioners: the penalty and the reward are the papers' equations, both models learn ten pictures
by heart, and what is told of a caption is true of it alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from corpora.captions import Captioned
from corpora.errors import UsageError
from corpora.scenes import draw, scenes
from nlp.core.events import Event, Remark
from nlp.core.search.beam import search
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.translation.texts import Texts
from vision.captioner import CaptionBatch, Captioner, Config, caption, evaluate, train
from vision.captioner.evaluation import mean_loss
from vision.captioner.model import doubly_stochastic
from vision.captioner.self_critical import self_critical_batch
from vision.captioner.training import _texts
from vision.images import Preparation, Refused

SCENES = [*scenes(seed=3, count=10, size=48)]
ITEMS = [Captioned(one, one.captions[:1], "", str(place)) for place, one in enumerate(SCENES)]
TEXTS = [item.captions[0] for item in ITEMS]
SMALL: dict[str, Any] = {
    **{"embedding_size": 32, "hidden_size": 64, "features": 32},
    **{"input_dropout": 0.0, "dropout": 0.0, "output_dropout": 0.0},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "additive, gated": {},
    "general, two layers of gru": {"attention": "general", "cell": "gru", "decoder_layers": 2},
    "cells that look at each other": {"attention": "general", "context": 2},
    "injected": {"attention": "none"},
}


@cache
def words() -> Texts:
    """Each word of the captions is one piece."""
    known: Any = SimpleNamespace(arguments={"vocabulary_size": 6000, "pattern": "gpt2"})
    return _texts(known, ITEMS * 2)


def build(seed: int = 0, **options: Any) -> Captioner:
    """An untrained captioner."""
    torch.manual_seed(seed)
    known = {"preparation": Preparation(48), **SMALL, **options}
    model = Captioner(Config(words().target.vocabulary_size, **known), words())
    for name, part in model.named_parameters():
        if name.endswith("bn2.weight"):  # else all blocks are their ways around
            torch.nn.init.ones_(part)
    return model.eval()


def opinionated(**options: Any) -> Captioner:
    """An untrained captioner whose words depend on what it sees and has written."""
    model = build(**options)
    for parameter in model.parameters():
        parameter.data *= 1.6
    return model


def pixels(model: Captioner, count: int = len(SCENES)) -> torch.Tensor:
    return torch.stack([model.preparation(draw(scene)) for scene in SCENES[:count]])


def spelled(*texts: str) -> list[list[int]]:
    return words().encode(texts, target=True)


def learn(
    model: Captioner, batch: Callable[[], CaptionBatch], *, steps: int, rate: float = 0.01
) -> None:
    """Trains a model on batches."""
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(model.train().parameters(), rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 10, 2 * (steps - step) / steps)
        model.loss(batch()).mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


# ── what is learned ─────────────────────────────────────────────────────────────────────────────


def test_the_penalty_is_that_of_show_attend_and_tell() -> None:
    """Xu et al. (2015), equation 14: lambda sum_i (1 - sum_t alpha_ti)^2, over true steps."""
    weights = torch.rand(3, 4, 5).softmax(2)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    found = doubly_stochastic(weights, mask)
    for row, steps in enumerate((4, 2, 1)):
        expected = sum(
            (1 - sum(float(weights[row, time, cell]) for time in range(steps))) ** 2
            for cell in range(5)
        )
        assert float(found[row]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_loss_of_training_is_that_of_the_paper(weight: float) -> None:
    """-log p(y | x) + lambda sum_i (1 - sum_t alpha_ti)^2 of each caption, by its pieces."""
    model = build(doubly_stochastic=weight)
    batch = model.batch(pixels(model, 2), spelled(*TEXTS[:2], TEXTS[4]), [0, 1, 1])
    logits, weights = model(batch)
    assert weights is not None
    chances = logits.log_softmax(2).gather(2, batch.targets[..., None])[..., 0]
    nats = -chances[batch.mask].sum()
    assert model.loss(batch).mean.item() == pytest.approx(nats.item() / batch.mask.sum().item())
    model.train()
    model.encoder.eval()  # else a batch's own statistics count
    whole = nats + weight * doubly_stochastic(weights, batch.mask).sum()
    loss = model.loss(batch)
    assert loss.targets == sum(len(row) + 1 for row in spelled(*TEXTS[:2], TEXTS[4]))
    assert loss.mean.item() == pytest.approx(whole.item() / loss.targets, rel=1e-5)


def test_a_picture_is_seen_once_for_all_its_captions() -> None:
    model = opinionated()
    once = model.batch(pixels(model, 2), spelled(*TEXTS[:4]), [1, 0, 1, 1])
    again = model.batch(pixels(model, 2)[[1, 0, 1, 1]], spelled(*TEXTS[:4]))
    torch.testing.assert_close(model(once)[0], model(again)[0])


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_ten_pictures_are_learned_by_heart(options: dict[str, Any]) -> None:
    model = build(**{"doubly_stochastic": 0.1, **options})
    batch = model.batch(pixels(model), spelled(*TEXTS))
    # How many steps it takes depends on rounding, and so on the number of threads.
    for _ in range(6):
        learn(model, lambda: batch, steps=110)
        written = [
            [one.text for one in caption(model, SCENES, strategy=strategy)]
            for strategy in (Greedy(), Beam(3))
        ]
        if written == [TEXTS, TEXTS]:
            break
    assert written == [TEXTS, TEXTS]
    assert mean_loss(model, ITEMS) < 0.2


# ── self-critical training ──────────────────────────────────────────────────────────────────────


def test_captions_that_are_worth_more_become_more_probable() -> None:
    model = build()
    batch = model.batch(pixels(model, 2), spelled(*TEXTS[:2]), None, [0.8, -0.5])

    def log_probabilities() -> torch.Tensor:
        logits, _ = model(batch)
        chances = logits.log_softmax(2).gather(2, batch.targets[..., None])[..., 0]
        return (chances * batch.mask).sum(1)

    before = log_probabilities()
    expected = -(torch.tensor([0.8, -0.5]) * before).sum() / batch.mask.sum()
    loss = model.loss(batch).mean
    torch.testing.assert_close(loss, expected)
    loss.backward()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.5)
    after = log_probabilities()
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_what_is_drawn_is_judged_beside_the_likeliest() -> None:
    model = opinionated().train()
    squares = pixels(model, 3)
    judged: list[tuple[str, int]] = []

    def reward(texts: Sequence[str], pictures: Sequence[int]) -> list[float]:
        judged.extend(zip(texts, pictures, strict=True))
        return [
            float(len(text) + 100 * number) for text, number in zip(texts, pictures, strict=True)
        ]

    torch.manual_seed(1)
    batch = self_critical_batch(model, squares, [7, 8, 9], reward, draws=2, max_length=6)
    assert model.training
    assert not model.encoder.training
    model.eval()
    with torch.inference_mode():
        symbol = model.start_id
        options = {"start_id": symbol, "stop_id": symbol, "max_tokens": 6}
        greedy = search(model.read(squares), Greedy(), **options)  # type: ignore[arg-type]
    baselines = [len(model.texts.decode(own[0].ids)) for own in greedy]
    assert batch.picture.tolist() == [0, 0, 1, 1, 2, 2]
    assert [number for _, number in judged] == [7, 8, 9, 7, 7, 8, 8, 9, 9]
    for row, owner in enumerate(batch.picture.tolist()):
        written = batch.targets[row][batch.mask[row]].tolist()
        ended = written[-1] == symbol and len(written) <= 6
        text = model.texts.decode(written[:-1] if ended else written)
        # Of one that was cut, no end was drawn: nothing is learned of it.
        assert ended or len(written) == 6
        assert batch.advantages[row].item() == len(text) - baselines[owner]


def test_self_critical_training_chooses_what_is_rewarded() -> None:
    """Of two captions that were learned of each picture, the rewarded one is written in the end."""
    model = build(attention="general", doubly_stochastic=0.0)
    squares, others, wanted = pixels(model, 3), TEXTS[:3], TEXTS[3:6]
    both = model.batch(squares, spelled(*others, *wanted), [0, 1, 2] * 2)
    learn(model, lambda: both, steps=150)

    def reward(texts: Sequence[str], pictures: Sequence[int]) -> list[float]:
        pairs = [
            (set(text.split()), set(wanted[own].split()))
            for text, own in zip(texts, pictures, strict=True)
        ]
        return [len(one & other) / len(one | other) for one, other in pairs]

    def shares() -> tuple[float, float]:
        """How many of the captions that are drawn are those, and the others."""
        drawn = caption(model, SCENES[:3], strategy=Sampling(), n_best=30)
        texts = [[other.text for other in (one, *one.others)] for one in drawn]
        one, other = (
            sum(own.count(text) for own, text in zip(texts, side, strict=True)) / 90
            for side in (wanted, others)
        )
        return one, other

    before = shares()
    assert min(before) > 0.1
    draw_some = partial(self_critical_batch, draws=16, max_length=20)
    learn(model, lambda: draw_some(model, squares, range(3), reward), steps=25, rate=0.001)
    after = shares()
    assert after[0] > before[0] + 0.1
    assert after[1] < before[1] / 4
    assert [one.text for one in caption(model, SCENES[:3])] == wanted


# ── what is told of a caption ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_neighbours_change_nothing(options: dict[str, Any]) -> None:
    model = opinionated(**options)
    together = list(caption(model, SCENES, n_best=2, max_length=8))
    assert len({one.text for one in together}) > 3
    for scene, one in zip(SCENES, together, strict=True):
        (alone,) = caption(model, [scene], n_best=2, max_length=8, batch_size=1)
        assert (alone.text, alone.others[0].text) == (one.text, one.others[0].text)
        assert alone.log_probability == pytest.approx(one.log_probability, abs=1e-4)
        if one.attention is not None:
            assert alone.attention is not None
            np.testing.assert_allclose(alone.attention, one.attention, atol=1e-5)


def test_a_caption_tells_its_words_and_where_they_looked() -> None:
    model = opinionated()
    (one,) = caption(model, SCENES[:1], max_length=12)
    assert one.image is SCENES[0]
    assert one.attention is not None
    assert one.attention.shape == (len(one.words), *model.grid)
    np.testing.assert_allclose(one.attention.sum((1, 2)), 1, atol=1e-5)
    assert one.placement is not None
    assert one.placement.region == (0, 0, 1, 1)
    ids = words().target.encode(f" {one.text}")
    if [one.text[piece.start : piece.end] for piece in one.pieces] == [
        words().decode([piece]) for piece in ids
    ]:
        batch = model.batch(pixels(model, 1), [ids])
        logits, _ = model(batch)
        chances = logits.log_softmax(2)[0].gather(1, batch.targets[0][:, None])[:, 0]
        told = [piece.log_probability for piece in one.pieces]
        assert told == pytest.approx(chances[: len(told)].tolist(), abs=1e-4)
    assert all(0 < chance <= 1 for chance in one.word_probabilities)
    (injected,) = caption(opinionated(attention="none"), SCENES[:1], max_length=12)
    assert injected.attention is None


def test_words_are_forbidden_and_begun_with() -> None:
    model = opinionated()
    model.decoder.output_bias.data[spelled("blue")[0]] += 50
    assert "blue blue" in next(caption(model, SCENES[:1], max_length=6)).text
    kept = next(caption(model, SCENES[:1], max_length=6, forbidden=["blue"])).text
    assert "blue" not in kept
    begun = next(caption(model, SCENES[:1], max_length=10, prefix="two large")).text
    assert begun.startswith("two large")
    drawn = list(caption(model, SCENES[:2], strategy=Sampling(), n_best=3, seed=5, max_length=8))
    again = list(caption(model, SCENES[:2], strategy=Sampling(), n_best=3, seed=5, max_length=8))
    assert [len(one.others) for one in drawn] == [2, 2]
    assert [one.text for one in drawn] == [one.text for one in again]
    rough = list(caption(model, SCENES[:2], precision="bfloat16", max_length=8))
    assert [one.log_probability for one in rough] == pytest.approx(
        [one.log_probability for one in caption(model, SCENES[:2], max_length=8)], rel=0.1
    )


def test_pictures_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG nothing")
    images = [SCENES[0], bad, SCENES[1]]
    refused: list[Refused] = []
    found = list(caption(build(), images, max_length=4, refused=refused.append))
    assert [one.image for one in found] == [SCENES[0], SCENES[1]]
    assert [one.image for one in refused] == [bad]
    assert "bad.png" in refused[0].reason
    with pytest.raises(UsageError, match=r"bad\.png"):
        list(caption(build(), images, max_length=4))


# ── from files to a captioner ───────────────────────────────────────────────────────────────────

RUN: dict[str, Any] = {
    **{"size": 32, "embedding_size": 16, "hidden_size": 24, "features": 16, "attention": "general"},
    **{"batch_size": 8, "learning_rate": 0.01, "warmup_steps": 2, "device": "cpu"},
    **{"validation": 0.2, "test": 0.2, "vocabulary_size": 300, "precision": "float32"},
}


def write(folder: Path, count: int = 40, bad: int = 0) -> Path:
    from PIL import Image

    rows = []
    for number, scene in enumerate(scenes(seed=1, count=count, size=48)):
        path = folder / f"{number}.png"
        Image.fromarray(draw(scene)).save(path)
        if number < bad:
            path.write_bytes(path.read_bytes()[:60])
        rows.append(json.dumps({"path": path.name, "captions": scene.captions}))
    table = folder / "captions.jsonl"
    table.write_text("\n".join(rows), encoding="utf-8")
    return table


def test_a_run_leaves_a_model_and_says_what_it_did(tmp_path: Path) -> None:
    told: list[Event] = []
    result = train(
        write(tmp_path, bad=2),
        output=tmp_path / "m",
        epochs=2,
        self_critical_epochs=1,
        captions_per_image=2,
        flip=True,
        report=told.append,
        **RUN,
    )
    assert result.test is not None
    assert result.outcome.step == 9
    remarks = " ".join(event.text for event in told if isinstance(event, Remark))
    assert "cannot be read, left out" in remarks
    assert "0.png" in remarks
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        path.name for path in (tmp_path / "m").iterdir()
    }
    again = Captioner.from_pretrained(tmp_path / "m", device="cpu")
    scene = SCENES[0]
    assert next(again.caption([scene])).text == next(result.model.caption([scene])).text
    assert again.config.preparation == Preparation(32)
    table = write(tmp_path, 5)
    assert evaluate(again, table, strategy=Greedy()).captions == 5


def test_a_resumed_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def killing(event: Event) -> None:
        if getattr(event, "metrics", None) and getattr(event, "step", 0) == 4:
            raise Killed

    table = write(tmp_path, 30)
    options = {**RUN, "epochs": 1, "self_critical_epochs": 2, "evaluate_every": 2, "jitter": 0.2}
    whole = train(table, output=tmp_path / "whole", **options)
    with pytest.raises(Killed):
        train(table, output=tmp_path / "cut", report=killing, **options)
    resumed = train(output=tmp_path / "cut", resume=True)
    assert resumed.outcome.step == whole.outcome.step
    assert resumed.outcome.best_loss == pytest.approx(whole.outcome.best_loss, rel=1e-3)


def test_weights_of_a_backbone_are_read_and_kept(tmp_path: Path) -> None:
    other = build(seed=5).encoder.backbone
    torch.save(other.state_dict(), tmp_path / "small.pth")
    options = {**RUN, "epochs": 1, "test": 0, "freeze_backbone": True}
    with pytest.raises(UsageError, match="needs weights"):
        train(write(tmp_path), output=tmp_path / "m", **options)
    result = train(
        write(tmp_path), output=tmp_path / "m", weights=tmp_path / "small.pth", **options
    )
    kept = result.model.encoder.backbone.state_dict()
    assert all(torch.equal(kept[name], part) for name, part in other.state_dict().items())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"attention": "loud"}, "attention is 'loud'"),
        ({"doubly_stochastic": -1}, "doubly_stochastic is -1"),
        ({"self_critical_epochs": 1, "steps": 5}, "leave out steps"),
        ({"captions_per_image": -1}, "captions_per_image is -1"),
        ({"resize": "fold"}, "resize 'fold' is unknown"),
        ({"crop": 0.0}, "crop is"),
        ({"images": "somewhere"}, "no captions"),
        ({"pattern": "x"}, "pattern 'x' is unknown"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_told(options: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=match):
        train(output=tmp_path / "m", **options)
    assert not (tmp_path / "m").exists()
