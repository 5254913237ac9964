"""DPM-Solver++: exponential integrators in half log-SNR, with and without noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from .gaussian import GaussianSampler, Move, View, log_step


@dataclass(frozen=True)
class DpmSolver2S(GaussianSampler):
    """DPM-Solver++(2S), second order, two network calls a move (Lu et al., 2022,
    arXiv:2211.01095).
    """

    calls_per_move: ClassVar[int] = 2

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        for r, s in pairwise(levels):
            h, middle = log_step(r, s), math.sqrt(r * s)
            inner = (middle / r) * z - math.expm1(-h / 2) * view(z, r)
            z = (s / r) * z - math.expm1(-h) * view(inner, middle)
            yield z, None


@dataclass(frozen=True)
class DpmSolver2M(GaussianSampler):
    """DPM-Solver++(2M), second order, one network call a move (Lu et al., 2022,
    arXiv:2211.01095).
    """

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        last, h_last = None, 0.0
        for r, s in pairwise(levels):
            h, now = log_step(r, s), view(z, r)
            share = 0.0 if last is None else h / h_last / 2
            mixed = now if last is None else (1 + share) * now - share * last
            z = (s / r) * z - math.expm1(-h) * mixed
            last, h_last = now, h
            yield z, None


@dataclass(frozen=True)
class DpmSolver3M(GaussianSampler):
    """DPM-Solver++(3M): three estimates in each move (Lu et al., 2022, arXiv:2211.01095).

    Its first move is of first order, which limits the whole walk to second order, with a small
    constant.
    """

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        old: list[
            tuple[Tensor, float]
        ] = []  # (estimate, length of the move it began), newest first
        for r, s in pairwise(levels):
            h, now = log_step(r, s), view(z, r)
            z = math.exp(-h) * z - math.expm1(-h) * now
            if old:
                z = z + _third_order(h, now, old)
            old = [(now, h), *old[:1]]
            yield z, None


def _third_order(h: float, now: Tensor, old: list[tuple[Tensor, float]]) -> Tensor:
    phi_2 = math.expm1(-h) / h + 1
    phi_3 = phi_2 / h - 0.5
    q_0 = old[0][1] / h
    slope_0 = (now - old[0][0]) / q_0
    if len(old) == 1:
        return phi_2 * slope_0
    q_1 = old[1][1] / h
    slope_1 = (old[0][0] - old[1][0]) / q_1
    curve = (slope_0 - slope_1) / (q_0 + q_1)
    return phi_2 * (slope_0 + q_0 * curve) - phi_3 * curve


@dataclass(frozen=True)
class SdeDpmSolver2M(GaussianSampler):
    """SDE-DPM-Solver++(2M): second order with fresh noise at every move (Lu et al., 2022,
    arXiv:2211.01095).

    eta = 1 is the reverse SDE, eta = 0 is DpmSolver2M. variant: "midpoint" or "heun", two ways to
    use the previous estimate.
    """

    deterministic: ClassVar[bool] = False

    eta: float = 1.0
    variant: str = "midpoint"

    def __post_init__(self) -> None:
        if self.variant not in ("midpoint", "heun"):
            raise ValueError(f"variant {self.variant!r} is unknown; there are midpoint and heun")

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        last, h_last = None, 0.0
        for r, s in pairwise(levels):
            h, now = log_step(r, s), view(z, r)
            long = (1 + self.eta) * h
            z = math.exp(-long) * z - math.expm1(-long) * now
            if last is not None:
                z = z + self._slope(long) * (h / h_last) * (now - last)
            z = z + s * math.sqrt(-math.expm1(-2 * self.eta * h)) * view.noise(z)
            last, h_last = now, h
            yield z, None

    def _slope(self, long: float) -> float:
        if self.variant == "midpoint":
            return -math.expm1(-long) / 2
        return 1 + math.expm1(-long) / long
