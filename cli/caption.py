"""`unrolled caption`: pictures in words, and where in them each word looked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs, translated
from cli.format import finite, harmless, visible
from cli.inputs import ANSWER, INPUT, option
from cli.pictures import Unreadable
from cli.translated import one_line, refuse
from corpora.errors import UsageError

if TYPE_CHECKING:
    from vision.captioner import Caption, Captioner
    from vision.look import Look

CHOICE = "How captions are chosen"  # a panel of --help
PNG, HTML = (".png",), (".html", ".htm")


def caption(
    model: inputs.ModelFolder,
    images: Annotated[
        list[str],
        typer.Argument(help="Picture files, folders or globs.", show_default=False),
    ],
    n_best: Annotated[
        int,
        typer.Option(
            help="Several captions of each picture, the best first, each with its score.",
            min=1,
            rich_help_panel=ANSWER,
        ),
    ] = 1,
    attention: Annotated[
        Path | None,
        typer.Option(
            help="Draw where each word looked, too: .png for some pictures, .html for any number.",
            show_default=False,
            rich_help_panel=ANSWER,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="A line of JSON a picture: words with their probabilities and places.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Add to it where each word looked: rows of cells.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    greedy: Annotated[
        bool,
        typer.Option("--greedy", help="The likeliest piece each time.", rich_help_panel=CHOICE),
    ] = False,
    beam_size: Annotated[
        int | None,
        typer.Option(
            help="Beginnings that are kept.",
            show_default="3, or what --n-best takes",
            min=1,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    length_penalty: Annotated[
        float, option("0 prefers short captions; larger, longer ones.", CHOICE)
    ] = 1.0,
    temperature: Annotated[
        float | None,
        option("Draw captions instead; below 1 is bolder, above 1 wilder.", CHOICE, "no"),
    ] = None,
    top_k: Annotated[
        int | None, option("Draw from the k likeliest pieces only.", CHOICE, "no")
    ] = None,
    top_p: Annotated[
        float | None,
        option("Draw from the likeliest pieces that together reach p.", CHOICE, "no"),
    ] = None,
    seed: Annotated[int, option("The same seed draws the same.", CHOICE)] = 0,
    prefix: Annotated[str, option("What every caption begins with.", CHOICE)] = "",
    forbid: Annotated[
        list[str] | None,
        option("A word that no caption holds; may be given several times.", CHOICE, "none"),
    ] = None,
    no_repeat: Annotated[
        int,
        typer.Option(
            help="No run of so many pieces occurs twice in a caption; 0 allows all.",
            min=0,
            rich_help_panel=CHOICE,
        ),
    ] = 0,
    max_length: Annotated[
        int, typer.Option(help="Pieces of a caption.", min=1, rich_help_panel=CHOICE)
    ] = 50,
    batch_size: Annotated[
        int, typer.Option(help="Pictures that are captioned together.", min=1)
    ] = 32,
    threads: Annotated[
        int, typer.Option(help="Threads that read pictures ahead.", min=1, rich_help_panel=INPUT)
    ] = 4,
    device: inputs.Device = "auto",
    precision: Annotated[
        str,
        option("bfloat16 is faster where the device has it, and a little less exact; or auto."),
    ] = "float32",
) -> None:
    """Say what is in pictures: a line PICTURE, tab, CAPTION for each, in their order.

    Pictures that cannot be read are listed at the end, and the exit status is then 2; all others
    are captioned.

    \b
    Examples:
        unrolled caption my-captioner dog.jpg --n-best 3
        unrolled caption my-captioner photos --json > captions.jsonl
        unrolled caption my-captioner "photos/*.jpg" --attention photos.html
    """
    given = dict(locals())
    _refuse_contradictions(given)
    from vision.images import files, pillow

    pillow()
    paths = files(images)
    if attention is not None:
        from vision.look import AT_MOST

        if attention.resolve() in {path.resolve() for path in paths}:
            raise UsageError(f"{attention} is one of the pictures: name another --attention")
        if attention.suffix.lower() in PNG and len(paths) > AT_MOST:
            raise UsageError(
                f"{len(paths):,} pictures are too many for one PNG, which holds {AT_MOST}: "
                f"name a page, such as {attention.with_suffix('.html')}"
            )
    from vision.captioner import Captioner

    loaded = Captioner.from_pretrained(model, device)
    if loaded.config.attention == "none":
        wanted = {"--attention": attention is not None, "--weights": weights}
        refuse(wanted, f"{model} was trained without attention")
    unreadable = Unreadable(paths)
    found = loaded.caption(
        paths,
        strategy=_strategy(given),
        n_best=n_best,
        max_length=max_length,
        batch_size=batch_size,
        forbidden=forbid or (),
        no_repeat=no_repeat,
        prefix=prefix,
        seed=seed,
        precision=precision,
        threads=threads,
        refused=unreadable,
    )
    _answer(loaded, _shown(found, unreadable, given), given)
    unreadable.tell()


def _refuse_contradictions(given: Mapping[str, Any]) -> None:
    attention = given["attention"]
    if given["weights"] and not given["as_json"]:
        raise UsageError("--weights adds to JSON: add --json, or draw them with --attention")
    if attention is not None and attention.suffix.lower() not in (*PNG, *HTML):
        raise UsageError(f"--attention {attention}: expected a name that ends in .png or .html")
    if "" in (given["forbid"] or ()):
        raise UsageError("--forbid is empty: expected a word")


def _strategy(given: Mapping[str, Any]) -> Any:
    """Three beginnings are enough for captions, where the usual beam has five."""
    names = ("n_best", "greedy", "beam_size", "length_penalty", "temperature", "top_k", "top_p")
    options = {name: given[name] for name in (*names, "seed")}
    drawn = any(given[name] is not None for name in ("temperature", "top_k", "top_p"))
    if given["beam_size"] is None and not drawn and not given["greedy"]:
        options["beam_size"] = max(3, given["n_best"])
    return translated.strategy_of(**options)


def _shown(
    found: Iterator[Caption], unreadable: Unreadable, given: Mapping[str, Any]
) -> Iterator[Caption]:
    """Prints captions as they come, in JSON also of each picture that has none why, and yields
    them."""
    on_screen = sys.stdout.isatty()

    def write(line: str) -> None:
        sys.stdout.write(harmless(line) if on_screen else line)

    def tell_unreadable(until: Any = None) -> None:
        for one in unreadable.before(until):
            if given["as_json"]:
                write(_json(one))

    for one in found:
        tell_unreadable(one.image)
        if given["as_json"]:
            write(_json(record(one, weights=given["weights"])))
        else:
            write(text_lines(one, scores=given["n_best"] > 1))
        sys.stdout.flush()
        yield one
    tell_unreadable()


def _answer(model: Captioner, found: Iterator[Caption], given: Mapping[str, Any]) -> None:
    """Takes all captions, which prints them, and draws those that are to be drawn."""
    path: Path | None = given["attention"]
    if path is None:
        for _ in found:
            pass
        return
    looks = (_look(model, one) for one in found)
    first = next(looks, None)
    if first is None:  # not one picture could be read
        return
    if path.suffix.lower() in PNG:
        from vision.look import draw_looks

        for remark in draw_looks(path, [first, *looks]):
            typer.echo(remark, err=True)
    else:
        from vision.look_page import write_page

        def pages() -> Iterator[Look]:
            yield first
            yield from looks

        write_page(path, pages(), title=f"Captions by {Path(given['model']).name}")


def _look(model: Captioner, found: Caption) -> Look:
    from vision.cells import region_of
    from vision.look import look_at

    place = found.placement
    if place is None:
        return look_at(found.image, found)
    region = region_of(model.encoder.backbone, model.grid, place)
    return look_at(found.image, found, region, place.region)


def text_lines(found: Caption, *, scores: bool) -> str:
    """What is written of a picture: its name, a tab and its caption; or so for each of the n best,
    with its score before it."""
    from vision.images import name_of

    name = visible(name_of(found.image))
    lines = []
    for one in (found, *found.others):
        score = [f"{one.score:.4f}"] if scores else []
        lines.append("\t".join([name, *score, one_line(one.text)]) + "\n")
    return "".join(lines)


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(finite(told), ensure_ascii=False) + "\n"


def record(found: Caption, *, weights: bool = False) -> dict[str, Any]:
    """What `--json` tells of a caption; places are characters of it, from 0."""
    from vision.images import name_of

    told = {"image": name_of(found.image), **_own_record(found, weights)}
    if found.others:
        told["others"] = [_own_record(other, weights) for other in found.others]
    return told


def _own_record(found: Caption, weights: bool) -> dict[str, Any]:
    words = zip(found.words, found.word_probabilities, strict=True)
    told: dict[str, Any] = {
        "caption": found.text,
        "score": found.score,
        "log_probability": found.log_probability,
        "finished": found.finished,
        "words": [
            {"text": found.text[start:end], "start": start, "end": end, "probability": probability}
            for (start, end), probability in words
        ],
    }
    if weights and found.attention is not None:
        told["attention"] = found.attention.astype(float).round(6).tolist()
    return told
