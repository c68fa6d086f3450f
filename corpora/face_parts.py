"""What a generated face is made of, and where in its picture each of its parts lies.

A head is an ellipsoid about the origin: x to the right, y down, z towards who looks, and 1 is half
its height. Features lie on its front; a `View` turns it, moves it and enlarges it, and what it does
to a feature it does to the landmark on it, so that landmarks are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, radians, sin, tan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LANDMARKS = ("left eye", "right eye", "nose", "left of mouth", "right of mouth")  # as it is seen
HAIRCUTS = ("bald", "short", "fringe", "parted", "long", "curly")
COVERS = ("dark glasses", "mask", "hand")
_DEPTH = 0.85  # of a head, half of it
_NOSE = 0.22  # how far its tip stands out of the ellipsoid

Colour = tuple[float, float, float]  # red, green and blue, 0 to 255
Floats = npt.NDArray[np.float64]


class Person(NamedTuple):
    """What stays the same in all pictures of somebody. Lengths are in half heights of the head."""

    name: str
    seed: int
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    width: float  # of the head, half of it
    jaw: float  # how much narrower it is at the chin
    squareness: float  # 2 for an ellipse, more for a box
    ears: float
    eye_distance: float  # between their middles, half of it
    eye_height: float
    eye_size: float
    eye_tilt: float
    brow_height: float  # above the eyes
    brow_thickness: float
    brow_slope: float
    nose_height: float
    nose_width: float
    mouth_height: float
    mouth_width: float  # half of it
    lip_thickness: float
    haircut: str
    hairline: float  # above the middle
    beard: float  # how much of the jaw it covers, 0 for none
    glasses: float  # half their width, 0 for none
    rim: Colour
    mole: tuple[float, float] | None


class View(NamedTuple):
    """What changes from picture to picture of somebody."""

    x: float  # where the middle of the head is, as shares of the picture's side
    y: float
    scale: float  # half the head's height, as a share of the picture's side
    roll: float  # degrees, clockwise
    yaw: float  # degrees, to the right of the picture
    pitch: float  # degrees, down
    smile: float  # -1 to 1
    mouth_open: float  # 0 to 1
    eyes_open: float  # 0 to 1
    gaze: float  # -1 to 1, to the right of the picture
    brows: float  # how far they are raised
    light: float  # 1 as it is
    contrast: float
    tint: Colour  # the light's, each about 1
    shade: tuple[float, float]  # how much brighter it is towards the right, and the bottom
    clothes: Colour
    noise: float  # deviation
    blur: float  # pixels of a picture of 96
    cover: str | None = None


@dataclass(frozen=True)
class FaceScene:
    """A picture of a face that is not drawn yet, `width` by `height` pixels. `seed` makes its
    background again."""

    person: str
    seed: int
    width: int
    height: int
    face: Person
    view: View

    def place(self, points: npt.ArrayLike, *, depth: float | None = None) -> Floats:
        """Where points `[n, 2]` of the head are, in pixels `[n, 2]`: the first pixel's middle is at
        0.5. They lie on the head's front, or at `depth`."""
        x, y = np.asarray(points, dtype=np.float64).T
        if depth is None:
            inside = 1 - (x / self.face.width) ** 2 - y**2
            z = _DEPTH * np.sqrt(np.clip(inside, 0, 1))
        else:
            z = np.full_like(x, depth)
        view, side = self.view, min(self.width, self.height)
        yaw, pitch, roll = radians(view.yaw), radians(view.pitch), radians(view.roll)
        x, z = x * cos(yaw) + z * sin(yaw), z * cos(yaw) - x * sin(yaw)
        y = y * cos(pitch) + z * sin(pitch)
        scale = view.scale * side
        return np.stack(
            [
                view.x * self.width + scale * (x * cos(roll) - y * sin(roll)),
                view.y * self.height + scale * (x * sin(roll) + y * cos(roll)),
            ],
            axis=1,
        )

    @property
    def landmarks(self) -> tuple[tuple[float, float] | None, ...]:
        """Where the points of `LANDMARKS` are, in pixels; None for one that is covered."""
        corners = self.place(mouth_corners(self))
        points = np.concatenate([self.place(eyes(self.face)), self.place_nose(), corners])
        hidden = {"dark glasses": (0, 1), "mask": (2, 3, 4), "hand": (3, 4)}
        covered = hidden[self.view.cover] if self.view.cover else ()
        return tuple(
            None if place in covered else (float(x), float(y))
            for place, (x, y) in enumerate(points)
        )

    def place_nose(self) -> Floats:
        """Where the tip of the nose is, `[1, 2]`."""
        height = self.face.nose_height
        tip = _DEPTH * np.sqrt(1 - height**2) + _NOSE
        return self.place([(0.0, height)], depth=float(tip))

    def outline(self, scale: float = 1.0) -> Floats:
        """The rim of the head as it is seen, in its own coordinates at depth 0, `[72, 2]`: turned,
        an ellipsoid shows some of its side."""
        yaw, pitch = radians(self.view.yaw), radians(self.view.pitch)
        across = hypot(1, _DEPTH / self.face.width * tan(yaw))
        down = hypot(1, _DEPTH * tan(pitch))
        return head(self.face, scale) * (across, down)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the head without its hair, in pixels."""
        rim = self.place(self.outline(), depth=0)
        (left, top), (right, bottom) = rim.min(0).tolist(), rim.max(0).tolist()
        return left, top, right, bottom


def head(person: Person, scale: float = 1.0, count: int = 72) -> Floats:
    """The outline of a head as points `[count, 2]`, from its right clockwise."""
    turn = np.arange(count) * 2 * np.pi / count
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / person.squareness)
    y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / person.squareness)
    narrower = 1 - person.jaw * np.clip(y, 0, 1) ** 1.5
    return np.stack([scale * person.width * x * narrower, scale * y], axis=1)


def eyes(person: Person) -> Floats:
    """The middles of the eyes, `[2, 2]`."""
    x, y = person.eye_distance, person.eye_height
    return np.array([(-x, y), (x, y)])


def mouth_corners(scene: FaceScene) -> Floats:
    """The corners of the mouth, `[2, 2]`: a smile widens and raises them."""
    person, view = scene.face, scene.view
    width = person.mouth_width * (1 + 0.18 * view.smile - 0.15 * view.mouth_open)
    y = person.mouth_height - 0.05 * view.smile
    return np.array([(-width, y), (width, y)])
