"""Generated faces as pictures, drawn with anti-aliasing, with light, blur and noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.errors import UsageError
from corpora.face_parts import Colour, FaceScene, Floats, eyes, mouth_corners

_FINE = 4  # a pixel's side is drawn as so many, then averaged
_TURN = np.linspace(0, 2 * np.pi, 25)[:-1]
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


def draw(scene: FaceScene) -> npt.NDArray[np.uint8]:
    """The picture of a face, `[height, width, 3]`, the same whenever it is drawn.

    Raises:
        UsageError: where Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFilter
    except ImportError as error:
        raise UsageError(
            "drawing faces needs Pillow: install it with pip install 'unrolled[vision]'"
        ) from error
    chance = random.Random(f"face {scene.seed}")
    image = Image.new("RGB", (scene.width * _FINE, scene.height * _FINE))
    pencil = _Pencil(scene, ImageDraw.Draw(image))
    _background(pencil, chance)
    for part in (_behind, _skin, _hair, _eyes, _nose, _mouth, _glasses, _cover):
        part(pencil)
    small = image.reduce(_FINE)
    if scene.view.blur:
        radius = scene.view.blur * min(scene.width, scene.height) / 96
        small = small.filter(ImageFilter.GaussianBlur(radius))
    return _lit(scene, np.asarray(small, dtype=np.float32), chance)


class _Pencil:
    """Draws shapes, given in the coordinates of the head, into the fine picture."""

    def __init__(self, scene: FaceScene, pen: Any) -> None:
        self.scene, self.face, self.view, self.pen = scene, scene.face, scene.view, pen

    def fill(
        self, points: npt.ArrayLike, colour: Sequence[float], depth: float | None = None
    ) -> None:
        self.polygon(self.scene.place(points, depth=depth), colour)

    def polygon(self, pixels: Floats, colour: Sequence[float]) -> None:
        """A polygon of corners in the picture's pixels."""
        # Pillow has the first fine pixel's middle at 0, the scene at half of one.
        corners = pixels * _FINE - 0.5
        self.pen.polygon([(x, y) for x, y in corners.tolist()], fill=_rgb(colour))

    def line(self, points: npt.ArrayLike, width: float, colour: Sequence[float]) -> None:
        """A line as wide as `width` of half heights of the head."""
        corners = self.scene.place(points) * _FINE - 0.5
        side = min(self.scene.width, self.scene.height) * self.view.scale * _FINE
        line = [(x, y) for x, y in corners.tolist()]
        self.pen.line(line, fill=_rgb(colour), width=max(1, round(width * side)), joint="curve")


def _rgb(colour: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(min(255.0, max(0.0, part))) for part in colour)


def _mixed(one: Colour, other: Colour, share: float) -> list[float]:
    return [a + share * (b - a) for a, b in zip(one, other, strict=True)]


def _ellipse(x: float, y: float, across: float, down: float) -> Floats:
    return _CIRCLE * (across, down) + (x, y)


def _background(pencil: _Pencil, chance: random.Random) -> None:
    """A wall, and things before it."""
    width, height = pencil.scene.width, pencil.scene.height
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    pencil.polygon(corners, [chance.uniform(20, 235) for _ in range(3)])
    for _ in range(chance.choice((0, 2, 4, 7))):
        middle = np.array([chance.uniform(0, width), chance.uniform(0, height)])
        size = np.array([chance.uniform(0.08, 0.4) * width, chance.uniform(0.08, 0.4) * height])
        turn = np.arange(chance.choice((3, 4, 5, 24))) + chance.random()
        turn = turn * 2 * np.pi / len(turn)
        shape = np.stack([np.cos(turn), np.sin(turn)], axis=1) * size + middle
        pencil.polygon(shape, [chance.uniform(20, 235) for _ in range(3)])


def _behind(pencil: _Pencil) -> None:
    """Hair that falls behind the head, shoulders, neck and ears."""
    face = pencil.face
    if face.haircut in ("long", "curly"):
        low = 1.3 if face.haircut == "long" else 0.55
        w = face.width * (1.18 if face.haircut == "long" else 1.38)
        top = pencil.scene.outline(1.16)
        bottom = [(-w, 0.1), (-w * 1.08, low), (w * 1.08, low), (w, 0.1)]
        back = np.concatenate([top[36:], np.array(bottom)[::-1]])
        pencil.fill(back, _mixed(face.hair, (0, 0, 0), 0.2), depth=-0.2)
    w = face.width
    shoulders = [(-0.5 * w, 1.05), (-1.9, 1.55), (-2.1, 4), (2.1, 4), (1.9, 1.55), (0.5 * w, 1.05)]
    dark = _mixed(face.skin, (40, 10, 0), 0.2)
    pencil.fill(shoulders, pencil.view.clothes, depth=-0.3)
    neck = [(-0.52 * w, 0.5), (-0.52 * w, 1.2), (0, 1.42), (0.52 * w, 1.2), (0.52 * w, 0.5)]
    pencil.fill(neck, dark, depth=-0.1)
    for side in (-1, 1):
        ear = _ellipse(side * w * 0.99, face.eye_height + 0.12, 0.1 + face.ears, 0.2 + face.ears)
        pencil.fill(ear, _mixed(face.skin, (60, 10, 0), 0.1), depth=0)


def _skin(pencil: _Pencil) -> None:
    """The head, and the beard on it."""
    face = pencil.face
    pencil.fill(pencil.scene.outline(), face.skin, depth=0)
    if face.beard:
        up = face.mouth_height - 0.28 - 0.2 * face.beard
        jaw = pencil.scene.outline(0.99)
        jaw = jaw[jaw[:, 1] > up]
        lip = _ellipse(0, face.mouth_height, face.mouth_width * 1.35, 0.12)
        mixed = _mixed(face.skin, face.hair, 0.45 + 0.5 * face.beard)
        inner = [(-face.width * 0.55, up + 0.12), (face.width * 0.55, up + 0.12)]
        order = jaw[np.argsort(np.arctan2(jaw[:, 1], jaw[:, 0]))]
        pencil.fill(np.concatenate([order, inner]), mixed)
        pencil.fill(lip, face.skin)
    if face.mole:
        pencil.fill(_ellipse(*face.mole, 0.05, 0.05), _mixed(face.skin, (50, 20, 10), 0.75))


def _hair(pencil: _Pencil) -> None:
    """The hair above the forehead, from the crown down to the hairline."""
    face = pencil.face
    if face.haircut == "bald":
        return
    line = -face.hairline
    # from the left over the top
    crown = pencil.scene.outline(1.1 if face.haircut != "curly" else 1.2)[36:]
    if face.haircut == "curly":
        bumps = 1 + 0.06 * np.sin(np.arange(len(crown)) * 1.3)
        crown = crown * bumps[:, None]
    w = face.width
    edges = {
        "short": [(0.92 * w, -0.2), (0.78 * w, line), (-0.78 * w, line), (-0.92 * w, -0.2)],
        "fringe": [
            (0.97 * w, 0.0),
            (0.88 * w, -0.36),
            (0, -0.42),
            (-0.88 * w, -0.36),
            (-0.97 * w, 0),
        ],
        "parted": [(0.97 * w, 0.0), (0.8 * w, -0.3), (-0.35 * w, -0.86), (-0.95 * w, -0.1)],
        "long": [(w, 0.5), (0.82 * w, -0.1), (0, line - 0.1), (-0.82 * w, -0.1), (-w, 0.5)],
        "curly": [
            (0.95 * w, -0.05),
            (0.6 * w, line),
            (0, line + 0.05),
            (-0.6 * w, line),
            (-0.95 * w, -0.05),
        ],
    }
    pencil.fill(np.concatenate([crown, edges[face.haircut]]), face.hair, depth=0.15)


def _eyes(pencil: _Pencil) -> None:
    face, view = pencil.face, pencil.view
    size = face.eye_size
    for side, (x, y) in zip((-1, 1), eyes(face), strict=True):
        opened = size * 0.55 * max(0.12, view.eyes_open)
        slope = face.eye_tilt * side
        almond = _CIRCLE * (size, opened)
        almond[:, 1] -= slope * almond[:, 0]
        pencil.fill(almond * 1.25 + (x, y), _mixed(face.skin, (60, 20, 10), 0.22))
        pencil.fill(almond + np.array((x, y)), (244, 242, 238))
        if view.eyes_open > 0.2:
            across = min(0.5 * size, opened * 1.05)
            middle = x + view.gaze * (size - across) * 0.8
            down = min(across, opened)
            pencil.fill(_ellipse(middle, y, across, down), face.iris)
            pencil.fill(_ellipse(middle, y, across * 0.5, down * 0.5), (12, 10, 10))
        lid = np.array([point for point in almond if point[1] <= 0])
        pencil.line(lid[np.argsort(lid[:, 0])] + (x, y), 0.035, _mixed(face.skin, (20, 8, 5), 0.8))
        inner, outer = x - side * size * 1.0, x + side * size * 1.35
        height = y - face.brow_height - view.brows
        brow = [(inner, height + face.brow_slope), (x, height - 0.04), (outer, height)]
        pencil.line(brow, face.brow_thickness, _mixed(face.hair, (20, 12, 8), 0.45))


def _nose(pencil: _Pencil) -> None:
    """A bridge, and a tip whose middle is the landmark."""
    face, scene = pencil.face, pencil.scene
    dark = _mixed(face.skin, (50, 15, 5), 0.25)
    tip = scene.place_nose()
    bridge = scene.place([(-0.05, face.eye_height + 0.05), (0.05, face.eye_height + 0.05)])
    wings = scene.place(
        [(face.nose_width, face.nose_height + 0.06), (-face.nose_width, face.nose_height + 0.06)]
    )
    pencil.polygon(np.concatenate([bridge, wings]), _mixed(face.skin, (60, 20, 10), 0.13))
    size = face.nose_width * min(scene.width, scene.height) * pencil.view.scale
    pencil.polygon(_CIRCLE * (size * 0.8, size * 0.62) + tip, dark)
    pencil.polygon(
        _CIRCLE * (size * 0.45, size * 0.34) + tip, _mixed(face.skin, (255, 235, 220), 0.3)
    )


def _mouth(pencil: _Pencil) -> None:
    """Lips from corner to corner, and what is between them."""
    face, view = pencil.face, pencil.view
    (left, y), (right, _) = mouth_corners(pencil.scene).tolist()
    share = np.linspace(0, 1, 13)
    x, bow = left + share * (right - left), np.sin(np.pi * share)
    middle = y + 0.09 * view.smile * bow  # a smile hangs between its corners
    opened = 0.13 * view.mouth_open * bow
    upper, lower = face.lip_thickness * bow, 1.3 * face.lip_thickness * bow

    def ring(top: Floats, bottom: Floats) -> Floats:
        low = np.stack([x, bottom], axis=1)[::-1]
        return np.concatenate([np.stack([x, top], axis=1), low])

    pencil.fill(ring(middle - opened * 0.3 - upper, middle + opened + lower), face.lips)
    if view.mouth_open > 0.15:
        pencil.fill(ring(middle - opened * 0.3, middle + opened), (60, 16, 18))
        pencil.fill(ring(middle - opened * 0.3, middle + opened * 0.25), (236, 230, 218))
    pencil.line(np.stack([x, middle], axis=1), 0.025, _mixed(face.lips, (40, 0, 0), 0.6))


def _glasses(pencil: _Pencil) -> None:
    face = pencil.face
    size = face.glasses or 0.24
    if pencil.view.cover == "dark glasses":
        for x, y in eyes(face):
            pencil.fill(_ellipse(x, y, size * 1.15, size), (22, 20, 26))
    elif not face.glasses:
        return
    for x, y in eyes(face):
        rim = _ellipse(x, y, size, size * 0.82)
        pencil.line(np.concatenate([rim, rim[:2]]), 0.045, face.rim)
    bridge = face.eye_distance - size
    if bridge > 0:
        pencil.line([(-bridge, face.eye_height), (bridge, face.eye_height)], 0.045, face.rim)
    for side in (-1, 1):
        ends = [(side * (face.eye_distance + size), face.eye_height), (side * face.width, -0.05)]
        pencil.line(ends, 0.045, face.rim)


def _cover(pencil: _Pencil) -> None:
    """A mask or a hand before the mouth."""
    face, view = pencil.face, pencil.view
    w = face.width
    if view.cover == "mask":
        up = face.nose_height - 0.14
        mask = [(-w, up), (0, up - 0.1), (w, up), (0.85 * w, 0.75), (0, 1.02), (-0.85 * w, 0.75)]
        pencil.polygon(
            pencil.scene.place_nose()
            + (pencil.scene.place(mask) - pencil.scene.place([(0.0, face.nose_height)])),
            view.clothes,
        )
    elif view.cover == "hand":
        y = max(face.mouth_height + 0.16, face.nose_height + 0.3)
        hand = _ellipse(0, y, w * 0.72, y - face.nose_height - 0.12)
        pencil.fill(hand, _mixed(face.skin, (50, 15, 5), 0.15))
        for place in (-0.4, -0.1, 0.2, 0.5):
            x = place * w
            pencil.line(
                [(x, y - 0.16), (x - 0.08, y + 0.2)], 0.02, _mixed(face.skin, (50, 15, 5), 0.5)
            )


def _lit(
    scene: FaceScene, picture: npt.NDArray[np.float32], chance: random.Random
) -> npt.NDArray[np.uint8]:
    """The picture under the view's light, with noise."""
    view = scene.view
    y, x = np.mgrid[: scene.height, : scene.width].astype(np.float32)
    reach = view.scale * min(scene.width, scene.height)
    across = np.clip((x + 0.5 - view.x * scene.width) / reach, -1, 1)
    down = np.clip((y + 0.5 - view.y * scene.height) / reach, -1, 1)
    light = view.light * (1 + view.shade[0] * across + view.shade[1] * down)
    picture = 128 + (picture - 128) * view.contrast
    picture = picture * light[:, :, None] * np.array(view.tint, np.float32)
    generator = np.random.default_rng(chance.getrandbits(64))
    picture = picture + generator.standard_normal(picture.shape, dtype=np.float32) * view.noise
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
