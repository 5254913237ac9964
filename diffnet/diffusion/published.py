"""Networks trained elsewhere: rows for any (a, b, c), in the input scale and time the network
knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .parametrization import Parametrization, Row
from .process import GaussianProcess

KINDS = ("epsilon", "original", "velocity", "flow", "score")


@dataclass(frozen=True)
class Published(Parametrization):
    """A network that was trained on `process`, is called as F(x_t, scale t + shift) and returns
    `kind`.

    With z = x_t / a: epsilon x_0 = z - (c / a) F; velocity (v = a eps - c x_0)
    x_0 = (a^2 z - c F) / (a^2 + c^2); flow (u = a' x_0 + c' eps, in the process's own t)
    x_0 = (a c' z - c F) / (a c' - c a'); score x_0 = z + (c^2 / a) F. All hold for any a and c.

    The process of the denoiser may be another one: the row is looked up at the same noise level.
    A discrete schedule of T steps has scale T - 1 and shift 0. Not for r = infinity: published
    networks were not trained there.
    """

    blank = False

    process: GaussianProcess | None = None
    kind: str = "epsilon"
    scale: float = 999.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"output {self.kind!r} is unknown; there are {', '.join(KINDS)}")
        if self.process is None:
            raise ValueError("Published needs the process its network was trained on")

    def row(self, level: Tensor) -> Row:
        t = self.process.time(level)
        a, _, c = self.process.coefficients(t)
        skip, out = self.conversion(t, a, c)
        return Row(skip[:, None], out[:, None], a[:, None], self.scale * t + self.shift)

    def conversion(self, t: Tensor, a: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """(skip, out) of x_0 = skip z + out F, each (B,)."""
        if self.kind == "epsilon":
            return torch.ones_like(a), -c / a
        if self.kind == "score":
            return torch.ones_like(a), c**2 / a
        if self.kind == "original":
            return torch.zeros_like(a), torch.ones_like(a)
        if self.kind == "velocity":
            return a**2 / (a**2 + c**2), -c / (a**2 + c**2)
        slope_a, _, slope_c = self.process.derivatives(t)
        turn = a * slope_c - c * slope_a
        return a * slope_c / turn, -c / turn

    def output(self, r: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        row = self.row(r[:, 0])
        return row.skip, row.out

    def blank_out(self, s: Tensor) -> Tensor:
        return torch.full_like(s, torch.nan)
