"""The probability-flow ODE solved to a tolerance, and the likelihood it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from .gaussian import GaussianSampler, Move, View
from .heun import Heun

Slope = Callable[[Tensor, float], Tensor]
# Dormand and Prince's pair of orders 5 and 4: nodes, rows, and the difference of the two answers
NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
ROWS = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
DIFFERENCE = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


@dataclass(frozen=True)
class ProbabilityFlow(GaussianSampler):
    """dz / d ln r = z - D, by Dormand-Prince 5(4) with the step set by the error.

    The grid's levels are met exactly, and between them the solver takes the steps it needs: `calls`
    counts the fewest. The error estimate is read from the device at every step. The tolerance is
    relative to max(r, |z|).
    """

    tolerance: float = 1e-4
    most: int = 10_000

    @property
    def calls(self) -> int:
        return 6 * (self.steps - 1) + 1

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        step = 0.2
        for r, s in pairwise(levels):
            z, step = self._between(view, z, math.log(r), math.log(s), step)
            yield z, None

    def _between(
        self, view: View, z: Tensor, now: float, end: float, step: float
    ) -> tuple[Tensor, float]:
        sign = math.copysign(1.0, end - now)

        def slope(z: Tensor, log_r: float) -> Tensor:
            return z - view(z, math.exp(log_r))

        for _ in range(self.most):
            left = abs(end - now)
            h = min(step, left)
            trial, error = dormand_prince(slope, z, now, sign * h)
            size = z.abs().clamp(min=math.exp(now))
            wrong = (error / size).square().mean().sqrt().item() / self.tolerance
            if wrong <= 1:
                z, now = trial, now + sign * h
            step = h * min(5.0, max(0.2, 0.9 * max(wrong, 1e-9) ** -0.2))
            if wrong <= 1 and h == left:
                return z, step
        raise RuntimeError(
            f"the ODE needs more than {self.most} steps between two levels for the tolerance "
            f"{self.tolerance}; raise the tolerance or take UniPC"
        )


def dormand_prince(slope: Slope, z: Tensor, now: float, h: float) -> tuple[Tensor, Tensor]:
    """One step of order 5 and the estimate of its error."""
    slopes: list[Tensor] = []
    point = z
    for node, row in zip(NODES, ROWS, strict=True):
        if row:
            point = z + h * sum(w * k for w, k in zip(row, slopes, strict=True) if w)
        slopes.append(slope(point, now + node * h))
    error = h * sum(w * k for w, k in zip(DIFFERENCE, slopes, strict=True) if w)
    return point, error


def log_likelihood(
    denoiser: Denoiser,
    x_0: Tensor,
    condition: Condition,
    sampler: GaussianSampler | None = None,
    probes: int = 1,
) -> Tensor:
    """log p(x_0) in nats (B,), of the density at the smallest noise level.

    The ODE is walked up to t = 1 over the sampler's grid by Runge-Kutta steps of order 4 in ln r,
    and the density of N(y, r^2) there (y: the source, or 0) is carried back by the trace of the
    Jacobian (Song et al., 2021, arXiv:2011.13456, eq. 39), estimated by `probes` random signs
    (Hutchinson).
    """
    levels = (sampler or Heun(steps=65)).levels(denoiser.process)[::-1]
    view, z = View(denoiser, condition), x_0
    signs = torch.randint(0, 2, (probes, *x_0.shape), device=x_0.device).to(x_0.dtype) * 2 - 1
    total = x_0.new_zeros(len(x_0))
    for r, s in pairwise(levels):
        move, trace = _runge_kutta(view, z, r, s, signs)
        z, total = z + move, total + trace
    centre = 0.0 if condition.source is None else condition.source
    return total + _end_density(z - centre, levels[-1])


def _runge_kutta(view: View, z: Tensor, r: float, s: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """The classical step of order 4 in ln r, of z and of the trace."""
    h, middle = math.log(s / r), math.sqrt(r * s)
    slope, trace = _slope_and_trace(view, z, r, signs)
    move, total = h / 6 * slope, h / 6 * trace
    for share, weight, level in ((0.5, 1 / 3, middle), (0.5, 1 / 3, middle), (1.0, 1 / 6, s)):
        slope, trace = _slope_and_trace(view, z + share * h * slope, level, signs)
        move, total = move + weight * h * slope, total + weight * h * trace
    return move, total


def _end_density(z: Tensor, r: float) -> Tensor:
    n = z[0].numel()
    return -0.5 * (z.flatten(1).square().sum(1) / r**2 + n * math.log(2 * math.pi * r**2))


def _slope_and_trace(view: View, z: Tensor, r: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """z - D and the trace of its Jacobian (B,), in ln r."""
    with torch.inference_mode(False), torch.enable_grad():
        leaf = z.detach().clone().requires_grad_()
        clean = view(leaf, r)
        trace = torch.zeros_like(z.flatten(1)[:, 0])
        for i, sign in enumerate(signs):
            (pull,) = torch.autograd.grad(clean, leaf, sign, retain_graph=i + 1 < len(signs))
            trace = trace + (pull * sign).flatten(1).sum(1) / len(signs)
    return z - clean.detach(), z[0].numel() - trace
