"""Whole images from a network that has seen only parts of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from .batch import Batch, Condition
from .denoiser import Denoiser, Wrap, WrappedDenoiser, keep
from .method import Diffusion


class Cropped(Diffusion):
    """Learns from random parts of `share` of every axis; makes images whole.

    placed: every voxel's place in the image, from -1 to 1 along each axis, is shown as one more
    channel of the condition an axis, so that a part knows where it lies (Bieder et al., 2023,
    arXiv:2303.15288). smallest: voxels that a part has at least along an axis. A condition on the
    grid is cut with the target.
    """

    def __init__(
        self, *parts: object, share: float = 0.5, placed: bool = True, smallest: int = 8, **more
    ) -> None:
        super().__init__(*parts, **more)
        if not 0 < share <= 1:
            raise ValueError(f"a part has a share of every axis in (0, 1], {share} is none")
        self.share, self.placed, self.smallest = share, placed, smallest

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        if self.codec is not None:
            batch = self.codec.batch(batch)
        batch = self.part(replace(batch, condition=self.known(batch.condition, batch.target)))
        yield "model", self.objective(self.denoiser, batch)

    def part(self, batch: Batch) -> Batch:
        """The same random part of every example."""
        region = []
        for n in batch.target.shape[2:]:
            length = self.length(n)
            start = int(torch.randint(n - length + 1, ()))
            region.append(slice(start, start + length))
        target = batch.target[(slice(None), slice(None), *region)]
        return Batch(target, batch.condition.crop(tuple(region)))

    def length(self, whole: int) -> int:
        """How much of an axis a part has."""
        return min(whole, max(self.smallest, round(self.share * whole)))

    def known(self, condition: Condition, like: Tensor) -> Condition:
        """The condition with the places in it."""
        if not self.placed:
            return condition
        where = coordinates(like.shape[2:], like).expand(len(like), *(-1 for _ in like.shape[1:]))
        image = condition.image
        return replace(condition, image=where if image is None else torch.cat([image, where], 1))

    def _asked(self, like: Tensor, condition: Condition) -> tuple[Tensor, Condition]:
        inner, known = super()._asked(like, condition)
        return inner, self.known(known, inner)


class Canvas(Cropped):
    """Makes images of any size out of parts: a fresh tiling at every call of the denoiser.

    No seam stays, because none lies at the same place twice (Aversa et al., 2023,
    arXiv:2306.13384). size: of the images it learns from; a tile is as large as their parts.
    """

    def __init__(self, *parts: object, size: Sequence[int], **more) -> None:
        super().__init__(*parts, placed=False, **more)
        self.tile = tuple(self.length(n) for n in size)

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        return super().sample(like, condition, lambda d: RandomTiles(wrap(d), self.tile))


class RandomTiles(WrappedDenoiser):
    """Cuts x_t into tiles of `size` (at most) at a random shift; each is asked by itself.

    The outermost tiles are moved inwards, so that all are whole; where two then lie upon each other
    the later one counts.
    """

    def __init__(self, inner: Denoiser, size: Sequence[int]) -> None:
        super().__init__(inner)
        self.size = tuple(size)

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        if len(self.size) != x_t.ndim - 2:
            raise ValueError(f"tiles of {self.size} do not fit an image of {tuple(x_t.shape[2:])}")
        if all(n <= size for n, size in zip(x_t.shape[2:], self.size, strict=True)):
            return self.inner(x_t, t, condition)
        found = torch.empty_like(x_t)
        axes = [slices_along(n, s) for n, s in zip(x_t.shape[2:], self.size, strict=True)]
        for region in product(*axes):
            found[(..., *region)] = self.inner(x_t[(..., *region)], t, condition.crop(region))
        return found


def slices_along(length: int, size: int) -> list[slice]:
    """Slices of `size` that cover an axis, from a random place on."""
    if length <= size:
        return [slice(0, length)]
    shift = int(torch.randint(size, ()))
    starts = {min(max(0, s), length - size) for s in range(shift - size, length, size)}
    return [slice(s, s + size) for s in sorted(starts)]


def coordinates(size: Sequence[int], like: Tensor) -> Tensor:
    """(1, len(size), *size): the place along every axis, from -1 to 1; 0 where there is one."""
    kind = {"device": like.device, "dtype": like.dtype}
    axes = [torch.linspace(-1, 1, n, **kind) if n > 1 else torch.zeros(1, **kind) for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
