"""The captioner's part of `unrolled evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import typer

from cli.captioner import scores_record
from cli.format import finite, harmless, number, visible
from corpora.errors import UsageError

if TYPE_CHECKING:
    from vision.caption_scores import CaptionScores, Judged


def evaluate(
    model: str,
    data: list[str],
    reading: Mapping[str, Any],
    *,
    beam_size: int | None,
    length_penalty: float | None,
    bootstrap: int | None,
    errors: int,
    device: str,
    as_json: bool,
) -> None:
    """Tells how good a captioner is on captioned pictures.

    Args:
        data: the captions, and the folder of the pictures where it is not beside them.
    """
    if len(data) > 2:
        raise UsageError(f"{len(data)} sources: expected the captions, and a folder of pictures")
    from corpora.captions import read_captions
    from nlp.core.strategies import Beam
    from vision.caption_scores import EXTREMES, score_captions
    from vision.captioner import Captioner
    from vision.images import name_of

    strategy = Beam(beam_size or 3)
    if length_penalty is not None:
        strategy = replace(strategy, length_penalty=length_penalty)
    corpus = read_captions(data[0], images=data[1] if len(data) > 1 else None, **reading)
    for remark in corpus.remarks:
        typer.echo(remark, err=True)
    loaded = Captioner.from_pretrained(model, device)
    written = loaded.caption((item.image for item in corpus.items), strategy=strategy)
    found = score_captions(
        [one.text for one in written],
        [item.captions for item in corpus.items],
        bootstrap=bootstrap or 0,
        meteor=True,
    )
    shown = min(errors, EXTREMES)
    names = [
        name_of(item.image) if isinstance(item.image, str | PurePath) else item.id
        for item in corpus.items
    ]
    if as_json:
        told = {"kind": "captioner", **scores_record(found, shown)}
        for one in (*told.get("worst", ()), *told.get("best", ())):
            one["image"] = names[one["number"]]
        typer.echo(json.dumps(finite(told), ensure_ascii=False))
        return
    _tell(found)
    for title, captions in (("worst", found.worst[:shown]), ("best", found.best[:shown])):
        if captions:
            typer.echo(f"\nThe {title} by CIDEr: caption, picture, references")
            _tell_judged(captions, names)


def _tell(found: CaptionScores) -> None:
    from cli import display

    rows: dict[str, tuple[float | None, int]] = {
        **{f"BLEU-{order}": (score, 100) for order, score in enumerate(found.bleu, 1)},
        "METEOR": (found.meteor, 100),
        "ROUGE-L": (found.rouge_l, 100),
        "CIDEr": (found.cider, 10),
    }
    table: list[dict[str, object]] = []
    for name, (score, most) in rows.items():
        if score is None:
            continue
        decimals = 2 if most == 100 else 4
        row: dict[str, object] = {"score": name, "found": f"{score:.{decimals}f}", "of": most}
        if found.ranges:
            low, high = found.ranges[name]
            row["95 % of samples"] = f"{low:.{decimals}f} to {high:.{decimals}f}"
        table.append(row)
    display.records(table)
    typer.echo(f"\n{found.signature}")
    without = {"no METEOR": found.without_meteor} if found.meteor is None else {}
    typer.echo()
    display.facts(
        {
            **without,
            "captions": f"{found.captions:,}, {found.unique:.2%} different",
            "words": f"{found.vocabulary:,} different; {number(found.length)} a caption, "
            f"{number(found.length_ratio)} of the references'",
            "different words": f"{found.distinct_1:.2%} (pairs {found.distinct_2:.2%})",
            "empty": f"{found.empty:,}",
        }
    )


def _tell_judged(captions: Sequence[Judged], names: Sequence[str]) -> None:
    for one in captions:
        name = visible(names[one.number])
        typer.echo(f"{one.cider:7.4f}  {visible(one.written)}  ({name})")
        for reference in one.references:
            typer.echo(f"         {harmless(reference)}")
