"""The grids a dataset is worked on, and which configurations apply to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from .budget import Budget, PlanError
from .fingerprint import Fingerprint
from .reasons import Reasons
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
    """spacing, shape: (3,) in network order. transpose: file axes in network order."""

    name: str
    transpose: tuple[int, int, int]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

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


def coarser(full: Grid, fits: Callable[[Grid], bool]) -> Grid | None:
    """The finest isotropically coarsened grid that fits; axes more than 2 x finer go first."""
    spacing, at = list(full.spacing), full
    while min(at.shape) >= 8 or at is full:
        fine = [max(spacing) / s > 2 for s in spacing]
        spacing = [
            s * COARSENING if g or not any(fine) else s for s, g in zip(spacing, fine, strict=True)
        ]
        shape = resampled_shape(full.shape, full.spacing, tuple(spacing))
        at = Grid("low", full.transpose, tuple(spacing), shape)
        if fits(at):
            return at
        if max(shape) <= 16:
            return None
    return None


def covered(patch: tuple[int, ...], shape: tuple[int, ...]) -> float:
    """Share of a median image inside one patch."""
    return prod(min(p, n) for p, n in zip(patch, shape, strict=True)) / prod(shape)


def default_configuration(
    f: Fingerprint, task: Task, names: list[str], full: Grid, budget: Budget, reasons: Reasons
) -> str:
    """By rule: flat, coarse with unlike neighbours, or few volumes: slices; else volumes."""
    ratio = full.spacing[0] / max(full.spacing[1:])
    alike = f.median_of([c.neighbours for c in f.cases])
    facts = (
        f"{len(f.cases)} cases of {by_axis(full.shape)} voxels, spacing ratio {ratio:.2g}, "
        f"correlation of neighbouring slices {'unknown' if alike is None else f'{alike:.2f}'}"
    )
    if "3d_fullres" not in names and "3d_lowres" not in names:
        value, rule = (
            "2d",
            "there are no volumes" if f.dims == 2 else "no 3-D configuration applies",
        )
    elif ratio > COARSE and alike is not None and alike < SIMILAR:
        value, rule = "2d", f"slices > {COARSE:g} x coarser and less alike than {SIMILAR}"
    elif len(f.cases) < FEW_VOLUMES and task.given:
        value, rule = "2d", f"fewer than {FEW_VOLUMES} volumes: their slices are more examples"
    elif "3d_fullres" not in names or ("3d_lowres" in names and not task.given):
        value, rule = "3d_lowres", "the finest grid on which whole volumes fit"
    else:
        value, rule = "3d_fullres", "volumes whose slices belong together"
    reasons.add("default", value, rule, facts, "training both and `diffnet compare` on the runs")
    return value


def say_what_is_missing(f: Fingerprint, full: Grid, reasons: Reasons) -> None:
    """Configurations that would apply and are not built: what they would need."""
    voxels = prod(full.shape)
    volume = f.dims == 3 and full.shape[0] > 1
    reasons.add(
        "25d",
        "not planned",
        "a slab of slices in, one slice out",
        "applies: volumes" if volume else "does not apply: no volumes",
        "a recipe that makes slices from slabs",
    )
    mid = volume and 96**3 <= voxels <= 256**3
    reasons.add(
        "3d_wavelet",
        "not planned",
        "volumes between 96^3 and 256^3: 8 wavelet bands at half resolution, 8 x cheaper",
        f"{'applies' if mid else 'does not apply'}: {voxels} voxels",
        "a recipe on wavelet coefficients",
    )
    large = voxels > (256**3 if volume else 512**2)
    enough = len(f.cases) >= 1000
    reasons.add(
        "latent",
        "not planned",
        "2-D > 512^2 or 3-D > 256^3 voxels, and 1000 cases to train a first stage",
        f"{'applies' if large and enough else 'does not apply'}: {voxels} voxels, "
        f"{len(f.cases)} cases",
        "larger images and a first stage",
    )
