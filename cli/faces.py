"""`unrolled faces ...`: who is known, who somebody is, and how near is near enough."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import face_calibration, inputs
from cli.format import visible
from cli.inputs import AsJson
from cli.pictures import Unreadable, tell_refused
from cli.translated import refuse
from cli.word_vectors import print_facts, print_json, print_records
from corpora.errors import UsageError

if TYPE_CHECKING:
    from vision.gallery import Gallery, Recognised

NOBODY = "not recognized"

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")

GalleryFile = Annotated[
    Path, typer.Argument(help="The file of the people known.", show_default=False)
]
Pictures = Annotated[
    list[str], typer.Argument(help="Picture files, folders or globs.", show_default=False)
]
Threshold = Annotated[
    float | None,
    typer.Option(help="The largest distance of one person.", show_default="the gallery's own"),
]


@app.callback()
def faces(context: typer.Context) -> None:
    """Keep people whom one picture makes known; verify and recognize faces.

    Pictures show one face each, upright and of about one size. Ask people before you add them.

    \b
    Examples:
        unrolled faces add my-faces people.gallery ada.jpg --name Ada
        unrolled faces calibrate my-faces photos --gallery people.gallery
        unrolled faces recognize my-faces people.gallery party/*.jpg
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def add(
    model: inputs.ModelFolder,
    gallery: GalleryFile,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(help="Picture files, folders or globs of one person.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Who is on them.", show_default="no one yet")
    ] = None,
    people: Annotated[
        str | None,
        typer.Option(
            help="Many people instead: a folder with a folder for each, or a table path,person.",
            show_default="none",
        ),
    ] = None,
    device: inputs.Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a person known by one picture or several, or many people at once.

    Pictures that cannot be read are listed at the end, and the exit status is then 2; all others
    are added. The file is replaced as a whole, or not at all.

    \b
    Examples:
        unrolled faces add my-faces people.gallery ada1.jpg ada2.jpg --name Ada
        unrolled faces add my-faces people.gallery --people photos
    """
    from vision.images import files, pillow

    pillow()
    remarks: list[str] = []
    if people is not None:
        refuse({"--name": name is not None, "pictures": bool(pictures)}, "--people names them all")
        from corpora.identities import read_identities

        corpus = read_identities(people)
        named = [(portrait.person, portrait.image) for portrait in corpus.items]
        # That somebody has one picture is told for training; it is enough here.
        remarks = [text for text in corpus.remarks if "one picture only" not in text]
    elif name is None or not pictures:
        raise UsageError("expected pictures and --name, or --people with a folder for each person")
    else:
        named = [(name, path) for path in files(pictures)]
    is_new = not gallery.exists()
    loaded = open_gallery(model, gallery, device, new=True)
    before = len(loaded)
    added = loaded.add_all(named)
    if added.added:
        if is_new and gallery.exists():
            raise UsageError(f"{gallery} was made by another program meanwhile: do it again")
        loaded.save(gallery)
    for remark in remarks:
        typer.echo(remark, err=True)
    facts = {
        "pictures_added": added.added,
        "pictures_already_there": added.known,
        "people_added": len(loaded) - before,
        "people_known": len(loaded),
    }
    print_facts(facts, as_json=as_json)
    tell_refused([one.reason for one in added.refused], len(named))


@app.command()
def verify(
    model: inputs.ModelFolder,
    first: Annotated[str, typer.Argument(help="A picture.", show_default=False)],
    second: Annotated[str, typer.Argument(help="Another one.", show_default=False)],
    gallery: Annotated[
        Path | None, typer.Option(help="Whose threshold is used.", show_default="none")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="The largest distance of one person.", show_default="none"),
    ] = None,
    device: inputs.Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Tell whether two pictures are of one person.

    Without a threshold their distance is told, and no verdict: what is near enough depends on your
    pictures, see `unrolled faces calibrate`.

    \b
    Examples:
        unrolled faces verify my-faces a.jpg b.jpg --gallery people.gallery
        unrolled faces verify my-faces a.jpg b.jpg --threshold 0.9 --json
    """
    from vision.gallery import Gallery
    from vision.images import pillow

    pillow()
    if gallery is None:
        loaded = Gallery(encoder_of(model, device))
    else:
        refuse({"--threshold": threshold is not None}, "--gallery has its own threshold")
        loaded = open_gallery(model, gallery, device)
    found = loaded.verify(first, second, threshold)
    if as_json:
        sides = {"first": first, "second": second}
        told = {"distance": found.distance, "threshold": found.threshold, "same": found.same}
        print_json({**sides, **told})
        return
    distance = f"distance {found.distance:.4f}"
    if found.same is None:
        typer.echo(f"{distance} (no threshold: give one, or a calibrated --gallery)")
    else:
        verdict = "the same person" if found.same else "different people"
        typer.echo(f"{verdict}: {distance}, threshold {found.threshold:.4f}")


@app.command()
def recognize(
    model: inputs.ModelFolder,
    gallery: GalleryFile,
    pictures: Pictures,
    threshold: Threshold = None,
    top: Annotated[int, typer.Option(help="Tell so many of the nearest people.", min=1)] = 1,
    approximate: Annotated[
        bool,
        typer.Option("--approximate", help="Walk a graph: for very many pictures and people."),
    ] = False,
    device: inputs.Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say who is on pictures: a line PICTURE, tab, NAME, tab, DISTANCE for each, in their order.

    The name is "not recognized" where the nearest person is further than the threshold. With --top,
    the nearest people stand behind it. Pictures that cannot be read are listed at the end, and the
    exit status is then 2.

    \b
    Examples:
        unrolled faces recognize my-faces people.gallery party --top 3
        unrolled faces recognize my-faces people.gallery "party/*.jpg" --json
    """
    from vision.images import files, pillow

    pillow()
    paths = files(pictures)
    loaded = open_gallery(model, gallery, device)
    unreadable = Unreadable(paths)

    def tell_unreadable(until: Any = None) -> None:
        for one in unreadable.before(until):
            if as_json:
                print_json(one)

    for found in loaded.recognise(
        paths,
        threshold=threshold,
        top=top,
        approximate=approximate,
        refused=unreadable,
    ):
        tell_unreadable(found.image)
        if as_json:
            print_json(record(found))
        else:
            typer.echo(text_line(found, top))
        sys.stdout.flush()
    tell_unreadable()
    unreadable.tell()


@app.command("list")
def list_people(gallery: GalleryFile, as_json: AsJson = False) -> None:
    """List the people known, how many pictures each has, and the threshold.

    \b
    Examples:
        unrolled faces list people.gallery
    """
    from vision.gallery import Gallery

    loaded = Gallery.load(gallery)
    if as_json:
        print_json(
            {
                "people": [
                    {"name": name, "pictures": count} for name, count in loaded.pictures.items()
                ],
                "threshold": loaded.threshold,
                "calibration": loaded.calibration,
                "encoder": loaded.fingerprint,
            }
        )
        return
    print_records({"person": name, "pictures": count} for name, count in loaded.pictures.items())
    if loaded.threshold is None:
        typer.echo("no threshold: see `unrolled faces calibrate`", err=True)
    else:
        typer.echo(f"{len(loaded):,} people; threshold {loaded.threshold:.4f}")


@app.command()
def remove(
    gallery: GalleryFile,
    names: Annotated[list[str], typer.Argument(help="Who is forgotten.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Forget people, all of them or none.

    \b
    Examples:
        unrolled faces remove people.gallery Ada Grace
    """
    from vision.gallery import Gallery

    loaded = Gallery.load(gallery)
    counts = {name: loaded.remove(name) for name in dict.fromkeys(names)}
    loaded.save(gallery)
    if as_json:
        print_json({"removed": counts, "people_known": len(loaded)})
        return
    for name, count in counts.items():
        typer.echo(f"{visible(name)}: {count} pictures forgotten")


@app.command("map")
def draw(
    gallery: GalleryFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", help=".html: a page to zoom; .png: a picture.")
    ] = Path("faces.html"),
    method: Annotated[
        str, typer.Option(help="tsne or umap keep neighbours together, pca keeps directions.")
    ] = "tsne",
    seed: Annotated[int, typer.Option(help="Where tsne and umap begin.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw a map of the people known: each picture a point, near points alike.

    \b
    Examples:
        unrolled faces map people.gallery -o map.png
    """
    from vision.face_map import draw_map
    from vision.gallery import Gallery

    loaded = Gallery.load(gallery)
    people = loaded.people
    title = f"{gallery.name}: {len(people):,} pictures of {len(loaded):,} people by {method}"
    draw_map(
        output,
        loaded.names,
        people,
        loaded.vectors,
        method=method,  # type: ignore[arg-type]
        seed=seed,
        title=title,
    )
    print_facts(
        {"map": str(output), "pictures": len(people), "people": len(loaded), "method": method},
        as_json=as_json,
    )


def encoder_of(model: str, device: str) -> Any:
    """The face encoder of a folder or of the Hugging Face Hub."""
    from vision.faces import FaceEncoder

    encoder = FaceEncoder.from_pretrained(model, device)
    if encoder.config.align:
        typer.echo(
            f"{model} was trained on faces turned by their landmarks, and pictures are taken here "
            "as they are: give it pictures that vision.alignment has turned",
            err=True,
        )
    return encoder


def open_gallery(model: str, path: Path, device: str, *, new: bool = False) -> Gallery:
    """The gallery of a file, or where there is none yet and it may be new, an empty one."""
    from vision.gallery import Gallery

    if path.is_dir():
        raise UsageError(f"{path} is a folder: expected the file of a gallery")
    if not new or path.exists():
        loaded = Gallery.load(path)  # a damaged one is told before the model is loaded
        loaded.encoder = encoder_of(model, device)
        return loaded
    return Gallery(encoder_of(model, device))


def text_line(found: Recognised, top: int) -> str:
    """What is written of a picture."""
    from vision.images import name_of

    name = NOBODY if found.name is None else visible(found.name)
    parts = [visible(name_of(found.image)), name, f"{found.distance:.4f}"]
    if top > 1:
        parts += [f"{visible(one)} {distance:.4f}" for one, distance in found.nearest]
    return "\t".join(parts)


def record(found: Recognised) -> dict[str, Any]:
    """What `--json` tells of a picture; the name is null where nobody was recognized."""
    from vision.images import name_of

    return {
        "image": name_of(found.image),
        "name": found.name,
        "distance": found.distance,
        "nearest": [{"name": name, "distance": distance} for name, distance in found.nearest],
    }


app.command("calibrate")(face_calibration.calibrate)
