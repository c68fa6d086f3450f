"""`unrolled sample --interactive` and `translate --interactive`: a prompt that answers what the
user types."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from cli.format import harmless
from cli.inputs import MAX_TOKENS, TEMPERATURE, arriving_texts
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.decoding import Decodable
    from nlp.core.strategies import Strategy
    from nlp.core.tokenizer import Tokenizer
    from nlp.translator.translation import Translation

HELP = """Type the beginning of a text and press Enter: the model writes on. Enter alone writes on
from there. Ctrl-C stops the writing, Ctrl-D leaves.
  /set NAME VALUE   change a setting ("none" takes it away): /set temperature 0.8
  /seed NUMBER      the same seed and text give the same continuation; /seed none
  /show             the settings
  /help             this
  /quit             leave"""

SETTING_TYPES: dict[str, Callable[[str], Any]] = {
    "top_k": int,
    "max_tokens": int,
    "seed": int,
    "stop": lambda text: [text],
}


def write(prompt: str, pieces: Iterable[str]) -> None:
    """Print a prompt and its continuation, piece by piece: to a file as it is, to a terminal
    without control characters."""
    if sys.stdout.isatty():
        typer.secho(harmless(prompt), bold=True, nl=False)
        pieces = map(harmless, pieces)
    else:
        sys.stdout.write(prompt)  # typer.echo would take out what looks like a colour
    try:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
    finally:
        typer.echo()


def typed(history: str, help: str) -> Iterator[str]:
    """The lines that are typed on a terminal, with editing, and with those of other sessions, which
    the file `history` keeps."""
    import platformdirs
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    path = platformdirs.user_cache_path("unrolled", ensure_exists=True) / history
    typer.echo(help)
    prompt: PromptSession[str] = PromptSession(history=FileHistory(str(path)))
    while True:
        try:
            yield prompt.prompt("> ")
        except KeyboardInterrupt:  # drops the line being typed, as in a shell
            continue
        except EOFError:
            return


class Session:
    """One conversation with a model: its settings, and the text so far."""

    def __init__(
        self,
        model: Decodable,
        tokenizer: Tokenizer,
        strategy: Strategy,
        settings: dict[str, Any],
        text: str = "",
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.strategy = strategy
        self.settings = settings  # max_tokens, seed, stop
        self.text = text  # what Enter alone goes on from
        self._pieces(text, settings)

    def lines(self) -> Iterator[str]:
        """What the user types: with history and editing on a terminal, else the lines of stdin."""
        if sys.stdin.isatty():
            yield from typed("sample-history", HELP)
            return
        for line in sys.stdin.buffer:
            yield line.decode("utf-8", "replace").rstrip("\r\n")

    def answer(self, line: str) -> bool:
        """Obey a line that starts with /, continue any other; False when the user leaves."""
        name, *values = line.split(maxsplit=2) or [""]
        try:
            if name in ("/quit", "/exit"):
                return False
            if name == "/help":
                typer.echo(HELP)
            elif name == "/show":
                settings = {**dataclasses.asdict(self.strategy), **self.settings}
                shown = [f"{name}={value}" for name, value in settings.items()]
                typer.echo("  ".join([type(self.strategy).__name__.lower(), *shown]))
            elif name == "/seed" and len(values) == 1:
                self._set("seed", values[0])
            elif name == "/set" and len(values) == 2:
                self._set(*values)
            elif name.startswith("/"):
                raise UsageError(f"{line!r} is not a command. See /help")
            else:
                self._continue(line or self.text)
        except UsageError as error:
            typer.echo(f"error: {error}", err=True)
        return True

    def _set(self, name: str, typed: str) -> None:
        """Change one setting, or say why not and leave it."""
        from nlp.core.decoding import Sampling

        name = name.replace("-", "_")
        defaults = {field.name: field.default for field in dataclasses.fields(Sampling)}
        defaults["temperature"] = TEMPERATURE
        known = {**defaults, "seed": None, "stop": None, "max_tokens": MAX_TOKENS}
        if name not in known:
            raise UsageError(f"There is no setting {name!r}, only {', '.join(known)}.")
        try:
            value = known[name] if typed == "none" else SETTING_TYPES.get(name, float)(typed)
        except ValueError:
            raise UsageError(f"{name} is {typed!r}, expected a number or none.") from None
        if name in defaults:
            now = {**defaults, **dataclasses.asdict(self.strategy), name: value}
            self.strategy = Sampling(**now)
        else:
            settings = {**self.settings, name: value}
            self._pieces("", settings)
            self.settings = settings
        typer.echo(f"{name} = {value}")

    def _continue(self, text: str) -> None:
        pieces = self._pieces(text, self.settings)
        self.text = text
        try:
            write(text, self._remembered(pieces))
        except KeyboardInterrupt:
            typer.echo("(stopped)", err=True)

    def _remembered(self, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces, each added to the text first, so that Ctrl-C loses nothing."""
        for piece in pieces:
            self.text += piece
            yield piece

    def _pieces(self, text: str, settings: dict[str, Any]) -> Iterator[str]:
        """The continuation of a text. Settings out of range are refused here, and nothing is
        computed before the first piece is asked for."""
        from nlp.core.decoding import stop_ids, stream

        return stream(
            self.model,
            self.tokenizer.encode(text, allowed_special="all"),
            strategy=self.strategy,
            max_tokens=settings["max_tokens"],
            seed=settings["seed"],
            stop=tuple(settings["stop"] or ()),
            tokenizer=self.tokenizer,
            stop_ids=stop_ids(self.model),
        )


TRANSLATION_HELP = """Type a text and press Enter: the model translates it. Ctrl-D leaves.
  /attention        what each word of the last translation looked at
  /help             this
  /quit             leave"""


class TranslationSession:
    """One conversation with a translator.

    answer: translates texts, as those of files are translated.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[str]], Iterator[Translation]],
        encoding_errors: str,
        *,
        show_attention: bool,
    ) -> None:
        self.translate = answer
        self.encoding_errors = encoding_errors
        self.show_attention = show_attention
        self.last: Translation | None = None

    def run(self) -> None:
        """Answers until the user leaves."""
        for line in self._lines():
            try:
                if not self.answer(line):
                    return
            except UsageError as error:
                typer.echo(f"error: {error}", err=True)
            except KeyboardInterrupt:
                typer.echo("(stopped)", err=True)

    def _lines(self) -> Iterator[str]:
        if sys.stdin is not None and sys.stdin.isatty():
            yield from typed("translate-history", TRANSLATION_HELP)
            return
        for group in arriving_texts(["-"], self.encoding_errors):
            yield from group

    def answer(self, line: str) -> bool:
        """Obey a line that starts with /, translate any other; False when the user leaves."""
        from cli import display_translations

        if line in ("/quit", "/exit"):
            return False
        if line == "/help":
            typer.echo(TRANSLATION_HELP)
        elif line == "/attention":
            if self.last is None:
                raise UsageError("nothing has been translated yet")
            if self.last.attention is None:
                raise UsageError("the last translation has no attention")
            display_translations.attention(self.last)
        elif line.startswith("/"):
            raise UsageError(f"{line!r} is not a command. See /help; put a space before a text")
        else:
            (self.last,) = self.translate([line])
            if self.show_attention:
                display_translations.attention(self.last)
            else:
                display_translations.translation(self.last)
                display_translations.others(self.last)
        return True
