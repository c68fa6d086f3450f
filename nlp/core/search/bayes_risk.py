"""Minimum Bayes risk: of many texts, the one that is on average most like all the others.

    E[u](y) = sum over candidates y' of p(y') u(y, y')          the best y has the greatest

The most probable text of a model may be a rare and odd one; the texts it mostly writes agree with
each other. Kumar and Byrne (2004) choose so from n-best lists, Eikema and Aziz (2020) from samples.

    from nlp.core.search.bayes_risk import choose
    texts = [tokenizer.decode(one.ids) for one in search(model, Sampling(), n_best=50, ...)[0]]
    best = texts[choose(texts)[0][0]]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from corpora.errors import UsageError

Utility = Callable[[str, str], float]


def choose(
    texts: Sequence[str],
    weights: Sequence[float] | None = None,
    utility: Utility | None = None,
) -> list[tuple[int, float]]:
    """(number of the text, expected utility) of each candidate, best first; of equals, the first.

    `weights` say how probable each candidate is, on any scale: without them all are equally so,
    as samples are; for an n-best list they are exp(score). `utility(candidate, reference)` is
    greater for a better candidate; without one it is sentence chrF from 0 to 100 (Popović 2015).
    It is asked once for each pair of different texts: n texts take up to n * n calls.

    Raises UsageError for weights that are not one for each text, negative or all 0.
    """
    weights = [1.0] * len(texts) if weights is None else weights
    if len(weights) != len(texts):
        raise UsageError(f"{len(weights)} weights for {len(texts)} texts; expected one for each")
    if any(not (math.isfinite(weight) and weight >= 0) for weight in weights):
        raise UsageError("a weight is negative or no number; expected the texts' probabilities")
    total = math.fsum(weights)
    if texts and not total:
        raise UsageError("all weights are 0; expected some text to be probable")
    utility = utility or chrf()
    share: dict[str, float] = dict.fromkeys(texts, 0.0)
    for text, weight in zip(texts, weights, strict=True):
        share[text] += weight / total
    expected = {
        text: math.fsum(part * utility(text, other) for other, part in share.items() if part)
        for text in share
    }
    ranked = [(number, expected[text]) for number, text in enumerate(texts)]
    return sorted(ranked, key=lambda pair: -pair[1])


def chrf() -> Utility:
    """Sentence chrF of a candidate against a reference, from 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    return lambda candidate, reference: float(metric.sentence_score(candidate, [reference]).score)
