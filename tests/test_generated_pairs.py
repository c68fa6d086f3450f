"""The generated language pair: what it is like, and that its alignment is the true one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import combinations

import pytest

from corpora.generated_pairs import COUNT, AlignedPair, aligned_pairs, pairs
from corpora.pair_lexicon import NAMES, WORDS, adjective, lexicon
from nlp.core.tokens.word_splitter import words_of


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in words_of(text)]


def small(text: str) -> list[str]:
    """Words without the capital that begins the sentence."""
    first, *rest = words(text)
    return [first if first in (*NAMES, "I") else first.lower(), *rest]


@pytest.fixture(scope="module")
def sample() -> list[AlignedPair]:
    return list(aligned_pairs())


def test_the_same_seed_gives_the_same_pairs(sample: list[AlignedPair]) -> None:
    assert list(pairs(0, 50)) == [pair[:2] for pair in sample[:50]]
    assert list(pairs(1, 50)) != list(pairs(0, 50))
    assert list(pairs(0, 0)) == []
    assert len({pair.source for pair in sample}) == len(sample) == COUNT
    assert next(pairs(5))[0] == "Did David sleep behind a green river?"
    assert next(pairs(5))[1] == "David gap sabo oru rebisek ka?"


def test_sentences_are_plain_text(sample: list[AlignedPair]) -> None:
    for pair in sample:
        for text in pair[:2]:
            assert re.fullmatch(r"[A-Z][A-Za-z]*( [A-Za-z]+,?)*[.?]", text)
        source, target = map(words, pair[:2])
        assert 3 <= len(source) <= 30
        assert 3 <= len(target) <= 30
        assert source[-1] == target[-1]
    assert len({word for pair in sample for word in small(pair.source)}) < 400
    assert len({word for pair in sample for word in small(pair.target)}) < 600
    # Long sentences are common, and every word is seen more than once in so many pairs.
    assert sum(len(words(pair.source)) > 12 for pair in sample) > len(sample) / 8
    for side in (0, 1):
        counts = Counter(word for pair in sample[:6000] for word in small(pair[side]))
        assert min(counts.values()) >= 2


def test_links_are_within_the_sentences(sample: list[AlignedPair]) -> None:
    for pair in sample:
        source, target = map(small, pair[:2])
        linked_source, linked_target = map(set, zip(*pair.alignment, strict=True))
        assert list(pair.alignment) == sorted(set(pair.alignment))
        assert linked_target == set(range(len(target)))
        assert {source[i] for i in set(range(len(source))) - linked_source} <= {"a", "an"}
        assert linked_source <= set(range(len(source)))
        named = {(source[i], target[j]) for i, j in pair.alignment if source[i] in NAMES}
        assert all(name == copied for name, copied in named)
        assert sorted(set(source) & set(NAMES)) == sorted(set(target) & set(NAMES))


def test_a_word_of_tamiric_has_one_meaning(sample: list[AlignedPair]) -> None:
    meanings = defaultdict(Counter)
    for pair in sample:
        source, target = map(small, pair[:2])
        of_target = defaultdict(list)
        for i, j in pair.alignment:
            if source[i] not in ("did", "will", "was", "were") and target[j] not in ("iso", "ume"):
                of_target[j].append(source[i])
        for j, rendered in of_target.items():
            base = " ".join(rendered)
            meanings[target[j]][base] += 1
    lexical = lexicon()
    same = {frozenset((verb.base, verb.past)) for kind in lexical[4:9] for verb in kind}
    for word, found in meanings.items():
        forms = {tuple(meaning.split()) for meaning in found}
        assert len(forms) == 1 or frozenset(forms) in same, (word, found)


def test_no_two_forms_are_alike() -> None:
    held = lexicon()
    forms = [*WORDS.values(), "iso", "ume", "la", "lai", "ku", "kui"]
    for noun in (*held.people, *held.things, *held.places):
        for number in range(4):
            forms.append(noun.in_tamiric(number > 1, number % 2 == 1)[-1])
    for root in (*held.adjectives.values(), held.my):
        forms += [adjective(root, number > 1, number % 2 == 1) for number in range(4)]
    for verb in (*held.alone, *held.with_object, *held.to_a_place, *held.to_somebody, *held.that):
        forms += [verb.in_tamiric(number > 1, number % 2 == 1)[-1] for number in range(4)]
    assert [form for form, count in Counter(forms).items() if count > 1] == []
    assert len(set(NAMES)) == len(NAMES)
    assert not {name.lower() for name in NAMES} & set(forms)


def test_english_is_inflected() -> None:
    held = lexicon()
    plurals = {noun.in_english(True)[-1] for kind in held[:3] for noun in kind}
    assert {"wolves", "thieves", "knives", "fishermen", "cities", "boxes", "donkeys"} <= plurals
    assert {"witches", "trees", "offices", "libraries", "judges"} <= plurals
    assert not {"wolfs", "citys", "boxs"} & plurals


def test_words_agree_and_stand_in_their_order(sample: list[AlignedPair]) -> None:
    held = lexicon()
    nouns = {noun.root: noun for kind in held[:3] for noun in kind}
    root = re.compile(rf"({'|'.join(sorted(nouns, key=len, reverse=True))})(ai)?(e?n)?")
    kinds = {(root + "o", word) for word, root in held.adjectives.items()}
    adjectives = tuple(form for form, _ in kinds)
    seen = Counter()
    for pair in sample:
        target = small(pair.target)
        for place, word in enumerate(target):
            after = target[place + 1 :]
            if word in ("la", "lai", "ku", "kui"):
                noun = root.fullmatch(after[after[0] == "iso"])
                assert noun
                assert (word[:2] == "la") == (noun[1][-1] in "lmnr")
                assert word.endswith("i") == bool(noun[2])
                seen["article"] += 1
            if word.startswith(adjectives) and (noun := root.fullmatch(target[place - 1])):
                assert word.removesuffix("n").endswith("oi") == bool(noun[2])
                if target[place + 1] not in ("esek", "eseki", "esus", "esusi", "ne"):
                    assert word.endswith("n") == bool(noun[3])
                    seen["adjective"] += 1
        if pair.source[-1] == "?":
            assert target[-2] == "ka"
            assert (0, len(target) - 2) in pair.alignment
        elif not re.search(r", | because ", pair.source):
            assert re.search(r"(ek|us)i?$", target[-2])
    assert seen["article"] > 1000
    assert seen["adjective"] > 1000


def test_what_makes_translation_hard_is_there(sample: list[AlignedPair]) -> None:
    def crosses(pair: AlignedPair) -> bool:
        return any((i - k) * (j - m) < 0 for (i, j), (k, m) in combinations(pair.alignment, 2))

    def shared(pair: AlignedPair, side: int) -> bool:
        """Whether one word belongs to several of the other side."""
        return max(Counter(link[side] for link in pair.alignment).values()) > 1

    total = len(sample)
    assert sum(map(crosses, sample)) > 0.9 * total
    assert sum(shared(pair, 0) for pair in sample) > 0.1 * total
    assert sum(shared(pair, 1) for pair in sample) > 0.3 * total
    assert (
        sum(len({i for i, _ in p.alignment}) < len(words(p.source)) for p in sample) > 0.2 * total
    )


def test_a_statistical_aligner_finds_the_same_links(sample: list[AlignedPair]) -> None:
    """IBM model 1 (Brown et al. 1993), which knows nothing but which words occur together."""
    held = [(small(source), small(target), links) for source, target, links in sample[:1200]]
    probability: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    for _ in range(6):
        counts: dict[tuple[str, str], float] = defaultdict(float)
        totals: dict[str, float] = defaultdict(float)
        for source, target, _ in held:
            for rendered in target:
                scores = [probability[word, rendered] for word in source]
                norm = sum(scores)
                for word, score in zip(source, scores, strict=True):
                    counts[word, rendered] += score / norm
                    totals[word] += score / norm
        probability = defaultdict(float, {key: n / totals[key[0]] for key, n in counts.items()})
    found = right = 0
    for source, target, links in held:
        for j, rendered in enumerate(target):
            i = max(range(len(source)), key=lambda i: probability[source[i], rendered])
            found += 1
            right += (i, j) in links
    assert right / found > 0.9
