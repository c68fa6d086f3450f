"""Phrases that an image encoder finds: which are chosen, what they cost, no place needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import Texts
from vision.captioner import Captioner, Config
from vision.captioner.concepts import LEAST, Concepts, choose, phrases
from vision.images import Preparation


def test_phrases_are_words_and_pairs() -> None:
    assert phrases(["A red ring.", "a ring"]) == {
        *("a", "red", "ring", "a red", "red ring", "a ring")
    }
    assert phrases([]) == set()


def test_what_many_pictures_have_and_not_most_is_chosen() -> None:
    pictures = [["a dog"]] * LEAST + [["a cat"]] * (LEAST + 1) + [["a bird"]] * (LEAST - 1)
    assert choose(pictures, 99) == ("a cat", "cat", "a dog", "dog")  # "a" is in all, birds in few
    assert choose(pictures, 2) == ("a cat", "cat")
    assert choose(pictures, 0) == ()


def test_a_picture_shows_what_one_of_its_cells_shows() -> None:
    torch.manual_seed(0)
    concepts, states = Concepts(5, ["red", "ring", "red ring"], 4), torch.randn(2, 4, 5)
    torch.nn.init.normal_(concepts.output.weight)
    torch.nn.init.zeros_(concepts.output.bias)
    named = torch.stack([concepts.targets(["a red ring"]), concepts.targets(["a ring", "two"])])
    assert named.tolist() == [[True, True, True], [False, True, False]]
    cells = concepts(states).detach().double()
    for picture in range(2):
        expected = 0.0
        for place in range(3):
            none = torch.prod(1 - cells[picture, :, place])
            expected -= float(((1 - none) if named[picture, place] else none).log())
        found = concepts.nats(states, named)[picture]
        assert float(found) == pytest.approx(expected, rel=1e-4)


def test_what_is_very_unlikely_costs_much_and_still_teaches() -> None:
    concepts = Concepts(3, ["never"], 9)
    torch.nn.init.constant_(concepts.output.bias, -12.0)
    states = torch.zeros(1, 9, 3, requires_grad=True)
    nats = concepts.nats(states, torch.ones(1, 1, dtype=torch.bool)).sum()
    nats.backward()
    assert 5 < float(nats) < 20
    assert concepts.output.bias.grad is not None
    assert float(concepts.output.bias.grad) == pytest.approx(-1, abs=0.01)


def test_where_a_thing_is_need_not_be_said() -> None:
    """Each picture has one cell of one of two kinds, and is said to show that kind."""
    torch.manual_seed(0)
    concepts, kinds = Concepts(6, ["dog", "cat"], 8), torch.randn(2, 6)
    optimizer = torch.optim.Adam(concepts.parameters(), 0.05)

    def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        states, kind, place = torch.randn(32, 8, 6), torch.arange(32) % 2, torch.arange(32) % 8
        states[torch.arange(32), place] = 3 * kinds[kind]
        return states, torch.nn.functional.one_hot(kind, 2).bool(), place

    for _ in range(150):
        states, named, _ = draw()
        optimizer.zero_grad()
        concepts.nats(states, named).mean().backward()
        optimizer.step()
    states, named, place = draw()
    found = concepts(states).amax(2).argmax(1)
    assert (found == place).float().mean() > 0.9


def test_a_captioner_knows_its_concepts_again(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train([" a red ring\n"] * 4, vocabulary_size=262)
    sizes = {"features": 16, "embedding_size": 8, "hidden_size": 8}
    config = Config(
        tokenizer.vocabulary_size, preparation=Preparation(48), concepts=("red", "ring"), **sizes
    )
    torch.manual_seed(0)
    model = Captioner(config, Texts(tokenizer, tokenizer)).train()
    assert model.concepts is not None
    pixels, rows = torch.randn(2, 3, 48, 48), [[1, 2], [3]]
    named = torch.stack([model.concepts.targets(["a red ring"]), model.concepts.targets(["a dog"])])
    plain = model.batch(pixels, rows)
    both = model.batch(pixels, rows, concepts=named)
    torch.manual_seed(1)
    without = model.loss(plain).mean
    torch.manual_seed(1)
    together = model.loss(both).mean
    torch.manual_seed(1)
    nats = model.concepts.nats(model.encoder.look(pixels)[0], named).sum()
    torch.testing.assert_close(together, without + nats / 5, rtol=1e-3, atol=1e-3)  # five pieces
    model.eval()
    torch.testing.assert_close(model.loss(both).mean, model.loss(plain).mean)
    model.save_pretrained(tmp_path)
    again = Captioner.from_pretrained(tmp_path, "cpu")
    assert again.config == config
    torch.testing.assert_close(again.concepts.output.weight, model.concepts.output.weight)
