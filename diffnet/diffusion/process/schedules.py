"""Noise schedules without a source: how a and c of x_t = a x_0 + c eps run with t."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .gaussian import GaussianProcess, Triple


@dataclass(frozen=True)
class VarianceExploding(GaussianProcess):
    """a = 1, c = sigma_min (sigma_max / sigma_min)^t.

    The time of score SDEs (Song et al., 2021, arXiv:2011.13456): t is uniform in the logarithm of
    the noise level.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0

    def coefficients(self, t: Tensor) -> Triple:
        c = self.sigma_min * (self.sigma_max / self.sigma_min) ** t
        return torch.ones_like(t), torch.zeros_like(t), c

    def time(self, level: Tensor) -> Tensor:
        return (level / self.sigma_min).log() / math.log(self.sigma_max / self.sigma_min)


@dataclass(frozen=True)
class Edm(GaussianProcess):
    """a = 1, c = sigma_min + (sigma_max - sigma_min) t: time is the noise level itself.

    Karras et al., 2022, arXiv:2206.00364.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0

    def coefficients(self, t: Tensor) -> Triple:
        c = self.sigma_min + (self.sigma_max - self.sigma_min) * t
        return torch.ones_like(t), torch.zeros_like(t), c

    def time(self, level: Tensor) -> Tensor:
        return (level - self.sigma_min) / (self.sigma_max - self.sigma_min)


@dataclass(frozen=True)
class Ranged(GaussianProcess):
    """A schedule in a native time tau, cut to the noise levels [smallest, largest].

    tau runs linearly from where r = smallest (t = 0) to where r = largest (t = 1): native schedules
    have r = 0 or r = infinity at their ends, and neither can be sampled from.
    """

    smallest: float = 0.002
    largest: float = 80.0

    @abstractmethod
    def native(self, tau: Tensor) -> Triple:
        """(a, b, c) at the native time."""

    @abstractmethod
    def native_time(self, level: Tensor) -> Tensor:
        """The native time at which c / a = level."""

    @cached_property
    def _ends(self) -> tuple[float, float]:
        if not 0 < self.smallest < self.largest < math.inf:
            raise ValueError(
                f"{type(self).__name__} with noise levels [{self.smallest}, {self.largest}]; "
                "they must satisfy 0 < smallest < largest < infinity"
            )
        ends = torch.tensor([self.smallest, self.largest], dtype=torch.float64)
        low, high = self.native_time(ends).tolist()
        return low, high

    def coefficients(self, t: Tensor) -> Triple:
        low, high = self._ends
        return self.native(low + (high - low) * t)

    def time(self, level: Tensor) -> Tensor:
        low, high = self._ends
        return (self.native_time(level) - low) / (high - low)


@dataclass(frozen=True)
class RectifiedFlow(Ranged):
    """a = 1 - tau, c = tau; its velocity is u = eps - x_0.

    Liu et al., 2022, arXiv:2209.03003; Lipman et al., 2023, arXiv:2210.02747.
    """

    def native(self, tau: Tensor) -> Triple:
        return 1 - tau, torch.zeros_like(tau), tau

    def native_time(self, level: Tensor) -> Tensor:
        return level / (1 + level)


@dataclass(frozen=True)
class Cosine(Ranged):
    """a = cos(pi tau / 2), c = sin(pi tau / 2) (Nichol and Dhariwal, 2021, arXiv:2102.09672, s =
    0).
    """

    def native(self, tau: Tensor) -> Triple:
        angle = tau * (math.pi / 2)
        return angle.cos(), torch.zeros_like(tau), angle.sin()

    def native_time(self, level: Tensor) -> Tensor:
        return level.atan() * (2 / math.pi)


@dataclass(frozen=True)
class VariancePreserving(Ranged):
    """a = exp(-B / 2), c = sqrt(1 - a^2), B = beta_min tau + (beta_max - beta_min) tau^2 / 2.

    The continuous linear schedule of Song et al., 2021, arXiv:2011.13456. By default the levels end
    where tau = 0.001 and tau = 1 put them.
    """

    smallest: float = 0.01048
    largest: float = 152.16
    beta_min: float = 0.1
    beta_max: float = 20.0

    def native(self, tau: Tensor) -> Triple:
        integral = self._integral(tau)
        return (-integral / 2).exp(), torch.zeros_like(tau), (-torch.expm1(-integral)).sqrt()

    def native_time(self, level: Tensor) -> Tensor:
        return self._time_of_integral(torch.log1p(level**2))

    def _integral(self, tau: Tensor) -> Tensor:
        return self.beta_min * tau + (self.beta_max - self.beta_min) * tau**2 / 2

    def _time_of_integral(self, integral: Tensor) -> Tensor:
        # The root in the form that does not subtract nearly equal numbers for small integrals.
        root = (self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * integral).sqrt()
        return 2 * integral / (self.beta_min + root)


@dataclass(frozen=True)
class SubVariancePreserving(VariancePreserving):
    """a = exp(-B / 2), c = 1 - a^2, B as in VariancePreserving (Song et al., 2021,
    arXiv:2011.13456).
    """

    smallest: float = 0.002
    largest: float = 152.16

    def native(self, tau: Tensor) -> Triple:
        integral = self._integral(tau)
        return (-integral / 2).exp(), torch.zeros_like(tau), -torch.expm1(-integral)

    def native_time(self, level: Tensor) -> Tensor:
        # r = 1 / a - a = 2 sinh(B / 2)
        return self._time_of_integral(2 * torch.asinh(level / 2))
