"""What a denoiser is asked at each training step: at which noise levels, and how wrong it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .batch import Batch
from .denoiser import BLANK
from .network_denoiser import NetworkDenoiser, per_channel


@dataclass(frozen=True)
class LogNormal:
    """ln r ~ N(mean, std^2), stratified over the batch and kept within [smallest, largest].

    A share `blank` of the batch gets no x_t at all (t = BLANK): there the network learns the
    posterior mean given the condition, which `Diffusion.mean` returns with one call.
    """

    mean: float = -1.2
    std: float = 1.2
    smallest: float = 0.002
    largest: float = 80.0
    blank: float = 0.0

    def draw(self, like: Tensor) -> Tensor:
        """Levels (B,), infinite where blank. One uniform number a stratum lowers the loss's
        variance.
        """
        n = len(like)
        u = (torch.arange(n, device=like.device) + torch.rand(n, device=like.device)) / n
        low, high = (self._cdf(math.log(x)) for x in (self.smallest, self.largest))
        inner = ((u - self.blank) / max(1 - self.blank, 1e-6)).clamp(0.0, 1.0)
        quantile = (low + inner * (high - low)).clamp(1e-6, 1 - 1e-6)
        level = (self.mean + self.std * math.sqrt(2) * torch.erfinv(2 * quantile - 1)).exp()
        level = level.clamp(self.smallest, self.largest)
        return torch.where(u < self.blank, torch.inf, level)

    def _cdf(self, x: float) -> float:
        return 0.5 * (1 + math.erf((x - self.mean) / (self.std * math.sqrt(2))))


class Objective(nn.Module):
    """|D - x_0|^2 / out^2, the network's own error, with a learned weight for every noise level.

    L = e / exp(u(r)) + u(r) with u a small network of the level (Karras et al., 2024,
    arXiv:2312.02696, appendix B): every level ends up contributing equally, whatever its
    difficulty.
    """

    def __init__(self, levels: LogNormal, features: int = 32) -> None:
        super().__init__()
        self.levels = levels
        self.register_buffer("frequencies", torch.randn(features) * 2 * math.pi)
        self.register_buffer("phases", torch.rand(features) * 2 * math.pi)
        self.uncertainty = nn.Linear(features, 1)
        nn.init.zeros_(self.uncertainty.weight)
        nn.init.zeros_(self.uncertainty.bias)

    def forward(self, denoiser: NetworkDenoiser, batch: Batch) -> Tensor:
        level = self.levels.draw(batch.target)
        blank = torch.isinf(level)
        process = denoiser.process
        t = process.time(torch.where(blank, process.level(torch.ones_like(level)), level))
        x_t = process.corrupt(batch.target, t.clamp(0.0, 1.0), batch.condition.source)
        t = torch.where(blank, BLANK, t)
        error = denoiser(x_t, t, batch.condition) - batch.target
        row = denoiser.row(t)
        square = (error / per_channel(row.out, error)).square().flatten(1).mean(1)
        wave = torch.cos(row.time[:, None] * self.frequencies + self.phases)
        u = self.uncertainty(wave)[:, 0].float()
        return (square * (-u).exp() + u).mean()
