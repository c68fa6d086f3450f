"""Scores of entities against `seqeval` and the CoNLL script, and the errors behind them."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import sequence_labeling, v1
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES

from corpora.schemes import Scheme, Span, to_spans, to_tags
from nlp.core.tags.entity_scores import (
    NONE,
    EntityScores,
    Scores,
    confusion,
    score_entities,
    worst_errors,
)
from nlp.core.tags.finding import Found

PREFIXES: dict[Scheme, str] = {"IOB1": "BI", "BIO": "BI", "IOBES": "BIES", "BILOU": "BILU"}
STRICT = {"IOB1": IOB1, "BIO": IOB2, "IOBES": IOBES, "BILOU": BILOU}
LABELS = ("PER", "LOC", "work-of-art")

Tags = list[list[str]]

# Where an entity ends and where one begins between two prefixes, from the script's two subroutines.
ENDS = {"BB", "BO", "IB", "IO", "EE", "EI", "EO"}
STARTS = {"BB", "IB", "OB", "OI", "EE", "EI", "OE"}


def both(scheme: Scheme, *, valid: bool) -> st.SearchStrategy[tuple[Tags, Tags]]:
    """Gold and predicted tags of some sentences; predicted ones that are often right."""
    choices = ["O", *(f"{prefix}-{label}" for label in LABELS for prefix in PREFIXES[scheme])]
    tag = st.sampled_from(choices)
    rows = st.lists(st.tuples(tag, st.one_of(st.none(), st.none(), tag)), max_size=12)

    def mended(tags: list[str]) -> list[str]:
        return to_tags(to_spans(tags, scheme), len(tags), scheme) if valid else tags

    def split(sentences: list[list[tuple[str, str | None]]]) -> tuple[Tags, Tags]:
        gold = [mended([tag for tag, _ in rows]) for rows in sentences]
        return gold, [mended([other or tag for tag, other in rows]) for rows in sentences]

    return st.lists(rows, min_size=1, max_size=5).map(split)


def scores_of(scheme: Scheme, gold: Tags, predicted: Tags) -> EntityScores:
    return score_entities(
        [to_spans(tags, scheme) for tags in gold], [to_spans(tags, scheme) for tags in predicted]
    )


def conlleval(gold: Tags, predicted: Tags) -> dict[str, str]:
    """What the script (version 2004-01-26) prints of all entities, "", and of each label.

    It keeps no list of entities: it walks over both columns at once and remembers whether the
    entity that is open in both has been the same so far.
    """

    def of(tag: str) -> tuple[str, str]:
        prefix, _, label = tag.partition("-")
        return prefix, label

    def ends(before: tuple[str, str], now: tuple[str, str]) -> bool:
        return before[0] + now[0] in ENDS or (before[0] != "O" and before[1] != now[1])

    def starts(before: tuple[str, str], now: tuple[str, str]) -> bool:
        return before[0] + now[0] in STARTS or (now[0] != "O" and before[1] != now[1])

    correct, in_gold, in_predicted = Counter[str](), Counter[str](), Counter[str]()
    same = False
    last = last_guess = ("O", "")
    for sentence, guesses in zip(gold, predicted, strict=True):
        columns = [*map(of, sentence), ("O", "")], [*map(of, guesses), ("O", "")]
        for tag, guess in zip(*columns, strict=True):
            if same:
                ended, guess_ended = ends(last, tag), ends(last_guess, guess)
                if ended and guess_ended and last_guess[1] == last[1]:
                    same = False
                    correct[last[1]] += 1
                elif ended != guess_ended or guess[1] != tag[1]:
                    same = False
            if starts(last, tag) and starts(last_guess, guess) and guess[1] == tag[1]:
                same = True
            in_gold[tag[1]] += starts(last, tag)
            in_predicted[guess[1]] += starts(last_guess, guess)
            last, last_guess = tag, guess
    correct[last[1]] += same

    def line(right: int, found: int, wanted: int) -> str:
        precision = 100 * right / found if found else 0.0
        recall = 100 * right / wanted if wanted else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return f"{precision:6.2f} {recall:6.2f} {f1:6.2f} {found}"

    labels = sorted(+in_gold | +in_predicted)
    return {
        "": line(correct.total(), in_predicted.total(), in_gold.total()),
        **{label: line(correct[label], in_predicted[label], in_gold[label]) for label in labels},
    }


def check_script(scores: EntityScores, printed: dict[str, str]) -> None:
    ours = {"": scores.micro, **scores.by_label}
    assert list(ours) == list(printed)
    for label, line in printed.items():
        *percentages, found = line.split()
        assert ours[label].predicted == int(found)
        values = ours[label].precision, ours[label].recall, ours[label].f1
        for value, percentage in zip(values, percentages, strict=True):
            assert abs(100 * value - float(percentage)) <= 0.005 + 1e-9  # its rounding


def check_seqeval(
    scores: EntityScores, gold: Tags, predicted: Tags, scheme: Scheme | None = None
) -> None:
    """In its default mode, or strictly where a scheme is given."""

    def seqeval(average: str | None) -> tuple:
        if scheme is None:
            return sequence_labeling.precision_recall_fscore_support(
                gold, predicted, average=average, zero_division=0
            )
        return v1.precision_recall_fscore_support(
            gold, predicted, average=average, scheme=STRICT[scheme], zero_division=0
        )

    averages = [(scores.micro, "micro")]
    if scores.by_label:  # the mean of nothing is no number to seqeval, and 0 to us
        averages.append((scores.macro, "macro"))
    for ours, average in averages:
        theirs = seqeval(average)
        assert (ours.precision, ours.recall, ours.f1) == pytest.approx(theirs[:3], abs=1e-12)
        assert ours.gold == theirs[3]
    columns = [
        (own.precision, own.recall, own.f1, own.gold) for own in scores.by_label.values()
    ]  # by label in their order, which is seqeval's too
    assert columns == [pytest.approx(row, abs=1e-12) for row in zip(*seqeval(None), strict=True)]


@pytest.mark.parametrize("scheme", ["IOB1", "BIO"])
def test_any_tags_score_as_in_the_script_and_seqeval(scheme: Scheme) -> None:
    @settings(max_examples=150)
    @given(both(scheme, valid=False))
    def check(tags: tuple[Tags, Tags]) -> None:
        scores = scores_of(scheme, *tags)
        check_script(scores, conlleval(*tags))
        check_seqeval(scores, *tags)

    check()


@pytest.mark.parametrize("scheme", ["IOBES", "BILOU"])
def test_any_tags_with_ends_score_as_in_the_script_and_seqeval(scheme: Scheme) -> None:
    """The script knows neither S nor U, so it is given the same entities as BIO; seqeval's default
    mode knows IOBES, of which BILOU is another spelling."""

    @settings(max_examples=150)
    @given(both(scheme, valid=False))
    def check(tags: tuple[Tags, Tags]) -> None:
        scores = scores_of(scheme, *tags)
        check_script(scores, conlleval(*map(as_bio, tags)))
        check_seqeval(scores, *map(as_iobes, tags))

    def as_bio(sentences: Tags) -> Tags:
        return [to_tags(to_spans(tags, scheme), len(tags), "BIO") for tags in sentences]

    check()


def as_iobes(sentences: Tags) -> Tags:
    names = {"L": "E", "U": "S"}
    return [[names.get(tag[0], tag[0]) + tag[1:] for tag in tags] for tags in sentences]


@pytest.mark.parametrize("scheme", list(STRICT))
def test_valid_tags_score_as_in_strict_seqeval(scheme: Scheme) -> None:
    @settings(max_examples=150)
    @given(both(scheme, valid=True))
    def check(tags: tuple[Tags, Tags]) -> None:
        check_seqeval(scores_of(scheme, *tags), *tags, scheme)

    check()


def test_strict_seqeval_does_not_see_what_breaks_the_scheme() -> None:
    """Ours is the script's reading: `I-PER` after `O` begins an entity."""
    gold, predicted = [["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]]
    scores = scores_of("BIO", gold, predicted)
    check_script(scores, conlleval(gold, predicted))
    check_seqeval(scores, gold, predicted)
    assert scores.micro == Scores(1.0, 1.0, 1.0, 1, 1, 1)
    strict = v1.precision_recall_fscore_support(
        gold, predicted, average="micro", scheme=IOB2, zero_division=0
    )
    assert tuple(strict[:3]) == (0, 0, 0)


@pytest.mark.filterwarnings("ignore:.*seems not to be NE tag")
def test_the_bilou_fault_of_seqeval() -> None:
    """https://github.com/chakki-works/seqeval/issues/95, open since 2022, in version 1.2.2.

    Its strict mode loses every gold entity that is not closed by L or U, here both of MISC, without
    a word: it tells of 2 gold entities where 4 are annotated. Its default mode, which is never told
    the scheme, takes U and L for no prefixes at all: two U that touch are one entity to it. So
    BILOU is equal to seqeval where the tags are valid and it is strict (above), or where L is
    spelled E and U is spelled S (above too).
    """
    gold = [["B-PER", "L-PER", "O", "B-MISC"]] * 2
    predicted = [["I-PER", "L-PER", "O", "B-MISC"], ["B-MISC", "L-PER", "O", "B-MISC"]]
    report = v1.classification_report(
        gold, predicted, scheme=BILOU, output_dict=True, zero_division=0
    )
    assert "MISC" not in report
    assert report["micro avg"]["support"] == 2
    assert report["micro avg"]["f1-score"] == 0
    scores = scores_of("BILOU", gold, predicted)
    assert scores.by_label["MISC"] == Scores(2 / 3, 1.0, 0.8, 3, 2, 2)
    assert scores.by_label["PER"] == Scores(0.5, 0.5, 0.5, 2, 2, 1)
    assert scores.micro.gold == 4

    touching = ["U-PER", "U-PER"]
    assert sequence_labeling.get_entities(touching) == [("PER", 0, 1)]
    assert to_spans(touching, "BILOU") == [Span(0, 1, "PER"), Span(1, 2, "PER")]


def test_nothing_to_divide_by_is_zero() -> None:
    nothing = Scores(0.0, 0.0, 0.0, 0, 0, 0)
    assert score_entities([], []) == EntityScores(nothing, nothing, {})
    assert score_entities([[], []], [[], []]) == EntityScores(nothing, nothing, {})
    missed = score_entities([[Span(0, 1, "PER")]], [[]])
    assert missed.micro == missed.by_label["PER"] == Scores(0.0, 0.0, 0.0, 0, 1, 0)
    with pytest.raises(ValueError, match="shorter"):
        score_entities([[]], [])


def test_what_was_taken_for_what() -> None:
    gold = [[Span(0, 2, "PER"), Span(3, 4, "LOC"), Span(5, 8, "ORG")], [Span(0, 1, "none")]]
    predicted = [[Span(0, 2, "PER"), Span(3, 4, "PER"), Span(6, 8, "LOC"), Span(9, 10, "ORG")], []]
    table = confusion(gold, predicted)
    assert table.labels == ("LOC", "ORG", "PER", "none", NONE)
    assert table.same == (
        (0, 0, 1, 0, 0),
        (0, 0, 0, 0, 0),
        (0, 0, 1, 0, 0),
        (0, 0, 0, 0, 1),
        (0, 1, 0, 0, 0),
    )
    assert table.overlapping == ((0,) * 5, (1, 0, 0, 0, 0), (0,) * 5, (0,) * 5, (0,) * 5)


def test_an_entity_goes_with_the_one_it_shares_most_words_with() -> None:
    gold = [[Span(0, 5, "PER")], [Span(0, 4, "PER")]]
    predicted = [[Span(0, 2, "PER"), Span(2, 5, "LOC")], [Span(0, 2, "LOC"), Span(2, 4, "PER")]]
    table = confusion(gold, predicted)
    assert table.labels == ("LOC", "PER", NONE)
    assert table.overlapping == ((0, 0, 0), (1, 1, 0), (0, 0, 0))
    assert table.same == ((0, 0, 0), (0, 0, 0), (1, 1, 0))


@given(both("BIO", valid=False))
def test_each_entity_is_in_the_tables_and_the_errors_once(tags: tuple[Tags, Tags]) -> None:
    gold, predicted = ([to_spans(own, "BIO") for own in side] for side in tags)
    scores, table = score_entities(gold, predicted), confusion(gold, predicted)
    assert table.labels == (*scores.by_label, NONE)
    both_tables = [
        [a + b for a, b in zip(*rows, strict=True)]
        for rows in zip(table.same, table.overlapping, strict=True)
    ]
    for number, own in enumerate(scores.by_label.values()):
        assert sum(both_tables[number]) == own.gold
        assert sum(row[number] for row in both_tables) == own.predicted
        assert table.same[number][number] == own.correct
    assert table.same[-1][-1] == 0
    other_label = sum(
        one[:2] == other[:2] and one != other
        for wanted, found in zip(gold, predicted, strict=True)
        for one in wanted
        for other in found
    )
    confused = [row[:-1] for row in table.same[:-1]]
    assert sum(map(sum, confused)) - scores.micro.correct == other_label

    errors = worst_errors(
        gold,
        [[Found(span, 0.5, 0) for span in found] for found in predicted],
        [[0.25] * len(wanted) for wanted in gold],
        [[str(number) for number in range(12)]] * len(gold),
        [f"line {number}" for number in range(len(gold))],
        n=1000,
    )
    kinds = Counter(error.kind for error in errors)
    assert kinds["wrong label"] == other_label
    assert kinds["wrong boundary"] == sum(map(sum, table.overlapping))
    assert kinds["missed"] == sum(row[-1] for row in table.same)
    assert kinds["invented"] == sum(table.same[-1])
    for missed in errors:
        for invented in errors:  # otherwise the two were one boundary error
            if (missed.kind, invented.kind) == ("missed", "invented"):
                assert missed.gold
                assert invented.predicted
                apart = (
                    missed.gold.end <= invented.predicted.start
                    or invented.predicted.end <= missed.gold.start
                )
                assert apart or missed.where != invented.where


def test_the_worst_errors_come_first_in_their_context() -> None:
    words = ["Then", "Teddy", "Roosevelt", "left", "New", "York", "for", "Paris", "at", "noon"]
    gold = [[Span(1, 3, "PER"), Span(4, 6, "LOC"), Span(7, 8, "LOC")], [Span(0, 1, "PER")]]
    predicted = [
        [
            Found(Span(1, 2, "PER"), 0.6, 0),
            Found(Span(4, 6, "ORG"), 0.9, 0),
            Found(Span(9, 10, "TIME"), 0.7, 0),
        ],
        [Found(Span(0, 1, "PER"), 0.99, 0)],
    ]
    given_gold = [[0.3, 0.05, 0.2], [0.99]]
    where = ["test.conll, line 1", "test.conll, line 12"]
    rows = worst_errors(gold, predicted, given_gold, [words, ["Ada"]], where, context=2)
    assert [(row.kind, row.confidence) for row in rows] == [
        ("wrong label", 0.9),
        ("missed", 0.8),
        ("invented", 0.7),
        ("wrong boundary", 0.6),
    ]
    confused, missed, invented, boundary = rows
    assert (confused.gold, confused.predicted) == (gold[0][1], predicted[0][1].span)
    assert (confused.before, confused.text, confused.after) == (
        *("Roosevelt left", "New York", "for Paris"),
    )
    assert (missed.gold_text, missed.predicted_text, missed.predicted) == ("Paris", "", None)
    assert (invented.gold_text, invented.predicted_text, invented.after) == ("", "noon", "")
    assert (boundary.gold_text, boundary.predicted_text) == ("Teddy Roosevelt", "Teddy")
    assert (boundary.before, boundary.text) == ("Then", "Teddy Roosevelt")
    assert {row.where for row in rows} == {"test.conll, line 1"}
    assert worst_errors(gold, predicted, given_gold, [words, ["Ada"]], where, n=2, context=2) == [
        *rows[:2]
    ]


def test_a_very_long_sentence_takes_no_square_of_its_length() -> None:
    gold = [[Span(start, start + 3, "PER") for start in range(0, 100_000, 5)]]
    predicted = [[Span(start + 1, start + 4, "PER") for start in range(0, 100_000, 5)]]
    began = time.perf_counter()
    table = confusion(gold, predicted)
    assert table.overlapping[0][0] == 20_000
    assert time.perf_counter() - began < 5
