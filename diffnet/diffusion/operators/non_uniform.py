"""Fourier coefficients anywhere in k-space: radial, spiral and other trajectories."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor

from .operator import Operator
from .pointwise import as_complex, as_real
from .sparse_map import SparseMap

WIDTH, FINER = 6, 2  # of the kernel in fine grid points; how much finer the grid is
# Beatty et al. (2005): the kernel's shape that belongs to them
SHAPE = math.pi * math.sqrt((WIDTH / FINER) ** 2 * (FINER - 0.5) ** 2 - 0.8)


class NonUniformFourier(Operator):
    """y_j = sum_n x_n exp(-2 pi i k_j n) / sqrt(voxels), n from the image's centre: (B, 2C, *S)
    complex images to (B, 2C, points).

    points: (J, d) frequencies k_j in cycles per voxel, -0.5 to 0.5, for images of `size` (d axes).
    Interpolated with a Kaiser-Bessel kernel on a grid twice as fine (Fessler and Sutton, 2003;
    Beatty et al., 2005): to about 1e-5 of the exact sum, and its adjoint to rounding.
    """

    def __init__(
        self, points: Tensor, size: tuple[int, ...], dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if points.ndim != 2 or points.shape[1] != len(size):
            raise ValueError(
                f"points of shape {tuple(points.shape)} for images of {tuple(size)}: needed are "
                f"(points, {len(size)})"
            )
        if points.abs().max() > 0.5 + 1e-6:
            raise ValueError(
                f"frequencies up to {points.abs().max():.3g} cycles per voxel; they lie between "
                "-0.5 and 0.5 (for 1 / mm multiply by the side of a voxel)"
            )
        self.size, self.fine = tuple(size), tuple(FINER * n for n in size)
        parts = list(_entries(points.double(), self.fine))
        row, column, weight = (torch.cat(p) for p in zip(*parts, strict=True))
        shape = (len(points), math.prod(self.fine))
        self.kernel = SparseMap(row, column, weight.to(dtype), shape)
        spread = torch.ones((), dtype=torch.float64)
        for n in size:
            place = (torch.arange(n, dtype=torch.float64) - n // 2) / (FINER * n)
            root = (SHAPE**2 - (math.pi * WIDTH * place) ** 2).sqrt()
            spread = spread[..., None] * WIDTH * root.sinh() / root
        scale = 1 / (spread * math.sqrt(math.prod(size)))
        self.register_buffer("scale", scale.to(dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[2:]) != self.size:
            raise ValueError(f"these points belong to images of {self.size}, not {x.shape[2:]}")
        dims = tuple(range(-len(self.size), 0))
        wide = torch.nn.functional.pad(self.scale * x, self._padding())
        moved = torch.fft.ifftshift(as_complex(wide), dim=dims)
        grid = as_real(torch.fft.fftshift(torch.fft.fftn(moved, dim=dims), dim=dims))
        return self.kernel(grid.flatten(2))

    def adjoint(self, y: Tensor) -> Tensor:
        dims = tuple(range(-len(self.size), 0))
        grid = as_complex(self.kernel.transposed(y).unflatten(2, self.fine))
        moved = torch.fft.ifftshift(grid, dim=dims)
        wide = torch.fft.fftshift(torch.fft.ifftn(moved, dim=dims, norm="forward"), dim=dims)
        for axis, n in enumerate(self.size, 2):
            wide = wide.narrow(axis, wide.shape[axis] // 2 - n // 2, n)
        return self.scale * as_real(wide)

    def first_look(self, y: Tensor) -> Tensor:
        """The adjoint of samples that are weighted by how far apart they lie."""
        weights = self.density()
        probe = torch.ones((), dtype=y.dtype, device=y.device)
        for n in self.size:  # smooth, so that what the centre of k-space does to images is seen
            place = (torch.arange(n, dtype=y.dtype, device=y.device) - n // 2) / n
            probe = probe[..., None] * torch.exp(-0.5 * (8 * place).square())
        probe = torch.stack([probe, torch.zeros_like(probe)])[None]
        gain = (weights * self(probe).square()).sum() / probe.square().sum()
        return self.adjoint(weights * y) / gain

    def density(self, rounds: int = 10) -> Tensor:
        """(points,) weights, inverse to the samples' density (Pipe and Menon, 1999)."""
        weights = torch.ones(1, 1, self.kernel.shape[0], dtype=self.scale.dtype).to(self.scale)
        for _ in range(rounds):
            seen = self.kernel(self.kernel.transposed(weights))
            weights = weights / seen.clamp(min=torch.finfo(seen.dtype).tiny)
        return weights[0, 0]

    def _padding(self) -> list[int]:
        pairs = [
            (f // 2 - n // 2, f - n - (f // 2 - n // 2))
            for n, f in zip(self.size, self.fine, strict=True)
        ]
        return [side for pair in reversed(pairs) for side in pair]


def radial(spokes: int, samples: int, golden: bool = True) -> Tensor:
    """(spokes * samples, 2) points on lines through the centre, turned by the golden angle (111.2
    degrees) or evenly over half a turn.
    """
    if spokes < 1 or samples < 2:
        raise ValueError(f"{spokes} spokes of {samples} samples; needed: 1 and 2 at least")
    step = math.pi / spokes
    if golden:
        step = math.pi * (math.sqrt(5) - 1) / 2
    angles = step * torch.arange(spokes, dtype=torch.float64)
    along = (torch.arange(samples, dtype=torch.float64) - samples // 2) / samples
    way = torch.stack([angles.sin(), angles.cos()], 1)
    return (along[None, :, None] * way[:, None]).flatten(0, 1)


def spiral(arms: int, turns: float, samples: int) -> Tensor:
    """(arms * samples, 2) points on Archimedean spirals from the centre to the edge of k-space,
    samples equally far apart along each; `turns` of an arm.
    """
    if arms < 1 or turns <= 0 or samples < 2:
        raise ValueError(
            f"{arms} arms of {turns} turns and {samples} samples; needed: 1 arm, more than 0 turns "
            "and 2 samples at least"
        )
    # radius grows with the angle, so that the length of the way grows with its square
    along = torch.linspace(0, 1, samples, dtype=torch.float64).sqrt()
    start = 2 * math.pi / arms * torch.arange(arms, dtype=torch.float64)
    angle = start[:, None] + 2 * math.pi * turns * along
    return (0.5 * along[:, None] * torch.stack([angle.sin(), angle.cos()], -1)).flatten(0, 1)


def radial_by(n: int, acceleration: float) -> Tensor:
    """Golden-angle spokes for images of n voxels; pi / 2 n of them would leave no gap."""
    return radial(max(1, round(0.5 * math.pi * n / acceleration)), n)


def spiral_by(n: int, acceleration: float, arms: int = 8) -> Tensor:
    """Arms for images of n voxels; n / 2 turns in all would leave no gap."""
    turns = 0.5 * n / acceleration / arms
    return spiral(arms, turns, max(2, round(0.5 * math.pi * turns * n)))


# name -> (voxels of the longest side, acceleration) -> points
TRAJECTORIES: dict[str, Callable[[int, float], Tensor]] = {
    "radial": radial_by,
    "spiral": spiral_by,
}


def _entries(points: Tensor, fine: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(point, place on the fine grid, weight) for each of the WIDTH^d neighbours of all points."""
    place = points * torch.tensor(fine, dtype=torch.float64)
    first = (place - WIDTH / 2).ceil()
    row = torch.arange(len(points))
    for offset in product(range(WIDTH), repeat=len(fine)):
        near = first + torch.tensor(offset, dtype=torch.float64)
        gap = (2 * (place - near) / WIDTH).square().clamp(max=1)
        weight = torch.special.i0(SHAPE * (1 - gap).sqrt()).prod(1)
        column = torch.zeros(len(points), dtype=torch.long)
        for axis, n in enumerate(fine):
            column = column * n + (near[:, axis].long() + n // 2) % n
        yield row, column, weight
