"""The measured part of docs/translation.md: its tables, and the picture of BLEU by length."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from bench.tables import markdown, measured_on, read, renew
from bench.translation import PAIRS

PAGE = Path(__file__).parent.parent / "docs/translation.md"
PICTURE = PAGE.parent / "translation-length.svg"
FEW = 20  # with fewer sentences BLEU says little: in the table, but not in the picture
COLOURS = {"attention": "#0072b2", "no attention": "#d55e00"}

Rows = Mapping[str, Mapping[str, Any]]  # setting, then seed


def page(kept: Mapping[str, Any]) -> None:
    """Renews the page from all that was measured so far."""
    if read("translation") is None:
        raise SystemExit("nothing is measured yet: run python -m bench.translation quality")
    parts: list[str] = []
    for pair, title in PAIRS.items():
        if rows := kept["quality"].get(pair):
            parts += markdown(f"{title}, test_2016_flickr", HEADINGS, quality_cells(rows))
    for pair, title in PAIRS.items():
        if rows := kept["quality"].get(pair):
            parts += markdown(f"{title}, BLEU by words of the source", *length_cells(rows))
    if draw(kept["quality"]):
        print(PICTURE)
    if PICTURE.exists():
        parts += [f"![BLEU by words of the source]({PICTURE.name})", ""]
    if any(kept["quality"].values()):
        parts += [*notes(kept["quality"]), ""]
    parts += speed_parts(kept["speed"])
    renew(PAGE, parts)
    print(PAGE)


HEADINGS = ["", "BLEU", "of each seed", "chrF", "TER", "minutes", "parameters", "MB"]


def quality_cells(rows: Rows) -> list[list[object]]:
    """A row for each setting: the means of its seeds."""
    cells: list[list[object]] = []
    for setting, seeds in rows.items():
        values = list(seeds.values())

        def of(key: str, values: list[Any] = values) -> float:
            return mean(row[key] for row in values)

        each = ", ".join(f"{row['bleu']:.1f}" for row in values)
        cells.append([setting, f"**{of('bleu'):.1f}**", each, f"{of('chrf'):.1f}"])
        cells[-1] += [f"{of('ter'):.1f}", f"{of('training_seconds') / 60:.0f}"]
        cells[-1] += [f"{of('parameters'):,.0f}", f"{of('megabytes'):.1f}"]
    return cells


Range = tuple[int, int | None]


def by_length(seeds: Mapping[str, Any]) -> dict[Range, tuple[float, int]]:
    """Of each range of lengths the mean BLEU of the seeds, and its sentences."""
    parts: dict[Range, list[Any]] = {}
    for row in seeds.values():
        for part in row["by_length"]:
            parts.setdefault((part["least"], part["most"]), []).append(part)
    return {
        length: (mean(part["bleu"] for part in own), own[0]["sentences"])
        for length, own in parts.items()
    }


def named(length: Range) -> str:
    least, most = length
    return f"{least} or more" if most is None else f"{least}-{most}" if least else f"up to {most}"


def length_cells(rows: Rows) -> tuple[list[str], list[list[object]]]:
    """Headings and rows; the last row counts the sentences."""
    found = {setting: by_length(seeds) for setting, seeds in rows.items()}
    lengths = next(iter(found.values()))
    cells: list[list[object]] = [
        [setting, *(f"{own[length][0]:.1f}" for length in lengths)]
        for setting, own in found.items()
    ]
    cells.append(["sentences", *(count for _, count in lengths.values())])
    return ["", *map(named, lengths)], cells


def notes(quality: Mapping[str, Rows]) -> list[str]:
    """What the scores are, and where and with what they were trained."""
    rows = [row for pair in quality.values() for own in pair.values() for row in own.values()]
    signatures = {name: own for row in rows for name, own in row["signatures"].items()}
    lines = [
        "Signatures: " + ", ".join(f"{name} `{own}`" for name, own in signatures.items()) + "."
    ]
    devices = sorted({row["device"] for row in rows})
    lines.append(f"The minutes are those of a whole training, on: {'; '.join(devices)}.")
    options: dict[str, list[str]] = {}
    for pair, settings in quality.items():
        for setting, seeds in settings.items():
            for row in seeds.values():  # where seeds were trained otherwise, it is seen
                own = [
                    f"{key}={value!r}" for key, value in row["settings"].items() if key != "seed"
                ]
                whose = options.setdefault(", ".join(own) or "the defaults", [])
                if f"{pair}, {setting}" not in whose:
                    whose.append(f"{pair}, {setting}")
    beam = ", ".join(f"{key}={value}" for key, value in rows[0]["beam"].items())
    lines.append(f"Decoded with `Beam({beam})`. What `train` was given:")
    return [*lines, "", *(f"- {'; '.join(whose)}: `{told}`" for told, whose in options.items())]


def speed_parts(speed: Mapping[str, Any]) -> list[str]:
    parts: list[str] = []
    if training := speed.get("training"):
        cells = [
            [
                name,
                f"{row['tokens_per_second']:,}",
                f"{row['parameters']:,}",
                f"{row['times_as_fast_as_tutorial']:.2f}x" if name != "tutorial" else "",
            ]
            for name, row in training["contenders"].items()
        ]
        title = f"Training, batches of {training['batch_size']} pairs"
        headings = ["", "target tokens/s", "parameters", "times as fast as the tutorial"]
        parts += markdown(title, headings, cells)
    if translation := speed.get("translation"):
        cells = [
            [
                name,
                f"{row['sentences_per_second']:,.1f}",
                f"{row['bleu']:.1f}",
                f"{row['ours_times_as_fast']:.2f}x" if name != "ours" else "",
            ]
            for name, row in translation["contenders"].items()
        ]
        title = f"Translating {translation['sentences']:,} sentences, beam of 5"
        parts += markdown(title, ["", "sentences/s", "BLEU", "ours, times as fast"], cells)
        equal = f"{100 * translation['equal_share']:.1f} %"
        parts += [f"{equal} of our translations are those that its beam for each finds.", ""]
    # Both are measured on the same machine as a rule; quality may come from another.
    for machine in {measured_on(part["machine"]): None for part in speed.values()}:
        parts += [machine, ""]
    return parts


def draw(quality: Mapping[str, Rows]) -> bool:
    """BLEU by length of the source as a picture; whether there was anything to draw it with."""
    if importlib.util.find_spec("matplotlib") is None:
        print(f"left out: {PICTURE.name}, for matplotlib is not installed")
        return False
    pairs = [pair for pair in PAIRS if quality.get(pair)]
    if not pairs:
        return False
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(pairs), 3.2), layout="constrained")
    for number, pair in enumerate(pairs, 1):
        axes = figure.add_subplot(1, len(pairs), number, xlabel="words of the source")
        axes.set(title=PAIRS[pair], ylabel="BLEU" if number == 1 else "")
        for setting, seeds in quality[pair].items():
            found = by_length(seeds).items()
            points = [(named(length), bleu) for length, (bleu, count) in found if count >= FEW]
            if points:
                colour = COLOURS.get(setting)
                axes.plot(*zip(*points, strict=True), "o-", label=setting, color=colour)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    # The same numbers give the same file.
    with rc_context({"svg.hashsalt": "unrolled"}):
        figure.savefig(PICTURE, format="svg", metadata={"Date": None})
    return True
