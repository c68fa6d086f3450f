"""Pairs of texts in files of every form, for tests of their readers."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from corpora.errors import UsageError
from corpora.pairs import PairCorpus, read_pairs

PAIRS = [
    ("Good morning, all!", "Guten Morgen!"),
    ('a "cat"', "eine »Katze« & mehr"),
    (" two  spaces\u2028", "schön\u0308"),
]
EN_DE = {"source_column": "en", "target_column": "de"}


def complaint(*sources, **options) -> str:
    with pytest.raises(UsageError) as caught:
        read_pairs(*sources, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def texts(corpus: PairCorpus) -> list[tuple[str, str]]:
    return [(source, target) for source, target, _ in corpus.pairs]


def as_tmx(rows: Sequence[tuple[str, str]], head: str = "") -> str:
    units = "\n".join(
        f'<tu tuid="{number}"><tuv xml:lang="en-US"><seg>{escape(source)}</seg></tuv>\n'
        f'<tuv xml:lang="de"><prop type="x">no text</prop><seg>{escape(target)}</seg></tuv></tu>'
        for number, (source, target) in enumerate(rows)
    )
    return (
        f'<?xml version="1.0"?>\n{head}<tmx version="1.4"><header srclang="en-US"/><body>\n'
        f"{units}\n</body></tmx>\n"
    )


def write(folder: Path, ending: str, rows: Sequence[tuple[str, str]]) -> Path:
    file = folder / f"pairs{ending}"
    objects = [{"id": n, "en": source, "de": target} for n, (source, target) in enumerate(rows)]
    nested = [{"id": row.pop("id"), "translation": dict(row)} for row in map(dict, objects)]
    if ending.endswith(".nested.jsonl"):
        file.write_text("\n".join(map(json.dumps, nested)), encoding="utf-8")
    elif ending == ".jsonl":
        file.write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    elif ending == ".jsonl.gz":
        file.write_bytes(gzip.compress("\n".join(map(json.dumps, objects)).encode()))
    elif ending == ".json":
        file.write_text(json.dumps(objects, indent=1), encoding="utf-8")
    elif ending == ".csv":
        with file.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.DictWriter(stream, ["id", "de", "en"])
            writer.writeheader()
            writer.writerows(objects)
    elif ending in (".tsv", ".txt"):
        lines = ["de\tid\ten", *(f"{target}\t0\t{source}" for source, target in rows)]
        file.write_text("\r\n".join(lines), encoding="utf-8", newline="")
    elif ending == ".tmx":
        file.write_text(as_tmx(rows), encoding="utf-8")
    else:
        import pyarrow
        import pyarrow.parquet

        held = nested if ending == ".nested.parquet" else objects
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(held), file)
    return file
