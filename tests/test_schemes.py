"""Tagging schemes against the CoNLL script, seqeval, and each other."""

from __future__ import annotations

import itertools
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from corpora.errors import UsageError
from corpora.schemes import (
    Scheme,
    Span,
    TagError,
    detect,
    is_allowed,
    tag_set,
    to_spans,
    to_tags,
)

SCHEMES: tuple[Scheme, ...] = ("IOB1", "BIO", "IOBES", "BILOU")
LABELS = ("PER", "LOC", "creative-work")


def conlleval_chunks(tags: list[str]) -> list[tuple[int, int, str]]:
    """Transcribed from conlleval (Tjong Kim Sang, 2004), `endOfChunk` and `startOfChunk`; the rules
    for S and those for E after another prefix are of its successor conlleval.py, as in seqeval.
    """

    def end_of_chunk(before: str, tag: str, type_before: str, type_: str) -> bool:
        return (
            (before, tag) in {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")}
            or (before, tag) in {("E", "E"), ("E", "I"), ("E", "O")}
            or (before != "O" and type_before != type_)
            or before in ("E", "S")
            or (before in ("B", "I") and tag == "S")
        )

    def start_of_chunk(before: str, tag: str, type_before: str, type_: str) -> bool:
        return (
            (before, tag) in {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I")}
            or (before, tag) in {("E", "E"), ("E", "I"), ("O", "E"), ("O", "I")}
            or (tag != "O" and type_before != type_)
            or tag in ("B", "S")
            or (before == "S" and tag in ("E", "I"))
        )

    chunks = []
    before, type_before, start = "O", "", 0
    for place, whole in enumerate([*tags, "O"]):
        tag, _, type_ = whole.partition("-")
        if end_of_chunk(before, tag, type_before, type_):
            chunks.append((start, place, type_before))
        if start_of_chunk(before, tag, type_before, type_):
            start = place
        before, type_before = tag, type_
    return chunks


def sequences(prefixes: str, labels: tuple[str, ...] = LABELS) -> st.SearchStrategy[list[str]]:
    """Tags in any order, allowed or not."""
    return st.lists(
        st.sampled_from(["O", *(f"{prefix}-{label}" for prefix in prefixes for label in labels)])
    )


@st.composite
def annotations(draw: st.DrawFn, labels: tuple[str, ...] = LABELS) -> tuple[list[Span], int]:
    """Spans without overlap, and the number of words."""
    spans, end = [], 0
    for gap, size, label in draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(labels)), max_size=6
        )
    ):
        spans.append(Span(end + gap, end + gap + size, label))
        end = spans[-1].end
    return spans, end + draw(st.integers(0, 2))


@pytest.mark.parametrize("scheme", ["IOB1", "BIO", "IOBES"])
def test_any_tags_are_read_as_by_conlleval_and_seqeval(scheme: Scheme) -> None:
    @given(sequences("BIES" if scheme == "IOBES" else "BI"))
    def check(tags: list[str]) -> None:
        spans = to_spans(tags, scheme)
        assert spans == conlleval_chunks(tags)
        assert spans == [Span(start, end + 1, label) for label, start, end in get_entities(tags)]

    check()


@given(sequences("BILU"))
def test_bilou_is_read_as_iobes_in_other_letters(tags: list[str]) -> None:
    translated = [
        tag.replace("L-", "E-", 1).replace("U-", "S-", 1) if tag != "O" else tag for tag in tags
    ]
    assert to_spans(tags, "BILOU") == conlleval_chunks(translated)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["O", "I-X", "I-X"], [(1, 3, "X")]),
        (["B-X", "I-Y"], [(0, 1, "X"), (1, 2, "Y")]),
        (["I-X", "B-X"], [(0, 1, "X"), (1, 2, "X")]),
        (["PER", "PER", "O", "PER", "LOC"], [(0, 2, "PER"), (3, 4, "PER"), (4, 5, "LOC")]),
        ([], []),
    ],
)
def test_examples(tags: list[str], expected: list[tuple[int, int, str]]) -> None:
    assert to_spans(tags, "IOB1") == expected


def test_seqeval_misreads_bilou() -> None:
    """seqeval's issue 95. By default it knows neither L- nor U-, warns, and joins neighbours; and
    in its strict mode an entity that is begun and not ended is nothing: its type is not even among
    those that are scored. Ours reads the first as BILOU means it, and the second as conlleval
    would, which counts it. So our scores are compared with seqeval's in IOBES, not in BILOU.
    """
    tags = ["U-PER", "U-PER", "L-PER"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert get_entities(tags) == [("PER", 0, 2)]
    assert any("seems not to be NE tag" in str(warning.message) for warning in told)
    assert to_spans(tags, "BILOU") == [(0, 1, "PER"), (1, 2, "PER"), (2, 3, "PER")]

    from seqeval.metrics import classification_report
    from seqeval.scheme import BILOU

    gold = [["B-PER", "L-PER", "O", "B-MISC"]]
    report = classification_report(gold, gold, mode="strict", scheme=BILOU, output_dict=True)
    assert "PER" in report
    assert "MISC" not in report
    assert to_spans(gold[0], "BILOU") == [(0, 2, "PER"), (3, 4, "MISC")]


@pytest.mark.parametrize("scheme", SCHEMES)
@given(annotation=annotations())
def test_spans_survive_every_scheme(scheme: Scheme, annotation: tuple[list[Span], int]) -> None:
    spans, length = annotation
    tags = to_tags(spans, length, scheme)
    assert len(tags) == length
    assert to_spans(tags, scheme) == spans
    assert set(tags) <= set(tag_set(LABELS, scheme))
    steps = itertools.pairwise([None, *tags, None])
    assert all(is_allowed(before, after, scheme) for before, after in steps)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_what_is_allowed_is_what_spans_give(scheme: Scheme, data: st.DataObject) -> None:
    """A sequence is allowed step by step if and only if it is how some spans are written."""
    tags = data.draw(st.lists(st.sampled_from(tag_set(("A", "B"), scheme)), max_size=6))
    steps = itertools.pairwise([None, *tags, None])
    allowed = all(is_allowed(before, after, scheme) for before, after in steps)
    assert allowed == (to_tags(to_spans(tags, scheme), len(tags), scheme) == tags)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_allowed_sequences_are_as_many_as_there_are_annotations(scheme: Scheme) -> None:
    """All of four words and two labels, counted; none is both allowed and read otherwise."""
    tags = tag_set(("X", "Y"), scheme)
    allowed = [
        sequence
        for sequence in itertools.product(tags, repeat=4)
        if all(is_allowed(*step, scheme) for step in itertools.pairwise([None, *sequence, None]))
    ]
    # a(n) = a(n-1) for O and 2 a(n-k) for an entity of k words: 1, 3, 11, 41, 153
    assert len(allowed) == 153
    assert len({tuple(to_spans(sequence, scheme)) for sequence in allowed}) == 153


def test_tags_of_another_scheme_are_not_allowed() -> None:
    assert not is_allowed("O", "S-X", "BIO")
    assert not is_allowed("U-X", "O", "IOBES")


def test_tag_set() -> None:
    assert tag_set(["b", "a"], "BIO") == ["O", "B-a", "B-b", "I-a", "I-b"]
    assert tag_set(["a"], "BILOU") == ["O", "B-a", "I-a", "L-a", "U-a"]


@pytest.mark.parametrize("scheme", SCHEMES)
@given(several=st.lists(annotations(), min_size=1, max_size=4))
def test_detect_finds_the_scheme(scheme: Scheme, several: list[tuple[list[Span], int]]) -> None:
    sequences = [to_tags(spans, length, scheme) for spans, length in several]
    found = detect(sequences)
    for tags, (spans, _) in zip(sequences, several, strict=True):
        assert to_spans(tags, found) == spans
    kinds = {tag[0] for tags in sequences for tag in tags}
    if kinds & set("BIESLU") > {"B"}:  # B- alone is all of them
        assert found == scheme


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "O"], "BIO"),
        (["B-X", "O"], "BIO"),
        (["I-X", "O"], "IOB1"),
        (["I-X", "B-X"], "IOB1"),
        (["B-X", "I-X", "O"], "BIO"),
        (["B-X", "I-X", "O", "I-X", "O", "B-X"], "BIO"),  # broken once; three times as IOB1
        (["S-X"], "IOBES"),
        (["B-X", "I-X", "O", "S-X"], "IOBES"),  # broken, and nothing else has S-
        (["U-X"], "BILOU"),
        (["B-X", "L-X"], "BILOU"),
        (["PER", "O", "LOC"], "IOB1"),
        (["creative-work", "O"], "IOB1"),
    ],
)
def test_detect(tags: list[str], scheme: Scheme) -> None:
    assert detect([tags]) == scheme


@pytest.mark.parametrize(
    ("tags", "tag", "said"),
    [
        (["B-X", "X"], "X", "fits no scheme"),
        (["B-X", "M-X"], "M-X", "fits no scheme"),
        (["B-X", "0"], "0", "fits no scheme"),
        (["B-"], "B-", "no type"),
        (["b-per", "o"], "b-per", "in capitals"),
        (["E-X", "L-X"], "L-X", "BILOU"),
    ],
)
def test_tags_that_fit_no_scheme(tags: list[str], tag: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        detect([tags])
    assert isinstance(caught.value, TagError)
    assert caught.value.tag == tag
    assert repr(tag) in str(caught.value)


def test_a_prefix_that_is_not_the_schemes() -> None:
    with pytest.raises(TagError, match=r"'S-X' is none of BIO"):
        to_spans(["S-X"], "BIO")


@pytest.mark.parametrize("spans", [[(0, 2, "X"), (1, 3, "Y")], [(2, 5, "X")], [(1, 1, "X")]])
def test_spans_that_cannot_be_tags(spans: list[tuple[int, int, str]]) -> None:
    with pytest.raises(ValueError, match="overlaps"):
        to_tags([Span(*span) for span in spans], 4, "BIO")
