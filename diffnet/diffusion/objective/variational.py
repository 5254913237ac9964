"""Learned variance: the simple objective plus a share of the variational bound."""

from __future__ import annotations

import torch
from torch import Tensor

from ..batch import Batch
from ..learned_variance import LearnedVariance, step_variances
from ..process import over
from .levels import Levels
from .losses import Loss
from .objective import Objective
from .weights import Weight


class Variational(Objective):
    """simple + share * KL(q(x_s | x_t, x_0) || p(x_s | x_t)) / ln 2 for a random pair of neighbours
    s < t.

    Nichol and Dhariwal, 2021, arXiv:2102.09672. The mean of p is not taught by the KL. t runs over
    `steps` equal steps of the process's own time; blank examples have no KL.
    """

    def __init__(
        self,
        levels: Levels,
        features: int = 32,
        weight: Weight | None = None,
        loss: Loss | None = None,
        steps: int = 1000,
        share: float = 1.0,
    ) -> None:
        super().__init__(levels, features, weight, loss)
        self.steps, self.share = steps, share

    def forward(self, denoiser: LearnedVariance, batch: Batch) -> Tensor:
        if not isinstance(denoiser, LearnedVariance):
            raise TypeError(
                f"Variational trains a LearnedVariance denoiser, not a {type(denoiser).__name__}; "
                "Objective trains every other"
            )
        return super().forward(denoiser, batch) + self.share * self.bound(denoiser, batch)

    def bound(self, denoiser: LearnedVariance, batch: Batch) -> Tensor:
        """The mean KL in bits per value."""
        target, source = batch.target, batch.condition.source
        i = torch.randint(1, self.steps + 1, (len(target),), device=target.device)
        t, s = i / self.steps, (i - 1) / self.steps
        x_t = denoiser.process.corrupt(target, t, source)
        x_0, fraction = denoiser.moments(x_t, t, batch.condition)
        small, large, gain = (over(k, x_t) for k in step_variances(denoiser.process, t, s))
        guess = large.log() * fraction + small.log() * (1 - fraction)
        gap = gain * (target - x_0.detach())
        bound = guess - small.log() + (small + gap.square()) / guess.exp() - 1
        return bound.mean() / 2 / torch.log(bound.new_tensor(2.0))
