"""How a network's output becomes E[x_0 | x_t]: one row of coefficients for each parametrization."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Row(NamedTuple):
    """x_0 = centre + skip z + out F(in_ z, time), with z = (x_t - b y) / a - centre.

    skip, out, in_ are (B, C) or (B, 1); time is (B,). z is in units of x_0 with noise of std r.
    """

    skip: Tensor
    out: Tensor
    in_: Tensor
    time: Tensor


class Parametrization(ABC):
    """Coefficients for a noise level r = c / a, which may be infinite (nothing of x_0 is left)."""

    @abstractmethod
    def row(self, level: Tensor) -> Row:
        """Coefficients for levels (B,)."""


@dataclass(frozen=True)
class Preconditioned(Parametrization):
    """The network's input and target have unit variance at every level.

    skip = s^2 / (r^2 + s^2), out = r s / sqrt(r^2 + s^2), in = 1 / sqrt(r^2 + s^2), time = ln(r / s) / 4
    (Karras et al., 2022, arXiv:2206.00364, table 1), with s the standard deviation, per channel, of
    x_0 about its centre: of the data, or of what a voxel-wise guess leaves open for paired tasks.
    At r = infinity the input is zero and the output is centre + s F.
    """

    std: tuple[float, ...] = (0.5,)
    blank_time: float = 3.0

    def row(self, level: Tensor) -> Row:
        r, s = level[:, None], level.new_tensor(self.std)[None]
        blank = torch.isinf(r)
        finite = torch.where(blank, torch.ones_like(r), r)
        total = (finite**2 + s**2).sqrt()
        mean_std = s.square().mean().sqrt()
        time = torch.where(blank[:, 0], self.blank_time, (finite[:, 0] / mean_std).log() / 4)
        return Row(
            skip=torch.where(blank, 0.0, (s / total) ** 2),
            out=torch.where(blank, s, finite * s / total),
            in_=torch.where(blank, 0.0, 1 / total),
            time=time,
        )
