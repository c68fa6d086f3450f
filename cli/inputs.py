"""What commands are given: options that several share, and the texts and tokenizers they name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.errors import UsageError

if TYPE_CHECKING:
    from corpora.passage import Passage
    from nlp.core.tokenizer import Tokenizer

BUNDLED = "wikipedia-sample"
ARRIVING = 1 << 16  # bytes of standard input that are taken at once
# As LanguageModel.sample has them; a test compares them.
TEMPERATURE = 0.8
MAX_TOKENS = 100


# Panels of --help.
DATA = "Data"
MODEL = "Model"
REGULARISATION = "Regularisation (probabilities of dropping)"
LENGTH = "How long to train"
OPTIMISATION = "Optimisation"
INPUT, ANSWER = "What is read", "What is answered"


def option(help: str, panel: str | None = None, default: str | None = None) -> Any:
    """An option in a panel of --help; `default` is what is told of one that is computed."""
    return typer.Option(help=help, rich_help_panel=panel, show_default=default or True)


Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Files, folders, globs, - for stdin, {BUNDLED}, or hf:NAME.", show_default=False
    ),
]
Corpus = Annotated[
    list[str] | None,
    typer.Argument(
        help="Text files, folders or globs, - for stdin, hf:NAME for a Hugging Face dataset.",
        show_default=f"the bundled {BUNDLED}",
    ),
]
Given = Annotated[str | None, typer.Option("--text", "-t", help="A text instead of files.")]
TokenizerFile = Annotated[
    Path,
    typer.Option(
        "--tokenizer",
        "-T",
        help="A model folder, tokenizer.json, a folder of vocab.json and merges.txt, or .tiktoken.",
    ),
]
TextColumn = Annotated[str, option("The column of tables that holds the text.", DATA)]
Document = Annotated[str, option("What one document is: file or line.", DATA)]
EncodingErrors = Annotated[
    str, option("Bytes that are no UTF-8: strict refuses them, replace marks them.", DATA)
]
Validation = Annotated[str, option("A fraction of the data, or a source.", DATA)]
Test = Annotated[str, option("The same; 0 for no test split.", DATA)]
ModelFolder = Annotated[
    str, typer.Argument(help="A model folder, or the Hugging Face id of one.", show_default=False)
]
Device = Annotated[str, option("auto, cpu, cuda, cuda:N or mps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# What the commands that train share.
Output = Annotated[str, typer.Option("--output", "-o", help="The folder it is written to.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run that --output holds.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the folder: it becomes OUTPUT.previous.")
]
Cell = Annotated[str, option("lstm, gru, rnn (tanh) or relu-rnn.", MODEL)]
Layers = Annotated[int, option("Layers above each other.", MODEL)]
HiddenSize = Annotated[int, option("Units of a layer.", MODEL)]
Dropout = Annotated[float, option("Between layers.", REGULARISATION)]
Epochs = Annotated[
    float, option("Times through the data, unless one of the next two is given.", LENGTH)
]
EpochsOrEnough = Annotated[
    float | None,
    option("Times through the data; if none of the three is given, 6 or as many as suit.", LENGTH),
]
Steps = Annotated[int | None, option("Optimizer steps.", LENGTH)]
Minutes = Annotated[
    float | None, option("Minutes by the clock; with --steps, whichever ends first.", LENGTH)
]
Patience = Annotated[
    int | None, option("Stop after so many evaluations without improvement.", LENGTH)
]
EvaluateEvery = Annotated[int | None, option("Steps between evaluations.", LENGTH, "12 in a run")]
Optimizer = Annotated[str, option("adamw, sgd or nt-asgd.", OPTIMISATION)]
Schedule = Annotated[str, option("cosine, plateau or constant.", OPTIMISATION)]
WarmupSteps = Annotated[int, option("Steps in which it rises.", OPTIMISATION)]
WeightDecay = Annotated[float, option("Of matrices, decoupled.", OPTIMISATION)]
ClipNorm = Annotated[float, option("Longest gradient; 0 for any.", OPTIMISATION)]
Accumulate = Annotated[int, option("Batches per optimizer step.", OPTIMISATION)]
Seed = Annotated[int, option("The same seed gives the same model.")]
Precision = Annotated[str, option("auto, float32 or bfloat16 for matrix products.")]
WEIGHTS = "auto, float32 or bfloat16; of a GPT-2 on a CPU also int8 and int4 weights."
Weights = Annotated[str, typer.Option("--precision", help=WEIGHTS)]
JsonEvents = Annotated[bool, typer.Option("--json", help="Print a line of JSON per event.")]


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a model folder, a tokenizer.json, GPT-2's two files or tiktoken's ranks."""
    from nlp.core.tokenizer import Tokenizer

    return Tokenizer.load(path)


def load_model(name: str, device: str, precision: str = "auto") -> tuple[Any, Any]:
    """The language model of a folder or file or of the Hugging Face Hub, and its tokenizer; what
    there is to tell about its files is told."""
    from nlp.core.language.loading import load

    model = load(name, device, precision)
    for remark in getattr(model, "remarks", ()):
        typer.echo(remark, err=True)
    return model, model.text_tokenizer()


def kind_of(model: str) -> str | None:
    """What the `config.json` of a model's folder says that it is; None where it cannot be read, of
    which whoever loads the model tells more."""
    from nlp.core import checkpoint

    folder = checkpoint.locate(model, "train-...")
    try:
        config = json.loads((folder / checkpoint.CONFIG).read_text(encoding="utf-8"))
        return str(config["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_passages(
    sources: list[str] | None, text: str | None = None, **options: Any
) -> Iterator[Passage]:
    """The passages of sources, or the one of a text that was given instead; of stdin where nothing
    is named."""
    from corpora import Passage, read

    if text is None:
        return read(sources or ["-"], **options)
    if sources:
        raise UsageError(
            f"--text is given instead of files: leave it out, or {', '.join(sources)}."
        )
    return iter([Passage(text, True)])


def arriving_texts(texts: list[str], encoding_errors: str = "strict") -> Iterator[list[str]]:
    """Texts that were given as arguments, and in the place of - the lines of stdin as they come:
    one as soon as it has ended, or all that are there, so that answers neither wait nor come
    singly.

    Raises:
        UsageError: a text or line is not UTF-8.
    """
    from corpora.reader import Options

    Options(encoding_errors=encoding_errors).checked()
    for text in texts:
        if text == "-":
            yield from _arriving_lines(encoding_errors)
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:  # how Python tells of bytes it could not decode
            raise UsageError(
                f"{text!r} is not UTF-8: write it in the terminal's own way"
            ) from error
        yield [text]


def _arriving_lines(encoding_errors: str) -> Iterator[list[str]]:
    number = 0
    held: list[bytes] = []  # of a line whose end has not come yet

    def decoded(line: bytes) -> str:
        nonlocal number
        number += 1
        line = line.removesuffix(b"\r")
        if b"\0" in line:
            raise UsageError(
                f"standard input, line {number}: NUL byte: this is a binary file, and text in "
                "UTF-8 was expected"
            )
        try:
            return line.decode("utf-8-sig" if number == 1 else "utf-8", encoding_errors)
        except UnicodeDecodeError as error:
            raise UsageError(
                f"standard input, line {number}: byte 0x{line[error.start]:02x} is not UTF-8 "
                f"({error.reason}); save the text as UTF-8, or use `--encoding-errors replace` to "
                "read \N{REPLACEMENT CHARACTER} in its place"
            ) from error

    stream: Any = sys.stdin and sys.stdin.buffer  # closed standard input is None
    while block := stream.read1(ARRIVING) if stream else b"":
        first, *others = block.split(b"\n")
        held.append(first)
        if others:
            yield [decoded(line) for line in (b"".join(held), *others[:-1])]
            held = [others[-1]]
    if any(held):
        yield [decoded(b"".join(held))]
