"""Estimates kept in bounds: clipped, dynamically normalised, or held where x_0 is known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser, WrappedDenoiser
from ..process import GaussianProcess, over


class Clipped(WrappedDenoiser):
    """D held in [low, high]: only for data whose range is that, and never to be trained through."""

    def __init__(self, inner: Denoiser, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__(inner)
        if low >= high:
            raise ValueError(f"clipping to [{low}, {high}]: the first must be less")
        self.low, self.high = low, high

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return self.inner(x_t, t, condition).clamp(self.low, self.high)


class DynamicallyNormalised(WrappedDenoiser):
    """clip(D, -q, q) / q scaled to `size`, q = max(size, quantile of |D| per channel).

    Saharia et al., 2022, arXiv:2205.11487, as in healthy counterfactuals with strong guidance.
    """

    def __init__(self, inner: Denoiser, quantile: float = 0.99, size: float = 1.0) -> None:
        super().__init__(inner)
        if not 0 < quantile <= 1:
            raise ValueError(f"quantile {quantile}; it must lie in (0, 1]")
        self.quantile, self.size = quantile, size

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        x_0 = self.inner(x_t, t, condition)
        flat = x_0.abs().flatten(2)
        # the k-th value, because torch.quantile is limited to 16 million numbers
        rank = max(1, round(self.quantile * flat.shape[2]))
        q = flat.kthvalue(rank, dim=2).values.clamp(min=self.size)
        q = q.reshape(*q.shape, *(1 for _ in range(x_0.ndim - 2)))
        return x_0.clamp(-q, q) * (self.size / q)


class Known(WrappedDenoiser):
    """P D + (1 - P) (x_t - b y) / a: for noise confined to a subspace, outside of which x_t tells
    x_0.

    project: P, as the projection of a `Confined` noise.
    """

    def __init__(self, inner: Denoiser, project: Callable[[Tensor], Tensor]) -> None:
        super().__init__(inner)
        if not isinstance(inner.process, GaussianProcess):
            raise TypeError(
                f"Known reads x_0 off x_t, which {type(inner.process).__name__} does not allow; "
                "it needs a GaussianProcess"
            )
        self.project = project

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        x_0 = self.inner(x_t, t, condition)
        blank = over(torch.isinf(t).to(x_t.dtype), x_t) > 0
        a, b, _ = (
            over(k, x_t) for k in self.process.coefficients(torch.where(torch.isinf(t), 1.0, t))
        )
        y = 0.0 if condition.source is None else condition.source
        z = (x_t - b * y) / a
        return torch.where(blank, x_0, self.project(x_0) + z - self.project(z))
