"""The grids a dataset is worked on, and which configurations apply to it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from .budget import PlanError
from .fingerprint import Fingerprint
from .plan import Configuration
from .reasons import Reasons
from .sizing import wanted_steps
from .spacing import by_axis, median_shape, resampled_shape, target_spacing, transposition

if TYPE_CHECKING:
    from ..tasks import Task

MOST_FLAT = 8  # slices up to which a volume has no 3-D configuration
COARSE = 3.0
SIMILAR = (
    0.75  # correlation of neighbouring slices below which coarse volumes are worked on by slice
)
FEW_VOLUMES = 5
COARSENING = 1.05
COVERED = 0.25
WORTHWHILE = 2.0  # times fewer voxels that a low resolution must bring


@dataclass(frozen=True)
class Grid:
    """spacing, shape: (3,) in network order. transpose: file axes in network order. coarsening:
    voxels of the full grid for one of this.
    """

    name: str
    transpose: tuple[int, int, int]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    coarsening: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def spatial(self, dims: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
        return self.spacing[3 - dims :], self.shape[3 - dims :]


def require_sound(f: Fingerprint) -> None:
    """PlanError: no case, or spacings and shapes that cannot be."""
    if not f.cases:
        raise PlanError("the fingerprint holds no case: there is nothing to plan for")
    spacings, shapes = f.spacings(), f.shapes()
    bad = ~(np.isfinite(spacings) & (spacings > 0)).all(1) | (shapes < 1).any(1)
    if bad.any():
        names = [c.case for c, b in zip(f.cases, bad, strict=True) if b]
        first = f.cases[int(np.argmax(bad))]
        raise PlanError(
            f"{len(names)} cases have a spacing or shape that cannot be ({', '.join(names[:4])}): "
            f"{first.case} has {list(first.spacing)} mm and {list(first.shape)} voxels (z, y, x). "
            "Correct the files' headers"
        )
    flat = {c.dims for c in f.cases}
    if len(flat) > 1:
        raise PlanError("the dataset mixes 2-D and 3-D cases; make one dataset of each")


def full_grid(f: Fingerprint, spacing: tuple[float, ...] | None, reasons: Reasons) -> Grid:
    """The grid of the finest configuration. spacing: a user's, in file order."""
    shapes = [c.shape for c in f.cases]
    if f.dims == 2:
        median = tuple(int(n) for n in np.median(f.shapes(), 0).round())
        reasons.add(
            "spacing",
            "as in the files",
            "2-D images keep their grid",
            f"median shape {by_axis(median[1:])}",
            "nothing",
        )
        known = tuple(float(v) for v in np.median(f.spacings(), 0))
        return Grid("full", (0, 1, 2), (1.0, *known[1:]), (1, *median[1:]))
    spacings = [c.spacing for c in f.cases]
    target, why = target_spacing(spacings, shapes)
    if spacing is not None:
        target = tuple(float(s) for s in spacing)
        reasons.add("spacing", target, "set by the user", "override", "", overridden=True)
    else:
        reasons.put("spacing", why)
    shape, why = median_shape(shapes, spacings, target)
    reasons.put("shape", why)
    order, why = transposition(target, shape)
    reasons.put("transpose", why)
    return Grid("full", order, *(tuple(v[a] for a in order) for v in (target, shape)))


def coarser(full: Grid, fits: Callable[[Grid], bool], smallest: int = 8) -> Grid | None:
    """The finest isotropically coarsened grid that fits; axes more than 2 x finer go first.

    smallest: voxels that every axis keeps; pictures have two axes.
    """
    axes = [a for a, n in enumerate(full.shape) if n > 1]
    tried, at, factor = [], full, [1.0, 1.0, 1.0]
    while max(at.shape) > 16 and min(at.shape[a] for a in axes) >= smallest:
        coarsest = max(at.spacing[a] for a in axes)
        fine = [a for a in axes if coarsest / at.spacing[a] > 2]
        for axis in fine or axes:
            factor[axis] *= COARSENING
        at = coarsened(full, factor)
        tried.append(at)
    # What fits on one grid fits on all that are coarser.
    first = bisect_left(tried, True, key=fits)
    return tried[first] if first < len(tried) else None


def coarsened(full: Grid, factor: Sequence[float]) -> Grid:
    """The grid whose voxels are `factor` times larger."""
    spacing = tuple(s * c for s, c in zip(full.spacing, factor, strict=True))
    shape = resampled_shape(full.shape, full.spacing, spacing)
    return Grid("low", full.transpose, spacing, shape, tuple(float(c) for c in factor))


def covered(patch: tuple[int, ...], shape: tuple[int, ...]) -> float:
    """Share of a median image inside one patch."""
    return prod(min(p, n) for p, n in zip(patch, shape, strict=True)) / prod(shape)


def default_configuration(
    f: Fingerprint,
    task: Task,
    made: Mapping[str, Configuration],
    full: Grid,
    reasons: Reasons,
) -> str:
    """By rule: flat, coarse with unlike neighbours, or few volumes: slices; else volumes.

    What only a user's wish added is not chosen.
    """
    made = {n: c for n, c in made.items() if not reasons.found[n].overridden} or made
    ratio = full.spacing[0] / max(full.spacing[1:])
    alike = f.median_of([c.neighbours for c in f.cases])
    facts = (
        f"{len(f.cases)} cases of {by_axis(full.shape)} voxels, spacing ratio {ratio:.2g}, "
        f"correlation of neighbouring slices {'unknown' if alike is None else f'{alike:.2f}'}"
    )
    value, rule = _chosen(f, task, made, ratio, alike)
    reasons.add("default", value, rule, facts, "training both and `diffnet compare` on the runs")
    return value


def _chosen(
    f: Fingerprint,
    task: Task,
    made: Mapping[str, Configuration],
    ratio: float,
    alike: float | None,
) -> tuple[str, str]:
    deep = [n for n in ("3d_fullres", "3d_lowres", "3d_wavelet") if n in made]
    flat = next((n for n in ("2d", "2d_lowres") if n in made), "")
    if not deep and flat:
        why = "there are no volumes" if f.dims == 2 else "no 3-D configuration applies"
        return flat, why if flat == "2d" else "the finest grid on which whole images fit"
    if flat and ratio > COARSE and alike is not None and alike < SIMILAR:
        return flat, f"slices > {COARSE:g} x coarser and less alike than {SIMILAR}"
    if flat and len(f.cases) < FEW_VOLUMES and task.given:
        return flat, f"fewer than {FEW_VOLUMES} volumes: their slices are more examples"
    wavelet = made.get("3d_wavelet")
    short = "3d_fullres" not in made or ("3d_lowres" in made and not task.given)
    if short and wavelet is not None and trains_long(wavelet):
        return "3d_wavelet", "whole volumes at full resolution, trained for as long as wanted"
    if short and "3d_lowres" in made:
        return "3d_lowres", "the finest grid on which whole volumes fit"
    if "3d_fullres" in made:
        return "3d_fullres", "volumes whose slices belong together"
    return next(iter([*deep, *made])), "what fits the budget"


def trains_long(c: Configuration) -> bool:
    """Whether the time suffices for the steps that a training of this length should have."""
    return c.training.steps >= wanted_steps(c.seconds["training"])
