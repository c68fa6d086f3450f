"""Generated faces: the same of the same seed, landmarks where they are drawn, and people who are
not told apart by the colour of their pictures.
"""

from __future__ import annotations

import sys
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("PIL")

from corpora.errors import UsageError
from corpora.face_parts import COVERS
from corpora.generated_faces import LANDMARKS, FaceScene, cover, draw, people, portraits
from corpora.pictures import load

WHITE = (1.0, 1.0, 1.0)


def still(scene: FaceScene) -> FaceScene:
    """The face under an even light, with its eyes open and nothing before it."""
    changed = scene.view._replace(
        light=1.0, contrast=1.0, tint=WHITE, shade=(0.0, 0.0), noise=0.0, blur=0.0
    )._replace(eyes_open=1.0, gaze=0.0, mouth_open=0.0)
    face = scene.face._replace(glasses=0.0, hairline=0.74, haircut="short", beard=0.0, mole=None)
    return FaceScene(scene.person, scene.seed, scene.width, scene.height, face, changed)


def differing(scene: FaceScene, **colours: tuple[float, float, float]) -> np.ndarray:
    """Where the picture changes with colours of the face, `[n, 2]` as x, y."""
    other = FaceScene(
        scene.person, scene.seed, scene.width, scene.height,
        scene.face._replace(**colours), scene.view,
    )  # fmt: skip
    changed = (draw(scene) != draw(other)).any(2)
    return np.argwhere(changed)[:, ::-1] + 0.5


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_landmarks_are_where_the_features_are_drawn(seed: int) -> None:
    scene = still(next(portraits(seed, 1, 1, 192)))
    points = np.array(scene.landmarks)
    roll, reach = np.radians(scene.view.roll), scene.view.scale * 192
    along = np.array([np.cos(roll), np.sin(roll)])
    lips = differing(scene, lips=(0.0, 255.0, 0.0))
    for corner, end in (
        (points[3], lips[np.argmin(lips @ along)]),
        (points[4], lips[np.argmax(lips @ along)]),
    ):
        assert np.linalg.norm(corner - end) < 0.06 * reach
    iris = differing(scene, iris=(255.0, 0.0, 255.0))
    nearer = np.linalg.norm(iris[:, None] - points[None, :2], axis=2).argmin(1)
    for eye in (0, 1):
        assert np.linalg.norm(iris[nearer == eye].mean(0) - points[eye]) < 0.03 * reach
    # The tip is the brightest of the nose's shapes, its middle the landmark.
    x, y = np.floor(points[2]).astype(int)
    picture = draw(scene).astype(int)
    size = scene.face.nose_width * reach * 0.62
    rows = [picture[int(y + step), x].sum() for step in (-0.85 * size, 0.85 * size)]
    assert picture[y, x].sum() > max(rows)


def test_the_same_seed_is_the_same_picture_and_fewer_are_the_first_of_more() -> None:
    scenes = list(portraits(5, 3, 4))
    assert scenes == list(portraits(5, 3, 4))
    assert len({scene.person for scene in scenes}) == 3
    assert np.array_equal(draw(scenes[0]), draw(next(portraits(5, 1, 1))))
    assert list(portraits(5, 2, 2)) == scenes[:2] + scenes[4:6]
    assert list(islice(people(5, 9), 2)) == list(people(5, 2))
    assert not {one.name for one in people(5, 9)} & {one.name for one in people(6, 9)}


def test_another_size_is_the_same_picture_larger() -> None:
    small, large = next(portraits(8, 1, 1, 96)), next(portraits(8, 1, 1, 192))
    assert np.allclose(2 * np.array(small.landmarks), np.array(large.landmarks))
    halved = draw(still(large)).reshape(96, 2, 96, 2, 3).mean((1, 3))
    assert np.abs(halved - draw(still(small))).mean() < 4


def test_all_of_a_face_is_inside_its_picture() -> None:
    for scene in portraits(0, 30, 4):
        points = np.array(scene.landmarks)
        assert (points > 2).all()
        assert (points < 94).all()
        left, top, right, bottom = scene.box
        assert ((points >= (left, top)) & (points <= (right, bottom))).all()
        assert points[0, 0] < points[1, 0]
        assert points[3, 0] < points[4, 0]


def test_people_are_not_told_apart_by_the_colour_of_their_pictures() -> None:
    """Chance is 1 in 30; a nearest neighbour by the pixels does better, for it is a sample that can
    be learned, yet not well."""
    scenes = list(portraits(0, 30, 6))
    names = np.array([scene.person for scene in scenes])
    pictures = np.stack([draw(scene) for scene in scenes]).astype(np.float32)

    def right(rows: np.ndarray) -> float:
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        return float((names[distances.argmin(1)] == names).mean())

    assert right(pictures.mean((1, 2))) < 0.15
    small = pictures.reshape(len(scenes), 24, 4, 24, 4, 3).mean((2, 4)).reshape(len(scenes), -1)
    assert right(small) < 0.4


def test_what_is_covered_has_no_landmark() -> None:
    scenes = list(portraits(1, 20, 10, covered=0.5))
    covers = [scene.view.cover for scene in scenes]
    assert set(covers) == {None, *COVERS}
    assert 70 < len(scenes) - covers.count(None) < 130
    for scene, plain in zip(scenes, portraits(1, 20, 10), strict=True):
        assert len(scene.landmarks) == len(LANDMARKS)
        assert cover(plain, 0.5) == scene
        if scene.view.cover is None:
            assert scene == plain
            continue
        assert 1 < scene.landmarks.count(None) < 4
        changed = (draw(scene) != draw(plain)).any(2)
        for point, known in zip(scene.landmarks, plain.landmarks, strict=True):
            assert known is not None
            if point is None:
                x, y = int(known[0]), int(known[1])  # a pixel may be as dark as it was
                assert changed[y - 1 : y + 2, x - 1 : x + 2].any()


def test_pictures_load_and_wrong_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = next(portraits())
    assert np.array_equal(load(scene), draw(scene))
    for wrong in ({"size": 31}, {"people": 0}, {"pictures": 0}, {"covered": 1.0}):
        with pytest.raises(UsageError):
            next(portraits(**wrong))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match="Pillow"):
        draw(scene)
