"""Captioning of generated scenes: how much of what is written is true, where it looks, how fast.

    python -m bench.captioning quality --models kept      # trains: under 20 minutes on two cores
    python -m bench.captioning speed
    UNROLLED_DATA=data python -m bench.captioning photographs
    python -m bench.captioning page                       # renews the tables of docs/captioning.md

Quality: 10,000 scenes of 96 pixels to train, 1,000 to test, 1,000 with pairs of colour and shape
that training never shows. A caption is right where every claim in it is true: each count, shape,
colour, size, texture and relation. Attention is judged by its mass on the boxes of the things that
a mention names. Speed: a training step and beam-5 captions beside the usual tutorial's ways
(bench/captioning_peers.py), in turn. Photographs: 200 of COCO to train on, 39 to look at.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.data import data_folder
from bench.harness import alternate, save, use_cores
from bench.tables import markdown, measured_on, read, renew

PAGE = Path(__file__).parent.parent / "docs/captioning.md"
PACKAGES = ("torch", "pillow")
# Cells of 16 pixels, as large as the smallest things; pictures are the rare good, captions are not.
SCENES = {
    **{"backbone": "coarse", "captions_per_image": 3, "batch_size": 48, "minutes": 16},
    **{"learning_rate": 2.5e-3, "shift": 0.04, "jitter": 0.1},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "attention": SCENES,
    # Right a little more often, with attention that tells little: an upper layer remembers.
    "layered": {**SCENES, "decoder_layers": 2, "doubly_stochastic": 1.0, "minutes": 19},
    "injected": {**SCENES, "attention": "none"},
}
PARTS = {"test": "seen pairs", "held_out": "held-out pairs"}


# Quality


def train(setting: str, arguments: argparse.Namespace) -> tuple[Path, float]:
    """A captioner of scenes and the seconds that its training took."""
    from vision import captioner

    folder = arguments.models / f"captioner-{setting}-{arguments.seed}"
    start = time.perf_counter()
    captioner.train(
        arguments.scenes,
        output=folder,
        overwrite=True,
        test=0,
        seed=arguments.seed,
        device=arguments.device,
        report=_tell,
        **SETTINGS[setting] | ({} if arguments.minutes is None else {"minutes": arguments.minutes}),
    )
    return folder, time.perf_counter() - start


def judged(folder: Path, part: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the captions of a part's scenes claim, and how much of it is true."""
    from corpora.captions import read_captions
    from corpora.scenes import mentioned, read_caption
    from nlp.core.strategies import Beam
    from vision.caption_scores import score_captions
    from vision.captioner import Captioner
    from vision.cells import region_of

    model = Captioner.from_pretrained(folder, arguments.device)
    items = read_captions(arguments.scenes, split=part).items
    written = list(model.caption([item.image for item in items], strategy=Beam(5)))
    stated, correct = Counter[str](), Counter[str]()
    right = complete = 0
    masses: list[float] = []
    shares: list[float] = []
    for item, one in zip(items, written, strict=True):
        claims, scene = read_caption(one.text), item.image
        verdict = None if claims is None else claims.hold(scene)
        if verdict is not None:
            stated += verdict.stated
            correct += verdict.correct
            right += verdict.right
            complete += verdict.right and verdict.named == len(scene.things)
        if one.attention is None:
            continue
        region = region_of(model.encoder.backbone, model.grid, one.placement)
        for words, things in mentioned(one.text, scene):
            mass, share = mass_on(one, words, things, scene.width, region)
            masses += mass
            shares += share
    scores = score_captions([one.text for one in written], [item.captions for item in items])
    count = len(items)
    return {
        "scenes": count,
        "right": round(100 * right / count, 2),
        "right_and_complete": round(100 * complete / count, 2),
        "claims": {kind: round(100 * correct[kind] / stated[kind], 2) for kind in stated},
        "cider": round(scores.cider, 3),
        "bleu4": round(scores.bleu[3], 2),
        "attention_mass": round(sum(masses) / len(masses), 3) if masses else None,
        "box_share": round(sum(shares) / len(shares), 3) if shares else None,
        "examples": [
            {"caption": one.text, "reference": item.captions[0]}
            for item, one in list(zip(items, written, strict=True))[:5]
        ],
    }


def mass_on(
    one: Any, words: range, things: Sequence[Any], side: int, region: Sequence[float]
) -> tuple[list[float], list[float]]:
    """The attention of a mention's noun, its last word, on the boxes of what it names, and the
    boxes' share of the picture: what attention spread evenly would have. `region` is where the
    cells lie in the picture, whose sides are 1."""
    import numpy as np

    attention = one.attention
    # Words of the text between spaces, as places of the caption's own words.
    spaces = [0, *(place + 1 for place, sign in enumerate(one.text) if sign == " ")]
    begin = spaces[words[-1]]
    rows = [row for row, (start, end) in enumerate(one.words) if start <= begin < end]
    down, across = (
        np.linspace(region[axis], region[axis + 2], attention.shape[axis_of] + 1)
        for axis, axis_of in ((1, 1), (0, 2))
    )
    touched = np.zeros(attention.shape[1:], dtype=bool)
    for thing in things:
        left, top, right, bottom = (edge / side for edge in thing.box)
        # A cell that a box touches is the thing's: cells are what the model can tell apart.
        inside = (down[1:] > top) & (down[:-1] < bottom)
        touched |= inside[:, None] & ((across[1:] > left) & (across[:-1] < right))
    return [float(attention[row][touched].sum()) for row in rows], [
        float(touched.mean()) for _ in rows
    ]


def quality(arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in arguments.settings:
        folder, seconds = train(setting, arguments)
        found[setting] = {"training_minutes": round(seconds / 60, 1)}
        for part in PARTS:
            found[setting][part] = judged(folder, part, arguments)
        print(found[setting], flush=True)
    return found


# Photographs


def photographs(arguments: argparse.Namespace) -> dict[str, Any]:
    """Training on 200 photographs; captions of those, and of the others."""
    from corpora.captions import read_captions
    from nlp.core.strategies import Beam
    from vision import captioner
    from vision.caption_scores import score_captions

    data = data_folder() / "captions"
    rows = [json.loads(line) for line in (data / "captions.jsonl").read_text("utf-8").splitlines()]
    # Their own parts are others than these: 200 to train on and 39 to look at.
    lines = [json.dumps({"path": row["path"], "captions": row["captions"]}) for row in rows]
    with tempfile.TemporaryDirectory() as place:
        files = {name: Path(place) / f"{name}.jsonl" for name in ("seen", "new")}
        files["seen"].write_text("\n".join(lines[:200]) + "\n", encoding="utf-8")
        files["new"].write_text("\n".join(lines[200:]) + "\n", encoding="utf-8")
        folder = arguments.models / "captioner-photographs"
        start = time.perf_counter()
        captioner.train(
            files["seen"],
            data,
            output=folder,
            validation=[files["seen"]],
            test=0,
            size=128,
            backbone="coarse",
            batch_size=40,
            minutes=arguments.minutes or 8,
            captions_per_image=5,
            overwrite=True,
            device=arguments.device,
            report=_tell,
        )
        seconds = time.perf_counter() - start
        model = captioner.Captioner.from_pretrained(folder, arguments.device)
        found: dict[str, Any] = {"training_minutes": round(seconds / 60, 1)}
        for name, file in files.items():
            items = read_captions(file, images=data).items
            written = [
                one.text for one in model.caption([i.image for i in items], strategy=Beam(5))
            ]
            scores = score_captions(written, [item.captions for item in items])
            found[name] = {
                "pictures": len(items),
                "bleu": [round(value, 2) for value in scores.bleu],
                "rouge_l": round(scores.rouge_l, 3),
                "cider": round(scores.cider, 3),
                "reproduced": sum(
                    text in item.captions for text, item in zip(written, items, strict=True)
                ),
            }
    return found


# Speed


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    from bench.captioning_peers import Tutorial, captions_of, sizes
    from corpora.captions import read_captions
    from nlp.core.strategies import Beam
    from nlp.core.tokenizer import Tokenizer
    from nlp.core.translation.texts import Texts
    from vision.captioner import Captioner, Config
    from vision.images import load_many

    torch.manual_seed(0)
    items = read_captions("generated-scenes:640", split="train").items
    texts = [f" {text}\n" for item in items for text in item.captions]
    tokenizer = Tokenizer.train(texts, vocabulary_size=360)
    spelled = Texts(tokenizer, tokenizer)
    model = Captioner(Config(tokenizer.vocabulary_size), spelled)  # as the tutorial: no context
    peer = Tutorial(model.config)
    pixels = [one.pixels for one in load_many((i.image for i in items), model.preparation)]
    batches = []
    for begin in range(0, 64 * 4, 64):
        rows = spelled.encode([i.captions[0] for i in items[begin : begin + 64]], target=True)
        batches.append(model.batch(torch.stack(pixels[begin : begin + 64]), rows))

    def training(part: Any, loss: Callable[[Any], Any]) -> Callable[[], None]:
        optimizer = torch.optim.AdamW(part.parameters(), lr=1e-4)

        def run() -> None:
            part.train()
            for batch in batches:
                optimizer.zero_grad()
                loss(batch).backward()
                optimizer.step()

        return run

    def in_bfloat16(run: Callable[[], None]) -> Callable[[], None]:
        def inside() -> None:
            with torch.autocast("cpu", torch.bfloat16):
                run()

        return inside

    steps: dict[str, Callable[[], Any]] = {
        "ours": training(model, lambda batch: model.loss(batch).mean),
        "tutorial": training(peer, peer.loss),
    }
    steps["ours, bfloat16"] = in_bfloat16(steps["ours"])
    trained = alternate(steps, repeats=arguments.repeats, warm_up=1)

    some, symbol = pixels[:200], model.start_id
    images = [item.image for item in items[:200]]

    def write() -> list[str]:
        return [one.text for one in model.caption(images, strategy=Beam(5), max_length=20)]

    # Beginnings of training, so that captions of both end about when real ones do.
    for part, loss in ((model, lambda batch: model.loss(batch).mean), (peer, peer.loss)):
        optimizer = torch.optim.AdamW(part.parameters(), lr=2e-3)
        part.train()
        for _ in range(15):
            for batch in batches:
                optimizer.zero_grad()
                loss(batch).backward()
                optimizer.step()
    from corpora.scenes import draw

    def write_one_by_one() -> list[list[int]]:
        ready = [torch.from_numpy(draw(image)) for image in images]  # drawn by both
        assert len(ready) == len(some)
        return captions_of(peer, some, symbol)

    model.eval()
    written = alternate(
        {"ours": write, "tutorial": write_one_by_one}, repeats=arguments.repeats, warm_up=1
    )
    pictures = 64 * len(batches)
    return {
        "parameters": {"ours": sizes(model), "tutorial": sizes(peer)},
        "training_pictures_per_second": {
            name: round(pictures / timing.median, 1) for name, timing in trained.items()
        },
        "training_times_as_fast": {
            name: round(trained[name].times_as_fast_as(trained["tutorial"]), 2)
            for name in trained
            if name != "tutorial"
        },
        "captions_per_second": {
            name: round(len(images) / timing.median, 1) for name, timing in written.items()
        },
        "captions_times_as_fast": round(written["ours"].times_as_fast_as(written["tutorial"]), 2),
        "pieces_per_caption": {
            "ours": round(
                sum(map(len, spelled.encode(written["ours"].result, target=True))) / len(images), 1
            ),
            "tutorial": round(sum(map(len, written["tutorial"].result)) / len(images), 1),
        },
    }


# The page


def page(results: Mapping[str, Any]) -> None:
    """Renews docs/captioning.md from all that was measured so far."""
    parts: list[str] = []
    kinds = ("count", "shape", "colour", "size", "texture", "relation")
    if found := results.get("quality"):
        headings = ["", "all claims true", "and all named", *kinds, "attention on the box", "CIDEr"]
        rows = []
        for setting, row in found.items():
            for part, name in PARTS.items():
                one = row[part]
                mass = one["attention_mass"]
                rows.append(
                    [
                        f"{setting}, {name}",
                        f"**{one['right']:.1f}%**",
                        f"{one['right_and_complete']:.1f}%",
                        *(f"{one['claims'].get(kind, float('nan')):.1f}%" for kind in kinds),
                        ""
                        if mass is None
                        else f"{mass:.2f} (spread evenly {one['box_share']:.2f})",
                        f"{one['cider']:.2f}",
                    ]
                )
        minutes = ", ".join(f"{name} {row['training_minutes']:g}" for name, row in found.items())
        count = next(iter(found.values()))["test"]["scenes"]
        parts += markdown(f"{count:,} generated scenes of each kind, beam 5", headings, rows)
        parts += [f"Minutes of training: {minutes}.", ""]
    if found := results.get("speed"):
        rate, times = found["training_pictures_per_second"], found["training_times_as_fast"]
        rows = [
            ["training, float32", rate["ours"], rate["tutorial"], f"**{times['ours']:.1f}x**"],
            [
                "training, bfloat16 (the default where the CPU has it)",
                rate["ours, bfloat16"],
                rate["tutorial"],
                f"**{times['ours, bfloat16']:.1f}x**",
            ],
            [
                "captions, beam 5, float32",
                found["captions_per_second"]["ours"],
                found["captions_per_second"]["tutorial"],
                f"**{found['captions_times_as_fast']:.1f}x**",
            ],
        ]
        headings = ["pictures a second", "Unrolled", "the tutorial's way", ""]
        parts += markdown("Beside the tutorial, same sizes", headings, rows)
    if found := results.get("photographs"):
        rows = [
            [
                {"seen": "200 trained on", "new": "39 others"}[name],
                " / ".join(f"{value:.1f}" for value in found[name]["bleu"]),
                f"{found[name]['rouge_l']:.3f}",
                f"{found[name]['cider']:.3f}",
                f"{found[name]['reproduced']} of {found[name]['pictures']}",
            ]
            for name in ("seen", "new")
        ]
        headings = [
            "COCO photographs",
            "BLEU-1 to 4",
            "ROUGE-L",
            "CIDEr",
            "a true caption, to the word",
        ]
        parts += markdown("A set far too small, from scratch", headings, rows)
    parts += [measured_on(results["machine"]), ""]
    renew(PAGE, parts)
    print(PAGE)


def _tell(event: Any) -> None:
    text = getattr(event, "text", None)
    metrics = getattr(event, "metrics", None)
    if text or metrics:
        print(text or metrics, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("quality", "speed", "photographs", "page"))
    parser.add_argument("--models", type=Path, help="folder to keep the trained models in")
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--scenes", default="generated-scenes", help="another number of them")
    parser.add_argument("--minutes", type=float, help="of training, instead of the usual")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="rounds of the speed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    kept = dict(read("captioning") or {})
    if arguments.what != "page":
        cores = use_cores(arguments.cores)
        import torch

        torch.set_num_threads(cores)
        measure = {"quality": quality, "speed": speed, "photographs": photographs}[arguments.what]
        with tempfile.TemporaryDirectory() as place:
            arguments.models = arguments.models or Path(place)
            found = measure(arguments)
        if arguments.what == "quality":
            found = {**kept.get("quality", {}), **found}
        for name in ("benchmark", "machine"):
            kept.pop(name, None)
        print(save("captioning", {**kept, arguments.what: found}, packages=PACKAGES))
    if results := read("captioning"):
        page(results)


if __name__ == "__main__":
    main()
