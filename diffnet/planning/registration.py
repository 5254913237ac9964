"""How far two images of one patient lie apart: phase correlation of their edges."""

from __future__ import annotations

import numpy as np

LARGEST = 96  # voxels along an axis; longer axes are averaged in blocks


def offset_between(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Voxels (z, y, x) by which b is moved against a, both (Z, Y, X); in whole blocks.

    The peak of the inverse transform of A* B / |A* B| (Kuglin & Hines, 1975), on gradient
    magnitudes, because two contrasts of one anatomy share their edges and not their grey values.
    """
    steps = [max(1, -(-n // LARGEST)) for n in a.shape]
    f, g = (np.fft.fftn(_edges(_blocks(x, steps))) for x in (a, b))
    cross = np.conj(f) * g
    peak = np.fft.ifftn(cross / np.maximum(np.abs(cross), 1e-12)).real
    at = np.unravel_index(int(np.argmax(peak)), peak.shape)
    moved = [i - n if i > n // 2 else i for i, n in zip(at, peak.shape, strict=True)]
    return tuple(float(m * s) for m, s in zip(moved, steps, strict=True))  # type: ignore[return-value]


def _blocks(x: np.ndarray, steps: list[int]) -> np.ndarray:
    x = np.asarray(x, np.float32)
    for axis, step in enumerate(steps):
        n = x.shape[axis] // step * step
        x = np.take(x, range(n), axis)
        shape = [*x.shape[:axis], n // step, step, *x.shape[axis + 1 :]]
        x = x.reshape(shape).mean(axis + 1)
    return x


def _edges(x: np.ndarray) -> np.ndarray:
    """Gradient magnitude under a Hann window, so that the image's own border is no edge."""
    total = np.zeros_like(x)
    for axis, n in enumerate(x.shape):
        if n > 2:
            total += np.gradient(x, axis=axis) ** 2
    edges = np.sqrt(total)
    for axis, n in enumerate(x.shape):
        if n > 3:
            taper = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
            edges = edges * taper.reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    return edges - edges.mean()
