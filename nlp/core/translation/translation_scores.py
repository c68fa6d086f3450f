"""How good translations are: BLEU, chrF and TER beside references, and where they fail.

    BLEU    n-grams of words that the reference has too, and a penalty for being short (Papineni et
            al. 2002); 0 to 100
    chrF    F-score of n-grams of characters (Popović 2015); 0 to 100
    TER     edits that turn the translation into the reference, for each 100 words of it, case
            aside (Snover et al. 2006); 0 is perfect, more than 100 is possible

All are sacreBLEU's (Post 2018), whose signatures say how they were computed: numbers with different
signatures cannot be compared. Its bootstrap has the seed 12345 unless SACREBLEU_SEED is set.

    scores = score_translations(sources, translations, references, bootstrap=1000)
    print(scores.bleu, scores.signatures["BLEU"], scores.by_length)
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from corpora.errors import UsageError
from nlp.core.tokens.word_splitter import words_of

EDGES = (5, 10, 15, 20, 30, 40, 60)  # words of a source
EXTREMES = 20  # sentences that are kept of the worst and of the best
SAMPLES = 1000
_WITHOUT_SPACES = ("zh", "char", "ja-mecab")  # tokenizers of languages in which TER needs help


class Judged(NamedTuple):
    """A sentence with its own chrF."""

    number: int  # of its line, from 1
    chrf: float
    source: str
    translation: str
    reference: str


class LengthScore(NamedTuple):
    """BLEU of the sentences whose sources have `least` to `most` words."""

    least: int
    most: int | None  # None: or more
    bleu: float
    sentences: int


@dataclass(frozen=True)
class TranslationScores:
    """Translations beside their references; each score is of the whole corpus."""

    bleu: float
    chrf: float
    ter: float
    ranges: Mapping[str, tuple[float, float]]  # of 95 % of resampled corpora; {} if not asked for
    signatures: Mapping[str, str]  # both by the names BLEU, chrF and TER
    brevity_penalty: float
    length_ratio: float  # words of the translations over those of the references, as BLEU has them
    repetition: float  # share of 4-grams that their sentence has had already, 0 to 1
    reference_repetition: float
    empty: int  # translations without a word, though their source has some
    by_length: tuple[LengthScore, ...]
    worst: tuple[Judged, ...]  # the worst first
    best: tuple[Judged, ...]  # the best first
    sentences: int


class PairedScore(NamedTuple):
    """A score of two systems, and whether they differ by more than chance."""

    system: float
    other: float
    p_value: float  # two-sided: how often chance alone makes a larger difference


def require() -> Any:
    """`sacrebleu.metrics`. `UsageError` where sacrebleu is not installed."""
    if importlib.util.find_spec("sacrebleu") is None:
        raise UsageError(
            "scores of translations need sacrebleu: install it with pip install sacrebleu"
        )
    import sacrebleu.metrics

    return sacrebleu.metrics


def score_translations(
    sources: Sequence[str],
    translations: Sequence[str],
    references: Sequence[str],
    *,
    bootstrap: int = 0,
    tokenize: str = "13a",
    edges: Sequence[int] = EDGES,
) -> TranslationScores:
    """Scores detokenized, cased translations, one reference each.

    Args:
        bootstrap: resampled corpora for the ranges, 0 for none; 1000 are customary.
        tokenize: how BLEU finds words, by sacreBLEU's name: `13a` for languages with spaces, `zh`,
            `ja-mecab`, `char`, `flores200`...
        edges: the longest sources, in words, of all but the last of `by_length`.

    Raises:
        UsageError: the numbers of lines differ, there are none, the tokenizer is unknown, or
            sacrebleu is not installed.
    """
    _check(sources=sources, translations=translations, references=references)
    metrics = _metrics(tokenize)
    whole = {
        name: metric.corpus_score(translations, [references], n_bootstrap=bootstrap)
        for name, metric in metrics.items()
    }
    signatures = {name: str(metric.get_signature()) for name, metric in metrics.items()}
    lengths = [len(words_of(source)) for source in sources]
    lines = zip(sources, translations, references, strict=True)
    judged = [
        Judged(number, metrics["chrF"].sentence_score(line[1], [line[2]]).score, *line)
        for number, line in enumerate(lines, 1)
    ]
    worst = sorted(judged, key=lambda sentence: sentence.chrf)
    best = sorted(judged, key=lambda sentence: -sentence.chrf)
    return TranslationScores(
        bleu=whole["BLEU"].score,
        chrf=whole["chrF"].score,
        ter=whole["TER"].score,
        ranges={
            name: (float(score._mean - score._ci), float(score._mean + score._ci))
            for name, score in whole.items()
            if bootstrap > 1
        },
        signatures=signatures,
        brevity_penalty=whole["BLEU"].bp,
        length_ratio=whole["BLEU"].ratio,
        repetition=repetition(translations),
        reference_repetition=repetition(references),
        empty=sum(
            length > 0 and not translation.strip()
            for length, translation in zip(lengths, translations, strict=True)
        ),
        by_length=_by_length(metrics["BLEU"], lengths, translations, references, edges),
        worst=tuple(worst[:EXTREMES]),
        best=tuple(best[:EXTREMES]),
        sentences=len(translations),
    )


def paired_bootstrap(
    system: Sequence[str],
    other: Sequence[str],
    references: Sequence[str],
    *,
    samples: int = SAMPLES,
    tokenize: str = "13a",
) -> Mapping[str, PairedScore]:
    """BLEU, chrF and TER of two systems, and whether they differ (Koehn 2004), by their names.

    Both systems are scored on the same resampled corpora, so that the difference is judged and not
    each score's own range, which is wider.

    Raises:
        UsageError: as `score_translations`.
    """
    _check(system=system, other=other, references=references)
    metrics = _metrics(tokenize)
    from sacrebleu.significance import PairedTest

    systems = [("other", other), ("system", system)]  # the first is what the rest is held against
    test = PairedTest(systems, metrics, [references], test_type="bs", n_samples=samples)
    found: Mapping[str, Sequence[Any]] = test()[1]  # in the metrics' order, behind "System"
    return {
        name: PairedScore(
            second.score,
            first.score,
            # sacreBLEU finds a difference of 0 significant.
            1.0 if second.score == first.score else second.p_value,
        )
        for name, (first, second) in zip(metrics, list(found.values())[1:], strict=True)
    }


def repetition(texts: Sequence[str], order: int = 4) -> float:
    """The share of n-grams of words that stood in the same text before, 0 to 1.

    Translations that have far more of them than references are going in circles.
    """
    repeated = total = 0
    for text in texts:
        words = [text[start:end] for start, end in words_of(text)]
        grams = Counter(zip(*(words[place:] for place in range(order)), strict=False))
        total += grams.total()
        repeated += grams.total() - len(grams)
    return repeated / total if total else 0.0


def _metrics(tokenize: str) -> dict[str, Any]:
    metrics = require()
    known = sorted(metrics.BLEU.TOKENIZERS)
    if tokenize not in known:
        raise UsageError(f"tokenize {tokenize!r} is unknown: expected {', '.join(known)}")
    apart = tokenize in _WITHOUT_SPACES
    try:
        bleu = metrics.BLEU(tokenize=tokenize)
    except (ImportError, RuntimeError) as error:  # it needs a dictionary or a download
        reason = " ".join(str(error).split())
        raise UsageError(f"sacrebleu cannot tokenize by {tokenize}: {reason}") from error
    ter = metrics.TER(normalized=apart, asian_support=apart)
    return {"BLEU": _in_floats(bleu), "chrF": _in_floats(metrics.CHRF()), "TER": _in_floats(ter)}


def _in_floats(metric: Any) -> Any:
    """The metric, whose scores of resampled corpora are floats of Python.

    In sacreBLEU 2.6 a score of 0 is one, and others are float32: `statistics.mean`, which it calls,
    refuses the two together.
    """
    computed = metric._compute_score_from_stats

    def compute(counts: Any) -> Any:
        found = computed(counts)
        found.score = float(found.score)
        return found

    metric._compute_score_from_stats = compute
    return metric


def _check(**texts: Sequence[str]) -> None:
    counts = {name: len(lines) for name, lines in texts.items()}
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        raise UsageError(f"{told}: expected one line of each for every sentence")
    if not all(counts.values()):
        raise UsageError("no translations: expected one sentence or more to score")


def _by_length(
    bleu: Any,
    lengths: Sequence[int],
    translations: Sequence[str],
    references: Sequence[str],
    edges: Sequence[int],
) -> tuple[LengthScore, ...]:
    scores = []
    for least, most in zip([0, *(edge + 1 for edge in edges)], [*edges, None], strict=True):
        lines = [
            number
            for number, length in enumerate(lengths)
            if least <= length and (most is None or length <= most)
        ]
        if lines:
            score = bleu.corpus_score(
                [translations[line] for line in lines], [[references[line] for line in lines]]
            )
            scores.append(LengthScore(least, most, score.score, len(lines)))
    return tuple(scores)
