"""The best voxel-wise guess of a target from what is given, and how much it leaves open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .record import Record


@dataclass(frozen=True)
class LinearGuess(Record):
    """guess_j = bias_j + sum_i weights_ji feature_i(given), the same at every voxel.

    Features are the given channels and, for degree 2, their products g_i g_k with i <= k.
    std_j: standard deviation of target_j - guess_j over the training set. With no features the
    guess is the mean of the target (class frequencies for one-hot labels).
    """

    degree: int
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    std: tuple[float, ...]
    explained: tuple[float, ...] = ()


def feature_pairs(channels: int, degree: int) -> list[tuple[int, int]]:
    """Products that degree-2 features add, in order."""
    if degree < 2:
        return []
    return [(i, k) for i in range(channels) for k in range(i, channels)]


def features(given: np.ndarray, degree: int) -> np.ndarray:
    """(C, N) to (F, N)."""
    if degree == 0:
        return given[:0]
    products = [given[i] * given[k] for i, k in feature_pairs(len(given), degree)]
    return np.concatenate([given, np.stack(products)]) if products else given


def fit_guess(pairs: Iterable[tuple[np.ndarray, np.ndarray]], degree: int) -> LinearGuess:
    """Least squares over (given (C, N), target (K, N)) sample pairs, accumulated in one pass."""
    gram = cross = square = None
    for given, target in pairs:
        f = features(given.astype(np.float64), degree)
        f = np.concatenate([f, np.ones((1, target.shape[1]))])
        y = target.astype(np.float64)
        if gram is None:
            gram, cross = np.zeros((len(f), len(f))), np.zeros((len(f), len(y)))
            square = np.zeros(len(y))
        gram += f @ f.T
        cross += f @ y.T
        square += (y**2).sum(1)
    if gram is None or gram[-1, -1] == 0:
        raise ValueError("a voxel-wise guess needs at least one sampled voxel, and there is none")
    n = gram[-1, -1]
    solution = np.linalg.lstsq(gram / n, cross / n, rcond=1e-10)[0]
    residual = square / n - 2 * (solution * cross / n).sum(0)
    residual += np.einsum("fj,fg,gj->j", solution, gram / n, solution)
    variance = square / n - (cross[-1] / n) ** 2
    explained = 1 - residual / np.maximum(variance, 1e-12)
    return LinearGuess(
        degree,
        tuple(tuple(map(float, w)) for w in solution[:-1].T),
        tuple(map(float, solution[-1])),
        tuple(float(max(v, 1e-8) ** 0.5) for v in residual),
        tuple(map(float, explained)),
    )
