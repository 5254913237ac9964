"""From a tissue map to what a scanner would show of it: contrast, blur, shading and noise."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .phantom_anatomy import Tissue

# Brightness of each tissue: MR in shares of the brightest, CT in Hounsfield units.
_TABLE = {
    # T1, T2, FLAIR, CT
    Tissue.AIR: (0.00, 0.00, 0.00, -1000.0),
    Tissue.FAT: (0.90, 0.60, 0.50, -100.0),
    Tissue.BONE: (0.05, 0.05, 0.05, 900.0),
    Tissue.FLUID: (0.18, 1.00, 0.15, 5.0),
    Tissue.GREY: (0.50, 0.60, 0.60, 38.0),
    Tissue.WHITE: (0.75, 0.40, 0.48, 27.0),
    Tissue.VENTRICLE: (0.18, 1.00, 0.15, 5.0),
    Tissue.NUCLEI: (0.60, 0.45, 0.50, 36.0),
    Tissue.MUSCLE: (0.45, 0.30, 0.30, 55.0),
    Tissue.LUNG: (0.04, 0.05, 0.04, -820.0),
    Tissue.ORGAN: (0.60, 0.35, 0.40, 65.0),
    Tissue.VESSEL: (0.30, 0.20, 0.20, 160.0),
    Tissue.LESION: (0.40, 0.80, 0.95, 90.0),
}
CONTRASTS = ("T1", "T2", "FLAIR", "CT")


def shown(tissue: np.ndarray, contrast: str, blur: float = 0.6) -> np.ndarray:
    """(Z, Y, X) float64 without noise; blur: voxels, as partial volumes make it."""
    table = np.array([_TABLE[t][CONTRASTS.index(contrast)] for t in Tissue])
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
