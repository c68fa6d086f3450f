"""Weights in fewer bits than what is computed with them, for models that only read and write.

    y = x W^T + b       W in float16, bfloat16, int8 or int4; x, y and all sums of layers as before

Where a text is written a token at a time, the time goes into reading the weights from memory, so
half as many bits are up to twice as fast, whatever the processor. float16 and bfloat16 round each
weight; int8 has a scale for each output, int4 a scale and a zero for each 32 weights of one. The
kernels are PyTorch's.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError

Weights = Literal["float16", "bfloat16", "int8", "int4"]
GROUP = 32  # int4 weights that share a scale
FEW = 16  # rows up to which the packed weights are multiplied as they are
Model = TypeVar("Model", bound=nn.Module)


class WeightOnly(nn.Module):
    """A linear layer `[..., inputs]` to `[..., outputs]` whose weights are packed.

    Args:
        weight: `[outputs, inputs]`.
        bias: `[outputs]`, or None.
        kind: how the weights are kept. int4 where the sizes do not allow it becomes int8.
    """

    packed: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, kind: Weights) -> None:
        super().__init__()
        weight = weight.detach()
        outputs, inputs = weight.shape
        if kind == "int4" and (outputs % GROUP or inputs % GROUP):
            kind = "int8"
        self.kind, self.dtype = kind, torch.bfloat16
        bias = None if bias is None else bias.detach()
        if kind in ("float16", "bfloat16"):
            self.dtype = getattr(torch, kind)
            packed, scales = weight.to(self.dtype), weight.new_empty(0)
            bias = None if bias is None else bias.to(self.dtype)
        elif kind == "int8":
            packed, scales = _int8(weight.float())
        else:
            packed, scales = _int4(weight.float())
        self.register_buffer("packed", packed)
        self.register_buffer("scales", scales)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        if self.kind in ("float16", "bfloat16"):
            if self.kind == "float16" and len(flat) > 1:  # a CPU is slow at such products
                y = F.linear(flat.float(), self.packed.float(), self._wide_bias())
            else:
                y = F.linear(flat.to(self.dtype), self.packed, self.bias)
        else:
            y = self._product(flat.to(self.dtype)).to(x.dtype)
            y = y if self.bias is None else y + self.bias
        return y.to(x.dtype).view(*x.shape[:-1], -1)

    def rows(self, ids: Tensor) -> Tensor:
        """The weights of these outputs, `[..., inputs]`: a lookup in a tied embedding. Not int4."""
        rows = F.embedding(ids, self.packed)
        if self.kind == "int8":
            return rows * self.scales[ids].unsqueeze(-1)
        return rows

    def _wide_bias(self) -> Tensor | None:
        return None if self.bias is None else self.bias.float()

    def _product(self, x: Tensor) -> Tensor:
        if self.kind == "int4":
            return torch.ops.aten._weight_int4pack_mm_for_cpu(x, self.packed, GROUP, self.scales)
        if len(x) <= FEW:
            return torch._weight_int8pack_mm(x, self.packed, self.scales)
        return F.linear(x, self.packed.to(x.dtype) * self.scales.unsqueeze(1))


def _int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    scales = (weight.abs().amax(1) / 127).clamp_(min=1e-8).bfloat16()
    packed = (weight / scales.float().unsqueeze(1)).round_().clamp_(-127, 127)
    return packed.to(torch.int8), scales


def _int4(weight: Tensor) -> tuple[Tensor, Tensor]:
    outputs, inputs = weight.shape
    groups = weight.view(outputs, -1, GROUP)
    low, high = groups.amin(-1), groups.amax(-1)
    scales = ((high - low) / 15).clamp_(min=1e-8).bfloat16()
    # The kernel computes (q - 8) * scale + zero.
    zeros = (low + 8 * scales.float()).bfloat16()
    numbers = (groups - zeros.float().unsqueeze(-1)) / scales.float().unsqueeze(-1) + 8
    numbers = numbers.round_().clamp_(0, 15).to(torch.int32).view(outputs, inputs)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(numbers, 2)
    return packed, torch.stack([scales, zeros], -1).transpose(0, 1).contiguous()


def replaced(model: Model, kind: Weights) -> Model:
    """A transformer like `model` whose linear layers and output layer have packed weights; what is
    not packed is shared with it, so it follows no later training.

    Raises:
        UsageError: the kind is unknown, or this PyTorch or device has no kernel for it.
    """
    if kind not in get_args(Weights):
        raise UsageError(f"weights {kind!r} are unknown: expected {', '.join(get_args(Weights))}")
    tensors = (*model.parameters(), *model.buffers())
    shared: dict[int, Any] = {id(tensor): tensor for tensor in tensors}
    device = next(model.parameters()).device.type
    if kind.startswith("int") and device != "cpu":
        raise UsageError(f"{kind} weights are for a CPU, and the model is on {device}")
    clone = copy.deepcopy(model, shared)
    try:
        for module in list(clone.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, WeightOnly(child.weight, child.bias, kind))
                elif isinstance(child, WeightOnly):
                    setattr(module, name, WeightOnly(child.packed, child.bias, kind))
        if clone.token_embedding is not None:
            table: Any = clone.token_embedding
            clone.head = WeightOnly(table, None, "int8" if kind == "int4" else kind)
    except (AttributeError, RuntimeError, NotImplementedError) as error:
        raise UsageError(
            f"this PyTorch has no {kind} weights ({str(error).splitlines()[0]}): "
            "use bfloat16 or float32"
        ) from error
    return clone.eval()


def packed(model: Model, kind: Weights) -> Model:
    """As `replaced`, for good: the unpacked token vectors are let go too."""
    clone = replaced(model, kind)
    clone.token_embedding = None  # type: ignore[assignment]
    return clone
