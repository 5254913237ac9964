"""Cone-beam tomography: line integrals through volumes, from a point to a flat detector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .back_projection import arc_shares, ramp_filtered
from .operator import Operator


@dataclass(frozen=True)
class Cone:
    """A circular orbit about the volume's z axis. angles: radians, one a view; rows and bins of the
    detector, both `width` mm; source and detector: mm from the axis.
    """

    angles: tuple[float, ...]
    rows: int
    bins: int
    width: float = 1.0
    source: float = 500.0
    detector: float = 500.0

    def __post_init__(self) -> None:
        if not self.angles or min(self.rows, self.bins) < 1 or self.width <= 0:
            raise ValueError(
                f"{len(self.angles)} angles and {self.rows} x {self.bins} detector elements of "
                f"{self.width} mm: there must be one of each at least, and the width positive"
            )


class ConeBeam(Operator):
    """Line integrals y (B, C, views, rows, bins) of volumes x (B, C, Z, Y, X), in units of x times
    mm; voxels are `spacing` mm wide, slices `depth` times that apart.

    Rays are read at steps of one voxel with linear interpolation, one view at a time: no matrix is
    kept. The adjoint is the derivative's, so both agree to rounding.
    """

    def __init__(
        self, cone: Cone, size: tuple[int, int, int], spacing: float = 1.0, depth: float = 1.0
    ) -> None:
        super().__init__()
        self.sides = (spacing * depth, spacing, spacing)
        half = 0.5 * math.hypot(*(n * side for n, side in zip(size, self.sides, strict=True)))
        if cone.source <= half:
            raise ValueError(
                f"the source is {cone.source:g} mm from the axis, inside of a volume that reaches "
                f"{half:.4g} mm"
            )
        self.cone, self.size, self.spacing = cone, tuple(size), spacing
        self.steps = math.ceil(2 * half / spacing) + 1

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[2:]) != self.size:
            raise ValueError(f"these rays cross volumes of {self.size}, not {tuple(x.shape[2:])}")
        return _Rays.apply(x, self, True)

    def adjoint(self, y: Tensor) -> Tensor:
        return _Rays.apply(y, self, False)

    def first_look(self, y: Tensor) -> Tensor:
        """Filtered back-projection of a full turn (Feldkamp, Davis and Kress, 1984)."""
        cone = self.cone
        shares = arc_shares(cone.angles, 2 * math.pi)
        if sum(shares) < 0.95 * 2 * math.pi:
            raise ValueError(
                f"cone beams over {math.degrees(sum(shares)):.0f} degrees: filtered "
                "back-projection needs 360; use an iterative reconstruction"
            )
        # the detector is brought to the axis
        shrink = cone.source / (cone.source + cone.detector)
        u, v = (shrink * _middle(n, cone.width, y) for n in (cone.bins, cone.rows))
        tilt = cone.source / (cone.source**2 + u**2 + v[:, None] ** 2).sqrt()
        filtered = ramp_filtered(y * tilt, shrink * cone.width)
        z, rows, columns = torch.meshgrid(
            *(_middle(n, side, y) for n, side in zip(self.size, self.sides, strict=True)),
            indexing="ij",
        )
        image = y.new_zeros(*y.shape[:2], *self.size)
        for k, (angle, share) in enumerate(zip(cone.angles, shares, strict=True)):
            c, s = math.cos(angle), math.sin(angle)
            away = cone.source - columns * s + rows * c
            across = cone.source * (columns * c + rows * s) / away / (shrink * cone.width)
            up = cone.source * z / away / (shrink * cone.width)
            seen = _read_plane(filtered[:, :, k], across, up)
            image = image + 0.5 * share * (cone.source / away) ** 2 * seen
        return image

    def projected(self, x: Tensor) -> Tensor:
        return torch.stack([self._view(x, a) for a in self.cone.angles], 2)

    def _view(self, x: Tensor, angle: float) -> Tensor:
        """(B, C, rows, bins)."""
        cone = self.cone
        along = torch.tensor((-math.sin(angle), math.cos(angle), 0.0)).to(x)
        across = torch.tensor((math.cos(angle), math.sin(angle), 0.0)).to(x)
        u, v = _middle(cone.bins, cone.width, x), _middle(cone.rows, cone.width, x)
        end = cone.detector * along + u[:, None] * across
        end = end + v[:, None, None] * torch.tensor((0.0, 0.0, 1.0)).to(x)
        start = -cone.source * along
        way = F.normalize(end - start, dim=-1)
        # the ray's point that is nearest to the centre is the middle of what is read
        middle = start + (-(start * way).sum(-1, keepdim=True)) * way
        place = _middle(self.steps, self.spacing, x)[:, None, None, None] * way + middle
        sizes = [0.5 * n * side for n, side in zip(self.size, self.sides, strict=True)]
        half = torch.tensor(sizes[::-1]).to(x)
        grid = (place / half)[None].expand(len(x), -1, -1, -1, -1)
        read = F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)
        return self.spacing * read.sum(2)


class _Rays(torch.autograd.Function):
    """The projection or its adjoint, each differentiated by the other."""

    @staticmethod
    def forward(ctx, x: Tensor, operator: ConeBeam, forth: bool) -> Tensor:
        ctx.operator, ctx.forth = operator, forth
        if forth:
            return operator.projected(x)
        with torch.inference_mode(False), torch.enable_grad():
            zero = x.new_zeros(*x.shape[:2], *operator.size).requires_grad_()
            return torch.autograd.grad(operator.projected(zero), zero, x.clone())[0]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Rays.apply(gradient, ctx.operator, not ctx.forth), None, None


def _middle(n: int, width: float, like: Tensor) -> Tensor:
    """(n,) positions in mm, 0 in the middle."""
    return (torch.arange(n, dtype=like.dtype, device=like.device) - (n - 1) / 2) * width


def _read_plane(plane: Tensor, across: Tensor, up: Tensor) -> Tensor:
    """plane (B, C, rows, bins) at positions (Z, Y, X) in elements from its middle, 0 outside."""
    rows, bins = plane.shape[2:]
    grid = torch.stack([2 * across / bins, 2 * up / rows], -1).flatten(0, 1)
    grid = grid[None].expand(len(plane), -1, -1, -1)
    found = F.grid_sample(plane, grid, padding_mode="zeros", align_corners=False)
    return found.unflatten(2, across.shape[:2])
