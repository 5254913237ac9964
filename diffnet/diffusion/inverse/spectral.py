"""DDRM and DDNM+: each measured component is mixed with the estimate by its own noise level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from ..samplers import GaussianSampler, View
from .measured import measurement_of, unmeasured

NOTHING = 1e-10  # of the largest eigenvalue of A^H A: below, a component was not measured


@dataclass(frozen=True)
class SpectralMixing(GaussianSampler):
    """Denoising diffusion restoration (Kawar et al., 2022, arXiv:2201.11793), for operators whose
    singular vectors are known: `Operator.filtered`.

    With y' = A^+ y, whose noise along a singular vector is tau = sigma / s, and D at level r:
    unmeasured components go to D + s (sqrt(1 - eta^2) e + eta zeta); measured ones to D + sqrt(1 -
    eta^2) s / tau (y' - D) + eta s zeta while s < tau, and else to (1 - eta_b) D + eta_b y' +
    sqrt(s^2 - eta_b^2 tau^2) zeta.
    """

    deterministic: ClassVar[bool] = False
    spectral: ClassVar[bool] = True

    eta: float = 0.85
    eta_b: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.eta <= 1 and 0 <= self.eta_b <= 1):
            raise ValueError(f"eta = {self.eta}, eta_b = {self.eta_b}; both lie in [0, 1]")

    def advance(self, view: View, z: Tensor, levels: Sequence[float]):
        operator, y, sigma = measurement_of(view.condition).linear()
        known = operator.pinv(y)
        view = View(view.denoiser, unmeasured(view.condition))
        left = math.sqrt(1 - self.eta**2)
        for r, s in pairwise(levels):
            x_0, noise = view(z, r), view.noise(z)

            def kept(e: Tensor, s: float = s) -> Tensor:
                return s * left * (1 - measured(e))

            def pulled(e: Tensor, s: float = s) -> Tensor:
                tau = spread(e, sigma)
                weak = (left * s / tau).nan_to_num(0.0, 0.0)
                return measured(e) * torch.where(tau > s, weak, self.eta_b)

            def fresh(e: Tensor, s: float = s) -> Tensor:
                tau = spread(e, sigma)
                strong = (s**2 - (self.eta_b * tau).square()).clamp(min=0).sqrt()
                return torch.where((measured(e) > 0) & (tau <= s), strong, self.eta * s)

            z = x_0 + operator.filtered((z - x_0) / r, kept)
            z = z + operator.filtered(known - x_0, pulled) + operator.filtered(noise, fresh)
            yield z, None


@dataclass(frozen=True)
class NullSpaceNoise(GaussianSampler):
    """DDNM+ (Wang et al., 2023, arXiv:2212.00490): what was measured is replaced, less so where
    its noise is more than a step may add, and the step's own noise is reduced by as much.

    Steps are ancestral: z_s = (1 - k) z + k x_0 + q zeta with k = 1 - s^2 / r^2 and q^2 = k s^2.
    A component of noise tau = sigma / s_i enters with k lambda tau, lambda = min(1, q / (k tau));
    zeta then has variance q^2 - (k lambda tau)^2.
    """

    deterministic: ClassVar[bool] = False
    spectral: ClassVar[bool] = True

    def advance(self, view: View, z: Tensor, levels: Sequence[float]):
        operator, y, sigma = measurement_of(view.condition).linear()
        known = operator.pinv(y)
        view = View(view.denoiser, unmeasured(view.condition))
        for r, s in pairwise(levels):
            k = 1 - (s / r) ** 2
            q = math.sqrt(k) * s

            def share(e: Tensor, k: float = k, q: float = q) -> Tensor:
                weak = q / (k * spread(e, sigma)).clamp(min=1e-30)
                return measured(e) * weak.clamp(max=1.0)

            def fresh(e: Tensor, k: float = k, q: float = q, share=share) -> Tensor:
                held = (k * share(e) * spread(e, sigma)).nan_to_num(0.0)
                return (q**2 - held.square()).clamp(min=0).sqrt()

            x_0 = view(z, r)
            x_0 = x_0 + operator.filtered(known - x_0, share)
            z = (1 - k) * z + k * x_0 + operator.filtered(view.noise(z), fresh)
            yield z, None
        last, low = view(z, levels[-1]), levels[-1]

        def trusted(e: Tensor) -> Tensor:
            return measured(e) * (low / spread(e, sigma).clamp(min=1e-30)).clamp(max=1.0)

        yield z, last + operator.filtered(known - last, trusted)


def measured(eigenvalues: Tensor) -> Tensor:
    """1 where a component was measured, else 0."""
    return (eigenvalues > NOTHING * eigenvalues.max().clamp(min=1e-30)).to(eigenvalues)


def spread(eigenvalues: Tensor, sigma: float) -> Tensor:
    """tau = sigma / s_i, the standard deviation of A^+ y's components; inf where not measured."""
    known = measured(eigenvalues) > 0
    root = torch.where(known, eigenvalues, 1.0).sqrt()
    return torch.where(known, sigma / root, math.inf)
