"""The fused softmax loss against the plain one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nlp.core.losses import Workspace, linear_cross_entropy, plain_linear_cross_entropy


def problem(
    rows: int, features: int, vocabulary: int, dtype: torch.dtype, bias: bool = True
) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(rows + features + vocabulary)
    leaves = [
        torch.randn(rows, features, generator=generator, dtype=dtype),
        torch.randn(vocabulary, features, generator=generator, dtype=dtype),
    ]
    if bias:
        leaves.append(torch.randn(vocabulary, generator=generator, dtype=dtype))
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    return [leaf.requires_grad_() for leaf in leaves], targets


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 40),
    features=st.integers(1, 9),
    vocabulary=st.integers(2, 50),
    chunk_rows=st.integers(1, 50),
    bias=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 0.7]),
)
def test_value_and_gradients_equal_the_plain_loss(
    rows: int, features: int, vocabulary: int, chunk_rows: int, bias: bool, smoothing: float
) -> None:
    leaves, targets = problem(rows, features, vocabulary, torch.float64, bias)
    plain = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    args = leaves if bias else [*leaves, None]
    plain_args = plain if bias else [*plain, None]
    options = {"label_smoothing": smoothing}
    fused = linear_cross_entropy(*args, targets, chunk_rows=chunk_rows, **options)  # type: ignore[arg-type]
    expected = plain_linear_cross_entropy(*plain_args, targets, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(fused, expected, atol=1e-12, rtol=1e-12)
    (3 * fused).backward()
    (3 * expected).backward()
    for ours, theirs in zip(leaves, plain, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-12, rtol=1e-12)


def test_a_workspace_is_used_again_and_changes_nothing() -> None:
    workspace = Workspace()
    for rows in (20, 7, 33):
        leaves, targets = problem(rows, 5, 30, torch.float64)
        loss = linear_cross_entropy(*leaves, targets, chunk_rows=8, workspace=workspace)
        loss.backward()
        expected = plain_linear_cross_entropy(*leaves, targets)
        gradient = torch.autograd.grad(expected, leaves[1])[0]
        torch.testing.assert_close(leaves[1].grad, gradient)
    before = workspace.take("logits", (2, 3), leaves[0], torch.float64).data_ptr()
    assert workspace.take("logits", (3, 2), leaves[0], torch.float64).data_ptr() == before


def test_only_what_needs_a_gradient_gets_one() -> None:
    (hidden, weight, bias), targets = problem(12, 4, 9, torch.float64)
    linear_cross_entropy(hidden.detach(), weight, bias.detach(), targets).backward()
    assert hidden.grad is None
    assert bias.grad is None
    assert weight.grad is not None
    with torch.no_grad():
        loss = linear_cross_entropy(hidden, weight, bias, targets)
    assert not loss.requires_grad


def test_bfloat16_is_close_and_its_gradients_are_float32() -> None:
    leaves, targets = problem(64, 32, 500, torch.float32)
    with torch.no_grad():
        leaves[1] *= 0.1
    expected = plain_linear_cross_entropy(*leaves, targets)
    gradients = torch.autograd.grad(expected, leaves)
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(*leaves, targets, chunk_rows=24)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=0.02, rtol=0)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        assert leaf.grad.dtype == torch.float32  # type: ignore[union-attr]
        difference = (leaf.grad - gradient).norm() / gradient.norm()
        assert difference < 0.02


def test_a_hopeless_target_gives_a_finite_loss() -> None:
    hidden = torch.tensor([[1000.0]])
    weight = torch.tensor([[1.0], [-1.0]])
    loss = linear_cross_entropy(hidden, weight, None, torch.tensor([1]))
    assert torch.isfinite(loss)
    assert loss > 80


@pytest.mark.gpu
def test_cuda_equals_cpu() -> None:
    leaves, targets = problem(300, 16, 1000, torch.float32)
    expected = plain_linear_cross_entropy(*leaves, targets)
    gradients = torch.autograd.grad(expected, leaves)
    moved = [leaf.detach().cuda().requires_grad_() for leaf in leaves]
    loss = linear_cross_entropy(*moved, targets.cuda(), chunk_rows=128)
    loss.backward()
    torch.testing.assert_close(loss.cpu(), expected, atol=1e-4, rtol=1e-4)
    for leaf, gradient in zip(moved, gradients, strict=True):
        torch.testing.assert_close(leaf.grad.cpu(), gradient, atol=1e-4, rtol=1e-3)  # type: ignore
