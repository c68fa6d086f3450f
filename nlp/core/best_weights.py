"""The weights of a run's best evaluations, and their mean.

The mean of several checkpoints of one run is often better than the best of them (Junczys-Dowmunt,
Dwojak and Sennrich 2016; Vaswani et al. 2017, section 6.1), and costs nothing afterwards.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from nlp.core.checkpoint import read_about, read_tensors, write_tensors
from nlp.core.training_state import FOLDER


class BestWeights:
    """Keeps the best `count` on disk, so that a killed run goes on with them.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder / FOLDER, count

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("best-*.safetensors"))

    def see(self, model: nn.Module, step: int, score: float) -> None:
        """Hears of an evaluation; the higher score is the better."""
        ranked = sorted((read_about(path)["score"], path) for path in self._files())
        if len(ranked) < self.count or score >= ranked[0][0]:
            path = self.folder / f"best-{step:09d}.safetensors"
            write_tensors(path, model.state_dict(), {"score": score})
            for _, worst in ranked[: max(len(ranked) + 1 - self.count, 0)]:
                worst.unlink()

    def forget_after(self, step: int) -> None:
        """Deletes what was seen after a step: a run that goes on from there sees it anew."""
        for path in self._files():
            if int(path.stem.removeprefix("best-")) > step:
                path.unlink()

    def mean(self) -> dict[str, Tensor] | None:
        """The mean of what is kept; None where that is but one."""
        files = self._files()
        if len(files) < 2:
            return None
        total, _ = read_tensors(files[0])
        for count, path in enumerate(files[1:], 2):
            for name, other in read_tensors(path)[0].items():
                if total[name].is_floating_point():
                    total[name] = torch.lerp(total[name], other, 1 / count)
        return total

    def clear(self) -> None:
        """Deletes them."""
        for path in self._files():
            path.unlink()
