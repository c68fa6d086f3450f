"""How good a tagger is: on the validation part during training, on a test part after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from corpora.reader import Source
from corpora.schemes import to_spans
from corpora.tagged import Sentence, read_tagged
from nlp.core.batching import Buckets, of_like_length
from nlp.core.events import Event, Remark
from nlp.core.tags.entity_scores import score_entities
from nlp.core.tags.finding import Found, best_threshold, choose, probabilities
from nlp.core.tags.tag_evaluation import TagEvaluation, judge
from nlp.core.tokens.word_splitter import words_of
from nlp.core.training import Measured
from nlp.tagger.model import SCHEME, Tagger


def read_sentences(
    source: Source, split: str | None, reading: Mapping[str, Any]
) -> tuple[list[Sentence], list[str]]:
    """The sentences of a source and what there is to tell about them."""
    corpus = read_tagged(source, split=split, words_of=words_of, **reading)
    return corpus.sentences, corpus.remarks


def measure(model: Tagger, batches: Buckets) -> Measured:
    """Loss and F1 on the validation part."""
    total, words = 0.0, 0
    gold, found = [], []
    for batch in batches.epoch(0):
        batch = batch.to(model.device)
        emissions = model(batch).float()
        count = int(batch.mask.sum())
        total += float(model.crf.loss(emissions, batch.tags, batch.mask)) * count
        words += count
        found += model.candidates(emissions, batch.mask)
        for row, length in zip(batch.tags.tolist(), batch.mask.sum(1).tolist(), strict=True):
            gold.append(to_spans([model.tags[number] for number in row[:length]], SCHEME))
    threshold = best_threshold(gold, found)
    chosen = [[one.span for one in choose(own, threshold)] for own in found]
    f1 = score_entities(gold, chosen).micro.f1
    return Measured(total / words, {"F1": f1}, f1)


def evaluate(
    model: Tagger | str | Path,
    data: Source,
    *,
    split: str | None = None,
    report: Callable[[Event], None] = lambda event: None,
    **reading: Any,
) -> TagEvaluation:
    """A tagger on annotated text: precision, recall and F1, calibration, the worst errors.

    Args:
        model: a tagger, or its folder.
        data, split, reading: what `corpora.tagged.read_tagged` takes.
        report: hears what was left out or repaired of the data.
    """
    if not isinstance(model, Tagger):
        model = Tagger.from_pretrained(model)
    sentences, remarks = read_sentences(data, split, reading)
    for text in remarks:
        report(Remark(text))
    return evaluate_sentences(model, sentences)


@torch.no_grad()
def evaluate_sentences(model: Tagger, sentences: Sequence[Sentence]) -> TagEvaluation:
    """As `evaluate`, of sentences that have been read."""
    model.eval()
    found: dict[int, list[Found]] = {}
    sure: dict[int, list[float]] = {}
    temperature, threshold = float(model.temperature), float(model.threshold)
    seconds = 0.0
    for rows in of_like_length([len(s.words) for s in sentences], 32):
        began = time.perf_counter()
        spans = [model.known(sentences[row].spans) for row in rows]
        batch = model.batch([sentences[row].words for row in rows], spans).to(model.device)
        emissions = model(batch).float()
        entities = [choose(own, threshold) for own in model.candidates(emissions, batch.mask)]
        seconds += time.perf_counter() - began
        marginals = model.crf.marginals(emissions, batch.mask, temperature)
        wanted = probabilities(marginals, batch.tags, spans)
        for row, own, right, chances in zip(rows, entities, spans, wanted, strict=True):
            found[row] = own
            chance = dict(zip(right, chances, strict=True))
            sure[row] = [chance.get(span, 0.0) for span in sentences[row].spans]
    order = range(len(sentences))
    return judge(
        [sentence.words for sentence in sentences],
        [sentence.where for sentence in sentences],
        [sentence.spans for sentence in sentences],
        [sure[row] for row in order],
        [found[row] for row in order],
        seconds,
    )
