"""Translation memories in TMX, the exchange format of translators' tools (LISA 2005).

    <tu><tuv xml:lang="en-US"><seg>Good morning.</seg></tuv>
        <tuv xml:lang="de"><seg>Guten Morgen.</seg></tuv></tu>

The file is read piece by piece. What it declares of entities is refused, and the DTD it names is
not fetched: neither is needed, and both are ways to attack whoever reads the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, NoReturn
from xml.parsers import expat

from corpora.errors import UsageError
from corpora.sentence import Tally
from corpora.text import File, blocks

# Inside these elements are a tool's own codes for fonts and pictures, not text.
_CODES = frozenset(("bpt", "ept", "it", "ph", "ut"))


class Unit(NamedTuple):
    """A translation unit: its texts by language, as the file writes it, and its line."""

    texts: dict[str, str]
    line: int


def units(file: File, tally: Tally) -> Iterator[Unit]:
    """The translation units of a file, in order.

    Raises:
        UsageError: what is not well-formed, or not TMX, and an entity, with the line.
    """
    reader = _Reader(file, tally)
    for block in blocks(file):
        yield from reader.feed(block, last=False)
    yield from reader.feed(b"", last=True)


def matching(texts: dict[str, str], language: str) -> list[str]:
    """The languages of a unit that `language` stands for: "en" for "en", "en-US" and "EN_GB"."""
    wanted = _parts(language)
    return [name for name in texts if _parts(name)[: len(wanted)] == wanted]


def _parts(language: str) -> list[str]:
    return language.lower().replace("_", "-").split("-")


class _Reader:
    """Expat rather than ElementTree: it tells lines, and entities before they are put in."""

    def __init__(self, file: File, tally: Tally) -> None:
        self._file = file
        self._tally = tally
        self._units: list[Unit] = []  # complete, not yet given out
        self._depth = 0
        self._texts: dict[str, str] = {}
        self._line = 0  # of the unit
        self._language = ""
        self._segment: list[str] | None = None
        self._codes = 0  # how many elements with codes are open
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity_declared
        self._parser.SkippedEntityHandler = self._entity_skipped

    def feed(self, data: bytes, *, last: bool) -> list[Unit]:
        """The units that end in `data`."""
        self._units = []
        try:
            self._parser.Parse(data, last)
        except UsageError:
            raise
        except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: encodings
            code = getattr(error, "code", None)
            reason = str(error) if code is None else expat.ErrorString(code)
            line = getattr(error, "lineno", self._parser.CurrentLineNumber)
            raise UsageError(
                f"{self._file.name}, line {line}: no XML ({reason}); a TMX file was expected, in "
                "the encoding that its first line declares; export it again"
            ) from error
        return self._units

    def _place(self) -> str:
        return f"{self._file.name}, line {self._parser.CurrentLineNumber}"

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and name != "tmx":
            raise UsageError(f"{self._place()}: <{name}> was found, and <tmx> was expected")
        self._depth += 1
        if name == "tu":
            self._texts, self._line = {}, self._parser.CurrentLineNumber
        elif name == "tuv":
            self._language = attributes.get("xml:lang") or attributes.get("lang", "")
            if not self._language:
                raise UsageError(f"{self._place()}: a <tuv> without its language, xml:lang")
        elif name == "seg":
            self._segment = []
        elif name in _CODES and self._segment is not None:
            if not self._codes:
                self._tally.note("formatting codes in texts left out", self._place())
            self._codes += 1

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "seg" and self._segment is not None:
            if self._language in self._texts:
                self._tally.note(
                    "texts in a language that the unit has already, left out", self._place()
                )
            self._texts.setdefault(self._language, "".join(self._segment))
            self._segment = None
        elif name in _CODES and self._codes:
            self._codes -= 1
        elif name == "tu":
            self._units.append(Unit(self._texts, self._line))

    def _characters(self, text: str) -> None:
        if self._segment is not None and not self._codes:
            self._segment.append(text)

    def _entity_declared(self, name: str, *_: object) -> NoReturn:
        raise UsageError(
            f"{self._place()}: the file declares an entity, {name!r}, which TMX does not need and "
            "which is not read for safety; write the text itself"
        )

    def _entity_skipped(self, name: str, _: bool) -> NoReturn:
        raise UsageError(
            f"{self._place()}: &{name}; stands for nothing that is known; write the character"
        )
