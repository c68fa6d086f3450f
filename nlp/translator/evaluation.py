"""How good a translator is: on the validation part during training, on a test part after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from corpora.pairs import Filters, Pair, read_pairs
from nlp.core.batching import of_like_length
from nlp.core.events import Event, Remark
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.training import Measured
from nlp.core.translation.translation_scores import (
    TranslationScores,
    require,
    score_translations,
)
from nlp.translator.model import Translator
from nlp.translator.translation import translate

AS_IT_IS = Filters(max_length=10**9, max_ratio=math.inf)  # but for empty lines
RESULT_COLUMNS = ("BLEU", "chrF", "TER", "length ratio")


def result_row(scores: TranslationScores) -> tuple[float, ...]:
    """The row of a table with `RESULT_COLUMNS`."""
    return scores.bleu, scores.chrf, scores.ter, scores.length_ratio


def measure(model: Translator, pairs: Sequence[Pair]) -> Measured:
    """Loss, perplexity per piece, and BLEU of the likeliest words, on pairs of sentences."""
    nats = mean_loss(model, pairs)
    written = translate(model, [pair.source for pair in pairs], strategy=Greedy())
    texts, references = [one.text for one in written], [pair.target for pair in pairs]
    bleu = require().BLEU().corpus_score(texts, [references]).score
    # Of looks that are equally good, that with the lower loss is kept.
    metrics = {"perplexity": math.exp(min(nats, 700)), "BLEU": bleu}
    return Measured(nats, metrics, bleu - 1e-3 * nats)


@torch.no_grad()
def mean_loss(model: Translator, pairs: Sequence[Pair]) -> float:
    """Nats per piece of the targets, their ends included; pairs with an empty side are left out."""
    model.eval()
    sources = model.texts.encode([pair.source for pair in pairs])
    targets = model.texts.encode([pair.target for pair in pairs], target=True)
    real = [row for row, source in enumerate(sources) if source and targets[row]]
    total, pieces = 0.0, 0
    lengths = [(len(targets[row]), len(sources[row])) for row in real]
    for rows in of_like_length(lengths, 64):
        numbers = [real[row] for row in rows]
        batch = model.batch([sources[n] for n in numbers], [targets[n] for n in numbers])
        mean, count, _ = model.loss(batch.to(model.device))
        total += float(mean) * count
        pieces += count
    return total / max(pieces, 1)


def evaluate(
    model: Translator | str | Path,
    source: str | Path,
    target: str | Path | None = None,
    *,
    split: str | None = None,
    strategy: Beam | Greedy | Sampling = Beam(),  # noqa: B008 - frozen
    bootstrap: int = 0,
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> TranslationScores:
    """A translator on pairs of sentences: BLEU, chrF and TER with their signatures, by length, the
    worst and the best.

    Args:
        model: a translator, or its folder.
        source, target, split, reading: what `corpora.pairs.read_pairs` takes.
        strategy: how to translate.
        bootstrap: samples of the pairs for the ranges of the scores (Koehn 2004); 0 for none.
        report: hears what was left out of the data.
    """
    if not isinstance(model, Translator):
        model = Translator.from_pretrained(model)
    corpus = read_pairs(source, target, split=split, filters=AS_IT_IS, **reading)
    for text in corpus.remarks:
        report(Remark(text))
    return score_pairs(model, corpus.pairs, strategy, bootstrap=bootstrap)


def score_pairs(
    model: Translator,
    pairs: Sequence[Pair],
    strategy: Beam | Greedy | Sampling = Beam(),  # noqa: B008 - frozen
    *,
    bootstrap: int = 0,
) -> TranslationScores:
    """As `evaluate`, of pairs that have been read."""
    sources = [pair.source for pair in pairs]
    written = [one.text for one in translate(model, sources, strategy=strategy)]
    references = [pair.target for pair in pairs]
    return score_translations(sources, written, references, bootstrap=bootstrap)
