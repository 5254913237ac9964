"""Solvers in time itself: flow Euler, midpoint, Adams-Bashforth in flow velocity,
Euler-Maruyama.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from .gaussian import GaussianSampler, Move, View


@dataclass(frozen=True)
class AdamsBashforth(GaussianSampler):
    """Second order in the velocity of rectified flow, one network call a move.

    w = z / (1 + r), tau = r / (1 + r), dw / dtau = (z - D) / r - D = v, and w moves by
    h ((1 + k / 2) v - (k / 2) v_last), k = h / h_last. Robust at six calls and fewer.
    """

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        last, h_last = None, 0.0
        for r, s in pairwise(levels):
            clean = view(z, r)
            velocity = (z - clean) / r - clean
            h = s / (1 + s) - r / (1 + r)
            move = velocity
            if last is not None:
                k = h / h_last
                move = (1 + k / 2) * velocity - (k / 2) * last
            z = (1 + s) * (z / (1 + r) + h * move)
            last, h_last = velocity, h
            yield z, None


@dataclass(frozen=True)
class NativeSampler(GaussianSampler):
    """A sampler that moves x_t in the schedule's own time t.

    u = dx / dt = a' x_0 + b' y + c' eps is the probability-flow velocity. With b = 0, or a source
    that is kept, its solution has the marginals of the process.
    """

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        times = [_time(view, r) for r in levels]
        x = view.leave(z, levels[0])
        for t, s in pairwise(times):
            x = self.move(view, x, t, s)
            yield view.enter(x, _triple(view, s)[3]), None

    def move(self, view: View, x: Tensor, t: float, s: float) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class FlowEuler(NativeSampler):
    """x_s = x_t + (s - t) u: on rectified flow the same as DDIM at the same levels."""

    def move(self, view: View, x: Tensor, t: float, s: float) -> Tensor:
        return x + (s - t) * velocity(view, x, t)


@dataclass(frozen=True)
class FlowMidpoint(NativeSampler):
    """x_s = x_t + (s - t) u(x at the middle), two network calls a move, second order."""

    calls_per_move: ClassVar[int] = 2

    def move(self, view: View, x: Tensor, t: float, s: float) -> Tensor:
        middle = x + (s - t) / 2 * velocity(view, x, t)
        return x + (s - t) * velocity(view, middle, (s + t) / 2)


@dataclass(frozen=True)
class EulerMaruyama(GaussianSampler):
    """z + (1 + eta^2) / 2 (r^2 - s^2) score + eta sqrt(r^2 - s^2) zeta: the reverse SDE in z.

    Song et al., 2021, arXiv:2011.13456; eta = 1 is the reverse-diffusion predictor.
    """

    deterministic: ClassVar[bool] = False

    eta: float = 1.0

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        for r, s in pairwise(levels):
            fall = r**2 - s**2
            score = (view(z, r) - z) / r**2
            z = z + (1 + self.eta**2) / 2 * fall * score
            z = z + self.eta * math.sqrt(fall) * view.noise(z)
            yield z, None


def velocity(view: View, x: Tensor, t: float) -> Tensor:
    """dx / dt = a' x_0 + b' y + c' eps at time t."""
    a, b, c, r = _triple(view, t)
    slope_a, slope_b, slope_c = (
        k.item() for k in view.process.derivatives(torch.tensor(t, dtype=torch.float64))
    )
    x_0 = view(view.enter(x, r), r)
    source = view.condition.source
    rest = x - a * x_0 if source is None or b == 0 else x - a * x_0 - b * source
    u = slope_a * x_0 + slope_c / c * rest
    return u if source is None or slope_b == 0 else u + slope_b * source


def _time(view: View, r: float) -> float:
    return view.process.time(torch.tensor(r, dtype=torch.float64)).item()


def _triple(view: View, t: float) -> tuple[float, float, float, float]:
    """(a, b, c, r) at t."""
    a, b, c = (k.item() for k in view.process.coefficients(torch.tensor(t, dtype=torch.float64)))
    return a, b, c, c / a
