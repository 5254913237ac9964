"""Windows fused at every step: a denoiser of small images asked about a large one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from .batch import Condition
from .denoiser import Denoiser, WrappedDenoiser


class Window(NamedTuple):
    """One axis of a window: where it lies, and its share of every voxel along that axis."""

    place: slice
    share: Tensor


class Tiled(WrappedDenoiser):
    """D(x) = sum_i w_i D(x in window i) / sum_i w_i, w Gaussian (Bar-Tal et al., 2023,
    arXiv:2302.08113).

    The estimates of x_0 are fused, not samples: the sampler draws its noise once for the whole
        image, so the overlaps keep its variance. Windows form a product grid and the weights a
        product of one Gaussian an axis, hence they are normalised axis by axis and no map of
        weights is ever stored.

    size: window length for every spatial axis; an axis shorter than its window is taken whole.
    overlap: share of the window's length by which neighbours overlap at least, in [0, 1).
    batch: windows in one network call (times the batch of x_t).
    """

    def __init__(
        self, inner: Denoiser, size: Sequence[int], overlap: float = 0.5, batch: int = 4
    ) -> None:
        super().__init__(inner)
        if not 0 <= overlap < 1:
            raise ValueError(f"windows overlap by {overlap}; the share must lie in [0, 1)")
        if min(size) < 1 or batch < 1:
            raise ValueError(
                f"windows of size {tuple(size)}, {batch} at once; both must be positive"
            )
        self.size, self.overlap, self.batch = tuple(size), overlap, batch

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        shape = x_t.shape[2:]
        if len(shape) != len(self.size):
            raise ValueError(
                f"windows of size {self.size} have {len(self.size)} axes, "
                f"the image {tuple(shape)} has {len(shape)}"
            )
        if all(length <= size for length, size in zip(shape, self.size, strict=True)):
            return self.inner(x_t, t, condition)
        axes = [
            windows_along(length, min(size, length), self.overlap, x_t.dtype, x_t.device)
            for length, size in zip(shape, self.size, strict=True)
        ]
        fused: Tensor | None = None
        windows = list(product(*axes))
        for first in range(0, len(windows), self.batch):
            group = windows[first : first + self.batch]
            for window, x_0 in zip(group, self._ask(x_t, t, condition, group), strict=True):
                if fused is None:
                    fused = x_0.new_zeros(*x_0.shape[:2], *shape)
                fused[(..., *(axis.place for axis in window))] += _weighted(x_0, window)
        return fused

    def _ask(
        self, x_t: Tensor, t: Tensor, condition: Condition, group: list[tuple[Window, ...]]
    ) -> Iterator[Tensor]:
        regions = [tuple(axis.place for axis in window) for window in group]
        x = torch.cat([x_t[(..., *region)] for region in regions])
        conditions = Condition.cat([condition.crop(region) for region in regions])
        return iter(self.inner(x, t.repeat(len(regions)), conditions).split(len(x_t)))


@lru_cache(maxsize=64)
def windows_along(
    length: int, size: int, overlap: float, dtype: torch.dtype, device: torch.device
) -> list[Window]:
    """Evenly placed windows along an axis; their shares sum to one at every voxel.

    Kept, because a copy of the shares to the device would be waited for at every call.
    """
    moves = math.ceil((length - size) / max(1, math.floor(size * (1 - overlap))))
    starts = [round(i * (length - size) / moves) for i in range(moves + 1)] if moves else [0]
    centre, width = (size - 1) / 2, size / 8
    offset = torch.arange(size, dtype=torch.float64) - centre
    bell = (-0.5 * (offset / width) ** 2).exp().clamp(min=1e-3)
    total = torch.zeros(length, dtype=torch.float64)
    for start in starts:
        total[start : start + size] += bell
    return [
        Window(slice(s, s + size), (bell / total[s : s + size]).to(device, dtype)) for s in starts
    ]


def _weighted(x_0: Tensor, window: tuple[Window, ...]) -> Tensor:
    for i, axis in enumerate(window):
        x_0 = x_0 * axis.share.reshape(-1, *(1 for _ in range(len(window) - 1 - i)))
    return x_0
