"""A network that also says how much fresh noise a backward step needs."""

from __future__ import annotations

from torch import Tensor

from .batch import Condition
from .network_denoiser import NetworkDenoiser
from .process import GaussianProcess


class LearnedVariance(NetworkDenoiser):
    """The network returns (B, 2 C, *S): the parametrized output, and the variance's place in [-1,
    1].

    The variance of p(x_s | x_t) lies between the posterior's given x_0 and that of a step forward,
    in logarithms (Nichol and Dhariwal, 2021, arXiv:2102.09672).
    """

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return self.moments(x_t, t, condition)[0]

    def moments(self, x_t: Tensor, t: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """E[x_0 | x_t] and the fraction in [0, 1], both (B, C, *S)."""
        z, row = self.normalised(x_t, t, condition.source), self.row(t)
        output = self.output(z, row, condition)
        if output.shape[1] != 2 * x_t.shape[1]:
            raise ValueError(
                f"a network with learned variance returns {2 * x_t.shape[1]} channels for "
                f"{x_t.shape[1]}, this one {output.shape[1]}"
            )
        output, place = output.chunk(2, 1)
        return self.clean(z, row, output, condition.source), (place + 1) / 2


def step_variances(process: GaussianProcess, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(smallest, largest, gain), each (B,), of a step from t to s < t.

    smallest is the variance of x_s given x_t and x_0, largest that of x_t given x_s; gain is how
    far the mean of x_s moves with x_0.
    """
    a_t, _, c_t = process.coefficients(t)
    a_s, _, c_s = process.coefficients(s)
    rho = process.kept(t, s)
    smallest = (c_s**2 - rho**2).clamp(min=1e-20)
    largest = (c_t**2 - (c_s * a_t / a_s) ** 2).maximum(smallest)
    return smallest, largest, a_s - rho * a_t / c_t
