"""Counts: Poisson thinning as a process, and Anscombe's transform to nearly Gaussian noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .process import Process, over


@dataclass(frozen=True)
class PoissonThinning(Process):
    """x_t = n_t / dose(t), n_t ~ Poisson(dose(t) x_0), dose = most (least / most)^t.

    x_0 >= 0 is the mean count per unit of dose. Less dose is a thinning of more, so a step back
    adds what was thinned away, n_s = n_t + Poisson((dose(s) - dose(t)) x_0), and has the exact
    marginal. It starts from the low-dose image, the source, x_1 = counts / `least`.
    """

    most: float = 1e4
    least: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.least < self.most:
            raise ValueError(
                f"doses from {self.most} down to {self.least} must satisfy 0 < least < most"
            )

    def dose(self, t: Tensor) -> Tensor:
        return self.most * (self.least / self.most) ** t

    def corrupt(self, x_0: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        dose = over(self.dose(t), x_0)
        return torch.poisson(dose * x_0.clamp(min=0.0)) / dose

    def reverse(self, x_0, x_t, t, s, source=None, eta=1.0):
        if eta != 1:
            raise ValueError(f"PoissonThinning has one way back, eta = 1, not {eta}")
        low, high = (over(self.dose(k), x_t) for k in (t, s))
        added = torch.poisson((high - low) * x_0.clamp(min=0.0))
        return (low * x_t + added) / high

    def start(self, like: Tensor, source: Tensor | None = None) -> Tensor:
        if source is None:
            raise ValueError(
                "PoissonThinning starts from condition.source, the low-dose image, which is "
                "missing; Gaussian processes start from noise"
            )
        return source.clone()


def anscombe(counts: Tensor) -> Tensor:
    """2 sqrt(n + 3/8): Poisson counts to values of nearly unit variance (Anscombe, 1948)."""
    return 2 * (counts.clamp(min=-0.375) + 0.375).sqrt()


def anscombe_inverse(values: Tensor, unbiased: bool = False) -> Tensor:
    """Counts from values.

    unbiased: for values that are means of noisy ones, where the algebraic inverse is too low: the
        closed form of the exact unbiased inverse (Makitalo and Foi, 2011).
    """
    if not unbiased:
        return (values / 2).square() - 0.375
    v = values.clamp(min=2 * math.sqrt(0.375))
    root = math.sqrt(1.5)
    return v**2 / 4 + root / 4 / v - 11 / 8 / v**2 + 5 * root / 8 / v**3 - 1 / 8
