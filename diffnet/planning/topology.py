"""Patch, strides and kernels of a U-Net from spacing, shape and a budget, and the low resolution.

The rules are nnU-Net's (Isensee et al., 2021, doi:10.1038/s41592-020-01008-z), as pure functions
that return their value beside a `Why`. What a network costs is the caller's: any function of a
Topology.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from .plan import Why
from .spacing import Shape, Spacing, by_axis

SMALLEST_EDGE = 4  # voxels of the coarsest grid along a pooled axis
NEAR = 2.0  # spacings within this factor count as equal
VOXELS = {2: 2048**2, 3: 256**3}  # of the first patch that is tried
COVERED = 0.25  # share of a volume in a patch below which a low resolution is planned
COARSENING = 1.03
WORTHWHILE = 2.0  # times fewer voxels that a low resolution must bring


@dataclass(frozen=True)
class Topology:
    """patch: voxels, a multiple of `factor`. strides, kernels: one row a stage, `dims` entries."""

    patch: Shape
    strides: tuple[Shape, ...]
    kernels: tuple[Shape, ...]

    @property
    def factor(self) -> Shape:
        """The product of strides along each axis."""
        return tuple(prod(axis) for axis in zip(*self.strides, strict=True))

    @property
    def poolings(self) -> Shape:
        """How often each axis is halved."""
        return tuple(f.bit_length() - 1 for f in self.factor)

    @property
    def stages(self) -> int:
        return len(self.strides)


@dataclass(frozen=True)
class LowResolution:
    """The coarser grid on which a patch covers enough of a volume; `shape` is the median shape."""

    spacing: Spacing
    shape: Shape
    topology: Topology
    coarsenings: int


Cost = Callable[[Topology], float]


def initial_patch(spacing: Spacing, shape: Shape) -> tuple[Shape, Why]:
    """A cube in mm of 256^3 voxels (2-D: a square of 2048^2), clipped to `shape`: the first try."""
    dims = len(spacing)
    density = [1 / s for s in spacing]
    scale = (VOXELS[dims] / prod(density)) ** (1 / dims)
    patch = tuple(min(round(d * scale), n) for d, n in zip(density, shape, strict=True))
    return patch, Why(
        value=by_axis(patch),
        rule="isotropic box in mm, clipped to the median shape",
        because=f"{VOXELS[dims]} voxels at {by_axis(spacing)} mm, median shape {by_axis(shape)}",
        change="another target spacing",
    )


def topology(spacing: Spacing, patch: Shape, smallest: int = SMALLEST_EDGE) -> tuple[Topology, Why]:
    """Strides and kernels for a patch, which is padded up to what the strides divide.

    An axis is halved while it has two times `smallest` voxels and its spacing is within a factor 2
    of the finest axis that can still be halved; a lone last axis needs three times. A kernel is 1
    until its axis comes within a factor 2 of the finest axis, and 3 from there on.
    """
    dims = len(spacing)
    at, size, kernel = list(spacing), list(patch), [1] * dims
    strides, kernels = [(1,) * dims], []
    while halved := _axes_to_halve(at, size, smallest):
        kernel = [3 if k == 3 or s / min(at) < NEAR else 1 for k, s in zip(kernel, at, strict=True)]
        kernels.append(tuple(kernel))
        strides.append(tuple(2 if axis in halved else 1 for axis in range(dims)))
        for axis in halved:
            at[axis], size[axis] = 2 * at[axis], ceil(size[axis] / 2)
    kernels.append((3,) * dims)
    factor = [prod(axis) for axis in zip(*strides, strict=True)]
    padded = tuple(ceil(n / f) * f for n, f in zip(patch, factor, strict=True))
    found = Topology(padded, tuple(strides), tuple(kernels))
    return found, Why(
        value=f"{found.stages} stages, halved {by_axis(found.poolings)} times",
        rule=f"halve axes of similar spacing down to {smallest} voxels; kernel 1 along coarse axes",
        because=f"patch {by_axis(patch)} at {by_axis(spacing)} mm",
        change="another patch or target spacing",
    )


def _axes_to_halve(spacing: list[float], size: list[int], smallest: int) -> list[int]:
    large = [axis for axis, n in enumerate(size) if n >= 2 * smallest]
    if not large:
        return []
    finest = min(spacing[axis] for axis in large)
    near = [axis for axis in large if spacing[axis] / finest < NEAR]
    return near if len(near) > 1 or size[near[0]] >= 3 * smallest else []


def fit_patch(
    spacing: Spacing, shape: Shape, cost: Cost, budget: float, smallest: int = SMALLEST_EDGE
) -> tuple[Topology, Why]:
    """The largest patch, with its topology, of which cost(topology) is within the budget.

    From `initial_patch`, the axis that covers most of the median shape loses one multiple of its
    strides at a time. Raises ValueError where not even the smallest patch fits.
    """
    first, _ = initial_patch(spacing, shape)
    found, _ = topology(spacing, first, smallest)
    start, spent, rounds = found, cost(found), 0
    while spent > budget:
        smaller = _shrunk(found, spacing, shape, smallest)
        if smaller is None:
            raise ValueError(
                f"Not even a patch of {by_axis(found.patch)} voxels fits: it costs {spent:.4g} of "
                f"{budget:.4g}. Give more memory (--gpu-memory) or a coarser spacing."
            )
        found, rounds = smaller, rounds + 1
        spent = cost(found)
    return found, Why(
        value=by_axis(found.patch),
        rule="largest patch within the budget, same share of every axis",
        because=f"first patch {by_axis(start.patch)} shrunk {rounds} times for a median shape "
        f"{by_axis(shape)}; costs {spent:.4g} of {budget:.4g}",
        change="more memory" if rounds else "larger volumes",
    )


def _shrunk(found: Topology, spacing: Spacing, shape: Shape, smallest: int) -> Topology | None:
    """One step smaller along the axis that covers most of `shape`; None if no axis can shrink."""
    cover = [n / whole for n, whole in zip(found.patch, shape, strict=True)]
    for axis in sorted(range(len(cover)), key=lambda a: (cover[a], a), reverse=True):
        tentative = list(found.patch)
        tentative[axis] = max(1, tentative[axis] - found.factor[axis])
        # The step is what the strides of the smaller patch divide: with fewer halvings, the step of
        # the larger patch would lose more than it has to.
        step = topology(spacing, tuple(tentative), smallest)[0].factor[axis]
        patch = tuple(max(1, n - step) if a == axis else n for a, n in enumerate(found.patch))
        smaller, _ = topology(spacing, patch, smallest)
        if prod(smaller.patch) < prod(found.patch):
            return smaller
    return None


def low_resolution(
    spacing: Spacing, shape: Shape, full: Topology, cost: Cost, budget: float
) -> tuple[LowResolution | None, Why]:
    """A coarser grid for volumes of which a full-resolution patch covers less than a quarter.

    The spacing grows by 3 % a step, first along axes that are more than twice finer than the
    coarsest, until a patch covers a quarter. None where it is not needed, or brings less than
    twice fewer voxels.
    """
    voxels, covered = prod(shape), prod(full.patch) / prod(shape)
    at, rounds, found, reduced = list(spacing), 0, full, shape
    remaining = float(voxels)
    while prod(found.patch) / remaining < COVERED:
        fine = [max(at) / s > NEAR for s in at]
        at = [s * COARSENING if f or not any(fine) else s for s, f in zip(at, fine, strict=True)]
        scaled = [o / s * n for o, s, n in zip(spacing, at, shape, strict=True)]
        remaining, reduced = prod(scaled), tuple(max(1, round(n)) for n in scaled)
        found, _ = fit_patch(tuple(at), reduced, cost, budget)
        rounds += 1
    worthwhile = rounds > 0 and voxels / remaining >= WORTHWHILE
    value = LowResolution(tuple(at), reduced, found, rounds) if worthwhile else None
    return value, Why(
        value=f"{by_axis(value.spacing)} mm" if value else "none",
        rule=f"planned where a patch covers < {COVERED:.0%} of the median volume",
        because=f"a full-resolution patch covers {covered:.1%} of {by_axis(shape)} voxels"
        + (f"; a grid that suffices has {voxels / remaining:.2g} times fewer" if rounds else ""),
        change="more memory" if value else "larger volumes or less memory",
    )
