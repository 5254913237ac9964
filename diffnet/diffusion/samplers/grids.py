"""Time grids: where between the largest and the smallest noise level the network is called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..process import GaussianProcess, Process


class Grid(ABC):
    """Times (steps,) in float64 on the CPU, strictly falling from `start` to the last network
    call.
    """

    def times(self, process: Process, steps: int, start: float = 1.0) -> Tensor:
        """`start` in (0, 1] is the t where sampling begins.

        Raises ValueError for an impossible grid and TypeError for a process the grid does not fit.
        """
        if not 0 < start <= 1:
            raise ValueError(f"sampling starts at t = {start}; t must lie in (0, 1]")
        if steps < 1:
            raise ValueError(f"a grid of {steps} network calls; it takes at least 1")
        times = self.place(process, steps, start)
        if len(times) > 1 and not bool((times.diff() < 0).all()):
            raise ValueError(
                f"{self} does not fall strictly from t = {start} with {steps} steps; "
                "start later, take fewer steps or another grid"
            )
        return times

    @abstractmethod
    def place(self, process: Process, steps: int, start: float) -> Tensor:
        """The times themselves."""


@dataclass(frozen=True)
class Uniform(Grid):
    """t equally spaced from `start` to 0. Serves every process."""

    def place(self, process: Process, steps: int, start: float) -> Tensor:
        return start * _falling(steps)


@dataclass(frozen=True)
class Trailing(Grid):
    """t_i = start (1 - i / steps): the start is always asked, t = 0 never (Lin et al., 2024,
    arXiv:2305.08891).

    Needed with zero terminal SNR. Serves every process.
    """

    def place(self, process: Process, steps: int, start: float) -> Tensor:
        return start * (1 - torch.arange(steps, dtype=torch.float64) / steps)


@dataclass(frozen=True)
class Explicit(Grid):
    """Noise levels r given one by one, falling; `steps` must be their number.

    The times of a published table: process.time of its levels.
    """

    levels: tuple[float, ...] = ()

    def place(self, process: Process, steps: int, start: float) -> Tensor:
        if steps != len(self.levels):
            raise ValueError(f"an explicit grid of {len(self.levels)} levels, and {steps} steps")
        levels = torch.tensor(self.levels, dtype=torch.float64)
        low, high = _ends(self, process, start)
        # published tables are rounded, so their ends may lie a little outside
        if bool((levels <= 0).any()) or bool((levels > high * (1 + 1e-4)).any()):
            raise ValueError(
                f"explicit levels {self.levels} must lie in (0, {high:.6g}], "
                f"the process's level at t = {start}"
            )
        return process.time(levels.clamp(low, high))


class ByLevel(Grid):
    """A grid that is placed by noise levels r between r(start) and r(0)."""

    def place(self, process: Process, steps: int, start: float) -> Tensor:
        low, high = _ends(self, process, start)
        times = process.time(self.levels(low, high, _falling(steps)))
        # rounding may not move the ends
        times[0] = start
        if steps > 1:
            times[-1] = 0.0
        return times

    @abstractmethod
    def levels(self, low: float, high: float, place: Tensor) -> Tensor:
        """Levels at `place`, which falls from 1 (high) to 0 (low)."""


@dataclass(frozen=True)
class LogUniform(ByLevel):
    """Noise levels r in geometric progression (uniform log-SNR)."""

    def levels(self, low: float, high: float, place: Tensor) -> Tensor:
        return low * (high / low) ** place


@dataclass(frozen=True)
class Karras(ByLevel):
    """r^(1 / rho) equally spaced (Karras et al., 2022, arXiv:2206.00364, eq. 5)."""

    rho: float = 7.0

    def levels(self, low: float, high: float, place: Tensor) -> Tensor:
        root = 1 / self.rho
        return (low**root + place * (high**root - low**root)) ** self.rho


@dataclass(frozen=True)
class FlowShift(ByLevel):
    """r / (shift + r) equally spaced: uniform flow time, shifted (Esser et al., 2024,
    arXiv:2403.03206).

    shift = 1 is uniform in the time of rectified flow; the standard deviation of the data is a good
    one.
    """

    shift: float = 1.0

    def levels(self, low: float, high: float, place: Tensor) -> Tensor:
        first, last = (r / (self.shift + r) for r in (low, high))
        tau = first + place * (last - first)
        return self.shift * tau / (1 - tau)


def _falling(steps: int) -> Tensor:
    """From 1 to 0; the 1 alone for one step."""
    return torch.linspace(1, 0, steps, dtype=torch.float64)


def _ends(grid: Grid, process: Process, start: float) -> tuple[float, float]:
    if not isinstance(process, GaussianProcess):
        raise TypeError(
            f"{type(grid).__name__} places noise levels and {type(process).__name__} has none; "
            "Uniform and Trailing fit every process"
        )
    low, high = process.level(torch.tensor([0.0, start], dtype=torch.float64)).tolist()
    return low, high


GRIDS: dict[str, type[Grid]] = {
    "log_uniform": LogUniform,
    "karras": Karras,
    "flow_shift": FlowShift,
    "trailing": Trailing,
    "uniform": Uniform,
    "explicit": Explicit,
}
