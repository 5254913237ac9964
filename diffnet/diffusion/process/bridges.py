"""Processes that end in a paired image y: bridges, and priors whose mean is another network's
output.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .gaussian import GaussianProcess, Triple
from .schedules import Ranged, VariancePreserving


@dataclass(frozen=True)
class BrownianBridge(GaussianProcess):
    """a = 1 - m, b = m, c = sqrt(2 s (m - m^2)), m from `first` to `last` (BBDM).

    Li et al., 2023, arXiv:2205.07680. s = scale; a bridge flow sigma sqrt(m (1 - m)) has scale
    sigma^2 / 2.
    """

    scale: float = 1.0
    first: float = 0.001
    last: float = 0.999

    def coefficients(self, t: Tensor) -> Triple:
        m = self.first + (self.last - self.first) * t
        return 1 - m, m, (2 * self.scale * m * (1 - m)).sqrt()

    def time(self, level: Tensor) -> Tensor:
        m = level**2 / (level**2 + 2 * self.scale)
        return (m - self.first) / (self.last - self.first)


@dataclass(frozen=True)
class SchroedingerBridge(Ranged):
    """a = v / S, b = w / S, c = sqrt(w v / S), w = int_0^tau beta, v = int_tau^1 beta, S = w + v
    (I2SB).

    Liu et al., 2023, arXiv:2302.05872. sqrt(beta) rises linearly from sqrt(beta_min) to
    sqrt(beta_max) at the middle and falls back in the same way.
    """

    smallest: float = 0.01
    largest: float = 20.0
    beta_min: float = 0.1
    beta_max: float = 0.3

    def native(self, tau: Tensor) -> Triple:
        total = self.total
        half = self._half_integral(torch.where(tau < 0.5, tau, 1 - tau))
        w, v = half, total - half
        w, v = torch.where(tau < 0.5, w, v), torch.where(tau < 0.5, v, w)
        return v / total, w / total, (w * v / total).sqrt()

    def native_time(self, level: Tensor) -> Tensor:
        # r^2 = w S / v; the smaller of w and v is formed without a difference
        w = self.total * level**2 / (self.total + level**2)
        v = self.total**2 / (self.total + level**2)
        low, high = self._roots
        root = (low**3 + 6 * (high - low) * torch.minimum(w, v)) ** (1 / 3)
        tau = (root - low) / (2 * (high - low))
        return torch.where(w < v, tau, 1 - tau)

    @property
    def _roots(self) -> tuple[float, float]:
        return self.beta_min**0.5, self.beta_max**0.5

    @property
    def total(self) -> float:
        """S, the variance of the whole bridge."""
        low, high = self._roots
        return (high**3 - low**3) / (3 * (high - low))

    def _half_integral(self, tau: Tensor) -> Tensor:
        low, high = self._roots
        return ((low + 2 * (high - low) * tau) ** 3 - low**3) / (6 * (high - low))


@dataclass(frozen=True)
class ResidualShift(GaussianProcess):
    """a = 1 - eta, b = eta, c = kappa sqrt(eta), sqrt(eta) = first^(1 - t^p) last^(t^p) (ResShift).

    Yue et al., 2023, arXiv:2307.12348. Its published step keeps rho = c_t b_s / b_t of the noise,
    which makes x_t independent of y given x_s and x_0.
    """

    kappa: float = 2.0
    first: float = 0.02
    last: float = 0.9995
    power: float = 0.3

    def coefficients(self, t: Tensor) -> Triple:
        # x^p has no finite slope at 0; so small a step away is lost in rounding
        bend = t.clamp(min=1e-30) ** self.power
        root = self.first ** (1 - bend) * self.last**bend
        eta = root**2
        return 1 - eta, eta, self.kappa * root

    def time(self, level: Tensor) -> Tensor:
        # kappa q / (1 - q^2) = r, solved for q = sqrt(eta) without a difference
        root = 2 * level / (self.kappa + (self.kappa**2 + 4 * level**2).sqrt())
        first, last = (
            torch.tensor(x, dtype=torch.float64).log().item() for x in (self.first, self.last)
        )
        return ((root.log() - first) / (last - first)).clamp(min=0.0) ** (1 / self.power)

    def kept(self, t: Tensor, s: Tensor) -> Tensor:
        _, b_t, c_t = self.coefficients(t)
        _, b_s, _ = self.coefficients(s)
        return c_t * b_s / b_t


@dataclass(frozen=True)
class MeanShifted(GaussianProcess):
    """a and c of `inner`, b = 1 - a: the prior is N(y, c^2), y another network's output.

    The form of Han et al., 2022, arXiv:2206.07275, for x_t = a x_0 + (1 - a) y + c eps.
    """

    inner: GaussianProcess = field(default_factory=VariancePreserving)

    def coefficients(self, t: Tensor) -> Triple:
        a, _, c = self.inner.coefficients(t)
        return a, 1 - a, c

    def time(self, level: Tensor) -> Tensor:
        return self.inner.time(level)
