"""Similarities equal Umeyama's, and what they do to pictures they do to points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from corpora.face_parts import FaceScene
from corpora.generated_faces import draw, portraits
from vision.alignment import FACE, align, inverse, moved, similarity, warp


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """As in the paper, equations 38 to 42: by a singular value decomposition."""
    mean, other = source.mean(0), target.mean(0)
    covariance = (target - other).T @ (source - mean) / len(source)
    u, values, v = np.linalg.svd(covariance)
    signs = np.array([1, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    turn = u @ np.diag(signs) @ v
    scale = (values * signs).sum() / ((source - mean) ** 2).sum(1).mean()
    return np.concatenate([scale * turn, (other - scale * turn @ mean)[:, None]], axis=1)


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
@settings(max_examples=80, deadline=None)
def test_similarities_equal_umeyamas(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    source, target = chance.uniform(-100, 100, (2, count, 2))
    if count == 2:  # a reflection does as well, and the signs are left to rounding
        target = moved(similarity(source, target), source) + 1e-9
    found = similarity(source, target)
    assert np.allclose(found, umeyama(source, target), atol=1e-6)
    assert np.allclose(moved(inverse(found), moved(found, source)), source, atol=1e-5)
    assert np.linalg.det(found[:, :2]) >= 0


@given(st.floats(-3.1, 3.1), st.floats(0.2, 4), st.floats(-50, 50))
def test_an_exact_similarity_is_found_again(angle: float, scale: float, shift: float) -> None:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([(cosine, -sine, shift), (sine, cosine, -shift)])
    source = np.array(FACE) * 100
    assert np.allclose(similarity(source, moved(matrix, source)), matrix)
    hidden = [None, *source[1:3], None, None]
    assert np.allclose(similarity(hidden, moved(matrix, source)), matrix)


def test_no_similarity_near_it_is_better() -> None:
    chance = np.random.default_rng(0)
    source, target = chance.normal(size=(2, 6, 2))
    found = similarity(source, target)
    least = ((moved(found, source) - target) ** 2).sum()
    for _ in range(200):
        a, b, c, d = chance.normal(scale=0.05, size=4)
        other = found + np.array([(a, -b, c), (b, a, d)])
        assert ((moved(other, source) - target) ** 2).sum() >= least


def test_a_picture_goes_where_its_points_go() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    assert np.array_equal(warp(pixels, [(1, 0, 0), (0, 1, 0)], 7), pixels[:, :7])
    assert np.array_equal(warp(pixels, [(1, 0, -2), (0, 1, 0)], 7), pixels[:, 2:9])
    turned = warp(pixels, [(0, -1, 7), (1, 0, 0)], 7)  # a quarter to the right
    assert np.array_equal(turned, np.rot90(pixels[:7, :7], -1))
    larger = warp(pixels, [(2, 0, 0), (0, 2, 0)], 14)
    assert np.abs(larger[2:4, 4:6].astype(int).mean((0, 1)) - pixels[1, 2]).max() < 70
    # Beyond the edge it goes on as at the edge.
    assert (warp(pixels, [(1, 0, 3), (0, 1, 0)], 7)[:, :3] == pixels[:, :1]).all()


def test_what_is_made_smaller_is_averaged() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    pixels = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    small = warp(pixels, [(0.25, 0, 0), (0, 0.25, 0)], 16)
    assert np.abs(small.astype(int) - 127.5).max() < 2


def test_aligned_faces_have_their_points_where_the_template_has_them() -> None:
    wanted = np.array(FACE) * 112
    distances = []
    for scene in portraits(2, 10, 2):
        matrix = similarity(scene.landmarks, wanted)
        distances.append(np.linalg.norm(moved(matrix, scene.landmarks) - wanted, axis=1))
        squares = align(draw(scene), scene.landmarks), warp(draw(scene), matrix, 112)
        assert np.array_equal(*squares)
    assert np.mean(distances) < 8
    # Two pictures of a face that differ in place, size and turn only are nearly one.
    scene = next(portraits(3, 1, 1))
    still = scene.view._replace(noise=0.0, blur=0.0, shade=(0.0, 0.0), yaw=0.0, pitch=0.0)
    one, other = (
        FaceScene("", 0, 96, 96, scene.face, still._replace(x=x, scale=scale, roll=roll))
        for x, scale, roll in ((0.45, 0.3, -15), (0.55, 0.36, 15))
    )
    middle = slice(30, 100), slice(25, 87)
    squares = [align(draw(face), face.landmarks)[middle].astype(float) for face in (one, other)]
    plain = [draw(face)[20:80, 20:80].astype(float) for face in (one, other)]
    assert np.abs(squares[0] - squares[1]).mean() < 0.4 * np.abs(plain[0] - plain[1]).mean()


def test_margin_shows_more() -> None:
    scene = next(portraits())
    inner = align(draw(scene), scene.landmarks, size=60, margin=0.0)
    outer = align(draw(scene), scene.landmarks, size=90, margin=0.25)
    assert np.abs(outer[15:75, 15:75].astype(int) - inner).mean() < 1


def test_too_few_points_are_refused() -> None:
    pixels = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(UsageError, match="1 points are seen"):
        align(pixels, [(3, 4), None, None, None, None])
    with pytest.raises(UsageError, match="in one place"):
        align(pixels, [(3, 4)] * 5)
    with pytest.raises(UsageError, match="expected as many"):
        align(pixels, [(3, 4)] * 4)
