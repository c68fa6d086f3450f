"""That a translator counts on a CUDA device as it does on a CPU, where it is checked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from corpora.generated_pairs import pairs
from nlp.core.strategies import Beam, Sampling
from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import Texts
from nlp.translator import Config, Translator, TranslatorBatch
from nlp.translator.scoring import score

DEVICE = "cuda"
PAIRS = list(pairs(count=24))
KINDS: tuple[dict[str, Any], ...] = (
    {"attention": "general"},
    {"attention": "additive", "cell": "gru", "layer_norm": True},
    {"attention": "concat", "encoder_layers": 2, "tied": False},
    {"attention": "dot", "input_feeding": True},
    {"attention": "general", "coverage": True, "input_feeding": True, "decoder_layers": 1},
    {"attention": "none", "reverse_source": True, "bidirectional": False},
)
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values()))),
]


def built(kind: dict[str, Any]) -> tuple[Translator, Translator]:
    """The same random translator on the CPU and on the device, without dropout."""
    tokenizer = Tokenizer.train([text for pair in PAIRS for text in pair], vocabulary_size=400)
    size = tokenizer.vocabulary_size
    none: dict[str, Any] = {"input_dropout": 0.0, "dropout": 0.0, "output_dropout": 0.0}
    config = Config(size, size, embedding_size=32, hidden_size=32, **none, **kind)
    models = []
    for device in ("cpu", DEVICE):
        torch.manual_seed(0)
        model = Translator(config, Texts(tokenizer, tokenizer))
        models.append(model.to(device).eval())
    return models[0], models[1]


def batch_of(model: Translator) -> TranslatorBatch:
    sources = model.texts.encode([source for source, _ in PAIRS])
    targets = model.texts.encode([target for _, target in PAIRS], target=True)
    return model.batch(sources, targets).to(model.device)


def test_logits_weights_loss_and_gradients_are_the_same(kind: dict[str, Any]) -> None:
    found = []
    for model in built(kind):
        batch = batch_of(model.train())
        mean, count, _ = model.loss(batch)
        mean.backward()
        given = {name: part.grad for name, part in model.named_parameters()}
        gradients = {name: part.cpu() for name, part in given.items() if part is not None}
        logits, weights = model.eval()(batch)
        real = logits[batch.target_mask].cpu(), None if weights is None else weights.cpu()
        found.append((mean.cpu(), count, gradients, *real))
    torch.testing.assert_close(found[1], found[0], atol=1e-4, rtol=1e-3)
    assert (found[0][4] is None) == (kind["attention"] == "none")


@pytest.mark.parametrize("strategy", [Beam(5), Beam(1, 0.0), Sampling(0.5)], ids=str)
def test_translations_and_scores_are_the_same(
    kind: dict[str, Any], strategy: Beam | Sampling
) -> None:
    """A random model is sure of nothing, and rounding may turn a search aside: most are equal."""
    on_cpu, on_device = built(kind)
    sources = [source for source, _ in PAIRS]
    options: dict[str, Any] = {"strategy": strategy, "max_length": 20}
    expected = list(on_cpu.translate(sources, **options))
    found = list(on_device.translate(sources, **options))
    same = [a.text == b.text for a, b in zip(found, expected, strict=True)]
    assert sum(same) >= 0.8 * len(same)
    for one, other, is_same in zip(found, expected, same, strict=True):
        if is_same and one.text:
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)
            assert (one.attention is None) == (kind["attention"] == "none")
            if one.attention is not None and other.attention is not None:
                close(one.attention, other.attention)


def test_given_translations_are_as_probable(kind: dict[str, Any]) -> None:
    on_cpu, on_device = built(kind)
    expected = [one.log_probability for one in score(on_cpu, PAIRS)]
    found = [one.log_probability for one in score(on_device, PAIRS, batch_size=7)]
    assert found == pytest.approx(expected, rel=1e-4)


def close(found: Any, expected: Any) -> None:
    both: list[Tensor] = [torch.as_tensor(one) for one in (found, expected)]
    torch.testing.assert_close(*both, atol=1e-4, rtol=1e-3)
