"""Constraints: texts hold what they must and nothing else, and are the best that do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_translator import STOP, Plain, Toy, found, obeys, same

from corpora.errors import UsageError
from nlp.core.search.beam import Beam, Constraints
from nlp.core.strategies import Greedy, Sampling

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=40)


def rules(sources: int, vocabulary_size: int) -> st.SearchStrategy[Constraints]:
    tokens = st.integers(0, vocabulary_size - 1)
    prefix = st.lists(tokens.filter(lambda token: token != STOP), max_size=3)
    return st.builds(
        Constraints,
        st.none() | st.lists(prefix, min_size=sources, max_size=sources),
        st.lists(st.lists(tokens, min_size=1, max_size=3), max_size=3),
        st.integers(0, 3),
        st.integers(0, 4),
    )


@settings(max_examples=25)
@given(SEEDS, st.data())
def test_the_best_of_the_texts_that_obey_are_found(seed, data):
    toy = Toy(seed, [2, 3])
    constraints = data.draw(rules(2, 4))
    beam = Beam(108, 0.6, patience=math.inf)
    for source, texts in enumerate(found(toy, beam, 4, n_best=6, constraints=constraints)):
        plain, allowed = Plain(toy, source), obeys(constraints, source)
        expected = plain.beam(beam, 4, 6, allowed)
        same(texts, expected, plain)
        # Where something is left at every turn, that is all there is.
        whole = plain.exhaustive(beam, 4, allowed)
        if {text.ids for text in expected} <= {text.ids for text in whole}:
            assert {text.ids for text in whole[:6]} == {text.ids for text in expected}


@FEW
@given(SEEDS, st.data())
def test_narrow_beams_obey_too(seed, data):
    toy = Toy(seed, [2, 4, 1], vocabulary_size=8)
    constraints = data.draw(rules(3, 8))
    beam = data.draw(st.sampled_from([Beam(1), Beam(3), Beam(4, 0, 0.2)]))
    limits = data.draw(st.lists(st.integers(1, 10), min_size=3, max_size=3))
    together = found(toy, beam, limits, n_best=beam.size, constraints=constraints)
    for source, texts in enumerate(together):
        plain, allowed = Plain(toy, source), obeys(constraints, source)
        same(texts, plain.beam(beam, limits[source], beam.size, allowed), plain)


@FEW
@given(SEEDS, st.data(), st.sampled_from([Greedy(), Sampling(), Sampling(1.5, top_k=4)]))
def test_greedy_texts_and_samples_obey(seed, data, strategy):
    toy = Toy(seed, [2, 4], vocabulary_size=8)
    constraints = data.draw(rules(2, 8))
    for source, (text,) in enumerate(found(toy, strategy, 10, constraints=constraints)):
        plain, allowed = Plain(toy, source), obeys(constraints, source)
        ids = tuple(text.ids)
        assert all(allowed(ids[:i], token) for i, token in enumerate(ids))
        if text.end is not None and not allowed(ids, STOP):
            assert not any(allowed(ids, token) for token in range(8))  # the last resort
        same([text], [plain.text(ids if text.end is None else (*ids, STOP), Beam(1, 0))], plain)


def test_each_rule_alone():
    toy = Toy(7, [3, 3], vocabulary_size=6)

    def ids(**rules) -> list[list[int]]:
        return [texts[0].ids for texts in found(toy, Beam(4), 8, constraints=Constraints(**rules))]

    free = ids()
    assert ids(prefixes=[[5, 5, 5], []]) == [
        [5, 5, 5, *ids(prefixes=[[5, 5, 5], []])[0][3:]],
        free[1],
    ]
    assert all(len(text) >= 6 for text in ids(min_tokens=6))
    banned = free[0][0]
    assert all(banned not in text for text in ids(forbidden=[[banned]]))
    for size in (1, 2, 3):
        for text in ids(no_repeat=size, min_tokens=6):
            seen = [tuple(text[i : i + size]) for i in range(len(text) - size + 1)]
            assert len(seen) == len(set(seen))


def test_a_prefix_stands_above_the_other_rules():
    toy = Toy(7, [3], vocabulary_size=6)
    constraints = Constraints([[2, 2, 2, 2]], forbidden=[[2]], no_repeat=1)
    text = found(toy, Beam(3), 8, constraints=constraints)[0][0]
    assert text.ids[:4] == [2] * 4
    assert 2 not in text.ids[4:]


def test_where_nothing_is_left_the_text_ends():
    toy = Toy(7, [3], vocabulary_size=4)
    constraints = Constraints(forbidden=[[0], [2]], no_repeat=1, min_tokens=5)
    for strategy in (Greedy(), Beam(3), Sampling()):
        text = found(toy, strategy, 8, constraints=constraints)[0][0]
        assert text.ids == [3]
        assert text.end is not None


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"no_repeat": -1}, "no_repeat is -1"),
        ({"min_tokens": -2}, "min_tokens is -2"),
        ({"forbidden": [[1], []]}, "forbidden sequence is empty"),
        ({"forbidden": [[4]]}, "token 4"),
        ({"prefixes": [[2]]}, "1 prefixes were given for 2 sources"),
        ({"prefixes": [[2], [-1]]}, "token -1"),
        ({"prefixes": [[2], [STOP]]}, "stop symbol"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong: dict, complaint: str):
    with pytest.raises(UsageError, match=complaint):
        found(Toy(0, [2, 2]), Beam(), 3, constraints=Constraints(**wrong))
