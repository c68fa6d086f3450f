"""Pixels as memory: where the cells are, what tells left from right, what stays frozen."""

from __future__ import annotations

import math

import pytest
import torch

from corpora.errors import UsageError
from vision.image_encoder import WAVES, ImageEncoder, places


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
