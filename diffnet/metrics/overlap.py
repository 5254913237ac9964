"""How well two label maps overlap: Dice and intersection over union, class by class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def dice(result: np.ndarray, truth: np.ndarray, empty: float = float("nan")) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of equal shape (Dice, 1945).

    empty: the value where both masks are empty. NaN (the default) says that the case tells nothing
    about the class, and means leave it out; 1 counts it as a success. One empty mask alone gives 0.
    """
    both, sizes = _counts(result, truth)
    return empty if sizes == 0 else 2 * both / sizes


def iou(result: np.ndarray, truth: np.ndarray, empty: float = float("nan")) -> float:
    """|A and B| / |A or B| of two masks (Jaccard); `empty` as for `dice`."""
    both, sizes = _counts(result, truth)
    return empty if sizes == 0 else both / (sizes - both)


def dice_per_class(
    result: np.ndarray, truth: np.ndarray, labels: Mapping[str, int]
) -> dict[str, float]:
    """Dice of every class but the background (value 0), by name; NaN where neither map has it."""
    return {n: dice(result == v, truth == v) for n, v in labels.items() if v != 0}


def _counts(result: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    if result.shape != truth.shape:
        raise ValueError(f"The result is {result.shape}, the truth is {truth.shape}.")
    a, b = result.astype(bool), truth.astype(bool)
    return int((a & b).sum()), int(a.sum()) + int(b.sum())
