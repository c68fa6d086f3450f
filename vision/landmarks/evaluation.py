"""How good a landmarker is: how far from the true points it finds them, and which it calls hidden.

    NME = mean over points of |found - true| / d

with d by the picture, so that a large face counts as much as a small one: the distance of the first
two points ("eyes"), as is usual for faces, or the diagonal of the box around all true points
("box"), as for things that are seen from all sides. Points that are not seen do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from corpora.errors import UsageError, check_choice
from corpora.identities import Portrait, read_identities
from nlp.core.events import Event, Remark
from nlp.core.training import Measured
from vision.landmarks.batches import Pointed
from vision.landmarks.model import LandmarkBatch, Landmarker

Normalizer = Literal["eyes", "box"]
RESULT_COLUMNS = ("NME", "failures", "presence")
FAILURE = 0.1  # the mean error of a picture's points above which they are not found
AT_ONCE = 64


@dataclass(frozen=True)
class LandmarkScores:
    """Errors are in units of the normalizer's distance, shares are 0 to 1."""

    pictures: int
    measured: int  # pictures whose distance is known and not 0; errors are over these
    normalizer: str
    nme: float  # the mean of the pictures' mean errors; NaN where none is measured
    by_point: dict[str, float]
    failures: float  # the share of pictures whose mean error is above 0.1
    presence: float  # the share of points rightly called seen or not
    hidden: int  # points that are not seen
    hidden_found: float  # the share of them that is called so; NaN where there are none
    pictures_per_second: float | None = None


def result_row(scores: LandmarkScores) -> tuple[float, ...]:
    """The row of a table with `RESULT_COLUMNS`."""
    return scores.nme, scores.failures, scores.presence


def distances(points: np.ndarray, present: np.ndarray, normalizer: Normalizer) -> np.ndarray:
    """Of each picture what its errors are divided by, `[pictures]`; NaN where it is not known.

    Args:
        points: `[pictures, n, 2]`, the true ones.
        present: `[pictures, n]` bool.
    """
    check_choice("normalizer", normalizer, Normalizer)
    known = np.where(present[..., None], points, np.nan)
    if normalizer == "eyes":
        if points.shape[1] < 2:
            raise UsageError("one point has no distance of the first two: choose box as normalizer")
        found: np.ndarray = np.linalg.norm(known[:, 0] - known[:, 1], axis=1)
    else:
        found = np.full(len(points), np.nan)
        for row, own in enumerate(present):
            if own.any():
                found[row] = np.linalg.norm(np.ptp(points[row, own], axis=0))
    return np.where(found > 0, found, np.nan)


def score_points(
    found: np.ndarray,
    presence: np.ndarray,
    points: np.ndarray,
    present: np.ndarray,
    names: Sequence[str],
    normalizer: Normalizer = "eyes",
) -> LandmarkScores:
    """The scores of points found `[pictures, n, 2]`, with their chances of being seen `[pictures,
    n]`, against the true ones, all in the pictures' pixels."""
    errors = np.linalg.norm(found - points, axis=2)
    errors = errors / distances(points, present, normalizer)[:, None]
    errors = np.where(present, errors, np.nan)
    seen = np.isfinite(errors)
    measured = seen.any(1)
    each = np.nansum(errors, 1)[measured] / seen.sum(1)[measured]
    hidden, called = ~present, presence >= 0.5
    return LandmarkScores(
        pictures=len(points),
        measured=int(measured.sum()),
        normalizer=normalizer,
        nme=_mean(each),
        by_point={name: _mean(errors[seen[:, place], place]) for place, name in enumerate(names)},
        failures=_mean(each > FAILURE),
        presence=_mean(called == present),
        hidden=int(hidden.sum()),
        hidden_found=_mean(~called[hidden]),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def measure(model: Landmarker, pointed: Pointed, normalizer: Normalizer) -> Measured:
    """Loss, NME and right presences on pictures that have been read."""
    total, found, presence = 0.0, [], []
    was_training = model.training
    model.eval()
    for begin in range(0, len(pointed), AT_ONCE):
        squares, points, present = (part[begin : begin + AT_ONCE] for part in pointed[:3])
        pixels = model.preparation.normalize(squares)
        batch = LandmarkBatch(pixels, points, present).to(model.device)
        where, seen = model.locate(pixels)
        with torch.inference_mode():
            total += float(model.loss(batch).mean) * len(squares)
        found.append(where.numpy())
        presence.append(seen.numpy())
    model.train(was_training)
    truth = pointed.points.numpy(), pointed.present.numpy()
    own = [
        np.stack(
            [place.to_picture(part) for place, part in zip(pointed.placements, whole, strict=True)]
        )
        for whole in (np.concatenate(found), truth[0])
    ]
    scores = score_points(
        own[0], np.concatenate(presence), own[1], truth[1], model.config.points, normalizer
    )
    loss = total / len(pointed)
    metrics = {"NME": scores.nme, "presence": scores.presence}
    worth = -loss if np.isnan(scores.nme) else -scores.nme - 1e-3 * loss
    return Measured(loss, metrics, worth)


def evaluate(
    model: Landmarker | str | Path,
    faces: str | Path,
    images: str | Path | None = None,
    *,
    split: str | None = None,
    normalizer: Normalizer = "eyes",
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> LandmarkScores:
    """A landmarker on pictures whose points are known.

    Args:
        model: a landmarker, or its folder.
        faces, images, split, reading: what `corpora.identities.read_identities` takes.
        normalizer: what errors are divided by, see above.
        report: hears what was left out.

    Raises:
        UsageError: the data cannot be read, or has other points than the model.
    """
    if not isinstance(model, Landmarker):
        model = Landmarker.from_pretrained(model)
    corpus = read_identities(faces, images=images, split=split, **reading)
    for text in corpus.remarks:
        report(Remark(text))
    if tuple(corpus.landmarks) != model.config.points:
        raise UsageError(
            f"{faces}: its points are {', '.join(corpus.landmarks) or 'none'}; expected the "
            f"model's, {', '.join(model.config.points)}"
        )
    return score_portraits(model, corpus.items, normalizer, report=report)


def score_portraits(
    model: Landmarker,
    items: Sequence[Portrait],
    normalizer: Normalizer = "eyes",
    *,
    report: Callable[[Event], None] = lambda event: None,
) -> LandmarkScores:
    """As `evaluate`, of portraits that have been read. A picture that cannot be is left out."""
    bad: list[str] = []
    start = time.perf_counter()
    answers = list(
        model.find(
            (item.image for item in items), refused=lambda refused: bad.append(refused.reason)
        )
    )
    seconds = time.perf_counter() - start
    if bad:
        report(Remark(f"pictures that cannot be read, left out: {len(bad):,} ({bad[0]})"))
    if not answers:
        raise UsageError("no picture of those to be scored can be read")
    # Portraits and answers come in one order, and share their pictures.
    rest, true = iter(items), []
    for answer in answers:
        true.append(next(item for item in rest if item.image is answer.image).landmarks)
    known = [[(np.nan, np.nan) if one is None else one for one in points] for points in true]
    points = np.array(known, dtype=np.float64)
    present = np.asarray(np.isfinite(points).all(2))
    scores = score_points(
        np.stack([answer.points for answer in answers]),
        np.stack([answer.presence for answer in answers]),
        np.nan_to_num(points),
        present,
        model.config.points,
        normalizer,
    )
    if without := scores.pictures - scores.measured:
        report(
            Remark(
                f"pictures whose errors are not measured, for the distance that divides them "
                f"({normalizer}) is not known: {without:,}"
            )
        )
    return LandmarkScores(**{**scores.__dict__, "pictures_per_second": len(answers) / seconds})
