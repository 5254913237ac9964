"""A denoiser that knows a measurement: its estimate is brought to agree with what was read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser, WrappedDenoiser
from ..operators import Measurement, Operator, white_gain
from ..process import GaussianProcess, over


@dataclass(frozen=True)
class Question:
    """What a consistency is asked, all in network units.

    z: (B, C, *S), x_0 + r eps. r: (B, 1, ...). ask(z) -> D, without the measurement. operator, y,
    sigma: y = A x_0 + sigma eps.
    """

    z: Tensor
    r: Tensor
    ask: Callable[[Tensor], Tensor]
    operator: Operator
    y: Tensor
    sigma: float

    def gap(self, x_0: Tensor) -> Tensor:
        """y - A x_0."""
        return self.y - self.operator(x_0)


class Consistency(ABC):
    """From a question to an estimate (or a draw) of x_0 that knows y."""

    @abstractmethod
    def __call__(self, question: Question) -> Tensor: ...

    def fresh(self) -> Consistency:
        """One for a new walk, where something is remembered from level to level."""
        return self


class Measured(WrappedDenoiser):
    """E[x_0 | x_t, y], as a consistency approximates it.

    It goes around windows and slices: the inner denoiser is asked without the measurement.
    """

    def __init__(self, inner: Denoiser, consistency: Consistency) -> None:
        super().__init__(inner)
        if not isinstance(inner.process, GaussianProcess):
            raise TypeError(
                f"measurements are joined with Gaussian noise levels, and the process here is "
                f"{type(inner.process).__name__}; it needs a GaussianProcess"
            )
        self.consistency = consistency

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        operator, y, sigma = measurement_of(condition).linear()
        bare = unmeasured(condition)
        a, b, c = (over(k, x_t) for k in self.process.coefficients(t))
        shift = 0.0 if condition.source is None else b * condition.source

        def ask(z: Tensor) -> Tensor:
            return self.inner(a * z + shift, t, bare)

        return self.consistency(Question((x_t - shift) / a, c / a, ask, operator, y, sigma))


def measurement_of(condition: Condition) -> Measurement:
    """ValueError: there is none."""
    if condition.measurement is None:
        raise ValueError(
            "this solver works on condition.measurement, which is missing; it is for the task "
            "reconstruction"
        )
    return condition.measurement


def unmeasured(condition: Condition) -> Condition:
    return replace(condition, measurement=None)


def with_pull(
    ask: Callable[[Tensor], Tensor], z: Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """(D(z), v -> J^T v with J = dD/dz); sampling may run where gradients are off."""
    with torch.inference_mode(False), torch.enable_grad():
        leaf = z.detach().clone().requires_grad_()
        x_0 = ask(leaf)

    def pull(v: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            return torch.autograd.grad(x_0, leaf, v.clone(), retain_graph=True)[0]

    return x_0.detach(), pull


def calibrated(r: Tensor, std: float) -> Tensor:
    """r^2 s^2 / (r^2 + s^2): what is open of x_0 of standard deviation s, once z is known."""
    return r**2 * std**2 / (r**2 + std**2)


def left_open(z: Tensor, x_0: Tensor, r: Tensor, std: float) -> Tensor:
    """Mean squared error of D at z, per number, from D itself: r^2 - |z - D|^2 / n over the batch.

    For D = E[x_0 | z] the noise that it sees has exactly that power less than r^2 (Stein's
    identity). The mean is as uncertain as r^2 sqrt(2 / n), and is drawn towards `calibrated`, which
    it cannot exceed. All examples are at one level.
    """
    bound = calibrated(r, std)
    found = r**2 * (1 - ((z - x_0) / r).square().mean())
    trust = bound**2 / (bound**2 + 2 * r**4 / z.numel())
    return (bound + trust * (found - bound)).clamp(min=0.01 * bound).minimum(bound)


def seen_open(q: Question, x_0: Tensor) -> Tensor:
    """Mean squared error of D per number, (B, 1, ...), from what y says of it: |y - A D|^2 less the
    noise's share, over what A makes of white images of variance 1.

    `left_open` believes in D as E[x_0 | z]; a network that is wrong is found out here.
    """
    gap = q.gap(x_0).flatten(1)
    noise = q.sigma**2 * (gap != 0).sum(1)  # what was not sampled is 0
    found = (gap.square().sum(1) - noise).clamp(min=0) / white_gain(q.operator, x_0)
    return found.reshape(-1, *(1 for _ in x_0.shape[1:]))
