"""Label maps as vectors: how much there is of each class, where, how spread out, how ragged."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .intervals import Interval, bootstrap_interval
from .multiscale import random_pairs

LARGEST = 64
SEED = 20232


def label_features(indices: np.ndarray, classes: int) -> np.ndarray:
    """(d,) float64, d at most 64, of one map (1, Z, Y, X) of class indices.

    Of each class but the first (background): root of its share of the voxels, centre and standard
    deviation along each axis in units of the image, and root of the share of neighbouring voxels
    that its border parts. What is not there lies in the middle and has no extent. More than 64
    numbers are mixed down by a fixed orthonormal matrix.
    """
    x = indices[0]
    axes = [a for a in range(3) if x.shape[a] > 1] or [2]
    rows = [_of_class(x == k, axes) for k in range(1, classes)]
    values = np.concatenate(rows)
    return values if len(values) <= LARGEST else _mixing(len(values)) @ values


def label_likeness(maps: Sequence[np.ndarray], classes: int, pairs: int, seed: int) -> Interval:
    """Mean Dice over random pairs of a set, over the classes that either has: higher than the real
    set's is a lack of diversity. ValueError: fewer than two maps.
    """
    if len(maps) < 2:
        raise ValueError(f"Two maps or more make a pair, found {len(maps)}.")
    drawn = random_pairs(len(maps), pairs, np.random.default_rng(seed))
    return bootstrap_interval([_alike(maps[i], maps[j], classes) for i, j in drawn])


def _of_class(inside: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    share = inside.mean()
    places, spreads, parted = [], [], 0.0
    for axis in axes:
        others = tuple(a for a in range(3) if a != axis)
        profile = inside.sum(others).astype(np.float64)
        at = (np.arange(len(profile)) + 0.5) / len(profile)
        total = profile.sum()
        centre = float((profile * at).sum() / total) if total else 0.5
        places.append(centre)
        spreads.append(float(np.sqrt((profile * (at - centre) ** 2).sum() / total)) if total else 0)
        parted += float(np.diff(inside.astype(np.int8), axis=axis).astype(bool).mean())
    return np.array([np.sqrt(share), *places, *spreads, np.sqrt(parted / len(axes))])


def _alike(a: np.ndarray, b: np.ndarray, classes: int) -> float:
    together = np.bincount(
        a.ravel().astype(np.int64) * classes + b.ravel(), minlength=classes**2
    ).reshape(classes, classes)[1:, 1:]
    whole = np.bincount(a.ravel(), minlength=classes) + np.bincount(b.ravel(), minlength=classes)
    there = whole[1:] > 0
    return float((2 * np.diag(together)[there] / whole[1:][there]).mean()) if there.any() else 1.0


@lru_cache
def _mixing(size: int) -> np.ndarray:
    """(64, size) with orthonormal rows."""
    drawn = np.random.default_rng([SEED, size]).standard_normal((size, LARGEST))
    return np.linalg.qr(drawn)[0].T
