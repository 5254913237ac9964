"""Langevin moves: after each predictor, or by themselves at each level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from ..process import over
from .gaussian import GaussianSampler, Move, View


@dataclass(frozen=True)
class PredictorCorrector(GaussianSampler):
    """Each move: the reverse SDE's Euler-Maruyama, then `corrections` Langevin steps at the new
    level.

    z + e score + sqrt(2 e) zeta with e = 2 (snr |zeta| / |score|)^2, norms per example (Song et
    al., 2021, arXiv:2011.13456, alg. 4; snr 0.16 for VE, 0.17 for VP). In z every schedule is VE.
    """

    deterministic: ClassVar[bool] = False

    corrections: int = 1
    snr: float = 0.16

    @property
    def calls(self) -> int:
        return (1 + self.corrections) * (self.steps - 1) + 1

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        for r, s in pairwise(levels):
            fall = r**2 - s**2
            z = z + fall / r**2 * (view(z, r) - z) + math.sqrt(fall) * view.noise(z)
            for _ in range(self.corrections):
                z = self._correct(view, z, s)
            yield z, None

    def _correct(self, view: View, z: Tensor, r: float) -> Tensor:
        score, noise = (view(z, r) - z) / r**2, view.noise(z)
        ratio = noise.flatten(1).norm(dim=1) / score.flatten(1).norm(dim=1).clamp(min=1e-30)
        size = over(2 * (self.snr * ratio) ** 2, z)
        return z + size * score + (2 * size).sqrt() * noise


@dataclass(frozen=True)
class Langevin(GaussianSampler):
    """Annealed Langevin dynamics: `inner` steps z + e score + sqrt(2 e) zeta at every level r.

    e = rate (r / r_last)^2, with r_last the last level (Song and Ermon, 2019, arXiv:1907.05600);
    CSGM's rule. A step shrinks a Gaussian's noise by 1 - rate / r_last^2, so rate < r_last^2;
    `relative` gives that quotient itself.
    """

    deterministic: ClassVar[bool] = False

    inner: int = 3
    relative: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.relative < 1:
            raise ValueError(
                f"Langevin steps of {self.relative} times the level squared diverge or stand "
                "still; take a number in (0, 1)"
            )

    @property
    def calls(self) -> int:
        return self.inner * (self.steps - 1) + 1

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        for s in levels[1:]:
            size = self.relative * s**2
            for _ in range(self.inner):
                score = (view(z, s) - z) / s**2
                z = z + size * score + math.sqrt(2 * size) * view.noise(z)
            yield z, None
