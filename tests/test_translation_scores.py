"""Scores of translations, beside sacreBLEU's own and counts made by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from corpora.errors import UsageError
from nlp.core.translation import translation_scores
from nlp.core.translation.translation_scores import (
    paired_bootstrap,
    repetition,
    score_translations,
)

sacrebleu = pytest.importorskip("sacrebleu")

WORDS = (
    "the",
    "a",
    "dog",
    "cat",
    "man",
    "house",
    "tree",
    "sees",
    "loves",
    "red",
    "old",
    "and",
    "on",
)


def corpus(count: int = 60) -> tuple[list[str], list[str]]:
    """Sources and references."""
    draw = random.Random(0)
    sources = [" ".join(draw.choices(WORDS, k=draw.randint(3, 25))) + "." for _ in range(count)]
    return sources, [source.upper().capitalize() for source in sources]


def worse(references: Sequence[str], share: float, seed: int = 0) -> list[str]:
    """References that lack a share of their words."""
    draw = random.Random(seed)
    return [" ".join(w for w in line.split() if draw.random() >= share) for line in references]


def test_scores_are_sacrebleus() -> None:
    sources, references = corpus()
    translations = worse(references, 0.2)
    scores = score_translations(sources, translations, references)
    bleu, chrf, ter = sacrebleu.BLEU(), sacrebleu.CHRF(), sacrebleu.TER()
    whole = bleu.corpus_score(translations, [references])
    assert scores.bleu == whole.score
    assert scores.chrf == chrf.corpus_score(translations, [references]).score
    assert scores.ter == ter.corpus_score(translations, [references]).score
    assert (scores.brevity_penalty, scores.length_ratio) == (whole.bp, whole.ratio)
    assert 0.5 < scores.brevity_penalty < 1
    assert scores.signatures["BLEU"] == str(bleu.get_signature())
    assert "case:mixed|eff:no|tok:13a" in scores.signatures["BLEU"]
    assert scores.ranges == {}
    assert scores.sentences == 60


def test_perfect_translations() -> None:
    sources, references = corpus()
    scores = score_translations(sources, references, references)
    assert (scores.bleu, scores.chrf, scores.ter) == pytest.approx((100, 100, 0))
    assert (scores.length_ratio, scores.repetition) == (1, scores.reference_repetition)
    assert all(part.bleu == pytest.approx(100) for part in scores.by_length)


def test_lengths_are_parted_at_the_edges() -> None:
    _, references = corpus(6)
    sources = ["", "a b", "a b c", "a b c d", "a b c d", "a b c d e f g"]
    translations = worse(references, 0.2)
    parts = score_translations(sources, translations, references, edges=(2, 3, 5, 6)).by_length
    told = [(part.least, part.most, part.sentences) for part in parts]
    assert told == [(0, 2, 2), (3, 3, 1), (4, 5, 2), (7, None, 1)]
    some = sacrebleu.corpus_bleu(translations[3:5], [references[3:5]])
    assert parts[2].bleu == some.score


def test_the_worst_and_the_best_are_kept_with_their_lines() -> None:
    sources, references = corpus()
    translations = worse(references, 0.3)
    translations[6], translations[40:42] = "", references[40:42]
    scores = score_translations(sources, translations, references)
    assert scores.worst[0][:2] == (7, 0)
    assert scores.worst[0][2:] == (sources[6], "", references[6])
    assert 41 in [sentence.number for sentence in scores.best if sentence.chrf == 100]
    for sentence in (*scores.worst, *scores.best):
        alone = sacrebleu.sentence_chrf(sentence.translation, [sentence.reference]).score
        assert sentence.chrf == alone
        assert sentence.source == sources[sentence.number - 1]
    worst, best = ([sentence.chrf for sentence in kept] for kept in (scores.worst, scores.best))
    assert worst == sorted(worst)
    assert scores.best[0].number < scores.best[1].number  # two of 100
    assert best == sorted(best, reverse=True)
    assert worst[-1] <= best[-1]
    assert scores.empty == translations.count("")


def test_ranges_hold_the_score() -> None:
    sources, references = corpus()
    scores = score_translations(sources, worse(references, 0.2), references, bootstrap=100)
    for name, score in (("BLEU", scores.bleu), ("chrF", scores.chrf), ("TER", scores.ter)):
        low, high = scores.ranges[name]
        assert low < score < high
        assert "bs:100" in scores.signatures[name]


def test_ranges_where_some_resampled_corpora_have_nothing_right() -> None:
    references = ["a b c d e f", "q", "z"]
    translations = ["a b c d e f", "x", "y"]
    scores = score_translations(references, translations, references, bootstrap=50)
    bleu = scores.ranges["BLEU"]
    assert bleu[0] < scores.bleu < bleu[1]  # a third of the sentences are all that is right
    found = paired_bootstrap(["x", "y"], ["y", "x"], ["q", "z"], samples=50)
    assert {score.p_value for score in found.values()} == {1.0}  # they do not differ


def test_systems_that_differ_and_systems_that_do_not() -> None:
    _, references = corpus()
    good, as_good, bad = (worse(references, *how) for how in ((0.1, 0), (0.1, 1), (0.3, 2)))
    for name, (system, other, p) in paired_bootstrap(good, bad, references, samples=200).items():
        assert (system < other) == (name == "TER")
        assert p < 0.01
    found = paired_bootstrap(good, as_good, references, samples=200)
    assert found["BLEU"].p_value > 0.05
    assert found["BLEU"].system == sacrebleu.corpus_bleu(good, [references]).score
    same = paired_bootstrap(good, good, references, samples=50)
    assert all(score.p_value == 1 and score.system == score.other for score in same.values())


def test_repetition_by_hand() -> None:
    assert repetition(["a b c d e"]) == 0
    assert repetition(["a a a a a a"]) == pytest.approx(2 / 3)  # three 4-grams, one of its own
    assert repetition(["a b c d", "a b c d"]) == 0  # in another sentence
    assert repetition(["a b a b a", "x y z u v"], order=2) == pytest.approx(2 / 8)
    assert repetition([]) == repetition(["a b"]) == 0


def test_chinese_has_a_tokenizer_of_its_own() -> None:
    lines = ["我们在中国看书。", "他很高兴。"]
    scores = score_translations(
        ["a", "b"], ["我们在中国看报。", "他很高兴。"], lines, tokenize="zh"
    )
    assert 0 < scores.bleu < 100
    assert 0 < scores.ter < 50  # one of thirteen characters and not one of two lines
    assert "tok:zh" in scores.signatures["BLEU"]
    assert "asian:yes" in scores.signatures["TER"]
    with pytest.raises(UsageError, match="tokenize 'zhh' is unknown: expected 13a, char"):
        score_translations(["a", "b"], lines, lines, tokenize="zhh")


def test_mistakes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="1 sources, 2 translations, 1 references"):
        score_translations(["a"], ["b", "c"], ["d"])
    with pytest.raises(UsageError, match="1 system, 1 other, 2 references"):
        paired_bootstrap(["a"], ["b"], ["c", "d"])
    with pytest.raises(UsageError, match="no translations"):
        score_translations([], [], [])
    monkeypatch.setattr(translation_scores.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install sacrebleu"):
        score_translations(["a"], ["b"], ["c"])
