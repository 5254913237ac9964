"""ReSample: estimates that are fitted to the measurement, put back among noisy images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from ..operators import Operator, largest_eigenvalue
from ..samplers import GaussianSampler, View
from .measured import measurement_of, unmeasured


@dataclass(frozen=True)
class Resampled(GaussianSampler):
    """DDIM moves with a gradient step on |y - A D| / |A|; after the first third, every `every`-th
    estimate is fitted until |y - A x_0| is that of the noise, and x_s is drawn again around it.

    x_s ~ N((v x_fit + s^2 x') / (v + s^2), v s^2 / (v + s^2)) with x' the DDIM move and v = gamma
    (1 - b_s) / (1 - b_r) (1 - b_r / b_s) / b_s, b = 1 / (1 + r^2) (Song et al., 2024,
    arXiv:2307.08123). A need not be linear: it may decode first. scale: of the gradient step, times
    b. updates, rate: of Adam in one fit.
    """

    nonlinear: ClassVar[bool] = True

    every: int = 10
    scale: float = 0.5
    gamma: float = 40.0
    updates: int = 200
    rate: float = 5e-3

    def __post_init__(self) -> None:
        if min(self.every, self.updates) < 1 or min(self.scale, self.gamma, self.rate) <= 0:
            raise ValueError(
                f"resampling every {self.every} steps with scale {self.scale}, gamma {self.gamma}, "
                f"{self.updates} updates of rate {self.rate}; all are positive"
            )

    def advance(self, view: View, z: Tensor, levels: Sequence[float]):
        operator, y, sigma = measurement_of(view.condition).linear()
        view = View(view.denoiser, unmeasured(view.condition))
        size = largest_eigenvalue(operator, z).sqrt()
        last = len(levels) - 2
        for k, (r, s) in enumerate(pairwise(levels)):
            x_0, slope = self._slope(lambda v, r=r: view(v, r), z, operator, y)
            z = x_0 + s / r * (z - x_0) - self.scale / (1 + s**2) * slope / size
            if k >= len(levels) // 3 and k % self.every == 0:
                fitted = self._fitted(x_0, operator, y, sigma)
                b, above = 1 / (1 + s**2), 1 / (1 + r**2)
                v = self.gamma * (1 - b) / (1 - above) * (1 - above / b) / b
                mean = (v * fitted + s**2 * z) / (v + s**2)
                z = mean + math.sqrt(v * s**2 / (v + s**2)) * view.noise(z)
            end = self._fitted(view(z, s), operator, y, sigma) if k == last else None
            yield z, end

    @staticmethod
    def _slope(
        ask: Callable[[Tensor], Tensor], z: Tensor, operator: Operator, y: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(D, the gradient of |y - A D|)."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = z.detach().clone().requires_grad_()
            x_0 = ask(leaf)
            gap = (y - operator(x_0)).flatten(1).norm(dim=1)
            (slope,) = torch.autograd.grad(gap.sum(), leaf)
        return x_0.detach(), slope

    def _fitted(self, x_0: Tensor, operator: Operator, y: Tensor, sigma: float) -> Tensor:
        """x_0 moved by Adam until the residual is the noise's, at most `updates` times."""
        enough = max(sigma, 1e-3 * y.square().mean().sqrt().item()) ** 2
        with torch.inference_mode(False), torch.enable_grad():
            x = x_0.detach().clone().requires_grad_()
            optimiser = torch.optim.Adam([x], self.rate)
            for _ in range(self.updates):
                gap = (operator(x) - y).square().flatten(1).mean(1)
                if bool((gap <= enough).all()):
                    break
                optimiser.zero_grad()
                # examples that are done stay where they are
                (gap * (gap > enough)).sum().backward()
                optimiser.step()
        return x.detach()
