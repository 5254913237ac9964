"""Fitting any input to a network: what is given beside x, and sizes that strides do not divide."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

Shape = tuple[int, ...]


def beside(x: Tensor, image: Tensor | None, dims: int, channels: int) -> Tensor:
    """x (B, C_x, *S) and image (B, C_i, *S) as one; ValueError unless C_x + C_i is `channels`."""
    if image is not None and (image.shape[2:] != x.shape[2:] or len(image) != len(x)):
        raise ValueError(
            f"x is {tuple(x.shape)} and image is {tuple(image.shape)}: they must agree in all "
            f"but the channels; bring the image to the grid of x first."
        )
    h = x if image is None else torch.cat([x, image.to(x.dtype)], dim=1)
    if h.ndim != dims + 2 or h.shape[1] != channels:
        raise ValueError(
            f"The network was built for {channels} channels in {dims}-D; x is "
            f"{tuple(x.shape)} and image is {None if image is None else tuple(image.shape)}."
        )
    return h


def pad_to_multiple(x: Tensor, factor: Shape, smallest: int = 1) -> Tensor:
    """Repeat the border of (B, C, *S), half on each side, to the next multiple of factor.

    smallest: how often the factor must fit into each axis at least.
    """
    missing = [max(-n % f, smallest * f - n) for n, f in zip(x.shape[2:], factor, strict=True)]
    if not any(missing):
        return x
    sides = [side for m in reversed(missing) for side in (m // 2, m - m // 2)]
    return functional.pad(x, sides, mode="replicate")


def crop_to_size(x: Tensor, size: Sequence[int]) -> Tensor:
    """The middle of (B, C, *S), of the given size: undoes `pad_to_multiple`."""
    for axis, n in enumerate(size, start=2):
        if x.shape[axis] != n:
            x = x.narrow(axis, (x.shape[axis] - n) // 2, n)
    return x
