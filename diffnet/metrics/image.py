"""How far a made image is from the true one: mean errors, peak signal to noise, similarity."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

WINDOW = 11  # voxels across the Gaussian window of Wang et al., 2004 (sigma 1.5, cut at 3.5 sigma)


def mae(result: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean absolute error, in the images' own units.

    result, truth: (C, Z, Y, X). mask: (Z, Y, X) bool, where to look; None is everywhere.
    ValueError: shapes differ, or the mask is empty.
    """
    return float(np.abs(_errors(result, truth, mask)).mean())


def rmse(result: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Root of the mean squared error, in the images' own units. Arguments as for `mae`."""
    return float(np.sqrt(np.square(_errors(result, truth, mask)).mean()))


def psnr(
    result: np.ndarray, truth: np.ndarray, data_range: float, mask: np.ndarray | None = None
) -> float:
    """Peak signal to noise ratio in dB, 20 log10(data_range / rmse); infinite for equal images.

    data_range: the declared width of the intensity scale (255 for uint8), never taken from the pair
    itself. Other arguments as for `mae`. ValueError: data_range is not positive.
    """
    _check_range(data_range)
    error = rmse(result, truth, mask)
    return float("inf") if error == 0 else float(20 * np.log10(data_range / error))


def ssim(
    result: np.ndarray, truth: np.ndarray, data_range: float, mask: np.ndarray | None = None
) -> float:
    """Mean structural similarity (Wang et al., 2004) over channels and over the voxels of the mask.

    Gaussian window of sigma 1.5 voxels; a volume of at least 11 slices has a three-dimensional
    window, a thinner one is taken slice by slice. Every voxel counts, those at the border with a
    mirrored surrounding, so that a mask of everything and no mask agree. Arguments as for `psnr`.
    """
    return float(_inside(ssim_map(result, truth, data_range), mask).mean())


def ssim_map(result: np.ndarray, truth: np.ndarray, data_range: float) -> np.ndarray:
    """Structural similarity of every voxel, (C, Z, Y, X); see `ssim`."""
    _check_range(data_range)
    _check_shapes(result, truth)
    return np.stack([_similarity(x, y, data_range) for x, y in zip(result, truth, strict=True)])


def _similarity(x: np.ndarray, y: np.ndarray, data_range: float) -> np.ndarray:
    """(Z, Y, X) of one channel."""
    if x.shape[0] >= WINDOW:
        return _windowed(x, y, data_range)
    return np.stack([_windowed(a, b, data_range) for a, b in zip(x, y, strict=True)])


def _windowed(x: np.ndarray, y: np.ndarray, data_range: float) -> np.ndarray:
    # The library refuses sides shorter than its window; mirrored padding is what its filter does at
    # the border anyway, so padding and cropping change nothing where it would have run.
    pad = [(WINDOW // 2, WINDOW // 2) if n < WINDOW else (0, 0) for n in x.shape]
    wide = [np.pad(np.asarray(a, np.float64), pad, mode="symmetric") for a in (x, y)]
    _, similarity = structural_similarity(
        *wide,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return similarity[tuple(slice(p, p + n) for (p, _), n in zip(pad, x.shape, strict=True))]


def _errors(result: np.ndarray, truth: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    _check_shapes(result, truth)
    return _inside(np.asarray(result, np.float64) - np.asarray(truth, np.float64), mask)


def _inside(array: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    if mask is None:
        return array
    if mask.shape != array.shape[1:]:
        raise ValueError(f"The mask is {mask.shape}, the images are {array.shape[1:]}.")
    if not mask.any():
        raise ValueError("The mask is empty: there is no voxel to measure in.")
    return array[:, mask.astype(bool)]


def _check_shapes(result: np.ndarray, truth: np.ndarray) -> None:
    if result.shape != truth.shape:
        raise ValueError(f"The result is {result.shape}, the truth is {truth.shape}.")


def _check_range(data_range: float) -> None:
    if not data_range > 0:
        raise ValueError(f"data_range must be positive, found {data_range}.")
