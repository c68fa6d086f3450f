"""`unrolled sample`: text from a model, streamed as it is written."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.inputs import MAX_TOKENS, TEMPERATURE, Weights, load_model
from cli.interactive import Session, write
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.decoding import Strategy

STRATEGY = "How each token is chosen"  # the panel of --help


def sample(
    model: Annotated[str, typer.Argument(help="A model folder, or the Hugging Face id of one.")],
    prompt: Annotated[
        str,
        typer.Option(
            "--prompt",
            "-p",
            help="Text to continue; - reads it from stdin. With --interactive, Enter continues it.",
        ),
    ] = "",
    max_tokens: Annotated[int, typer.Option(help="Tokens to write at most.")] = MAX_TOKENS,
    samples: Annotated[int, typer.Option(help="How many continuations to write.")] = 1,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same text.", show_default="drawn")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be given several times.")
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(help="Below 1 is bolder, above 1 is wilder.", rich_help_panel=STRATEGY),
    ] = TEMPERATURE,
    top_k: Annotated[
        int | None,
        typer.Option(help="Only the k most probable tokens.", rich_help_panel=STRATEGY),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Only the most probable tokens that together reach p.", rich_help_panel=STRATEGY
        ),
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(
            help="Only tokens at least this many times as probable as the best.",
            rich_help_panel=STRATEGY,
        ),
    ] = None,
    repetition_penalty: Annotated[
        float,
        typer.Option(help="Above 1 avoids what was already said.", rich_help_panel=STRATEGY),
    ] = 1.0,
    greedy: Annotated[
        bool,
        typer.Option("--greedy", help="Always the most probable token.", rich_help_panel=STRATEGY),
    ] = False,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Continue what you type, again and again.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Weights = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a sample.")] = False,
) -> None:
    """Write text with a language model.

    \b
    Examples:
        unrolled sample model --prompt "The history of" --temperature 0.8
        unrolled sample model --prompt "Once" --samples 3 --stop "."
        echo "The" | unrolled sample model --prompt - --json
        unrolled sample model --interactive
    """
    chosen = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
    }
    strategy = choose_strategy(chosen, greedy=greedy)
    if interactive:
        refused = {"--samples": samples != 1, "--json": as_json, "--prompt -": prompt == "-"}
        if given := [name for name, is_given in refused.items() if is_given]:
            raise UsageError(
                "--interactive continues one text, which you type: leave it out, or "
                f"{', '.join(given)}."
            )
    loaded, tokenizer = load_model(model, device, precision)
    if interactive:
        settings = {"max_tokens": max_tokens, "seed": seed, "stop": stop}
        session = Session(loaded, tokenizer, strategy, settings, prompt)
        for line in session.lines():
            if not session.answer(line):
                break
        return

    if prompt == "-":
        from corpora import read

        prompt = "".join(passage.text for passage in read("-")).removesuffix("\n")
    from nlp.core.decoding import generate, stop_ids, stream

    writing: dict[str, Any] = {
        "strategy": strategy,
        "tokenizer": tokenizer,
        "max_tokens": max_tokens,
        "seed": seed,
        "stop": tuple(stop or ()),
        "stop_ids": stop_ids(loaded),
    }
    ids = tokenizer.encode(prompt, allowed_special="all")
    if samples == 1 and not as_json:
        write(prompt, stream(loaded, ids, **writing))
        return
    for number, generation in enumerate(generate(loaded, ids, samples=samples, **writing), 1):
        if as_json:
            answer = {"prompt": prompt, **dataclasses.asdict(generation)}
            typer.echo(json.dumps(answer, ensure_ascii=False))
        else:
            typer.secho(f"--- sample {number}, seed {generation.seed}", dim=True)
            write(prompt, [generation.text or ""])


def choose_strategy(chosen: dict[str, Any], *, greedy: bool) -> Strategy:
    """The strategy that the options name; refuses options that would silently do nothing."""
    from nlp.core.decoding import Greedy, Sampling

    strategy = Sampling(**chosen)
    if not greedy:
        return strategy
    plain = dataclasses.asdict(Sampling(temperature=TEMPERATURE))
    given = [
        f"--{name.replace('_', '-')} {value}"
        for name, value in chosen.items()
        if value != plain[name]
    ]
    if given:
        raise UsageError(f"--greedy draws nothing: leave it out, or {', '.join(given)}.")
    return Greedy()
