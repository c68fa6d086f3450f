"""`unrolled words map`: word vectors in the plane, as a page, a picture, or pairs with offsets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.inputs import AsJson
from cli.word_vectors import Limit, Vectors, load_vectors, print_facts
from corpora.errors import UsageError

WORDS, METHOD = 1000, "tsne"


def draw(
    vectors: Vectors,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help=".html: an interactive page with search; .png: a picture."
        ),
    ] = Path("map.html"),
    number: Annotated[
        int, typer.Option("--words", help="The most frequent words to draw.", metavar="N", min=1)
    ] = WORDS,
    method: Annotated[
        str, typer.Option(help="tsne or umap keep neighbours together, pca keeps directions.")
    ] = METHOD,
    seed: Annotated[int, typer.Option(help="Where tsne and umap begin.", min=0)] = 0,
    pairs: Annotated[
        str | None,
        typer.Option(
            help="Draw the offsets of word pairs instead, as .png: king:queen,man:woman.",
            metavar="A:B,C:D",
        ),
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Draw words in the plane: a page to search and zoom, a picture, or the offsets of pairs.

    \b
    Examples:
        unrolled words map vectors -o map.html --words 2000
        unrolled words map vectors -o map.png --method pca
        unrolled words map vectors -o p.png --pairs king:queen,man:woman
    """
    from nlp.core.words.word_map import draw_map, draw_pairs, project, require

    is_page = output.suffix.lower() in (".html", ".htm")
    if not is_page and output.suffix.lower() != ".png":
        raise UsageError(f"--output is {output}: expected a name that ends on .html or .png.")
    pairs_of_words = None if pairs is None else _pairs(pairs)
    if pairs_of_words is not None and is_page:
        raise UsageError(f"--pairs are drawn as a picture: name it .png instead of {output}.")
    if pairs_of_words is not None and (number, method, seed) != (WORDS, METHOD, 0):
        raise UsageError("--pairs are drawn by PCA: leave out --words, --method and --seed.")
    require("sklearn", "bokeh" if is_page else "matplotlib")  # before the vectors are read
    began = time.perf_counter()
    loaded = load_vectors(vectors, limit)
    facts: dict[str, Any] = {"map": str(output)}
    if pairs_of_words is not None:
        cosine = draw_pairs(output, loaded, pairs_of_words)
        facts |= {"pairs": len(pairs_of_words), "mean_cosine_of_offsets": round(cosine, 4)}
    else:
        shown = loaded.words[:number]
        points = project(loaded, shown, method, seed)  # type: ignore[arg-type]
        facts |= {"words": len(shown), "method": method, "seed": seed}
        title = f"{vectors.resolve().name}: {len(shown):,} words by {method}"
        if is_page:
            from nlp.core.words.word_page import write_page

            write_page(output, loaded, shown, points, title=title)
        else:
            facts["names_shown"] = draw_map(output, shown, points, title=title)
    print_facts({**facts, "seconds": round(time.perf_counter() - began, 2)}, as_json=as_json)


def _pairs(given: str) -> list[tuple[str, str]]:
    found = []
    for pair in given.split(","):
        first, colon, second = (part.strip() for part in pair.partition(":"))
        if not (first and colon and second):
            raise UsageError(
                f"--pairs holds {pair!r}: expected pairs such as king:queen,man:woman."
            )
        found.append((first, second))
    return found
