from __future__ import annotations

import pytest
import torch
from torch import Tensor

from corpora.errors import UsageError
from vision.augment import Augmentation


def pictures(count: int = 64, height: int = 24, width: int = 24) -> Tensor:
    """Pictures whose red grows to the right and whose green grows downwards."""
    right = torch.linspace(20, 230, width).expand(height, width)
    down = torch.linspace(20, 230, height)[:, None].expand(height, width)
    one = torch.stack([right, down, torch.full_like(right, 100)]).round().to(torch.uint8)
    return one.expand(count, -1, -1, -1).clone()


def drawn(augmentation: Augmentation, pixels: Tensor, seed: int = 0) -> Tensor:
    return augmentation(pixels, torch.Generator().manual_seed(seed))


def test_nothing_asked_for_is_nothing_done() -> None:
    pixels = pictures()
    assert drawn(Augmentation(), pixels).equal(pixels)


def test_flip_is_a_mirror_for_half_of_them() -> None:
    pixels = pictures(400)
    found = drawn(Augmentation(flip=True), pixels)
    mirrored = (found == pixels.flip(3)).flatten(1).all(1)
    same = (found == pixels).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 160 < int(mirrored.sum()) < 240


def steps(found: Tensor) -> tuple[Tensor, Tensor]:
    """How much red grows per pixel to the right and green per pixel downwards, in the middle."""
    middle = found.float()[..., 8:16, 8:16]
    return (
        middle[:, 0].diff(dim=2).mean((1, 2)) * 23 / 210,
        middle[:, 1].diff(dim=1).mean((1, 2)) * 23 / 210,
    )


def test_crops_are_enlarged_by_what_was_cut() -> None:
    across, down = steps(drawn(Augmentation(crop=0.25), pictures(500)))
    assert (across - down).abs().max() < 0.1
    # Of the area 0.25 to 1 is kept, and of the side its root.
    assert 0.45 < float(across.min()) < 0.55
    assert 0.95 < float(across.max()) < 1.05
    assert abs(float(across.square().mean()) - 0.625) < 0.03


def test_crops_lie_inside() -> None:
    """Mirrored edges would show as a step of the other sign."""
    found = drawn(Augmentation(crop=0.3), pictures(300)).float()
    assert found[:, 0].diff(dim=2).min() >= 0
    assert found[:, 1].diff(dim=1).min() >= 0


def test_shifts_are_shares_of_the_side() -> None:
    found = drawn(Augmentation(shift=0.25), pictures(500)).float()
    moved = (found[:, :2, 12, 12] - pictures(1)[0, :2, 12, 12].float()) * 23 / 210 / 24
    assert 0.22 < float(moved.max()) < 0.26
    assert -0.26 < float(moved.min()) < -0.22
    assert abs(torch.corrcoef(moved.t())[0, 1]) < 0.15  # each way by itself


@pytest.mark.parametrize(("height", "width"), [(24, 24), (24, 48)])
def test_rotations_keep_angles_whatever_the_shape(height: int, width: int) -> None:
    pixels = torch.zeros(300, 3, height, width, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    centre_x, centre_y = width / 2, height / 2
    disc = ((x - centre_x - 5) ** 2 + (y - centre_y) ** 2).sqrt() < 3
    pixels[:, :, disc] = 255
    found = drawn(Augmentation(rotation=90), pixels).float().mean(1)
    found *= ((x - centre_x) ** 2 + (y - centre_y) ** 2).sqrt() < 11  # beyond are mirrored ones
    mass = found.sum((1, 2))
    assert ((mass / mass.mean() - 1).abs() < 0.05).all()
    dx = (found * x).sum((1, 2)) / mass - centre_x
    dy = (found * y).sum((1, 2)) / mass - centre_y
    assert ((dx.square() + dy.square()).sqrt() - 5).abs().max() < 0.2
    angles = torch.atan2(dy, dx).rad2deg()
    assert -91 < float(angles.min()) < -80
    assert 80 < float(angles.max()) < 91


def test_jitter_multiplies_and_hues_stay() -> None:
    grey = torch.full((500, 3, 4, 4), 100, dtype=torch.uint8)
    brightness = drawn(Augmentation(jitter=0.5), grey)[:, 0, 0, 0] / 100
    assert 0.49 < float(brightness.min()) < 0.52
    assert 1.48 < float(brightness.max()) < 1.51
    flat = torch.tensor([150, 100, 50], dtype=torch.uint8)[None, :, None, None].expand(500, 3, 4, 4)
    found = drawn(Augmentation(jitter=0.3), flat).float()[:, :, 0, 0]
    # Of a flat colour the order and the place of the middle channel between the others are its hue.
    share = (found[:, 1] - found[:, 2]) / (found[:, 0] - found[:, 2])
    assert (share - 0.5).abs().max() < 0.03


def test_draws_are_of_the_generator_and_of_each_change_alone() -> None:
    pixels = pictures(32)
    everything = Augmentation(True, 0.5, 0.3, 20, 0.1)
    one = drawn(everything, pixels)
    assert one.shape == pixels.shape
    assert one.dtype == torch.uint8
    assert one.equal(drawn(everything, pixels))
    assert not one.equal(drawn(everything, pixels, seed=1))
    flips = drawn(Augmentation(flip=True), pixels)
    also = drawn(Augmentation(flip=True, jitter=0.1), pixels).float()
    assert (
        (also[:, 0, :, -1] > also[:, 0, :, 0]) == (flips[:, 0, :, -1] > flips[:, 0, :, 0])
    ).all()
    alone = everything(pixels[0], torch.Generator().manual_seed(0))
    assert alone.shape == (3, 24, 24)
    assert alone.equal(drawn(everything, pixels[:1])[0])


def test_what_cannot_be_used() -> None:
    for wrong, message in (
        ({"crop": 0.0}, "crop is 0.0: expected above 0 to 1"),
        ({"jitter": 1.0}, "jitter is 1.0: expected 0 to below 1"),
        ({"rotation": 400.0}, "rotation is 400.0: expected 0 to 180 degrees"),
        ({"shift": -0.1}, "shift is -0.1"),
    ):
        with pytest.raises(UsageError, match=message):
            Augmentation(**wrong)  # type: ignore[arg-type]
    for pixels in (torch.zeros(2, 3, 8, 8), torch.zeros(8, 8, 3, dtype=torch.uint8)):
        with pytest.raises(UsageError, match="before they are normalized"):
            drawn(Augmentation(), pixels)
