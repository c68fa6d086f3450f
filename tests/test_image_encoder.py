"""Pixels as memory: where the cells are, what tells left from right, what stays frozen."""

from __future__ import annotations

import math

import pytest
import torch

from corpora.errors import UsageError
from vision.image_encoder import WAVES, Context, ImageEncoder, places


def pictures(count: int, size: int = 48) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def build(features: int = 16, **options: bool) -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder("small", features, **options).eval()


def test_a_cells_place_is_told_in_waves_row_by_row() -> None:
    found = places((2, 3))
    assert found.shape == (6, 4 * WAVES)
    for row in range(2):
        for column in range(3):
            down, right = (row + 0.5) / 2, (column + 0.5) / 3
            angles = [math.pi * side * wave for side in (down, right) for wave in (1, 2, 3, 4)]
            expected = [*map(math.sin, angles), *map(math.cos, angles)]
            assert found[3 * row + column].tolist() == pytest.approx(expected, abs=1e-5)
    # No two cells are told alike, and a finer grid tells of the same places alike.
    assert len({tuple(cell) for cell in places((9, 9)).tolist()}) == 81
    torch.testing.assert_close(places((3, 3))[4], places((9, 9))[40])


@pytest.mark.parametrize("backbone", ["small", "resnet18", "vgg16"])
def test_the_grid_is_known_beforehand(backbone: str) -> None:
    encoder = ImageEncoder(backbone, 8).eval()
    with torch.no_grad():
        for size in (64, 70):
            memory, grid = encoder(pictures(1, size))
            assert grid == encoder.grid(size)
            assert memory.states.shape == (1, math.prod(grid), 8)


def test_it_gives_the_memory_that_every_encoder_gives() -> None:
    memory, (rows, columns) = build()(pictures(2))
    assert memory.mask.all()
    assert memory.mask.shape == (2, rows * columns)
    torch.testing.assert_close(memory.summary, memory.states.mean(1))
    assert torch.isfinite(memory.states).all()


def test_the_summary_knows_what_stands_where() -> None:
    """Without places it would be the same: the same cells, in another order."""
    encoder = build()
    with torch.no_grad():
        cells = torch.randn(1, 4, 16)
        encoder.seen, encoder.backbone = torch.nn.Identity(), Given(cells)
        here = encoder(pictures(1))[0].summary
        encoder.backbone = Given(cells[:, [1, 0, 2, 3]])
        there = encoder(pictures(1))[0].summary
        assert (here - there).abs().max() > 1e-3
        encoder.place.weight.zero_()
        without = encoder(pictures(1))[0].summary
        encoder.backbone = Given(cells)
        torch.testing.assert_close(encoder(pictures(1))[0].summary, without)


class Given(torch.nn.Module):
    """A backbone that sees four cells, whatever the picture."""

    def __init__(self, cells: torch.Tensor) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.cells.transpose(1, 2).unflatten(2, (2, 2))


def test_cell_and_place_belong_together() -> None:
    """What changes in the upper left corner of a picture changes the first state most."""
    encoder, before = build(), pictures(1)
    after = before.clone()
    after[:, :, :4, :4] += 3
    with torch.no_grad():
        moved = (encoder(after)[0].states - encoder(before)[0].states).norm(dim=2)[0]
    assert moved.argmax() == 0


def test_a_frozen_backbone_stays_as_it_is() -> None:
    encoder = build(freeze=True).train()
    before = {name: part.clone() for name, part in encoder.backbone.state_dict().items()}
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1.0)
    encoder(pictures(2))[0].states.square().mean().backward()
    optimizer.step()
    for name, part in encoder.backbone.state_dict().items():
        assert torch.equal(part, before[name]), name
    assert encoder.seen.weight.grad is not None


def test_wrong_sizes_and_names_are_told() -> None:
    with pytest.raises(UsageError, match="features is 0"):
        ImageEncoder("small", 0)
    with pytest.raises(UsageError, match="backbone"):
        ImageEncoder("large", 8)


def opened(features: int, heads: int) -> Context:
    """One that has learned something: as it begins it changes nothing."""
    torch.manual_seed(0)
    context = Context(features, heads)
    for part in context.parameters():
        torch.nn.init.normal_(part, std=0.5)
    return context


def test_cells_look_at_each_other_by_the_equation() -> None:
    context, states = opened(8, 2), torch.randn(1, 5, 8)
    normal = context.norms[0](states[0])
    parts = context.asked(normal).view(5, 5, 2)  # [cells, parts, 2]
    values, alike, keys, queries = parts[:, :2], parts[:, 2], parts[:, 3], parts[:, 4]
    told = torch.zeros(5, 2, 2)
    for cell in range(5):
        for other in range(5):
            cosine = torch.cosine_similarity(alike[cell], alike[other], dim=0)
            likeness = 2 * cosine - 1 + context.bias[0, 0, 0]
            score = queries[cell] @ keys[other] / math.sqrt(2) + context.bias[1, 0, 0]
            for head, weight in enumerate((likeness, score)):
                told[cell, head] += weight.clamp(0, 1) * values[other, head] / math.sqrt(5)
    expected = states[0] + context.told(told.flatten(1))
    expected = expected + context.output(context.hidden(context.norms[1](expected)).relu())
    torch.testing.assert_close(context(states)[0], expected)
    for features, heads in ((12, 4), (12, 3)):
        with pytest.raises(UsageError, match="an even number of heads"):
            Context(features, heads)


def test_equal_cells_are_counted() -> None:
    """What two more of the same add is twice what one more adds; softmax would add nothing."""
    context = opened(8, 2)
    context.output.weight.data.zero_()
    context.output.bias.data.zero_()
    one, other = torch.randn(1, 1, 8), torch.randn(1, 1, 8)

    def read(count: int) -> torch.Tensor:
        # As many cells each time, so that log n is the same; the rest weigh next to nothing.
        context.asked.bias.data.zero_()
        cells = torch.cat([one.expand(1, count, 8), other.expand(1, 6 - count, 8)], 1)
        return (context(cells) - cells)[0, 0]

    steps = [read(count + 1) - read(count) for count in range(1, 5)]
    for step in steps[1:]:
        torch.testing.assert_close(step, steps[0], rtol=1e-4, atol=1e-5)
    assert steps[0].abs().max() > 0.01


def test_a_context_that_has_learned_nothing_changes_nothing() -> None:
    states = torch.randn(2, 9, 16)
    torch.testing.assert_close(Context(16)(states), states)
    assert len(ImageEncoder("small", 16, context=2).context) == 2
