"""From an anomaly map to a mask: outside taken away, speckle smoothed, specks left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .foreground import foreground_of
from .record import Record


@dataclass(frozen=True)
class MapCleaning(Record):
    """erosion: of the body's mask, as a share of the image's longer in-plane side. median: side of
    the median filter's box in voxels, 1 for none. smallest: voxels that a part of the mask needs.
    histogram: maps are given in spreads of the scan's own map above its own median.
    """

    erosion: float = 0.02
    median: int = 3
    smallest: int = 4
    histogram: bool = False


def body_of(array: np.ndarray, c: MapCleaning) -> np.ndarray:
    """(Z, Y, X) bool: the foreground of (C, Z, Y, X) with its rim taken off, slice by slice.

    An image that is foreground up to its border (a crop of tissue) keeps its border.
    """
    inside = foreground_of(array)
    steps = round(c.erosion * max(array.shape[2:]))
    if steps == 0 or not inside.any():
        return inside
    cross = ndimage.generate_binary_structure(3, 1)
    cross[[0, 2]] = False
    return ndimage.binary_erosion(inside, cross, steps, border_value=1)


def cleaned(found: np.ndarray, inside: np.ndarray, c: MapCleaning) -> np.ndarray:
    """A map (Z, Y, X) filtered by the median of a box, three-dimensional in volumes; 0 outside."""
    box = [min(c.median, n if n % 2 else n - 1) for n in found.shape]
    smooth = ndimage.median_filter(found, box, mode="nearest") if max(box) > 1 else found
    if c.histogram:
        smooth = by_own_histogram(smooth, inside)
    return np.where(inside, smooth, 0).astype(np.float32)


def by_own_histogram(found: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(found - median) / spread of the scan's own values inside, 0 or more.

    The spread is 0.7413 times the distance of the quartiles, the standard deviation of a normal
    law. One threshold then serves noisy and quiet scans. A map that is flat stays as it is.
    """
    if not inside.any():
        return found
    low, middle, high = np.percentile(found[inside], [25, 50, 75])
    if high <= low:
        return found
    return ((found - middle) / (0.7413 * (high - low))).clip(min=0)


def lesion_mask(found: np.ndarray, threshold: float, c: MapCleaning) -> np.ndarray:
    """(Z, Y, X) bool: above the threshold, in connected parts of at least `smallest` voxels."""
    above = found > threshold
    parts, count = ndimage.label(above, np.ones((3, 3, 3)))
    if count == 0 or c.smallest <= 1:
        return above
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (sizes >= c.smallest)[parts]
