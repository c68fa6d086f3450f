"""How good captions are beside several references of each picture, as COCO's script scores them.

    BLEU-1..4    n-grams that a reference has too, and a penalty for being short (Papineni et al.
                 2002); 0 to 100, of all captions together
    METEOR       words aligned by form, stem, synonym and paraphrase (Denkowski and Lavie 2014);
                 0 to 100; see vision/meteor.py for what it needs
    ROUGE-L      the longest common subsequence of words (Lin 2004), with recall a little dearer
                 (beta 1.2); 0 to 100
    CIDEr        see vision/cider.py; 0 to 10, and near 1 for what good captioners write

    scores = score_captions(["a dog runs"], [["a dog is running", "the dog runs"]])
    print(scores.bleu[3], scores.cider, scores.signature)

Papers write CIDEr times 100 as often as not. The weights of CIDEr are those of the references at
hand, so that numbers on different sets of pictures cannot be compared.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from corpora.errors import UsageError
from vision import meteor as meteor_scores
from vision.caption_words import TOKENIZER, words_of
from vision.cider import ORDER, Cider, Gram, grams_of

BETA = 1.2  # of ROUGE-L
EXTREMES = 20  # captions that are kept of the worst and of the best
BETWEEN = (2.5, 97.5)  # percent of resampled sets, for the ranges


class Judged(NamedTuple):
    """A caption by itself."""

    number: int  # of its picture, from 0
    written: str
    references: tuple[str, ...]
    bleu: float  # BLEU-4, 0 to 100, with one added to the counts of pairs and longer n-grams
    meteor: float | None  # 0 to 100
    rouge_l: float  # 0 to 100
    cider: float  # 0 to 10


@dataclass(frozen=True)
class CaptionScores:
    """Captions beside their references; each score is of all pictures together."""

    bleu: tuple[float, float, float, float]  # BLEU-1 to BLEU-4
    meteor: float | None
    without_meteor: str  # why there is no METEOR; "" if there is
    rouge_l: float
    cider: float
    ranges: Mapping[str, tuple[float, float]]  # of 95 % of resampled sets; {} if not asked for
    signature: str  # how it was counted
    distinct_1: float  # share of different ones among the words that were written, 0 to 1
    distinct_2: float  # and among pairs of words (Li et al. 2016)
    vocabulary: int  # different words that were written
    unique: float  # different captions for each caption, 0 to 1
    novelty: float | None  # share of captions that are not in the training set; None if not given
    length: float  # words of a caption, on average
    length_ratio: float  # over those of the references that are closest in length
    empty: int  # captions without a word
    by_image: tuple[Judged, ...]
    worst: tuple[Judged, ...]  # by CIDEr, the worst first
    best: tuple[Judged, ...]  # the best first
    captions: int


def score_captions(
    written: Sequence[str],
    references: Sequence[Sequence[str]],
    training: Collection[str] = (),
    *,
    bootstrap: int = 0,
    meteor: bool = False,
) -> CaptionScores:
    """Scores one caption of each picture.

    Args:
        references: of each picture, one or more.
        training: captions that were trained on, for the novelty.
        bootstrap: resampled sets of pictures for the ranges, 0 for none; 1000 are customary.
        meteor: whether METEOR is wanted, which takes seconds to read its tables.

    Raises:
        UsageError: the numbers differ, there are none, or a picture has no reference.
    """
    if len(written) != len(references) or not written:
        raise UsageError(
            f"{len(written):,} captions and references of {len(references):,} pictures: expected "
            "a caption for each picture, and at least one"
        )
    cider = Cider(references)  # it tells of a picture without a reference
    own = [words_of(text) for text in written]
    theirs = [[words_of(text) for text in texts] for texts in references]
    counts = np.array([_counts(*pair) for pair in zip(own, theirs, strict=True)])
    rouges = np.array([100 * _rouge_l(*pair) for pair in zip(own, theirs, strict=True)])
    ciders = np.array(cider(written, range(len(written))))
    without = "not asked for"
    aligned = None
    if meteor:
        aligned, without = meteor_scores.statistics(own, theirs)
    judged = tuple(
        Judged(
            number,
            text,
            tuple(references[number]),
            _sentence_bleu(counts[number]),
            None if aligned is None else meteor_scores.score(aligned[number]),
            float(rouges[number]),
            float(ciders[number]),
        )
        for number, text in enumerate(written)
    )
    whole = _Whole(counts, aligned, rouges, ciders)
    scores = whole.scores(np.ones(len(written)))
    order = sorted(judged, key=lambda one: one.cider)
    words = [word for caption in own for word in caption]
    pairs = [gram for caption in own for gram in grams_of(caption) if len(gram) == 2]
    total = sum(max(0, len(caption) - 1) for caption in own)
    known = {tuple(words_of(text)) for text in training}
    least, most = (pick(map(len, references)) for pick in (min, max))
    return CaptionScores(
        bleu=(scores["BLEU-1"], scores["BLEU-2"], scores["BLEU-3"], scores["BLEU-4"]),
        meteor=scores.get("METEOR"),
        without_meteor=without,
        rouge_l=scores["ROUGE-L"],
        cider=scores["CIDEr"],
        ranges=whole.ranges(bootstrap) if bootstrap > 1 else {},
        signature=(
            f"coco|pictures:{len(written)}|refs:{least if least == most else f'{least}-{most}'}"
            f"|tok:{TOKENIZER}|bleu:closest|rouge:beta{BETA}|cider:d,own-weights"
            + (f"|{meteor_scores.SIGNATURE}" if aligned is not None else "")
        ),
        distinct_1=len(set(words)) / max(1, len(words)),
        distinct_2=len(set(pairs)) / max(1, total),
        vocabulary=len(set(words)),
        unique=len(set(map(tuple, own))) / len(own),
        novelty=sum(tuple(caption) not in known for caption in own) / len(own) if known else None,
        length=len(words) / len(own),
        length_ratio=len(words) / max(1.0, float(counts[:, 1].sum())),
        empty=sum(not caption for caption in own),
        by_image=judged,
        worst=tuple(order[:EXTREMES]),
        best=tuple(order[::-1][:EXTREMES]),
        captions=len(written),
    )


class _Whole(NamedTuple):
    """What is counted in each picture's caption, to scores of any selection of them."""

    counts: np.ndarray  # [pictures, 2 + 2 * ORDER], see `_counts`
    meteor: np.ndarray | None
    rouges: np.ndarray
    ciders: np.ndarray

    def scores(self, times: np.ndarray) -> dict[str, float]:
        """The scores where each picture is there so many times."""
        found = {f"BLEU-{n + 1}": bleu for n, bleu in enumerate(_bleu(times @ self.counts))}
        if self.meteor is not None:
            found["METEOR"] = meteor_scores.score(times @ self.meteor)
        found["ROUGE-L"] = float(times @ self.rouges / times.sum())
        found["CIDEr"] = float(times @ self.ciders / times.sum())
        return found

    def ranges(self, samples: int) -> dict[str, tuple[float, float]]:
        chance = np.random.default_rng(12345)
        count = len(self.rouges)
        drawn = [
            self.scores(np.bincount(chance.integers(count, size=count), minlength=count))
            for _ in range(samples)
        ]
        ends = {name: np.percentile([one[name] for one in drawn], BETWEEN) for name in drawn[0]}
        return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _counts(own: Sequence[str], references: Sequence[Sequence[str]]) -> list[int]:
    """Words, words of the closest reference (of two the shorter), n-grams of each order that are
    right, and all n-grams of each order."""
    most: dict[Gram, int] = {}
    for reference in references:
        for gram, count in grams_of(reference).items():
            most[gram] = max(count, most.get(gram, 0))
    right = [0] * ORDER
    for gram, count in grams_of(own).items():
        right[len(gram) - 1] += min(count, most.get(gram, 0))
    closest = min((abs(len(one) - len(own)), len(one)) for one in references)[1]
    return [len(own), closest, *right, *(max(0, len(own) - order) for order in range(ORDER))]


def _bleu(counts: np.ndarray) -> list[float]:
    """BLEU-1 to BLEU-4 of what `_counts` gives."""
    length, closest = counts[:2]
    right, all_ = counts[2 : 2 + ORDER], counts[2 + ORDER :]
    if not length:
        return [0.0] * ORDER
    brevity = min(0.0, 1 - closest / length)
    found, logs = [], 0.0
    for order in range(ORDER):
        logs += math.log(right[order] / all_[order]) if right[order] > 0 else -math.inf
        found.append(100 * math.exp(brevity + logs / (order + 1)))
    return found


def _sentence_bleu(counts: np.ndarray) -> float:
    """BLEU-4 of one caption, which would mostly be 0 without the ones (Lin and Och 2004)."""
    smoothed = counts.astype(float)
    smoothed[3 : 2 + ORDER] += 1
    smoothed[3 + ORDER :] += 1
    return _bleu(smoothed)[-1]


def _rouge_l(own: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The best precision and the best recall of the references need not be of the same one."""
    common = [_common(own, reference) for reference in references]
    if not own or not any(common):
        return 0.0
    precision = max(common) / len(own)
    recall = max(length / len(one) for length, one in zip(common, references, strict=True) if one)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Words of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = 0
        for place, other in enumerate(second, start=1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return row[-1]
