"""Ancestral sampling and DDIM: the process's own backward step with the estimate put in for x_0."""

from __future__ import annotations

from dataclasses import dataclass

from .sampler import Sampler


@dataclass(frozen=True)
class Ancestral(Sampler):
    """x_s ~ q(x_s | x_t, x_0 = D(x_t, t)).

    eta = 1 is DDPM (Ho et al., 2020, arXiv:2006.11239), eta = 0 is DDIM (Song et al., 2021,
    arXiv:2010.02502). Serves every process, Gaussian or not.
    """

    eta: float = 1.0

    def step(self, denoiser, x_t, t, s, condition):
        x_0 = denoiser(x_t, t, condition)
        return denoiser.process.reverse(x_0, x_t, t, s, condition.source, self.eta)


@dataclass(frozen=True)
class Ddim(Ancestral):
    """The deterministic end of the family (Song et al., 2021, arXiv:2010.02502)."""

    eta: float = 0.0
