"""How to walk from noise to a clean image: a loop that yields, over a grid of noise levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..process import GaussianProcess, Process
from .grids import Grid, LogUniform


@dataclass(frozen=True)
class Sampler(ABC):
    """steps: network calls along the grid; grid: where they fall between t = 1 and the smallest level."""

    needs: ClassVar[type[Process]] = Process

    steps: int = 20
    grid: Grid = field(default_factory=LogUniform)

    @abstractmethod
    def step(
        self, denoiser: Denoiser, x_t: Tensor, t: Tensor, s: Tensor, condition: Condition
    ) -> Tensor:
        """x_s from x_t, with t and s of shape (B,)."""

    def walk(self, denoiser: Denoiser, x: Tensor, condition: Condition) -> Iterator[Tensor]:
        """Yield x after every step; the last one is the clean estimate E[x_0 | x at the last level]."""
        times = self.times(denoiser.process, x)
        for t, s in zip(times[:-1], times[1:], strict=True):
            x = self.step(denoiser, x, t.expand(len(x)), s.expand(len(x)), condition)
            yield x
        yield denoiser(x, times[-1].expand(len(x)), condition)

    def times(self, process: Process, x: Tensor) -> Tensor:
        """The t of every network call, (steps,), from 1 downwards, on x's device."""
        if not isinstance(process, self.needs):
            raise TypeError(
                f"{type(self).__name__} samples a {self.needs.__name__}, "
                f"and the process here is {type(process).__name__}"
            )
        return self.grid.times(process, self.steps).to(x.device, x.dtype)


class GaussianSampler(Sampler):
    """A sampler that needs a, b, c."""

    needs: ClassVar[type[Process]] = GaussianProcess
