"""`unrolled translate`: texts in another language, and which words they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs, translated, translated_output
from cli.inputs import ANSWER, INPUT, option
from cli.translated import refuse
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.translator import Translator

CHOICE = "How translations are chosen"  # a panel of --help


def translate(
    model: inputs.ModelFolder,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts to translate; - reads them from stdin, one a line, and answers each at "
            "once.",
            show_default="-",
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        option("The lines of a text file instead; may be given several times.", INPUT, "-"),
    ] = None,
    interactive: Annotated[
        bool,
        typer.Option("--interactive", "-i", help="Translate what you type.", rich_help_panel=INPUT),
    ] = False,
    encoding_errors: Annotated[
        str, option("Bytes that are no UTF-8: strict refuses them, replace marks them.", INPUT)
    ] = "strict",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to a file, in which whole lines stand at any time.",
            show_default="the terminal",
            rich_help_panel=ANSWER,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the --output of a run that was stopped; nothing is done twice.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the --output.", rich_help_panel=ANSWER),
    ] = False,
    n_best: Annotated[
        int,
        typer.Option(
            help="Several translations of each text, a line each: NUMBER ||| TEXT ||| SCORE.",
            min=1,
            rich_help_panel=ANSWER,
        ),
    ] = 1,
    alignments: Annotated[
        bool,
        typer.Option(
            "--alignments",
            help="Add which words come from which, as ||| 0-0 1-2; signs are words, too.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    show_attention: Annotated[
        bool,
        typer.Option(
            "--show-attention",
            help="Draw in the terminal what each word looked at.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    heatmap: Annotated[
        Path | None,
        typer.Option(
            help="Draw the same of one text as PNG (needs the extra: plots).",
            show_default=False,
            rich_help_panel=ANSWER,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page instead, which needs no network.",
            show_default=False,
            rich_help_panel=ANSWER,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="A line of JSON a text: words with probabilities and places, alignment.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="Add all weights to it, a row for each word.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    greedy: Annotated[
        bool,
        typer.Option("--greedy", help="The likeliest piece each time.", rich_help_panel=CHOICE),
    ] = False,
    beam_size: Annotated[
        int | None,
        typer.Option(
            help="Beginnings that are kept.",
            show_default="5, or what --n-best takes",
            min=1,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    length_penalty: Annotated[
        float, option("0 prefers short translations; larger, longer ones.", CHOICE)
    ] = 1.0,
    coverage_penalty: Annotated[
        float, option("Above 0, prefer what has looked at all of the source.", CHOICE)
    ] = 0.0,
    patience: Annotated[
        float,
        option("Go on until so many times the beam have ended; inf: while it may help.", CHOICE),
    ] = 1.0,
    temperature: Annotated[
        float | None,
        option("Draw translations instead; below 1 is bolder, above 1 wilder.", CHOICE, "no"),
    ] = None,
    top_k: Annotated[
        int | None, option("Draw from the k likeliest pieces only.", CHOICE, "no")
    ] = None,
    top_p: Annotated[
        float | None,
        option("Draw from the likeliest pieces that together reach p.", CHOICE, "no"),
    ] = None,
    mbr: Annotated[
        int | None,
        typer.Option(
            help="Draw so many, and take the one most like all others (least Bayes risk by chrF).",
            show_default="no",
            min=2,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    seed: Annotated[int, option("The same seed draws the same.", CHOICE)] = 0,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Translate together with this model, of the same tokenizer; may be given several "
            "times.",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    prefix: Annotated[str, option("What every translation begins with.", CHOICE)] = "",
    forbid: Annotated[
        list[str] | None,
        option("A word that no translation holds; may be given several times.", CHOICE, "none"),
    ] = None,
    no_repeat: Annotated[
        int,
        typer.Option(
            help="No run of so many pieces occurs twice in a translation; 0 allows all.",
            min=0,
            rich_help_panel=CHOICE,
        ),
    ] = 0,
    max_length: Annotated[
        int | None,
        typer.Option(
            help="Pieces of a translation.",
            show_default="twice those of its source, and ten",
            min=1,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    copy_unknown: Annotated[
        bool,
        option("The source word looked at, where bytes were written that are no text.", CHOICE),
    ] = True,
    copy_words: Annotated[
        str | None,
        option(
            r"The same, where a word that this matches was written for another; \d.* for numbers.",
            CHOICE,
            "none",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(help="Texts that are translated together, at most.", min=1)
    ] = 64,
    device: inputs.Device = "auto",
    precision: Annotated[
        str,
        option("bfloat16 is faster where the device has it, and a little less exact; or auto."),
    ] = "float32",
) -> None:
    """Translate texts with a translator; without texts, the lines of stdin.

    An empty line is translated by an empty line, so that line n translates line n.

    \b
    Examples:
        unrolled translate my-translator "A white dog runs." --show-attention
        unrolled translate my-translator --file test.en --output test.de
        unrolled translate my-translator --file test.en --output test.de --resume
        tail -f news.txt | unrolled translate my-translator - --json
    """
    given = dict(locals())
    _refuse_contradictions(given)
    strategy = translated.strategy_of(
        n_best=n_best,
        greedy=greedy,
        beam_size=beam_size,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
        patience=patience,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        mbr=mbr,
        seed=seed,
    )
    groups: Iterable[list[str]] = ()
    if file:
        groups = translated.lines_of(file, encoding_errors)
    elif not interactive:
        groups = inputs.arriving_texts(texts or ["-"], encoding_errors)
    if heatmap is not None:
        from nlp.core.translation.heatmap import require

        require()
    from nlp.translator import Translator

    loaded, *others = (Translator.from_pretrained(one, device) for one in (model, *(models or ())))
    _refuse_without_attention(given, loaded)
    asked = {
        "strategy": strategy,
        "n_best": n_best,
        "max_length": max_length,
        "batch_size": batch_size,
        "precision": precision,
        "forbidden": forbid or (),
        "no_repeat": no_repeat,
        "seed": seed,
        "copy_unknown": copy_unknown,
        "copy_words": copy_words,
    }
    answer = translated.asker(loaded, others, asked, prefix=prefix, mbr=mbr)
    if interactive:
        from cli.interactive import TranslationSession

        session = TranslationSession(answer, encoding_errors, show_attention=show_attention)
        session.run()
    elif html is not None:
        translated_output.page(html, groups, answer, given)
    elif output is not None:
        translated_output.write(output, groups, answer, given)
    else:
        translated_output.show(groups, answer, given)


def _refuse_contradictions(given: Mapping[str, Any]) -> None:
    output, interactive, heatmap = given["output"], given["interactive"], given["heatmap"]
    page = {"--html": given["html"] is not None}
    forms = {**page, "--json": given["as_json"], "--alignments": given["alignments"]}
    pictures = {"--show-attention": given["show_attention"], "--heatmap": heatmap is not None}
    again = {"--resume": given["resume"], "--overwrite": given["overwrite"]}
    attention = {"--show-attention": given["show_attention"]}
    for several in ({**forms, **attention}, {**page, **pictures}, again):
        if len(named := [name for name, is_given in several.items() if is_given]) > 1:
            raise UsageError(f"{' and '.join(named)} do not go together: leave out one")
    if given["texts"] and given["file"]:
        raise UsageError("texts come from --file or as arguments: leave out one")
    if interactive:
        others = {"the texts": given["texts"], "--file": given["file"], "--output": output}
        others["--heatmap"] = heatmap
        refuse({**others, **forms}, "--interactive answers what you type, on the terminal")
    if output is None:
        refuse(again, "there is no --output")
    else:
        refuse({**page, **pictures}, "--output holds lines of text or JSON")
        for name in given["file"] or ():
            if name != "-" and output.exists() and Path(name).exists() and output.samefile(name):
                raise UsageError(f"{output} is what is to be translated: name another --output")
    if given["attention"] and not given["as_json"]:
        raise UsageError("--attention adds weights to JSON: add --json, or take --show-attention")
    if heatmap is not None and (len(given["texts"] or ()) != 1 or given["texts"] == ["-"]):
        raise UsageError("--heatmap draws one text, given as an argument; --html shows many")
    if "" in (given["forbid"] or ()):
        raise UsageError("--forbid is empty: expected a word")


def _refuse_without_attention(given: Mapping[str, Any], model: Translator) -> None:
    from nlp.translator.model import NO_ATTENTION

    if model.config.attention == NO_ATTENTION:
        names = ("alignments", "show_attention", "heatmap", "attention", "copy_words")
        wanted = {f"--{name.replace('_', '-')}": bool(given[name]) for name in names}
        refuse(wanted, f"{given['model']} was trained without attention")
