"""How a file's axes lie in the patient: their letters, and how far they are tilted."""

from __future__ import annotations

import numpy as np

from ..data import Volume

LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))  # against and along ITK's x, y, z


def axes_of(volume: Volume) -> str:
    """Where the file's x, y, z run, such as LPS; empty for 2-D images, which say nothing of it."""
    direction = _direction(volume)
    if direction is None:
        return ""
    nearest = np.abs(direction).argmax(0)
    return "".join(LETTERS[row][int(direction[row, k] > 0)] for k, row in enumerate(nearest))


def tilt_of(volume: Volume) -> float:
    """Degrees between the file's axes and the patient's nearest ones, the largest of three."""
    direction = _direction(volume)
    if direction is None:
        return 0.0
    cosines = np.abs(direction).max(0) / np.linalg.norm(direction, axis=0)
    return float(np.degrees(np.arccos(np.clip(cosines.min(), 0, 1))))


def _direction(volume: Volume) -> np.ndarray | None:
    """Columns are the file's x, y, z axes; None where the file knows of no patient."""
    if volume.dims == 2 or len(volume.direction) != 9:
        return None
    return np.reshape(np.asarray(volume.direction, float), (3, 3))
