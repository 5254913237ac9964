"""Images and label maps brought to another number of voxels, whatever their place in space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import zoom


def resized(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(C, Z, Y, X) to (C, *shape), float64: means of blocks where the image is larger, linear
    interpolation to the exact size.
    """
    return np.stack([_resized(np.asarray(c, np.float64), tuple(shape)) for c in image])


def resized_labels(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(C, Z, Y, X) to (C, *shape): the value of the nearest voxel."""
    for axis, (n, m) in enumerate(zip(labels.shape[1:], shape, strict=True), 1):
        at = np.floor((np.arange(m) + 0.5) * n / m).astype(int)
        labels = labels.take(at, axis)
    return labels


def _resized(x: np.ndarray, wanted: tuple[int, ...]) -> np.ndarray:
    factors = [max(1, n // w) for n, w in zip(x.shape, wanted, strict=True)]
    x = x[tuple(slice(0, n // f * f) for n, f in zip(x.shape, factors, strict=True))]
    shape = [v for n, f in zip(x.shape, factors, strict=True) for v in (n // f, f)]
    x = x.reshape(shape).mean((1, 3, 5))
    ratio = [w / n for w, n in zip(wanted, x.shape, strict=True)]
    return zoom(x, ratio, order=1, mode="nearest", grid_mode=True)
