"""Reconstructions by descent on an objective: total variation, and RED-diff."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..operators import largest_eigenvalue
from ..process import GaussianProcess, Process
from ..samplers import Sampler, View
from .measured import measurement_of, unmeasured
from .samplers import first_estimate
from .total_variation import total_variation_prox


@dataclass(frozen=True)
class TotalVariation(Sampler):
    """argmin |y - A x|^2 / 2 + weight |A|^2 TV(x) by FISTA: the baseline that asks no network.

    Beck and Teboulle, 2009. weight is in network units, where images have standard deviation 0.5;
    steps counts iterations.
    """

    steps: int = 100
    weight: float = 0.002
    inner: int = 20

    def __post_init__(self) -> None:
        if self.weight < 0 or self.inner < 1:
            raise ValueError(
                f"total variation of weight {self.weight} with {self.inner} inner iterations; "
                "needed: weight >= 0, inner >= 1"
            )

    @property
    def calls(self) -> int:
        return 0

    def step(self, denoiser, x_t, t, s, condition):
        raise TypeError("TotalVariation has no step: it asks no network")

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        measurement = measurement_of(condition)
        operator, y, _ = measurement.linear()
        size = 1.05 * largest_eigenvalue(operator, x)
        now = measurement.first_look()
        ahead, momentum = now, 1.0
        for _ in range(self.steps):
            down = ahead + operator.adjoint(y - operator(ahead)) / size
            before, now = now, total_variation_prox(down, self.weight, self.inner)
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead = now + (momentum - 1) / following * (now - before)
            momentum = following
            yield now


@dataclass(frozen=True)
class RedDiff(Sampler):
    """Adam on |y - A mu|^2 / (2 |A|^2) + weight r (e - eps) mu, e the noise that D sees in mu + r
    eps.

    A variational posterior of no width (Mardani et al., 2023, arXiv:2305.04391): the levels fall
    over the grid, one network call each. weight and rate: the published 0.25 and 0.1.
    """

    needs: ClassVar[type[Process]] = GaussianProcess

    weight: float = 0.25
    rate: float = 0.1

    def step(self, denoiser, x_t, t, s, condition):
        raise TypeError("RedDiff has no step: it moves one estimate through all levels")

    @property
    def calls(self) -> int:
        return self.steps

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        self.check(denoiser.process)
        operator, y, _ = measurement_of(condition).linear()
        size, view = largest_eigenvalue(operator, x), View(denoiser, unmeasured(condition))
        mu = first_estimate(condition)
        first, second = torch.zeros_like(mu), torch.zeros_like(mu)
        levels = denoiser.process.level(self.grid.times(denoiser.process, self.steps, start))
        for k, r in enumerate(levels.tolist(), 1):
            clean = view(mu + r * view.noise(mu), r)
            slope = self.weight * (mu - clean) + operator.adjoint(operator(mu) - y) / size
            first = 0.9 * first + 0.1 * slope
            second = 0.99 * second + 0.01 * slope**2
            move = first / (1 - 0.9**k) / ((second / (1 - 0.99**k)).sqrt() + 1e-8)
            mu = mu - self.rate * (1 - (k - 1) / self.steps) * move
            yield mu
