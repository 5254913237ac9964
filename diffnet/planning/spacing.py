"""On which grid a dataset is worked on: target spacing, order of axes, shapes after resampling.

The rules are nnU-Net's (Isensee et al., 2021, doi:10.1038/s41592-020-01008-z), as pure functions
that return their value beside a `Why`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .plan import Why

ANISOTROPY = 3.0  # spacing ratio, and inverse size ratio, from which an axis counts as coarse
COARSE_PERCENTILE = 10

Spacing = tuple[float, ...]
Shape = tuple[int, ...]


def target_spacing(spacings: Sequence[Spacing], shapes: Sequence[Shape]) -> tuple[Spacing, Why]:
    """The spacing (mm, file axes) that all cases are resampled to.

    The median over cases; but where the coarsest axis is more than three times coarser than any
    other and has less than a third of their voxels, its 10th percentile (never finer than the
    others), so that thin slices are not thrown away. Raises ValueError without cases or with
    spacings that are not positive.
    """
    spacing, shape = _checked(spacings, "spacing"), _checked(shapes, "shape")
    if spacing.shape != shape.shape:
        raise ValueError(f"{len(spacing)} spacings and {len(shape)} shapes: one of each a case.")
    target, size = np.median(spacing, axis=0), np.median(shape, axis=0)
    worst = int(np.argmax(target))
    others = [axis for axis in range(len(target)) if axis != worst]
    ratio = target[worst] / max(target[others])
    coarse = ratio > ANISOTROPY and size[worst] * ANISOTROPY < min(size[others])
    if coarse:
        thin = np.percentile(spacing[:, worst], COARSE_PERCENTILE)
        target[worst] = max(thin, max(target[others]) + 1e-5)
    value = tuple(float(s) for s in target)
    return value, Why(
        value=by_axis(value),
        rule="median; 10th percentile on a coarse axis" if coarse else "median",
        because=f"median spacing {by_axis(np.median(spacing, axis=0))} mm of {len(spacing)} cases, "
        f"axis {worst} is {ratio:.2g} times coarser than the others, median shape {by_axis(size)}",
        change=f"a coarsest axis {'below' if coarse else 'above'} {ANISOTROPY:g} times the others",
    )


def transposition(spacing: Spacing, shape: Shape) -> tuple[tuple[int, ...], Why]:
    """File axes in network order: the coarsest first, or an axis of a single voxel before all.

    The second case is not in nnU-Net: there a volume with one slice along another axis than its
    coarsest is planned as 3-D and fails.
    """
    single = [axis for axis, n in enumerate(shape) if n == 1]
    first = single[0] if single else int(np.argmax(spacing))
    order = (first, *(axis for axis in range(len(spacing)) if axis != first))
    return order, Why(
        value=by_axis(order),
        rule="an axis of one voxel first" if single else "coarsest axis first",
        because=f"target spacing {by_axis(spacing)} mm, median shape {by_axis(shape)}",
        change="another target spacing",
    )


def resampled_shape(shape: Shape, spacing: Spacing, target: Spacing) -> Shape:
    """Voxels of one case after resampling: round(spacing / target * shape), at least one."""
    scaled = np.asarray(spacing, float) / np.asarray(target, float) * np.asarray(shape)
    return tuple(max(1, round(float(n))) for n in scaled)


def median_shape(
    shapes: Sequence[Shape], spacings: Sequence[Spacing], target: Spacing
) -> tuple[Shape, Why]:
    """The median over cases of the shape after resampling to `target`, in the same axis order."""
    rows = zip(_checked(shapes, "shape"), _checked(spacings, "spacing"), strict=True)
    resampled = np.array([resampled_shape(shape, spacing, target) for shape, spacing in rows])
    value = tuple(round(float(n)) for n in np.median(resampled, axis=0))
    return value, Why(
        value=by_axis(value),
        rule="median shape after resampling",
        because=f"{len(resampled)} cases, from {by_axis(resampled.min(axis=0))} "
        f"to {by_axis(resampled.max(axis=0))} voxels at {by_axis(target)} mm",
        change="another target spacing",
    )


def _checked(rows: Sequence[Sequence[float]], name: str) -> np.ndarray:
    values = np.asarray(rows, dtype=float)
    if values.ndim != 2 or not len(values):
        raise ValueError(f"No {name} to plan from: give one row a case, one number an axis.")
    if not (np.isfinite(values).all() and (values > 0).all()):
        bad = next(i for i, row in enumerate(values) if not (np.isfinite(row) & (row > 0)).all())
        raise ValueError(
            f"The {name} of case {bad} is {by_axis(values[bad])}: it must be positive."
        )
    return values


def by_axis(values: Sequence[float] | np.ndarray) -> str:
    """One number an axis, as people write it: 1.5 x 320 x 256."""
    return " x ".join(str(int(v)) if float(v).is_integer() else f"{v:.4g}" for v in values)
