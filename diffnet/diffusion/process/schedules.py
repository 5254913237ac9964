"""Noise schedules: how a, b and c of a Gaussian process run with t."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .gaussian import GaussianProcess


@dataclass(frozen=True)
class VarianceExploding(GaussianProcess):
    """a = 1, c = sigma_min (sigma_max / sigma_min)^t.

    The time of EDM and of score SDEs (Song et al., 2021, arXiv:2011.13456; Karras et al., 2022,
    arXiv:2206.00364): t is uniform in the logarithm of the noise level.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c = self.sigma_min * (self.sigma_max / self.sigma_min) ** t
        return torch.ones_like(t), torch.zeros_like(t), c

    def time(self, level: Tensor) -> Tensor:
        return (level / self.sigma_min).log() / math.log(self.sigma_max / self.sigma_min)
