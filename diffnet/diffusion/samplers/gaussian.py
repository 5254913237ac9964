"""Samplers of Gaussian processes: they walk z = (x_t - b y) / a = x_0 + r eps down the levels."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..batch import Condition
from ..denoiser import Denoiser
from ..process import GaussianProcess, Process
from .sampler import Sampler

Move = tuple[Tensor, Tensor | None]


class View:
    """A denoiser as E[x_0 | z, r], r a number: every schedule looks the same from here.

    All coefficients are numbers on the host, computed in float64, and the network's t is filled in
    on the device: nothing in a sampling loop waits for the device.
    """

    def __init__(self, denoiser: Denoiser, condition: Condition) -> None:
        self.denoiser = denoiser
        self.process: GaussianProcess = denoiser.process
        self.condition = condition
        self._known: dict[float, tuple[float, float, float]] = {}

    def __call__(self, z: Tensor, r: float) -> Tensor:
        t = self._at(r)[0]
        return self.denoiser(self.leave(z, r), z.new_full((len(z),), t), self.condition)

    def enter(self, x: Tensor, r: float) -> Tensor:
        """z from x_t."""
        _, a, b = self._at(r)
        x = x if self.condition.source is None or b == 0 else x - b * self.condition.source
        return x if a == 1 else x / a

    def leave(self, z: Tensor, r: float) -> Tensor:
        """x_t from z."""
        _, a, b = self._at(r)
        x = z if a == 1 else a * z
        return x if self.condition.source is None or b == 0 else x + b * self.condition.source

    def noise(self, z: Tensor) -> Tensor:
        return self.process.noise(z)

    def _at(self, r: float) -> tuple[float, float, float]:
        if r not in self._known:
            t = self.process.time(torch.tensor([r], dtype=torch.float64))
            a, b, _ = self.process.coefficients(t)
            self._known[r] = (t.item(), a.item(), b.item())
        return self._known[r]


@dataclass(frozen=True)
class GaussianSampler(Sampler):
    """A sampler that needs a, b and c."""

    needs: ClassVar[type[Process]] = GaussianProcess
    # whether a walk up the levels makes sense: no fresh noise is drawn
    deterministic: ClassVar[bool] = True

    @abstractmethod
    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        """Walk z from levels[0] to levels[1], levels[2], ...; yield (z, D) after each.

        D is E[x_0 | z, r] where the method has it already, else None.
        """

    def walk(
        self, denoiser: Denoiser, x: Tensor, condition: Condition, start: float = 1.0
    ) -> Iterator[Tensor]:
        """Yield x after every step; the last one is the clean estimate E[x_0 | x at the last
        level].
        """
        levels = self.levels(denoiser.process, start)
        view = View(denoiser, condition)
        z = view.enter(x, levels[0])
        clean = None
        for r, move in zip(levels[1:], self.advance(view, z, levels), strict=False):
            z, clean = move
            yield view.leave(z, r)
        yield view(z, levels[-1]) if clean is None else clean

    def levels(self, process: Process, start: float = 1.0) -> list[float]:
        """The noise level of every point of the grid, falling."""
        self.check(process)
        return process.level(self.grid.times(process, self.steps, start)).tolist()

    def step(self, denoiser, x_t, t, s, condition):
        """One move by itself; a multistep method makes its first move, which is of first order.

        All of t, and all of s, must be equal; this reads them from the device.
        """
        view = View(denoiser, condition)
        levels = [denoiser.process.level(k[:1].double().cpu()).item() for k in (t, s)]
        z, _ = next(iter(self.advance(view, view.enter(x_t, levels[0]), levels)))
        return view.leave(z, levels[1])


def log_step(r: float, s: float) -> float:
    """h = ln(r / s), the length of a move in half log-SNR."""
    return math.log(r / s)
