"""How to walk from noise to a clean image: a loop that yields, over a grid of noise levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..process import Process
from .grids import Grid, LogUniform


@dataclass(frozen=True)
class Sampler(ABC):
    """steps: network calls along the grid; grid: where they fall between t = 1 and the smallest
    level.
    """

    needs: ClassVar[type[Process]] = Process
    # what one move along the grid costs in network calls
    calls_per_move: ClassVar[int] = 1

    steps: int = 20
    grid: Grid = field(default_factory=LogUniform)

    @abstractmethod
    def step(
        self, denoiser: Denoiser, x_t: Tensor, t: Tensor, s: Tensor, condition: Condition
    ) -> Tensor:
        """x_s from x_t, with t and s of shape (B,)."""

    @property
    def calls(self) -> int:
        """How often one walk asks the denoiser."""
        return self.calls_per_move * (self.steps - 1) + 1

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        """Yield x after every step; the last one is the clean estimate E[x_0 | x at the last
        level].

        x is x_t at t = start.
        """
        times = self.times(denoiser.process, x, start)
        for t, s in pairwise(times):
            x = self.step(denoiser, x, t.expand(len(x)), s.expand(len(x)), condition)
            yield x
        yield denoiser(x, times[-1].expand(len(x)), condition)

    def times(self, process: Process, x: Tensor, start: float = 1.0) -> Tensor:
        """The t of every network call, (steps,), from `start` downwards, on x's device."""
        self.check(process)
        return self.grid.times(process, self.steps, start).to(x.device, x.dtype)

    def check(self, process: Process) -> None:
        """Raise TypeError if this sampler cannot serve the process."""
        if not isinstance(process, self.needs):
            raise TypeError(
                f"{type(self).__name__} samples a {self.needs.__name__}, and the process here is "
                f"{type(process).__name__}; Ancestral serves every process"
            )
