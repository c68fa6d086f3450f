"""`unrolled detect`: what is in pictures, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.format import finite, visible
from cli.inputs import ANSWER, INPUT, option
from cli.pictures import Unreadable
from corpora.errors import UsageError

if TYPE_CHECKING:
    from vision.found import Detected

PNG = ".png"


def detect(
    model: inputs.ModelFolder,
    images: Annotated[
        list[str],
        typer.Argument(help="Picture files, folders or globs.", show_default=False),
    ],
    threshold: Annotated[
        float, option("Boxes that the model is less sure of are left out.", ANSWER)
    ] = 0.25,
    iou: Annotated[
        float, option("Of two of a class that overlap more, one is left out.", ANSWER)
    ] = 0.5,
    most: Annotated[
        int, typer.Option(help="Boxes of a picture.", min=1, rich_help_panel=ANSWER)
    ] = 300,
    draw: Annotated[
        Path | None,
        typer.Option(
            help="Draw the boxes, too: a .png for one picture, a folder for any number.",
            show_default=False,
            rich_help_panel=ANSWER,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="A line of JSON a picture.", rich_help_panel=ANSWER),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(help="Pictures that are looked at together.", min=1)
    ] = 16,
    threads: Annotated[
        int, typer.Option(help="Threads that read pictures ahead.", min=1, rich_help_panel=INPUT)
    ] = 4,
    device: inputs.Device = "auto",
    precision: Annotated[
        str,
        option("bfloat16 is faster where the device has it, and a little less exact; or auto."),
    ] = "float32",
) -> None:
    """Find things in pictures: a line PICTURE, LABEL, SCORE, LEFT, TOP, RIGHT, BOTTOM for each.

    Columns are parted by tabs; edges are pixels of the picture as one sees it. A picture in which
    nothing is found has a line with its name alone. Pictures that cannot be read are listed at the
    end, and the exit status is then 2; all others are looked at.

    \b
    Examples:
        unrolled detect my-detector street.jpg --draw street.png
        unrolled detect my-detector photos --json > boxes.jsonl
        unrolled detect my-detector photos --draw drawn --threshold 0.5
    """
    from vision.images import files, pillow

    pillow()
    paths = files(images)
    places = {} if draw is None else _places(draw, paths)
    from vision.detector import Detector

    loaded = Detector.from_pretrained(model, device)
    unreadable = Unreadable(paths)
    found = loaded.detect(
        paths,
        threshold=threshold,
        iou=iou,
        most=most,
        batch_size=batch_size,
        threads=threads,
        precision=precision,
        refused=unreadable,
    )
    for one in _in_order(found, unreadable, as_json=as_json):
        if one.image in places:
            from vision.look_boxes import draw_found

            for remark in draw_found(places[one.image], one.image, one.boxes, loaded.config.labels):
                typer.echo(remark, err=True)
    unreadable.tell()


def _places(draw: Path, paths: Sequence[Path]) -> dict[Path, Path]:
    """Where each picture is drawn; in a folder by its name, with a number where there are two."""
    if draw.suffix.lower() == PNG:
        if len(paths) > 1:
            raise UsageError(
                f"--draw {draw} is one file for {len(paths):,} pictures: name a folder"
            )
        places = {paths[0]: draw}
    elif draw.suffix and not draw.is_dir():
        raise UsageError(f"--draw {draw}: expected a name that ends in .png, or a folder")
    else:
        places, taken = {}, set[str]()
        for path in paths:
            name, number = path.stem, 2
            while name.lower() in taken:
                name, number = f"{path.stem}-{number}", number + 1
            taken.add(name.lower())
            places[path] = draw / f"{name}{PNG}"
    own = {path.resolve() for path in paths}
    if over := [place for place in places.values() if place.resolve() in own]:
        raise UsageError(f"{over[0]} is one of the pictures: name another --draw")
    if draw.suffix.lower() != PNG:
        draw.mkdir(parents=True, exist_ok=True)
    return places


def _in_order(
    found: Iterator[Detected], unreadable: Unreadable, *, as_json: bool
) -> Iterator[Detected]:
    """Prints what is found as it comes, in JSON also of each picture that cannot be read why, and
    yields it."""

    def tell_unreadable(until: Any = None) -> None:
        for one in unreadable.before(until):
            if as_json:
                typer.echo(_json(one))

    for one in found:
        tell_unreadable(one.image)
        typer.echo(_json(record(one)) if as_json else "\n".join(text_lines(one)))
        yield one
    tell_unreadable()


def text_lines(found: Detected) -> list[str]:
    """What is written of a picture: a line a box."""
    from vision.images import name_of

    name = visible(name_of(found.image))
    return [
        "\t".join([name, visible(box.label), f"{box.score:.3f}", *(f"{e:.1f}" for e in box[2:])])
        for box in found.boxes
    ] or [name]


def record(found: Detected) -> dict[str, Any]:
    """What `--json` tells of a picture."""
    from vision.images import name_of

    return {
        "image": name_of(found.image),
        "width": found.width,
        "height": found.height,
        "boxes": [box._asdict() for box in found.boxes],
    }


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(finite(told), ensure_ascii=False)
