"""Exact answers for the tests of diffusion: traced noise, linear denoisers, a mixture."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from diffnet.diffusion import Condition, Denoiser, GaussianProcess, Noise, over
from diffnet.diffusion.oracle import MixtureDenoiser

NOTHING = Condition()


@dataclass(frozen=True, eq=False)
class Traced(Noise):
    """Successive unit vectors along the last axis: a linear sampler then returns its
    coefficients.
    """

    drawn: list[int] = field(default_factory=list)

    def __call__(self, like: Tensor) -> Tensor:
        unit = torch.zeros_like(like)
        unit[..., 1 + len(self.drawn)] = 1
        self.drawn.append(1)
        return unit


class LinearDenoiser(Denoiser):
    """E[x_0 | x_t] for x_0 - y ~ N(0, std^2): linear in z."""

    def __init__(self, process: GaussianProcess, std: float) -> None:
        super().__init__()
        self.process, self.std = process, std

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        a, b, c = (over(k, x_t) for k in self.process.coefficients(t))
        y = 0.0 if condition.source is None else condition.source
        z = (x_t - b * y) / a - y
        return y + z * self.std**2 / (self.std**2 + (c / a) ** 2)


class Recording(Denoiser):
    """Returns what `answer` says and remembers every question."""

    self_conditioned = False

    def __init__(self, process, answer=lambda x, t, c: torch.zeros_like(x)) -> None:
        super().__init__()
        self.process, self.answer, self.asked = process, answer, []

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        self.asked.append((x_t, t, condition))
        return self.answer(x_t, t, condition)


def mixture(process: GaussianProcess, dims: int = 4, parts: int = 5) -> MixtureDenoiser:
    """A fixed Gaussian mixture in float64."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(parts, dims, generator=generator, dtype=torch.float64)
    stds = 0.2 + 0.3 * torch.rand(parts, generator=generator, dtype=torch.float64)
    return MixtureDenoiser(process, means, stds, torch.ones(parts, dtype=torch.float64))


def normal(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal float64 numbers that do not depend on what was drawn before."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
