"""Where the body is: voxels that are neither a constant background nor air."""

from __future__ import annotations

import numpy as np

SAMPLE = 200_000  # voxels that decide on a threshold
BINS = 128
DARK = 0.15  # air is at most this bright, as a share of the tissue's mean


def foreground_of(array: np.ndarray) -> np.ndarray:
    """(C, Z, Y, X) to bool (Z, Y, X): true where any channel shows something.

    A channel without background (a crop of tissue, a CT with its table) is foreground everywhere.
    """
    inside = np.zeros(array.shape[1:], bool)
    for x in array:
        value = constant_background(x)
        if value is not None:
            inside |= x != value
            continue
        level = air_level(x)
        if level is None:
            return np.ones_like(inside)
        inside |= x > level
    return inside


def constant_background(x: np.ndarray) -> float | None:
    """The darkest value of (Z, Y, X), if it fills at least half of the outermost voxels."""
    edges = [x[:, [0, -1], :].ravel(), x[:, :, [0, -1]].ravel()]
    if x.shape[0] > 2:
        edges.append(x[[0, -1]].ravel())
    border = np.concatenate(edges)
    value = border.min()
    if value > x.min() or np.count_nonzero(border == value) * 2 < border.size:
        return None
    return float(value)


def air_level(x: np.ndarray) -> float | None:
    """Otsu's threshold between air and tissue; None where the darker part is too bright for air."""
    sample = x.ravel()[:: max(1, x.size // SAMPLE)].astype(np.float64)
    low, high = np.percentile(sample, [0.5, 99.5])
    if not high > low:
        return None
    count, edge = np.histogram(sample.clip(low, high), BINS, (low, high))
    middle = (edge[1:] + edge[:-1]) / 2
    below = np.cumsum(count)
    total = np.cumsum(count * middle)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        dark, bright = total / below, (total[-1] - total) / above
        between = np.nan_to_num(below * above * (bright - dark) ** 2, nan=-1.0)
    k = int(np.argmax(between[:-1]))
    return float(edge[k + 1]) if dark[k] - low < DARK * (bright[k] - low) else None
