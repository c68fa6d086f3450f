"""Detection from scratch: blood cells, the simple forms beside the detector, pictures a second.

    UNROLLED_DATA=data python -m bench.detection bccd     # trains: under an hour on two cores
    python -m bench.detection forms                       # trains three for some minutes each
    UNROLLED_DATA=data python -m bench.detection speed --models kept
    python -m bench.detection page                        # renews the tables of docs/vision.md

bccd    364 microscope pictures, 205/87/72 to train, choose by and test, three classes. Training
        begins from random weights. The test part is looked at once, at the end.
forms   the textbook's first forms and the detector on the same generated scenes, for the same
        minutes: one object a picture, a sliding window, one stage with anchors.
speed   from the file to the boxes, decoding included, at 320 and 640 pixels.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.data import data_folder
from bench.harness import alternate, save, table, use_cores
from bench.tables import markdown, measured_on, read, renew

PAGE = Path(__file__).parent.parent / "docs/vision.md"
PACKAGES = ("torch", "numpy", "pillow")
BCCD: dict[str, Any] = {
    **{"size": 416, "turn": True, "mosaic": 0.5, "minutes": 45, "batch_size": 8, "average": 3}
}
SCENES = "generated-scenes:3000"
SIZES = (320, 640)


def bccd(arguments: argparse.Namespace) -> dict[str, Any]:
    """A detector of blood cells, from scratch, on the part that nothing was chosen by."""
    from corpora.detections import read_detections
    from vision import detector
    from vision.detector.evaluation import score_items

    source, folder = data_folder() / "detection/bccd/BCCD", arguments.models / "bccd"
    settings = {**BCCD, **({} if arguments.minutes is None else {"minutes": arguments.minutes})}
    start = time.perf_counter()
    detector.train(
        source,
        output=folder,
        test=0,
        seed=arguments.seed,
        overwrite=True,
        device=arguments.device,
        report=_tell,
        **settings,
    )
    minutes = (time.perf_counter() - start) / 60
    model = detector.Detector.from_pretrained(folder, arguments.device)
    found: dict[str, Any] = {"settings": settings, "training_minutes": round(minutes, 1)}
    for part in ("validation", "test"):
        items = read_detections(source, split=part).items
        scores = score_items(model, items)
        found[part] = {
            "pictures": len(items),
            **{name: round(value, 4) for name, value in _scores(scores).items()},
            "classes": {label: round(one.ap50, 4) for label, one in scores.per_class.items()},
        }
    return found


def forms(arguments: argparse.Namespace) -> dict[str, Any]:
    """Three forms on the same scenes: how well they find things, how fast they look."""
    from corpora.detections import read_detections
    from vision import detector, localizer
    from vision.detector.evaluation import score_items
    from vision.localizer.evaluation import score_items as score_simple

    minutes = 4.0 if arguments.minutes is None else arguments.minutes
    common: dict[str, Any] = {
        **{"test": 0, "seed": arguments.seed, "overwrite": True, "minutes": minutes},
        **{"device": arguments.device, "report": _tell, "size": 96},
    }
    items = read_detections(SCENES, split="test").items
    alone = [item for item in items if len(item.boxes) == 1]
    models: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for form in ("one-object", "sliding-window", "detector"):
        folder = arguments.models / form
        if form == "detector":
            made: Any = detector.train(SCENES, output=folder, **common).model
            score: Callable[..., Any] = score_items
        else:
            made = localizer.train(SCENES, output=folder, form=form, **common).model
            score = score_simple
        models[form] = made.eval()
        found[form] = {
            "training_minutes": minutes,
            "parameters": sum(part.numel() for part in made.parameters()),
            "all": {"pictures": len(items), **_scores(score(made, items))},
            "one_thing": {"pictures": len(alone), **_scores(score(made, alone))},
        }
    images = [item.image for item in items[:200]]

    def look(model: Any) -> Callable[[], int]:
        return lambda: sum(len(one.boxes) for one in model.detect(images))

    timed = alternate({name: look(model) for name, model in models.items()}, repeats=3, warm_up=1)
    for name, timing in timed.items():
        found[name]["pictures_per_second"] = round(len(images) / timing.median, 1)
    return found


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Pictures a second from the file to the boxes; sizes and precisions in turn."""
    import torch

    from vision import detector
    from vision.images import Preparation

    files = sorted((data_folder() / "detection/bccd/BCCD/JPEGImages").glob("*.jpg"))[:64]
    folder = arguments.models / "bccd"
    trained = detector.Detector.from_pretrained(folder, arguments.device)
    looks: dict[str, Callable[[], int]] = {}
    for backbone in ("small", "base"):
        for size in SIZES:
            config = detector.Config(
                trained.config.labels,
                trained.config.anchors,
                Preparation(size, "pad"),
                backbone=backbone,  # type: ignore[arg-type]
            )
            torch.manual_seed(0)
            model = detector.Detector(config).eval()
            if backbone == trained.config.backbone:
                model.load_state_dict(trained.state_dict())
            for precision in ("float32", "bfloat16"):
                looks[f"{backbone}, {size} px, {precision}"] = _looking(model, files, precision)
    timed = alternate(looks, repeats=arguments.repeats, warm_up=1)
    return {
        name: {
            "pictures_per_second": round(len(files) / timing.median, 1),
            "boxes": timing.result,
        }
        for name, timing in timed.items()
    }


def _looking(model: Any, files: list[Path], precision: str) -> Callable[[], int]:
    return lambda: sum(len(one.boxes) for one in model.detect(files, precision=precision))


def _scores(scores: Any) -> dict[str, float]:
    return {"mAP@0.5": scores.ap50, "mAP@0.75": scores.ap75, "mAP@0.5:0.95": scores.ap}


def page(results: Mapping[str, Any]) -> None:
    """Renews docs/vision.md from what this, bench.faces, gallery and boxes have measured."""
    parts: list[str] = []
    if found := results.get("bccd"):
        rows = []
        for part in ("validation", "test"):
            one = found[part]
            rows.append(
                [
                    f"{part}, {one['pictures']} pictures",
                    f"**{one['mAP@0.5']:.3f}**",
                    f"{one['mAP@0.5:0.95']:.3f}",
                    *(f"{value:.3f}" for value in one["classes"].values()),
                ]
            )
        headings = ["BCCD", "mAP@0.5", "mAP@0.5:0.95", *found["test"]["classes"]]
        title = f"Blood cells, from scratch, {found['training_minutes']:.0f} minutes of training"
        parts += markdown(title, headings, rows)
    if found := results.get("forms"):
        rows = [
            [
                form,
                f"{one['parameters']:,}",
                *(f"{one[part]['mAP@0.5']:.3f}" for part in ("one_thing", "all")),
                f"{one['all']['mAP@0.5:0.95']:.3f}",
                f"{one['pictures_per_second']:.0f}",
            ]
            for form, one in found.items()
        ]
        headings = [
            *("", "parameters", "mAP@0.5, one thing", "mAP@0.5, all scenes", "mAP@0.5:0.95"),
            "pictures/s",
        ]
        minutes = next(iter(found.values()))["training_minutes"]
        parts += markdown(
            f"Three forms, {minutes:g} minutes each on the same generated scenes", headings, rows
        )
    if found := results.get("speed"):
        rows = [[name, f"{one['pictures_per_second']:.1f}"] for name, one in found.items()]
        parts += markdown("From the file to the boxes", ["detector", "pictures/s"], rows)
    if parts:
        parts += [measured_on(results["machine"]), ""]
    from bench import boxes, faces, gallery

    for name, module in (("faces", faces), ("gallery", gallery), ("boxes", boxes)):
        if measured := read(name):
            parts += [*module.tables(measured), measured_on(measured["machine"]), ""]
    renew(PAGE, parts)
    print(PAGE)


def _tell(event: Any) -> None:
    text, metrics = getattr(event, "text", None), getattr(event, "metrics", None)
    if text or (metrics and hasattr(event, "best")):
        print(text or (event.step, metrics), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("bccd", "forms", "speed", "page"))
    parser.add_argument("--models", type=Path, help="folder to keep the trained models in")
    parser.add_argument("--minutes", type=float, help="of training, instead of the usual")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of the speed")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    kept = dict(read("detection") or {})
    if arguments.what != "page":
        cores = use_cores(arguments.cores)
        import torch

        torch.set_num_threads(cores)
        measure = {"bccd": bccd, "forms": forms, "speed": speed}[arguments.what]
        with tempfile.TemporaryDirectory() as place:
            arguments.models = arguments.models or Path(place)
            found = measure(arguments)
        print(table(["", "found"], [[name, value] for name, value in found.items()]))
        for name in ("benchmark", "machine"):
            kept.pop(name, None)
        print(save("detection", {**kept, arguments.what: found}, packages=PACKAGES))
    page(read("detection") or {})


if __name__ == "__main__":
    main()
