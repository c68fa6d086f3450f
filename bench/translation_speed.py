"""How fast bench.translation's model trains and translates, beside the peers."""

from __future__ import annotations

import argparse
import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import torch

from bench.harness import alternate, table
from bench.translation import SHARED, Texts, our_folder, texts
from bench.translation_peers import Joey, Row, Steps, Tutorial, one_beam, trained
from nlp.core.batching import Buckets
from nlp.core.device import Precision
from nlp.core.optimization import build_optimizer
from nlp.core.strategies import Beam
from nlp.core.training import _LossModule, start_accelerator
from nlp.core.translation.translation_scores import score_translations
from nlp.translator import Translator
from nlp.translator.translation import translate

BATCH = 64  # sentences that joeynmt translates at once; ours does by default


def speed_model(arguments: argparse.Namespace) -> Translator:
    """The one that `quality` left, of the first pair and seed."""
    pair, seed = arguments.pairs[0], arguments.seeds[0]
    folder = our_folder(pair, "attention", seed, arguments.models)
    if not (folder / "model.safetensors").exists():
        raise SystemExit(f"no model in {folder}: run python -m bench.translation quality first")
    return Translator.from_pretrained(folder, "cpu")


class OurSteps:
    """Our model, trained as `nlp.core.training` trains it."""

    def __init__(
        self, model: Translator, batch_size: int, precision: Precision = "float32"
    ) -> None:
        self.model, self.batch_size, self.number = model.train(), batch_size, 0
        self.accelerator = start_accelerator(precision, "cpu")
        optimizer = build_optimizer("adamw", model, 1e-3, 0.01)
        self.loss, self.optimizer = self.accelerator.prepare(_LossModule(model), optimizer)

    def epoch(self, rows: Sequence[Row]) -> None:
        def collate(own: list[int]) -> Any:
            return self.model.batch([rows[n][0] for n in own], [rows[n][1] for n in own])

        lengths = [(len(target), len(source)) for source, target in rows]
        buckets = Buckets(lengths, self.batch_size, collate, seed=0)
        self.number += 1
        for batch in buckets.epoch(self.number):
            mean, _, _ = self.loss(batch, None)
            self.accelerator.backward(mean)
            self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()


def training_speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Target tokens a second, of the same pairs in every round, their ends counted."""
    kept_model = speed_model(arguments)
    config, batch = kept_model.config, SHARED.get("batch_size", BATCH)
    rows = pairs_of(kept_model, texts(arguments.pairs[0], "train", arguments))
    draw = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(rows), generator=draw)[: arguments.steps * batch].tolist()
    rows = [rows[row] for row in chosen]
    torch.manual_seed(0)
    # The second is what the tutorial is: the same cell and the same attention.
    alike = replace(config, cell="gru", attention="additive", input_feeding=False, coverage=False)
    steps: dict[str, Any] = {
        "ours": OurSteps(Translator(config, kept_model.texts), batch),
        "ours, bfloat16": OurSteps(Translator(config, kept_model.texts), batch, "bfloat16"),
        "ours, GRU and additive attention": OurSteps(Translator(alike, kept_model.texts), batch),
        "tutorial": Steps(Tutorial(config, kept_model.start_id), batch),
    }
    times = alternate(
        {name: lambda own=own: own.epoch(rows) for name, own in steps.items()},
        repeats=arguments.repeats,
        warm_up=1,
    )
    tokens = sum(len(target) + 1 for _, target in rows)
    found = {
        name: {
            "tokens_per_second": round(tokens / timing.median),
            "parameters": sum(p.numel() for p in steps[name].model.parameters()),
            "times_as_fast_as_tutorial": round(timing.times_as_fast_as(times["tutorial"]), 2),
            "seconds": [round(seconds, 2) for seconds in timing.seconds],
        }
        for name, timing in times.items()
    }
    columns = ("tokens_per_second", "times_as_fast_as_tutorial")
    lines = [[name, *(row[column] for column in columns)] for name, row in found.items()]
    print(table([f"training, {tokens:,} target tokens", "tokens/s", "times"], lines), flush=True)
    return {"tokens": tokens, "batch_size": batch, "contenders": found}


def pairs_of(model: Translator, pairs: Texts) -> list[Row]:
    """Pairs as ids of the model's pieces; those with an empty side are left out."""
    sources, targets = model.texts.encode(pairs[0]), model.texts.encode(pairs[1], target=True)
    return [row for row in zip(sources, targets, strict=True) if all(row)]


Contender = Callable[[list[str]], list[str]]


def contenders(arguments: argparse.Namespace) -> dict[str, Contender]:
    """From texts to texts, a beam of 5 and a length penalty of 1 for all."""
    model, minutes = speed_model(arguments), arguments.peer_minutes
    pair, seed, symbol = arguments.pairs[0], arguments.seeds[0], model.start_id
    rows = pairs_of(model, texts(pair, "train", arguments))
    if arguments.quick:
        minutes = 0.05

    def ours(sources: list[str], precision: Precision = "float32") -> list[str]:
        found = translate(model, sources, strategy=Beam(5, 1.0), precision=precision)
        return [one.text for one in found]

    @torch.inference_mode()
    def one_by_one(search: Callable[[list[int], int], list[int]], sources: list[str]) -> list[str]:
        """As tutorials do it; sentences with ours' limit of pieces."""
        found = (search(ids, 2 * len(ids) + 10) for ids in model.texts.encode(sources))
        return [model.texts.decode(ids) for ids in found]

    def with_our_weights(ids: list[int], limit: int) -> list[int]:
        reading = model.read([ids])
        return one_beam(reading.step, reading.start(1), symbol, 5, limit)

    # Another model, another time: other weights.
    same = zlib.crc32(repr((model.config, minutes, model.texts.target.fingerprint)).encode())

    def peer(name: str, made: Any) -> Any:
        weights = arguments.models / f"{pair}-{name}-{seed}-{same:08x}.safetensors"
        if not weights.exists():
            print(f"{name}: trains for {minutes:g} minutes", flush=True)
        return trained(made, rows, BATCH, minutes, weights)

    torch.manual_seed(seed)
    found: dict[str, Contender] = {
        "ours": ours,
        "ours, bfloat16": lambda sources: ours(sources, "bfloat16"),
        "a beam for each sentence, our model": lambda sources: one_by_one(
            with_our_weights, sources
        ),
    }
    if "tutorial" in arguments.searchers:
        tutorial = peer("tutorial", Tutorial(model.config, symbol))
        found["a beam for each sentence, the tutorial's"] = lambda sources: one_by_one(
            lambda ids, limit: tutorial.search(ids, 5, limit), sources
        )
    if "joeynmt" not in arguments.searchers:
        return found
    if find_spec("joeynmt") is None:
        print("left out: joeynmt, which is not installed")
        return found
    joey = peer("joeynmt", Joey(model.config))

    @torch.inference_mode()
    def joeynmt(sources: list[str]) -> list[str]:
        ids = model.texts.encode(sources)
        batches = (ids[begin : begin + BATCH] for begin in range(0, len(ids), BATCH))
        answers = itertools.chain(*(joey.search(batch, 5) for batch in batches))
        return [model.texts.decode(row) for row in answers]

    return {**found, "joeynmt": joeynmt}


def translation_speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Sentences a second, from text to text."""
    sources, references = texts(arguments.pairs[0], "test", arguments)
    runs = contenders(arguments)
    times = alternate(
        {name: lambda run=run: run(sources) for name, run in runs.items()},
        repeats=arguments.repeats,
        before=lambda name: runs[name](sources[:4]),  # warms it up
    )
    found = {
        name: {
            "sentences_per_second": round(len(sources) / timing.median, 2),
            "ours_times_as_fast": round(times["ours"].times_as_fast_as(timing), 2),
            "bleu": round(score_translations(sources, timing.result, references).bleu, 2),
            "words": sum(len(text.split()) for text in timing.result),
            "seconds": [round(seconds, 2) for seconds in timing.seconds],
        }
        for name, timing in times.items()
    }
    same = times["ours"].result, times["a beam for each sentence, our model"].result
    equal = sum(a == b for a, b in zip(*same, strict=True)) / len(sources)
    lines = [[name, *list(row.values())[:4]] for name, row in found.items()]
    headings = [f"{len(sources):,} sentences", "sentences/s", "ours, times", "BLEU", "words"]
    print(table(headings, lines))
    print(f"{equal:.1%} of ours are also what its beam for each sentence finds", flush=True)
    return {"sentences": len(sources), "equal_share": round(equal, 4), "contenders": found}
