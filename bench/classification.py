"""Sentence polarity: our classifier, from scratch, beside the bag-of-words logistic baseline.

    UNROLLED_DATA=data python -m bench.classification              # ten folds
    UNROLLED_DATA=data python -m bench.classification --folds 2    # the first two of them
    python -m bench.classification page          # renews the table of docs/classification.md

Ten fixed folds, stratified, of the 10,662 sentences of Pang and Lee (2005). The baseline, of single
words and of pairs too, learns from nine of them; so does ours, which holds a tenth of those back to
choose its best step by. Accuracy on the tenth fold. Rows are kept in
bench/results/classification.json as they come.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from bench.data import polarity
from bench.harness import save, table, use_cores
from bench.tables import markdown, measured_on, read, renew

FOLDS = 10
PAGE = Path(__file__).parent.parent / "docs/classification.md"
# What `nlp.classifier.train` takes, over its defaults.
OURS: dict[str, Any] = {}
CONTENDERS = ("ours", "report's bag of words", "words", "words and pairs")

Examples = Sequence[tuple[str, str]]  # text and label


def fold(number: int) -> tuple[Examples, Examples]:
    """What fold `number` learns from, and what it is tested on; in an order of their own."""
    from sklearn.model_selection import StratifiedKFold

    examples = polarity()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    split = list(folds.split(examples, [label for _, label in examples]))
    train, test = ([examples[row] for row in rows] for rows in split[number])
    return train, test


def write(examples: Examples, path: Path) -> Path:
    """A table that our classifier reads: JSON lines of `text` and `label`."""
    lines = (json.dumps({"text": text, "label": label}) for text, label in examples)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def logistic(train: Examples, test: Examples, words: int) -> float:
    """Accuracy of logistic regression on which words, or up to how many in a row, there are."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # signs and single letters count too: the sentences come split at white space
    bag = CountVectorizer(token_pattern=r"\S+", ngram_range=(1, words), binary=True)
    model = make_pipeline(bag, LogisticRegression(max_iter=2000))
    model.fit([text for text, _ in train], [label for _, label in train])
    return float(model.score([text for text, _ in test], [label for _, label in test]))


def ours(train: Examples, test: Examples, seed: int) -> dict[str, float]:
    """Accuracy of our classifier and of the bag of words in its report, and what both took."""
    from nlp.classifier import train as train_classifier

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, held_out = write(train, folder / "train.jsonl"), write(test, folder / "test.jsonl")
        start = time.perf_counter()
        trained = train_classifier(
            data, test=held_out, output=folder / "classifier", seed=seed, device="cpu", **OURS
        )
        seconds = time.perf_counter() - start
        size = (folder / "classifier/model.safetensors").stat().st_size
    assert trained.test is not None
    assert trained.baseline is not None
    return {
        "ours": round(100 * trained.test.accuracy, 2),
        "report's bag of words": round(100 * trained.baseline.accuracy, 2),
        "training_seconds": round(seconds, 1),
        "megabytes": round(size / 1e6, 2),
    }


def measure(number: int) -> dict[str, Any]:
    train, test = fold(number)
    return {
        "fold": number,
        "sentences": len(test),
        **ours(train, test, seed=number),
        "words": round(100 * logistic(train, test, 1), 2),
        "words and pairs": round(100 * logistic(train, test, 2), 2),
    }


HEADINGS = ["accuracy, %", "mean", "deviation of folds", "folds where ours is ahead"]


def cells(results: dict[str, Any]) -> list[list[object]]:
    """A row for each contender, as `HEADINGS` says."""
    folds, means = results["folds"], results["means"]
    return [
        [
            name,
            f"{means[name]:.2f}",
            f"{stdev(row[name] for row in folds):.2f}" if len(folds) > 1 else "",
            sum(row["ours"] > row[name] for row in folds) if name != "ours" else "",
        ]
        for name in CONTENDERS
    ]


def page() -> None:
    """Renews the table of docs/classification.md."""
    results = read("classification")
    if results is None:
        raise SystemExit("nothing is measured yet: run python -m bench.classification")
    folds, means = len(results["folds"]), results["means"]
    seconds = median(fold["training_seconds"] for fold in results["folds"])
    title = f"Sentence polarity, {folds} of {FOLDS} folds"
    told = (
        f"Ours takes {seconds:.0f} s a fold (the median), with its report, and leaves a model "
        f"of {means['megabytes']:.1f} MB. {measured_on(results['machine'])}"
    )
    renew(PAGE, [*markdown(title, HEADINGS, cells(results)), told])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=("measure", "page"), default="measure")
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of them to run")
    arguments = parser.parse_args()
    if arguments.part == "page":
        page()
        return
    cores = use_cores(2)
    import torch

    torch.set_num_threads(cores)
    rows: list[dict[str, Any]] = []
    for number in range(arguments.folds):
        rows.append(measure(number))
        print(rows[-1], flush=True)
        means = {
            name: round(mean(row[name] for row in rows), 2)
            for name in (*CONTENDERS, "training_seconds", "megabytes")
        }
        results = {"settings": OURS, "folds": rows, "means": means}
        path = save("classification", results, packages=("torch", "scikit-learn"))
    print(table(HEADINGS, cells(results)))
    print(path)


if __name__ == "__main__":
    main()
