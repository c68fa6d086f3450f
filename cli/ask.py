"""`unrolled ask`: questions about a picture, answered, and where in it the model looked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.format import finite, harmless, visible
from cli.inputs import ANSWER, INPUT, option
from corpora.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from vision.look import Look
    from vision.question_answering import Answer, Answerer

PNG, HTML = (".png",), (".html", ".htm")
NAMED = ("first", "second", "third")  # looks; others are "look 4"


def ask(
    model: inputs.ModelFolder,
    image: Annotated[str, typer.Argument(help="A picture file.", show_default=False)],
    questions: Annotated[
        list[str] | None,
        typer.Argument(
            help="Questions about it; - reads them from stdin, one a line, and answers each at "
            "once; blank lines are skipped.",
            show_default="-",
        ),
    ] = None,
    n_best: Annotated[
        int,
        typer.Option(
            help="Several answers to each, the likeliest first, each with its probability.",
            min=1,
            rich_help_panel=ANSWER,
        ),
    ] = 1,
    attention: Annotated[
        Path | None,
        typer.Option(
            help="Draw where the model looked, too: .png or .html.",
            show_default=False,
            rich_help_panel=ANSWER,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a line of JSON a question.", rich_help_panel=ANSWER),
    ] = False,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Add to it where each look went: rows of cells.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    encoding_errors: Annotated[
        str, option("Bytes that are no UTF-8: strict refuses them, replace marks them.", INPUT)
    ] = "strict",
    device: inputs.Device = "auto",
) -> None:
    """Answer questions about a picture: a line QUESTION, tab, ANSWER for each.

    \b
    Examples:
        unrolled ask my-vqa street.jpg "how many cars are there?"
        unrolled ask my-vqa street.jpg "what colour is the car?" --n-best 3 --attention car.png
        unrolled ask my-vqa street.jpg - --json < questions.txt
    """
    if weights and not as_json:
        raise UsageError("--weights adds to JSON: add --json, or draw them with --attention")
    if attention is not None and attention.suffix.lower() not in (*PNG, *HTML):
        raise UsageError(f"--attention {attention}: expected a name that ends in .png or .html")
    from vision.images import files, read
    from vision.question_answering import Answerer

    paths = files(image)
    if len(paths) != 1:
        raise UsageError(f"{image} holds {len(paths):,} pictures: name one of them")
    pixels = read(paths[0])  # once, and refused before a question is waited for
    loaded = Answerer.from_pretrained(model, device)
    looks: list[Look] = []
    on_screen = sys.stdout.isatty()
    for group in _given(questions or ["-"], encoding_errors):
        asked = [pixels] * len(group)
        for found in loaded.answer(asked, group, n_best=n_best):
            named = replace(found, image=paths[0])
            told = _json(named, weights) if as_json else _lines(named, n_best > 1)
            sys.stdout.write(harmless(told) if on_screen else told)
            if found.unknown and not as_json:
                sys.stdout.flush()
                words = ", ".join(map(visible, found.unknown))
                typer.echo(f"words that the model has never seen: {words}", err=True)
            if attention is not None:
                looks.append(_look(loaded, named))
        sys.stdout.flush()
    if attention is not None:
        _draw(attention, looks, model)


def _given(questions: Sequence[str], encoding_errors: str) -> Iterator[list[str]]:
    for question in questions:
        for arrived in inputs.arriving_texts([question], encoding_errors):
            if group := [one for one in arrived if question != "-" or one.strip()]:
                yield group


def _lines(found: Answer, several: bool) -> str:
    question = visible(found.question)
    if not several:
        return f"{question}\t{found.answer}\n"
    return "".join(f"{question}\t{share:.4f}\t{answer}\n" for answer, share in found.alternatives)


def _json(found: Answer, weights: bool) -> str:
    told: dict[str, Any] = {
        "image": str(found.image),
        "question": found.question,
        "answer": found.answer,
        "probability": found.probability,
        "answers": [
            {"answer": answer, "probability": share} for answer, share in found.alternatives
        ],
        "unknown_words": found.unknown,
    }
    if weights:
        told["attention"] = found.attention.astype(float).round(6).tolist()
    return json.dumps(finite(told), ensure_ascii=False) + "\n"


@dataclass(frozen=True, eq=False)
class Looked:
    """An answer as `vision.look` draws it: in the place of words there are looks."""

    text: str
    words: Sequence[tuple[int, int]]
    attention: np.ndarray
    word_probabilities: Sequence[float]  # that of the answer
    others: Sequence[Looked] = ()


def looked(found: Answer) -> Looked:
    """ "first look, second look: red", and what each saw."""
    text, places = "", []
    for number in range(len(found.attention)):
        name = f"{NAMED[number]} look" if number < len(NAMED) else f"look {number + 1}"
        text += ", " * bool(text)
        places.append((len(text), len(text) + len(name)))
        text += name
    shares = [found.probability] * len(places)
    return Looked(f"{text}: {found.answer}", places, found.attention, shares)


def _look(model: Answerer, found: Answer) -> Look:
    from vision.cells import region_of
    from vision.look import look_at

    rows, columns = found.attention.shape[1:]
    place = found.placement
    region = region_of(model.images.backbone, (rows, columns), place)
    seen = look_at(found.image, looked(found), region, place.region)
    return replace(seen, name=f"{seen.name}: {found.question}")


def _draw(path: Path, looks: Sequence[Look], model: str) -> None:
    if not looks:
        return
    if path.suffix.lower() in PNG:
        from vision.look import draw_looks

        for remark in draw_looks(path, looks):
            typer.echo(remark, err=True)
    else:
        from vision.look_page import write_page

        write_page(path, looks, title=f"Answers by {Path(model).name}")
