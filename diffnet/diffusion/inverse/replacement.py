"""Hard consistency: after every move, what was measured of x_s is written over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..process import GaussianProcess, Process, over
from ..samplers import Sampler
from .measured import measurement_of, unmeasured

NOISES = ("clean", "fresh", "predicted")


@dataclass(frozen=True)
class Replacing(Sampler):
    """x_s <- x_s + mix A^+ (y_s - A x_s) after every predictor and every corrector move.

    y_s is a_s y ("clean", Score-MRI, Chung and Ye, 2022, arXiv:2110.05243), plus c_s A zeta
    ("fresh", Song et al., 2022, arXiv:2111.08005, with mix its lambda; RePaint) or plus c_s A e, e
    the noise that D sees in x_t ("predicted", DiffuseRecon, Peng et al., 2022, arXiv:2203.04292).
    The predictor draws x_s ~ q(x_s | x_t, D); a corrector is a Langevin step of signal-to-noise
    ratio `snr`. The answer is the last estimate with the mix of y itself.

    It trusts y wholly: noise is fitted, and amplified where A is ill-conditioned.
    """

    needs: ClassVar[type[Process]] = GaussianProcess

    corrections: int = 0
    snr: float = 0.16
    mix: float = 1.0
    noise: str = "fresh"

    def __post_init__(self) -> None:
        if self.noise not in NOISES:
            raise ValueError(
                f"replacement with {self.noise!r} measurements; there are {', '.join(NOISES)}"
            )
        if not 0 < self.mix <= 1 or self.corrections < 0:
            raise ValueError(
                f"mix = {self.mix} with {self.corrections} corrections; needed: mix in (0, 1], "
                "corrections 0 or more"
            )

    @property
    def calls(self) -> int:
        return (1 + self.corrections) * (self.steps - 1) + 1

    def step(self, denoiser, x_t, t, s, condition):
        bare, process = unmeasured(condition), denoiser.process
        x_0 = denoiser(x_t, t, bare)
        a, _, c = (over(k, x_t) for k in process.coefficients(t))
        e = (x_t - a * x_0) / c
        x_s = self._written(
            process.reverse(x_0, x_t, t, s, condition.source), e, s, process, condition
        )
        for _ in range(self.corrections):
            a, _, c = (over(k, x_s) for k in process.coefficients(s))
            e = (x_s - a * denoiser(x_s, s, bare)) / c
            x_s = self._written(self._corrected(x_s, e, c), e, s, process, condition)
        return x_s

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        measurement = measurement_of(condition)
        x_0 = x
        for x_0 in super().walk(denoiser, x, condition, start):
            yield x_0
        operator = measurement.operator
        yield x_0 + self.mix * operator.pinv(measurement.y - operator(x_0))

    def _corrected(self, x: Tensor, e: Tensor, c: Tensor) -> Tensor:
        """x + h score + sqrt(2 h) zeta, score = -e / c, h = 2 (snr |zeta| / |score|)^2."""
        zeta = torch.randn_like(x)
        ratio = zeta.flatten(1).norm(dim=1) / e.flatten(1).norm(dim=1).clamp(min=1e-30)
        h = 2 * (self.snr * c * over(ratio, x)) ** 2
        return x - h / c * e + (2 * h).sqrt() * zeta

    def _written(
        self, x: Tensor, e: Tensor, s: Tensor, process: GaussianProcess, condition: Condition
    ) -> Tensor:
        measurement = measurement_of(condition)
        operator = measurement.operator
        a, _, c = (over(k, x) for k in process.coefficients(s))
        wanted = a * measurement.y
        if self.noise != "clean":
            like = e if self.noise == "predicted" else process.noise(x)
            # a y may be of another shape than x: the level is one number an example
            wanted = wanted + operator(c * like)
        return x + self.mix * operator.pinv(wanted - operator(x))
