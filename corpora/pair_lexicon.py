"""The words of "generated-pairs": English and Tamiric, and how each language inflects them.

Tamiric's roots are put together from syllables, one for each English word in the order of the lists
below; its endings are

    noun        -     -ai     with -en, -n behind them for what is done something to
    adjective   -o    -oi     likewise with -n; they agree with their noun
    verb        -ek   -eki    of the past, -us and -usi of the future; they agree with their subject

"_" joins words of English that are one in Tamiric; "+" is behind a word that is two in Tamiric.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import NamedTuple

_PEOPLE = """farmer king doctor teacher painter singer baker captain judge neighbour sister brother
    daughter poet queen soldier thief postman+ shopkeeper+ fisherman+ wolf horse cat dog bird
    donkey giant witch"""
_THINGS = """book letter apple picture ring clock table violin boat key lamp cup coat flag stone
    flower chair knife basket bottle mirror hammer pear cake blanket hat apple_tree rocking_chair
    wooden_spoon newspaper+ wheelbarrow+ umbrella+ story box candle carpet"""
_PLACES = """garden village city castle river forest kitchen market tower bridge harbour island
    museum+ library+ bakery+ hospital+ post_office railway_station mountain street"""
_ADJECTIVES = """old young big small red green blue white black happy tired hungry quiet rich poor
    clever strange beautiful heavy cold brave lazy angry friendly"""
_ALONE = "sleep slept|laugh laughed|dance danced|sing sang|arrive arrived|disappear+ disappeared"
_WITH_OBJECT = """see saw|buy bought|sell sold|find found|lose lost|paint painted|steal stole|
    hide hid|break broke|like liked|look_for looked_for|pick_up picked_up|throw_away threw_away|
    forget+ forgot|admire+ admired|take took|keep kept|describe described"""
_TO_A_PLACE = "walk walked|run ran|travel travelled|return+ returned|hurry hurried"
_TO_SOMEBODY = "give gave|show showed|send sent|promise+ promised"
_THAT = "say said|think thought|know knew|believe+ believed"
_NAMES = """
    Anna Bruno Carla David Elena Felix Greta Hugo Ida Jonas Karin Leo Maria Nils Olga Paul Rosa
    Stefan Tilda Ursula Viktor Wanda Yusuf Zoe Amara Boris Chen Dmitri Emil Fatima Goran Hana Ivan
    Judit Kofi Lucia Marek Noor Oskar Priya Rafael Selma Tarik Uma Vera Walter Yuki Zeno"""
NAMES = tuple(_NAMES.split())
WORDS = {
    **{"and": "ve", "but": "olo", "because": "tari", "that": "ke", "not": "ne", "did": "ka"},
    **{"to": "lu", "of": "de", "in": "upe", "near": "ila", "behind": "oru", "under": "eba"},
    **{"with": "uno", "from": "izi", "two": "bi", "three": "teru", "four": "vau", "many": "moko"},
    **{"he": "om", "she": "am", "they": "omi", "I": "si", "we": "sire"},
    **{"him": "omen", "her": "amen", "them": "omin", "me": "sin", "us": "siren"},
    **{"yesterday": "ere", "last_week": "severe", "this_morning": "auriko", "tomorrow": "alo"},
    **{"next_week": "sevalo", "soon": "iki", ",": ",", ".": ".", "?": "?"},
}
"""What is not inflected."""
_FIRST_OF_TWO = {"noun": "iso", "verb": "ume"}  # of the words that are two in Tamiric
_LIQUID = "lmnr"  # nouns that end so have another article


class Noun(NamedTuple):
    """A noun: words of English, and of Tamiric the part before the root and the root."""

    english: tuple[str, ...]
    before: tuple[str, ...]
    root: str

    def in_english(self, plural: bool) -> tuple[str, ...]:
        *first, last = self.english
        return (*first, _english_plural(last) if plural else last)

    def in_tamiric(self, plural: bool, accusative: bool) -> tuple[str, ...]:
        ending = "ai" if plural else ""
        if accusative:
            ending = f"{ending}n" if plural else "en"
        return (*self.before, self.root + ending)

    def article(self, plural: bool) -> str:
        """What "the" is before this noun."""
        return ("la" if self.root[-1] in _LIQUID else "ku") + "i" * plural


class Verb(NamedTuple):
    """A verb: base form and past in English, and of Tamiric as of nouns."""

    base: tuple[str, ...]
    past: tuple[str, ...]
    before: tuple[str, ...]
    root: str

    def in_tamiric(self, plural: bool, future: bool) -> tuple[str, ...]:
        return (*self.before, self.root + ("us" if future else "ek") + "i" * plural)


class Lexicon(NamedTuple):
    """All inflected words by what they do; `adjectives` are root by word."""

    people: tuple[Noun, ...]
    things: tuple[Noun, ...]
    places: tuple[Noun, ...]
    adjectives: dict[str, str]
    alone: tuple[Verb, ...]
    with_object: tuple[Verb, ...]
    to_a_place: tuple[Verb, ...]
    to_somebody: tuple[Verb, ...]
    that: tuple[Verb, ...]
    be: Verb
    my: str


def adjective(root: str, plural: bool, accusative: bool) -> str:
    """The form of an adjective that agrees with its noun."""
    return root + "o" + "i" * plural + "n" * accusative


@cache
def lexicon() -> Lexicon:
    """Gives every word its root."""
    numbers = count(1)

    def nouns(text: str) -> tuple[Noun, ...]:
        return tuple(
            Noun(_english(word), _before(word, "noun"), _root(next(numbers)))
            for word in text.split()
        )

    def verbs(text: str) -> tuple[Verb, ...]:
        forms = (pair.split() for pair in text.split("|"))
        return tuple(
            Verb(_english(base), _english(past), _before(base, "verb"), _root(next(numbers)))
            for base, past in forms
        )

    return Lexicon(
        people=nouns(_PEOPLE),
        things=nouns(_THINGS),
        places=nouns(_PLACES),
        adjectives={word: _root(next(numbers)) for word in _ADJECTIVES.split()},
        alone=verbs(_ALONE),
        with_object=verbs(_WITH_OBJECT),
        to_a_place=verbs(_TO_A_PLACE),
        to_somebody=verbs(_TO_SOMEBODY),
        that=verbs(_THAT),
        be=Verb(("be",), ("was",), (), "es"),
        my=_root(next(numbers)),
    )


def _english(word: str) -> tuple[str, ...]:
    return tuple(word.removesuffix("+").split("_"))


def _before(word: str, kind: str) -> tuple[str, ...]:
    return (_FIRST_OF_TWO[kind],) if word.endswith("+") else ()


def _root(number: int) -> str:
    """The root with a number: no two are alike, nor is one like another with an ending, for whose
    sake a second vowel is a or i.
    """
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    kinds = [consonants, vowels, consonants]
    if number % 3:
        kinds += ["ai", consonants]
    size = 1
    for kind in kinds:
        size *= len(kind)
    rest = number * 10007 % size  # a prime: different numbers stay so
    letters = []
    for kind in kinds:
        rest, letter = divmod(rest, len(kind))
        letters.append(kind[letter])
    return "".join(letters)


def _english_plural(word: str) -> str:
    if word.endswith("man"):
        return word[:-3] + "men"
    if word in ("thief", "wolf", "knife"):
        return word.removesuffix("e").removesuffix("f") + "ves"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch")) else "s")
