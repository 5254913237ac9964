"""Processes of the form x_t = a x_0 + b y + c eps: one step serves them all."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .noise import Noise, White
from .process import Process, over

Triple = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class GaussianProcess(Process):
    """x_t = a(t) x_0 + b(t) y + c(t) eps, with eps ~ N(0, I) unless `noise` has another shape.

    E[x_0 | x_t, y] depends on the schedule only through the noise level r = c / a (Karras et al.,
    2022, arXiv:2206.00364, for b = 0), so a trained denoiser can be sampled with any other Gaussian
    process.

    A schedule gives `coefficients` and `time`, the inverse of r(t); it owns its singular ends: r(0)
    is above zero and r(1) is finite.
    """

    noise: Noise = field(default=White(), kw_only=True)

    @abstractmethod
    def coefficients(self, t: Tensor) -> Triple:
        """(a, b, c) at t, each of t's shape and dtype."""

    @abstractmethod
    def time(self, level: Tensor) -> Tensor:
        """The t at which c(t) / a(t) = level."""

    def level(self, t: Tensor) -> Tensor:
        """The noise level r = c / a."""
        a, _, c = self.coefficients(t)
        return c / a

    def derivatives(self, t: Tensor) -> Triple:
        """(da/dt, db/dt, dc/dt) at t, by differentiating the schedule, element by element."""
        # sampling runs in inference mode, where nothing can be differentiated
        with torch.inference_mode(False), torch.enable_grad():
            t = t.detach().clone().requires_grad_()
            return tuple(_slope(k, t) for k in self.coefficients(t))

    def corrupt(self, x_0: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        a, b, c = (over(k, x_0) for k in self.coefficients(t))
        x_t = a * x_0 + c * self.noise(x_0)
        return x_t if source is None else x_t + b * source

    def diffuse(self, x_s: Tensor, s: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Draw x_t ~ q(x_t | x_s) for t > s: the way forward again, for resampling."""
        a_t, b_t, c_t = (over(k, x_s) for k in self.coefficients(t))
        a_s, b_s, c_s = (over(k, x_s) for k in self.coefficients(s))
        ratio = a_t / a_s
        fresh = (c_t**2 - (c_s * ratio) ** 2).clamp(min=0.0).sqrt()
        x_t = ratio * x_s + fresh * self.noise(x_s)
        return x_t if source is None else x_t + (b_t - ratio * b_s) * source

    def kept(self, t: Tensor, s: Tensor) -> Tensor:
        """rho(t, s): how much of x_t's noise stays in x_s when the rest is drawn anew.

        c_s^2 (a_t / a_s) / c_t makes x_t independent of x_0 given x_s.
        """
        a_t, _, c_t = self.coefficients(t)
        a_s, _, c_s = self.coefficients(s)
        return c_s**2 * (a_t / a_s) / c_t

    def reverse(self, x_0, x_t, t, s, source=None, eta=1.0):
        """x_s = a_s x_0 + b_s y + rho e + tau zeta, with rho^2 + tau^2 = c_s^2.

        e is the noise that x_t holds given x_0 and rho comes from `kept`: the step of DDPM (Ho et
        al., 2020, arXiv:2006.11239), BBDM, I2SB and ResShift. eta < 1 moves variance from the fresh
        zeta to e, as DDIM does (Song et al., 2021, arXiv:2010.02502).
        """
        a_t, b_t, c_t = (over(k, x_t) for k in self.coefficients(t))
        a_s, b_s, c_s = (over(k, x_t) for k in self.coefficients(s))
        y = 0.0 if source is None else source
        e = (x_t - a_t * x_0 - b_t * y) / c_t
        if eta == 0:
            return a_s * x_0 + b_s * y + c_s * e
        rho = over(self.kept(t, s), x_t)
        fresh = eta**2 * (c_s**2 - rho**2).clamp(min=0.0)
        kept = rho if eta == 1 else (c_s**2 - fresh).clamp(min=0.0).sqrt()
        return a_s * x_0 + b_s * y + kept * e + fresh.sqrt() * self.noise(x_t)

    def start(self, like: Tensor, source: Tensor | None = None) -> Tensor:
        """x_1 with x_0 taken to be the source: (a + b) y + c eps; without a source, c eps."""
        a, b, c = (over(k, like) for k in self.coefficients(like.new_ones(len(like))))
        x_1 = c * self.noise(like)
        return x_1 if source is None else x_1 + (a + b) * source


def _slope(value: Tensor, t: Tensor) -> Tensor:
    """d value / dt; a coefficient that does not run with t has slope 0."""
    if not value.requires_grad:
        return torch.zeros_like(t)
    return torch.autograd.grad(value.sum(), t, retain_graph=True)[0].detach()
