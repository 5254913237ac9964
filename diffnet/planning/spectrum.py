"""Power over spatial frequency: slope, noise floor, useful noise levels; largest eigenvalue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data import STD

BINS = 24
FLOOR_FROM = 0.42  # frequencies (cycles a voxel) that show the noise floor
WHITE = 0.05  # gain below which data count as white: then no level is better than another
LEVELS = np.linspace(np.log(1e-3), np.log(3e3), 240)  # ln r, far beyond any level that is planned


def frequencies(shape: Sequence[int]) -> np.ndarray:
    """|f| in cycles a voxel of every mode of an array of `shape`; axes of length 1 have none."""
    total = np.zeros(tuple(shape))
    for axis, n in enumerate(shape):
        f = np.fft.fftfreq(n) if n > 1 else np.zeros(1)
        total = total + f.reshape([-1 if k == axis else 1 for k in range(len(shape))]) ** 2
    return np.sqrt(total)


def bin_of(f: np.ndarray) -> np.ndarray:
    """Index of the radial bin: BINS bins over (0, 0.5]; corners beyond 0.5 go to the last one."""
    return np.minimum((f * 2 * BINS).astype(int), BINS - 1)


def radial_power(x: np.ndarray) -> np.ndarray:
    """(BINS,) mean power of the modes at each |f|; white noise of std s has power s^2 everywhere.

    x: 2-D or 3-D, in any units. A Hann window keeps the jump between opposite borders out; what it
    takes away in energy is given back. Bins that no mode of this shape falls into are NaN.
    """
    window = np.ones(())
    for axis, n in enumerate(x.shape):
        taper = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 if n > 3 else np.ones(n)
        window = window * taper.reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    mean = (x * window).sum() / window.sum()
    power = np.abs(np.fft.fftn((x - mean) * window)) ** 2 / (window**2).sum()
    f = frequencies(x.shape)
    index, inside = bin_of(f).ravel(), (f > 0).ravel()
    count = np.bincount(index[inside], minlength=BINS)
    total = np.bincount(index[inside], power.ravel()[inside], minlength=BINS)
    with np.errstate(invalid="ignore"):
        return total / np.where(count, count, np.nan)


def middle_frequencies() -> np.ndarray:
    return (np.arange(BINS) + 0.5) / (2 * BINS)


def slope(power: np.ndarray) -> float:
    """beta of P(f) ~ f^-beta between 1/24 and 0.3 cycles a voxel, by least squares of logs."""
    f = middle_frequencies()
    use = (f > 1 / 24) & (f < 0.3) & np.isfinite(power) & (power > 0)
    if use.sum() < 3:
        return 0.0
    return float(-np.polyfit(np.log(f[use]), np.log(power[use]), 1)[0])


def floor_std(power: np.ndarray, filled: float = 1.0) -> float:
    """Standard deviation of white noise that would explain the highest frequencies.

    filled: share of the voxels that show anything; noise lives there alone.
    """
    high = power[middle_frequencies() >= FLOOR_FROM]
    high = high[np.isfinite(high)]
    return float(np.sqrt(high.min() / max(filled, 1e-3))) if high.size else 0.0


@dataclass(frozen=True)
class LevelRange:
    """Mean and standard deviation of ln r over the levels at which structure can be told from
    noise.
    """

    mean: float
    std: float


def useful_levels(power: np.ndarray, shape: Sequence[int], std: float = STD) -> LevelRange:
    """Where the spectrum says that a denoiser has something to do, for images of `shape` and `std`.

    p(ln r) ~ 1 - L(r), L(r) = mean_k lambda_k (r^2 + s^2) / ((lambda_k + r^2) s^2): the error of
    the best linear denoiser over the error of one that knows the variance s^2 alone. It is 1 for
    white data.
    """
    return levels_of(*mode_powers(power, shape, std), std)


def levels_of(eigenvalues: np.ndarray, count: np.ndarray, std: float = STD) -> LevelRange:
    """The same of eigenvalues whose mean is std^2, each `count` times."""
    gain = np.asarray([_gain(level, eigenvalues, count, std) for level in LEVELS])
    if gain.max() < WHITE:
        return LevelRange(float(np.log(std)), 1.2)
    mean = (gain * LEVELS).sum() / gain.sum()
    return LevelRange(float(mean), float(np.sqrt((gain * (LEVELS - mean) ** 2).sum() / gain.sum())))


def _gain(level: float, eigenvalues: np.ndarray, count: np.ndarray, std: float) -> float:
    """1 - L(exp(level)), at least 0."""
    r2 = np.exp(2 * level)
    ratio = eigenvalues * (r2 + std**2) / ((eigenvalues + r2) * std**2)
    return max(0.0, float(1 - (ratio * count).sum() / count.sum()))


def mode_powers(
    power: np.ndarray, shape: Sequence[int], std: float = STD
) -> tuple[np.ndarray, np.ndarray]:
    """(lambda, number of modes) of each radial bin of `shape`, scaled to a mean of std^2."""
    f = frequencies(shape).ravel()
    count = np.bincount(bin_of(f[f > 0]), minlength=BINS).astype(float)
    known = np.isfinite(power) & (power > 0)
    filled = (
        np.interp(np.arange(BINS), np.flatnonzero(known), power[known]) if known.any() else None
    )
    if filled is None or count.sum() == 0:
        return np.full(BINS, std**2), np.maximum(count, 1)
    return filled * std**2 * count.sum() / max((filled * count).sum(), 1e-30), count


def blurred_std(
    power: np.ndarray, shape: Sequence[int], factor: Sequence[int], std: float = STD
) -> float:
    """Standard deviation of x - (block means of `factor` voxels, interpolated linearly back).

    The transfer of block mean and linear interpolation along an axis is H(f) = S_b(f) S_l(f), with
    S_b = sin(pi f b) / (b sin(pi f)) and S_l = S_b^2, and it folds each frequency onto b - 1
    others. The variance is sum_k lambda_k ((1 - H_k)^2 + what is folded).
    """
    eigenvalues, _ = mode_powers(power, shape, std)
    f = frequencies(shape)
    spectrum = eigenvalues[bin_of(f)]
    kept, energy = np.ones(()), np.ones(())
    for axis, (n, b) in enumerate(zip(shape, factor, strict=True)):
        h, folded = _transfer(n, b)
        side = [-1 if k == axis else 1 for k in range(len(shape))]
        kept, energy = kept * h.reshape(side), energy * folded.reshape(side)
    left = spectrum * (1 - 2 * kept + energy)
    return float(np.sqrt(max(left[f > 0].sum() / max((f > 0).sum(), 1), 0.0)))


def _transfer(n: int, b: int) -> tuple[np.ndarray, np.ndarray]:
    """H(f), and the energy a unit wave at f has after block mean and interpolation, images
    included.
    """
    f = np.fft.fftfreq(n) if n > 1 else np.zeros(1)
    if b == 1 or n == 1:
        return np.ones(len(f)), np.ones(len(f))
    block = _dirichlet(f, b)
    images = np.stack([_dirichlet(f + j / b, b) ** 2 for j in range(b)])
    return block * images[0], block**2 * (images**2).sum(0)


def _dirichlet(f: np.ndarray, b: int) -> np.ndarray:
    """sin(pi f b) / (b sin(pi f)), 1 at whole numbers, up to a sign that squares forget."""
    below = np.sin(np.pi * f)
    safe = np.where(np.abs(below) < 1e-12, 1.0, below)
    return np.where(np.abs(below) < 1e-12, 1.0, np.sin(np.pi * f * b) / (b * safe))


def principal_share(items: np.ndarray) -> float:
    """Largest eigenvalue of the covariance of items (n, d), divided by d; 0 for fewer than two
    items.

    Items are images at a reduced grid in network units. A smooth mode has d_full / d times the
    energy on the full grid, so lambda_max there is this share times the number of values of a full
    image.
    """
    if len(items) < 2:
        return 0.0
    x = items - items.mean(0)
    gram = x @ x.T / len(items)
    return float(np.linalg.eigvalsh(gram)[-1] / items.shape[1])


def high_pass_noise(x: np.ndarray, mask: np.ndarray) -> float:
    """Noise std from the median absolute value of mixed differences along the last two axes of (Z,
    Y, X).

    (a - b - c + d) / 2 has the noise's own std and hardly sees smooth structure; the median hardly
    sees edges (Donoho & Johnstone, 1994: median absolute deviation / 0.6745). Only 2 x 2 blocks
    that lie wholly in `mask` count.
    """
    if min(x.shape[-2:]) < 2:
        return 0.0
    d = (x[..., :-1, :-1] - x[..., 1:, :-1] - x[..., :-1, 1:] + x[..., 1:, 1:]) / 2
    m = mask[..., :-1, :-1] & mask[..., 1:, :-1] & mask[..., :-1, 1:] & mask[..., 1:, 1:]
    inside = d[m]
    return float(np.median(np.abs(inside)) / 0.6745) if inside.size else 0.0
