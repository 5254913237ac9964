"""Noise with structure: coarse, pyramid, offset, coloured, shuffled."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from .noise import Noise


@dataclass(frozen=True)
class Coarse(Noise):
    """White noise on a grid of `points` an axis, interpolated linearly and rolled by a random
    shift.

    Kascenas et al., 2022, for denoising auto-encoders, with 16 points. Every voxel has variance 1.
    """

    points: int = 16

    def __call__(self, like: Tensor) -> Tensor:
        shape = like.shape[2:]
        field_ = interpolated(like, tuple(min(self.points, n) for n in shape))
        rolls = [int(torch.randint(0, n, ()).item()) for n in shape]
        return field_.roll(rolls, tuple(range(2, like.ndim)))


@dataclass(frozen=True)
class Pyramid(Noise):
    """sum_k discount^k white noise at 1 / 2^k of the resolution, at variance 1."""

    levels: int = 6
    discount: float = 0.8

    def __call__(self, like: Tensor) -> Tensor:
        total, power = torch.zeros_like(like), 0.0
        for k in range(self.levels):
            points = tuple(max(1, math.ceil(n / 2**k)) for n in like.shape[2:])
            total = total + self.discount**k * interpolated(like, points)
            power += self.discount ** (2 * k)
        return total / math.sqrt(power)


@dataclass(frozen=True)
class Offset(Noise):
    """(white + strength xi) / sqrt(1 + strength^2), xi one number for each example and channel.

    It lets means change where the largest noise level is too small for them; a larger level is
    better.
    """

    strength: float = 0.1

    def __call__(self, like: Tensor) -> Tensor:
        shift = torch.randn_like(like[(..., *([slice(0, 1)] * (like.ndim - 2)))])
        return (torch.randn_like(like) + self.strength * shift) / math.sqrt(1 + self.strength**2)


@dataclass(frozen=True)
class Coloured(Noise):
    """White noise whose power falls as 1 / |f|^exponent: 0 is white, 2 as in natural images.

    The mean has the power of the lowest frequency. Every voxel has variance 1.
    """

    exponent: float = 1.0

    def __call__(self, like: Tensor) -> Tensor:
        axes = tuple(range(2, like.ndim))
        gain = _power_law(tuple(like.shape[2:]), self.exponent, like.dtype, like.device)
        return torch.fft.ifftn(
            torch.fft.fftn(torch.randn_like(like), dim=axes) * gain, dim=axes
        ).real


@dataclass(frozen=True, eq=False)
class Shuffled(Noise):
    """A measured residual's values, standardised and put in random places (Xiang et al., 2023).

    arXiv:2302.03018. residual: any shape; its values are all that is kept of it.
    """

    residual: Tensor = field(default_factory=lambda: torch.zeros(0))

    def __post_init__(self) -> None:
        if self.residual.numel() < 2 or float(self.residual.std()) == 0:
            raise ValueError(
                "shuffled noise needs a residual of at least two different values; White needs none"
            )

    def __call__(self, like: Tensor) -> Tensor:
        values = self.residual.flatten().to(like)
        values = (values - values.mean()) / values.std(correction=0)
        pick = torch.randint(0, len(values), like.shape, device=like.device)
        return values[pick]


def interpolated(like: Tensor, points: tuple[int, ...]) -> Tensor:
    """White noise on `points`, brought to like's grid linearly, variance 1 at every voxel."""
    x = torch.randn(*like.shape[:2], *points, dtype=like.dtype, device=like.device)
    for axis, n in enumerate(points, start=2):
        if n != like.shape[axis]:
            matrix = _interpolation(n, like.shape[axis], like.dtype, like.device)
            x = (x.movedim(axis, -1) @ matrix).movedim(-1, axis)
    return x


@lru_cache(maxsize=64)
def _interpolation(n: int, length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(n, length): linear interpolation, each column of unit length, so that variance stays 1."""
    with torch.inference_mode(False):
        place = torch.linspace(0, n - 1, length, dtype=torch.float64)
        near = 1 - (torch.arange(n, dtype=torch.float64)[:, None] - place).abs()
        matrix = near.clamp(min=0)
        return (matrix / matrix.norm(dim=0)).to(device, dtype)


@lru_cache(maxsize=16)
def _power_law(
    shape: tuple[int, ...], exponent: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):
        axes = [torch.fft.fftfreq(n, dtype=torch.float64) for n in shape]
        square = sum(f**2 for f in torch.meshgrid(*axes, indexing="ij"))
        lowest = square[square > 0].min() if square.numel() > 1 else torch.ones(())
        gain = square.clamp(min=float(lowest)) ** (-exponent / 4)
        return (gain / gain.square().mean().sqrt()).to(device, dtype)
