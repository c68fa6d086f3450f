"""Faces of people never seen: who is who, from one picture each, beside eigenfaces and raw pixels.

    UNROLLED_DATA=data python -m bench.faces          # trains: some minutes on two cores

The ORL faces (AT&T Laboratories Cambridge): 40 people, ten pictures each. People 1 to 30 are
trained on, 31 to 40 never seen.

verification   all pairs of pictures of the unseen: ROC-AUC, equal error rate, TAR at FAR 1 %
recognition    one known picture of each, nine others asked: rank-1, the mean of five draws
strangers      a threshold for a false-accept rate is calibrated on pairs of five of the unseen;
               three others are known by one picture each, and the last two are strangers: how many
               of their pictures are taken for somebody known, and how many of the known ones'
               others are rejected or given another's name. The mean of many such draws.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.data import data_folder
from bench.harness import save, table, use_cores
from bench.tables import markdown

PACKAGES = ("torch", "numpy", "pillow")
TRAINED, PEOPLE = 30, 40
SETTINGS: dict[str, Any] = {
    **{"size": 64, "steps": 400, "validation": 0, "test": 0},
    # Chosen among people 1 to 30: 1 to 10, 11 to 20 and 21 to 30 were held out in turn.
    **{"backbone": "gradients", "cells": 8, "embedding_size": 600, "whitening": True},
    **{"dropout": 0.2, "crop": 0.8, "jitter": 0.2, "rotation": 10, "shift": 0.05},
}
EIGENFACES = 100  # components
PIXELS = 64  # side, as the encoder sees
RATES = (0.05, 0.01)
DRAWS = 300  # of calibration, known people and strangers


def pictures(folder: Path, numbers: Sequence[int]) -> list[tuple[Path, str]]:
    """The pictures of some people, and whose each is."""
    return [
        (path, f"s{number}")
        for number in numbers
        for path in sorted((folder / f"s{number}").glob("*.pgm"), key=lambda one: int(one.stem))
    ]


def trained(rows: Sequence[tuple[Path, str]], seed: int, threads: int) -> tuple[Any, float]:
    """An encoder of these people, and the seconds that its training took."""
    import torch

    from vision import faces

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "people.csv"
        listed.write_text("\n".join(["path,person", *(f"{path},{who}" for path, who in rows)]))
        start = time.perf_counter()
        found = faces.train(listed, output=Path(folder) / "faces", seed=seed, **SETTINGS)
        if found.outcome.ended == "interrupted":  # else the rest would be measured of half a model
            raise KeyboardInterrupt
        return found.model, time.perf_counter() - start


def strangers(vectors: Any, people: Sequence[str], rate: float) -> dict[str, float]:
    """Errors, in per cent, of recognition at a calibrated threshold, see above."""
    import numpy as np

    from vision.calibration import all_pairs, roc

    whose, chance = np.array(people), np.random.default_rng(0)
    names = np.unique(whose)
    counts = dict.fromkeys(("accepted", "strangers", "rejected", "misnamed", "asked"), 0)
    for _ in range(DRAWS):
        order = chance.permutation(names)
        calibrating = np.isin(whose, order[:5])
        pairs = all_pairs(vectors[calibrating], whose[calibrating].tolist())
        threshold = roc(pairs).at(rate).threshold
        known = [chance.choice(np.flatnonzero(whose == name)) for name in order[5:8]]
        others = np.isin(whose, order[5:])
        others[known] = False
        asked = np.flatnonzero(others)
        apart = np.linalg.norm(vectors[asked][:, None] - vectors[known][None], axis=2)
        near, named = apart.min(1) <= threshold, order[5:8][apart.argmin(1)]
        is_stranger = np.isin(whose[asked], order[8:])
        counts["accepted"] += int((near & is_stranger).sum())
        counts["strangers"] += int(is_stranger.sum())
        counts["asked"] += int((~is_stranger).sum())
        counts["rejected"] += int((~near & ~is_stranger).sum())
        counts["misnamed"] += int((near & ~is_stranger & (named != whose[asked])).sum())
    return {
        "strangers_accepted": round(100 * counts["accepted"] / counts["strangers"], 2),
        "known_rejected": round(100 * counts["rejected"] / counts["asked"], 2),
        "known_misnamed": round(100 * counts["misnamed"] / counts["asked"], 2),
    }


def measured(vectors: Any, people: Sequence[str]) -> dict[str, Any]:
    """All scores of one contender's vectors."""
    from vision.faces import score_vectors

    scores = asdict(score_vectors(vectors, people))
    names = ("auc", "eer", "tar", "rank1")
    return {
        **{name: round(scores[name], 4) for name in names},
        "rank1_draws": [round(one, 4) for one in scores["rank1_draws"]],
        "strangers": {str(rate): strangers(vectors, people, rate) for rate in RATES},
    }


def run(arguments: argparse.Namespace) -> None:
    import numpy as np

    from vision.faces.baselines import Eigenfaces, raw_pixels
    from vision.images import Preparation

    folder = data_folder() / "faces/orl/orl_faces"
    known = pictures(folder, range(1, TRAINED + 1))
    unseen = pictures(folder, range(TRAINED + 1, PEOPLE + 1))
    images, people = [path for path, _ in unseen], [who for _, who in unseen]
    square = Preparation(PIXELS, "stretch")
    pixels = raw_pixels(images, square)
    eigenfaces = Eigenfaces(raw_pixels([path for path, _ in known], square), EIGENFACES)
    contenders: dict[str, dict[str, Any]] = {}
    seconds, speeds = [], []
    for seed in range(arguments.seeds):
        model, took = trained(known, seed, arguments.cores)
        seconds.append(took)
        start = time.perf_counter()
        vectors = model.encode(images)
        speeds.append(len(images) / (time.perf_counter() - start))
        contenders[f"Unrolled, seed {seed}"] = measured(vectors, people)
        show(contenders)
    contenders["eigenfaces"] = measured(eigenfaces.encode(pixels), people)
    contenders["raw pixels"] = measured(pixels, people)
    show(contenders)
    save(
        "faces",
        {
            "settings": SETTINGS,
            "contenders": contenders,
            "training_seconds": [round(one) for one in seconds],
            "pictures_per_second": round(float(np.median(speeds))),
        },
        packages=PACKAGES,
    )


def tables(results: Mapping[str, Any]) -> list[str]:
    """The results for docs/vision.md."""
    rate = str(RATES[-1])
    headings = ["ten people never seen", "ROC-AUC", "EER", "TAR at FAR 1%", "rank-1, one picture"]
    headings += ["strangers taken for somebody", "known rejected", "misnamed"]
    rows = [
        [
            name,
            f"**{row['auc']:.4f}**",
            *(f"{100 * row[key]:.1f}%" for key in ("eer", "tar")),
            f"**{100 * row['rank1']:.1f}%**",
            *(f"{value}%" for value in row["strangers"][rate].values()),
        ]
        for name, row in results["contenders"].items()
    ]
    seconds = sorted(results["training_seconds"])
    return [
        *markdown(f"ORL faces, thresholds for a false-accept rate of {rate}", headings, rows),
        f"{len(seconds)} trainings took {seconds[0]:.0f} to {seconds[-1]:.0f} seconds each; "
        f"{results['pictures_per_second']} faces are encoded a second.",
        "",
    ]


def show(contenders: Mapping[str, Mapping[str, Any]]) -> None:
    rate = str(RATES[-1])
    headings = ["", "ROC-AUC", "EER", "TAR at FAR 1%", "rank-1"]
    headings += [f"strangers taken, FAR {rate}", "known rejected", "misnamed"]
    rows = [
        [name, *(f"{100 * row[key]:.1f}%" for key in ("auc", "eer", "tar", "rank1"))]
        + [f"{value}%" for value in row["strangers"][rate].values()]
        for name, row in contenders.items()
    ]
    print(table(headings, rows), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="trainings, each from another start")
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    run(arguments)


if __name__ == "__main__":
    main()
