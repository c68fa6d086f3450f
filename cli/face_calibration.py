"""`unrolled faces calibrate`: the threshold for a wanted false-accept rate, on one's own pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cli import inputs
from cli.format import harmless
from cli.inputs import AsJson
from cli.translated import one_line, refuse
from cli.word_vectors import print_json
from corpora.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from vision.calibration import Calibration, Pairs

SHOWN = 12  # mistakes of each kind that are drawn


class Read(NamedTuple):
    """Pairs, and the pictures that they are of."""

    pairs: Pairs
    images: Sequence[Any]
    names: Sequence[str]  # of the pictures' people; "" where they are not known
    remarks: Sequence[str]


def calibrate(
    model: inputs.ModelFolder,
    identities: Annotated[
        str | None,
        typer.Argument(
            help="A folder with a folder for each person, or a table path,person: all pairs.",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Pairs instead: a table first,second,same.", show_default="none"),
    ] = None,
    far: Annotated[
        float, typer.Option(help="The false-accept rate wanted: of different people's pairs.")
    ] = 0.01,
    split: Annotated[
        str | None, typer.Option(help="A part of the data.", show_default="all")
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(help="The gallery that gets the threshold.", show_default="none"),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw distances and the ROC curve: a .png.", show_default="no"),
    ] = None,
    worst: Annotated[
        Path | None,
        typer.Option(help="Draw the pairs of the worst mistakes: a .png.", show_default="no"),
    ] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples for the ranges.", min=10)] = 500,
    device: inputs.Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Choose the threshold that decides "same person", for a wanted false-accept rate.

    Use people whom the model was not trained on, and pictures like those that will be asked about.
    The range beside each number holds the middle 95 % of bootstrap samples of the people.

    \b
    Examples:
        unrolled faces calibrate my-faces photos --far 0.001 --gallery people.gallery
        unrolled faces calibrate my-faces --pairs pairs.csv --plot roc.png --worst mistakes.png
    """
    from cli.faces import encoder_of, open_gallery
    from vision.calibration import calibrate as calibrated
    from vision.images import pillow

    pillow()
    for option, path in (("--plot", plot), ("--worst", worst)):
        if path is not None and path.suffix.lower() != ".png":
            raise UsageError(f"{option} {path}: expected a name that ends in .png")
    if plot is not None:
        from nlp.core import curves

        curves.require()
    if not 0 < far < 1:
        raise UsageError(f"--far is {far}: expected between 0 and 1")
    opened = None if gallery is None else open_gallery(model, gallery, device)
    encoder = encoder_of(model, device) if opened is None else opened.encoder
    if pairs is not None:
        refuse({"the identities": identities is not None, "--split": split is not None}, "--pairs")
        read = _told_pairs(encoder, pairs)
    elif identities is None:
        raise UsageError("expected a folder with a folder for each person, or --pairs with a table")
    else:
        read = _all_pairs(encoder, identities, split)
    found = calibrated(read.pairs, far, resamples=resamples)
    remarks = [*read.remarks, *found.remarks]
    if opened is not None and gallery is not None:
        opened.threshold = max(0.0, min(2.0, found.threshold))
        opened.calibration = record(found)
        opened.save(gallery)
        if (known := len(opened.people)) > 1 and found.far.value:
            remarks.append(
                f"a stranger who is compared with all {known:,} pictures of {gallery} is taken for "
                f"somebody on them in up to about {found.stranger_rate(known):.2g} of cases; a "
                "lower --far lowers it"
            )
    if plot is not None:
        from vision.look_faces import draw_calibration

        draw_calibration(plot, read.pairs, found)
    if worst is not None:
        remarks += _draw_worst(worst, read, found)
    if as_json:
        print_json({**record(found), "remarks": remarks})
        return
    _show(found)
    for remark in remarks:
        typer.echo(one_line(harmless(remark)), err=True)


def _all_pairs(encoder: Any, identities: str, split: str | None) -> Read:
    from corpora.identities import read_identities
    from vision.calibration import all_pairs

    corpus = read_identities(identities, split=split)
    images = [portrait.image for portrait in corpus.items]
    vectors, kept, remarks = _vectors(encoder, images)
    people = [corpus.items[row].person for row in kept]
    read = all_pairs(vectors, people)
    return Read(read, [images[row] for row in kept], people, [*corpus.remarks, *remarks])


def _told_pairs(encoder: Any, path: Path) -> Read:
    import numpy as np

    from corpora.face_pairs import read_face_pairs
    from vision.calibration import Pairs

    told, remarks = read_face_pairs(path)
    images = list(dict.fromkeys(side for pair in told for side in (pair.first, pair.second)))
    vectors, kept, unread = _vectors(encoder, images)
    images = [images[row] for row in kept]
    place = {image: row for row, image in enumerate(images)}
    good = [pair for pair in told if pair.first in place and pair.second in place]
    if len(good) < len(told):
        unread.append(f"pairs with such a picture, left out: {len(told) - len(good):,}")
    first = np.array([place[pair.first] for pair in good], int)
    second = np.array([place[pair.second] for pair in good], int)
    distances = np.linalg.norm(vectors[first] - vectors[second], axis=1).astype(float)
    same = np.array([pair.same for pair in good], bool)
    read = Pairs(distances, same, first, second)
    return Read(read, images, [""] * len(images), [*remarks, *unread])


def _vectors(encoder: Any, images: Sequence[Any]) -> tuple[np.ndarray, list[int], list[str]]:
    """Vectors, the numbers of the pictures that could be read, and what is told of the others."""
    refused: list[Any] = []
    vectors = encoder.encode(images, refused=refused.append)
    bad = {id(one.image) for one in refused}
    kept = [row for row, image in enumerate(images) if id(image) not in bad]
    if not kept:
        raise UsageError(f"not one of {len(images):,} pictures can be read: {refused[0].reason}")
    if not refused:
        return vectors, kept, []
    shown = "; ".join(one.reason for one in refused[:3]) + ("; ..." if len(refused) > 3 else "")
    return vectors, kept, [f"pictures that cannot be read, left out: {len(refused):,} ({shown})"]


def _draw_worst(path: Path, read: Read, found: Calibration) -> list[str]:
    from vision.look_faces import Section, draw_pairs, mistakes, shown

    accepts, rejects = mistakes(read.pairs, found.threshold, SHOWN)
    sections = [
        Section(heading, shown(read.pairs, rows, read.images, read.names), "#e45756")
        for heading, rows in (
            ("accepted, but different people: the nearest", accepts),
            ("rejected, but the same person: the furthest", rejects),
        )
    ]
    return draw_pairs(path, sections, f"the worst mistakes at threshold {found.threshold:.4f}")


def record(found: Calibration) -> dict[str, Any]:
    """What is told of a calibration in JSON: a value is `[value, low, high]`."""
    told = {name: list(getattr(found, name)) for name in ("far", "tar", "auc", "eer")}
    return {
        "threshold": found.threshold,
        "wanted_far": found.wanted_far,
        **told,
        "eer_threshold": found.eer_threshold,
        "tar_at": {str(rate): list(measured) for rate, measured in found.tar_at.items()},
        "same_pairs": found.same,
        "different_pairs": found.different,
        "people": found.people,
    }


def _show(found: Calibration) -> None:
    from cli import display

    rows = {
        "threshold": f"{found.threshold:.4f}",
        "false-accept rate there": str(found.far),
        "true-accept rate there": str(found.tar),
        "area under the ROC curve": str(found.auc),
        "equal error rate": f"{found.eer} at {found.eer_threshold:.4f}",
        **{f"true-accept rate at FAR {rate:g}": str(one) for rate, one in found.tar_at.items()},
        "pairs of one person": f"{found.same:,}",
        "pairs of two": f"{found.different:,}",
        "people": "not known" if found.people is None else f"{found.people:,}",
    }
    display.facts(rows)
