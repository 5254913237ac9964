"""Bootstrap intervals of means and of differences between two runs; groups stay together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, t

FEW = 6  # groups whose bootstrap interval, smallest to largest, would hold a median in 95 of 100


class Interval(NamedTuple):
    """mean over `cases` finite values in `groups` groups; low and high are NaN below two groups."""

    mean: float
    low: float
    high: float
    cases: int
    groups: int


class Difference(NamedTuple):
    """second minus first over shared cases; p: of no difference, by sign flips of groups."""

    mean: float
    low: float
    high: float
    p: float
    cases: int
    groups: int


def bootstrap_interval(
    values: Sequence[float],
    groups: Sequence[str] | None = None,
    level: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
) -> Interval:
    """Mean and its percentile bootstrap interval, widened for few groups as a t interval is.

    Below 6 groups, whose extremes a bootstrap cannot leave, Student's interval is given instead.

    Whole groups are drawn, because slices or visits of one patient are not independent; None: every
    case is its own group. Values that are NaN are left out (nothing was measured). An infinite
    value is kept, and makes the mean infinite and the interval unknown. ValueError: values and
    groups differ in number.
    """
    sums, counts, kept = _by_group(values, groups)
    if not kept:
        return Interval(*(float("nan"),) * 3, 0, 0)
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2 or not np.isfinite(mean):
        return Interval(mean, float("nan"), float("nan"), kept, len(sums))
    low, high = _percentiles(sums, counts, level, draws, seed)
    return Interval(mean, low, high, kept, len(sums))


def paired_difference(
    first: Mapping[str, float],
    second: Mapping[str, float],
    groups: Mapping[str, str] | None = None,
    level: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
) -> Difference:
    """Mean of second - first over the cases that both measured, with interval and p-value.

    first, second: case -> value of two runs; cases that one of them lacks, and values that are not
    finite, are left out. groups: case -> group. Pairing removes what cases have in common: it finds
    differences that two overlapping intervals hide. The p-value flips the sign of whole groups'
    sums (all 2^groups flips up to 12 groups, else `draws` random ones and the observed).
    """
    cases = [c for c in first if c in second and np.isfinite(first[c]) and np.isfinite(second[c])]
    named = [groups[c] for c in cases] if groups is not None else None
    sums, counts, kept = _by_group([second[c] - first[c] for c in cases], named)
    if not kept:
        return Difference(*(float("nan"),) * 4, 0, 0)
    mean = float(sums.sum() / counts.sum())
    p = _sign_flips(sums, draws, seed)
    if len(sums) < 2:
        return Difference(mean, float("nan"), float("nan"), p, kept, len(sums))
    low, high = _percentiles(sums, counts, level, draws, seed)
    return Difference(mean, low, high, p, kept, len(sums))


def _by_group(
    values: Sequence[float], groups: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Sum and number of the values of every group, NaN left out, and how many values are kept."""
    if groups is not None and len(groups) != len(values):
        raise ValueError(f"There are {len(values)} values and {len(groups)} groups.")
    x = np.asarray(values, np.float64).reshape(-1)
    kept = ~np.isnan(x)
    if not kept.any():
        return np.zeros(0), np.zeros(0), 0
    names = np.arange(len(x)) if groups is None else np.asarray(groups)
    _, index = np.unique(names[kept], return_inverse=True)
    counts = np.bincount(index).astype(np.float64)
    return np.bincount(index, weights=x[kept]), counts, int(kept.sum())


def _percentiles(
    sums: np.ndarray, counts: np.ndarray, level: float, draws: int, seed: int
) -> tuple[float, float]:
    if len(sums) < FEW:
        return _student(sums, counts, level)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    # Plain percentiles are too narrow by sqrt((n - 1) / n) and by normal instead of t quantiles
    # (expanded percentile interval: Hesterberg, 2014, arXiv:1411.5279).
    n = len(sums)
    tail = float(norm.cdf(np.sqrt(n / (n - 1)) * t.ppf((1 - level) / 2, n - 1)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _student(sums: np.ndarray, counts: np.ndarray, level: float) -> tuple[float, float]:
    """Of the ratio of sums to counts, to first order in the groups' deviations."""
    n, mean = len(sums), sums.sum() / counts.sum()
    error = (sums - mean * counts).std(ddof=1) / counts.mean() / np.sqrt(n)
    half = float(t.ppf((1 + level) / 2, n - 1) * error)
    return float(mean - half), float(mean + half)


def _sign_flips(sums: np.ndarray, draws: int, seed: int) -> float:
    n = len(sums)
    if n <= 12:
        flips = 1 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        flips = np.random.default_rng(seed).choice([-1.0, 1.0], (draws, n))
        flips[0] = 1
    observed = abs(sums.sum())
    return float((np.abs(flips @ sums) >= observed * (1 - 1e-12)).mean())
