"""Whether the spread of K samples says how wrong they are: spread-skill, coverage and CRPS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Coverage(NamedTuple):
    """nominal: what exchangeable samples and truth would give; observed: share of voxels inside."""

    nominal: float
    observed: float


def spread_skill(samples: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """sqrt((K + 1) / K) sqrt(mean variance) / RMSE of the mean; 1: calibrated, below: too sure.

    samples: (K, *S), K >= 2; truth: (*S). mask: where to look, any shape that indexes the last
    axes. The factor makes it 1 in expectation for finite K (Fortin et al., 2014).
    """
    x, y = _inside(samples, truth, mask)
    return spread_skill_of(x.mean(0), x.std(0, ddof=1), y, len(x))


def spread_skill_of(
    mean: np.ndarray, std: np.ndarray, truth: np.ndarray, k: int, mask: np.ndarray | None = None
) -> float:
    """`spread_skill` from the mean and the standard deviation (divisor K - 1) of K samples."""
    if mask is not None:
        mean, std, truth = (a[..., mask] for a in (mean, std, truth))
    error = np.sqrt(np.square(np.asarray(mean, np.float64) - truth).mean())
    spread = np.sqrt(np.square(np.asarray(std, np.float64)).mean())
    if error == 0:
        return 1.0 if spread == 0 else float("inf")
    return float(np.sqrt((k + 1) / k) * spread / error)


def coverage(
    samples: np.ndarray, truth: np.ndarray, level: float = 0.9, mask: np.ndarray | None = None
) -> Coverage:
    """Share of voxels whose truth lies between the i-th smallest and the i-th largest sample.

    i is chosen so that the nominal level (K + 1 - 2 i) / (K + 1), which needs no assumption on the
    distribution, is nearest to `level`. Bounds are inside: voxels without any spread count as
    covered where they are right. Arguments as for `spread_skill`.
    """
    x, y = _inside(samples, truth, mask)
    k = len(x)
    i = int(np.clip(round((1 - level) / 2 * (k + 1)), 1, k // 2))
    x = np.sort(x, 0)
    inside = (x[i - 1] <= y) & (y <= x[k - i])
    return Coverage((k + 1 - 2 * i) / (k + 1), float(inside.mean()))


def crps(samples: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Continuous ranked probability score E|X - y| - E|X - X'| / 2, mean over voxels, image units.

    Unbiased in K (pairs i != j alone: Ferro, 2014), so that runs with different K can be compared.
    Arguments as for `spread_skill`.
    """
    x, y = _inside(samples, truth, mask)
    k = len(x)
    # sum_{i<j} |x_i - x_j| = sum_i (2 i - K - 1) x_(i), i = 1..K in ascending order
    weights = 2 * np.arange(1, k + 1) - k - 1
    apart = np.tensordot(weights, np.sort(x, 0), 1) / (k * (k - 1))
    return float((np.abs(x - y).mean(0) - apart).mean())


def _inside(
    samples: np.ndarray, truth: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(K, N) and (N,) in float64."""
    if samples.shape[1:] != truth.shape:
        raise ValueError(f"Samples are (K, {samples.shape[1:]}), the truth is {truth.shape}.")
    if len(samples) < 2:
        raise ValueError(f"Calibration needs two samples or more, found {len(samples)}.")
    x, y = np.asarray(samples, np.float64), np.asarray(truth, np.float64)
    if mask is not None:
        if not mask.any():
            raise ValueError("The mask is empty: there is no voxel to measure in.")
        x, y = x[..., mask], y[..., mask]
    return x.reshape(len(x), -1), y.reshape(-1)
