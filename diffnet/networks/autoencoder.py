"""Autoencoders that shrink the grid: purely local, so that tiles are exactly parts of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from .blocks import CONVOLUTIONS, Up, convolution, zeroed
from .padding import Shape


class LocalNorm(nn.Module):
    """w x / rms(x) over the channels of each voxel: no statistic of the image, hence no seams.

    Zhang and Sennrich, 2019, arXiv:1910.07467.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.reshape(-1, *(1 for _ in x.shape[2:])).to(x.dtype)
        return x * (x.float().square().mean(1, keepdim=True) + 1e-6).rsqrt().to(x.dtype) * weight


class LocalBlock(nn.Module):
    """x + W_2 silu(norm(W_1 silu(norm(x)))); W_2 starts at zero."""

    def __init__(self, dims: int, width: int, kernel: Shape) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = LocalNorm(width), LocalNorm(width)
        self.conv_1 = convolution(dims, width, width, kernel)
        self.conv_2 = zeroed(convolution(dims, width, width, kernel))

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_1(functional.silu(self.norm_1(x)))
        return x + self.conv_2(functional.silu(self.norm_2(h)))


class Autoencoder(nn.Module):
    """x (B, channels, *S) to (B, codes, *S / factor) and (B, latent, *S / factor) back to x.

    Stage i has `blocks` residual blocks of widths[i] channels on a grid strides[i] times coarser
    than the last; strides[0] is 1. S must be a multiple of `factor`, the product of the strides.
    codes: channels that encoding returns, such as means and log variances of `latent` ones.
    margin: voxels of x, a multiple of factor, beyond which nothing influences a voxel.
    """

    def __init__(
        self,
        dims: int,
        channels: int,
        latent: int,
        widths: Sequence[int],
        strides: Sequence[Shape],
        kernels: Sequence[Shape],
        blocks: int = 1,
        codes: int | None = None,
    ) -> None:
        super().__init__()
        strides, kernels = [tuple(s) for s in strides], [tuple(k) for k in kernels]
        if len({len(widths), len(strides), len(kernels)}) != 1 or any(s != 1 for s in strides[0]):
            raise ValueError(
                f"widths, strides and kernels need one entry a stage, the first stride is 1; found "
                f"{widths}, {strides}, {kernels}"
            )
        self.factor = tuple(math.prod(axis) for axis in zip(*strides, strict=True))
        self.margin = _margin(strides, kernels, blocks, self.factor)
        pairs = list(zip(widths, widths[1:], strides[1:], strict=False))

        def stage(i: int) -> nn.Sequential:
            return nn.Sequential(*(LocalBlock(dims, widths[i], kernels[i]) for _ in range(blocks)))

        down: list[nn.Module] = [convolution(dims, channels, widths[0], kernels[0]), stage(0)]
        for i, (a, b, s) in enumerate(pairs, 1):
            down += [CONVOLUTIONS[dims](a, b, s, stride=s), stage(i)]
        end, one = LocalNorm(widths[-1]), (1,) * dims
        out = convolution(dims, widths[-1], codes or latent, one)
        self.encoder = nn.Sequential(*down, end, out)
        up: list[nn.Module] = [convolution(dims, latent, widths[-1], one), stage(len(widths) - 1)]
        for i, (a, b, s) in reversed(list(enumerate(pairs))):
            up += [Up(dims, b, a, s), stage(i)]
        last = convolution(dims, widths[0], channels, kernels[0])
        self.decoder = nn.Sequential(*up, LocalNorm(widths[0]), nn.SiLU(), last)

    def encode(self, x: Tensor, tile: int | None = None) -> Tensor:
        """tile: voxels of x along each axis that are worked on at once; None is all."""
        if tile is None:
            return self.encoder(x)
        step = tuple(-(-tile // f) * f for f in self.factor)
        return by_tiles(self.encoder, x, step, self.margin, [1 / f for f in self.factor])

    def decode(self, z: Tensor, tile: int | None = None) -> Tensor:
        """tile: voxels of the image along each axis that are worked on at once; None is all."""
        if tile is None:
            return self.decoder(z)
        step = tuple(-(-tile // f) for f in self.factor)
        margin = tuple(m // f for m, f in zip(self.margin, self.factor, strict=True))
        return by_tiles(self.decoder, z, step, margin, self.factor)


def by_tiles(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    step: Sequence[int],
    margin: Sequence[int],
    ratio: Sequence[float],
) -> Tensor:
    """function(x), by tiles of `step` voxels that see `margin` more on each side.

    ratio: voxels that come out for one that goes in, an integer or one over it. Exact where the
    function is local, looks no farther than the margin, and pads borders with zeros.
    """
    size, out = x.shape[2:], None
    for start in product(*(range(0, n, s) for n, s in zip(size, step, strict=True))):
        stop = [min(a + s, n) for a, s, n in zip(start, step, size, strict=True)]
        low = [max(a - m, 0) for a, m in zip(start, margin, strict=True)]
        high = [min(b + m, n) for b, m, n in zip(stop, margin, size, strict=True)]
        part = function(x[_region(low, high)])
        if out is None:
            whole = [round(n * r) for n, r in zip(size, ratio, strict=True)]
            out = part.new_empty(*part.shape[:2], *whole)
        inner = [
            (round((a - o) * r), round((b - o) * r))
            for a, b, o, r in zip(start, stop, low, ratio, strict=True)
        ]
        place = [(round(a * r), round(b * r)) for a, b, r in zip(start, stop, ratio, strict=True)]
        out[_region(*zip(*place, strict=True))] = part[_region(*zip(*inner, strict=True))]
    return out


def _region(low: Sequence[int], high: Sequence[int]) -> tuple[slice, ...]:
    return (slice(None), slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))


def _margin(
    strides: Sequence[Shape], kernels: Sequence[Shape], blocks: int, factor: Shape
) -> Shape:
    """How far a voxel is seen on the way down or up, rounded up to the factor."""
    found = []
    for axis, f in enumerate(factor):
        reach, at = kernels[0][axis] // 2, 1
        for stride, kernel in zip(strides, kernels, strict=True):
            at *= stride[axis]
            reach += 2 * blocks * (kernel[axis] // 2) * at
        found.append(-(-(reach + f) // f) * f)
    return tuple(found)
