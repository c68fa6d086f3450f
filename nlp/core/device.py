"""Where a model runs and how precisely it counts: the one place that chooses either."""

from __future__ import annotations

import platform
from typing import Literal

import torch

from corpora.errors import UsageError

Precision = Literal["auto", "float32", "bfloat16"]


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        UsageError: the named device is unknown or not on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"device {name!r} is unknown: expected auto, cpu, cuda, cuda:N or mps")
    available = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[device.type]:
        raise UsageError(
            f"device {name!r} is not on this machine: `--device auto` takes the best there is"
        )
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices faster than float32 ones."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return cpu_has_bfloat16()
    return False


def cpu_has_bfloat16() -> bool:
    """Whether the CPU has bfloat16 instructions (AVX-512 BF16, AMX, or Arm's)."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def cpu_has_float16() -> bool:
    """Whether the CPU reads float16 as fast as it comes from memory (F16C, and any 64-bit Arm)."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return arm or torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """What training multiplies matrices in; weights and sums stay float32 either way.

    `auto` is bfloat16 where the device is faster in it.
    """
    names = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if precision == "auto":
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if precision not in names:
        raise UsageError(f"precision {precision!r} is unknown: expected auto, float32 or bfloat16")
    return names[precision]


def compute_dtype(reference: torch.Tensor) -> torch.dtype:
    """What matrix products run in: autocast's type inside autocast, else `reference`'s own."""
    device = reference.device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return reference.dtype
