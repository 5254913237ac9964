"""Time grids: where between the largest and the smallest noise level the network is called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..process import Process


class Grid(ABC):
    """Times (steps,) in float64, strictly falling, from t = 1 to the last level the network is asked at."""

    @abstractmethod
    def times(self, process: Process, steps: int) -> Tensor: ...


@dataclass(frozen=True)
class LogUniform(Grid):
    """Noise levels r in geometric progression (uniform log-SNR)."""

    def times(self, process: Process, steps: int) -> Tensor:
        ends = process.level(torch.tensor([1.0, 0.0], dtype=torch.float64)).log()
        return process.time(
            (ends[0] + (ends[1] - ends[0]) * torch.linspace(0, 1, steps, dtype=torch.float64)).exp()
        )
