"""Sentences about people, places and organisations, written by a grammar: "generated-people".

    Noor Bellweather and Ida Karvin left Ostermond for Lisbon .
    └─── person ───┘     └ person ┘      └─place─┘     └place┘

A sample to try taggers on, and to test them with: whoever learns from it learns letters, capitals
and contexts, for most of its names are put together from syllables and hardly occur twice. Where
a name could be of any kind, only its context tells. `ambiguous` goes further: its sentences begin
alike, and what comes after a word decides whether it names somebody.

    >>> words, spans = next(sentences(seed=0))
    >>> {span.label for span in spans} <= set(LABELS)
    True
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache

from corpora.people_grammar import GRAMMAR
from corpora.schemes import Span

NAME = "generated-people"
LABELS = ("organisation", "person", "place")
COUNT = 4000  # sentences of the sample
AMBIGUOUS_SHARE = 0.12  # of the sample
# Of a hundred first names, surnames and towns.
OF_ANY_KIND, OF_THEIR_KIND = 30, 25  # put together; the others are in the grammar

Annotated = tuple[tuple[str, ...], tuple[Span, ...]]  # words of a sentence, and its entities


def sentences(seed: int = 0, count: int = COUNT) -> Iterator[Annotated]:
    """Annotated sentences, the same of the same seed: a smaller count gives the first of them."""
    chance = random.Random(f"{NAME} {seed}")
    for _ in range(count):
        if chance.random() < AMBIGUOUS_SHARE:
            yield _ambiguous(chance)
        else:
            yield _written("<sentence>", chance)


def ambiguous(seed: int = 0, count: int = 1000) -> Iterator[Annotated]:
    """Sentences in which only what comes after a word tells whether it is somebody's name.

    "He said , Teddy Roosevelt was a great President ." names a person where "He said , Teddy bears
    are on sale ." names none. Nothing before the word tells which. Of eight such words, three are
    of things, four are names that stand alone and one has a surname, so that a model which has not
    read on is right about five in eight at most.
    """
    chance = random.Random(f"{NAME}, ambiguous {seed}")
    for _ in range(count):
        yield _ambiguous(chance)


def _ambiguous(chance: random.Random) -> Annotated:
    before = chance.choice(_grammar()["before"])
    thing = chance.choice(_grammar()["thing"])
    name = thing.split()[0]
    kind = chance.choices(("thing", "name", "whole name"), (3, 4, 1))[0]
    if kind == "thing":
        return _written(f"{before} {thing} <after-thing> .", chance)
    if kind == "whole name":
        name += " <surname>"
    start = len(before.split())
    words, spans = _written(f"{before} {name} <after-person> .", chance)
    return words, (Span(start, start + len(name.split()), "person"), *spans)


def _written(template: str, chance: random.Random) -> Annotated:
    """A sentence of a template; it begins with a capital."""
    words: list[str] = []
    spans: list[Span] = []

    def write(part: str) -> None:
        for symbol in part.split():
            if not symbol.startswith("<"):
                words.append(symbol)
                continue
            name, start = symbol[1:-1], len(words)
            if invented := _invented(name, chance):
                words.append(invented)
            else:
                write(chance.choice(_grammar()[name]))
            if name in LABELS:
                spans.append(Span(start, len(words), name))

    write(template)
    first = int(not words[0][0].isalnum())  # behind a quotation mark
    words[first] = words[first][0].upper() + words[first][1:]
    return tuple(words), tuple(spans)


def _invented(name: str, chance: random.Random) -> str:
    """A name that is in no list, where there is to be one."""
    grammar = _grammar()
    if name != "invented":
        if f"{name}-end" not in grammar:
            return ""
        drawn = chance.randrange(100)
        if drawn >= OF_ANY_KIND + OF_THEIR_KIND:
            return ""
        if drawn < OF_THEIR_KIND:
            return chance.choice(grammar["start"]) + chance.choice(grammar[f"{name}-end"])
    syllables = chance.choices(grammar["syllable"], k=chance.choice((2, 2, 2, 3)))
    coda = chance.choice(grammar["coda"]) if chance.random() < 0.8 else ""
    return "".join((*syllables, coda)).capitalize()


@cache
def _grammar() -> dict[str, list[str]]:
    """The alternatives of each name in the grammar; likelier ones are there several times."""
    grammar: dict[str, list[str]] = {}
    for rule in re.split(r"\n(?=\S)", GRAMMAR.strip()):
        head, _, text = rule.partition("\n")
        name, listed, inline = head.partition(" =")
        text = f"{inline}\n{text}".strip()
        lines = text.split("|" if "|" in text else None) if listed else text.split("\n")
        grammar[name] = []
        for line in map(str.strip, lines):
            times = re.match(r"(\d)\* ", line)
            alternative = " ".join(line[times.end() if times else 0 :].split())
            grammar[name] += [alternative] * (int(times[1]) if times else 1)
    return grammar
