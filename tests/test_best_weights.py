"""The weights of a run's best evaluations, and their mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nlp.core.best_weights import BestWeights


class Model(nn.Module):
    """A number that is trained, and one that is counted."""

    def __init__(self, value: float, count: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value, -value]))
        self.register_buffer("count", torch.tensor(count))


def seen(folder: Path, count: int, scores: list[float]) -> BestWeights:
    best = BestWeights(folder, count)
    for step, score in enumerate(scores):
        best.see(Model(float(step), step), step, score)
    return best


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("scores", [[0.5], [1.0, 0.1, 0.4], [0.2, -5.0, 0.9, 0.3, 0.8]], ids=str)
def test_the_mean_is_that_of_the_best(tmp_path: Path, scores: list[float], count: int) -> None:
    best = seen(tmp_path, count, scores)
    ranked = sorted(range(len(scores)), key=lambda step: -scores[step])[:count]
    mean = best.mean()
    if len(ranked) < 2:
        assert mean is None
        return
    assert mean is not None
    expected = torch.tensor([float(step) for step in ranked]).mean()
    torch.testing.assert_close(mean["weight"], torch.stack([expected, -expected]))
    assert mean["count"] == min(ranked)  # a count has no mean


def test_a_killed_run_goes_on_with_what_it_had(tmp_path: Path) -> None:
    seen(tmp_path, 3, [0.1, 0.9, 0.2])
    best = BestWeights(tmp_path, 3)
    best.forget_after(1)  # that evaluation was not saved: it is done again
    best.see(Model(8.0), 2, 0.5)
    mean = best.mean()
    assert mean is not None
    torch.testing.assert_close(mean["weight"], torch.tensor([3.0, -3.0]))  # of 0, 1 and 8
    best.clear()
    assert best.mean() is None
    assert not [*tmp_path.rglob("best-*")]


def test_of_equals_the_later_are_kept(tmp_path: Path) -> None:
    mean = seen(tmp_path, 2, [0.0, 0.0, 0.0]).mean()
    assert mean is not None
    torch.testing.assert_close(mean["weight"], torch.tensor([1.5, -1.5]))
