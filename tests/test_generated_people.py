"""The generated sample: what its sentences are like, and that only the right context decides."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import islice, pairwise

import pytest

from corpora.generated_people import (
    COUNT,
    LABELS,
    NAME,
    Annotated,
    _grammar,
    ambiguous,
    sentences,
)
from corpora.people_grammar import GRAMMAR
from corpora.schemes import to_spans, to_tags
from corpora.tagged import read_tagged
from nlp.core.tokens.word_splitter import words_of

# Of the demonstration: found although they were never seen.
UNSEEN = ("Harry", "Potter", "Hermione", "Granger", "Hogwarts", "London", "Roosevelt")


@pytest.fixture(scope="module")
def sample() -> list[Annotated]:
    return list(sentences())


def test_the_same_seed_gives_the_same_sentences(sample: list[Annotated]) -> None:
    assert list(sentences(0)) == sample
    assert list(sentences(0, count=50)) == sample[:50]
    assert list(sentences(1, count=50)) != sample[:50]
    assert list(ambiguous(3, count=50)) == list(islice(ambiguous(3), 50))
    assert list(ambiguous(3, count=50)) != list(ambiguous(4, count=50))
    assert len(sample) == COUNT


def test_entities_are_runs_of_words_that_do_not_overlap(sample: list[Annotated]) -> None:
    for words, spans in [*sample, *ambiguous()]:
        assert all(0 <= span.start < span.end <= len(words) for span in spans)
        assert all(one.end <= other.start for one, other in pairwise(spans))
        assert to_spans(to_tags(spans, len(words), "IOBES"), "IOBES") == list(spans)
        for span in spans:
            assert words[span.start][0].isupper()
            assert words[span.end - 1] not in {".", ",", "'s", "’s", ")"}
    assert {span.label for _, spans in sample for span in spans} == set(LABELS)


def test_sentences_are_words_as_raw_text_is_split(sample: list[Annotated]) -> None:
    for words, _ in [*sample, *ambiguous()]:
        text = " ".join(words)
        assert [text[start:end] for start, end in words_of(text)] == list(words)
        assert "<" not in text
        assert re.search(r"\w", text)[0].isupper() or text[0].isdigit()  # type: ignore[index]


def test_most_names_are_seen_once_and_some_never(sample: list[Annotated]) -> None:
    names = Counter(words[span.start : span.end] for words, spans in sample for span in spans)
    assert sum(count == 1 for count in names.values()) > len(names) / 2
    seen = {word for seed in range(3) for words, _ in sentences(seed) for word in words}
    assert not seen & set(UNSEEN)
    assert not re.search(rf"\b({'|'.join(UNSEEN)})\b", GRAMMAR)


def test_some_names_could_be_of_any_kind(sample: list[Annotated]) -> None:
    """Of these neither the list nor the letters tell what they are."""
    grammar = _grammar()
    known = {word for name in ("first", "surname", "town") for word in grammar[name]}
    built = "|".join(grammar["start"]) + "|" + "|".join(grammar["syllable"]).title()
    kinds = Counter(
        span.label
        for words, spans in sample
        for span in spans
        if span.end - span.start == 1
        and words[span.start] not in known
        and re.match(built, words[span.start])
    )
    assert all(kinds[label] > 50 for label in LABELS)


def test_every_rule_is_used_and_there() -> None:
    grammar = _grammar()
    used = {
        name
        for lines in grammar.values()
        for line in lines
        for name in re.findall(r"<(.*?)>", line)
    }
    assert used - grammar.keys() == {"invented"}
    by_code = {"sentence", "before", "after-person", "after-thing", "thing"}
    parts = {"start", "syllable", "coda", "first-end", "surname-end", "town-end"}
    assert grammar.keys() - used == by_code | parts
    assert all(lines and all(lines) for lines in grammar.values())
    assert grammar["clause"].count("<someone> <did-alone>") == 5


def test_only_the_right_context_decides() -> None:
    """The best guess from all that comes before is wrong about three in eight times."""
    by_left: dict[tuple[str, ...], Counter[bool]] = defaultdict(Counter)
    by_next: dict[str, Counter[bool]] = defaultdict(Counter)
    befores = {tuple(before.split()) for before in _grammar()["before"]}
    total = 20_000
    for words, spans in ambiguous(count=total):
        small = (words[0][0].lower() + words[0][1:], *words[1:])
        starts = [
            len(before)
            for before in befores
            if before in (small[: len(before)], words[: len(before)])
        ]
        (start,) = starts
        named = bool(spans)
        if named:
            (span,) = spans
            assert (span.start, span.label) == (start, "person")
        else:
            assert " ".join(words[start : start + 2]) in _grammar()["thing"]
        by_left[words[: start + 1]][named] += 1
        by_next[words[start + 1]][named] += 1
    guessed = sum(max(counts.values()) for counts in by_left.values())
    assert guessed / total == pytest.approx(5 / 8, abs=0.04)
    for counts in by_left.values():
        assert len(counts) == 2  # each beginning, word included, goes on both ways
    assert sum(max(counts.values()) for counts in by_next.values()) == total


def test_read_tagged_knows_the_sample(sample: list[Annotated]) -> None:
    corpus = read_tagged(NAME, words_of=words_of)
    assert [(one.words, one.spans) for one in corpus.sentences] == sample
    assert corpus.labels == LABELS
