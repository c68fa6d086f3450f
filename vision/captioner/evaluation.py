"""How good a captioner is: on the validation part during training, on a test part after it.

Captions are written freely, never with the true words given, and held against all the references
of their picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch

from corpora.captions import Captioned, read_captions
from nlp.core.events import Event, Remark
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.training import Measured
from vision.caption_scores import CaptionScores, score_captions
from vision.captioner.captioning import caption
from vision.captioner.model import Captioner
from vision.images import load_many

RESULT_COLUMNS = ("BLEU-4", "ROUGE-L", "CIDEr")
AT_ONCE = 32  # pictures


def result_row(scores: CaptionScores) -> tuple[float, ...]:
    """The row of a table with `RESULT_COLUMNS`."""
    return scores.bleu[3], scores.rouge_l, scores.cider


def measure(model: Captioner, items: Sequence[Captioned]) -> Measured:
    """Loss, perplexity per piece, BLEU-4 and CIDEr of the likeliest words on some pictures."""
    nats = mean_loss(model, items)
    scores = score_items(model, items, Greedy())
    metrics = {"perplexity": math.exp(min(nats, 700)), "BLEU-4": scores.bleu[3]}
    metrics["CIDEr"] = scores.cider
    # Of looks that are equally good, that with the lower loss is kept.
    return Measured(nats, metrics, scores.cider - 1e-3 * nats)


@torch.no_grad()
def mean_loss(model: Captioner, items: Sequence[Captioned]) -> float:
    """Nats per piece of all captions of some pictures, their ends included."""
    model.eval()
    total, pieces = 0.0, 0
    pictures = load_many((item.image for item in items), model.preparation)
    for begin in range(0, len(items), AT_ONCE):
        part = items[begin : begin + AT_ONCE]
        pixels = torch.stack([next(pictures).pixels for _ in part])
        captions = [text for item in part for text in item.captions]
        owners = [row for row, item in enumerate(part) for _ in item.captions]
        batch = model.batch(pixels, model.texts.encode(captions, target=True), owners)
        mean, count, _ = model.loss(batch.to(model.device))
        total += float(mean) * count
        pieces += count
    return total / max(pieces, 1)


def evaluate(
    model: Captioner | str | Path,
    captions: str | Path,
    images: str | Path | None = None,
    *,
    split: str | None = None,
    strategy: Beam | Greedy | Sampling = Beam(3),  # noqa: B008 - frozen
    bootstrap: int = 0,
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> CaptionScores:
    """A captioner on captioned pictures: BLEU, METEOR, ROUGE-L and CIDEr, the worst and the best.

    Args:
        model: a captioner, or its folder.
        captions, images, split, reading: what `corpora.captions.read_captions` takes.
        strategy: how to write the captions.
        bootstrap: samples of the pictures for the ranges of the scores; 0 for none.
        report: hears what was left out of the data.

    Raises:
        UsageError: the data cannot be read, or a picture of it cannot.
    """
    if not isinstance(model, Captioner):
        model = Captioner.from_pretrained(model)
    corpus = read_captions(captions, images=images, split=split, **reading)
    for text in corpus.remarks:
        report(Remark(text))
    return score_items(model, corpus.items, strategy, bootstrap=bootstrap)


def score_items(
    model: Captioner,
    items: Sequence[Captioned],
    strategy: Beam | Greedy | Sampling = Beam(3),  # noqa: B008 - frozen
    *,
    training: Collection[str] = (),
    bootstrap: int = 0,
) -> CaptionScores:
    """As `evaluate`, of pictures that have been read; `training` are the captions that were trained
    on, for the share of new ones."""
    written = caption(model, (item.image for item in items), strategy=strategy)
    texts = [one.text for one in written]
    references = [item.captions for item in items]
    return score_captions(texts, references, training=training, bootstrap=bootstrap)
