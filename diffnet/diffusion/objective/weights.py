"""How much an error of E[x_0 | x_t] counts at each noise level: w(r) |D - x_0|^2."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from ..parametrization import Row


class Weight(nn.Module):
    """The error D - x_0 is multiplied by `scale`, the root of w; `finish` may act on the loss.

    blank: whether anything is left of the weight at r = infinity.
    """

    blank: bool = True

    @abstractmethod
    def square(self, level: Tensor, row: Row) -> Tensor:
        """w for levels (B,), which may be infinite; (B, 1) or (B, C)."""

    def scale(self, level: Tensor, row: Row) -> Tensor:
        return self.square(level, row).sqrt()

    def finish(self, loss: Tensor, row: Row) -> Tensor:
        """The loss (B,) that is averaged."""
        return loss


class Unit(Weight):
    """w = 1: the error of x_0."""

    def square(self, level: Tensor, row: Row) -> Tensor:
        return torch.ones_like(level)[:, None]


class NetworkError(Weight):
    """w = 1 / out^2: the network's own error, whatever it returns.

    1 / r^2 + 1 / s^2 for the preconditioned network (Karras et al., 2022, arXiv:2206.00364), which
    has unit loss at the start of training; the error of eps, of v or of the flow velocity for
    those.
    """

    def square(self, level: Tensor, row: Row) -> Tensor:
        return row.out.square().reciprocal()


class EpsilonError(Weight):
    """w = 1 / r^2: the error of eps (Ho et al., 2020, arXiv:2006.11239)."""

    blank = False

    def square(self, level: Tensor, row: Row) -> Tensor:
        return level[:, None] ** -2


class VelocityError(Weight):
    """w = 1 + 1 / r^2: the error of v (Salimans and Ho, 2022, arXiv:2202.00512)."""

    def square(self, level: Tensor, row: Row) -> Tensor:
        return 1 + level[:, None] ** -2


class FlowError(Weight):
    """w = (1 + 1 / r)^2: the error of the flow velocity (Liu et al., 2022, arXiv:2209.03003)."""

    def square(self, level: Tensor, row: Row) -> Tensor:
        return (1 + 1 / level[:, None]) ** 2


class MinSnr(Weight):
    """w = min(1 / r^2, gamma) (Hang et al., 2023, arXiv:2303.09556)."""

    blank = False

    def __init__(self, gamma: float = 5.0) -> None:
        super().__init__()
        self.gamma = gamma

    def square(self, level: Tensor, row: Row) -> Tensor:
        return (level[:, None] ** -2).clamp(max=self.gamma)


class SoftMinSnr(Weight):
    """w = 1 / (r^2 + s^2): min-SNR with gamma = 1 / s^2 and a round corner."""

    blank = False

    def __init__(self, std: float = 0.5) -> None:
        super().__init__()
        self.std = std

    def square(self, level: Tensor, row: Row) -> Tensor:
        return 1 / (level[:, None] ** 2 + self.std**2)


class P2(Weight):
    """w = snr / (k + snr)^gamma, snr = 1 / r^2 (Choi et al., 2022, arXiv:2204.00227)."""

    blank = False

    def __init__(self, k: float = 1.0, gamma: float = 1.0) -> None:
        super().__init__()
        self.k, self.gamma = k, gamma

    def square(self, level: Tensor, row: Row) -> Tensor:
        snr = level[:, None] ** -2
        return snr / (self.k + snr) ** self.gamma


class Sigmoid(Weight):
    """w = snr sigmoid(bias - ln snr), snr = 1 / r^2 (Kingma and Gao, 2023, arXiv:2303.00848)."""

    blank = False

    def __init__(self, bias: float = -1.0) -> None:
        super().__init__()
        self.bias = bias

    def square(self, level: Tensor, row: Row) -> Tensor:
        snr = level[:, None] ** -2
        # snr / (1 + snr e^-bias): finite at both ends
        return snr / (1 + snr * math.exp(-self.bias))


class Learned(NetworkError):
    """The network's own error over exp(u(r)), plus u(r): every level ends up contributing equally.

    u is a small network of the level (Karras et al., 2024, arXiv:2312.02696, appendix B).
    """

    def __init__(self, features: int = 32) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(features) * 2 * math.pi)
        self.register_buffer("phases", torch.rand(features) * 2 * math.pi)
        self.uncertainty = nn.Linear(features, 1)
        nn.init.zeros_(self.uncertainty.weight)
        nn.init.zeros_(self.uncertainty.bias)

    def finish(self, loss: Tensor, row: Row) -> Tensor:
        wave = torch.cos(row.time[:, None] * self.frequencies + self.phases)
        u = self.uncertainty(wave)[:, 0].to(loss.dtype)
        return loss * (-u).exp() + u


WEIGHTS: dict[str, type[Weight]] = {
    "unit": Unit,
    "network": NetworkError,
    "epsilon": EpsilonError,
    "velocity": VelocityError,
    "flow": FlowError,
    "min_snr": MinSnr,
    "soft_min_snr": SoftMinSnr,
    "p2": P2,
    "sigmoid": Sigmoid,
    "learned": Learned,
}
