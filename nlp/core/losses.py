"""The softmax over a vocabulary, which is most of a language model's work, and its plain reference.

    loss = mean over n of  -log softmax(W h_n + b)[target_n]

`F.cross_entropy(F.linear(h, W, b), targets)` holds all logits `[N, vocabulary]`, and two more
arrays of that size for the gradient. `linear_cross_entropy` takes a few rows at a time, and while
it has their probabilities p it already computes what the gradient needs (p - onehot times W, and
its transpose times h), so no logits outlive their chunk. The idea is that of Liger Kernel (Hsu et
al. 2024), here in plain matrix products, so that it runs as it is on CPU, CUDA and MPS.

    >>> hidden, weight = torch.randn(6, 4), torch.randn(10, 4)
    >>> targets = torch.randint(10, (6,))
    >>> torch.allclose(linear_cross_entropy(hidden, weight, None, targets),
    ...                plain_linear_cross_entropy(hidden, weight, None, targets))
    True
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from nlp.core.device import compute_dtype

# Enough rows that the matrix products are worth their set-up, few enough that the logits stay near
# the last cache of a CPU; a GPU wants more rows at a time.
CHUNK_BYTES = {"cpu": 16 << 20, "mps": 128 << 20, "cuda": 512 << 20}
LEAST_CHUNK_ROWS = 256
PRODUCT_ROWS = 4096


class Workspace:
    """Arrays that one training step after the other writes over.

    An array of many megabytes goes back to the kernel when it is freed, and the next one is
    faulted in page by page: without this, that takes as long as the matrix products.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor, dtype: torch.dtype) -> Tensor:
        """An uninitialised array; the last one of this name is overwritten."""
        size = torch.Size(shape).numel()
        array = self._arrays.get(name)
        fits = array is not None and array.dtype == dtype and array.device == like.device
        if array is None or not fits or array.numel() < size:
            array = torch.empty(size, dtype=dtype, device=like.device)
            self._arrays[name] = array
        return array[:size].view(shape)


def plain_linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
) -> Tensor:
    """What `linear_cross_entropy` equals, written as one reads it."""
    logits = F.linear(hidden, weight, bias)
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    chunk_rows: int | None = None,
    workspace: Workspace | None = None,
) -> Tensor:
    """Mean cross entropy of `softmax(hidden @ weight.T + bias)` at `targets`, in nats.

    Args:
        hidden: `[N, features]`.
        weight, bias: `[vocabulary, features]` and `[vocabulary]`.
        targets: `[N]` int64.
        label_smoothing: how much of a target's weight is shared by the whole vocabulary (Szegedy
            et al. 2016), 0 to 1.
        chunk_rows: rows of `hidden` at a time; None takes what suits the device.
        workspace: memory to use again in the next call.

    Inside autocast the products run in its type; sums over rows are float32. A target less probable
    than the type's smallest number counts as that probable: no loss is above 87.3 nats in float32.
    """
    dtype = compute_dtype(hidden)
    if not torch.is_grad_enabled():  # else the gradients would be computed and thrown away
        hidden, weight = hidden.detach(), weight.detach()
        bias = None if bias is None else bias.detach()
    if chunk_rows is None:
        chunk_bytes = CHUNK_BYTES.get(hidden.device.type, CHUNK_BYTES["cpu"])
        chunk_rows = max(LEAST_CHUNK_ROWS, chunk_bytes // (weight.shape[0] * dtype.itemsize))
    with torch.autocast(hidden.device.type, enabled=False):
        return _LinearCrossEntropy.apply(
            hidden,
            weight,
            bias,
            targets,
            label_smoothing,
            chunk_rows,
            dtype,
            workspace or Workspace(),
        )


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
        chunk_rows: int,
        dtype: torch.dtype,
        workspace: Workspace,
    ) -> Tensor:
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        rows, vocabulary = hidden.shape[0], weight.shape[0]
        sums = torch.promote_types(dtype, torch.float32)
        h = hidden.to(dtype)
        h_mean = h / rows  # the mean's factor, where it costs least
        w = weight
        if weight.dtype != dtype:
            w = workspace.take("weight", tuple(weight.shape), hidden, dtype).copy_(weight)
        b = None if bias is None else bias.to(dtype)
        losses = torch.empty(rows, dtype=sums, device=hidden.device)
        smooth = losses.new_zeros(rows if smoothing else 0)  # the target's logit above the mean
        hidden_gradient = torch.empty_like(h) if wants_hidden else None
        weight_gradient = torch.empty_like(weight, dtype=sums) if wants_weight else None
        bias_gradient = losses.new_zeros(vocabulary) if wants_bias else None
        for begin in range(0, rows, chunk_rows):
            part = slice(begin, begin + chunk_rows)
            row = torch.arange(len(h[part]), device=hidden.device)
            chosen = targets[part]
            p = workspace.take("logits", (len(row), vocabulary), hidden, dtype)
            torch.mm(h[part], w.t(), out=p)
            if b is not None:
                p += b
            if smoothing:
                smooth[part] = p[row, chosen].to(sums) - p.mean(-1, dtype=sums)
            torch.softmax(p, dim=-1, out=p)
            at_target = p[row, chosen]
            losses[part] = at_target.to(sums)
            # Now the gradient of the logits.
            if smoothing:
                p -= smoothing / vocabulary
                at_target = p[row, chosen]
            p[row, chosen] = at_target - (1 - smoothing)
            if hidden_gradient is not None:
                torch.mm(p, w, out=hidden_gradient[part])
            if weight_gradient is not None:
                _add_product(weight_gradient, p, h_mean[part], workspace, first=begin == 0)
            if bias_gradient is not None:
                bias_gradient += p.new_ones(1, len(row)).mm(p)[0]  # a sum over rows, but faster
        ctx.rows, ctx.dtypes = rows, (hidden.dtype, weight.dtype)
        ctx.save_for_backward(hidden_gradient, weight_gradient, bias_gradient)
        nats = losses.clamp_min_(torch.finfo(dtype).tiny).log_().neg_()
        if smoothing:
            # With z the logits, - mean log p = (- log p_target) + z_target - mean z.
            nats += smoothing * smooth
        return nats.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.saved_tensors
        hidden_type, weight_type = ctx.dtypes
        if weight is not None:
            # On the CPU a look at the factor is free and saves a pass over a big array.
            if gradient.device.type != "cpu" or gradient.item() != 1:
                weight = weight * gradient
            weight = weight.to(weight_type)
        mean = gradient / ctx.rows
        return (
            None if hidden is None else (hidden * mean).to(hidden_type),
            weight,
            None if bias is None else bias * mean,
            *(None,) * 5,
        )


def _add_product(total: Tensor, p: Tensor, h: Tensor, workspace: Workspace, *, first: bool) -> None:
    """`total += p.T @ h`, some rows of it at a time: the product has another type than the total,
    and whole it would be one more array of the weights' size."""
    for begin in range(0, total.shape[0], PRODUCT_ROWS):
        rows = slice(begin, begin + PRODUCT_ROWS)
        product = workspace.take("product", tuple(total[rows].shape), total, h.dtype)
        torch.mm(p[:, rows].t(), h, out=product)
        if first:
            total[rows] = product
        else:
            total[rows] += product.to(total.dtype)
