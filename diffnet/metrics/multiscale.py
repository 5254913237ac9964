"""Structural similarity over several scales, and how alike the images of one set are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from .intervals import Interval, bootstrap_interval

# Exponents of the scales, finest first, measured by Wang et al., 2003 on viewers' judgements.
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SIDE = 11  # voxels that the shortest side must have at a scale


def ms_ssim(x: np.ndarray, y: np.ndarray, data_range: float) -> float:
    """Multi-scale structural similarity (Wang, Simoncelli, Bovik, 2003) of two images (C, Z, Y, X).

    As many of the five scales as leave 11 voxels on the shortest side (an axis of length 1 does not
    count), their exponents scaled to sum to 1; at least one. Negative contrast terms count as 0.
    ValueError: shapes differ, or data_range is not positive.
    """
    if x.shape != y.shape or not data_range > 0:
        raise ValueError(f"Shapes {x.shape} and {y.shape}, data range {data_range} do not do.")
    return float(np.mean([_of_channel(a, b, data_range) for a, b in zip(x, y, strict=True)]))


def likeness(images: Sequence[np.ndarray], data_range: float, pairs: int, seed: int) -> Interval:
    """Mean `ms_ssim` over random pairs of a set: higher than the real set's is a lack of diversity.

    Every image is in about equally many pairs; the interval is over the pairs. ValueError: fewer
    than two images, or images of several shapes.
    """
    if len(images) < 2:
        raise ValueError(f"Two images or more make a pair, found {len(images)}.")
    rng = np.random.default_rng(seed)
    drawn = [(int(i), int(j)) for i, j in random_pairs(len(images), pairs, rng)]
    return bootstrap_interval([ms_ssim(images[i], images[j], data_range) for i, j in drawn])


def random_pairs(n: int, pairs: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Of n things: neighbours in random orders, without repetition, as many as there are or are
    asked for.
    """
    found: dict[tuple[int, int], None] = {}
    while len(found) < min(pairs, n * (n - 1) // 2):
        order = rng.permutation(n)
        for i, j in zip(order, np.roll(order, 1), strict=True):
            if i != j:
                found[min(i, j), max(i, j)] = None
    return list(found)[:pairs]


def _of_channel(x: np.ndarray, y: np.ndarray, data_range: float) -> float:
    x, y = (np.asarray(a[0] if a.shape[0] == 1 else a, np.float64) for a in (x, y))
    scales = int(np.clip(np.log2(max(min(x.shape), 1) / SIDE) + 1, 1, len(EXPONENTS)))
    exponents = np.array(EXPONENTS[:scales]) / sum(EXPONENTS[:scales])
    value = 1.0
    for k, exponent in enumerate(exponents):
        contrast, whole = _terms(x, y, data_range)
        value *= max(whole if k == scales - 1 else contrast, 0.0) ** exponent
        x, y = _halved(x), _halved(y)
    return value


def _terms(x: np.ndarray, y: np.ndarray, data_range: float) -> tuple[float, float]:
    """Means of contrast times structure, and of that times luminance."""
    c_1, c_2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2

    def blur(a: np.ndarray) -> np.ndarray:
        return gaussian_filter(a, 1.5, truncate=3.5)

    m, n = blur(x), blur(y)
    variances = blur(x * x) - m * m + blur(y * y) - n * n
    contrast = (2 * (blur(x * y) - m * n) + c_2) / (variances + c_2)
    luminance = (2 * m * n + c_1) / (m * m + n * n + c_1)
    return float(contrast.mean()), float((luminance * contrast).mean())


def _halved(x: np.ndarray) -> np.ndarray:
    for axis, n in enumerate(x.shape):
        if n > 1:
            x = (np.take(x, range(0, n - 1, 2), axis) + np.take(x, range(1, n, 2), axis)) / 2
    return x
