"""`unrolled train-tagger` and `unrolled tag`: names in texts, and how sure they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import inputs
from cli.format import number, visible
from cli.inputs import ANSWER, DATA, INPUT, MODEL, OPTIMISATION, REGULARISATION, option
from cli.tagged import SCHEME, answers, as_given, conll_lines, documents, json_record, sentences
from cli.training import run
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.tags.tag_evaluation import TagEvaluation


def train_tagger(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="CoNLL columns, JSON Lines with character spans, brat folders: files, folders, "
            "globs, - for stdin; or hf:NAME.",
            show_default="the generated sample generated-people",
        ),
    ] = None,
    output: inputs.Output = "tagger",
    resume: inputs.Resume = False,
    overwrite: inputs.Overwrite = False,
    validation: inputs.Validation = "0.1",
    test: inputs.Test = "0.1",
    format: Annotated[str, option("auto, conll, jsonl, brat or hf.", DATA)] = "auto",
    separator: Annotated[
        str | None, option("What parts columns.", DATA, "tabs, or else white space")
    ] = None,
    word_column: Annotated[
        int | None, option("The words' column, from 0; -1 is the last.", DATA, "the first")
    ] = None,
    tag_column: Annotated[int | None, option("The tags' column.", DATA, "the last")] = None,
    scheme: Annotated[
        str, option("How tags are written: auto, IOB1, BIO, IOBES or BILOU.", DATA)
    ] = "auto",
    encoding_errors: inputs.EncodingErrors = "strict",
    embedding: Annotated[
        str | None,
        option("Word vectors to read beside learned ones: a file or folder.", MODEL, "none"),
    ] = None,
    freeze_embedding: Annotated[bool, option("Leave those as they are.", MODEL)] = True,
    language_models: Annotated[
        list[str] | None,
        typer.Option(
            "--language-model",
            help="A language model to read with, in a folder; best one of each direction "
            "(train-lm --backward). May be given several times.",
            show_default="none",
            rich_help_panel=MODEL,
        ),
    ] = None,
    word_size: Annotated[int, option("Features of a learned word; 0 for none.", MODEL)] = 50,
    min_count: Annotated[int, option("Learn words that occur so often.", MODEL)] = 1,
    spelling: Annotated[str, option("How letters are read: both, cnn, lstm or none.", MODEL)] = (
        "both"
    ),
    character_size: Annotated[int, option("Features of a spelling, of each kind.", MODEL)] = 50,
    shape_size: Annotated[int, option("Features of capitals and digits; 0 for none.", MODEL)] = 16,
    cell: inputs.Cell = "lstm",
    layers: inputs.Layers = 1,
    hidden_size: inputs.HiddenSize = 200,
    bidirectional: Annotated[bool, option("Read sentences in both directions.", MODEL)] = True,
    crf: Annotated[bool, option("Choose tags together rather than each for itself.", MODEL)] = True,
    word_dropout: Annotated[float, option("Whole words.", REGULARISATION)] = 0.5,
    input_dropout: Annotated[float, option("Features of the words.", REGULARISATION)] = 0.25,
    dropout: inputs.Dropout = 0.3,
    output_dropout: Annotated[float, option("Before the tags.", REGULARISATION)] = 0.25,
    epochs: inputs.Epochs = 20,
    steps: inputs.Steps = None,
    minutes: inputs.Minutes = None,
    patience: inputs.Patience = None,
    evaluate_every: inputs.EvaluateEvery = None,
    batch_size: Annotated[int, option("Sentences in a step.", OPTIMISATION)] = 16,
    optimizer: inputs.Optimizer = "adamw",
    learning_rate: Annotated[float, option("At its highest.", OPTIMISATION)] = 3e-3,
    schedule: inputs.Schedule = "cosine",
    warmup_steps: inputs.WarmupSteps = 100,
    weight_decay: inputs.WeightDecay = 0.01,
    clip_norm: inputs.ClipNorm = 5.0,
    accumulate: inputs.Accumulate = 1,
    plot: Annotated[
        bool,
        typer.Option(
            "--plot", help="Draw the loss curves and the reliability (needs the extra: plots)."
        ),
    ] = False,
    seed: inputs.Seed = 0,
    device: inputs.Device = "auto",
    precision: inputs.Precision = "auto",
    as_json: inputs.JsonEvents = False,
) -> None:
    """Train a tagger that finds names, or what else is annotated, in texts.

    \b
    Examples:
        unrolled train-tagger entities.conll --output my-tagger
        unrolled train-tagger train.conll --validation dev.conll --test test.conll
        unrolled train-tagger reviews.jsonl --language-model forward --language-model backward
        unrolled train-tagger --output my-tagger --resume
    """
    arguments: dict[str, Any] = dict(locals())
    del arguments["data"], arguments["as_json"]
    arguments["language_models"] = tuple(language_models or ())
    from nlp.tagger import train

    trained = run(
        "train-tagger",
        train,
        data,
        arguments,
        as_json=as_json,
        results=lambda trained: {} if trained.test is None else scores_record(trained.test),
        items="words",
    )
    if as_json:
        return
    if trained.test is not None:
        from cli import display
        from nlp.core.tags.tag_evaluation import RESULT_COLUMNS

        display.comparison("on the test split", RESULT_COLUMNS, trained.test.rows())
        typer.echo(f"calibration error of the confidences {number(trained.test.ece)}")
    typer.echo(f'The model is in {output}. Try: unrolled tag {output} "..."')


def scores_record(found: TagEvaluation) -> dict[str, Any]:
    """The scores by label and the calibration error, for JSON."""
    from nlp.core.tags.tag_evaluation import RESULT_COLUMNS

    names = [name.lower() for name in RESULT_COLUMNS]
    rows = {label: dict(zip(names, row, strict=True)) for label, row in found.rows().items()}
    return {"scores": rows, "calibration_error": found.ece}


def tag(
    model: inputs.ModelFolder,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts to tag; - reads them from stdin, one a line, and answers each at once.",
            show_default="-",
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        option("A text file instead, or a folder of them; may be given several times.", INPUT, "-"),
    ] = None,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Each line is a sentence, its words parted by spaces.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    columns: Annotated[
        bool,
        typer.Option(
            "--columns",
            help="Files are CoNLL columns; their own tags are not looked at.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    encoding_errors: Annotated[
        str, option("Bytes that are no UTF-8: strict refuses them, replace marks them.", INPUT)
    ] = "strict",
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Leave out what is less sure, 0 to 1.",
            show_default="where F1 was best on the validation data",
            rich_help_panel=ANSWER,
            min=0,
            max=1,
        ),
    ] = None,
    second_choices: Annotated[
        bool,
        typer.Option(
            "--second-choices",
            help="Add what is less sure, or overlaps something surer, marked as such.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON a text.", rich_help_panel=ANSWER)
    ] = False,
    conll: Annotated[
        bool,
        typer.Option(
            "--conll",
            help=f"Print a word and its tag a line, in {SCHEME}; with --columns, lines and tags.",
            rich_help_panel=ANSWER,
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page instead, which needs no network.",
            show_default=False,
            rich_help_panel=ANSWER,
        ),
    ] = None,
    device: inputs.Device = "auto",
) -> None:
    """Find entities in texts with a tagger, and say how sure each is; without texts, in stdin.

    \b
    Examples:
        unrolled tag my-tagger "Hermione Granger left Hogwarts for London."
        unrolled tag my-tagger --file letters/ --html letters.html
        tail -f news.txt | unrolled tag my-tagger - --json
        unrolled tag my-tagger --file test.conll --columns --conll | conlleval
    """
    _refuse_together({"--json": as_json, "--conll": conll, "--html": html is not None})
    _refuse_together({"--words": words, "--columns": columns})
    _refuse_together({"--conll": conll, "--second-choices": second_choices})
    if texts and (file or columns):
        raise UsageError("texts come from --file or as arguments: leave out one")
    from nlp.tagger import Tagger

    loaded = Tagger.from_pretrained(model, device)
    if columns:
        given = sentences(file or ["-"], encoding_errors)
    elif file:
        given = documents(file, encoding_errors, words=words)
    else:
        arriving = inputs.arriving_texts(texts or ["-"], encoding_errors)
        given = ([as_given(line, words) for line in lines] for lines in arriving)
    finding: dict[str, Any] = {"min_confidence": min_confidence, "second_choices": second_choices}
    answered = (pair for group in given for pair in answers(loaded, group, finding))
    if html is not None:
        from nlp.core.tags.entity_page import write_page

        write_page(
            html, (tagged for _, tagged in answered), title=f"Entities by {Path(model).name}"
        )
        return
    file_shown = None
    for one, tagged in answered:
        if as_json:
            typer.echo(json.dumps(json_record(one, tagged), ensure_ascii=False))
        elif conll:
            typer.echo("".join(f"{line}\n" for line in conll_lines(one, tagged)), nl=False)
        else:
            from cli import display_entities

            if one.file != file_shown:
                file_shown = one.file
                typer.secho(f"--- {visible(one.file or '')}", dim=True)
            display_entities.tagged_text(tagged, loaded.config.labels)


def _refuse_together(options: Mapping[str, bool]) -> None:
    if len(given := [name for name, is_given in options.items() if is_given]) > 1:
        raise UsageError(f"{' and '.join(given)} do not go together: leave out one")
