"""`unrolled download`: a model of the Hugging Face Hub, compared with the hub's hashes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def download(
    model: Annotated[
        str,
        typer.Argument(
            help="OWNER/NAME of huggingface.co, gpt2, gpt2-medium, gpt2-large or gpt2-xl; "
            "OWNER/NAME/FILE.gguf for that file."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the files, from then on the model's name.",
            show_default="the hub's cache",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch a model from the Hugging Face Hub, or what is missing of it.

    What was interrupted goes on where it stopped. Every file, also one that was there, is compared
    with the hash that the hub has of it.

    \b
    Examples:
        unrolled download gpt2
        unrolled download gpt2-medium --to models/gpt2-medium
        unrolled download OWNER/NAME/model-q8_0.gguf --to models
    """
    from nlp.core import checkpoint, hub

    name, file = hub.split_gguf(model)
    left = hub.download(
        name,
        checkpoint.HUB_FILES if file is None else [file],
        to=to,
        progress=not as_json and sys.stderr.isatty(),
        report=lambda line: typer.echo(line, err=True) if not as_json else None,
    )
    place = left.folder if file is None else left.folder / file
    files = [
        {
            "file": one.name,
            "bytes": one.size,
            "hash": one.digest,
            "fetched": one.name in left.fetched,
        }
        for one in left.files
    ]
    if as_json:
        told = {"model": left.model, "place": str(place), "files": files, "remarks": left.remarks}
        typer.echo(json.dumps(told, indent=2))
        return
    size = sum(one.size for one in left.files)
    typer.echo(f"{left.model}: {len(files)} files, {size:,} bytes, each as the hub has it")
    typer.echo(str(place))
