"""Noise confined to a subspace: a box, measured frequencies left alone, high frequencies only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .noise import Noise, White


@dataclass(frozen=True, eq=False)
class Confined(Noise):
    """P eps with P an orthogonal projection: outside of its range x_t = a x_0 + b y, without noise.

    The denoiser is then best wrapped in `Known`, which reads x_0 off x_t there; sampling starts
    from a source that is right outside the range.
    """

    project: Callable[[Tensor], Tensor] = field(default=lambda x: x)
    inner: Noise = field(default=White())

    def __call__(self, like: Tensor) -> Tensor:
        return self.project(self.inner(like))


@dataclass(frozen=True)
class InBox:
    """Keeps a box: (first, one behind last) for every spatial axis, in voxels."""

    box: tuple[tuple[int, int], ...]

    def __call__(self, x: Tensor) -> Tensor:
        if len(self.box) != x.ndim - 2:
            raise ValueError(f"a box of {len(self.box)} axes for an image of {x.ndim - 2}")
        place = (..., *(slice(low, high) for low, high in self.box))
        kept = torch.zeros_like(x)
        kept[place] = x[place]
        return kept


@dataclass(frozen=True, eq=False)
class InFourier:
    """Keeps the frequencies where `mask` (*S, not shifted: zero frequency first) is 1.

    paired: the first half of the channels is the real part and the second half the imaginary part
        of complex images, as of MRI. Otherwise each channel is real, and the mask must be the same
        at f and -f. The unsampled part of k-space is 1 - the sampling mask.
    """

    mask: Tensor
    paired: bool = False

    def __post_init__(self) -> None:
        mirrored = self.mask
        for axis in range(mirrored.ndim):
            mirrored = mirrored.flip(axis).roll(1, axis)
        if not self.paired and not torch.equal(mirrored, self.mask):
            raise ValueError(
                "a Fourier mask for real images must be the same at f and -f; this one is not "
                "(for complex images as two channels, paired=True)"
            )

    def __call__(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        if self.mask.shape != x.shape[2:]:
            raise ValueError(
                f"a Fourier mask of shape {tuple(self.mask.shape)} for an image of "
                f"{tuple(x.shape[2:])}"
            )
        value = torch.complex(*x.chunk(2, 1)) if self.paired else x
        kept = torch.fft.ifftn(torch.fft.fftn(value, dim=axes) * self.mask.to(x), dim=axes)
        return torch.cat([kept.real, kept.imag], 1) if self.paired else kept.real


def high_frequencies(shape: tuple[int, ...], cutoff: float) -> InFourier:
    """Keeps |f| > cutoff, in cycles per voxel (Nyquist is 0.5)."""
    axes = [torch.fft.fftfreq(n, dtype=torch.float64) for n in shape]
    square = sum(f**2 for f in torch.meshgrid(*axes, indexing="ij"))
    return InFourier((square > cutoff**2).to(torch.float32))
