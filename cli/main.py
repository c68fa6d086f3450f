"""The `unrolled` command: its parts, and what becomes of a mistake.

A mistake that the user can mend is one line on stderr and exit code 2. Anything else that goes
wrong is a bug of ours and keeps its traceback, with exit code 1. Nothing heavy is imported here or
at the top of any command's file: `unrolled --help` must not wait for torch.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from cli import (
    ask,
    caption,
    captioner,
    classifier,
    detect,
    detector,
    download,
    embeddings,
    evaluate,
    faces,
    info,
    question_answering,
    sample,
    score,
    summarize,
    tagger,
    tokenize,
    train,
    train_faces,
    translate,
    translator,
    words,
)
from corpora.errors import UsageError

# What every Typer raises for a bad command line. Typer exports only this subclass of it.
BadCommandLine: type[Exception] = typer.BadParameter.__mro__[2]

# Files that cannot be read or written: the machine's or the user's doing, never a bug of ours.
FILE_TROUBLE = {
    getattr(errno, name)
    for name in (
        *("EACCES", "EDQUOT", "EEXIST", "EFBIG", "EISDIR", "ELOOP", "EMFILE", "ENAMETOOLONG"),
        *("ENODEV", "ENOENT", "ENOSPC", "ENOTDIR", "ENOTEMPTY", "EPERM", "EROFS"),
    )
    if hasattr(errno, name)
}

app = typer.Typer(
    name="unrolled",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(tokenize.app, name="tokenize")
app.command("train-lm")(train.train_lm)
app.command("train-embeddings")(embeddings.train_embeddings)
app.command("train-tagger")(tagger.train_tagger)
app.command("train-classifier")(classifier.train_classifier)
app.command("train-translator")(translator.train_translator)
app.command("train-captioner")(captioner.train_captioner)
app.command("sample")(sample.sample)
app.command("score")(score.score)
app.command("tag")(tagger.tag)
app.command("classify")(classifier.classify)
app.command("translate")(translate.translate)
app.command("caption")(caption.caption)
app.command("train-vqa")(question_answering.train_vqa)
app.command("ask")(ask.ask)
app.command("train-faces")(train_faces.train_faces)
app.add_typer(faces.app, name="faces")
app.command("train-detector")(detector.train_detector)
app.command("detect")(detect.detect)
app.command("summarize")(summarize.summarize)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(words.app, name="words")
app.command("download")(download.download)
app.command("info")(info.info)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unrolled {info.package_version('unrolled') or '(not installed)'}")
        raise typer.Exit


@app.callback()
def unrolled(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Your own language model, on your own text, open to inspection.

    \b
    Examples:
        unrolled train-lm corpus.txt --output model
        unrolled sample model --prompt "The history of"
        unrolled score model "take me to Mars" "bake me to Mars"
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 a bug of ours, 2 a mistake to mend, 130 interrupted."""
    try:
        code = app(arguments, prog_name="unrolled", standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        _fail(str(error))
    except BadCommandLine as error:
        _fail(_told_in_one_line(error))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:  # the reader (`| head`) has left
        _drop_what_cannot_be_written()
        sys.exit(1)
    except OSError as error:
        if error.errno not in FILE_TROUBLE:
            raise
        _drop_what_cannot_be_written()
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}.")
    sys.exit(code if isinstance(code, int) else 0)


def _drop_what_cannot_be_written() -> None:
    """If stdout is what failed, let the interpreter's own last flush of it go nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told_in_one_line(error: Exception) -> str:
    """The message of a Typer error, with the command whose --help has the answer."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "unrolled"
    end = "" if message.endswith((".", "?", "!")) else "."
    return f"{message}{end} See: {command} --help"


def _fail(message: str) -> NoReturn:
    print("unrolled: error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
