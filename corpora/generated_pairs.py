"""Sentences in English and in Tamiric, a language that is invented: "generated-pairs".

    the old farmers  bought  a red horse  in the village  yesterday .
    yesterday  the farmers old  the village in  horse red  bought .      (in Tamiric's order)

A sample to try translators on, and to test them with. What makes translation hard is in it, at a
size that is learned in minutes: the verb comes last and adjectives stand behind their noun, so that
words cross; prepositions stand behind too, and a because-clause comes first; nouns, adjectives and
articles agree in number and case, verbs with their subject, articles with the sound of their noun;
a word is two on the other side, or none; names are copied. Which word comes of which is known:
`aligned_pairs` tells, so that alignments can be measured.

    >>> pair = next(aligned_pairs(seed=2))
    >>> pair.source, pair.target
    ('I liked a pear behind a forest.', 'Si batan oru dusen mofagek.')
    >>> pair.alignment
    ((0, 0), (1, 4), (3, 3), (4, 2), (6, 1), (7, 5))
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from corpora.pair_lexicon import NAMES, WORDS, Noun, Verb, adjective, lexicon

NAME = "generated-pairs"
COUNT = 8000  # pairs of the sample

_PAST = ("yesterday", "last_week", "this_morning")
_FUTURE = ("tomorrow", "next_week", "soon")
_PLURAL = ("two", "three", "four", "many")
_PRONOUNS = {"he": "him", "she": "her", "they": "them", "I": "me", "we": "us"}  # and as objects
_PLURAL_PRONOUNS = ("they", "we")


class AlignedPair(NamedTuple):
    """A sentence in English, in Tamiric, and which words belong together.

    `alignment` has (i, j) where word i of the source, counted from 0 with signs as words, gives
    word j of the target. Some words have no other, and some have several.
    """

    source: str
    target: str
    alignment: tuple[tuple[int, int], ...]


class _Phrase(NamedTuple):
    """Words of the source, and each word of the target with the places of those that it renders."""

    source: tuple[str, ...]
    target: tuple[tuple[str, tuple[int, ...]], ...]
    plural: bool = False


def pairs(seed: int = 0, count: int = COUNT) -> Iterator[tuple[str, str]]:
    """Sentences with their translations, no two alike, the same of the same seed: a smaller count
    gives the first of them.
    """
    for source, target, _ in aligned_pairs(seed, count):
        yield source, target


def aligned_pairs(seed: int = 0, count: int = COUNT) -> Iterator[AlignedPair]:
    """The pairs of `pairs`, with the alignment of their words."""
    grammar = _Grammar(random.Random(f"{NAME} {seed}"))
    seen: set[str] = set()
    while len(seen) < count:
        phrase = grammar.sentence()
        source = _text(phrase.source)
        if source in seen:  # a part to test on holds none that was trained on
            continue
        seen.add(source)
        links = sorted((i, j) for j, (_, places) in enumerate(phrase.target) for i in places)
        yield AlignedPair(source, _text([word for word, _ in phrase.target]), tuple(links))


def _text(words: Sequence[str]) -> str:
    """A sentence begins with a capital; signs stand at the word before them."""
    text = "".join(word if word in ",.?" else f" {word}" for word in words)
    return text[1].upper() + text[2:]


def _arranged(parts: Sequence[_Phrase], order: Sequence[int], plural: bool = False) -> _Phrase:
    """The parts in English one after the other, and in Tamiric in `order`, by their numbers."""
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part.source))
    target = tuple(
        (word, tuple(place + starts[number] for place in places))
        for number in order
        for word, places in parts[number].target
    )
    return _Phrase(tuple(word for part in parts for word in part.source), target, plural)


def _rendered(source: Sequence[str], target: Sequence[str], plural: bool = False) -> _Phrase:
    """Words that belong together, every one with every other."""
    every = tuple(range(len(source)))
    return _Phrase(tuple(source), tuple((word, every) for word in target), plural)


def _word(english: str) -> _Phrase:
    return _rendered(english.split("_"), (WORDS[english],))


class _Grammar:
    """Each method writes one kind of phrase in both languages at once."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._words = lexicon()

    def _one_in(self, number: int) -> bool:
        return self._chance.randrange(number) == 0

    def sentence(self) -> _Phrase:
        kind = self._chance.choices(
            ("clause", "question", "joined", "because", "that"), (12, 3, 2, 2, 2)
        )[0]
        if kind == "question":
            parts, order = self._parts(question=True)
            whole = _arranged([_word("did"), *parts], (*(n + 1 for n in order), 0))
        elif kind == "joined":
            joint = self._chance.choice(("and", "but"))
            parts = [self._clause(short=True), _word(","), _word(joint), self._clause(short=True)]
            whole = _arranged(parts, (0, 1, 2, 3))
        elif kind == "because":
            parts = [self._clause(short=True), _word("because"), self._clause(short=True)]
            whole = _arranged(parts, (2, 1, 0))
        elif kind == "that":
            subject = self._noun_phrase()
            verb = self._verb(self._chance.choice(self._words.that), subject.plural, False)
            parts = [subject, verb, _word("that"), self._clause(short=True)]
            whole = _arranged(parts, (0, 2, 3, 1))
        else:
            whole = self._clause()
        return _arranged([whole, _word("?" if kind == "question" else ".")], (0, 1))

    def _clause(self, *, short: bool = False) -> _Phrase:
        if self._one_in(6):
            return self._being()
        return _arranged(*self._parts(short=short))

    def _being(self) -> _Phrase:
        """Such as "Anna was tired" and "they will be doctors"."""
        subject = self._noun_phrase()
        plural = subject.plural
        verb = self._verb(self._words.be, plural, self._one_in(4), subject.source)
        if self._one_in(3):
            noun = self._chance.choice(self._words.people)
            what = _rendered(noun.in_english(plural), noun.in_tamiric(plural, False))
            if not plural:
                what = _arranged([self._a(what), what], (0, 1))
        else:
            word, root = self._chance.choice(list(self._words.adjectives.items()))
            what = _rendered((word,), (adjective(root, plural, False),))
        return _arranged([subject, verb, what], (0, 2, 1))

    def _parts(
        self, *, short: bool = False, question: bool = False
    ) -> tuple[list[_Phrase], list[int]]:
        """The parts of a clause, subject first, and their order in Tamiric: time, subject, place or
        receiver, object, verb.
        """
        subject = self._noun_phrase(short=short)
        future = not question and self._one_in(4)
        kind = self._chance.choices(
            ("alone", "with_object", "to_a_place", "to_somebody"), (3, 10, 3, 3)
        )[0]
        verb = self._chance.choice(getattr(self._words, kind))
        if question:
            group = _rendered(verb.base, verb.in_tamiric(subject.plural, False))
        else:
            group = self._verb(verb, subject.plural, future)
        parts = [subject, group]
        places: list[int] = []
        objects: list[int] = []
        if kind in ("with_object", "to_somebody"):
            parts.append(self._noun_phrase(accusative=True, thing=True, short=short))
            objects.append(2)
        if kind == "to_somebody":
            parts.append(self._behind("to", self._noun_phrase(receiver=True, short=True)))
            places.append(3)
        elif kind == "to_a_place" or (not short and self._one_in(3)):
            where = "to from" if kind == "to_a_place" else "in near behind under"
            place = self._nominal(self._chance.choice(self._words.places), False, short=True)
            parts.append(self._behind(self._chance.choice(where.split()), place))
            places.append(len(parts) - 1)
        order = [0, *places, *objects, 1]
        if not short and self._one_in(4):
            order.insert(0, len(parts))
            parts.append(_word(self._chance.choice(_FUTURE if future else _PAST)))
        return parts, order

    def _behind(self, preposition: str, phrase: _Phrase) -> _Phrase:
        return _arranged([_word(preposition), phrase], (1, 0))

    def _verb(self, verb: Verb, plural: bool, future: bool, subject: Sequence[str] = ()) -> _Phrase:
        """The verb as its subject has it, in one of four negated; `subject` is that of "be"."""
        tamiric = verb.in_tamiric(plural, future)
        past = verb.past
        auxiliary = "did"
        if verb is self._words.be:
            past = ("were",) if plural else past
            auxiliary = past[0]
        if not self._one_in(4):
            return _rendered(("will", *verb.base) if future else past, tamiric)
        base = verb.base if future or verb is not self._words.be else ()
        english = ("will" if future else auxiliary, "not", *base)
        rest = (0, *range(2, len(english)))
        return _Phrase(english, ((WORDS["not"], (1,)), *((word, rest) for word in tamiric)))

    def _noun_phrase(
        self,
        *,
        accusative: bool = False,
        thing: bool = False,
        receiver: bool = False,
        short: bool = False,
    ) -> _Phrase:
        """Somebody, or with `thing` mostly something."""
        drawn = self._chance.randrange(20)
        if thing and drawn > 2:
            noun = self._chance.choice(self._words.things)
            return self._nominal(noun, accusative, short=short)
        if drawn < 9:
            name = self._chance.choice(NAMES)
            if drawn or short:
                return _rendered((name,), (name,))
            other = self._chance.choice(NAMES)
            names = [_rendered((one,), (one,)) for one in (name, other)]
            return _arranged([names[0], _word("and"), names[1]], (0, 1, 2), plural=True)
        if drawn < 12 and not receiver:
            pronoun = self._chance.choice(list(_PRONOUNS))
            word = _word(_PRONOUNS[pronoun] if accusative else pronoun)
            return word._replace(plural=pronoun in _PLURAL_PRONOUNS)
        return self._nominal(self._chance.choice(self._words.people), accusative, short=short)

    def _nominal(self, noun: Noun, accusative: bool, *, short: bool) -> _Phrase:
        """A noun with a determiner and its adjectives: "my old dogs" is "dogs old my"."""
        kind = self._chance.choices(("the", "a", "my", "many"), (5, 3, 2, 2))[0]
        plural = kind == "many" or (kind != "a" and self._one_in(3))
        parts = [_rendered(noun.in_english(plural), noun.in_tamiric(plural, accusative))]
        for _ in range(self._chance.choice((0, 0, 0, 1, 1) if short else (0, 0, 1, 1, 2))):
            word, root = self._chance.choice(list(self._words.adjectives.items()))
            if any(word in part.source for part in parts):
                continue
            parts.insert(0, _rendered((word,), (adjective(root, plural, accusative),)))
        order = list(range(len(parts), 0, -1))  # with the determiner before them
        if kind == "the":
            parts.insert(0, _rendered(("the",), (noun.article(plural),)))
            order.insert(0, 0)
        elif kind == "a":
            parts.insert(0, self._a(parts[0]))
        elif kind == "my":
            parts.insert(0, _rendered(("my",), (adjective(self._words.my, plural, accusative),)))
            order.append(0)
        else:
            parts.insert(0, _word(self._chance.choice(_PLURAL)))
            order.insert(0, 0)
        phrase = _arranged(parts, order, plural)
        if not short and kind == "the" and not accusative and self._one_in(5):
            owner = self._behind("of", self._noun_phrase(receiver=True, short=True))
            phrase = _arranged([phrase, owner], (1, 0), plural)
        return phrase

    def _a(self, following: _Phrase) -> _Phrase:
        """The article that Tamiric has no word for."""
        return _Phrase(("an" if following.source[0][0] in "aeiou" else "a",), ())
