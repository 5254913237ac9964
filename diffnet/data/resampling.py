"""Separable resampling between grids of the same axes and centre: one banded matrix an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .pixels import NEAR, integer_values

COARSE = 3.0  # an axis is coarse when its voxels are this many times longer than the others'
DRIFT = 0.05  # voxels by which the outermost centres may be off before an axis is resampled
# Matches the full width at half maximum of fine and coarse voxels (Cardoso et al., MICCAI 2015:
# scale factor point spread function matching).
_SIGMA = 1 / (2 * np.sqrt(2 * np.log(2)))
_BLOCK = 16


def target_axis(n: int, old: float, new: float) -> tuple[int, float]:
    """(voxels, their length) that cover n voxels of length `old` by voxels of length `new`.

    Where both grids are the same up to DRIFT this is (n, old): such an axis passes unchanged.
    """
    m = max(1, round(n * old / new))
    same = m == n and abs(new / old - 1) * (n - 1) / 2 <= DRIFT
    return (n, old) if same else (m, new)


def axis_kinds(spacing: Sequence[float], new: Sequence[float], kind: str) -> tuple[str, ...]:
    """How each axis is interpolated: "nearest", "linear" or "cubic".

    Images are interpolated by cubics, labels by lines. One axis that is more than COARSE times
    coarser than the next, before or else after, is not interpolated through: nearest; where it
    becomes coarser still, lines with anti-aliasing.
    """
    usual = "cubic" if kind == "image" else "linear"
    kinds = [usual] * len(spacing)
    coarse = _coarse_axis(spacing)
    coarse = _coarse_axis(new) if coarse is None else coarse
    if coarse is not None:
        kinds[coarse] = "linear" if new[coarse] > spacing[coarse] else "nearest"
    return tuple(kinds)


def _coarse_axis(spacing: Sequence[float]) -> int | None:
    order = np.argsort(spacing)
    if spacing[order[-1]] <= COARSE * spacing[order[0]]:
        return None
    # Two long axes and a short one have no single axis to set apart.
    return int(order[-1]) if spacing[order[-1]] > COARSE * spacing[order[-2]] else None


def axis_weights(n: int, m: int, ratio: float, kind: str) -> np.ndarray:
    """(m, n): row j makes the new voxel j out of the n old ones; rows sum to 1.

    ratio: new spacing over old. Both grids share their centre, so the new centre j lies at
    (n-1)/2 + (j-(m-1)/2) ratio; beyond the first and last old centre their values go on. Where
    ratio > 1 a Gaussian comes first, so that what the new grid cannot hold does not fold back.
    """
    centre = (n - 1) / 2 + (np.arange(m) - (m - 1) / 2) * ratio
    if kind == "nearest":
        # Half-way points are decided alike on both sides of the centre.
        index = np.where(centre > (n - 1) / 2, np.ceil(centre - 0.5), np.floor(centre + 0.5))
        return np.eye(n, dtype=np.float32)[np.clip(index, 0, n - 1).astype(int)]
    radius = 1 if kind == "linear" else 2
    taps = np.floor(centre)[:, None].astype(int) + np.arange(1 - radius, radius + 1)
    values = _linear(centre[:, None] - taps) if kind == "linear" else _keys(centre[:, None] - taps)
    weights = np.zeros((m, n))
    np.add.at(weights, (np.arange(m)[:, None], np.clip(taps, 0, n - 1)), values)
    if ratio > 1 + 1e-6:
        weights = weights @ _gaussian(n, _SIGMA * np.sqrt(ratio**2 - 1))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _linear(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(x))


def _keys(x: np.ndarray) -> np.ndarray:
    """Cubic convolution, which keeps quadratics (Keys 1981)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _gaussian(n: int, sigma: float) -> np.ndarray:
    """(n, n): Gaussian smoothing, the first and last value going on beyond the ends."""
    return ndimage.gaussian_filter1d(np.eye(n), sigma, axis=0, mode="nearest", truncate=4.0)


def apply_axis(array: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Multiply one axis of a float32 array (..., Z, Y, X) by (m, n) weights, along their band.

    Many small products: below a size of 2^18 the linear algebra uses no threads, which on a busy
    machine wait for each other far longer than they work.
    """
    m = len(weights)
    out = np.empty((*array.shape[:axis], m, *array.shape[axis + 1 :]), np.float32)
    last = axis == array.ndim - 1
    # The axis comes last but one, or last; what is before is looped over without being copied.
    source = array if last else np.moveaxis(array, axis, -2)
    result = out if last else np.moveaxis(out, axis, -2)
    for start in range(0, m, _BLOCK):
        rows = slice(start, start + _BLOCK)
        used = np.flatnonzero(weights[rows].any(0))
        band = slice(used[0], used[-1] + 1)
        part = weights[rows, band]
        if last:
            np.matmul(source[..., band], part.T, out=result[..., rows])
        else:
            np.matmul(part, source[..., band, :], out=result[..., rows, :])
    return out


def resample_image(array: np.ndarray, weights: dict[int, np.ndarray]) -> np.ndarray:
    """(C, Z, Y, X) to float32 on the new grid, in each channel's old range; weights: by axis."""
    out = np.ascontiguousarray(array, np.float32)
    low, high = (f(out, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    for axis in _cheapest_first(weights):
        out = apply_axis(out, weights[axis], axis + 1)
    return np.clip(out, low, high, out=out)


def resample_label(array: np.ndarray, weights: dict[int, np.ndarray]) -> np.ndarray:
    """(C, Z, Y, X) integers to the new grid: the value with the most weight wins, ties the lower.

    One value at a time, inside its own box, so memory does not grow with the number of values.
    """
    return np.stack([_resample_map(x, weights) for x in array])


def _resample_map(x: np.ndarray, weights: dict[int, np.ndarray]) -> np.ndarray:
    values, index = _indexed(x)
    shape = [len(weights[a]) if a in weights else n for a, n in enumerate(x.shape)]
    out, best = np.full(shape, values[0], x.dtype), np.zeros(shape, np.float32)
    for k, box in enumerate(ndimage.find_objects(index)):
        within, region = {}, []
        for axis, part in enumerate(box):
            if axis not in weights:
                region.append(part)
                continue
            rows = np.flatnonzero(weights[axis][:, part].any(1))
            region.append(slice(rows[0], rows[-1] + 1) if len(rows) else slice(0, 0))
            within[axis] = weights[axis][region[-1], part]
        if any(r.start == r.stop for r in region):
            continue
        share = (index[box] == k + 1).astype(np.float32)
        for axis in _cheapest_first(within):
            share = apply_axis(share, within[axis], axis)
        there = tuple(region)
        wins = share > best[there] + 1e-5
        out[there][wins] = values[k]
        best[there][wins] = share[wins]
    return out


def _indexed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values in rising order, for every voxel 1 + the index of its value)."""
    values = integer_values(x)
    low, high = int(values[0]), int(values[-1])
    if high - low >= NEAR:
        return values, np.searchsorted(values, x).astype(np.int32) + 1
    table = np.zeros(high - low + 1, np.int32)
    table[values.astype(np.int64) - low] = np.arange(1, len(values) + 1)
    near = np.int32 if x.dtype.itemsize < 4 else np.int64
    return values, table[x.astype(near) - low]


def _cheapest_first(weights: dict[int, np.ndarray]) -> list[int]:
    """Axes that shrink come before axes that grow."""
    return sorted(weights, key=lambda a: weights[a].shape[0] / weights[a].shape[1])
