"""Weights fitted to one measurement: a prior that did not know this scanner learns from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..process import over
from ..samplers import Sampler
from .measured import measurement_of, unmeasured
from .samplers import Conditioned


@dataclass(frozen=True)
class Adapted(Sampler):
    """`inner` draws x_0; then Adam fits the weights theta of D_theta(x_0, t = 0) to |A D - y|^2.

    `updates` steps of `rate`, fewer where the residual has come down to the noise; the answer is
    the fitted D. The denoiser has its own weights back afterwards (Gungor et al., 2023,
    arXiv:2207.05876).
    """

    inner: Sampler = field(default_factory=Conditioned)
    updates: int = 1000
    rate: float = 1e-3

    def __post_init__(self) -> None:
        if self.updates < 1 or self.rate <= 0:
            raise ValueError(
                f"{self.updates} updates of the weights with rate {self.rate}; both are positive"
            )

    @property
    def calls(self) -> int:
        return self._walker().calls + self.updates

    def step(self, denoiser, x_t, t, s, condition):
        return self.inner.step(denoiser, x_t, t, s, condition)

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        x_0 = x
        for x_0 in self._walker().walk(denoiser, x, condition, start):
            yield x_0
        with weights_on_loan(denoiser):
            yield self._fitted(denoiser, x_0, condition)

    def _walker(self) -> Sampler:
        return replace(self.inner, steps=self.steps, grid=self.grid)

    def _fitted(self, denoiser: Denoiser, x: Tensor, condition: Condition) -> Tensor:
        measurement, bare = measurement_of(condition), unmeasured(condition)
        operator, y, _ = measurement.linear()
        with torch.inference_mode(False), torch.enable_grad():
            t = x.new_zeros(len(x))
            x_t = over(denoiser.process.coefficients(t)[0], x) * x.clone()
            parameters = list(denoiser.parameters())
            x_0 = denoiser(x_t, t, bare)
            if not parameters:
                return x_0  # an exact prior has nothing to be fitted
            optimiser = torch.optim.Adam(parameters, self.rate)
            for _ in range(self.updates):
                gap = (operator(x_0) - y).square().mean()
                if bool((measurement.residual(x_0.detach()) <= 1).all()):
                    break
                optimiser.zero_grad()
                gap.backward()
                optimiser.step()
                x_0 = denoiser(x_t, t, bare)
        return x_0.detach()


@contextmanager
def weights_on_loan(denoiser: Denoiser) -> Iterator[None]:
    """Weights that may learn inside, and are as before afterwards."""
    kept = [(p, p.detach().clone(), p.requires_grad) for p in denoiser.parameters()]
    for p, _, _ in kept:
        p.requires_grad_()
    try:
        yield
    finally:
        for p, before, learns in kept:
            with torch.no_grad():
                p.copy_(before)
            p.grad = None
            p.requires_grad_(learns)
