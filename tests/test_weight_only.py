"""Weights in fewer bits: how far off they may be, and what they leave alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from corpora import UsageError
from nlp.core.transformer import Config, Transformer
from nlp.core.weight_only import GROUP, WeightOnly, packed, replaced

# Of the largest weight of a row (int8), of a group (int4), or of a weight itself: half a step.
STEPS = {"float16": 2**-11, "bfloat16": 2**-8, "int8": 0.6 / 127, "int4": 1.2 / 15}


def model_of(seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(Config(96, 32, 2, 2, 64)).eval()


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_a_layer_gives_what_its_rounded_weights_give(kind: str, rows: int) -> None:
    torch.manual_seed(rows)
    layer, x = nn.Linear(64, 96), torch.randn(rows, 64)
    few = WeightOnly(layer.weight, layer.bias, kind)  # type: ignore[arg-type]
    bare = WeightOnly(layer.weight, None, kind)  # type: ignore[arg-type]
    identity = bare(torch.eye(64))  # the weights as they are used, rounded to bfloat16
    off = (identity.t() - layer.weight).abs().view(96, -1, GROUP)
    largest = layer.weight.detach().view(96, -1, GROUP).abs()
    largest = largest.amax(2 if kind == "int4" else (1, 2), keepdim=True)
    assert bool((off <= (STEPS[kind] + 2**-9) * largest).all())
    found = few(x)
    assert found.dtype == torch.float32
    # Products of bfloat16 inputs, and so of all but float16, are rounded to 8 bits themselves.
    torch.testing.assert_close(found, F.linear(x, identity.t(), layer.bias), atol=0.05, rtol=0.02)


def test_int4_falls_back_to_int8_where_the_sizes_do_not_allow_it() -> None:
    assert WeightOnly(torch.randn(50, 64), None, "int4").kind == "int8"
    assert WeightOnly(torch.randn(64, 64), None, "int4").kind == "int4"


@pytest.mark.parametrize("kind", STEPS)
def test_a_packed_model_is_close_and_steps_as_it_reads(kind: str) -> None:
    model, ids = model_of(), torch.randint(96, (2, 20))
    few = packed(model, kind)  # type: ignore[arg-type]
    logits, _ = few(ids)
    limit = {"float16": 2e-3, "bfloat16": 0.02, "int8": 0.03, "int4": 0.15}[kind]
    assert (logits - model(ids)[0]).abs().max() < limit
    state = few.start(2)
    for place in range(20):
        step, state = few.step(ids[:, place], state)
        torch.testing.assert_close(step, logits[:, place], atol=0.02, rtol=0.02)
    assert few.token_embedding is None
    assert model.token_embedding is not None


def test_the_model_itself_is_left_as_it_was_and_shared_where_it_is_not_packed() -> None:
    model = model_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    few = replaced(model, "float16")
    assert few.position_embedding is model.position_embedding
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(isinstance(module, WeightOnly) for module in model.modules())
    assert not any(isinstance(module, nn.Linear) for module in few.modules())


def test_eight_bits_are_a_quarter_of_the_memory() -> None:
    model = model_of()
    few = packed(model, "int8")

    def size(tensors: object) -> int:
        return sum(tensor.nbytes for tensor in tensors)  # type: ignore[attr-defined]

    large = [block.feed.expand.weight for block in model.blocks]  # type: ignore[union-attr]
    small = [block.feed.expand.packed for block in few.blocks]  # type: ignore[union-attr]
    assert size(small) * 4 == size(large)


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(UsageError, match="int3"):
        replaced(model_of(), "int3")  # type: ignore[arg-type]
