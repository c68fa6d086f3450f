"""Products of few rows with a large matrix: what several texts written side by side are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOST = 8  # rows up to which the other order is never slower


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear`: `[..., inputs]` by weights `[outputs, inputs]` to `[..., outputs]`.

    For 2 to 8 rows of float32 a CPU computes W x^T up to five times as fast as x W^T: its product
    is laid out for the longer side first.
    """
    rows = x.numel() // x.shape[-1]
    on_cpu = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    if not on_cpu or not 1 < rows <= MOST or torch.is_grad_enabled():
        return F.linear(x, weight, bias)
    columns = x.reshape(rows, -1).t()
    if bias is None:
        y = torch.mm(weight, columns)
    else:
        y = torch.addmm(bias.unsqueeze(1), weight, columns)
    return y.t().contiguous().view(*x.shape[:-1], -1)


class Linear(nn.Linear):
    """`nn.Linear`, quicker for few rows."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)
