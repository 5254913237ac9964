"""From a tissue map to what a scanner would show of it: contrast, blur, shading and noise."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .phantom_anatomy import Tissue

# Brightness of each tissue; MR in shares of the brightest, CT in Hounsfield units.
CONTRASTS: dict[str, dict[Tissue, float]] = {
    "T1": dict(
        zip(
            Tissue, (0, 0.9, 0.12, 0.2, 0.5, 0.75, 0.2, 0.6, 0.45, 0.06, 0.6, 0.3, 0.4), strict=True
        )
    ),
    "T2": dict(
        zip(Tissue, (0, 0.6, 0.1, 1.0, 0.6, 0.4, 1.0, 0.45, 0.3, 0.08, 0.35, 0.2, 0.8), strict=True)
    ),
    "FLAIR": dict(
        zip(
            Tissue,
            (0, 0.5, 0.1, 0.15, 0.6, 0.48, 0.15, 0.5, 0.3, 0.06, 0.4, 0.2, 0.95),
            strict=True,
        )
    ),
    "CT": dict(
        zip(Tissue, (-1000, -100, 900, 5, 38, 27, 5, 36, 55, -820, 65, 160, 90), strict=True)
    ),
}


def shown(tissue: np.ndarray, contrast: str, blur: float = 0.6) -> np.ndarray:
    """(Z, Y, X) float64 without noise; blur: voxels, as partial volumes make it."""
    table = np.array([CONTRASTS[contrast][t] for t in Tissue], np.float64)
    sigma = [blur if n > 1 else 0 for n in tissue.shape]
    return ndimage.gaussian_filter(table[tissue], sigma, mode="nearest")


def mr_scan(
    tissue: np.ndarray, contrast: str, noise: float, shading: float, rng: np.random.Generator
) -> np.ndarray:
    """Magnitude MR in arbitrary units: smooth shading, and noise in real and imaginary part."""
    clean = shown(tissue, contrast) * _shading(tissue.shape, shading, rng)
    parts = rng.normal(0, noise, (2, *tissue.shape)) if noise > 0 else np.zeros((2, 1, 1, 1))
    return np.hypot(clean + parts[0], parts[1])


def ct_scan(tissue: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Hounsfield units; noise: its standard deviation, grainy as after reconstruction."""
    clean = shown(tissue, "CT")
    if noise <= 0:
        return clean
    sigma = [0.5 if n > 1 else 0 for n in tissue.shape]
    grain = ndimage.gaussian_filter(rng.normal(size=tissue.shape), sigma)
    return clean + grain * noise / grain.std()


def _shading(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> np.ndarray:
    """A field around 1 that varies by about `size` over the image, as a coil's sensitivity does."""
    lines = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape]
    z, y, x = np.meshgrid(*lines, indexing="ij")
    terms = (z, y, x, z * y, y * x, z * x, x * x - 0.33, y * y - 0.33)
    field = sum(w * t for w, t in zip(rng.normal(0, 0.5, len(terms)), terms, strict=True))
    return np.exp(size * field)
