"""One-step solvers of the probability-flow ODE: Euler, Heun with churn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from .gaussian import GaussianSampler, Move, View


@dataclass(frozen=True)
class Euler(GaussianSampler):
    """z_s = (s / r) z + (1 - s / r) D: exponential Euler, DDIM and flow Euler in one."""

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        for r, s in pairwise(levels):
            z = (s / r) * z + (1 - s / r) * view(z, r)
            yield z, None


@dataclass(frozen=True)
class Heun(GaussianSampler):
    """Second order in r, two network calls a move (Karras et al., 2022, arXiv:2206.00364, alg. 2).

    churn > 0 first raises the level by min(churn / moves, sqrt 2 - 1) of itself, with noise of std
    `churn_noise`, while the level is in [churn_from, churn_to].
    """

    calls_per_move: ClassVar[int] = 2

    churn: float = 0.0
    churn_from: float = 0.0
    churn_to: float = math.inf
    churn_noise: float = 1.0

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        for r, s in pairwise(levels):
            z, high = self._churn(view, z, r, levels)
            slope = (z - view(z, high)) / high
            trial = z + (s - high) * slope
            z = z + (s - high) / 2 * (slope + (trial - view(trial, s)) / s)
            yield z, None

    def _churn(
        self, view: View, z: Tensor, r: float, levels: Sequence[float]
    ) -> tuple[Tensor, float]:
        if self.churn == 0 or not self.churn_from <= r <= self.churn_to:
            return z, r
        # above the first level lies no t that the process knows
        gain = min(self.churn / max(len(levels) - 1, 1), math.sqrt(2) - 1)
        high = min(r * (1 + gain), max(levels[0], r))
        if high <= r:
            return z, r
        return z + self.churn_noise * math.sqrt(high**2 - r**2) * view.noise(z), high
