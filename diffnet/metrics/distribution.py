"""Whether two sets of feature vectors are of one distribution, beside what chance alone gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist, pdist

BANDWIDTHS = (0.5, 1.0, 2.0)  # in units of the median distance
LARGEST = 64  # dimensions for which a Frechet distance of some hundred images is more than bias

Statistic = Callable[[np.ndarray, np.ndarray], float]


class TwoSample(NamedTuple):
    """p: share of relabelled sets that are at least as far apart, the observed one included."""

    value: float
    p: float


class Floor(NamedTuple):
    """One statistic on sets of equal `size`: between real and made, and between real and real.

    at_size, floor: means over random disjoint draws; high: the 95th percentile of real against
    real.
    """

    size: int
    at_size: float
    floor: float
    high: float


class Interval95(NamedTuple):
    value: float
    low: float
    high: float


def mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Squared maximum mean discrepancy, unbiased (may be negative), after Gretton et al., 2012.

    x (n, d), y (m, d); the kernel is the mean of three Gaussians whose widths are 1/2, 1 and 2
    times the median distance of the pooled vectors. 0 for equal distributions. ValueError: fewer
    than two vectors.
    """
    return _between(_gaussian_kernel(*_checked(x, y)), len(x))


def mmd_test(x: np.ndarray, y: np.ndarray, permutations: int = 1000, seed: int = 0) -> TwoSample:
    """`mmd` and its permutation p-value: exact for any size, where x and y are exchangeable."""
    return _permuted(_gaussian_kernel(*_checked(x, y)), len(x), permutations, seed)


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, unbiased (Szekely, Rizzo, 2013). x (n, d), y (m, d)."""
    return _between(_distance_kernel(*_checked(x, y)), len(x))


def energy_test(x: np.ndarray, y: np.ndarray, permutations: int = 1000, seed: int = 0) -> TwoSample:
    """`energy_distance` and its permutation p-value."""
    return _permuted(_distance_kernel(*_checked(x, y)), len(x), permutations, seed)


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), as in FID.

    Heusel et al., 2017, arXiv:1706.08500. x (n, d), y (m, d). Biased upwards by about d / n of the
    variance: compare with `against_floor`. ValueError: more than 64 dimensions, where some hundred
    images give little but bias.
    """
    x, y = _checked(x, y)
    if x.shape[1] > LARGEST:
        raise ValueError(f"Features of {x.shape[1]} dimensions; at most {LARGEST} are sound here.")
    shift = x.mean(0) - y.mean(0)
    c_x, c_y = (np.atleast_2d(np.cov(z, rowvar=False)) for z in (x, y))
    values, vectors = np.linalg.eigh(c_x)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    # The eigenvalues of C_x C_y are those of the symmetric root C_y root.
    product = np.clip(np.linalg.eigvalsh(root @ c_y @ root), 0, None)
    value = shift @ shift + np.trace(c_x) + np.trace(c_y) - 2 * np.sqrt(product).sum()
    return float(max(value, 0.0))


def frechet_interval(x: np.ndarray, y: np.ndarray, draws: int = 300, seed: int = 0) -> Interval95:
    """`frechet_distance` with a 95 % basic bootstrap interval.

    Drawing with replacement adds about the bias that sampling had added; the basic interval
    (observed minus the drawn surplus) takes it off again, so the interval is about the distance of
    the two distributions and may lie below the observed value.
    """
    rng = np.random.default_rng(seed)
    value = frechet_distance(x, y)
    drawn = [
        frechet_distance(x[rng.integers(0, len(x), len(x))], y[rng.integers(0, len(y), len(y))])
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval95(value, float(max(2 * value - high, 0)), float(max(2 * value - low, 0)))


def against_floor(
    statistic: Statistic, real: np.ndarray, made: np.ndarray, repeats: int = 50, seed: int = 0
) -> Floor:
    """A statistic of made against real, beside what two disjoint sets of real images give.

    Both at one size (half of the real set, or all made if fewer), so that the sampling bias is the
    same. real (n, d), made (m, d). ValueError: fewer than four real or two made vectors.
    """
    size = min(len(real) // 2, len(made))
    if size < 2:
        raise ValueError(f"{len(real)} real and {len(made)} made images are too few for a floor.")
    rng = np.random.default_rng(seed)
    floor, at_size = [], []
    for _ in range(repeats):
        order, drawn = rng.permutation(len(real)), rng.permutation(len(made))[:size]
        first, second = real[order[:size]], real[order[size : 2 * size]]
        floor.append(statistic(first, second))
        at_size.append(statistic(first, made[drawn]))
    high = float(np.quantile(floor, 0.95))
    return Floor(size, float(np.mean(at_size)), float(np.mean(floor)), high)


def _checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"Features must be (n, d) and (m, d), found {x.shape} and {y.shape}.")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"Two vectors or more a set are needed, found {len(x)} and {len(y)}.")
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def _gaussian_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    pooled = np.concatenate([x, y])
    median = float(np.median(pdist(pooled))) or 1.0
    squared = cdist(pooled, pooled, "sqeuclidean")
    widths = [b * median for b in BANDWIDTHS]
    return sum(np.exp(-squared / (2 * w * w)) for w in widths) / len(widths)


def _distance_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    pooled = np.concatenate([x, y])
    return -cdist(pooled, pooled)


def _between(kernel: np.ndarray, n: int) -> float:
    """The unbiased statistic E k(x, x') + E k(y, y') - 2 E k(x, y); the first n rows are x."""
    first = np.zeros((len(kernel), 1))
    first[:n] = 1
    return float(_statistics(kernel, first)[0])


def _statistics(kernel: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The statistic of many divisions at once; first: (n + m, P), 1 where a row belongs to x."""
    second = 1 - first
    n, m = first.sum(0), second.sum(0)
    diagonal = np.diag(kernel)
    of_first, of_second = kernel @ first, kernel @ second
    xx = ((first * of_first).sum(0) - diagonal @ first) / (n * (n - 1))
    yy = ((second * of_second).sum(0) - diagonal @ second) / (m * (m - 1))
    return xx + yy - 2 * (first * of_second).sum(0) / (n * m)


def _permuted(kernel: np.ndarray, n: int, permutations: int, seed: int) -> TwoSample:
    rng = np.random.default_rng(seed)
    first = np.zeros((len(kernel), permutations + 1))
    first[:n] = 1
    first[:, 1:] = rng.permuted(first[:, 1:], axis=0)
    values = _statistics(kernel, first)
    # A relabelling that swaps the sets gives the observed value up to rounding: that is a tie.
    margin = 1e-12 * (np.abs(values[0]) + np.abs(kernel).max())
    return TwoSample(float(values[0]), float((values >= values[0] - margin).mean()))
