"""A product in the other order is the same product."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from nlp.core.linear import MOST, Linear, linear


@pytest.mark.parametrize("shape", [(1, 16), (2, 16), (MOST, 16), (MOST + 1, 16), (3, 2, 16), (16,)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_it_is_what_torch_computes(shape: tuple[int, ...], has_bias: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(40, 16), torch.randn(40)
    given = bias if has_bias else None
    with torch.no_grad():
        found = linear(x, weight, given)
    assert found.is_contiguous()
    torch.testing.assert_close(found, F.linear(x, weight, given))


def test_gradients_flow_where_they_are_asked_for() -> None:
    layer, x = Linear(16, 40), torch.randn(3, 16)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(40, 16))


def test_other_types_are_left_to_torch() -> None:
    x, weight = torch.randn(3, 16).double(), torch.randn(40, 16).double()
    with torch.no_grad():
        assert torch.equal(linear(x, weight), F.linear(x, weight))
