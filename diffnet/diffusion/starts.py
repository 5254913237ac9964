"""Where sampling starts: noise, a noised image, another estimate, or an image taken up the ODE."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .batch import Condition
from .denoiser import Denoiser
from .process import GaussianProcess
from .samplers import GaussianSampler, UniPC, View


class Start(ABC):
    """Gives x_t and the t it belongs to."""

    @abstractmethod
    def __call__(
        self, denoiser: Denoiser, like: Tensor, condition: Condition
    ) -> tuple[Tensor, float]: ...


@dataclass(frozen=True)
class FromNoise(Start):
    """x_1 as the process draws it."""

    def __call__(self, denoiser, like, condition):
        return denoiser.process.start(like, condition.source), 1.0


@dataclass(frozen=True)
class FromImage(Start):
    """x_t ~ q(x_t | the source), t = `time` (SDEdit, Meng et al., 2022, arXiv:2108.01073; CCDF).

    The source may as well be another network's estimate (Chung et al., 2022, arXiv:2112.05146).
    """

    time: float = 0.5

    def __post_init__(self) -> None:
        _check_time(self.time)

    def __call__(self, denoiser, like, condition):
        source = _source(condition, "FromImage")
        t = like.new_full((len(like),), self.time)
        return denoiser.process.corrupt(source, t, source), self.time


@dataclass(frozen=True)
class FromResidual(Start):
    """x_t is the source itself, at the t whose noise level is what the source already holds.

    level: estimates that standard deviation, as a number, from the source; see `noise_level`. The
    process's means for x_0 and y are taken to be the source (Xiang et al., 2023, arXiv:2302.03018).
    """

    level: Callable[[Tensor], float] | None = None
    smallest_time: float = 1e-3

    def __call__(self, denoiser, like, condition):
        source = _source(condition, "FromResidual")
        process = _gaussian(denoiser, "FromResidual")
        r = (self.level or noise_level)(source)
        ends = torch.tensor([self.smallest_time, 1.0], dtype=torch.float64)
        low, high = process.level(ends).tolist()
        t = process.time(torch.tensor([min(max(r, low), high)], dtype=torch.float64))
        a, b, _ = process.coefficients(t)
        return (a + b).item() * source, t.item()


@dataclass(frozen=True)
class FromInversion(Start):
    """The source walked up the probability-flow ODE to t = `time` (Song et al., 2021,
    arXiv:2010.02502).

    Deterministic: sampling from there with the same condition returns the source.
    """

    time: float = 1.0
    sampler: GaussianSampler = field(default_factory=UniPC)

    def __post_init__(self) -> None:
        _check_time(self.time)

    def __call__(self, denoiser, like, condition):
        source = _source(condition, "FromInversion")
        return invert(self.sampler, denoiser, source, condition, self.time), self.time


def invert(
    sampler: GaussianSampler,
    denoiser: Denoiser,
    x_0: Tensor,
    condition: Condition,
    time: float = 1.0,
) -> Tensor:
    """x_t at t = `time` from which the ODE leads back to x_0; x_0 is taken to be x at t = 0."""
    _gaussian(denoiser, "inversion")
    if not sampler.deterministic:
        raise ValueError(
            f"{type(sampler).__name__} draws noise and cannot be inverted; "
            "Euler, Heun, DpmSolver2M and UniPC can"
        )
    levels = sampler.levels(denoiser.process, time)[::-1]
    view = View(denoiser, condition)
    z = x_0
    for move in sampler.advance(view, x_0, levels):
        z = move[0]
    return view.leave(z, levels[-1])


def noise_level(image: Tensor) -> float:
    """Standard deviation of white noise in an image (B, C, *S), from the median of its finest
    differences.

    The median absolute value of diagonal Haar details, over 0.6745 (Donoho and Johnstone, 1994).
    """
    detail = image
    for axis in range(2, image.ndim):
        length = image.shape[axis] // 2 * 2
        if length < 2:
            continue
        pairs = detail.narrow(axis, 0, length).unflatten(axis, (-1, 2))
        detail = (pairs.select(axis + 1, 0) - pairs.select(axis + 1, 1)) / 2**0.5
    return detail.abs().median().item() / 0.6745


def _source(condition: Condition, name: str) -> Tensor:
    if condition.source is None:
        raise ValueError(
            f"{name} starts from condition.source, which is missing; FromNoise needs no source"
        )
    return condition.source


def _gaussian(denoiser: Denoiser, name: str) -> GaussianProcess:
    if not isinstance(denoiser.process, GaussianProcess):
        raise TypeError(
            f"{name} needs a GaussianProcess, and the process here is "
            f"{type(denoiser.process).__name__}; FromNoise and FromImage fit every process"
        )
    return denoiser.process


def _check_time(time: float) -> None:
    if not 0 < time <= 1:
        raise ValueError(f"sampling starts at t = {time}; t must lie in (0, 1]")
