"""How far the surfaces of two masks are apart, in millimetres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt


def surface_distances(
    result: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of one mask to the nearest of the other, both ways, in mm.

    result, truth: non-empty masks of equal shape; spacing: mm along each axis. A surface voxel is
    one with a face neighbour outside the mask; outside the image is outside the mask. An axis of
    length 1 has no faces (a 2-D image stays 2-D). ValueError: shapes differ, or a mask is empty.
    """
    a, b, spacing = _prepared(result, truth, spacing)
    if not a.any() or not b.any():
        raise ValueError("An empty mask has no surface.")
    a, b = _cropped(a, b)
    edges = [x & ~binary_erosion(x) for x in (a, b)]
    to_a, to_b = (distance_transform_edt(~e, sampling=spacing) for e in edges)
    return to_b[edges[0]], to_a[edges[1]]


def hausdorff_95(result: np.ndarray, truth: np.ndarray, spacing: Sequence[float]) -> float:
    """The larger of the two directed 95th percentiles of surface distances, in mm.

    Both masks empty: NaN (the case tells nothing). One empty: the diagonal of the image, the
    largest distance there can be, so that a missed structure is never better than a badly drawn
    one.
    """
    a, b, spacing = _prepared(result, truth, spacing)
    if not a.any() and not b.any():
        return float("nan")
    if not a.any() or not b.any():
        return float(np.linalg.norm([(n - 1) * d for n, d in zip(a.shape, spacing, strict=True)]))
    return float(max(np.percentile(d, 95) for d in surface_distances(a, b, spacing)))


def surface_dice(
    result: np.ndarray, truth: np.ndarray, spacing: Sequence[float], tolerance: float
) -> float:
    """Normalised surface distance: the share of both surfaces within `tolerance` mm of the other.

    Surfaces are counted in voxels (see `surface_distances`), after Nikolov et al., 2018,
    arXiv:1809.04430. Both masks empty: NaN. One empty: 0. ValueError: tolerance is negative.
    """
    if tolerance < 0:
        raise ValueError(f"The tolerance is a distance in mm, found {tolerance}.")
    a, b, spacing = _prepared(result, truth, spacing)
    if not a.any() and not b.any():
        return float("nan")
    if not a.any() or not b.any():
        return 0.0
    # Distances are sums of squares of floats: 1 mm may come out as 1 + 1e-16.
    distances = np.concatenate(surface_distances(a, b, spacing))
    return float((distances <= tolerance * (1 + 1e-6)).mean())


def _prepared(
    result: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Both masks as bool without axes of length 1, and the spacing of the axes that stay."""
    if result.shape != truth.shape:
        raise ValueError(f"The result is {result.shape}, the truth is {truth.shape}.")
    if len(spacing) != result.ndim or min(spacing) <= 0:
        raise ValueError(f"Spacing {tuple(spacing)} does not fit an image of {result.shape}.")
    kept = [d for d, n in zip(spacing, result.shape, strict=True) if n > 1] or [1.0]
    shape = [n for n in result.shape if n > 1] or [1]
    return result.astype(bool).reshape(shape), truth.astype(bool).reshape(shape), kept


def _cropped(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both masks in the box that holds either, one voxel wider where the image allows it."""
    either = np.nonzero(a | b)
    box = tuple(slice(max(int(i.min()) - 1, 0), int(i.max()) + 2) for i in either)
    return a[box], b[box]
