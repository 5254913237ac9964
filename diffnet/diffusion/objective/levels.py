"""At which noise levels a denoiser is trained."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..process import GaussianProcess, VariancePreserving


class Levels(ABC):
    """Draws noise levels, stratified: one uniform number a stratum lowers the loss's variance.

    A share `blank` of the batch gets no x_t at all (t = BLANK): there the network learns the
    posterior mean given the condition, which `Diffusion.mean` returns with one call.
    """

    blank: float

    def __post_init__(self) -> None:
        check_blank(self.blank)

    def draw(self, like: Tensor) -> Tensor:
        """Levels (B,), infinite where blank."""
        u = stratified(len(like), like.device)
        inner = ((u - self.blank) / max(1 - self.blank, 1e-6)).clamp(0.0, 1.0)
        return torch.where(u < self.blank, torch.inf, self.at(inner))

    @abstractmethod
    def at(self, quantile: Tensor) -> Tensor:
        """Levels of all draws from uniform numbers in [0, 1); close numbers give close levels."""


@dataclass(frozen=True)
class LogNormal(Levels):
    """ln r ~ N(mean, std^2), kept within [smallest, largest] (Karras et al., 2022,
    arXiv:2206.00364).

    A share `even` of the draws is uniform in ln r between smallest and largest instead: sampling
    begins where a normal distribution hardly ever looks, and what was never trained is wrong there.

    mean m and std s are the logit-normal(m, s) times of rectified flow (Esser et al., 2024,
    arXiv:2403.03206): r = tau / (1 - tau).
    """

    mean: float = -1.2
    std: float = 1.2
    smallest: float = 0.002
    largest: float = 80.0
    blank: float = 0.0
    even: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.even < 1:
            raise ValueError(f"a share of {self.even} even levels; it must lie in [0, 1)")

    def at(self, quantile: Tensor) -> Tensor:
        if self.even <= 0:
            return self._normal(quantile)
        first = (quantile / self.even).clamp(max=1.0)
        rest = ((quantile - self.even) / (1 - self.even)).clamp(min=0.0)
        return torch.where(
            quantile < self.even,
            LogUniformLevels(self.smallest, self.largest).at(first),
            self._normal(rest),
        )

    def _normal(self, quantile: Tensor) -> Tensor:
        low, high = (self._cdf(math.log(x)) for x in (self.smallest, self.largest))
        inner = (low + quantile * (high - low)).clamp(1e-6, 1 - 1e-6)
        level = (self.mean + self.std * math.sqrt(2) * torch.erfinv(2 * inner - 1)).exp()
        return level.clamp(self.smallest, self.largest)

    def _cdf(self, x: float) -> float:
        return 0.5 * (1 + math.erf((x - self.mean) / (self.std * math.sqrt(2))))


@dataclass(frozen=True)
class LogUniformLevels(Levels):
    """ln r uniform between smallest and largest."""

    smallest: float = 0.002
    largest: float = 80.0
    blank: float = 0.0

    def at(self, quantile: Tensor) -> Tensor:
        return self.smallest * (self.largest / self.smallest) ** quantile


@dataclass(frozen=True)
class TimeUniform(Levels):
    """t uniform in a schedule's own time: how DDPM (linear schedule) and rectified flow are
    trained.

    Ho et al., 2020, arXiv:2006.11239; Liu et al., 2022, arXiv:2209.03003.
    """

    process: GaussianProcess = field(default_factory=VariancePreserving)
    blank: float = 0.0

    def at(self, quantile: Tensor) -> Tensor:
        return self.process.level(quantile)


def check_blank(share: float) -> None:
    """Raise ValueError if it is no share."""
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share} blank examples; it must lie in [0, 1]")


def stratified(count: int, device: torch.device) -> Tensor:
    """(count,) numbers in [0, 1), one in each stratum, in random order."""
    u = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    return u[torch.randperm(count, device=device)]
