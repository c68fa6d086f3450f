"""Writing with the smallest GPT-2 on two cores: ours beside `generate` of transformers.

    python -m bench.gpt2            # random weights serve for speed; needs no data

Each contender reads prompts of 512 tokens and writes 128 greedily behind each, at batch 1 and 8,
in float32 and bfloat16; int8 and int4 are ours alone. Contenders take turns. The greedy tokens of
both are compared in float32: a fast answer that differs would be none. (In bfloat16 random weights,
whose likeliest tokens are nearly equal, part ways after a few tokens.) At batch 1 ours writes from
a copy of the weights in float16, in either precision. Memory is the most that a process of its own
held that reads the prompts and writes 8 tokens, the libraries included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.harness import alternate, peak_memory, save, table, use_cores

VOCABULARY, PROMPT, TOKENS = 50_257, 512, 128
PRECISIONS = ("float32", "bfloat16", "int8", "int4")
THEIRS = PRECISIONS[:2]


def our_model(precision: str) -> Any:
    from nlp import gpt2

    return gpt2.new("small").eval().in_precision(precision)


def their_model(precision: str) -> Any:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    return model.to(getattr(torch, precision))


def same_weights(precision: str) -> tuple[Any, Any]:
    """Ours and theirs with the same weights."""
    from nlp import gpt2

    peer, model = their_model("float32"), gpt2.new("small").eval()
    peer.load_state_dict(model.state_dict(), strict=False)  # which is in their names
    peer.tie_weights()
    return model.in_precision(precision), peer.to(dtype_of(precision))


def dtype_of(precision: str) -> Any:
    import torch

    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def prompts(batch: int, length: int) -> list[list[int]]:
    import torch

    draw = torch.Generator().manual_seed(1)
    return torch.randint(VOCABULARY - 1, (batch, length), generator=draw).tolist()


def ours(model: Any, ids: list[list[int]], tokens: int) -> list[list[int]]:
    from nlp.core.decoding import Greedy
    from nlp.core.search.beam import Constraints, Prompted, search

    prompted = Prompted(model, ids)
    found = search(
        prompted,
        Greedy(),
        start_id=prompted.start_id,
        stop_id=VOCABULARY - 1,
        max_tokens=tokens + 1,  # the stop symbol is counted
        constraints=Constraints(min_tokens=tokens),
    )
    return [texts[0].ids[:tokens] for texts in found]


def theirs(model: Any, ids: list[list[int]], tokens: int) -> list[list[int]]:
    import torch

    given = torch.tensor(ids)
    with torch.inference_mode():
        written = model.generate(
            given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            pad_token_id=VOCABULARY - 1,
        )
    return written[:, given.shape[1] :].tolist()


def read_ours(model: Any, ids: list[list[int]]) -> None:
    import torch

    from nlp.core.decoding import read_prompt

    with torch.inference_mode():
        for prompt in ids:
            read_prompt(model, prompt)


def read_theirs(model: Any, ids: list[list[int]]) -> None:
    import torch

    with torch.inference_mode():
        model(torch.tensor(ids), use_cache=True, logits_to_keep=1)


def measure(precision: str, batch: int, arguments: argparse.Namespace) -> dict[str, Any]:
    tokens, ids = arguments.tokens, prompts(batch, arguments.prompt)
    if precision in THEIRS:
        model, peer = same_weights(precision)
    else:
        model, peer = our_model(precision), None
    reading: dict[str, Callable[[], Any]] = {"ours": partial(read_ours, model, ids)}
    writing: dict[str, Callable[[], Any]] = {"ours": partial(ours, model, ids, tokens)}
    if peer is not None:
        reading["transformers"] = partial(read_theirs, peer, ids)
        writing["transformers"] = partial(theirs, peer, ids, tokens)
    read = alternate(reading, repeats=arguments.repeats, warm_up=1)
    whole = alternate(writing, repeats=arguments.repeats, warm_up=1)
    row: dict[str, Any] = {"precision": precision, "batch": batch}
    for name, timing in whole.items():
        row[name] = {
            "tokens_per_second": round(batch * tokens / timing.median, 1),
            "prefill_seconds": round(read[name].median, 3),
            # Of what is written, the reading of the prompt left out.
            "written_per_second": round(batch * tokens / (timing.median - read[name].median), 1),
        }
    if peer is not None:
        row["times_as_fast"] = round(whole["ours"].times_as_fast_as(whole["transformers"]), 2)
        row["prefill_times_as_fast"] = round(read["ours"].times_as_fast_as(read["transformers"]), 2)
    if peer is not None and precision == "float32":
        pairs = [
            (one, other)
            for text, peers in zip(whole["ours"].result, whole["transformers"].result, strict=True)
            for one, other in zip(text, peers, strict=True)
        ]
        row["same_tokens"] = round(sum(one == other for one, other in pairs) / len(pairs), 4)
    return row


def memory(who: str, precision: str, batch: int, arguments: argparse.Namespace) -> int:
    """Megabytes that a process of its own held at most."""
    sizes = [str(number) for number in (arguments.prompt, 8)]
    command = [sys.executable, "-m", "bench.gpt2", "--held", who, precision, str(batch), *sizes]
    return int(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    )


def held(who: str, precision: str, batch: str, prompt: str, tokens: str) -> None:
    model = (our_model if who == "ours" else their_model)(precision)
    (ours if who == "ours" else theirs)(model, prompts(int(batch), int(prompt)), int(tokens))
    print(peak_memory() >> 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=TOKENS, help="tokens to write")
    parser.add_argument("--prompt", type=int, default=PROMPT, help="tokens of a prompt")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--held", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cores = use_cores(2)
    import torch

    torch.set_num_threads(cores)
    if arguments.held:
        held(*arguments.held)
        return
    results = []
    for batch in (1, 8):
        for precision in PRECISIONS:
            row = measure(precision, batch, arguments)
            for who in ("ours", "transformers"):
                if who in row:
                    row[who]["peak_mb"] = memory(who, precision, batch, arguments)
            results.append(row)
            print(row, flush=True)
    headings = ["precision, batch", "ours, tokens/s", "transformers", "times", "prefill", "memory"]
    rows = []
    for row in results:
        peer = row.get("transformers", {})
        rows.append(
            [
                f"{row['precision']}, {row['batch']}",
                row["ours"]["tokens_per_second"],
                peer.get("tokens_per_second", ""),
                row.get("times_as_fast", ""),
                row.get("prefill_times_as_fast", ""),
                f"{row['ours']['peak_mb']} / {peer.get('peak_mb', '')} MB",
            ]
        )
    print(table(headings, rows))
    about = {"prompt": arguments.prompt, "tokens": arguments.tokens, "parameters": 124_439_808}
    print(save("gpt2", {**about, "rows": results}, packages=("torch", "transformers")))


if __name__ == "__main__":
    main()
