"""Samplers of x_0 given y whose steps stay those of any denoiser, with fresh noise or in front."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..process import GaussianProcess, Process
from ..samplers import GaussianSampler, Sampler, View
from .consistencies import STD
from .measured import Consistency, Measured, measurement_of, unmeasured


@dataclass(frozen=True)
class Renoised(GaussianSampler):
    """z_s = D + s (sqrt(1 - fresh) e + sqrt(fresh) zeta), e = (z - D) / r the noise that D leaves.

    fresh = 0 is DDIM, 1 forgets how it came here (DAPS), between them DiffPIR (its zeta) and DDS
    (its eta^2). e belongs to the estimate that knows y, so z_s stays x_0 + s noise.
    """

    deterministic: ClassVar[bool] = False

    fresh: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.fresh <= 1:
            raise ValueError(f"a share of {self.fresh} fresh noise; it lies in [0, 1]")

    def advance(self, view: View, z: Tensor, levels: Sequence[float]):
        for r, s in pairwise(levels):
            x_0 = view(z, r)
            kept = math.sqrt(1 - self.fresh) / r * (z - x_0)
            z = x_0 + s * (kept + math.sqrt(self.fresh) * view.noise(z))
            yield z, None


@dataclass(frozen=True)
class Conditioned(Sampler):
    """Any sampler with a consistency around the denoiser; `steps` and `grid` are its own.

    begin: None starts where the method does; a time t in (0, 1) starts from a first estimate of the
    measurement alone, brought to t by noise (Come-closer-diffuse-faster, Chung et al., 2022,
    arXiv:2112.05146).
    """

    needs: ClassVar[type[Process]] = GaussianProcess

    inner: Sampler = field(default_factory=Renoised)
    consistency: Consistency | None = None
    begin: float | None = None

    def __post_init__(self) -> None:
        if self.begin is not None and not 0 < self.begin <= 1:
            raise ValueError(f"sampling starts at t = {self.begin}; t must lie in (0, 1]")

    @property
    def calls(self) -> int:
        return replace(self.inner, steps=self.steps).calls

    def step(self, denoiser, x_t, t, s, condition):
        return self.inner.step(self._around(denoiser), x_t, t, s, condition)

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        self.check(denoiser.process)
        if self.begin is not None:
            start = self.begin
            t = x.new_full((len(x),), start)
            x = denoiser.process.corrupt(first_estimate(condition), t, condition.source)
        walker = replace(self.inner, steps=self.steps, grid=self.grid)
        yield from walker.walk(self._around(denoiser), x, condition, start)

    def _around(self, denoiser: Denoiser) -> Denoiser:
        if self.consistency is None:
            return denoiser
        return Measured(denoiser, self.consistency.fresh())


@dataclass(frozen=True)
class SplitGibbs(GaussianSampler):
    """Draws of u ~ p(u | y, x) with prior N(x, rho^2 I), and of x ~ p(x_0 | x_0 + rho eps = u), in
    turn.

    rho falls over the grid; the second draw is a reverse SDE of `inner` moves from rho down.
    PnP-DM (Wu et al., 2024, arXiv:2405.18782).
    """

    deterministic: ClassVar[bool] = False

    inner: int = 10

    def __post_init__(self) -> None:
        if self.inner < 1:
            raise ValueError(f"{self.inner} moves from each level down; there is one at least")

    @property
    def calls(self) -> int:
        return self.inner * (self.steps - 1) + 1

    def advance(self, view: View, z: Tensor, levels: Sequence[float]):
        operator, y, sigma = measurement_of(view.condition).linear()
        view = View(view.denoiser, unmeasured(view.condition))
        for rho, following in pairwise(levels):
            x = self._denoised(view, z, rho, levels[-1])
            z = operator.posterior_sample(x, y, following, sigma)
            yield z, None

    def _denoised(self, view: View, z: Tensor, high: float, low: float) -> Tensor:
        """A draw of p(x_0 | z): z_s = D + (s / r)^2 (z - D) + s sqrt(1 - s^2 / r^2) zeta."""
        low = min(low, high / 2)
        levels = [high * (low / high) ** (k / self.inner) for k in range(self.inner)]
        for r, s in pairwise(levels):
            x_0, share = view(z, r), (s / r) ** 2
            z = x_0 + share * (z - x_0) + s * math.sqrt(1 - share) * view.noise(z)
        return view(z, levels[-1])


@dataclass(frozen=True)
class FirstLook(Sampler):
    """Zero-filled or filtered back-projected: the baseline that asks no network."""

    @property
    def calls(self) -> int:
        return 0

    def step(self, denoiser, x_t, t, s, condition):
        raise TypeError("FirstLook has no step: it asks no network")

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        yield measurement_of(condition).first_look()


def first_estimate(condition: Condition, std: float = STD) -> Tensor:
    """E[x_0 | y] for white images N(0, std^2 I), from the measurement alone."""
    operator, y, sigma = measurement_of(condition).linear()
    with torch.no_grad():
        return operator.ridge(y, sigma**2 / std**2)
