"""Total variation: the sum of the lengths of an image's differences, and its proximal map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def total_variation(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """(B,) for x (B, C, *S): lengths of the forward differences along `axes` (0 is the first
    spatial one; None: all), 0 across the edge.
    """
    return differences(x, _dims(x, axes)).square().sum(0).sqrt().flatten(1).sum(1)


def total_variation_prox(
    x: Tensor, weight: float, iterations: int = 20, axes: Sequence[int] | None = None
) -> Tensor:
    """argmin_z |z - x|^2 / 2 + weight TV(z), by accelerated projected gradient on the dual.

    Beck and Teboulle, 2009 (Fast gradient-based algorithms for constrained total variation image
    denoising and deblurring problems).
    """
    if weight == 0:
        return x
    dims = _dims(x, axes)
    step = 1 / (4 * len(dims) * weight)
    dual = ahead = torch.zeros(len(dims), *x.shape, dtype=x.dtype, device=x.device)
    momentum = 1.0
    for _ in range(iterations):
        moved = ahead + step * differences(x - weight * transposed(ahead, dims), dims)
        before, dual = dual, moved / moved.square().sum(0, keepdim=True).sqrt().clamp(min=1)
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = dual + (momentum - 1) / following * (dual - before)
        momentum = following
    return x - weight * transposed(dual, dims)


def differences(x: Tensor, dims: Sequence[int]) -> Tensor:
    """(n, *x.shape): forward differences along each of `dims`, 0 at the last place."""
    found = torch.zeros(len(dims), *x.shape, dtype=x.dtype, device=x.device)
    for k, dim in enumerate(dims):
        n = x.shape[dim] - 1
        found[k].narrow(dim, 0, n).copy_(x.narrow(dim, 1, n) - x.narrow(dim, 0, n))
    return found


def transposed(d: Tensor, dims: Sequence[int]) -> Tensor:
    """The adjoint of `differences`."""
    found = torch.zeros_like(d[0])
    for k, dim in enumerate(dims):
        n = d.shape[dim + 1] - 1
        part = d[k].narrow(dim, 0, n)
        found.narrow(dim, 1, n).add_(part)
        found.narrow(dim, 0, n).sub_(part)
    return found


def _dims(x: Tensor, axes: Sequence[int] | None) -> list[int]:
    return [axis + 2 for axis in (range(x.ndim - 2) if axes is None else axes)]
