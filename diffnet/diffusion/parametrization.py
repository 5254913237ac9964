"""How a network's output becomes E[x_0 | x_t]: one row of coefficients for each parametrization."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from .constant import constant


class Row(NamedTuple):
    """x_0 = centre + skip z + out F(in_ z, time), with z = (x_t - b y) / a - centre.

    skip, out, in_ are (B, C) or (B, 1); time is (B,). z is in units of x_0 with noise of std r.
    """

    skip: Tensor
    out: Tensor
    in_: Tensor
    time: Tensor


@dataclass(frozen=True)
class Parametrization(ABC):
    """Coefficients for a noise level r = c / a, which may be infinite (nothing of x_0 is left).

    std: standard deviation, per channel, of x_0 about its centre: of the data, or of what a
        voxel-wise guess leaves open for paired tasks. The network's input in_ z, in_ = 1 / sqrt(r^2
        + std^2), has unit variance at every level, and its time is ln(r / std) / 4, or blank_time
        at r = infinity.
    blank: whether an output exists at r = infinity; rows there are not a number where it does not.
    """

    blank: ClassVar[bool] = True

    std: tuple[float, ...] = (0.5,)
    blank_time: float = 3.0

    @abstractmethod
    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """(skip, out) for finite levels r (B, 1) and s (1, C)."""

    @abstractmethod
    def blank_out(self, s: Tensor) -> Tensor:
        """The limit of `out` at r = infinity, where skip z is zero."""

    def row(self, level: Tensor) -> Row:
        """Coefficients for levels (B,)."""
        r, s = level[:, None], constant(self.std, level)[None]
        blank = torch.isinf(r)
        r = torch.where(blank, torch.ones_like(r), r)
        skip, out = self.output(r, s)
        time = (r[:, 0] / s.square().mean().sqrt()).log() / 4
        return Row(
            skip=torch.where(blank, 0.0, skip),
            out=torch.where(blank, self.blank_out(s), out),
            in_=torch.where(blank, 0.0, (r**2 + s**2).rsqrt()),
            time=torch.where(blank[:, 0], self.blank_time, time),
        )


@dataclass(frozen=True)
class Preconditioned(Parametrization):
    """The network's target has unit variance at every level and is uncorrelated with its input.

    skip = s^2 / (r^2 + s^2), out = r s / sqrt(r^2 + s^2) (Karras et al., 2022, arXiv:2206.00364,
    table 1), with s the `std`. At r = infinity the input is zero and the output is centre + s F.
    """

    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        total = (r**2 + s**2).sqrt()
        return (s / total) ** 2, r * s / total

    def blank_out(self, s: Tensor) -> Tensor:
        return s


@dataclass(frozen=True)
class Velocity(Parametrization):
    """F = v = alpha eps - sigma x_0 / s (Salimans and Ho, 2022, arXiv:2202.00512), alpha^2 +
    sigma^2 = 1.

    With data of std s and sigma / alpha = r / s it is the preconditioned network with its sign
    turned.
    """

    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        total = (r**2 + s**2).sqrt()
        return (s / total) ** 2, -r * s / total

    def blank_out(self, s: Tensor) -> Tensor:
        return -s


@dataclass(frozen=True)
class Original(Parametrization):
    """F = x_0 / s: the clean image itself."""

    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(r * s), s.expand(len(r), -1)

    def blank_out(self, s: Tensor) -> Tensor:
        return s


@dataclass(frozen=True)
class Epsilon(Parametrization):
    """F = eps, the noise (Ho et al., 2020, arXiv:2006.11239): x_0 = z - r F.

    It says nothing about x_0 where nothing of x_0 is left, so it cannot be asked at r = infinity.
    """

    blank: ClassVar[bool] = False

    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(r), -r

    def blank_out(self, s: Tensor) -> Tensor:
        return torch.full_like(s, torch.nan)


@dataclass(frozen=True)
class Score(Parametrization):
    """F = r times the score of z: x_0 = z + r F, and F / r is the score (NCSN's scaling by 1 /
    sigma).

    Song and Ermon, 2020, arXiv:2006.09011. Not for r = infinity, as Epsilon.
    """

    blank: ClassVar[bool] = False

    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(r), r

    def blank_out(self, s: Tensor) -> Tensor:
        return torch.full_like(s, torch.nan)


@dataclass(frozen=True)
class FlowVelocity(Parametrization):
    """F = u = eps - x_0 / s, the velocity of rectified flow on data of unit std: x_0 = (z - r F) /
    (1 + r / s).

    Liu et al., 2022, arXiv:2209.03003.
    """

    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        weight = 1 / (1 + r / s)
        return weight, -r * weight

    def blank_out(self, s: Tensor) -> Tensor:
        return -s
