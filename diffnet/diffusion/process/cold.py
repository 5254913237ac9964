"""Cold processes: x_0 is degraded, more and more, without any noise."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from .process import Process, over


@dataclass(frozen=True)
class Cold(Process):
    """x_t = degrade(x_0, t); a step back is x_t - degrade(x_0, t) + degrade(x_0, s).

    Bansal et al., 2022, arXiv:2208.09392, alg. 2. Nothing is drawn: the answer is one point
    estimate and no sample of a posterior. It starts from the degraded image itself, which is the
    source.
    """

    @abstractmethod
    def degrade(self, x_0: Tensor, t: Tensor, source: Tensor | None) -> Tensor:
        """x_t; x_0 itself at t = 0."""

    def corrupt(self, x_0: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        return self.degrade(x_0, t, source)

    def reverse(self, x_0, x_t, t, s, source=None, eta=1.0):
        return x_t - self.degrade(x_0, t, source) + self.degrade(x_0, s, source)

    def start(self, like: Tensor, source: Tensor | None = None) -> Tensor:
        """The source, degraded as at t = 1."""
        if source is None:
            raise ValueError(
                f"{type(self).__name__} starts from condition.source, the degraded image, which is "
                "missing; Gaussian processes start from noise"
            )
        return source.clone()


@dataclass(frozen=True)
class Blur(Cold):
    """Gaussian blur of standard deviation t `width` voxels, periodic at the borders."""

    width: float = 8.0

    def degrade(self, x_0: Tensor, t: Tensor, source: Tensor | None) -> Tensor:
        axes = tuple(range(2, x_0.ndim))
        square = torch.zeros((), device=x_0.device, dtype=x_0.dtype)
        for i, n in enumerate(x_0.shape[2:]):
            f = torch.fft.fftfreq(n, device=x_0.device, dtype=x_0.dtype)
            square = square + f.square().reshape(-1, *(1 for _ in range(x_0.ndim - 3 - i)))
        gain = (-2 * (math.pi * self.width * over(t, x_0)) ** 2 * square).exp()
        return torch.fft.ifftn(torch.fft.fftn(x_0, dim=axes) * gain, dim=axes).real


@dataclass(frozen=True)
class Interpolation(Cold):
    """x_t = (1 - t) x_0 + t y: dose interpolation (CoreDiff, Gao et al., 2023,
    arXiv:2304.01814).
    """

    def degrade(self, x_0: Tensor, t: Tensor, source: Tensor | None) -> Tensor:
        if source is None:
            raise ValueError(
                "Interpolation goes to condition.source, which is missing; Blur needs none"
            )
        return torch.lerp(x_0, source, over(t, x_0))


@dataclass(frozen=True, eq=False)
class Fading(Cold):
    """x_t = (1 - t mask) x_0: the voxels of `mask` (*S, between 0 and 1) fade away."""

    mask: Tensor = field(default_factory=lambda: torch.ones(()))

    def degrade(self, x_0: Tensor, t: Tensor, source: Tensor | None) -> Tensor:
        return (1 - over(t, x_0) * self.mask.to(x_0)) * x_0


@dataclass(frozen=True)
class Pixelation(Cold):
    """A mean over blocks whose edge goes from 1 to 2^`halvings` voxels in whole halvings:
    super-resolution.

    Blocks of between two sizes are interpolated, so that x_t is continuous in t.
    """

    halvings: int = 3

    def degrade(self, x_0: Tensor, t: Tensor, source: Tensor | None) -> Tensor:
        place = over(t, x_0) * self.halvings
        x_t = torch.zeros_like(x_0)
        for k in range(self.halvings + 1):
            x_t = x_t + (1 - (place - k).abs()).clamp(min=0) * _blocks(x_0, 2**k)
        return x_t


def _blocks(x: Tensor, edge: int) -> Tensor:
    if any(n % edge for n in x.shape[2:]):
        raise ValueError(f"blocks of {edge} voxels do not fill an image of {tuple(x.shape[2:])}")
    pool = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
    small = pool(x, edge) if edge > 1 else x
    for axis in range(2, x.ndim):
        small = small.repeat_interleave(edge, axis)
    return small
