"""Generated scenes as pictures, drawn with anti-aliasing on backgrounds of three sorts."""

from __future__ import annotations

import math
import random

import numpy as np
import numpy.typing as npt

from corpora.errors import UsageError
from corpora.scene_things import Scene, Thing

RGB = {
    "red": (216, 34, 40),
    "orange": (240, 132, 16),
    "yellow": (240, 220, 40),
    "green": (34, 148, 54),
    "cyan": (60, 206, 214),
    "blue": (40, 72, 210),
    "purple": (124, 44, 168),
    "pink": (246, 142, 190),
}
_PALE = ("orange", "yellow", "cyan", "pink")  # marked with dark stripes and dots, others with light
_FINE = 4  # a pixel's side is drawn as so many, then averaged
_SIDE = 96  # pixels: the picture at which marks have the width and distance below
_STRIPES = (5.6, 2.6)  # distance and width
_DOTS = (5.2, 1.55)  # distance and radius

Floats = npt.NDArray[np.float32]


def draw(scene: Scene) -> npt.NDArray[np.uint8]:
    """The picture of a scene, `[height, width, 3]`, the same whenever it is drawn.

    Raises:
        UsageError: where Pillow is not installed.
    """
    picture = _background(scene)
    scale = min(scene.width, scene.height) / _SIDE
    chance = random.Random(f"things {scene.seed}")
    for thing in scene.things:
        left, top = math.floor(thing.box[0]), math.floor(thing.box[1])
        right, bottom = math.ceil(thing.box[2]), math.ceil(thing.box[3])
        fine = _outline(thing, left, top, right - left, bottom - top)
        marks = fine & _marks(thing.texture, fine.shape, scale, chance)
        covered, marked = _averaged(fine), _averaged(marks)
        shift = np.array([chance.uniform(-10, 10) for _ in range(3)], np.float32)
        colour = np.array(RGB[thing.colour], np.float32) + shift
        mark = colour * 0.35 if thing.colour in _PALE else colour * 0.2 + 200
        part = picture[top:bottom, left:right]
        part *= 1 - covered
        part += colour * (covered - marked) + mark * marked
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _averaged(fine: npt.NDArray[np.bool_]) -> Floats:
    """The share of each pixel that is covered, `[height, width, 1]`."""
    height, width = fine.shape[0] // _FINE, fine.shape[1] // _FINE
    parts = fine.reshape(height, _FINE, width, _FINE).mean(axis=(1, 3), dtype=np.float32)
    return parts[:, :, None]


def _outline(thing: Thing, left: int, top: int, width: int, height: int) -> npt.NDArray[np.bool_]:
    """What the thing covers of the rectangle, in fine pixels."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise UsageError(
            "drawing scenes needs Pillow: install it with pip install 'unrolled[vision]'"
        ) from error
    image = Image.new("1", (width * _FINE, height * _FINE))
    pen = ImageDraw.Draw(image)
    x, y = (thing.box[0] - left) * _FINE, (thing.box[1] - top) * _FINE
    across, down = (thing.box[2] - thing.box[0]) * _FINE, (thing.box[3] - thing.box[1]) * _FINE
    whole = (x, y, x + across - 1, y + down - 1)  # Pillow counts the last pixel in
    if thing.shape == "square":
        pen.rectangle(whole, fill=1)
    elif thing.shape in ("circle", "ring"):
        pen.ellipse(whole, fill=1)
        if thing.shape == "ring":
            inner = (x + across * 0.29, y + down * 0.29, x + across * 0.71, y + down * 0.71)
            pen.ellipse(inner, fill=0)
    else:
        pen.polygon(
            [(x + u * (across - 1), y + v * (down - 1)) for u, v in _CORNERS[thing.shape]], fill=1
        )
    return np.array(image)


def _star() -> list[tuple[float, float]]:
    """Five points, stretched to fill the square from 0 to 1."""
    corners = []
    for number in range(10):
        radius, turn = (0.45 if number % 2 else 1.0), math.pi * number / 5
        corners.append((radius * math.sin(turn), -radius * math.cos(turn)))
    right, bottom = math.sin(math.pi * 0.4), math.cos(math.pi * 0.2)
    return [((x / right + 1) / 2, (y + 1) / (bottom + 1)) for x, y in corners]


def _cross() -> list[tuple[float, float]]:
    a, b = 0.32, 0.68  # where the arm begins and ends
    upper = [(a, 0.0), (b, 0.0), (b, a), (1.0, a), (1.0, b), (b, b)]
    return upper + [(1 - x, 1 - y) for x, y in upper]


_CORNERS = {
    "triangle": [(0.5, 0.0), (1.0, 1.0), (0.0, 1.0)],
    "star": _star(),
    "cross": _cross(),
}


def _marks(
    texture: str, shape: tuple[int, ...], scale: float, chance: random.Random
) -> npt.NDArray[np.bool_]:
    """Where stripes or dots are, in fine pixels, turned and moved by chance."""
    turn, start = chance.uniform(0, math.pi), chance.random()
    if texture == "plain":
        return np.zeros(shape, dtype=bool)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / (_FINE * scale)
    along = x * math.cos(turn) + y * math.sin(turn)
    if texture == "striped":
        distance, width = _STRIPES
        return (along + start * distance) % distance < width
    distance, radius = _DOTS
    across = y * math.cos(turn) - x * math.sin(turn)
    from_middle = [(one + start * distance) % distance - distance / 2 for one in (along, across)]
    return np.hypot(*from_middle) < radius


def _background(scene: Scene) -> Floats:
    """Plain, a gradient, or noise; greyish, so that it is of no thing's colour."""
    chance = random.Random(f"background {scene.seed}")
    sort = chance.choice(("plain", "gradient", "noise"))
    colours = [_greyish(chance) for _ in range(2)]
    picture = np.empty((scene.height, scene.width, 3), dtype=np.float32)
    picture[:] = colours[0]
    if sort == "gradient":
        turn = chance.uniform(0, 2 * math.pi)
        y, x = np.mgrid[: scene.height, : scene.width].astype(np.float32)
        along = x * math.cos(turn) + y * math.sin(turn)
        share = (along - along.min()) / max(float(np.ptp(along)), 1.0)
        picture += share[:, :, None] * (colours[1] - colours[0])
    elif sort == "noise":
        generator = np.random.default_rng(chance.getrandbits(64))
        strength = chance.uniform(4, 14)
        picture += generator.standard_normal(picture.shape, dtype=np.float32) * strength
    return picture


def _greyish(chance: random.Random) -> Floats:
    level = chance.uniform(15, 240)
    return np.array([level + chance.uniform(-12, 12) for _ in range(3)], np.float32)
