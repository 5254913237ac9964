"""White noise, and what every other shape of noise must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


class Noise(ABC):
    """Draws noise of mean 0 and, where the shape allows it, variance 1 at every voxel."""

    @abstractmethod
    def __call__(self, like: Tensor) -> Tensor:
        """Noise of like's shape (B, C, *S), dtype and device."""


@dataclass(frozen=True)
class White(Noise):
    """Independent standard normal numbers."""

    def __call__(self, like: Tensor) -> Tensor:
        return torch.randn_like(like)
