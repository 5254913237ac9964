"""Processes of the form x_t = a x_0 + b y + c eps: one step serves them all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from .process import Process, over, white


class GaussianProcess(Process):
    """x_t = a(t) x_0 + b(t) y + c(t) eps, eps ~ N(0, I).

    E[x_0 | x_t, y] depends on the schedule only through the noise level r = c / a (Karras et al., 2022,
    arXiv:2206.00364, for b = 0), so a trained denoiser can be sampled with any other Gaussian process.

    A schedule gives `coefficients` and `time`, the inverse of r(t); it owns its singular ends: r(1)
    is finite.
    """

    noise: Callable[[Tensor], Tensor] = staticmethod(white)

    @abstractmethod
    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(a, b, c) at t, each of t's shape and dtype."""

    @abstractmethod
    def time(self, level: Tensor) -> Tensor:
        """The t at which c(t) / a(t) = level."""

    def level(self, t: Tensor) -> Tensor:
        """The noise level r = c / a."""
        a, _, c = self.coefficients(t)
        return c / a

    def corrupt(self, x_0: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        a, b, c = (over(k, x_0) for k in self.coefficients(t))
        x_t = a * x_0 + c * self.noise(x_0)
        return x_t if source is None else x_t + b * source

    def reverse(self, x_0, x_t, t, s, source=None, eta=1.0):
        """x_s = a_s x_0 + b_s y + rho e + tau zeta, with rho^2 + tau^2 = c_s^2.

        e is the noise that x_t holds given x_0. rho follows from x_t being x_0-Markov given x_s: the
        step of DDPM (Ho et al., 2020, arXiv:2006.11239), BBDM, I2SB and ResShift. eta < 1 moves
        variance from the fresh zeta to e, as DDIM does (Song et al., 2021, arXiv:2010.02502).
        """
        a_t, b_t, c_t = (over(k, x_t) for k in self.coefficients(t))
        a_s, b_s, c_s = (over(k, x_t) for k in self.coefficients(s))
        y = 0.0 if source is None else source
        e = (x_t - a_t * x_0 - b_t * y) / c_t
        fresh = eta**2 * (c_s**2 - (c_s**2 * (a_t / a_s) / c_t) ** 2).clamp(min=0.0)
        kept = (c_s**2 - fresh).clamp(min=0.0).sqrt()
        x_s = a_s * x_0 + b_s * y + kept * e
        return x_s if eta == 0 else x_s + fresh.sqrt() * self.noise(x_t)

    def start(self, like: Tensor, source: Tensor | None = None) -> Tensor:
        """x_1 with x_0 taken to be the source: (a + b) y + c eps; without a source, c eps."""
        a, b, c = (
            over(k, like) for k in self.coefficients(torch.ones_like(like[:, 0].flatten(1)[:, 0]))
        )
        x_1 = c * self.noise(like)
        return x_1 if source is None else x_1 + (a + b) * source
