"""A measurement: what was read, by which operator, with which noise."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .noise_model import GaussianNoise, NoiseModel
from .operator import Operator
from .pointwise import Weighted


@dataclass(frozen=True)
class Measurement:
    """y = A x with noise. y (B, D, *T), 0 where nothing was sampled.

    ValueError: y holds numbers that are not finite.
    """

    y: Tensor
    operator: Operator
    noise: NoiseModel

    def __post_init__(self) -> None:
        wrong = int((~torch.isfinite(self.y)).sum())
        if wrong:
            raise ValueError(f"{wrong} of {self.y.numel()} measured numbers are not finite")

    @classmethod
    def simulate(cls, x: Tensor, operator: Operator, noise: NoiseModel) -> Measurement:
        """What would be measured of x (B, C, *S)."""
        y = noise.draw(operator(x))
        if operator.sampled is not None:
            y = y * operator.sampled
        return cls(y, operator, noise)

    def to(self, device: torch.device | str) -> Measurement:
        noise = self.noise
        if isinstance(noise, GaussianNoise) and isinstance(noise.std, Tensor):
            noise = GaussianNoise(noise.std.to(device))
        # a copy: others may hold the same operator where it is
        operator = copy.deepcopy(self.operator).to(device)
        return Measurement(self.y.to(device), operator, noise)

    def rescaled(self, gain: float, offset: float) -> Measurement:
        """The same measurement of gain x + offset instead of x. TypeError: not Gaussian noise."""
        if not isinstance(self.noise, GaussianNoise):
            raise TypeError(f"{type(self.noise).__name__} has units of its own, and keeps them")
        like = self.operator.adjoint(self.y)
        moved = self.operator(torch.full_like(like, offset))
        noise = GaussianNoise(abs(gain) * self.noise.std)
        return Measurement(gain * self.y + moved, self.operator, noise)

    def first_look(self) -> Tensor:
        """The image that is shown before anything is solved: zero-filled, back-projected."""
        return self.operator.first_look(self.y)

    def log_likelihood(self, x: Tensor) -> Tensor:
        """ln p(y | x) in nats (B,), of what was sampled."""
        found = self.noise.log_density(self.y, self.operator(x))
        if self.operator.sampled is not None:
            found = torch.where(self.operator.sampled > 0, found, 0.0)
        return found.flatten(1).sum(1)

    def residual(self, x: Tensor) -> Tensor:
        """Root mean square of (y - A x) / spread (B,), over what was sampled: 1 for the truth."""
        gap = ((self.y - self.operator(x)) / self.noise.spread(self.y)).square()
        if self.operator.sampled is None:
            return gap.flatten(1).mean(1).sqrt()
        sampled = self.operator.sampled.expand_as(gap)
        return ((gap * sampled).flatten(1).sum(1) / sampled.flatten(1).sum(1)).sqrt()

    def linear(self) -> tuple[Operator, Tensor, float]:
        """(A, y, sigma) with y = A x + sigma eps, as near as a Gaussian comes.

        Where the noise differs by element, both sides are divided by its spread and sigma is 1. It
        is found once: samplers ask at every step.
        """
        return self._linear

    @cached_property
    def _linear(self) -> tuple[Operator, Tensor, float]:
        spread = self.noise.spread(self.y)
        if not isinstance(spread, Tensor):
            return self.operator, self.y, float(spread)
        weights = 1 / spread.clamp(min=torch.finfo(spread.dtype).tiny ** 0.5)
        return Weighted(weights) @ self.operator, weights * self.y, 1.0
