"""Operators that lose detail: blur and block means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .operator import Number, Operator, divided


class Blurred(Operator):
    """Circular convolution of every channel with one kernel, whose middle is at index n // 2.

    kernel (*K), size (*S): spatial shapes. Solves have closed forms in Fourier space.
    """

    def __init__(self, kernel: Tensor, size: Sequence[int]) -> None:
        super().__init__()
        if kernel.ndim != len(size) or any(k > n for k, n in zip(kernel.shape, size, strict=True)):
            raise ValueError(
                f"a kernel of {tuple(kernel.shape)} for images of {tuple(size)}: it needs as many "
                "axes and must not be larger"
            )
        wide = kernel.new_zeros(tuple(size))
        wide[tuple(slice(0, k) for k in kernel.shape)] = kernel
        wide = wide.roll([-(k // 2) for k in kernel.shape], tuple(range(kernel.ndim)))
        self.axes, self.size = tuple(range(-kernel.ndim, 0)), tuple(size)
        self.register_buffer("response", torch.view_as_real(torch.fft.rfftn(wide)))

    def forward(self, x: Tensor) -> Tensor:
        return self._filtered(x, torch.view_as_complex(self.response))

    def adjoint(self, y: Tensor) -> Tensor:
        return self._filtered(y, torch.view_as_complex(self.response).conj())

    def ridge(self, y: Tensor, shift: Number, iterations: int | None = None) -> Tensor:
        """In closed form where the shift is one number; frequencies with |H| < 1e-6 are lost."""
        if isinstance(shift, Tensor) and shift[0].numel() > 1:
            return super().ridge(y, shift, iterations)
        response = torch.view_as_complex(self.response)
        power = response.abs().square()
        there = torch.where(response.abs() > 1e-6, response.conj(), 0.0)
        below = power + shift
        return self._filtered(y, divided(there.real, below) + 1j * divided(there.imag, below))

    def filtered(self, x: Tensor, response: Callable[[Tensor], Tensor]) -> Tensor:
        power = torch.view_as_complex(self.response).abs().square()
        return self._filtered(x, response(power))

    def _filtered(self, x: Tensor, response: Tensor) -> Tensor:
        if x.shape[-len(self.size) :] != self.size:
            raise ValueError(f"this blur is for images of {self.size}, not {tuple(x.shape[2:])}")
        spectrum = torch.fft.rfftn(x, dim=self.axes)
        return torch.fft.irfftn(response * spectrum, s=self.size, dim=self.axes)


class BlockMean(Operator):
    """Means over blocks of `factor` voxels an axis: what a coarser detector sees.

    A A^H = 1 / (voxels in a block).
    """

    def __init__(self, factor: Sequence[int]) -> None:
        super().__init__()
        if min(factor) < 1:
            raise ValueError(f"blocks of {tuple(factor)} voxels; every side is at least 1")
        self.factor = tuple(factor)
        self.gram = 1.0 / math.prod(self.factor)

    def forward(self, x: Tensor) -> Tensor:
        if any(n % f for n, f in zip(x.shape[2:], self.factor, strict=True)):
            raise ValueError(
                f"images of {tuple(x.shape[2:])} do not divide into blocks of {self.factor}"
            )
        for axis, f in enumerate(self.factor, 2):
            x = x.unflatten(axis, (-1, f)).mean(axis + 1)
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        for axis, f in enumerate(self.factor, 2):
            y = y.repeat_interleave(f, axis) / f
        return y


def gaussian_kernel(std: float, dims: int = 2) -> Tensor:
    """Sum 1, cut at 3 std."""
    if std <= 0:
        raise ValueError(f"a Gaussian blur of {std} voxels; it must be positive")
    reach = max(1, math.ceil(3 * std))
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / std) ** 2)
    kernel = line
    for _ in range(dims - 1):
        kernel = kernel[..., None] * line
    return kernel / kernel.sum()


def motion_kernel(length: float, angle: float) -> Tensor:
    """A straight motion of `length` voxels at `angle` degrees to the x axis, in the plane; sum 1.

    Points along the path are shared out bilinearly.
    """
    if length <= 0:
        raise ValueError(f"a motion of {length} voxels; it must be positive")
    reach = math.ceil(length / 2) + 1
    kernel = torch.zeros(2 * reach + 1, 2 * reach + 1)
    along = torch.linspace(-length / 2, length / 2, max(2, 8 * math.ceil(length)))
    y = along * math.sin(math.radians(angle)) + reach
    x = along * math.cos(math.radians(angle)) + reach
    y0, x0 = y.floor().long(), x.floor().long()
    for j in (0, 1):
        for i in (0, 1):
            share = (1 - (y - y0 - j).abs()) * (1 - (x - x0 - i).abs())
            kernel.index_put_((y0 + j, x0 + i), share, accumulate=True)
    return kernel / kernel.sum()
