"""A denoiser that is exact, for tests and measurements: the posterior mean of a mixture."""

from __future__ import annotations

import torch
from torch import Tensor

from .batch import Condition
from .denoiser import Denoiser
from .process import GaussianProcess, over


class MixtureDenoiser(Denoiser):
    """E[x_0 | x_t] for vectors x_0 ~ sum_k w_k N(m_k, s_k^2 I), held as (B, C, 1).

    means (K, C), stds (K,), weights (K,). With a source the mixture is that of x_0 - y.
    """

    def __init__(
        self, process: GaussianProcess, means: Tensor, stds: Tensor, weights: Tensor
    ) -> None:
        super().__init__()
        self.process = process
        self.register_buffer("means", means)
        self.register_buffer("stds", stds)
        self.register_buffer("weights", weights / weights.sum())

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        blank = torch.isinf(t)
        a, b, c = self.process.coefficients(torch.where(blank, 1.0, t).to(x_t.dtype))
        y = 0.0 if condition.source is None else condition.source
        z = ((x_t - over(b, x_t) * y) / over(a, x_t) - y).flatten(1)
        level = torch.where(blank, 1e12, c / a)
        x_0 = self._mean(torch.where(blank[:, None], 0.0, z), level)
        return x_0.reshape(x_t.shape) + y

    def _mean(self, z: Tensor, r: Tensor) -> Tensor:
        """E[x_0 | x_0 + r eps = z] for z (B, C) and r (B,)."""
        variance = self.stds**2 + r[:, None] ** 2
        gap = z[:, None] - self.means
        density = -0.5 * gap.square().sum(2) / variance - 0.5 * z.shape[1] * variance.log()
        share = (density + self.weights.log()).softmax(1)
        pulled = self.means + (self.stds**2 / variance)[..., None] * gap
        return (share[..., None] * pulled).sum(1)

    def draw(self, count: int) -> Tensor:
        """x_0 (count, C, 1) from the mixture."""
        which = torch.multinomial(self.weights, count, replacement=True)
        noise = torch.randn(count, self.means.shape[1]).to(self.means)
        return (self.means[which] + self.stds[which][:, None] * noise)[..., None]
