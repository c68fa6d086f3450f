"""Translation of Multi30k: quality with and without attention, and speed beside the peers.

    UNROLLED_DATA=data python -m bench.translation quality --models kept       # both pairs, 2 seeds
    UNROLLED_DATA=data python -m bench.translation quality --models kept --pairs de --seeds 0
    UNROLLED_DATA=data python -m bench.translation speed --models kept
    python -m bench.translation page             # renews the tables of docs/translation.md

Quality: English to German and to French, 29,000 training pairs of raw text, BLEU, chrF and TER of
sacreBLEU (13a, cased) on test_2016_flickr, beam of 5; the validation part alone chooses the step.
Speed, on two cores, contenders in turn: training, against the encoder-decoder of the usual PyTorch
tutorial; and translating the test sentences, against a beam for one sentence at a time and against
joeynmt where it is installed. Each run adds its rows to bench/results/translation.json, in place of
the same from before. With --quick everything is tiny and nothing is kept in bench/results.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.data import data_folder
from bench.harness import machine, save, use_cores
from bench.tables import read
from bench.tagging_peers import megabytes

PAIRS = {"de": "English to German", "fr": "English to French"}
# What `nlp.translator.train` takes, over its defaults.
SHARED: dict[str, Any] = {}
OURS: dict[str, dict[str, Any]] = {
    "attention": SHARED,
    "no attention": SHARED
    | {"attention": "none", "reverse_source": True, "bidirectional": False, "input_feeding": False},
}
BEAM: dict[str, Any] = {"size": 5}  # what `nlp.core.strategies.Beam` takes, for ours
QUICK = {
    "hidden_size": 32,
    "embedding_size": 16,
    "vocabulary_size": 400,
    "epochs": 20,
    "warmup_steps": 9,
}
PACKAGES = ("torch", "sacrebleu", "joeynmt")
FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}

Texts = tuple[list[str], list[str]]  # sources and targets


# The data


def paths(pair: str, split: str, quick: bool, models: Path) -> tuple[Path, Path]:
    """The two aligned files of a split; quick, of their first lines."""
    folder, languages = data_folder() / "mt/multi30k", ("en", pair)
    source, target = (folder / f"{FILES[split]}.{language}.gz" for language in languages)
    if not quick:
        return source, target
    few = tuple(models / f"{split}.{language}" for language in languages)
    for path, whole in zip(few, (source, target), strict=True):
        lines = _lines(whole)[: 400 if split == "train" else 20]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return few[0], few[1]


def _lines(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


def texts(pair: str, split: str, arguments: argparse.Namespace) -> Texts:
    source, target = paths(pair, split, arguments.quick, arguments.models)
    return _lines(source), _lines(target)


# Quality


def our_folder(pair: str, setting: str, seed: int, models: Path) -> Path:
    return models / f"{pair}-{setting.replace(' ', '-')}-{seed}"


def options_of(setting: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    options = {**OURS[setting], "seed": seed}
    if arguments.quick:
        options |= QUICK
    for name in ("epochs", "minutes"):
        if getattr(arguments, name) is not None:
            options[name] = getattr(arguments, name)
    return options


def measure(pair: str, setting: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """A row: what a training came to, on the test part."""
    import nlp.translator
    from nlp.core.checkpoint import parameter_count
    from nlp.core.strategies import Beam
    from nlp.core.translation.translation_scores import score_translations
    from nlp.translator.translation import translate

    models, quick = arguments.models, arguments.quick
    folder, options = our_folder(pair, setting, seed, models), options_of(setting, seed, arguments)
    start = time.perf_counter()
    trained = nlp.translator.train(
        *paths(pair, "train", quick, models),
        validation=paths(pair, "validation", quick, models),
        test=0,
        output=folder,
        device=arguments.device,
        overwrite=True,
        report=_told(f"{pair}, {setting}, seed {seed}"),
        **options,
    )
    seconds = time.perf_counter() - start
    if trained.outcome.ended == "interrupted":
        raise SystemExit(f"interrupted: nothing is kept of {pair}, {setting}, seed {seed}")
    model = nlp.translator.Translator.from_pretrained(folder, arguments.device)
    sources, references = texts(pair, "test", arguments)
    start = time.perf_counter()
    written = [one.text for one in translate(model, sources, strategy=Beam(**BEAM))]
    translating = time.perf_counter() - start
    # Kept beside the model, for a look at them and for a test of the difference of two systems.
    (folder / "test_2016_flickr.txt").write_text("\n".join(written) + "\n", encoding="utf-8")
    scores = score_translations(sources, written, references)
    return {
        "bleu": round(scores.bleu, 2),
        "chrf": round(scores.chrf, 2),
        "ter": round(scores.ter, 2),
        "length_ratio": round(scores.length_ratio, 4),
        "signatures": dict(scores.signatures),
        "by_length": [
            {
                "least": part.least,
                "most": part.most,
                "bleu": round(part.bleu, 2),
                "sentences": part.sentences,
            }
            for part in scores.by_length
        ],
        "training_seconds": round(seconds, 1),
        "translating_seconds": round(translating, 2),
        "steps": trained.outcome.step,
        "best_step": trained.outcome.best_step,
        "parameters": parameter_count(model),
        "megabytes": megabytes(folder),
        "settings": options,
        "beam": BEAM,
        "device": _device_name(arguments.device),
    }


def _told(name: str) -> Callable[[Any], None]:
    """Prints each evaluation and each remark of a training."""

    def tell(event: Any) -> None:
        from nlp.core.events import Evaluation, Remark

        if isinstance(event, Evaluation):
            values = {"loss": event.loss, **event.metrics}
            told = ", ".join(f"{key} {value:.2f}" for key, value in values.items())
            print(f"{name}, step {event.step}: {told}", flush=True)
        elif isinstance(event, Remark):
            print(f"{name}: {event.text}", flush=True)

    return tell


def _device_name(name: str) -> str:
    import torch

    from nlp.core.device import choose_device

    device = choose_device(name)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"


# What is measured, and kept


def quality(arguments: argparse.Namespace) -> None:
    for pair in arguments.pairs:
        for seed in arguments.seeds:
            for setting in arguments.settings:
                row = measure(pair, setting, seed, arguments)
                print(pair, setting, seed, row, flush=True)
                if not arguments.quick:
                    rows = kept()["quality"]  # read again: others may have added to it
                    rows.setdefault(pair, {}).setdefault(setting, {})[str(seed)] = row
                    keep(quality=rows)


def speed(arguments: argparse.Namespace) -> None:
    from bench.translation_speed import training_speed, translation_speed

    parts = {"training": training_speed, "translation": translation_speed}
    for name in arguments.parts:
        result = parts[name](arguments) | {"machine": machine(PACKAGES)}
        if not arguments.quick:
            keep(speed={**kept()["speed"], name: result})


def kept() -> dict[str, Any]:
    """What was measured so far; quality by pair, setting and seed, speed by part."""
    return {"quality": {}, "speed": {}} | (read("translation") or {})


def keep(**results: Any) -> None:
    """Into the file of results, beside what it has of other parts."""
    others = {key: value for key, value in kept().items() if key in ("quality", "speed")}
    save("translation", others | results, packages=PACKAGES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("quality", "speed", "page"))
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--settings", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--epochs", type=float, help="in place of those in the settings")
    parser.add_argument("--minutes", type=float, help="of training, in place of the epochs")
    parser.add_argument("--device", default="cpu", help="where ours trains for quality")
    both = ["training", "translation"]
    parser.add_argument("--parts", nargs="+", choices=both, default=both, help="of the speed test")
    parser.add_argument("--steps", type=int, default=40, help="batches in a round of training")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of the speed test")
    parser.add_argument("--peer-minutes", type=float, default=15, help="of training, each peer's")
    searchers = ("tutorial", "joeynmt")
    parser.add_argument(
        "--searchers",
        nargs="*",
        choices=searchers,
        default=searchers,
        help="peers beside which ours translates, with models of their own",
    )
    parser.add_argument("--models", type=Path, help="where trained models are kept")
    parser.add_argument("--quick", action="store_true", help="tiny, and nothing is kept")
    arguments = parser.parse_args()
    if arguments.part == "page":
        from bench.translation_page import page

        page(kept())
        return
    cores = use_cores(2)
    import torch

    torch.set_num_threads(cores)
    name = "unrolled-bench-translation" + ("-quick" if arguments.quick else "")
    arguments.models = arguments.models or Path(tempfile.gettempdir()) / name
    arguments.models.mkdir(parents=True, exist_ok=True)
    if arguments.part == "quality":
        quality(arguments)
    else:
        speed(arguments)


if __name__ == "__main__":
    main()
