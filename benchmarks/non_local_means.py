"""Non-local means on a denoising dataset: what a user would try before any training.

Run: python benchmarks/non_local_means.py DATASET OUT [--strength 1.3], then diffnet evaluate OUT
DATASET. Without a strength it is the one that does best on the training cases.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import convolve
from skimage.restoration import denoise_nl_means

from diffnet.data import Dataset

STRENGTHS = (0.7, 1.0, 1.4, 2.0, 2.8)  # h, in units of the noise's estimated std


def noise_std(x: np.ndarray) -> float:
    """From the median of a mask that straight edges and slopes leave at zero, in each plane."""
    line = np.array([1.0, -2.0, 1.0])
    mask = np.outer(line, line).reshape((1,) * (x.ndim - 2) + (3, 3))
    return float(np.median(np.abs(convolve(x.astype(np.float64), mask))) / (0.6745 * 6))


def filtered(array: np.ndarray, strength: float) -> np.ndarray:
    """(C, Z, Y, X), each channel by itself; 2-D images as images, volumes as volumes."""
    out = np.empty_like(array, np.float32)
    for c, x in enumerate(array.astype(np.float32)):
        x = x[0] if len(x) == 1 else x
        sigma = noise_std(x)
        h = strength * sigma
        found = denoise_nl_means(
            x, patch_size=5, patch_distance=6, h=h, sigma=sigma, fast_mode=True
        )
        out[c] = found
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--strength", type=float)
    given = parser.parse_args()
    dataset = Dataset.open(given.dataset)
    best = given.strength or chosen(dataset)
    for case in dataset.cases("test"):
        volume = dataset.read(case, "image")
        made = filtered(volume.array, best).round().astype(volume.array.dtype)
        volume.with_array(made).write(given.out / f"{case.id}{dataset.file_ending}")


def chosen(dataset: Dataset) -> float:
    """The strength with the smallest error on training cases."""
    some = dataset.cases("train")[:8]
    pairs = [(dataset.read(c, "image").array, dataset.read(c, "target").array) for c in some]
    errors = {
        s: float(np.mean([np.square(filtered(x, s) - y).mean() for x, y in pairs]))
        for s in STRENGTHS
    }
    best = min(errors, key=errors.get)
    print(f"mean squared error on {len(some)} training cases by strength: {errors}; taken: {best}")
    return best


if __name__ == "__main__":
    main()
