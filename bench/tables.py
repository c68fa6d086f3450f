"""The measured tables of the README, out of bench/results: `python -m bench.tables` renews them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.harness import RESULTS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def markdown(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table under a bold title."""
    lines = [f"**{title}**", "", "| " + " | ".join(headings) + " |"]
    lines.append("|---|" + "---:|" * (len(headings) - 1))
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def renew(page: Path, parts: Sequence[str]) -> None:
    """Puts lines in the place of those between the marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    text = f"{before}{BEGIN}\n{chr(10).join(parts)}\n{END}{after}"
    page.write_text(text, encoding="utf-8")


def measured_on(machine: dict[str, Any]) -> str:
    """The machine of a benchmark in one sentence."""
    version = machine["packages"].get("torch", "")
    cores = f"{machine['cores']} core{'s' if machine['cores'] > 1 else ''}"
    where = f"{cores} of an {machine['processor']}, {machine['system']}"
    return f"Measured on {where}{', torch ' + version if version else ''}."


def shape(row: dict[str, Any]) -> str:
    size = f"{row['hidden_size']} units x {row['layers']}"
    return f"{size}, vocabulary {row['vocabulary_size']:,}"


def language_model(results: dict[str, Any]) -> list[str]:
    rows = [
        (
            shape(row),
            f"{row['ours_tokens_per_second']:,}",
            f"{row['plain_tokens_per_second']:,}",
            f"**{row['times_as_fast']:.2f}x**",
            f"{row['loss_difference_percent']:+.2f}%",
            f"{row['ours_peak_mb']:,} / {row['plain_peak_mb']:,} MB",
        )
        for row in results["shapes"]
    ]
    headings = [
        "training",
        "Unrolled, tokens/s",
        "torch.nn, tokens/s",
        "",
        "validation loss",
        "memory",
    ]
    return markdown("Training against torch.nn.LSTM + Linear + cross_entropy", headings, rows)


def sampling(results: dict[str, Any]) -> list[str]:
    rows = [
        (
            shape(row),
            f"{row['ours_tokens_per_second']:,}",
            f"{row['plain_tokens_per_second']:,}",
            f"**{row['times_as_fast']:.1f}x**",
        )
        for row in results["shapes"]
    ]
    headings = ["writing at batch 1", "Unrolled, tokens/s", "nn.LSTM loop, tokens/s", ""]
    return markdown("Sampling", headings, rows)


def shakespeare(results: dict[str, Any]) -> list[str]:
    names = {"plain": "torch.nn.LSTM, 384 units, AdamW", "ours": "Unrolled"}
    rows = [
        (
            name,
            f"{results[key]['validation_loss_carried']:.3f}",
            f"{results[key]['validation_loss_independent_256']:.3f}",
        )
        for key, name in names.items()
    ]
    rows.append(("nanoGPT's setting for CPUs: 1.88, as it reports, on its own windows", "", ""))
    headings = ["nats per character", "state carried", "windows of 256"]
    title = f"Tiny Shakespeare after {results['minutes']:g} minutes"
    return markdown(title, headings, rows)


def wikitext2(results: dict[str, Any]) -> list[str]:
    names = {"example": "PyTorch's word-language-model example", "ours": "Unrolled"}
    rows = [
        (
            name,
            f"{results[key]['tokens_per_second']:,}",
            f"{results[key]['validation_perplexity']:.1f}",
            f"{results[key]['minutes']:.1f}",
            results[key]["epochs"],
        )
        for key, name in names.items()
    ]
    headings = ["2 x 200 units", "tokens/s", "validation perplexity", "minutes", "epochs"]
    return markdown("WikiText-2 at word level", headings, rows)


def tokenizer(results: dict[str, Any]) -> list[str]:
    encode, train = results["encode"], results["train"]
    rows = [
        (
            f"{encode['megabytes']:.0f} MB of text into a token store",
            f"{encode['megabytes_per_second']['ours']:,.0f}",
            f"{encode['megabytes_per_second']['tokenizers']:.1f}",
            f"{encode['megabytes_per_second']['tiktoken']:.1f}",
        ),
        (
            f"learning {train['vocabulary_size']:,} tokens",
            f"{train['megabytes_per_second']['ours']:.1f}",
            f"{train['megabytes_per_second']['tokenizers']:.1f}",
            "",
        ),
    ]
    headings = ["MB/s, identical ids and merges", "Unrolled", "tokenizers", "tiktoken"]
    return markdown("Tokenizing", headings, rows)


def embeddings(results: dict[str, Any]) -> list[str]:
    speed = results["speed"]
    rows = [
        (
            f"engine {name}",
            f"{means['analogies_percent']:.1f}%",
            f"{means['wordsim353']:.3f}",
            f"{means['simlex999']:.3f}",
        )
        for name, means in results["means"].items()
    ]
    seeds = len(results["quality"]) // len(results["means"])
    headings = [
        f"skip-gram, {results['settings']['size']} features, mean of {seeds} seeds",
        "analogies",
        "WordSim-353",
        "SimLex-999",
    ]
    title = f"Word vectors of {speed['words'] / 1e6:.1f} million words"
    told = (
        f"Training end to end, on {speed['workers']} cores: "
        f"{speed['ours_words_per_second']:,} words/s, plain gensim with `corpus_file` "
        f"{speed['gensim_words_per_second']:,}: {speed['times_as_fast']:.2f}x. "
        f"{speed.get('note', '')}"
    ).rstrip()
    return [*markdown(title, headings, rows), told, ""]


def gpt2(results: dict[str, Any]) -> list[str]:
    rows = []
    for row in results["rows"]:
        ours, peer = row["ours"], row.get("transformers")
        rows.append(
            (
                f"{row['precision']}, batch {row['batch']}",
                f"{ours['tokens_per_second']:.0f}",
                f"{peer['tokens_per_second']:.0f}" if peer else "",
                f"**{row['times_as_fast']:.2f}x**" if peer else "",
                f"{row['prefill_times_as_fast']:.2f}x" if peer else "",
                f"{ours['peak_mb']:,}{' / ' + format(peer['peak_mb'], ',') if peer else ''} MB",
            )
        )
    headings = ["", "Unrolled, tokens/s", "transformers", "", "prompt alone", "memory"]
    title = (
        f"GPT-2, 124 million weights: {results['prompt']} tokens read, {results['tokens']} written"
    )
    told = (
        "At batch 1 ours writes from a copy of the weights in float16: log-probabilities are some "
        "thousandths off, and the greedy tokens those of float32."
    )
    return [*markdown(title, headings, rows), told, ""]


def main() -> None:
    parts: list[str] = []
    machine: dict[str, Any] = {}
    tables = (language_model, sampling, shakespeare, wikitext2, tokenizer, embeddings, gpt2)
    for table in tables:
        results = read(table.__name__)
        if results is not None:
            parts += table(results)
            machine = results["machine"]
    if machine:
        parts.append(measured_on(machine))
    renew(README, parts)


if __name__ == "__main__":
    main()
