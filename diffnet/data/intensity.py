"""Intensities to and from the network's units (mean 0, std 0.5), with exact inverses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .record import Record

STD = 0.5


@dataclass(frozen=True)
class ScaleRule(Record):
    """How one channel is brought to network units.

    kind "fixed": (x - shift) / factor with the numbers given here, the same for every case (CT,
    RGB, and whatever is to be predicted). kind "case": shift and factor are measured on each case's
    foreground, for given channels in arbitrary units (MR). kind "whole": on all its voxels, because
    an image with frequencies missing has no foreground, but its mean and nearly its std. kind
    "complex": all channels by one factor, their root mean square, and unmoved, so that phases stay.
    low, high: clip first, in file units; None is no bound.
    """

    kind: str = "fixed"
    shift: float = 0.0
    factor: float = 1.0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Scale(Record):
    """The affine map of one case: (x - shift) / factor per channel. `undo` is its exact inverse."""

    shifts: tuple[float, ...]
    factors: tuple[float, ...]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """(C, Z, Y, X) in file units to float32 network units."""
        return ((array - self._column(self.shifts)) / self._column(self.factors)).astype(np.float32)

    def undo(self, array: np.ndarray) -> np.ndarray:
        """(C, Z, Y, X) in network units to float64 file units."""
        return array.astype(np.float64) * self._column(self.factors) + self._column(self.shifts)

    @staticmethod
    def _column(values: Sequence[float]) -> np.ndarray:
        return np.asarray(values, np.float64)[:, None, None, None]


def clipped(rules: Sequence[ScaleRule], array: np.ndarray) -> np.ndarray:
    """(C, Z, Y, X) with every channel inside its rule's bounds."""
    if all(r.low is None and r.high is None for r in rules):
        return array
    return np.stack([np.clip(x, r.low, r.high) for r, x in zip(rules, array, strict=True)])


def fit_scale(
    rules: Sequence[ScaleRule], array: np.ndarray, foreground: np.ndarray | None = None
) -> Scale:
    """The map of one case. `foreground` (Z, Y, X) bool: where "case" rules measure; None: all."""
    if all(r.kind == "complex" for r in rules):
        power = float(np.square(array, dtype=np.float64).mean())
        return Scale((0.0,) * len(array), ((power**0.5 if power > 0 else 1.0) / STD,) * len(array))
    pairs = [_fit(r, x, foreground) for r, x in zip(rules, array, strict=True)]
    return Scale(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))


def _fit(rule: ScaleRule, x: np.ndarray, foreground: np.ndarray | None) -> tuple[float, float]:
    if rule.kind == "fixed":
        return rule.shift, rule.factor
    known = rule.kind == "case" and foreground is not None and foreground.any()
    inside = np.asarray(x[foreground] if known else x.ravel(), np.float64)
    std = float(inside.std())
    return float(inside.mean()), (std if std > 0 else 1.0) / STD
