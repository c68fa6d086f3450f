"""Named entities: ours beside spaCy's blank pipeline and flair's BiLSTM-CRF, on two cores.

    UNROLLED_DATA=data python -m bench.tagging quality --models kept
    UNROLLED_DATA=data python -m bench.tagging speed --models kept
    python -m bench.tagging page                 # renews the tables of docs/tagging.md

Quality: entity F1 on the test sets of WNUT-17 and English WikiANN, trained on their training files
alone, at three seeds, each contender on the given words. spaCy is the pipeline that `spacy init
config -l en -p ner -o efficiency` writes, and trains for as long by the clock as ours did; the best
on the development set counts. Speed: words/s from raw text to entities, on WNUT-17's test
sentences, all at once and one after the other. Each part adds its rows to
bench/results/tagging.json, in place of the same from before. A peer that is not installed is told
and left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

from bench.classification import CONTENDERS
from bench.crf import rows as crf_rows
from bench.data import glove, sentences, wnut17
from bench.harness import alternate, save, table, use_cores
from bench.tables import markdown, read, renew
from bench.tagging_peers import (
    DATA,
    best_spacy,
    by_flair,
    flair_tagger,
    megabytes,
    scores,
    spacys,
)

TITLES = {"wnut17": "WNUT-17", "wikiann": "WikiANN English"}
PAGE = Path(__file__).parent.parent / "docs/tagging.md"
# What `nlp.tagger.train` takes, over its defaults.
_LONGER = {
    **{"epochs": 20, "hidden_size": 300, "character_size": 80, "word_dropout": 0.4},
    **{"input_dropout": 0.5, "output_dropout": 0.5},
}
OURS: dict[str, dict[str, dict[str, Any]]] = {
    "wnut17": {
        "scratch": {"epochs": 8},
        "language models": {"epochs": 8},
        "glove": {"epochs": 6},
    },
    "wikiann": {"scratch": _LONGER, "language models": _LONGER},
}
# And `nlp.language_model.train` for those two that read the training text's characters.
_READERS = {"tied": False, "embedding_size": 64, "window": 128, "minutes": 9}
LANGUAGE_MODELS: dict[str, dict[str, Any]] = {"wnut17": _READERS, "wikiann": _READERS}
# spaCy trains as long as the row of ours that is named here.
PEERS = {"spacy": "scratch", "spacy, glove": "glove"}


# Ours


def our_folder(data: str, setting: str, seed: int, models: Path) -> Path:
    return models / f"{data}-ours-{setting.replace(' ', '-')}-{seed}"


def train_ours(data: str, setting: str, seed: int, models: Path) -> tuple[Path, float]:
    """The folder, and the seconds of training, that of the language models included."""
    import nlp.language_model
    import nlp.tagger
    from nlp.core.words.vector_formats import save as save_vectors

    files, options = DATA[data](), dict(OURS[data][setting])
    options |= {"seed": seed, "device": "cpu", "overwrite": True}
    if setting == "glove":
        options["embedding"] = models / "glove-6b-50d.safetensors"
        if not options["embedding"].exists():
            save_vectors(glove(), options["embedding"])
    output, readers = our_folder(data, setting, seed, models), []
    text = models / f"{data}.txt"
    text.write_text("".join(" ".join(s.words) + "\n" for s in sentences(files["train"])))
    start = time.perf_counter()
    if setting == "language models":
        for backward in (False, True):
            readers.append(models / f"{data}-reader-{'backward' if backward else 'forward'}-{seed}")
            nlp.language_model.train(
                text,
                output=readers[-1],
                **{"kind": "characters", "document": "line", "test": 0, "backward": backward},
                **{"seed": seed, "device": "cpu", "overwrite": True, **LANGUAGE_MODELS[data]},
            )
    splits = {"validation": files["dev"], "test": 0}
    nlp.tagger.train(files["train"], output=output, language_models=readers, **splits, **options)
    return output, time.perf_counter() - start


def ours(data: str, setting: str, seed: int, models: Path) -> dict[str, Any]:
    from nlp.tagger import Tagger, evaluate

    folder, seconds = train_ours(data, setting, seed, models)
    test = DATA[data]()["test"]
    gold, tagger = sentences(test), Tagger.from_pretrained(folder, "cpu")
    found = tagger.tag_words(sentence.words for sentence in gold)
    return {
        **scores(gold, [[entity.span for entity in entities] for entities in found]),
        "ece": round(evaluate(tagger, test).ece, 4),
        "training_seconds": round(seconds, 1),
        "megabytes": megabytes(folder),
    }


# Speed

Contender = Callable[[list[str]], int]  # texts to the number of entities


def contenders(models: Path) -> dict[str, Contender]:
    """Those whose models are at hand, of seed 0."""
    from nlp.tagger import Tagger

    found: dict[str, Contender] = {}
    for setting in OURS["wnut17"]:
        folder = our_folder("wnut17", setting, 0, models)
        if folder.exists():
            tagger = Tagger.from_pretrained(folder, "cpu")
            found[f"ours, {setting}"] = lambda texts, tagger=tagger: sum(
                len(tagged.entities) for tagged in tagger.tag(texts)
            )
            if setting == "scratch" and find_spec("flair"):
                found["flair"] = partial(by_flair, flair_tagger(tagger.config))
    peer = best_spacy(models / "wnut17-spacy-0")
    if find_spec("spacy") and peer.exists():
        import spacy

        nlp = spacy.load(peer)
        found["spacy"] = lambda texts: sum(len(doc.ents) for doc in nlp.pipe(texts))
        found["spacy, 2 processes"] = lambda texts: sum(
            len(doc.ents) for doc in nlp.pipe(texts, n_process=2)
        )
    for name in ("flair", "spacy"):
        if name not in found:
            print(f"left out: {name}, which is not installed or has no model from `quality` yet")
    return found


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    test, found = sentences(wnut17()["test"]), contenders(arguments.models)
    texts = [" ".join(sentence.words) for sentence in test]
    results: dict[str, Any] = {}
    for name, count in (("batch", len(texts)), ("single", arguments.single)):
        calls = [texts] if name == "batch" else [[text] for text in texts[:count]]
        runs = {
            who: lambda run=run, calls=calls: sum(map(run, calls))
            for who, run in found.items()
            if name == "batch" or "processes" not in who
        }
        times = alternate(runs, repeats=arguments.repeats, warm_up=1)
        words = sum(len(sentence.words) for sentence in test[:count])
        results[name] = {
            who: {
                "words_per_second": round(words / timing.median),
                "entities": timing.result,
                "seconds": [round(seconds, 3) for seconds in timing.seconds],
            }
            for who, timing in times.items()
        }
        rows = [
            [who, row["words_per_second"], row["entities"]] for who, row in results[name].items()
        ]
        print(table([f"{name}, {words:,} words", "words/s", "entities"], rows))
    return results


# The parts


def quality(arguments: argparse.Namespace) -> None:
    for data in arguments.data:
        for seed in arguments.seeds:
            for setting in arguments.settings:
                if setting in OURS[data]:
                    keep_row(data, setting, seed, ours(data, setting, seed, arguments.models))
            for peer in arguments.peers:
                likes = kept()["quality"].get(data, {}).get(PEERS[peer], {}).get(str(seed), {})
                seconds = arguments.peer_seconds or likes.get("training_seconds")
                if not find_spec("spacy"):
                    print("left out: spaCy, which is not installed")
                elif not seconds:
                    print(f"left out: {peer} on {data}: ours with {PEERS[peer]} is not trained yet")
                else:
                    row = spacys(data, peer, seed, seconds, arguments.models)
                    keep_row(data, peer, seed, row)


def kept() -> dict[str, Any]:
    """What was measured so far; quality by data set, contender and seed."""
    return {"quality": {}, "speed": {}} | (read("tagging") or {})


def keep(**results: Any) -> None:
    """Into the file of results, beside what it has of other parts."""
    others = {key: value for key, value in kept().items() if key in ("quality", "speed")}
    save("tagging", others | results, packages=("torch", "spacy", "flair"))


def keep_row(data: str, contender: str, seed: int, row: dict[str, Any]) -> None:
    print(data, contender, seed, row, flush=True)
    rows = kept()["quality"]
    rows.setdefault(data, {}).setdefault(contender, {})[str(seed)] = row
    keep(quality=rows)


def means(data: str) -> list[list[object]]:
    """A row for each contender: the means of its seeds."""
    cells: list[list[object]] = []
    for contender, rows in kept()["quality"].get(data, {}).items():
        values = {key: mean(row[key] for row in rows.values()) for key in next(iter(rows.values()))}
        cells.append([contender, *(f"{values[key]:.1f}" for key in ("f1", "precision", "recall"))])
        cells[-1].append(f"{values['ece']:.3f}" if "ece" in values else "")
        cells[-1].append(f"{values['training_seconds'] / 60:.1f}")
        cells[-1] += [f"{values['megabytes']:.1f}", len(rows)]
    return cells


def page() -> None:
    """Renews the tables of docs/tagging.md."""
    parts: list[str] = []
    headings = ["", "F1", "precision", "recall", "ECE", "minutes", "MB", "seeds"]
    for data, title in TITLES.items():
        parts += markdown(f"{title}, entities of the test set", headings, means(data))
    fast = kept()["speed"]
    rows = [
        [who, *(f"{fast[k][who]['words_per_second']:,}" if who in fast[k] else "" for k in fast)]
        for who in fast.get("batch", ())
    ]
    title = "Words per second, from raw text to entities"
    parts += markdown(title, ["", "all at once", "one text at a time"], rows)
    if (crf := read("crf")) is not None:
        parts += markdown("The CRF beside pytorch-crf, milliseconds", *crf_rows(crf))
    if (classes := read("classification")) is not None:
        accuracies = [[name, f"{classes['means'][name]:.1f}"] for name in CONTENDERS]
        title = f"Sentence polarity, mean of {len(classes['folds'])} folds"
        parts += markdown(title, ["", "accuracy, %"], accuracies)
    renew(PAGE, parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    models = Path(tempfile.gettempdir()) / "unrolled-bench-tagging"
    parser.add_argument("part", choices=("quality", "speed", "page"))
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--settings", nargs="*", choices=OURS["wnut17"], default=OURS["wnut17"])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--peer-seconds", type=float, help="train spaCy so long, whatever ours took"
    )
    parser.add_argument("--repeats", type=int, default=5, help="rounds of the speed test")
    parser.add_argument("--single", type=int, default=200, help="texts that come one by one")
    parser.add_argument("--models", type=Path, default=models, help="where trained models are kept")
    arguments = parser.parse_args()
    if arguments.part == "page":
        page()
        return
    cores = use_cores(2)
    import torch

    torch.set_num_threads(cores)
    arguments.models.mkdir(parents=True, exist_ok=True)
    if arguments.part == "quality":
        quality(arguments)
    else:
        keep(speed=speed(arguments))


if __name__ == "__main__":
    main()
