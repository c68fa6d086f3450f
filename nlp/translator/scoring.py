"""How probable a translator finds translations that are given: the chain rule, beside a source.

log P(target | source) = sum over its pieces, and its end, of log P(piece | source, before)

for found in score(model, [("Ein roter Ball.", "A red ball."), ("Ein roter Ball.", "A ball.")]):
    print(found.text, found.log_probability, found.word_probabilities, found.alignment)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, cast

import torch

from corpora.errors import UsageError, check_positive
from nlp.core.batching import of_like_length
from nlp.core.decoding import evaluation_mode
from nlp.core.search.hypotheses import Hypothesis
from nlp.translator.model import Translator
from nlp.translator.translation import AT_ONCE, Translation, told


def score(
    model: Translator, pairs: Iterable[tuple[str, str]], *, batch_size: int = 64
) -> Iterator[Translation]:
    """The given translation of each source, as if the model had written it, all true pieces before
    each piece.

    `score` and `log_probability` are both that of all pieces and of the end, in nats. A source
    without a visible character is translated by nothing, so any other text has -inf there.

    Raises:
        UsageError: a batch size below 1, or a model that gives NaN.
    """
    check_positive(batch_size=batch_size)
    pairs = iter(pairs)
    while window := list(itertools.islice(pairs, AT_ONCE)):
        sources = model.texts.encode([source for source, _ in window])
        targets = model.texts.encode([target for _, target in window], target=True)
        found: dict[int, Hypothesis] = {}
        real = [number for number, source in enumerate(sources) if source]
        lengths = [(len(targets[number]), len(sources[number])) for number in real]
        for rows in of_like_length(lengths, batch_size):
            numbers = [real[row] for row in rows]
            answers = _measured(model, [sources[n] for n in numbers], [targets[n] for n in numbers])
            found.update(zip(numbers, answers, strict=True))
        for number, (source, target) in enumerate(window):
            if number in found:
                yield told(model, source, sources[number], [found[number]])
            else:
                nats = -math.inf if targets[number] else 0.0
                yield Translation(source, target.strip(), nats, nats, True)


@torch.inference_mode()
def _measured(
    model: Translator, sources: list[list[int]], targets: list[list[int]]
) -> list[Hypothesis]:
    with evaluation_mode(cast(Any, model)):
        batch = model.batch(sources, targets).to(model.device)
        logits, weights = model(batch)
        logs = torch.log_softmax(logits.float(), -1)
        chosen = logs.gather(2, batch.targets.unsqueeze(2)).squeeze(2).cpu()
    if chosen[batch.target_mask.cpu()].isnan().any():
        raise UsageError("the model's output is not a number (NaN): its training has failed")
    answers = []
    for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
        nats = chosen[row, : len(target) + 1].tolist()
        looked = None
        if weights is not None:
            looked = weights[row, : len(target), : len(source)].float().cpu()
        answers.append(Hypothesis(target, nats[:-1], nats[-1], math.fsum(nats), looked))
    return answers
