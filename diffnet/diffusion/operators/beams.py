"""Where the rays of a tomograph run."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Beams(ABC):
    """Where the rays run. angles: radians, one a view; bins, width: of the detector, mm.

    Coordinates are mm from the image's centre, x along columns and y along rows. At angle theta the
    detector lies along u = (cos, sin) and the central ray runs along v = (-sin, cos).
    """

    angles: tuple[float, ...]
    bins: int
    width: float = 1.0

    def __post_init__(self) -> None:
        if not self.angles or self.bins < 1 or self.width <= 0:
            raise ValueError(
                f"{len(self.angles)} angles and {self.bins} detector bins of {self.width} mm: "
                "there must be one of each at least, and the width positive"
            )

    def positions(self) -> Tensor:
        """(bins,) along the detector, mm, 0 in the middle."""
        return (torch.arange(self.bins, dtype=torch.float64) - (self.bins - 1) / 2) * self.width

    @abstractmethod
    def rays(self, angle: float) -> tuple[Tensor, Tensor]:
        """(origins, unit directions), both (bins, 2) as (x, y)."""


@dataclass(frozen=True)
class Parallel(Beams):
    """Rays side by side: synchrotrons, and fan beams after rebinning."""

    def rays(self, angle: float) -> tuple[Tensor, Tensor]:
        u, v = axes_at(angle)
        return self.positions()[:, None] * u, v.expand(self.bins, 2)


@dataclass(frozen=True)
class Fan(Beams):
    """Rays from a point to a flat detector. source: of the point, detector: of the flat, both mm
    from the centre of rotation; `width` is measured on the detector.
    """

    source: float = 500.0
    detector: float = 500.0

    def rays(self, angle: float) -> tuple[Tensor, Tensor]:
        u, v = axes_at(angle)
        start = -self.source * v
        end = self.detector * v + self.positions()[:, None] * u
        way = end - start
        return start.expand(self.bins, 2), way / way.norm(dim=1, keepdim=True)


def axes_at(angle: float) -> tuple[Tensor, Tensor]:
    """u along the detector and v along the central ray, (2,) as (x, y)."""
    c, s = math.cos(angle), math.sin(angle)
    u, v = ((c, s), (-s, c))
    return torch.tensor(u, dtype=torch.float64), torch.tensor(v, dtype=torch.float64)
