"""Steps down the gradient of the residual, taken through the network: DPS and MCG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..operators import largest_eigenvalue
from ..process import GaussianProcess, Process, over
from ..samplers import Sampler
from .measured import measurement_of, unmeasured


@dataclass(frozen=True)
class ResidualGradient(Sampler):
    """x_s ~ q(x_s | x_t, D), then x_s - scale grad_{x_t} |y - A D| / |A|.

    DPS (Chung et al., 2023, arXiv:2209.14687), in the form of its code: the gradient of the norm,
    not of its square, so that the step knows no units of y; division by the operator's norm makes
    `scale` the same for every operator. project adds x_s <- x_s + A^+ (a_s y + c_s A zeta - A x_s),
    which is MCG (Chung et al., 2022, arXiv:2206.00941). It needs some 1000 steps and a tuned scale.
    """

    needs: ClassVar[type[Process]] = GaussianProcess
    nonlinear: ClassVar[bool] = True

    scale: float = 0.5
    project: bool = False

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise ValueError(f"a gradient step of {self.scale}; it must be positive")

    def step(self, denoiser, x_t, t, s, condition):
        x_0, slope = self._slope(denoiser, x_t, t, condition)
        process = denoiser.process
        x_s = process.reverse(x_0, x_t, t, s, condition.source) - self.scale * slope
        if not self.project:
            return x_s
        measurement = measurement_of(condition)
        a, _, c = (over(k, x_t) for k in process.coefficients(s))
        seen = measurement.operator(c * process.noise(x_t) - x_s)
        return x_s + measurement.operator.pinv(a * measurement.y + seen)

    def _slope(
        self, denoiser: Denoiser, x_t: Tensor, t: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor]:
        """(D, the gradient)."""
        operator, y, _ = measurement_of(condition).linear()
        size = largest_eigenvalue(operator, x_t).sqrt()
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x_t.detach().clone().requires_grad_()
            x_0 = denoiser(leaf, t.clone(), unmeasured(condition))
            gap = (y - operator(x_0)).flatten(1).norm(dim=1)
            (slope,) = torch.autograd.grad(gap.sum(), leaf)
        return x_0.detach(), slope / size
