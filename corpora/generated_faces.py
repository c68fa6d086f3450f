"""Pictures of people who do not exist, many of each: "generated-faces".

A sample to learn to tell people apart, to find eyes, nose and mouth, and to test that. A person is
the shape of a head, the place and size of what is in it, hair, beard, glasses. Pictures of the same
person differ in where the head is, how it is turned, in expression, light, clothes and background,
so that the colours of a picture say little of who is in it. They are drawings: what learned from
them tells photographs of people apart has not been shown.

    >>> scene = next(portraits(seed=1))
    >>> scene.person, scene.landmarks[2]  # the tip of the nose
    >>> draw(scene).shape
    (96, 96, 3)

A mirrored picture is one of somebody else, if only a little: moles and partings change sides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from corpora.errors import UsageError, check_positive, check_probability
from corpora.face_drawing import draw
from corpora.face_parts import COVERS, HAIRCUTS, LANDMARKS, Colour, FaceScene, Person, View

__all__ = [
    "LANDMARKS",
    "NAME",
    "FaceScene",
    "Person",
    "View",
    "cover",
    "draw",
    "people",
    "portraits",
]

NAME = "generated-faces"
PEOPLE, PICTURES = 200, 12  # of the sample
LEAST = 32  # pixels of a picture's side
_SKINS = ((250, 222, 200), (232, 190, 158), (205, 156, 118), (164, 114, 80), (106, 70, 48))
_HAIRS = ((24, 18, 16), (70, 44, 26), (120, 78, 40), (196, 152, 84), (150, 62, 28), (168, 164, 160))
_IRISES = ((70, 44, 24), (96, 66, 36), (70, 96, 56), (66, 104, 150), (110, 124, 130))


def people(seed: int = 0, count: int = PEOPLE) -> Iterator[Person]:
    """People, the same of the same seed: a smaller count gives the first of them. No two seeds have
    a person, or a name, in common."""
    chance = random.Random(f"{NAME} {seed}")
    for number in range(count):
        yield _person(f"person-{seed}-{number:04d}", chance.getrandbits(48))


def portraits(
    seed: int = 0,
    people: int = PEOPLE,
    pictures: int = PICTURES,
    size: int = 96,
    *,
    covered: float = 0.0,
) -> Iterator[FaceScene]:
    """Pictures of `size` by `size` pixels, all of the first person, then all of the next.

    Args:
        people, pictures: how many, and of each of them. Fewer are the first of more.
        covered: the share of pictures in which dark glasses, a mask or a hand hides landmarks.

    Raises:
        UsageError: a size below 32, or another number that cannot be.
    """
    if size < LEAST:
        raise UsageError(f"size is {size}: expected at least {LEAST} pixels")
    check_positive(people=people, pictures=pictures)
    check_probability(covered=covered)
    for person in _people(seed, people):
        chance = random.Random(f"{NAME}, pictures {person.seed}")
        for _ in range(pictures):
            one = chance.getrandbits(48)
            yield FaceScene(person.name, one, size, size, person, _view(one, covered))


def cover(scene: FaceScene, share: float) -> FaceScene:
    """The same picture as `portraits` has it with this share covered."""
    return replace(scene, view=_view(scene.seed, share))


_people = people  # `portraits` has a number of that name


def _person(name: str, seed: int) -> Person:
    chance = random.Random(f"{NAME}, one {seed}")
    within = chance.uniform
    hair = _near(chance, chance.choice(_HAIRS), 12)
    skin = _between(chance, _SKINS)
    lips = [0.7 * part + 0.3 * other for part, other in zip(skin, (170, 40, 50), strict=True)]
    haircut = chance.choices(HAIRCUTS, (1, 4, 3, 3, 3, 2))[0]
    eye_distance = within(0.29, 0.4)
    mole = (chance.choice((-1, 1)) * within(0.25, 0.5), within(0.1, 0.6))
    return Person(
        name=name,
        seed=seed,
        skin=skin,
        hair=hair,
        iris=_near(chance, chance.choice(_IRISES), 10),
        lips=_near(chance, (lips[0], lips[1], lips[2]), 14),
        width=within(0.66, 0.86),
        jaw=within(0.08, 0.42),
        squareness=within(1.9, 2.7),
        ears=within(0.0, 0.07),
        eye_distance=eye_distance,
        eye_height=within(-0.16, -0.02),
        eye_size=within(0.12, 0.19),
        eye_tilt=within(-0.22, 0.28),
        brow_height=within(0.17, 0.27),
        brow_thickness=within(0.035, 0.11),
        brow_slope=within(-0.06, 0.08),
        nose_height=within(0.22, 0.38),
        nose_width=within(0.09, 0.2),
        mouth_height=within(0.53, 0.68),
        mouth_width=within(0.18, 0.33),
        lip_thickness=within(0.03, 0.09),
        haircut=haircut,
        hairline=within(0.5, 0.74),
        beard=within(0.15, 1.0) if haircut != "long" and chance.random() < 0.3 else 0.0,
        glasses=within(0.2, 0.28) if chance.random() < 0.25 else 0.0,
        rim=_near(chance, chance.choice(((20, 20, 24), (120, 70, 30), (150, 30, 40))), 10),
        mole=mole if chance.random() < 0.2 else None,
    )


def _view(seed: int, covered: float) -> View:
    chance = random.Random(f"{NAME}, view {seed}")
    within, about = chance.uniform, chance.gauss
    return View(
        x=within(0.42, 0.58),
        y=within(0.44, 0.56),
        scale=within(0.27, 0.37),
        roll=_limited(about(0, 8), 22),
        yaw=_limited(about(0, 11), 26),
        pitch=_limited(about(0, 6), 14),
        smile=within(-0.6, 1),
        mouth_open=max(0.0, within(-0.8, 1)),
        eyes_open=1.0 if chance.random() < 0.75 else within(0, 0.9),
        gaze=_limited(about(0, 0.4), 1),
        brows=within(-0.02, 0.06),
        light=within(0.55, 1.3),
        contrast=within(0.7, 1.15),
        tint=(within(0.85, 1.12), within(0.92, 1.06), within(0.82, 1.15)),
        shade=(within(-0.4, 0.4), within(-0.25, 0.25)),
        clothes=(within(20, 235), within(20, 235), within(20, 235)),
        noise=within(1, 9),
        blur=0.0 if chance.random() < 0.6 else within(0.3, 0.9),
        # drawn last: to cover more leaves what else is seen as it is
        cover=chance.choice(COVERS) if chance.random() < covered else None,
    )


def _limited(number: float, most: float) -> float:
    return max(-most, min(most, number))


def _between(chance: random.Random, colours: tuple[Colour, ...]) -> Colour:
    """A colour somewhere on the way from the first to the last."""
    place = chance.uniform(0, len(colours) - 1)
    first = min(int(place), len(colours) - 2)
    share = place - first
    pairs = zip(colours[first], colours[first + 1], strict=True)
    red, green, blue = (a + share * (b - a) for a, b in pairs)
    return red, green, blue


def _near(chance: random.Random, colour: Colour, reach: float) -> Colour:
    red, green, blue = (part + chance.uniform(-reach, reach) for part in colour)
    return red, green, blue
