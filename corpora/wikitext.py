"""Wikipedia markup to plain prose: paragraphs with case and punctuation, headings, lists.

gensim's `remove_markup` does the parsing of links, tags and tables. It was written for bags of
words, though, and leaves holes where running prose needs text: it drops every template, so that
"an area of {{convert|468|km2}} and" becomes "an area of  and", and keeps table cells, emphasis
marks and heading signs. So the templates that hold words are spelled out before it runs, whatever
is no prose is taken out whole, and what it leaves behind is tidied afterwards.

    >>> print(prose("'''Andorra''' ({{IPAc-en|æ}}) has {{convert|468|km2|sqmi}} of [[land]]."))
    Andorra has 468 km² of land.
"""

# ruff: noqa: RUF001 (dashes, minus and multiplication signs are meant as they stand)

from __future__ import annotations

import re
from collections.abc import Callable

# Sections that hold references and links, not prose.
APPENDICES = frozenset(
    {
        "bibliography",
        "citations",
        "external links",
        "footnotes",
        "further reading",
        "gallery",
        "notes",
        "notes and references",
        "references",
        "references and notes",
        "see also",
        "sources",
        "works cited",
    }
)

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FOOTNOTE = re.compile(r"<ref\b[^<>]*/>|<ref\b[^<>]*>.*?</ref\s*>", re.DOTALL | re.IGNORECASE)
UNREADABLE = re.compile(r"<(gallery|timeline|source|ol)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
FORMULA = re.compile(r"<math\b[^>]*>(.*?)</math\s*>", re.DOTALL | re.IGNORECASE)
PLAIN_FORMULA = re.compile(r"[\w\s+\-*/=.,()]{1,40}")
POWER = re.compile(r"<sup>\s*([-−–+]?\d*[-−–+]?)\s*</sup>", re.IGNORECASE)
LINE_BREAK = re.compile(r"<(br|hr)\s*/?>", re.IGNORECASE)
TABLE = re.compile(
    r"^[ :]*\{\|(?:(?!^[ :]*\{\|).)*?^[ ]*\|\}(?!\})", re.DOTALL | re.MULTILINE
)  # the innermost one
PICTURE = re.compile(
    r"\[\[(?:file|image):(?:[^\[\]]|\[\[[^\[\]]*\]\]|\[[^\[\]]*\])*\]\]", re.IGNORECASE
)
TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}")  # the innermost one

HEADING = re.compile(r"(={2,6})\s*(.*?)\s*\1")
EMPTY_BRACKETS = re.compile(r"\s*[(\[][\s,;:.=–—-]*[)\]]")
SUPERSCRIPTS = str.maketrans("0123456789-−–+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁻⁺")

# Templates that stand for some of their own arguments: name -> position of the words.
_ARGUMENT = {
    **dict.fromkeys(
        ("abbr", "angbr", "angle bracket", "as written", "big", "blockquote", "country", "em",
         "flag", "ill", "keypress", "main2", "midsize", "native name", "nihongo", "nihongo2",
         "nobold", "nowrap", "quote", "railgauge", "resize", "sc", "sic", "small", "smallcaps",
         "smaller", "strong", "tooltip", "unicode", "us$", "vanchor", "var", "visible anchor",
         "vr"),
        0,
    ),
    "lang": 1,
    "transl": 1,
}  # fmt: skip
_SYMBOLS = {"'": "'", "'s": "'s", "·": "·", "nbsp": " ", "spaces": " ", "snd": " – "} | {
    "mdash": "—", "mdashb": "—", "ndash": "–", "eqm": "⇌", "=": "=", "!": "|", "currentyear": "2016"
}  # fmt: skip
_BETWEEN_NUMBERS = {"to": "to", "-": "–", "–": "–", "and": "and", "or": "or", "x": "×", "by": "by"}


def prose(markup: str) -> str:
    """The readable text of a page: a paragraph, list item or heading a line, blocks set apart by
    an empty line. Empty for a page that holds no prose.
    """
    from gensim.corpora import wikicorpus

    text = COMMENT.sub("", markup)
    text = FOOTNOTE.sub("", text)
    text = UNREADABLE.sub("", text)
    text = FORMULA.sub(_formula, text)
    text = POWER.sub(lambda found: found[1].translate(SUPERSCRIPTS), text)
    text = LINE_BREAK.sub(" ", text)
    text = _until_stable(lambda text: TEMPLATE.sub(_template, text), text)
    text = _until_stable(lambda text: TABLE.sub("", text), text)
    text = PICTURE.sub("", text)
    text = wikicorpus.filter_wiki(text)
    return "\n\n".join(_blocks(text.splitlines()))


def _until_stable(change: Callable[[str], str], text: str) -> str:
    """Markup nests: each pass removes the innermost layer."""
    while (changed := change(text)) != text:
        text = changed
    return text


def _formula(found: re.Match[str]) -> str:
    """A formula that reads as text stays; what needs TeX to be read is dropped."""
    formula = found[1].strip()
    return formula if PLAIN_FORMULA.fullmatch(formula) else ""


def _template(found: re.Match[str]) -> str:
    """The words a template shows in running text, or nothing."""
    name, *fields = (field.strip() for field in found[1].split("|"))
    name = name.lower().replace("_", " ")
    arguments = [field for field in fields if not re.match(r"[\w -]+=", field)]
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    if not arguments:
        return ""
    if name in ("convert", "cvt"):
        return _measure(arguments)
    if name in ("frac", "sfrac"):
        return "/".join(arguments)
    if name in ("chem", "simplenuclide2"):
        return "".join(arguments)
    if name == "as of":
        year = arguments[0]
        return f"as of {year}" if "lc=y" in fields else f"As of {year}"
    if name == "val" or re.fullmatch(r"lang-\w{2,3}", name):
        return arguments[0]
    position = _ARGUMENT.get(name)
    if position is None or position >= len(arguments):
        return ""
    return arguments[position]


def _measure(arguments: list[str]) -> str:
    """`{{convert|10|to|20|km2|sqmi}}` is "10 to 20 km²"."""
    shown: list[str] = []
    for argument in arguments:
        if argument in _BETWEEN_NUMBERS:
            shown.append(_BETWEEN_NUMBERS[argument])
        elif re.match(r"[-−+]?[\d.]", argument):
            shown.append(argument)
        else:
            unit = re.sub(r"(?<=m)[23]$", lambda power: power[0].translate(SUPERSCRIPTS), argument)
            shown.append(unit.replace("sqmi", "square miles"))
            break
    return " ".join(shown)


def _blocks(lines: list[str]) -> list[str]:
    """Paragraphs, lists and the headings that have some prose under them."""
    blocks: list[str] = []
    headings: list[tuple[int, str]] = []  # seen, and not yet known to have prose under them
    skipped_level = 0  # the level of the appendix that is being passed over; 0 for none
    in_list = False
    for line in lines:
        if heading := HEADING.fullmatch(line.strip()):
            level, title = len(heading[1]), _tidy(heading[2])
            if skipped_level and level > skipped_level:
                continue
            skipped_level = level if title.lower() in APPENDICES else 0
            headings = [seen for seen in headings if seen[0] < level]
            if not skipped_level:
                headings.append((level, title))
            in_list = False
            continue
        if skipped_level:
            continue
        marker = re.match(r"[*#:;]*", line)
        text = _tidy(line[marker.end() if marker else 0 :])
        if not any(character.isalpha() for character in text):
            in_list = in_list and not line.strip()
            continue
        blocks.extend(title for _, title in headings)
        headings = []
        is_item = line.startswith(("*", "#"))
        if is_item and in_list:
            blocks[-1] += f"\n- {text}"
        else:
            blocks.append(f"- {text}" if is_item else text)
        in_list = is_item
    return blocks


def _tidy(line: str) -> str:
    """Without emphasis marks, and without the holes that removed markup leaves."""
    line = re.sub(r"'{2,}", "", line).replace("\xa0", " ")
    line = _until_stable(lambda line: EMPTY_BRACKETS.sub("", line), line)
    line = re.sub(r"\(\s*(?:[,;]\s*)+", "(", line)
    line = re.sub(r"(?:\s*[,;])+\s*\)", ")", line)
    line = re.sub(r"(?<=\()\s+|\s+(?=\))", "", line)
    line = re.sub(r"^[\s,;.:]+\s|\s+(?=[,;.:](?:\s|$))", "", line)
    return re.sub(r"\s+", " ", line).strip()
