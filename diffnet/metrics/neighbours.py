"""Quality and diversity of made images: precision, recall, density, coverage by neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist


class Neighbours(NamedTuple):
    """precision, density: made is like real; recall, coverage: all that is real is met."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(real: np.ndarray, made: np.ndarray, k: int = 5) -> Neighbours:
    """k-nearest-neighbour diagnostics of two sets of feature vectors, real (n, d) and made (m, d).

    A ball around each vector reaches to its k-th nearest of its own set. precision: share of made
    in a real ball; recall: share of real in a made ball (Kynkaanniemi et al., 2019,
    arXiv:1904.06991). density: real balls a made vector is in, over k; coverage: share of real
    balls that hold a made vector (Naeem et al., 2020, arXiv:2002.09797); density may exceed 1. For
    two halves of one set all four stay below 1 for recall, precision and coverage: compare with the
    real-against-real values. ValueError: not more than k vectors in a set.
    """
    if min(len(real), len(made)) <= k:
        raise ValueError(f"{len(real)} real and {len(made)} made vectors are too few for k = {k}.")
    to_real = cdist(made, real)  # (m, n)
    in_real = to_real <= _radii(real, k)[None, :]
    in_made = to_real <= _radii(made, k)[:, None]
    return Neighbours(
        precision=float(in_real.any(1).mean()),
        recall=float(in_made.any(0).mean()),
        density=float(in_real.sum(1).mean() / k),
        coverage=float(in_real.any(0).mean()),
    )


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Distance to the k-th nearest other vector of the same set."""
    return np.partition(cdist(x, x), k, axis=1)[:, k]
