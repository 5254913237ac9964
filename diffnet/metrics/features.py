"""Images as vectors of at most 64 fixed statistics: intensities, texture at four scales, layout."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import convolve, zoom

QUANTILES, SCALES, FILTERS, LAYOUT = 16, 4, 4, 16
SIZE = QUANTILES + 2 * SCALES * FILTERS + LAYOUT  # 64
SEED = 20231


def image_features(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """(64,) float64 of one image (C, Z, Y, X); nothing is learned and nothing is downloaded.

    low, high: the declared intensity range, brought to 0..1, the same for all images compared. 16
    quantiles of the intensities; mean and standard deviation of the rectified answers of 4 random
    zero-mean filters at 4 scales (first-order scattering with random wavelets); means over a 4 x 4
    grid (2 x 2 x 4 in 3-D). Several channels are mixed down to 64 by a fixed orthonormal matrix.
    ValueError: high is not above low.
    """
    if not high > low:
        raise ValueError(f"The intensity range {low}..{high} is empty.")
    scaled = (np.asarray(array, np.float64) - low) / (high - low)
    parts = [_channel(x[0] if x.shape[0] == 1 else x) for x in scaled]
    return parts[0] if len(parts) == 1 else _mixing(len(parts)) @ np.concatenate(parts)


def feature_scale(real: np.ndarray) -> np.ndarray:
    """(d,) divisors that give the real features (n, d) a total variance of about 1.

    A distance of 1 is then as much as real images vary. A tenth of the median spread is added to
    all, so that a feature which real images hardly vary in does not outweigh all others.
    """
    variance = real.var(0, ddof=1)
    floor = 0.01 * float(np.median(variance)) or float(variance.max()) or 1.0
    return np.sqrt(real.shape[1] * (variance + floor))


def _channel(x: np.ndarray) -> np.ndarray:
    quantiles = np.quantile(x, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    return np.concatenate([quantiles, _texture(x), _layout(x)])


def _texture(x: np.ndarray) -> np.ndarray:
    """Mean and std of |x * psi_k| at scales 1, 2, 4, 8 voxels; small images repeat the last."""
    values: list[float] = []
    for scale in range(SCALES):
        for psi in _filters(x.ndim):
            answer = np.abs(convolve(x, psi, mode="nearest"))
            values += [float(answer.mean()), float(answer.std())]
        if scale + 1 < SCALES:
            x = _halved(x)
    # Root, because amplitudes are skewed: a few sharp edges would decide alone.
    return np.sqrt(np.array(values))


def _halved(x: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 (x 2) voxels; axes shorter than 6 are kept."""
    for axis, n in enumerate(x.shape):
        if n >= 6:
            even = np.take(x, range(0, n - 1, 2), axis)
            odd = np.take(x, range(1, n, 2), axis)
            x = (even + odd) / 2
    return x


def _layout(x: np.ndarray) -> np.ndarray:
    """(16,) means over a coarse grid: where things are."""
    grid = (4, 4) if x.ndim == 2 else (2, 2, 4)
    if any(n < g for n, g in zip(x.shape, grid, strict=True)):
        x = zoom(x, [max(1, -(-g // n)) for n, g in zip(x.shape, grid, strict=True)], order=0)
    for axis, g in enumerate(grid):
        edges = np.linspace(0, x.shape[axis], g + 1).astype(int)[:-1]
        counts = np.diff([*edges, x.shape[axis]])
        shape = [-1 if a == axis else 1 for a in range(x.ndim)]
        x = np.add.reduceat(x, edges, axis) / counts.reshape(shape)
    return x.ravel()


@lru_cache
def _filters(dims: int) -> tuple[np.ndarray, ...]:
    """Random filters of 3 voxels a side with mean 0 and norm 1."""
    rng = np.random.default_rng([SEED, dims])
    drawn = rng.standard_normal((FILTERS, *(3,) * dims))
    drawn -= drawn.mean(axis=tuple(range(1, dims + 1)), keepdims=True)
    return tuple(f / np.linalg.norm(f) for f in drawn)


@lru_cache
def _mixing(channels: int) -> np.ndarray:
    """(64, 64 channels) with orthonormal rows."""
    drawn = np.random.default_rng([SEED, 0, channels]).standard_normal((SIZE * channels, SIZE))
    return np.linalg.qr(drawn)[0].T
