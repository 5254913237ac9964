"""DDRM: each measured component is mixed with the estimate by its own noise level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from ..operators import Operator
from ..samplers import GaussianSampler, View
from .measured import measurement_of, unmeasured


@dataclass(frozen=True)
class SpectralMixing(GaussianSampler):
    """Denoising diffusion restoration (Kawar et al., 2022, arXiv:2201.11793), for operators all of
    whose singular values are 0 or one number g^(1/2): sampled Fourier coefficients, holes, blocks.

    With y' = A^+ y, whose noise is tau = sigma / g^(1/2), and D at level r: unmeasured components
    go to D + s (sqrt(1 - eta^2) e + eta zeta); measured ones to D + sqrt(1 - eta^2) s / tau (y' -
    D) + eta s zeta while s < tau, and else to (1 - eta_b) D + eta_b y' + sqrt(s^2 - eta_b^2 tau^2)
    zeta.
    """

    deterministic: ClassVar[bool] = False

    eta: float = 0.85
    eta_b: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.eta <= 1 and 0 <= self.eta_b <= 1):
            raise ValueError(f"eta = {self.eta}, eta_b = {self.eta_b}; both lie in [0, 1]")

    def advance(self, view: View, z: Tensor, levels: Sequence[float]):
        measurement = measurement_of(view.condition)
        operator, y, sigma = measurement.linear()
        tau, known = sigma / math.sqrt(one_gram(operator)), operator.pinv(y)
        view = View(view.denoiser, unmeasured(view.condition))
        for r, s in pairwise(levels):
            x_0, noise = view(z, r), view.noise(z)
            free = x_0 + s * (self._left() * (z - x_0) / r + self.eta * noise)
            if s < tau:
                held = x_0 + s * (self._left() / tau * (known - x_0) + self.eta * noise)
            else:
                fresh = math.sqrt(max(s**2 - (self.eta_b * tau) ** 2, 0.0))
                held = x_0 + self.eta_b * (known - x_0) + fresh * noise
            z = free + operator.pinv(operator(held - free))
            yield z, None

    def _left(self) -> float:
        return math.sqrt(1 - self.eta**2)


def one_gram(operator: Operator) -> float:
    """g. TypeError: the operator has other singular values than 0 and g^(1/2)."""
    gram = operator.gram
    if isinstance(gram, Tensor):
        largest = gram.max()
        gram = largest.item() if bool(((gram == 0) | (gram == largest)).all()) else None
    if gram is None:
        raise TypeError(
            "ddrm needs an operator with one singular value (sampled Fourier coefficients of "
            "complex images, holes, block means) and even noise; daps, dds and pigdm serve every "
            "linear operator"
        )
    return gram
